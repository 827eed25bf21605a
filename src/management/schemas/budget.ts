/** The state of a budget on the wire: what is spent, reserved and left in its present day and month. */
import { budgetKinds, type BudgetState, type Holder, type PeriodState } from '../../domain/spending/budget.ts'
import { versionOf } from '../../domain/core/operation.ts'
import { Type } from '../../http/typebox-lite.ts'
import { revision } from '../conventions/etags.ts'
import { as, Moment, nullable, OrganizationId } from '../conventions/schemas.ts'

const WirePeriod = Type.Object({
  limit: nullable(as(Type.Integer(), 50_000_000)),
  spent: as(Type.Integer(), 1_250_000),
  reserved: as(Type.Integer({ description: 'The estimates of open reservations.' }), 4_000),
  left: Type.Union([Type.Integer(), Type.Null()], { description: 'Null: unlimited.' }),
  resetsAt: Moment,
})
/** Whose budget it is. */
export const holderMembers = {
  kind: Type.Enum([...budgetKinds]),
  account: nullable(Type.String()),
  organization: nullable(OrganizationId),
}
export const WireBudgetState = Type.Object({
  ...holderMembers,
  isSet: Type.Boolean({ description: 'Whether a budget is set; without one, nothing is limited.' }),
  day: WirePeriod,
  month: WirePeriod,
}, { title: 'BudgetState' })
export function wireBudgetState ({ holder, budget, day, month }: BudgetState) {
  return {
    ...(budget === null ? {} : { [revision]: versionOf(budget) }),
    ...wireHolder(holder),
    isSet: budget !== null,
    day: wirePeriod(day),
    month: wirePeriod(month)
  }
}

function wirePeriod ({ limit, spent, reserved, left, resetsAt }: PeriodState) {
  return { limit, spent, reserved, left, resetsAt }
}

export function wireHolder ({ kind, id }: Holder) {
  return {
    kind, account: kind === 'account' ? id : null, organization: kind === 'organization' ? id : null
  }
}

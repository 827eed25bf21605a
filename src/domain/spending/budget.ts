/** Budgets: how much may be spent on AI in a day and in a month, by the deployment, an account or an organization. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { dayEnd, dayOf, monthEnd, monthOf } from '../core/calendar.ts'
import { requireVersion, versionOf, type Operation, type Revised } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireDeployment } from '../members/delegation.ts'
import { requireVisibleOrganization, type OrganizationPort } from '../tenancy/organization.ts'

/**
 * The largest amount, in micro-dollars: the largest whole number that every JSON parser reads. Amounts are integers
 * from 0 to it, so that sums are exact.
 */
export const greatestAmount = Number.MAX_SAFE_INTEGER

/**
 * The most that one call may cost, in micro-dollars: a million dollars. A total that is full refuses every later call,
 * and stops the charge of reservations that nothing settled: one forged settlement shall not fill it.
 */
export const greatestCharge = 10 ** 12

export const budgetKinds = ['global', 'account', 'organization'] as const
export type BudgetKind = typeof budgetKinds[number]

/** Whose spending is meant. `id`: the account or the organization; of `global` empty. */
export interface Holder { kind: BudgetKind, id: string }

export const periods = ['day', 'month'] as const
export type Period = typeof periods[number]

/** Micro-dollars in each period, UTC; null: unlimited. */
export type BudgetLimits = Readonly<Record<Period, number | null>>

export interface Budget extends BudgetLimits, Revised {
  /** `bdg_…` */
  id: string
  kind: BudgetKind
  /** As `Holder.id`. */
  holder: string
  createdBy: string
  createdAt: Date
}

/** What a holder has spent in a period, and what open reservations may still cost: micro-dollars. */
export interface Total { spent: number, reserved: number }

/** A holder in one period. `period`: 'YYYY-MM-DD' or 'YYYY-MM', UTC. */
export interface TotalName { holder: Holder, period: string }

export interface BudgetRepository {
  /** @throws Failure `conflict` for a holder that has one. */
  insert (budget: Budget): Promise<void>
  of (holder: Holder): Promise<Budget | null>
  /** Replaces the limits; returns it with its next revision. */
  update (budget: Budget): Promise<Budget>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: { kind?: BudgetKind, holder?: string }): Promise<Page<Budget>>
}

export interface SpendTotalRepository {
  get (name: TotalName): Promise<Total>
  /**
   * Reserves an amount where what is spent, reserved and this together are at most `limit`, in one statement. False:
   * nothing was reserved.
   */
  reserve (name: TotalName, amount: number, limit: number): Promise<boolean>
  /** Adds to both in one statement; either may be negative. False: it would exceed `greatestAmount`. */
  add (name: TotalName, more: Total): Promise<boolean>
  /** Deletes at most `limit` rows of months before this one, and of their days; returns how many. */
  prune (before: string, limit: number): Promise<number>
}

export interface BudgetPort { budgets: BudgetRepository, spendTotals: SpendTotalRepository }

/** A budget in its present period: micro-dollars. `limit` and `left` null: unlimited. */
export interface PeriodState extends Total { limit: number | null, left: number | null, resetsAt: Date }

/** `budget` null: none is set, so nothing is limited. */
export interface BudgetState { holder: Holder, budget: Budget | null, day: PeriodState, month: PeriodState }

export const globalHolder: Holder = { kind: 'global', id: '' }

/** The budget of a holder, with what was spent. @throws Failure `not_found`, `insufficient_permissions`. */
export async function getBudget (
  { store, clock, actor }: Operation<BudgetPort & OrganizationPort>, holder: Holder
): Promise<BudgetState> {
  if (holder.kind === 'organization') {
    requireVisibleOrganization(actor, await store.organizations.get(holder.id), holder.id)
  } else requireDeployment(actor, 'Only the deployment sees budgets of accounts and of the deployment.')
  return await budgetState(store, holder, await store.budgets.of(holder), clock())
}

/**
 * Sets the limits of a holder, or replaces them. They hold for the next reservation, and never for a settlement.
 * @throws Failure `insufficient_permissions` for an actor of an organization, `not_found`, `precondition_failed`.
 */
export async function setBudget (
  operation: Operation<AuditPort & BudgetPort & OrganizationPort>, holder: Holder, { day, month }: BudgetLimits
): Promise<BudgetState> {
  const { store, clock, actor } = operation
  requireDeployment(actor, 'Budgets are set by the deployment.')
  return await store.transaction(async tx => {
    const now = clock()
    if (holder.kind === 'organization') {
      requireVisibleOrganization(actor, await tx.organizations.get(holder.id), holder.id)
    }
    const before = await tx.budgets.of(holder)
    if (before !== null) requireVersion(operation, versionOf(before))
    else if (operation.expects !== undefined) throw new Failure('precondition_failed')
    const budget: Budget = before === null
      ? {
          id: newId('bdg'),
          kind: holder.kind,
          holder: holder.id,
          day,
          month,
          createdBy: actor.id,
          createdAt: now,
          revision: 1
        }
      : await tx.budgets.update({ ...before, day, month })
    if (before === null) await tx.budgets.insert(budget)
    const limitsBefore = before && { day: before.day, month: before.month }
    await tx.audit.append(auditEvent(actor, now, 'budget.set', about(budget, { before: limitsBefore })))
    return await budgetState(tx, holder, budget, now)
  })
}

/** Takes a budget away: from then on nothing limits its holder. @throws Failure as `setBudget`. */
export async function removeBudget (operation: Operation<AuditPort & BudgetPort>, holder: Holder): Promise<void> {
  const { store, clock, actor } = operation
  requireDeployment(actor, 'Budgets are set by the deployment.')
  await store.transaction(async tx => {
    const budget = await tx.budgets.of(holder)
    if (budget === null) throw new Failure('not_found', { message: 'No such budget is set.' })
    requireVersion(operation, versionOf(budget))
    await tx.budgets.remove(budget.id)
    await tx.audit.append(auditEvent(actor, clock(), 'budget.removed', about(budget)))
  })
}

export async function budgetState (
  store: BudgetPort, holder: Holder, budget: Budget | null, now: Date
): Promise<BudgetState> {
  const state = async (period: Period): Promise<PeriodState> => {
    const limit = budget?.[period] ?? null
    const total = await store.spendTotals.get({ holder, period: periodOf[period](now) })
    return {
      ...total,
      limit,
      left: limit === null ? null : Math.max(0, limit - total.spent - total.reserved),
      resetsAt: endOf[period](now)
    }
  }
  const day = await state('day')
  return { holder, budget, day, month: await state('month') }
}

/** The name of the period that an instant lies in, UTC. */
export const periodOf: Readonly<Record<Period, (instant: Date) => string>> = { day: dayOf, month: monthOf }

const endOf: Readonly<Record<Period, (instant: Date) => Date>> = { day: dayEnd, month: monthEnd }

function about ({ id, kind, holder, day, month }: Budget, more: Record<string, unknown> = {}) {
  return {
    organizationId: kind === 'organization' ? holder : null,
    subject: id,
    detail: { kind, ...(kind === 'account' ? { account: holder } : {}), day, month, ...more }
  }
}

/** Budgets with how much of each is used, as bars. */
import { html } from 'ghtml'
import { bar } from '../elements.ts'
import { spendingPath } from './paths.ts'

/** Micro-dollars; null: unlimited. */
interface Period { limit: number | null, spent: number, reserved: number, left: number | null, resetsAt: string }

export interface BudgetState {
  kind: 'global' | 'account' | 'organization'
  organization: string | null
  day: Period
  month: Period
}

/** Micro-dollars as dollars: as exact as they are. */
export function dollars (amount: number): string {
  const [whole, rest] = [Math.floor(amount / 1_000_000), String(amount % 1_000_000).padStart(6, '0')]
  return `$${whole.toLocaleString('en')}.${rest.replace(/0{1,4}$/, '')}`
}

export function budgetsOf (states: readonly BudgetState[], mayWrite: boolean): string {
  return states.map(state => html`<section class="panel"><h2>${titleOf(state)}</h2>
<dl class="limits"><dt>Today</dt><dd>!${meter(state.day)}</dd><dt>This month</dt><dd>!${meter(state.month)}</dd></dl>
!${mayWrite ? html`<p class="actions"><a class="button" href="${formPathOf(state)}">Change budget</a></p>` : ''}</section>`)
    .join('')
}

function titleOf ({ kind }: BudgetState): string {
  return kind === 'global' ? 'Budget of the deployment' : 'Budget of the organization'
}

function formPathOf ({ organization }: BudgetState): string {
  return `${spendingPath}/budget${organization === null ? '' : `?organization=${encodeURIComponent(organization)}`}`
}

/** From this share on a budget is nearly used up. */
const nearly = 0.8

function meter ({ limit, spent, reserved }: Period): string {
  const open = reserved === 0 ? '' : `, ${dollars(reserved)} reserved`
  if (limit === null) return html`${dollars(spent)} spent${open}, no limit`
  const share = limit === 0 ? 1 : (spent + reserved) / limit
  const tone = share >= 1 ? 'bad' : share >= nearly ? 'warn' : 'ok'
  const said = share >= 1 ? ', used up' : share >= nearly ? ', nearly used up' : ''
  return html`${dollars(spent)} of ${dollars(limit)} spent${open}${said}!${bar(share, tone)}`
}

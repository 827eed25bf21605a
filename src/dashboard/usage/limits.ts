/** Limits of an organization, with how much of each is used, as bars. */
import { html } from 'ghtml'
import { bar, count } from '../elements.ts'

export interface Limits { callsPerMonth: number | null, creditsPerMonth: number | null, callsPerMinute: number | null }

type Usage = Readonly<Record<'live' | 'test', { calls: number, credits: number }>>

/** `month`: the usage of this month. `balances`: null: the person may not read them. */
export function limitsOf (
  { callsPerMonth, creditsPerMonth, callsPerMinute }: Limits, { live, test }: Usage,
  balances: Readonly<Record<'live' | 'test', number>> | null
): string {
  return html`<section class="panel"><h2>Limits this month</h2>
<dl class="limits">
<dt>Calls</dt><dd>!${meter(live.calls + test.calls, callsPerMonth)}</dd>
<dt>Credits</dt><dd>!${meter(live.credits, creditsPerMonth)}</dd>
<dt>Calls a minute</dt><dd>${callsPerMinute === null ? 'no limit' : `at most ${count(callsPerMinute)}`}</dd>
!${balances === null
? ''
: html`<dt>Credits left</dt><dd>${count(balances.live)} live, ${count(balances.test)} test</dd>`}</dl></section>`
}

/** From this share on a limit is nearly used up. */
const nearly = 0.8

/** How much of a limit is used, as numbers and as a bar. `limit`: null: there is none. */
export function meter (used: number, limit: number | null): string {
  if (limit === null) return html`${count(used)}, no limit`
  const share = used / limit
  const tone = share >= 1 ? 'bad' : share >= nearly ? 'warn' : 'ok'
  const said = share >= 1 ? ', used up' : share >= nearly ? ', nearly used up' : ''
  return html`${count(used)} of ${count(limit)}${said}!${bar(share, tone)}`
}

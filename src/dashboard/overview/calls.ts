/** What was admitted: the calls of an organization by day; for operators, the verdicts of this server. */
import { html } from 'ghtml'
import { barsByDay, everyDay, type DayCount } from '../chart.ts'
import { count, figures, sharesOf } from '../elements.ts'
import { daysUntil, type Visit } from '../visit.ts'

interface Usage { calls: number, credits: number, days: readonly DayCount[] }
interface OrganizationUsage { live: Usage, test: Usage }
interface Balances { live: number, test: number }
interface Metrics {
  verdicts: { admitted: number, refused: number, byReason: Readonly<Record<string, number>> }
  tokensIssued: Readonly<Record<string, number>>
}

const days = 30

/** As markup; '': the person may not read it. */
export async function callsOf (visit: Visit): Promise<string> {
  return visit.me.deployment ? await callsOfServer(visit) : await callsOfOrganization(visit)
}

async function callsOfOrganization ({ api, me: { member, permissions }, now }: Visit): Promise<string> {
  if (!permissions.includes('usage:read')) return ''
  const path = `/organizations/${member.organization}`
  const [{ live, test }, balances] = await Promise.all([
    api.get<OrganizationUsage>(`${path}/usage`, daysUntil(now, days)),
    permissions.includes('credits:read') ? api.get<Balances>(`${path}/credits`) : null
  ])
  const all = everyDay([...live.days, ...test.days], days, now)
  return html`!${figures([
    ['Calls today', count(all.at(-1)!.calls)],
    [`Calls, ${days} days`, count(live.calls + test.calls)],
    ['Credits spent, live', count(live.credits)],
    ...(balances === null ? [] : [['Credits left, live', count(balances.live)] as const])
  ])}
<section class="panel"><h2>Calls by day</h2>
!${barsByDay(all, 'Admitted calls', {
  part: { name: 'With test keys', days: everyDay(test.days, days, now), tone: 'brass' }
})}</section>`
}

async function callsOfServer ({ api, me: { permissions } }: Visit): Promise<string> {
  if (!permissions.includes('server:read')) return ''
  const { verdicts: { admitted, refused, byReason }, tokensIssued } = await api.get<Metrics>('/metrics')
  const tokens = Object.values(tokensIssued).reduce((sum, each) => sum + each, 0)
  const reasons = Object.entries(byReason).toSorted(([, one], [, other]) => other - one)
  return html`!${figures([
    ['Calls admitted', count(admitted)], ['Calls refused', count(refused)], ['Tokens issued', count(tokens)]
  ])}
<section class="panel"><h2>Verdicts of this server since its start</h2>
!${sharesOf('Outcome', [
  { name: 'Admitted', value: admitted, tone: 'ok' },
  ...reasons.map(([reason, value]) => ({ name: `Refused: ${reason.replaceAll('_', ' ')}`, value, tone: 'bad' as const }))
])}</section>`
}

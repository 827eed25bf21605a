/** Usage of an organization: calls by day, what is left of credits and limits, the use of each key, and tokens. */
import { html } from 'ghtml'
import { barsByDay, everyDay, type DayCount } from '../chart.ts'
import { choiceField, choosable, chosenId, organizations } from '../choice.ts'
import { count, figures, selectField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, type Options } from '../list.ts'
import { daysUntil, screenAt, type Dashboard, type Visit } from '../visit.ts'
import { keysTable, type Asked } from './keys.ts'
import { limitsOf, type Limits } from './limits.ts'
import { tokensOf } from './tokens.ts'

export const usagePath = `${dashboardPath}/usage`

interface Usage { calls: number, credits: number, days: readonly DayCount[] }
interface OrganizationUsage { live: Usage, test: Usage }
interface Organization extends Limits { id: string, name: string }

const ranges: Options = [['7', '7 days'], ['30', '30 days'], ['90', '90 days'], ['365', 'One year']]

export function usageScreen (app: Dashboard): void {
  screenAt(app, '/usage', usage)
}

async function usage (visit: Visit): Promise<Screen> {
  const { api, me, now } = visit
  const asked = await askedOf(visit)
  const path = `/organizations/${encodeURIComponent(asked.organization)}`
  const [of, { live, test }, month, balances] = await Promise.all([
    me.permissions.includes('organizations:read') ? api.get<Organization>(path) : null,
    api.get<OrganizationUsage>(`${path}/usage`, daysUntil(now, asked.days)),
    api.get<OrganizationUsage>(`${path}/usage`),
    me.permissions.includes('credits:read') ? api.get<Record<'live' | 'test', number>>(`${path}/credits`) : null
  ])
  const all = everyDay([...live.days, ...test.days], asked.days, now)
  const rest = await Promise.all([keysTable(visit, usagePath, asked), tokensOf(visit, asked.organization)])
  return {
    title: 'Usage',
    path: [],
    place: usagePath,
    lead: 'Calls that were admitted, by keys and by applications that act for members. Days are UTC.',
    content: html`!${await formOf(visit, asked)}
!${figures([
  ['Calls with live keys', count(live.calls)], ['Calls with test keys', count(test.calls)],
  ['Credits spent, live', count(live.credits)],
  ...(balances === null ? [] : [['Credits left, live', count(balances.live)] as const])
])}
<section class="panel"><h2>Calls by day</h2>
!${barsByDay(all, 'Calls', {
  part: { name: 'With test keys', days: everyDay(test.days, asked.days, now), tone: 'brass' }
})}</section>
!${of === null ? '' : limitsOf(of, month, balances)}
!${rest}`
  }
}

async function askedOf ({ api, me, query }: Visit): Promise<Asked> {
  const days = ranges.some(([value]) => value === query('days')) ? Number(query('days')) : 30
  const named = me.deployment ? query('organization').trim() : ''
  const organization = named === '' ? me.member.organization : await chosenId(api, organizations, named)
  return { organization, days }
}

async function formOf ({ api, me }: Visit, { organization, days }: Asked): Promise<string> {
  const range = { name: 'days', label: 'Range', options: ranges, chosen: String(days) }
  if (!me.deployment) return filterForm(usagePath, [range])
  const choice = await choosable(api, organizations)
  return html`<form class="fields" method="get" action="${usagePath}">
!${choiceField(organizations, choice, { name: 'organization', label: 'Organization', chosen: organization })}
!${selectField(range)}
<button type="submit">Show</button></form>`
}

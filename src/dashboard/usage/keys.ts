/** The use of each key of an organization. */
import { html } from 'ghtml'
import type { ApiKey } from '../api-keys/api-key.ts'
import { environmentOf, keysPath, stateOf, worksStill } from '../api-keys/list.ts'
import { everyDay, sparkline, type DayCount } from '../chart.ts'
import { ago, count } from '../elements.ts'
import { listingOf, listOf, type Column } from '../list.ts'
import { daysUntil, type Visit } from '../visit.ts'
import { meter } from './limits.ts'

/** Whose usage is shown, and of how many days. */
export interface Asked { organization: string, days: number }

interface Usage { apiKey: string, calls: number, credits: number, days: readonly DayCount[] }
type ByKey = ReadonlyMap<string, Usage>

/** As markup; '': the person may not read the keys. `path`: that of the page. */
export async function keysTable (visit: Visit, path: string, { organization, days }: Asked): Promise<string> {
  const { api, me: { permissions, member }, query, now } = visit
  if (!permissions.includes('api-keys:read')) return ''
  const listing = await listingOf<ApiKey>(api, '/api-keys', { sort: 'lastUsedAt' }, query('after'), { organization })
  const ids = listing.data.map(({ id }) => id)
  const limited = listing.data.filter(({ callsPerMonth }) => callsPerMonth !== null).map(({ id }) => id)
  const [usage, month] = await Promise.all([
    usageOf(visit, ids, daysUntil(now, days)), usageOf(visit, limited, {})
  ])
  return html`<h2>By key</h2>
!${listOf({
  caption: 'Usage by key',
  nouns: ['key', 'keys'],
  path,
  filter: { days: String(days), organization: organization === member.organization ? '' : organization },
  orders: ['days', 'organization'],
  after: query('after'),
  columns: columnsOf({ usage, month, days, now }),
  hasEnded: key => key.status !== 'disabled' && !worksStill(key, now),
  empty: 'No API keys yet. What they do will stand here.'
}, listing)}`
}

async function usageOf (
  { api }: Visit, ids: readonly string[], range: { from?: string, to?: string }
): Promise<ByKey> {
  if (ids.length === 0) return new Map()
  const { data } = await api.get<{ data: Usage[] }>('/usage/api-keys', { keys: ids.join(','), ...range })
  return new Map(data.map(each => [each.apiKey, each]))
}

function columnsOf (
  { usage, month, days, now }: { usage: ByKey, month: ByKey, days: number, now: Date }
): Column<ApiKey>[] {
  return [
    {
      name: 'Key',
      cell: key => html`<a href="${keysPath}/${key.id}"><bdi>${key.name}</bdi></a>!${stateOf(key, now)}<br>
<code class="bare">${key.hint}</code>`
    },
    { name: 'Environment', cell: environmentOf },
    {
      name: `Calls, ${days} days`,
      class: 'use',
      cell: ({ id }) =>
        html`!${sparkline(everyDay(usage.get(id)?.days ?? [], days, now))} ${count(usage.get(id)?.calls ?? 0)}`
    },
    { name: 'Credits', cell: ({ id }) => count(usage.get(id)?.credits ?? 0) },
    {
      name: 'Limit this month',
      cell: ({ id, callsPerMonth }) => callsPerMonth === null
        ? html`<span class="muted">none</span>`
        : meter(month.get(id)?.calls ?? 0, callsPerMonth)
    },
    { name: 'Last used', cell: ({ lastUsedAt }) => ago(lastUsedAt, now) }
  ]
}

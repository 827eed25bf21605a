/** The list of API keys, and the search in it. */
import { html } from 'ghtml'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import { everyDay, sparkline, type DayCount } from '../chart.ts'
import { ago, badge, count, dayOf, nameOrId } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'

export const keysPath = `${dashboardPath}/api-keys`

interface KeyPage { data: ApiKey[], pagination: { hasMore: boolean, nextCursor?: string, total: number } }
interface Usage { apiKey: string, calls: number, days: readonly DayCount[] }
interface Member { id: string, name: string }

/** What the list is narrowed to. */
interface Filter { status: string, search: string, sort: string }

const states: readonly (readonly [string, string])[] = [
  ['', 'All states'], ['active', 'Active'], ['disabled', 'Disabled'], ['expired', 'Expired'], ['revoked', 'Revoked'],
  ['rotated', 'Replaced'],
]

const sorts: readonly (readonly [string, string])[] = [
  ['newest', 'Newest first'], ['name', 'By name'], ['lastUsedAt', 'Last used first'], ['expiresAt', 'Next to expire'],
]

/** Days of the shape of use. */
const shownDays = 30

export async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const filter = { status: query('status'), search: query('search'), sort: query('sort') || 'newest' }
  const { data, pagination } = await api.get<KeyPage>('/api-keys', {
    limit: 50,
    total: 'true',
    sort: filter.sort,
    ...given({ status: filter.status, search: filter.search, cursor: query('after') }),
  })
  const [usage, makers] = await Promise.all([usageOf(api, me, data, now), makersOf(api, me, data)])
  const mayWrite = me.permissions.includes('api-keys:write')
  const isFiltered = filter.status !== '' || filter.search !== ''
  return {
    title: 'API keys',
    path: [],
    place: keysPath,
    lead: 'Programs use these to call your APIs. A key is shown once, when it is made, and does what its access says ' +
      'until it is revoked or expires.',
    ...(mayWrite ? { action: html`<a class="button primary" href="${keysPath}/new">Create API key</a>` } : {}),
    content: html`!${filterForm(filter)}
!${data.length === 0 ? nothing(isFiltered) : table(data, { mayWrite, usage, makers, now })}
!${data.length === 0 ? '' : footer(data.length, pagination, filter)}`
  }
}

/**
 * A text to search for travels in the address of the list. A whole key does not: it is sent to the API, digested and
 * forgotten, and leads to its key.
 */
export async function search ({ api, field }: Submission): Promise<Outcome> {
  const [text, status, sort] = [field('search').trim(), field('status'), field('sort')]
  if (withoutAnySecrets(text) === text) {
    return { to: `${keysPath}?${String(new URLSearchParams(given({ search: text, status, sort })))}` }
  }
  const { id } = await api.change<ApiKey>('POST', '/api-keys/find', { body: { key: text } })
  return { to: `${keysPath}/${id}` }
}

function given (members: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== ''))
}

async function usageOf (
  api: Visit['api'], { permissions }: Visit['me'], keys: readonly ApiKey[], now: Date
): Promise<Map<string, Usage> | null> {
  if (keys.length === 0 || !permissions.includes('usage:read')) return null
  const from = new Date(now.getTime() - (shownDays - 1) * 86_400_000).toISOString().slice(0, 10)
  const { data } = await api.get<{ data: Usage[] }>('/usage/api-keys', {
    keys: keys.map(({ id }) => id).join(','), from, to: now.toISOString().slice(0, 10)
  })
  return new Map(data.map(each => [each.apiKey, each]))
}

/** Names of the members that made keys. */
async function makersOf (
  api: Visit['api'], { permissions }: Visit['me'], keys: readonly ApiKey[]
): Promise<Map<string, string>> {
  if (!permissions.includes('members:read') || keys.every(({ creator }) => creator === null)) return new Map()
  const { data } = await api.get<{ data: Member[] }>('/members', { limit: 200 })
  return new Map(data.map(({ id, name }) => [id, name]))
}

function options (values: readonly (readonly [string, string])[], chosen: string): string {
  return html`!${values.map(([value, label]) =>
    html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${label}</option>`)}`
}

/** Sent, and not linked: a whole key may be pasted. */
function filterForm ({ status, search, sort }: Filter): string {
  return html`<form class="filter" method="post" action="${keysPath}/search">
<label for="search" class="unseen">Name, or a key</label>
<input type="search" id="search" name="search" value="${search}" placeholder="Name, or a key" autocomplete="off">
<label for="status" class="unseen">State</label><select id="status" name="status">!${options(states, status)}</select>
<label for="sort" class="unseen">Order</label><select id="sort" name="sort">!${options(sorts, sort)}</select>
<button type="submit">Show</button></form>`
}

function nothing (isFiltered: boolean): string {
  return isFiltered
    ? html`<p class="empty">No key is like that. <a href="${keysPath}">Show all keys</a></p>`
    : html`<p class="empty">No API keys yet. A key lets a program of yours call the API. Make one for each program, so
that you can end one without touching the others.</p>`
}

function footer (shown: number, { nextCursor, total }: KeyPage['pagination'], filter: Filter): string {
  const text = total === 1 ? 'one key' : `${count(total)} keys`
  return html`<p class="footer"><span>!${shown === total ? html`${text}, all shown` : html`${shown} of ${text}`}</span>
!${nextCursor === undefined
  ? ''
  : html`<a class="button" href="${keysPath}?${
    String(new URLSearchParams({ ...given({ ...filter }), after: nextCursor }))}">More</a>`}</p>`
}

interface Shown { mayWrite: boolean, usage: Map<string, Usage> | null, makers: Map<string, string>, now: Date }

function table (keys: readonly ApiKey[], shown: Shown): string {
  return html`<div class="scrolling" tabindex="0" role="region" aria-label="API keys"><table>
<caption class="unseen">API keys</caption>
<thead><tr><th scope="col">Name</th><th scope="col">Environment</th><th scope="col">Access</th>
<th scope="col">Last used</th>!${shown.usage === null ? '' : html`<th scope="col">Calls, ${shownDays} days</th>`}
<th scope="col">Created</th><th scope="col"><span class="unseen">Actions</span></th></tr>
</thead>
<tbody>
!${keys.map(key => row(key, shown))}</tbody></table></div>`
}

function row (key: ApiKey, { mayWrite, usage, makers, now }: Shown): string {
  const { id, name, hint, status, lastUsedAt, createdAt, creator, createdBy } = key
  const hasEnded = status === 'revoked' || status === 'expired'
  const used = usage?.get(id)
  return html`<tr!${hasEnded ? ' class="ended"' : ''}>
<th scope="row"><a href="${keysPath}/${id}">${name}</a>!${stateOf(key, now)}<br><code class="bare">${hint}</code></th>
<td data-label="Environment">!${environmentOf(key)}</td>
<td data-label="Access">!${accessOf(key)}</td>
<td data-label="Last used">!${ago(lastUsedAt, now)}</td>
!${usage === null
? ''
: html`<td data-label="Calls, ${shownDays} days" class="use">
!${sparkline(everyDay(used?.days ?? [], shownDays, now))} ${count(used?.calls ?? 0)}</td>`}
<td data-label="Created">!${dayOf(createdAt)}<br><small>by !${nameOrId(creator ?? createdBy, makers)}</small></td>
<td>!${mayWrite && (status === 'active' || status === 'disabled')
  ? html`<a href="${keysPath}/${id}/revoke">Revoke<span class="unseen"> ${name}</span></a>`
  : ''}</td>
</tr>
`
}

export function environmentOf ({ environment }: Pick<ApiKey, 'environment'>): string {
  return environment === 'live' ? badge('ok', 'Live') : badge('brass', 'Test')
}

/** Days before its end from which a key says so. */
const warnedDays = 14

/** What is unusual about a key, as markup; '': nothing. */
export function stateOf ({ status, expiresAt }: ApiKey, now: Date): string {
  if (status === 'revoked') return html` !${badge('bad', 'Revoked')}`
  if (status === 'disabled') return html` !${badge('warn', 'Disabled')}`
  if (status === 'expired') return html` !${badge('bad', 'Expired')}`
  if (status === 'rotated') return html` !${badge('warn', 'Replaced')}`
  if (expiresAt === null) return ''
  const days = Math.ceil((new Date(expiresAt).getTime() - now.getTime()) / 86_400_000)
  if (days > warnedDays) return ''
  return html` !${badge('warn', days <= 1 ? 'Expires within a day' : `Expires in ${days} days`)}`
}

const levels = { full: 'Full access', 'read-only': 'Read only' } as const

/** What a key may do, as markup. */
export function accessOf ({ access, scopes }: ApiKey): string {
  if (access !== 'custom') return levels[access]
  return scopes.length === 0 ? 'Nothing' : html`!${scopes.map(scope => html`<code>${scope}</code> `)}`
}

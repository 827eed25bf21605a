/** API keys on the overview: those that are used most, that end soon, and that nothing uses. */
import { html } from 'ghtml'
import type { ApiKey } from '../api-keys/api-key.ts'
import { keysPath, stateOf } from '../api-keys/list.ts'
import { everyDay, sparkline, type DayCount } from '../chart.ts'
import { ago, count, dayOf } from '../elements.ts'
import { listingOf, type Listing } from '../list.ts'
import { daysUntil, type Visit } from '../visit.ts'

export interface UsedKey { key: ApiKey, calls: number, days: readonly DayCount[] }

/** Keys whose usage is compared, at most: those that were used last, as many as the API answers about at once. */
const mostCompared = 100

const shown = 5
const days = 30

/** Days before its end at which a key is listed, and without use after which it is. */
const warned = { end: 14, unused: 30 }

function mayRead ({ me: { permissions } }: Visit, ...scopes: string[]): boolean {
  return scopes.every(scope => permissions.includes(scope))
}

/** `isOfNewest`: there are too many to know which were used last, so that these are the newest that were used. */
export interface UsedKeys { keys: readonly UsedKey[], isOfNewest: boolean }

/** The keys that were used last, with their calls of `days` days; null: the person may not read them. */
export async function usedKeysOf (visit: Visit): Promise<UsedKeys | null> {
  if (!mayRead(visit, 'api-keys:read', 'usage:read')) return null
  const { api, now } = visit
  const { data, notSorted } = await listingOf<ApiKey>(
    api, '/api-keys', { sort: 'lastUsedAt' }, '', { limit: mostCompared, total: undefined }
  )
  const isOfNewest = notSorted !== undefined
  const used = data.filter(({ lastUsedAt }) => lastUsedAt !== null)
  if (used.length === 0) return { keys: [], isOfNewest }
  const usage = await api.get<{ data: { apiKey: string, calls: number, days: readonly DayCount[] }[] }>(
    '/usage/api-keys', { keys: used.map(({ id }) => id).join(','), ...daysUntil(now, days) }
  )
  const byKey = new Map(usage.data.map(each => [each.apiKey, each]))
  const keys = used.map(key => ({
    key, calls: byKey.get(key.id)?.calls ?? 0, days: byKey.get(key.id)?.days ?? []
  }))
  return { keys, isOfNewest }
}

export async function mostUsedKeys (used: UsedKeys | null, { now }: Visit): Promise<string> {
  if (used === null) return ''
  const top = used.keys.filter(({ calls }) => calls > 0)
    .toSorted((one, other) => other.calls - one.calls)
    .slice(0, shown)
  if (top.length === 0) return ''
  return html`<section class="panel"><h2>Most used keys, ${days} days</h2>
!${used.isOfNewest ? html`<p class="muted">Of the newest ${mostCompared}: there are too many to compare all.</p>` : ''}
<ul class="records">!${top.map(({ key, calls, days: own }) => html`<li class="line">
<span><a href="${keysPath}/${key.id}"><bdi>${key.name}</bdi></a> <code class="bare">${key.hint}</code>!${stateOf(key, now)}</span>
<span class="use">!${sparkline(everyDay(own, days, now))} ${count(calls)}</span></li>
`)}</ul></section>`
}

/** Keys that end soon, and keys that nothing uses. */
export async function keysInNeed (visit: Visit): Promise<string> {
  if (!mayRead(visit, 'api-keys:read')) return ''
  const { api, now } = visit
  const at = (offset: number) => new Date(now.getTime() + offset * 86_400_000).toISOString()
  const query = { status: 'active', limit: shown }
  const [ending, unused] = await Promise.all([
    listingOf<ApiKey>(api, '/api-keys', { sort: 'expiresAt' }, '', { ...query, expiresBefore: at(warned.end) }),
    listingOf<ApiKey>(api, '/api-keys', {}, '', { ...query, unusedSince: at(-warned.unused) })
  ])
  if ([ending, unused].every(({ data, pagination: { hasMore } }) => data.length === 0 && !hasMore)) return ''
  return html`<div class="columns">
!${listed('End soon', ending, key => html`!${stateOf(key, now)}`)}
!${listed(`Not used for ${warned.unused} days`, unused, ({ lastUsedAt, createdAt }) => lastUsedAt === null
  ? html` <small>never used, made !${dayOf(createdAt)}</small>`
  : html` <small>used !${ago(lastUsedAt, now)}</small>`)}</div>`
}

function listed (
  title: string,
  { data, pagination: { hasMore, total, totalIsAtLeast } }: Listing<ApiKey>,
  note: (key: ApiKey) => string
): string {
  if (data.length === 0 && !hasMore) return ''
  const rest = (total ?? data.length) - data.length
  const more = totalIsAtLeast === true
    ? `And ${count(rest)} or more: of so many keys only the newest were looked at.`
    : rest === 0 ? '' : `And ${count(rest)} more.`
  return html`<section class="panel"><h2>${title}</h2>
<ul class="records">!${data.map(key => html`<li><a href="${keysPath}/${key.id}"><bdi>${key.name}</bdi></a>
<code class="bare">${key.hint}</code>!${note(key)}</li>
`)}</ul>!${more === '' ? '' : html`<p class="muted">${more}</p>`}</section>`
}

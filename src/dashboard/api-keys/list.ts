/** The list of API keys, and the search in it. */
import { html } from 'ghtml'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import { ApiRefusal, may } from '../api.ts'
import { actors } from '../audit/words.ts'
import { everyDay, sparkline, type DayCount } from '../chart.ts'
import { ago, badge, count, dayOf } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, narrowed, type Column, type Options } from '../list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey, ListedKey } from './api-key.ts'

export const keysPath = `${dashboardPath}/api-keys`

interface Usage { apiKey: string, calls: number, days: readonly DayCount[] }

const states: Options = [
  ['', 'All states'], ['active', 'Active'], ['disabled', 'Disabled'], ['expired', 'Expired'], ['revoked', 'Revoked'],
  ['rotated', 'Replaced'],
]

const sorts: Options = [
  ['newest', 'Newest first'], ['name', 'By name'], ['lastUsedAt', 'Last used first'], ['expiresAt', 'Next to expire'],
]

/** Days of the shape of use. */
const shownDays = 30

export async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const filter = { status: query('status'), search: query('search'), sort: query('sort') || 'newest' }
  const listing = await listingOf<ListedKey>(api, '/api-keys', filter, query('after'), { names: 'true' })
  const { data } = listing
  const usage = await usageOf(api, me, data, now)
  const mayWrite = me.permissions.includes('api-keys:write')
  return {
    title: 'API keys',
    path: [],
    place: keysPath,
    lead: 'Programs use these to call your APIs. A key is shown once, when it is made, and does what its access says ' +
      'until it is revoked or expires.',
    ...(mayWrite
      ? { action: html`<a class="button primary" data-dialog href="${keysPath}/new">Create API key</a>` }
      : {}),
    content: html`!${filterForm(`${keysPath}/search`, [
      { name: 'status', label: 'State', options: states, chosen: filter.status },
      { name: 'sort', label: 'Order', options: sorts, chosen: filter.sort },
    ], { label: 'Name, or a key', text: filter.search })}
!${listOf({
  caption: 'API keys',
  nouns: ['key', 'keys'],
  path: keysPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: columnsOf(usage, now),
  ...(mayWrite ? { actions: (key: ListedKey) => may(me, 'api-keys:write', key) ? revocationOf(key, now) : '' } : {}),
  hasEnded: (key: ListedKey) => key.status !== 'disabled' && !worksStill(key, now),
  empty,
}, listing)}`
  }
}

const empty = `No API keys yet. A key lets a program of yours call the API. Make one for each program, so that you can
end one without touching the others.`

/**
 * A text to search for travels in the address of the list. A whole key does not: it is sent to the API, digested and
 * forgotten, and leads to its key.
 */
export async function search ({ api, field }: Submission): Promise<Outcome> {
  const [text, status, sort] = [field('search').trim(), field('status'), field('sort')]
  const id = await keyOfText(api, text)
  return { to: id === null ? narrowed(keysPath, { search: text, status, sort }) : `${keysPath}/${id}` }
}

/** Characters that a text to search for may have without being asked for as a key: imported ones have any form. */
const shortestKey = 12

/** The id of the key with this text; null: it is none, and no secret. @throws ApiRefusal for a secret without a key. */
export async function keyOfText (api: Submission['api'], text: string): Promise<string | null> {
  const isSecret = withoutAnySecrets(text) !== text
  if (!isSecret && (text.length < shortestKey || text.includes(' '))) return null
  try {
    return (await api.change<ApiKey>('POST', '/api-keys/find', { body: { key: text } })).id
  } catch (error) {
    if (isSecret || !(error instanceof ApiRefusal) || ![400, 403, 404].includes(error.status)) throw error
    return null
  }
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

function columnsOf (usage: Map<string, Usage> | null, now: Date): Column<ListedKey>[] {
  const calls: Column<ApiKey> = {
    name: `Calls, ${shownDays} days`,
    class: 'use',
    cell: ({ id }) => {
      const used = usage?.get(id)
      return html`!${sparkline(everyDay(used?.days ?? [], shownDays, now))} ${count(used?.calls ?? 0)}`
    }
  }
  return [
    {
      name: 'Name',
      cell: key => html`<a href="${keysPath}/${key.id}">${key.name}</a>!${stateOf(key, now)}<br>
<code class="bare">${key.hint}</code>`
    },
    { name: 'Environment', cell: environmentOf },
    { name: 'Access', cell: accessOf },
    { name: 'Last used', cell: ({ lastUsedAt }) => ago(lastUsedAt, now) },
    ...(usage === null ? [] : [calls]),
    {
      name: 'Created',
      cell: ({ createdAt, creator, createdBy, creatorName }) => html`!${dayOf(createdAt)}<br><small>by !${
        makerOf(creatorName, creator ?? createdBy)
      }</small>`
    }
  ]
}

/** A member by name, else what made the key. */
function makerOf (name: string | null | undefined, id: string): string {
  const known = name ?? actors[id]
  return known === undefined ? html`<code class="bare">${id}</code>` : html`${known}`
}

function revocationOf (key: ApiKey, now: Date): string {
  const { id, name, status } = key
  return status === 'disabled' || worksStill(key, now)
    ? html`<a data-dialog href="${keysPath}/${id}/revoke">Revoke<span class="unseen"> ${name}</span></a>`
    : ''
}

export function environmentOf ({ environment }: Pick<ApiKey, 'environment'>): string {
  return environment === 'live' ? badge('ok', 'Live') : badge('brass', 'Test')
}

/** Days before its end from which a key says so. */
const warnedDays = 14

/** Whether a key is admitted at all: one that was replaced is, until its overlap ends. */
export function worksStill ({ status, expiresAt }: Pick<ApiKey, 'status' | 'expiresAt'>, now: Date): boolean {
  return (status === 'active' || status === 'rotated') && (expiresAt === null || new Date(expiresAt) > now)
}

/** What is unusual about a key, as markup; '': nothing. */
export function stateOf ({ status, expiresAt }: Pick<ApiKey, 'status' | 'expiresAt'>, now: Date): string {
  if (status === 'revoked') return html` !${badge('bad', 'Revoked')}`
  if (status === 'disabled') return html` !${badge('warn', 'Disabled')}`
  if (status === 'expired') return html` !${badge('bad', 'Expired')}`
  if (status === 'rotated') {
    return worksStill({ status, expiresAt }, now)
      ? html` !${badge('warn', 'Replaced, still works')}`
      : html` !${badge('plain', 'Replaced')}`
  }
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

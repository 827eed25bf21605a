/** A key that takes another one's place: whether the old one is still used, on the pages of both. */
import { html } from 'ghtml'
import { ApiRefusal, may } from '../api.ts'
import { ago, badge, count } from '../elements.ts'
import type { Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath, worksStill } from './list.ts'

interface Usage { callsToday: number }

/** A key and the one before or after it. */
interface Pair { old: ApiKey, successor: ApiKey }

/** Whether the API lets a person replace a key: a member gets no secret of another member's key. */
export function mayReplace (me: Visit['me'], key: Pick<ApiKey, 'creator' | 'status'>): boolean {
  return key.status === 'active' && may(me, 'api-keys:write', key) && (me.deployment || key.creator === me.member.id)
}

/** What became of the old key, as markup; '': the key neither replaces nor was replaced. */
export async function replacementOf (visit: Visit, key: ApiKey): Promise<string> {
  const [before, after] = await Promise.all([found(visit, key.rotatedFrom), found(visit, key.rotatedTo)])
  const pairs: Pair[] = [
    ...(after === null ? [] : [{ old: key, successor: after }]),
    ...(before === null ? [] : [{ old: before, successor: key }])
  ]
  return html`!${await Promise.all(pairs.map(pair => panelOf(visit, pair)))}`
}

/** Null: there is none, or it is not the person's to see. */
async function found ({ api }: Visit, id: string | null): Promise<ApiKey | null> {
  if (id === null) return null
  try {
    return await api.get<ApiKey>(`/api-keys/${encodeURIComponent(id)}`)
  } catch (error) {
    if (error instanceof ApiRefusal && (error.status === 404 || error.status === 403)) return null
    throw error
  }
}

async function panelOf (visit: Visit, { old, successor }: Pair): Promise<string> {
  const { me: { permissions }, now } = visit
  const mayCount = permissions.includes('usage:read')
  const rows = await Promise.all([['old', old] as const, ['new', successor] as const].map(async ([which, key]) =>
    rowOf(which, key, mayCount ? await callsToday(visit, key) : null, now)))
  return html`<section class="apart"><h2>Replacement</h2>
<p>!${useOfOld(old, successor, now)}</p>
<div class="scrolling" tabindex="0" role="region" aria-label="Old and new key"><table>
<caption class="unseen">Old and new key</caption>
<thead><tr><th scope="col">Key</th><th scope="col">State</th><th scope="col">Last used</th>!${mayCount
? html`<th scope="col">Calls today</th>`
: ''}</tr></thead>
<tbody>!${rows}</tbody></table></div></section>`
}

async function callsToday ({ api }: Visit, { id }: ApiKey): Promise<number> {
  return (await api.get<Usage>(`/api-keys/${encodeURIComponent(id)}/usage`)).callsToday
}

/** `calls`: null: the person may not see how many. */
function rowOf (which: 'old' | 'new', key: ApiKey, calls: number | null, now: Date): string {
  const { id, name, hint, lastUsedAt } = key
  return html`<tr><th scope="row"><a href="${keysPath}/${id}"><bdi>${name}</bdi></a> <small>${which}</small><br>
<code class="bare">${hint}</code></th>
<td data-label="State"><div>!${worksStill(key, now) ? badge('ok', 'Works') : badge('plain', 'Ended')}</div></td>
<td data-label="Last used">!${ago(lastUsedAt, now)}</td>!${calls === null
? ''
: html`<td data-label="Calls today">${count(calls)}</td>`}</tr>
`
}

/** Whether anything uses the old key since it was replaced, and until when it can. */
function useOfOld (old: ApiKey, { createdAt }: ApiKey, now: Date): string {
  const end = old.expiresAt === null
    ? ''
    : html` until <time datetime="${old.expiresAt}">${
    old.expiresAt.slice(0, 16).replace('T', ' ')} UTC</time>`
  // Last use is kept in whole seconds: a use in the second of the replacement may have come after it.
  const usedSince = old.lastUsedAt !== null && old.lastUsedAt.slice(0, 19) >= createdAt.slice(0, 19)
  if (!worksStill(old, now)) return 'The old key works no longer.'
  return usedSince
    ? html`<strong>The old key is still used</strong>: !${ago(old.lastUsedAt, now)}. It works!${end}; what uses
it needs the new one by then.`
    : html`<strong>Nothing has used the old key since it was replaced.</strong> It works!${end}, and can be revoked
now.`
}

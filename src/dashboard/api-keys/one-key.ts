/** One API key: what it may do and does, and its name. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { eventWords } from '../audit/words.ts'
import { barsByDay, everyDay, type DayCount } from '../chart.ts'
import { disablingForm, enablingForm } from '../disabling.ts'
import { ago, count, dayOf, nameOrId, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import { namesOf } from '../choice.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { accessOf, environmentOf, keysPath, stateOf, worksStill } from './list.ts'
import { mayReplace, replacementOf } from './replacement.ts'
import { lastRequests } from './requests.ts'

interface Usage { calls: number, callsToday: number, days: readonly DayCount[] }

export const keysWay = [{ name: 'API keys', href: keysPath }]

/** The path of the key that a request names, on the API. */
export function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/api-keys/${encodeURIComponent(parameter('id'))}`
}

const days = 30

/** `refused`: a name that the API did not take, and why; absent: none was sent. */
export async function keyScreen (visit: Visit, refused?: { name: string, problem: string }): Promise<Screen> {
  const { api, me, now } = visit
  const { permissions } = me
  const key = await api.get<ApiKey>(apiPathOf(visit))
  const from = new Date(now.getTime() - (days - 1) * 86_400_000).toISOString().slice(0, 10)
  const [usage, history, requests, replacement, names] = await Promise.all([
    permissions.includes('usage:read')
      ? api.get<Usage>(`${apiPathOf(visit)}/usage`, { from, to: now.toISOString().slice(0, 10) })
      : null,
    historyOf(visit, key.id, eventWords, 'api_key.'),
    lastRequests(visit, key),
    replacementOf(visit, key),
    namesOf(visit, 'members', [key.creator]),
  ])
  const mayWrite = may(me, 'api-keys:write', key)
  const mayChange = mayWrite && key.status === 'active'
  return {
    title: key.name,
    path: keysWay,
    place: keysPath,
    ...(mayWrite ? actionsOf(key, me, now) : {}),
    content: html`!${facts(key, usage, ownerOf(key, names, me), now)}
!${replacement}
!${usage === null
? ''
: html`<section class="panel"><h2>Calls by day</h2>
!${usage.calls === 0
? html`<p class="muted">None in ${days} days.</p>`
: barsByDay(everyDay(usage.days, days, now), 'Calls')}</section>`}
!${mayChange
? html`<form class="panel" method="post" action="${keysPath}/${key.id}/name">
!${textField({
  name: 'name',
  label: 'Name',
  value: refused?.name ?? key.name,
  required: true,
  problem: refused?.problem ?? null,
})}
<p class="actions"><button type="submit">Rename</button></p></form>
!${disablingForm(`${keysPath}/${key.id}`, 'key',
  'A disabled key is refused from the next request on, on every server, until it is enabled.')}`
: ''}
!${requests}
!${history}`
  }
}

/**
 * What can be done with a key in its state. A disabled one is neither changed nor replaced until it is enabled; one
 * that was replaced can be ended before its overlap does.
 */
function actionsOf (key: ApiKey, me: Visit['me'], now: Date): { action?: string } {
  const { id, status } = key
  if (status !== 'disabled' && !worksStill(key, now)) return {}
  const gentle = status === 'disabled'
    ? enablingForm(`${keysPath}/${id}`, 'key')
    : mayReplace(me, key)
      ? html`<a class="button" data-dialog href="${keysPath}/${id}/rotate">Replace key</a>`
      : ''
  return {
    action: html`<div class="actions">!${gentle}
<a class="button danger" data-dialog href="${keysPath}/${id}/revoke">Revoke key</a></div>`
  }
}

/** The member whose permissions bound a key, and what follows for others. */
function ownerOf ({ creator, status }: ApiKey, names: ReadonlyMap<string, string>, me: Visit['me']): string {
  if (creator === null) return 'no member, made by an operator'
  const isForeign = status === 'active' && creator !== me.member.id && !me.deployment
  return html`!${nameOrId(creator, names)}!${isForeign
? html` <small>Only they can replace it: the new key acts for them.</small>`
: ''}`
}

function facts (key: ApiKey, usage: Usage | null, owner: string, now: Date): string {
  const { hint, resource, allowlist, lastUsedAt, createdAt, expiresAt } = key
  const rows: [string, string][] = [
    ['Key', html`<code class="bare">${hint}</code>!${stateOf(key, now)}`],
    ['Environment', environmentOf(key)],
    ['API', html`${resource}`],
    ['Access', accessOf(key)],
    ['Addresses', html`${allowlist.length === 0 ? 'from everywhere' : allowlist.join(', ')}`],
    ['Last used', ago(lastUsedAt, now)],
    ...(usage === null ? [] : [['Calls today', count(usage.callsToday)] as [string, string]]),
    ['Created', dayOf(createdAt)],
    ['Belongs to', owner],
    ['Expires', expiresAt === null ? 'never' : dayOf(expiresAt)],
    ...[['Disabled because', key.disabledReason], ['Revoked because', key.revokedReason]]
      .flatMap(([name, reason]): [string, string][] => reason == null ? [] : [[name!, html`${reason}`]])
  ]
  return html`<dl class="panel">!${rows.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>
`)}</dl>`
}

export async function rename (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(submission), { body: { name: submission.field('name') } })
  return { to: `${keysPath}/${encodeURIComponent(submission.parameter('id'))}` }
}

/** One API key: what it may do and does, and its name. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { barsByDay, everyDay, type DayCount } from '../chart.ts'
import { disablingForm, enablingForm } from '../disabling.ts'
import { ago, count, dayOf, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { accessOf, environmentOf, keysPath, stateOf } from './list.ts'
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
  const [usage, history, requests] = await Promise.all([
    permissions.includes('usage:read')
      ? api.get<Usage>(`${apiPathOf(visit)}/usage`, { from, to: now.toISOString().slice(0, 10) })
      : null,
    historyOf(visit, key.id, words),
    lastRequests(visit, key),
  ])
  const mayWrite = may(me, 'api-keys:write', key)
  const mayChange = mayWrite && key.status === 'active'
  return {
    title: key.name,
    path: keysWay,
    place: keysPath,
    ...(mayWrite ? actionsOf(key) : {}),
    content: html`!${facts(key, usage, now)}
!${usage === null
? ''
: html`<section class="panel">
!${barsByDay(everyDay(usage.days, days, now), 'Calls by day')}</section>`}
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

/** What can be done with a key in its state. A disabled one is neither changed nor replaced until it is enabled. */
function actionsOf ({ id, status }: ApiKey): { action?: string } {
  if (status !== 'active' && status !== 'disabled') return {}
  const gentle = status === 'active'
    ? html`<a class="button" data-dialog href="${keysPath}/${id}/rotate">Replace key</a>`
    : enablingForm(`${keysPath}/${id}`, 'key')
  return {
    action: html`<div class="actions">!${gentle}
<a class="button danger" data-dialog href="${keysPath}/${id}/revoke">Revoke key</a></div>`
  }
}

function facts (key: ApiKey, usage: Usage | null, now: Date): string {
  const { hint, resource, allowlist, lastUsedAt, createdAt, expiresAt, rotatedFrom, rotatedTo } = key
  const rows: [string, string][] = [
    ['Key', html`<code class="bare">${hint}</code>!${stateOf(key, now)}`],
    ['Environment', environmentOf(key)],
    ['API', html`${resource}`],
    ['Access', accessOf(key)],
    ['Addresses', html`${allowlist.length === 0 ? 'from everywhere' : allowlist.join(', ')}`],
    ['Last used', ago(lastUsedAt, now)],
    ...(usage === null ? [] : [['Calls today', count(usage.callsToday)] as [string, string]]),
    ['Created', dayOf(createdAt)],
    ['Expires', expiresAt === null ? 'never' : dayOf(expiresAt)],
    ...[['Disabled because', key.disabledReason], ['Revoked because', key.revokedReason]]
      .flatMap(([name, reason]): [string, string][] => reason == null ? [] : [[name!, html`${reason}`]]),
    ...[['Replaces', rotatedFrom], ['Replaced by', rotatedTo]].flatMap(([name, id]): [string, string][] =>
      id == null ? [] : [[name!, html`<a href="${keysPath}/${id}">${id}</a>`]])
  ]
  return html`<dl class="panel">!${rows.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>
`)}</dl>`
}

/** Event names for people. */
const words: Readonly<Record<string, string>> = {
  'api_key.created': 'Key created',
  'api_key.imported': 'Key imported',
  'api_key.updated': 'Key changed',
  'api_key.rotated': 'Key replaced',
  'api_key.revoked': 'Key revoked',
  'api_key.disabled': 'Key disabled',
  'api_key.enabled': 'Key enabled',
  'credential.refused': 'Refused',
}

export async function rename (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(submission), { body: { name: submission.field('name') } })
  return { to: `${keysPath}/${encodeURIComponent(submission.parameter('id'))}` }
}

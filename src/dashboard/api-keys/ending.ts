/** The end of an API key: replaced by another one, or revoked. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import { ago, choices, count, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'
import { apiPathOf, keysWay } from './one-key.ts'
import { shownOnce } from './shown-once.ts'

interface Usage { callsToday: number }

const overlaps = [
  { value: '86400', label: 'One day', hint: 'Both keys work meanwhile.' },
  { value: '604800', label: 'One week', hint: 'Both keys work meanwhile.' },
  { value: '0', label: 'Not at all', hint: 'For emergencies: the old key is refused from the next request on.' },
]

function keyOf (visit: Pick<Visit, 'api' | 'parameter'>): Promise<ApiKey> {
  return visit.api.get<ApiKey>(apiPathOf(visit))
}

function wayTo (key: ApiKey) {
  return [...keysWay, { name: key.name, href: `${keysPath}/${key.id}` }]
}

export async function rotationScreen (visit: Visit): Promise<Screen> {
  const key = await keyOf(visit)
  return {
    title: `Replace ${key.name}`,
    path: wayTo(key),
    place: keysPath,
    lead: 'A new key with the same access, limits and addresses takes its place.',
    content: html`<form class="panel" method="post" action="${keysPath}/${key.id}/rotate">
<input type="hidden" name="attempt" value="${newSecret()}">
!${choices('The old key works on for', 'overlap', overlaps, '86400')}
<p class="actions"><button type="submit" class="primary">Replace key</button>
<a class="button" href="${keysPath}/${key.id}">Keep it</a></p></form>`
  }
}

export async function rotate (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const made = await api.change<ApiKey & { key: string }>('POST', `${apiPathOf(submission)}/rotate`, {
    idempotencyKey: field('attempt'), body: { overlapSeconds: Number(field('overlap')) }
  })
  return { screen: shownOnce(made), status: 201 }
}

export async function revocationScreen (visit: Visit): Promise<Screen> {
  return await confirming(visit, null)
}

export async function revoke (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const key = await keyOf(submission)
  if (field('confirmation') !== key.name) {
    return { screen: await confirming(submission, `Type ${key.name} to revoke it.`), status: 422 }
  }
  const reason = field('reason')
  await api.change('POST', `${apiPathOf(submission)}/revoke`, { body: reason === '' ? {} : { reason } })
  return { to: keysPath }
}

async function confirming (
  visit: Pick<Visit, 'api' | 'parameter' | 'me' | 'now'>, problem: string | null
): Promise<Screen> {
  const key = await keyOf(visit)
  const usage = visit.me.permissions.includes('usage:read')
    ? await visit.api.get<Usage>(`${apiPathOf(visit)}/usage`)
    : null
  return {
    title: `Revoke ${key.name}`,
    path: wayTo(key),
    place: keysPath,
    lead: 'From the next request on, on every server, it is refused. This cannot be undone.',
    content: html`<form class="panel" method="post" action="${keysPath}/${key.id}/revoke">
<p class="warn">!${useOf(key, usage, visit.now)} To replace it without a gap,
<a href="${keysPath}/${key.id}/rotate">replace it instead</a>.</p>
!${textField({ name: 'confirmation', label: `Type ${key.name} to confirm`, required: true, problem })}
!${textField({ name: 'reason', label: 'Reason (optional)', hint: 'For the audit log.' })}
<p class="actions"><a class="button" href="${keysPath}/${key.id}">Keep it</a>
<button type="submit" class="danger">Revoke key</button></p></form>`
  }
}

function useOf ({ lastUsedAt }: ApiKey, usage: Usage | null, now: Date): string {
  if (lastUsedAt === null) return 'It was never used.'
  const today = usage?.callsToday ?? 0
  return today > 0
    ? html`It was used ${count(today)} times today. Whatever uses it will fail.`
    : html`It was last used !${ago(lastUsedAt, now)}. Whatever still uses it will fail.`
}

/** The end of an API key: replaced by another one, or revoked. */
import { html } from 'ghtml'
import { reasonOf } from '../confirmation.ts'
import { ago, choices, count } from '../elements.ts'
import type { Ending } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'
import { apiPathOf, keysWay } from './one-key.ts'
import { mayReplace } from './replacement.ts'
import { keyShownOnce } from './shown-once.ts'

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
!${attemptField()}
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
  return { screen: await keyShownOnce(submission, made, field('attempt')), status: 201 }
}

/** A key, and its use, where the person may see that. */
interface Used { key: ApiKey, usage: Usage | null }

export const revocation: Ending<Used> = {
  place: keysPath,
  verb: 'revoke',
  takesReason: true,
  load: async asked => ({
    key: await keyOf(asked),
    usage: asked.me.permissions.includes('usage:read') ? await asked.api.get<Usage>(`${apiPathOf(asked)}/usage`) : null
  }),
  about: ({ key, usage }, { me, now }) => ({
    name: key.name,
    title: `Revoke ${key.name}`,
    path: wayTo(key),
    lead: 'From the next request on, on every server, it is refused. This cannot be undone.',
    warning: html`!${useOf(key, usage, now)}!${mayReplace(me, key)
? html` To go on without a gap, <a href="${keysPath}/${key.id}/rotate">replace it instead</a>.`
: ''}`,
    button: 'Revoke key',
    keep: `${keysPath}/${key.id}`,
  }),
  end: async submission => {
    await submission.api.change('POST', `${apiPathOf(submission)}/revoke`, { body: reasonOf(submission) })
    return { to: keysPath }
  },
}

function useOf ({ lastUsedAt }: ApiKey, usage: Usage | null, now: Date): string {
  if (lastUsedAt === null) return 'It was never used.'
  const today = usage?.callsToday ?? 0
  return today > 0
    ? html`It was used ${count(today)} times today. Whatever uses it will fail.`
    : html`It was last used !${ago(lastUsedAt, now)}. Whatever still uses it will fail.`
}

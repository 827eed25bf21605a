/** The screens of signing keys, for operators: the list, rotation, and revocation. */
import { html } from 'ghtml'
import { confirmationForm, problemOf, reasonOf } from '../confirmation.ts'
import { badge, choices, dayOf, selectField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, given, listOf, pageSize, type Listing, type Options } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

const keysPath = `${dashboardPath}/signing-keys`
const way = [{ name: 'Signing keys', href: keysPath }]

interface SigningKey {
  id: string
  algorithm: string
  state: 'pending' | 'active' | 'retired' | 'revoked' | 'gone'
  activatedAt: string
  publishedUntil: string | null
}

const badges = {
  pending: badge('plain', 'Published'),
  active: badge('ok', 'Signs'),
  retired: badge('warn', 'Retired'),
  revoked: badge('bad', 'Revoked'),
  gone: badge('plain', 'Gone')
} as const

const states: Options = [
  ['', 'All states'], ['pending', 'Published'], ['active', 'Signs'], ['retired', 'Retired'], ['revoked', 'Revoked'],
  ['gone', 'Gone']
]

/** Those that this server signs with. */
const algorithms = [['ES256', 'ES256'], ['RS256', 'RS256'], ['EdDSA', 'EdDSA']] as const

export function signingKeyScreens (app: Dashboard): void {
  screenAt(app, '/signing-keys', listScreen)
  screenAt(app, '/signing-keys/rotate', rotationScreen)
  formAt(app, '/signing-keys/rotate', rotate)
  screenAt(app, '/signing-keys/:id/revoke', async visit => await asking(visit, null))
  formAt(app, '/signing-keys/:id/revoke', revoke)
}

async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const filter = { state: query('state') }
  const listing = await api.get<Listing<SigningKey>>('/signing-keys', {
    limit: pageSize, ...given({ ...filter, cursor: query('after') })
  })
  const mayWrite = me.permissions.includes('signing-keys:write')
  return {
    title: 'Signing keys',
    path: [],
    place: keysPath,
    lead: 'Access tokens are signed with them. They rotate by themselves; a retired one stays published until its ' +
      'last token is dead.',
    ...(mayWrite ? { action: html`<a class="button primary" href="${keysPath}/rotate">Rotate</a>` } : {}),
    content: html`!${filterForm(keysPath, [{ name: 'state', label: 'State', options: states, chosen: filter.state }])}
!${listOf({
  caption: 'Signing keys',
  nouns: ['signing key', 'signing keys'],
  path: keysPath,
  filter,
  after: query('after'),
  columns: [
    { name: 'Key', cell: ({ id }) => html`<code class="bare">${id}</code>` },
    { name: 'Algorithm', cell: ({ algorithm }) => html`${algorithm}` },
    { name: 'State', cell: ({ state }) => badges[state] },
    { name: 'Signs since', cell: ({ activatedAt }) => dayOf(activatedAt) },
    {
      name: 'Published until',
      cell: ({ publishedUntil }) => publishedUntil === null
        ? html`<span class="muted">it retires</span>`
        : dayOf(publishedUntil)
    }
  ],
  ...(mayWrite
    ? {
        actions: ({ id, state }: SigningKey) => state === 'revoked' || state === 'gone'
          ? ''
          : html`<a href="${keysPath}/${id}/revoke">Revoke<span class="unseen"> ${id}</span></a>`
      }
    : {}),
  hasEnded: ({ state }) => state === 'revoked' || state === 'gone',
  empty: 'No signing keys yet. The server makes the first one when it signs the first token.'
}, listing)}`
  }
}

async function rotationScreen (_visit: Visit): Promise<Screen> {
  return {
    title: 'Rotate the signing key',
    path: way,
    place: keysPath,
    lead: 'A new key is published now and signs later, when every verifier has seen it. No token dies by it.',
    content: html`<form class="panel" method="post" action="${keysPath}/rotate">!${attemptField()}
!${selectField({ name: 'algorithm', label: 'Algorithm', options: algorithms, chosen: 'ES256' })}
!${choices('It signs', 'now', [
  { value: 'no', label: 'When every verifier knows it' },
  { value: 'yes', label: 'At once', hint: 'For emergencies: verifiers that keep old keys refuse its first tokens.' }
], 'no')}
<p class="actions"><button type="submit" class="primary">Rotate key</button>
<a class="button" href="${keysPath}">Keep it</a></p></form>`
  }
}

async function rotate ({ api, field }: Submission): Promise<Outcome> {
  await api.change('POST', '/signing-keys/rotate', {
    idempotencyKey: field('attempt'),
    body: { algorithm: field('algorithm'), ...(field('now') === 'yes' ? { now: true } : {}) }
  })
  return { to: keysPath }
}

function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/signing-keys/${encodeURIComponent(parameter('id'))}`
}

async function asking (
  visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null, reason = ''
): Promise<Screen> {
  const { id, state } = await visit.api.get<SigningKey>(apiPathOf(visit))
  return {
    title: 'Revoke a signing key',
    path: way,
    place: keysPath,
    lead: 'For emergencies. From the next request on, on every server, each token that it signed is refused. This ' +
      'cannot be undone.',
    content: confirmationForm({
      action: `${keysPath}/${id}/revoke`,
      keep: keysPath,
      name: id,
      warning: html`!${state === 'active' ? 'It signs tokens now; another key takes its place first. ' : ''}To replace it
without a gap, <a href="${keysPath}/rotate">rotate it</a> instead.`,
      button: 'Revoke signing key',
      takesReason: true,
      problem,
      reason
    })
  }
}

async function revoke (submission: Submission): Promise<Outcome> {
  const { id } = await submission.api.get<SigningKey>(apiPathOf(submission))
  const problem = problemOf(submission, id, 'revoke')
  if (problem !== null) {
    return { screen: await asking(submission, problem, submission.field('reason')), status: 422 }
  }
  await submission.api.change('POST', `${apiPathOf(submission)}/revoke`, { body: reasonOf(submission) })
  return { to: keysPath }
}

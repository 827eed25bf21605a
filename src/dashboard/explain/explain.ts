/** The screen "Why was it refused?": a credential, a request id or an address is pasted, and explained. */
import { html } from 'ghtml'
import { subjectIn } from '../../management/explanation/subject-form.ts'
import type { ApiKey } from '../api-keys/api-key.ts'
import { ApiRefusal, type Wire } from '../api.ts'
import { ago, badge } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import type { Explanation } from './explanation.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

export const explainPath = `${dashboardPath}/explain`

/** What the form holds: of a credential, nothing comes back. */
interface Draft { about: string, scopes: string, credits: string, from: string, problem: string | null }

const empty: Draft = { about: '', scopes: '', credits: '', from: '', problem: null }

/** The page that explains a request by its id, which is no secret and may stand in an address. */
export function explanationPath (requestId: string): string {
  return `${explainPath}?about=${encodeURIComponent(requestId)}`
}

export function explainScreens (app: Dashboard): void {
  screenAt(app, '/explain', start)
  formAt(app, '/explain', explain, async (submission, { message }) =>
    screenOf(form({ ...draftOf(submission), problem: message })))
}

/** A link with the id of a request leads to the answer; the id of a key stands in the form. */
async function start (visit: Visit): Promise<Screen> {
  const draft: Draft = { ...empty, about: shownAgain(visit.query('about')) }
  const { requestId } = { requestId: '', ...subjectIn(draft.about) }
  if (requestId === '') return screenOf(form(draft))
  try {
    const explanation = await visit.api.get<Wire<Explanation>>(`/requests/${requestId}/explanation`)
    return answered(explanation, await endOf(visit, explanation.subject), visit.now, draft)
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.status !== 404) throw error
    return screenOf(form({ ...draft, problem: error.message }))
  }
}

function answered (explanation: Wire<Explanation>, end: readonly Row[], now: Date, draft: Draft): Screen {
  return screenOf(html`!${answer(explanation, end, now)}
!${form(draft)}`)
}

/** The answer to a form, and never an address of its own: the credential stays out of histories and logs. */
async function explain (submission: Submission): Promise<Outcome> {
  const { api, field, now } = submission
  const subject = subjectIn(field('about'))
  if ('credential' in subject && subject.credential === '') {
    return { screen: screenOf(form({ ...empty, problem: 'Paste what you want to know about.' })), status: 400 }
  }
  const scopes = field('scopes').split(/[\s,]+/).filter(name => name !== '')
  const [credits, from] = [field('credits').trim(), field('from').trim()]
  const explanation = await api.change<Wire<Explanation>>('POST', '/explain', {
    body: {
      ...subject,
      ...(scopes.length === 0 ? {} : { scopes }),
      // What is no number is sent as it is, and the API says so.
      ...(credits === '' ? {} : { credits: /^\d{1,10}$/.test(credits) ? Number(credits) : credits }),
      ...(from === '' ? {} : { from })
    }
  })
  return {
    screen: answered(explanation, await endOf(submission, explanation.subject), now, draftOf(submission)),
    status: 200
  }
}

/** The reason that was given for ending or disabling a key, for those that may read keys. */
async function endOf (
  { api, me: { permissions } }: Visit, subject: Wire<Explanation>['subject']
): Promise<readonly Row[]> {
  if (subject?.kind !== 'api_key' || !permissions.includes('api-keys:read')) return []
  const { revokedReason, disabledReason, status } = await api.get<ApiKey>(`/api-keys/${subject.id}`)
  if (status === 'revoked' && revokedReason !== null) return [['Revoked because', html`${revokedReason}`]]
  if (status === 'disabled' && disabledReason !== null) return [['Disabled because', html`${disabledReason}`]]
  return []
}

function draftOf ({ field }: Submission): Draft {
  return {
    about: shownAgain(field('about')),
    scopes: field('scopes'),
    credits: field('credits'),
    from: field('from'),
    problem: null
  }
}

/** A pasted text, if it is no credential: ids and addresses are no secrets. */
function shownAgain (text: string): string {
  const subject = subjectIn(text)
  return !('credential' in subject) || /^(key|cli|aut|mat)_[0-9A-Za-z]{22}$/.test(subject.credential) ? text.trim() : ''
}

function screenOf (content: string): Screen {
  return {
    title: 'Why was it refused?',
    path: [],
    place: explainPath,
    lead: 'Paste a key, a token, the id of a request or an address. You see what it is, what the guard says now, its ' +
      'last refusals, and what to do. It is not kept, and no limit is used up.',
    content
  }
}

function form ({ about, scopes, credits, from, problem }: Draft): string {
  return html`<form class="panel" method="post" action="${explainPath}">
<div class="field"><label for="about">Key, token, request id or address</label>
<p class="hint" id="about-hint">The id of a request stands in the header <code>x-request-id</code> of its answer.</p>
<input type="text" id="about" name="about" value="${about}" required autocomplete="off" spellcheck="false"
 autocapitalize="none" aria-describedby="about-hint!${problem === null ? '' : ' about-problem'}"!${problem === null
? ''
: ' aria-invalid="true" autofocus'}>
!${problem === null ? '' : html`<p class="problem" id="about-problem">${problem}</p>`}</div>
<details><summary>Ask about a call of it</summary>
!${optional('scopes', 'Scopes that the call needs', 'Separated by spaces.', scopes)}
!${optional('credits', 'Credits that it costs', 'A whole number; without one, nothing.', credits)}
!${optional('from', 'Address that it comes from', 'Without one, the allowlist of the credential is not looked at.', from)}
</details>
<p class="actions"><button type="submit" class="primary">Explain</button></p></form>`
}

function optional (name: string, label: string, hint: string, value: string): string {
  return html`<div class="field"><label for="${name}">${label}</label>
<p class="hint" id="${name}-hint">${hint}</p>
<input type="text" id="${name}" name="${name}" value="${value}" autocomplete="off" spellcheck="false"
 aria-describedby="${name}-hint"></div>`
}

function answer (
  { subject, form, request, verdict, refusals, remedy }: Wire<Explanation>, end: readonly Row[], now: Date
): string {
  return html`<section class="panel" role="status" aria-label="Answer">
!${verdictOf(verdict)}
!${remedy === null ? '' : html`<p><strong>What to do:</strong> ${remedy}</p>`}
!${verdict === null && refusals.length === 0 && request === null ? html`<p>No refusal is known.</p>` : ''}
<dl>!${[...aboutForm(form), ...aboutSubject(subject), ...end, ...aboutRequest(request, now)].map(([name, value]) => html`<dt>${name}</dt>
<dd>!${value}</dd>
`)}</dl></section>
!${refusals.length === 0 ? '' : refusalsOf(refusals, now)}`
}

function verdictOf (verdict: Wire<Explanation>['verdict']): string {
  if (verdict === null) return ''
  const { refusal, route, resource } = verdict
  const where = route ?? resource
  const asked = where === null ? '' : html` <code>${where}</code>`
  if (refusal === null) return html`<h2>!${badge('ok', 'Admitted now')}!${asked}</h2>`
  const { because, reason, status, code, requiredScopes, policy } = refusal
  return html`<h2>!${badge('bad', `Refused now · ${status}`)}!${asked}</h2>
<p>${because} <code>${reason}</code>!${code === null ? '' : html` <code>${code}</code>`}</p>
!${requiredScopes.length === 0
? ''
: html`<p>It needs !${requiredScopes.map(scope => html`<code>${scope}</code> `)}</p>`}
!${policy === null ? '' : html`<p>The policy is <code>${policy}</code></p>`}`
}

/** Kinds of credentials for people. */
const kinds: Readonly<Record<NonNullable<Explanation['subject']>['kind'], string>> = {
  api_key: 'API key',
  access_token: 'access token',
  session: 'session of an end user',
  management_token: 'access token of the management API',
  webhook_token: 'token of a webhook',
  person_session: 'session of a person',
  admin_token: 'admin token',
  client: 'client',
  authorization: 'what a member has allowed a client',
}

type Row = readonly [name: string, value: string]

/** Forms of secrets for people. */
const forms: Readonly<Record<NonNullable<Explanation['form']>, string>> = {
  client_secret: 'client secret, authorization code or refresh token',
  sign_in_link: 'sign-in link',
  registration_token: 'registration token',
  registration_access_token: 'registration access token of a client',
  publishable_key: 'publishable key',
  management_token: 'access token of the management API',
  webhook_token: 'token of a webhook',
  person_session: 'session of a person',
  admin_token: 'admin token',
}

function aboutForm (form: Explanation['form']): Row[] {
  return form === null ? [] : [['It has the form of', html`${forms[form]}`]]
}

function aboutSubject (subject: Wire<Explanation>['subject']): Row[] {
  if (subject === null) return []
  const { kind, idKind, id, name, hint, status, resource } = subject
  const shown = name ?? id
  const isOfKey = idKind === 'api_key'
  return [
    ['What it is', html`${kinds[kind]}${isOfKey ? ' of the API key' : ''} !${kind === 'api_key' || isOfKey
      ? html`<a href="${dashboardPath}/api-keys/${id}">${shown}</a>`
      : html`${shown}`}`],
    ['Id', html`<code>${id}</code>`],
    ...(hint === null ? [] : [['Looks like', html`<code>${hint}</code>`] as Row]),
    ['State', html`${status}`],
    ...(resource === null ? [] : [['API', html`${resource}`] as Row]),
  ]
}

function aboutRequest (request: Wire<Explanation>['request'], now: Date): Row[] {
  if (request === null) return []
  const { createdAt, route, status, reason, addressBlock } = request
  return [
    ['Request', html`<code>${route}</code>, !${ago(createdAt, now)}, from <code>${addressBlock}</code>`],
    ['Answered', html`${status}!${reason === null ? '' : html` <code>${reason}</code>`}`],
  ]
}

function refusalsOf (refusals: Wire<Explanation>['refusals'], now: Date): string {
  return html`<section class="apart"><h2>Last refusals</h2>
<div class="scrolling" tabindex="0" role="region" aria-label="Last refusals"><table>
<caption class="unseen">Last refusals</caption>
<thead><tr><th scope="col">When</th><th scope="col">Reason</th><th scope="col">Route</th><th scope="col">From</th>
<th scope="col">Request</th></tr></thead>
<tbody>!${refusals.map(({ createdAt, because, reason, omitted, route, addressBlock, requestId }) => html`<tr>
<td data-label="When" class="whole">!${ago(createdAt, now)}</td>
<td data-label="Reason"><div>${because}<br><code class="bare">${reason}</code>!${omitted === 0
? ''
: html` <small>and ${omitted} more</small>`}</div></td>
<td data-label="Route"><code class="bare">${route ?? '–'}</code></td>
<td data-label="From" class="whole"><code class="bare">${addressBlock ?? '–'}</code></td>
<td data-label="Request">!${requestId === null
  ? '–'
  : html`<a href="${explanationPath(requestId)}"><code class="bare">${requestId}</code></a>`}</td></tr>
`)}</tbody></table></div></section>`
}

/** How the person signs in: passkeys, accounts, and the sessions that are open. */
import { html } from 'ghtml'
import { ApiRefusal } from '../api.ts'
import { confirmationForm, problemOf } from '../confirmation.ts'
import { ago, badge, dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { signInPath, signInTabs } from './paths.ts'

interface Session {
  id: string, current: boolean, amr: readonly string[], provider: string | null, createdAt: string, lastUsedAt: string
}
interface Passkey { id: string, name: string, backedUp: boolean, createdAt: string, lastUsedAt: string | null }
interface Account { id: string, provider: string | null, issuer: string, subject: string, linkedAt: string }
type List<T> = Readonly<{ data: readonly T[] }>

/** Pages that need a script of the browser, or change how somebody signs in. */
const pages = { passkeys: '/api/v1/auth/passkeys', accounts: '/api/v1/auth/login' }

export async function ownScreen ({ api, me, now }: Visit): Promise<Screen> {
  const [sessions, accounts, passkeys] = await Promise.all([
    api.get<List<Session>>('/auth/sessions'), api.get<List<Account>>('/auth/identities'),
    me.permissions.includes('members:read') ? api.get<List<Passkey>>(`/members/${me.member.id}/passkeys`) : null
  ])
  return {
    title: 'Sign-in',
    path: [],
    place: signInPath,
    lead: 'How you sign in, and where you are signed in now.',
    content: html`!${signInTabs(me, signInPath)}
<section class="panel"><h2>Passkeys</h2>
!${passkeys === null ? '' : passkeyList(passkeys.data, now)}
<p><a class="button" href="${pages.passkeys}">Add, rename or remove passkeys</a></p></section>
<section class="panel"><h2>Accounts at identity providers</h2>
!${accountList(accounts.data)}
<p><a class="button" href="${pages.accounts}">Add an account</a></p></section>
<section class="panel"><h2>Sessions</h2>
<ul class="records">!${sessions.data.map(session => sessionOf(session, now))}</ul>
<form method="post" action="/api/v1/auth/logout-everywhere"><button type="submit">Sign out everywhere</button></form>
</section>`
  }
}

function passkeyList (passkeys: readonly Passkey[], now: Date): string {
  if (passkeys.length === 0) {
    return html`<p class="muted">None yet. With one you sign in with this device: with its PIN, your fingerprint or
your face.</p>`
  }
  return html`<ul class="records">!${passkeys.map(({ name, backedUp, createdAt, lastUsedAt }) => html`<li>
<strong><bdi>${name}</bdi></strong>
<p class="muted">${backedUp ? 'Synchronized' : 'On one device'}, added !${dayOf(createdAt)}, last used
!${ago(lastUsedAt, now)}</p></li>
`)}</ul>`
}

function accountList (accounts: readonly Account[]): string {
  if (accounts.length === 0) return html`<p class="muted">None.</p>`
  return html`<ul class="records">!${accounts.map(({ id, provider, issuer, subject, linkedAt }) => html`<li class="line">
<span><strong>${provider ?? issuer}</strong> <code class="bare">${subject}</code><br>
<small>linked !${dayOf(linkedAt)}</small></span>
<a href="${signInPath}/accounts/${id}">Unlink<span class="unseen"> ${provider ?? issuer}</span></a></li>
`)}</ul>`
}

const ways: Readonly<Record<string, string>> = { otp: 'a link', hwk: 'a passkey', swk: 'a passkey', fed: 'a provider' }

function sessionOf ({ id, current, amr, provider, createdAt, lastUsedAt }: Session, now: Date): string {
  const way = provider ?? amr.map(each => ways[each]).find(each => each !== undefined) ?? amr.join(', ')
  return html`<li class="line"><span>Signed in by ${way}, !${ago(createdAt, now)}!${
    current ? html` !${badge('ok', 'This one')}` : ''}<br><small>last used !${ago(lastUsedAt, now)}</small></span>
!${current
? ''
: html`<form method="post" action="${signInPath}/sessions/${id}/end"><button type="submit">End session</button></form>`}
</li>
`
}

export async function endSession ({ api, parameter }: Submission): Promise<Outcome> {
  await api.change('DELETE', `/auth/sessions/${encodeURIComponent(parameter('id'))}`)
  return { to: signInPath }
}

/** @throws ApiRefusal 404. */
async function accountOf ({ api, parameter }: Pick<Visit, 'api' | 'parameter'>): Promise<{ id: string, name: string }> {
  const { data } = await api.get<List<Account>>('/auth/identities')
  const found = data.find(({ id }) => id === parameter('id'))
  if (found === undefined) throw new ApiRefusal(404, { code: 'NOT_FOUND', error: 'You have no such account.' })
  return { id: found.id, name: found.provider ?? found.issuer }
}

export async function unlinkingScreen (visit: Visit): Promise<Screen> {
  return asking(await accountOf(visit), null)
}

export async function unlink (submission: Submission): Promise<Outcome> {
  const account = await accountOf(submission)
  const problem = problemOf(submission, account.name, 'unlink')
  if (problem !== null) return { screen: asking(account, problem), status: 422 }
  await submission.api.change('DELETE', `/auth/identities/${encodeURIComponent(account.id)}`)
  return { to: signInPath }
}

function asking ({ id, name }: { id: string, name: string }, problem: string | null): Screen {
  return {
    title: `Unlink ${name}`,
    path: [{ name: 'Sign-in', href: signInPath }],
    place: signInPath,
    content: confirmationForm({
      action: `${signInPath}/accounts/${encodeURIComponent(id)}`,
      keep: signInPath,
      name,
      warning: 'It does not sign you in any more, and the other sessions that it began end.',
      button: 'Unlink account',
      takesReason: false,
      problem
    })
  }
}

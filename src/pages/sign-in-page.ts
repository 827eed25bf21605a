/** The markup of the pages around signing in: texts and forms, without any decision. */
import { html } from 'ghtml'
import type { Member } from '../domain/members/permissions.ts'
import type { Organization } from '../domain/tenancy/organization.ts'
import { dashboardPath, type Page } from './page.ts'
import type { AskedSignIn } from './request.ts'
import { day, passkeyScript, passkeySignInForm, passkeysPath, returnToField, signInAgainPath } from './passkey-page.ts'

export const authPath = '/api/v1/auth'

/** A way to sign in: a link to a page that begins it. */
export interface WayIn {
  /** On the button: the name of a provider. */
  label: string
  /** The address of the page that begins it. */
  href (asked: Pick<AskedSignIn, 'returnTo' | 'anew'>): string
}

function withReturnTo (path: string, returnTo: string | null): string {
  return returnTo === null ? path : `${path}?${new URLSearchParams({ return_to: returnTo })}`
}

export interface SignInChoices extends Pick<AskedSignIn, 'returnTo' | 'anew'> {
  ways: readonly WayIn[]
  /** The client that sent the person here; null: they came by themselves. `unverified`: markup that says so, or ''. */
  asker: { name: string, unverified: string } | null
  /** Whether this server takes passkeys. */
  passkeys: boolean
}

export function signInPage ({ ways, asker, passkeys, returnTo, anew }: SignInChoices): Page {
  const title = anew ? 'Sign in again' : 'Sign in'
  return {
    title,
    scripts: passkeys ? [passkeyScript] : [],
    body: html`<h1>${title}</h1>
!${asker === null
? ''
: html`<p>“${asker.name}” asks you to sign in.</p>
!${asker.unverified}`}
!${asker === null || anew
? html`<p class="muted">${anew
? 'What you want to do takes a new sign-in.'
: 'Manage the clients, keys and members of your organization.'}</p>`
: ''}
!${ways.length === 0
? ''
: html`<ul class="choices">
!${ways.map(way => html`<li><a class="button" href="${way.href({ returnTo, anew })}">${way.label}</a></li>
`)}</ul>`}
!${passkeys ? passkeySignInForm(returnTo) : ''}
<h2>With a link</h2>
<p>An administrator of your organization can make you a link that signs you in once.!${asker === null
? html` On the computer of this server:</p>
<p><code>latchkey member sign-in-link MEMBER</code>`
: ''}</p>
<p><a href="${withReturnTo(`${authPath}/link`, returnTo)}">I have a link</a></p>`
  }
}

/** `problem`: why the last attempt failed; null: there was none. */
export function linkPage (problem: string | null, returnTo: string | null): Page {
  return {
    title: 'Sign in with a link',
    scripts: ['link.js'],
    body: html`<h1>Sign in with a link</h1>
!${problem === null ? '' : html`<p class="alert" role="alert">${problem}</p>`}
<p class="muted" id="link-help">A link works once, for ten minutes. Paste the whole link, or what stands behind its
#, if it is not here already.</p>
<form method="post" action="${authPath}/link">
!${returnToField(returnTo)}
<label for="token">Sign-in link</label>
<input type="text" id="token" name="token" required autocomplete="off" autocapitalize="none" spellcheck="false"
aria-describedby="link-help">
<button type="submit" class="primary">Sign in</button>
</form>
<p><a href="${withReturnTo(`${authPath}/login`, returnTo)}">Other ways to sign in</a></p>`
  }
}

/**
 * The answer to a form that signs in and leads on. Not a redirect: what it leads to may redirect to the callback of a
 * client, and browsers let a form of this site lead to this host alone, also by way of redirects.
 */
export function leadingOnPage (next: string): Page {
  return {
    title: 'You are signed in',
    next,
    body: html`<h1>You are signed in</h1>
<p><a class="button primary" href="${next}">Continue</a></p>`
  }
}

export interface SignedIn {
  member: Pick<Member, 'name' | 'role' | 'organizationId'>
  organization: Pick<Organization, 'name'>
  /** The other organizations that the person is a member of. */
  others: readonly Pick<Organization, 'id' | 'name'>[]
  /** Those at providers that sign the member in. */
  accounts: readonly { id: string, name: string, linkedAt: Date }[]
  /** The providers at which an account can be added. */
  addable: readonly { id: string, name: string }[]
  hasPasskeys: boolean
  /** Whether this session may add one. */
  mayAddPasskeys: boolean
  /** Why an operator changes nothing with this session now; null: it does, or they are none. */
  reasonAgainstOperating: string | null
}

export function signedInPage (
  { member, organization, others, accounts, addable, hasPasskeys, mayAddPasskeys, reasonAgainstOperating }: SignedIn
): Page {
  return {
    title: 'You are signed in',
    body: html`<h1>You are signed in</h1>
<dl>
<dt>As</dt><dd>${member.name}, ${member.role}</dd>
<dt>Organization</dt><dd>${organization.name}</dd>
</dl>
<p><a href="${dashboardPath}">Open the dashboard</a></p>
!${reasonAgainstOperating === null
? ''
: html`<p>${reasonAgainstOperating}</p>
<p><a class="button" href="${signInAgainPath(null)}">Sign in again</a></p>`}
!${!hasPasskeys && mayAddPasskeys
? html`<p>Next time, sign in with this device instead of a link: with its PIN, your fingerprint or your face.</p>
<p><a class="button primary" href="${passkeysPath}">Add a passkey</a></p>`
: html`<p><a href="${passkeysPath}">Passkeys</a></p>`}
<p><a href="${authPath}/applications">Connected applications</a></p>
!${others.length === 0
? ''
: html`<h2>Change the organization</h2>
!${others.map(({ id, name }) => html`<form method="post" action="${authPath}/organization">
<input type="hidden" name="organization" value="${id}"><button type="submit">${name}</button></form>
`)}`}
!${accounts.length === 0
? ''
: html`<h2>Accounts that sign you in</h2>
<ul class="records">
!${accounts.map(({ id, name, linkedAt }) => html`<li>
<strong>${name}</strong>
<p class="muted">Added !${day(linkedAt)}</p>
<form method="post" action="${authPath}/identities/${id}/remove"><button type="submit" class="danger">Remove ${name}
</button></form>
</li>
`)}</ul>`}
!${addable.length === 0
? ''
: html`<h2>Add another account</h2>
!${addable.map(({ id, name }) => html`<form method="post" action="${authPath}/identities">
<input type="hidden" name="provider" value="${id}"><button type="submit">${name}</button></form>
`)}`}
<form method="post" action="${authPath}/logout"><button type="submit">Sign out</button></form>
<form method="post" action="${authPath}/logout-everywhere"><button type="submit">Sign out everywhere</button></form>`
  }
}

export const signedOutPage: Page = {
  title: 'You are signed out',
  body: html`<h1>You are signed out</h1>
<p class="muted">Your session has ended, on every server. If others use this computer, close the browser too.</p>
<p><a class="button" href="${authPath}/login">Sign in</a></p>`
}

/** The way to a provider, where a redirect must not lead. */
export function continuePage (name: string, url: string): Page {
  return {
    title: `Continue at ${name}`,
    body: html`<h1>Continue at ${name}</h1>
<p>Sign in there with the account that you want to add. It will sign you in here from then on.</p>
<p><a class="button primary" href="${url}">Continue at ${name}</a></p>
<p><a href="${authPath}/login">Back</a></p>`
  }
}

/** What stands at the root: what this server is, and where to go. */
export function homePage (issuer: string): Page {
  return {
    title: 'Authorization server',
    body: html`<h1>An authorization server</h1>
<p>This is Latchkey. It issues API keys and access tokens for machines, and decides what they may do.</p>
<dl>
<dt>Issuer</dt><dd><code>${issuer}</code></dd>
</dl>
<ul class="choices">
<li><a class="button primary" href="${authPath}/login">Sign in</a></li>
<li><a class="button" href="/reference">API reference</a></li>
</ul>
<p class="muted">For programs: <a href="/.well-known/oauth-authorization-server">discovery document</a>,
<a href="/api/v1/openapi.json">OpenAPI</a>, <a href="/llms.txt">llms.txt</a>.</p>`
  }
}

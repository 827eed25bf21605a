/** The markup of passkeys: the page that lists them, and the form that signs in by one. */
import { html } from 'ghtml'
import type { Passkey } from '../domain/people/passkey.ts'
import type { Page } from './page.ts'

export const passkeysPath = '/api/v1/auth/passkeys'

/** Where people sign in, unless they have. `returnTo`: where to go afterwards. */
export function signInPath (returnTo: string): string {
  return `/api/v1/auth/login?${new URLSearchParams({ return_to: returnTo })}`
}

/** Where people prove anew who they are. `returnTo`: where to go afterwards; null: nowhere in particular. */
export function signInAgainPath (returnTo: string | null): string {
  const asked = new URLSearchParams({ prompt: 'login', ...(returnTo !== null && { return_to: returnTo }) })
  return `/api/v1/auth/login?${asked}`
}

/** The script of every form of this file. */
export const passkeyScript = 'passkeys.js'

const needsScript = html`<noscript><p class="muted">Passkeys need JavaScript, because browsers offer them to scripts
alone. Without it, sign in with a link.</p></noscript>`

const problem = html`<p class="alert" role="alert" hidden></p>`

/** The field of a form that says where to go afterwards; null: nowhere in particular. */
export function returnToField (returnTo: string | null): string {
  return returnTo === null ? '' : html`<input type="hidden" name="return_to" value="${returnTo}">`
}

/** `returnTo`: where to go afterwards; null: nowhere in particular. */
export function passkeySignInForm (returnTo: string | null): string {
  return html`<form method="post" action="${passkeysPath}/sign-in" data-passkey="get">
!${returnToField(returnTo)}
<button type="submit" class="primary">Use a passkey</button>
!${problem}
</form>
!${needsScript}`
}

/** `mayChange`: null, or why this session adds and removes none. */
export function passkeysPage (passkeys: readonly Passkey[], mayChange: string | null): Page {
  return {
    title: 'Passkeys',
    scripts: [passkeyScript],
    body: html`<h1>Passkeys</h1>
<p class="muted">A passkey signs you in with your device: with its PIN, your fingerprint or your face.</p>
!${passkeys.length === 0
? html`<p>You have none yet.</p>`
: html`<ul class="records">
!${passkeys.map(passkey => listed(passkey, mayChange === null))}</ul>`}
<h2>Add a passkey</h2>
!${mayChange === null
? additionForm
: html`<p>${mayChange}</p>
<p><a class="button" href="${signInAgainPath(passkeysPath)}">Sign in again</a></p>`}
<p><a href="/api/v1/auth/login">Back</a></p>`
  }
}

const additionForm = html`<form method="post" action="${passkeysPath}" data-passkey="create">
<label for="name">Name, to tell it from others</label>
<input type="text" id="name" name="name" required maxlength="100" autocomplete="off" value="This device">
<button type="submit" class="primary">Add a passkey</button>
!${problem}
</form>
!${needsScript}`

function listed ({ id, name, backedUp, createdAt, lastUsedAt }: Passkey, mayRemove: boolean): string {
  const path = `${passkeysPath}/${id}`
  return html`<li>
<strong>${name}</strong>
<p class="muted">${backedUp ? 'Synchronized' : 'On one device'}, added !${day(createdAt)},
!${lastUsedAt === null ? 'never used' : html`last used ${''}!${day(lastUsedAt)}`}</p>
<details>
<summary>Change ${name}</summary>
<form method="post" action="${path}/name">
<label for="name-${id}">Name</label>
<input type="text" id="name-${id}" name="name" required maxlength="100" autocomplete="off" value="${name}">
<button type="submit">Rename</button>
</form>
!${mayRemove
? html`<form method="post" action="${path}/remove"><button type="submit" class="danger">Remove</button></form>`
: ''}
</details>
</li>
`
}

/** The day of an instant, as markup. */
export function day (instant: Date): string {
  const text = instant.toISOString()
  return html`<time datetime="${text}">${text.slice(0, 10)}</time>`
}

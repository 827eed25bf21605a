/** The answer to a form that made a secret: its text, until it is saved. */
import { html } from 'ghtml'
import { newSecret } from '../secrets/random.ts'
import { dashboardPath, type Screen } from './frame.ts'
import { formAt, type Dashboard, type Outcome, type Submission } from './visit.ts'

const savedPath = '/saved'

export interface ShownOnce {
  /** What it is: `key`. */
  noun: string
  /** The path above, and the place in the side. */
  path: Screen['path']
  place: string
  /** Texts to copy, with their labels: an id, and the secret last. */
  values: readonly { label: string, text: string }[]
  /** How it is used, as markup; absent: nothing is said. */
  use?: string
  /** The attempt of the form: the answer that is kept for it ends by `I have saved it`. */
  attempt: string
  /** Where `I have saved it` leads. */
  next: string
}

export function shownOnce ({ noun, path, place, values, use, attempt, next }: ShownOnce): Screen {
  return {
    title: `Save your ${noun} now`,
    path,
    place,
    lead: 'It can be seen on this page for ten minutes, or until you say that it is saved, and never again.',
    content: html`<div class="panel">
!${values.map(({ label, text }, index) => html`<p><label for="value-${index}">${label}</label>
<output id="value-${index}" class="secret">${text}</output></p>
`)}!${use === undefined
? ''
: html`<h2>Use it</h2>
!${use}
`}<form method="post" action="${dashboardPath}${savedPath}">!${attemptField(attempt)}
<input type="hidden" name="next" value="${next}">
<p class="actions"><button type="submit" class="primary">I have saved it</button></p></form></div>`
  }
}

/** The form by which a person says that a secret is saved: it cannot be shown again, not by a reload either. */
export function savedForm (app: Dashboard): void {
  formAt(app, savedPath, forgetSecret)
}

async function forgetSecret ({ api, field }: Submission): Promise<Outcome> {
  await api.change('POST', '/idempotency-keys/forget', { body: { idempotencyKey: field('attempt') } })
  const next = field('next')
  return { to: isOwnPath(next) ? next : dashboardPath }
}

/** Whether a text is a path below the dashboard, as URLs have it: nothing in it is encoded or left out. */
function isOwnPath (text: string): boolean {
  return text.startsWith(`${dashboardPath}/`) && URL.parse(text, 'http://site.invalid')?.pathname === text
}

/** The field by which the same form, sent twice, makes one secret. */
export function attemptField (attempt = newSecret()): string {
  return html`<input type="hidden" name="attempt" value="${attempt}">`
}

/** The answer to a form that made a secret: its text, once. */
import { html } from 'ghtml'
import { newSecret } from '../secrets/random.ts'
import type { Screen } from './frame.ts'

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
  /** Where `I have saved it` leads. */
  next: string
}

export function shownOnce ({ noun, path, place, values, use, next }: ShownOnce): Screen {
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
: html`<details><summary>Use it</summary>
!${use}</details>
`}<p class="actions"><a class="button primary" href="${next}">I have saved it</a></p></div>`
  }
}

/** The field by which the same form, sent twice, makes one secret. */
export function attemptField (attempt = newSecret()): string {
  return html`<input type="hidden" name="attempt" value="${attempt}">`
}

/** The answer to a form that made a key: its text, once. */
import { html } from 'ghtml'
import type { Screen } from '../frame.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'

export function shownOnce ({ id, name, key }: ApiKey & { key: string }): Screen {
  return {
    title: 'Save your key now',
    path: [{ name: 'API keys', href: keysPath }],
    place: keysPath,
    lead: 'It can be seen on this page for ten minutes, or until you say that it is saved, and never again.',
    content: html`<div class="panel"><p><label for="key">${name}</label>
<output id="key" class="secret">${key}</output></p>
<p class="actions"><a class="button primary" href="${keysPath}/${id}">I have saved it</a></p></div>`
  }
}

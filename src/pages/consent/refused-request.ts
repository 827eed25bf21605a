/** A request that is not answered at its redirect URI, or not at once: what the person sees, and their developer. */
import { html } from 'ghtml'
import type { Client } from '../../domain/credentials/client.ts'
import type { SentRequest } from '../../protocol/authorization/code-flow-options.ts'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import type { Page } from '../page.ts'
import { nameOf, whoAsks } from './consent-page.ts'
import { destinationOf } from './destination.ts'
import { shownIdentifier } from './display.ts'

/** All of it is text of strangers: the remedy does not repeat the URI, which is not to be pasted into a shell. */
export function wordsOfRefused ({ clientId, client, redirectUri }: SentRequest): string {
  if (client === null) {
    return `No application is known here by the client_id ${shownIdentifier(clientId)}: it was removed, or ` +
      'is registered at another server.'
  }
  const remedy = client.origin === 'operator'
    ? `latchkey client update ${client.id} --redirect-uri URI, with the present ones, which it replaces`
    : 'the application has to register it'
  return `“${nameOf(client)}” asks to send you to ${shownIdentifier(redirectUri)}, which is none of its redirect ` +
    `URIs. If it is an address of that application: ${remedy}. ` +
    'If not, somebody may want to steal your access: close this page.'
}

/** For a person whom an unverified client sent here with a request that is refused. `location`: the way back to it. */
export function holdingPage (
  { client, code, message, location, now }: {
    client: Client, code: string, message: string, location: string, now: Date
  }
): Page {
  const { name, place } = destinationOf(location)
  return {
    title: 'Request refused',
    body: html`<h1>“${nameOf(client)}” sent a request that is refused</h1>
!${whoAsks(client, now)}
<p class="alert" role="alert">${withoutAnySecrets(message)}</p>
<p class="muted">Code <code>${code.toUpperCase()}</code>. You have not signed in, and nothing was allowed.</p>
<h2>It wants you back at</h2>
<p><code>${name}</code>${place === null ? '' : ` (a program on this ${place})`}</p>
<p>Only go on if you came from there yourself. If not, close this page.</p>
<p><a class="button" href="${location}" rel="noreferrer">Go on to ${name}</a></p>`
  }
}

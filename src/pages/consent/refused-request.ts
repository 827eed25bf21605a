/** The words for a request that is not answered at its redirect URI: the person sees them, and their developer. */
import type { SentRequest } from '../../protocol/authorization/code-flow-options.ts'
import { nameOf } from './consent-page.ts'
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

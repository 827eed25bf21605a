/** The words for a request that is not answered at its redirect URI: the person sees them, and their developer. */
import { inPlainText } from '../../base/plain-text.ts'
import type { SentRequest } from '../../protocol/authorization/code-flow-options.ts'
import { nameOf } from './consent-page.ts'

const longest = 300

/** All of it is text of strangers: the remedy does not repeat the URI, which is not to be pasted into a shell. */
export function wordsOfRefused ({ clientId, client, redirectUri }: SentRequest): string {
  if (client === null) {
    return `No application is known here by the client_id ${shown(clientId)}: it was removed, or ` +
      'is registered at another server.'
  }
  const remedy = client.origin === 'operator'
    ? `latchkey client update ${client.id} --redirect-uri URI, with the present ones, which it replaces`
    : 'the application has to register it'
  return `“${nameOf(client)}” asks to send you to ${shown(redirectUri)}, which is none of its redirect URIs. ` +
    `If it is an address of that application: ${remedy}. ` +
    'If not, somebody may want to steal your access: close this page.'
}

function shown (text: string): string {
  const plain = inPlainText(text)
  return plain.length <= longest ? plain : `${plain.slice(0, longest)}…`
}

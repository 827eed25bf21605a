/** The end of an API or an MCP server. */
import { html } from 'ghtml'
import { reasonOf } from '../confirmation.ts'
import type { Ending } from '../ending.ts'
import { apiPathOf, wayTo, type Declared, type Kind } from './declared-api.ts'

export function revocationOf (kind: Kind): Ending<Declared> {
  return {
    place: kind.path,
    verb: 'revoke',
    takesReason: true,
    load: async asked => await asked.api.get(apiPathOf(kind, asked)),
    about: declared => ({
      name: declared.name,
      title: `Revoke ${declared.name}`,
      path: wayTo(kind, declared),
      lead: 'From the next request on, on every server, each key and token for it is refused. This cannot be undone.',
      warning: html`Its address cannot be declared again. To end single callers, revoke their keys or clients instead;
to take single rights away, <a href="${kind.path}/${declared.id}">remove scopes</a>.`,
      button: `Revoke ${kind.nouns[0]}`,
      keep: `${kind.path}/${declared.id}`,
    }),
    end: async (submission, { id }) => {
      await submission.api.change('POST', `${kind.collection}/${id}/revoke`, { body: reasonOf(submission) })
      return { to: kind.path }
    },
  }
}

/** The scopes of an MCP server that people are asked for where a client names none. */
import { html } from 'ghtml'
import { boxes, codes } from '../elements.ts'
import type { Outcome, Submission } from '../visit.ts'
import { apiPathOf, mcpServers, ownPage, type McpServer } from './declared-api.ts'

export function defaultScopesPanel ({ id, scopes, defaultScopes }: McpServer, isChangeable: boolean): string {
  const lead = html`<h2>Default scopes</h2>
<p>Asked of people where a client names none, and granted to clients that register with a registration token.</p>`
  if (!isChangeable) return html`<section class="panel">!${lead}<p>!${codes(defaultScopes)}</p></section>`
  if (scopes.length === 0) return html`<section class="panel">!${lead}<p>It has no scopes yet.</p></section>`
  return html`<form class="panel" method="post" action="${mcpServers.path}/${id}/default-scopes">!${lead}
<fieldset class="field"><legend class="unseen">Default scopes</legend>
!${boxes('scope', scopes.map(({ name, description }) => ({
  value: name, label: name, ...(description === null ? {} : { hint: description })
})), new Set(defaultScopes))}</fieldset>
<p class="actions"><button type="submit">Save default scopes</button></p></form>`
}

export async function saveDefaultScopes (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(mcpServers, submission), {
    body: { defaultScopes: submission.fields('scope') }
  })
  return { to: ownPage(mcpServers, submission) }
}

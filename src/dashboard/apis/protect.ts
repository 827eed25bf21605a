/** How an API or an MCP server is protected: the client that its guard asks with, and the lines by framework. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import type { Visit } from '../visit.ts'
import { apiPathOf, wayTo, type Declared, type Kind } from './declared-api.ts'
import { frameworksOf, snippetsFor } from './snippets.ts'

/** Where pages of the documentation are read. */
const documentation = 'https://github.com/latchkey/latchkey/blob/main/'

export async function protectionScreen (kind: Kind, visit: Visit): Promise<Screen> {
  const { api, me, issuer, query } = visit
  const declared = await api.get<Declared>(apiPathOf(kind, visit))
  const frameworks = frameworksOf[kind.collection]
  const chosen = frameworks.find(({ id }) => id === query('framework')) ?? frameworks[0]!
  const path = `${kind.path}/${declared.id}/protect`
  const scopes = declared.scopes.map(({ name }) => name)
  const { id, identifier } = declared
  return {
    title: `Protect ${declared.name}`,
    path: wayTo(kind, declared),
    place: kind.path,
    lead: 'Each request is then decided about by its key or token, from memory; what is revoked is refused on the ' +
      'next request.',
    content: html`<nav class="tabs" aria-label="Frameworks">!${frameworks.map(each => html`
<a href="${path}?framework=${each.id}"!${each === chosen ? ' aria-current="true"' : ''}>${each.name}</a>`)}</nav>
<section class="panel"><h2>${chosen.name}</h2>
<p>A guard asks with a client of its own, which may ask about callers of this API alone.!${may(me, 'clients:write')
? html` <a href="${dashboardPath}/clients/new?access=guard&amp;resource=${encodeURIComponent(identifier)}">Make the
client</a>, and give the guard its id and secret as CLIENT_ID and CLIENT_SECRET.`
: ''}</p>
!${snippetsFor(chosen, { issuer, id, identifier, scopes }).map(({ file, text }) => html`<h3>${file}</h3>
<pre tabindex="0" role="region" aria-label="${file}">${text}</pre>
`)}<p><a href="${documentation}${chosen.guide}">The guide has the rest</a>: installing, running, and trying it.</p>
</section>`
  }
}

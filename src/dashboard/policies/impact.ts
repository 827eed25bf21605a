/** What a policy would change, before it does: which credentials lose what, as a table. */
import { html } from 'ghtml'
import { badge, count } from '../elements.ts'

interface Change { resource: string, gains: readonly string[], loses: readonly string[], sometimes: readonly string[] }

/** The answer of a dry run. */
export interface Impact {
  wouldLockOut: boolean
  wouldLockOutYou: boolean
  totals: { credentials: number, gaining: number, losing: number }
  data: readonly { credential: string, kind: string, name: string, resources: readonly Change[] }[]
  pagination: { nextCursor?: string }
}

/** `more`: the button that shows the next page, as markup, from its cursor. */
export function impactOf (
  { wouldLockOut, wouldLockOutYou, totals: { credentials, gaining, losing }, data, pagination: { nextCursor } }: Impact,
  more: (cursor: string) => string
): string {
  return html`<section class="panel" id="impact"><h2>What it would change</h2>
<p role="status">${credentials === 0
? 'Nothing: no credential loses or gains anything.'
: `${losing === 1 ? 'One credential loses' : `${count(losing)} credentials lose`} something, ${
  gaining === 1 ? 'one gains' : `${count(gaining)} gain`} something.`}</p>
!${wouldLockOut && !wouldLockOutYou
? html`<p class="alert" role="alert">After it nobody of the organization could take it back.</p>`
: ''}
!${data.length === 0
? ''
: html`<div class="scrolling" tabindex="0" role="region" aria-label="Credentials"><table>
<caption class="unseen">Credentials that lose or gain something</caption>
<thead><tr><th scope="col">Credential</th><th scope="col">Loses</th><th scope="col">Gains</th>
<th scope="col">Sometimes</th><th scope="col">At</th></tr></thead>
<tbody>!${data.flatMap(each => each.resources.map(change => row(each, change)))}</tbody></table></div>`}
!${data.some(each => each.resources.some(({ sometimes }) => sometimes.length > 0))
? html`<p class="muted">“Sometimes”: it depends on the address or the time of the request.</p>`
: ''}!${nextCursor === undefined ? '' : more(nextCursor)}</section>`
}

const kinds: Readonly<Record<string, string>> = {
  api_key: 'API key',
  access_token: 'Client',
  management_token: 'Token of this API',
  session: 'Publishable key',
  webhook_token: 'Webhook token',
  person: 'Member',
}

function row ({ credential, kind, name }: Impact['data'][number], { resource, ...change }: Change): string {
  return html`<tr><th scope="row"><bdi>${name}</bdi> !${badge('plain', kinds[kind] ?? kind)}<br>
<code class="bare">${credential}</code></th><td data-label="Loses">!${scopes(change.loses)}</td>
<td data-label="Gains">!${scopes(change.gains)}</td><td data-label="Sometimes">!${scopes(change.sometimes)}</td>
<td data-label="At"><code class="bare">${resource}</code></td></tr>
`
}

function scopes (names: readonly string[]): string {
  return html`<div>!${names.map(name => html`<code>${name}</code> `)}</div>`
}

/** The last requests of an API key, on its page. */
import { html } from 'ghtml'
import type { Wire } from '../api.ts'
import { ago, badge } from '../elements.ts'
import type { LoggedRequest } from '../explain/explanation.ts'
import { explainPath, explanationPath } from '../explain/explain.ts'
import type { Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'

/** Requests that are shown; the API has more. */
const shown = 20

/** As markup; '': the person may not see them. */
export async function lastRequests ({ api, me: { permissions }, now }: Visit, { id }: ApiKey): Promise<string> {
  if (!permissions.includes('audit:read')) return ''
  const { data } = await api.get<{ data: Wire<LoggedRequest>[] }>(`/api-keys/${encodeURIComponent(id)}/requests`)
  return html`<section class="apart"><h2>Last requests</h2>
!${data.length === 0
? html`<p class="empty">No request is kept. Refused ones are kept, and of admitted ones a sample, for 30 days.</p>`
: html`<p class="muted">Refused ones, and of admitted ones a sample, of 30 days: not every call.</p>
!${tableOf(data.slice(0, shown), now)}`}
<form method="post" action="${explainPath}"><input type="hidden" name="about" value="${id}">
<button type="submit">Why is it refused, or not?</button></form></section>`
}

function tableOf (rows: readonly Wire<LoggedRequest>[], now: Date): string {
  return html`<div class="scrolling" tabindex="0" role="region" aria-label="Last requests"><table>
<caption class="unseen">Last requests</caption>
<thead><tr><th scope="col">When</th><th scope="col">Route</th><th scope="col">Answer</th><th scope="col">From</th>
<th scope="col">Request</th></tr></thead>
<tbody>!${rows.map(({ createdAt, route, status, reason, addressBlock, requestId }) => html`<tr>
<td data-label="When" class="whole">!${ago(createdAt, now)}</td>
<td data-label="Route"><code class="bare">${route}</code></td>
<td data-label="Answer"><div>!${reason === null
? html`${status}`
: html`!${badge('bad', String(status))} <code class="bare">${reason}</code>`}</div></td>
<td data-label="From" class="whole"><code class="bare">${addressBlock}</code></td>
<td data-label="Request"><a href="${explanationPath(requestId ?? '')}"><code class="bare">${requestId}</code></a></td></tr>
`)}</tbody></table></div>`
}

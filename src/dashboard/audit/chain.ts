/** The chains of the audit log: their newest rows, and, for operators, whether every row is as it was written. */
import { html } from 'ghtml'
import { ago, count, nameOrId } from '../elements.ts'
import type { Screen } from '../frame.ts'
import type { Visit } from '../visit.ts'
import { auditPath } from './filter.ts'

interface Head { chain: string, sequence: number, hash: string, pruned: number, createdAt: string }
interface HeadPage { data: Head[], pagination: { nextCursor?: string } }
interface Fault { chain: string, sequence: number, message: string }
interface Verified { checked: number, fault: Fault | null, recovered: { message: string }[], nextCursor?: string }

/** Requests that one page makes, each for some thousands of rows. */
const steps = 10

/** Chains on one page. */
const pageLength = 50

export async function chainScreen (visit: Visit): Promise<Screen> {
  const { api, me, query, now } = visit
  const heads = await api.get<HeadPage>('/audit/head', { limit: pageLength, cursor: query('after') || undefined })
  return {
    title: me.deployment ? 'Verify the chain' : 'Chain',
    path: [{ name: 'Audit log', href: auditPath }],
    place: auditPath,
    lead: 'Each row holds the hash of the row before. A row that is altered, taken out or put in breaks the chain.',
    content: html`!${me.deployment ? resultOf(await verified(visit), query('cursor') !== '') : forMembers}
!${headsTable(heads, { names: namesOf(visit), now })}`
  }
}

const forMembers = html`<p class="panel">The operators of this deployment verify every row. What you can do yourself:
keep the number and the hash of the newest row outside of this server. The log that you are shown later has to have
the row with this number and this hash.</p>`

/** Verifies on from where the page before ended. */
async function verified ({ api, query }: Visit): Promise<Verified> {
  let all: Verified = { checked: 0, fault: null, recovered: [] }
  let cursor: string | undefined = query('cursor') || undefined
  for (let step = 0; step < steps; step++) {
    const next: Verified = await api.get<Verified>('/audit/verify', { cursor })
    all = { ...next, checked: all.checked + next.checked, recovered: [...all.recovered, ...next.recovered] }
    cursor = next.nextCursor
    if (cursor === undefined) break
  }
  return all
}

/** `goesOn`: rows before these were verified by another page, or by none. */
function resultOf ({ checked, fault, recovered, nextCursor }: Verified, goesOn: boolean): string {
  const breaks = recovered.length === 0
    ? ''
    : html`<h2>Recovered earlier</h2><ul>!${recovered.map(({ message }) => html`<li>${message}</li>`)}</ul>`
  if (fault !== null) {
    return html`<div class="panel"><p class="alert" role="alert"><strong>The chain ${fault.chain} is broken at row
${count(fault.sequence)}.</strong> ${fault.message}</p>!${breaks}</div>`
  }
  if (nextCursor !== undefined) {
    const next = String(new URLSearchParams({ cursor: nextCursor }))
    return html`<div class="panel"><p role="status">${count(checked)} rows and heads are as they were written; there are more.</p>
<p><a class="button primary" href="${auditPath}/chain?${next}">Verify the next ones</a></p>!${breaks}</div>`
  }
  return html`<div class="panel"><p class="good" role="status"><strong>${
    goesOn ? 'These last rows are as they were written.' : 'Every row is as it was written.'}</strong>
${count(checked)} rows and heads were checked just now.</p>!${breaks}</div>`
}

/** Names of the chains that the person knows. */
function namesOf ({ me }: Visit): Map<string, string> {
  return new Map([['deployment', 'The deployment'], ...me.organizations.map(({ id, name }) => [id, name] as const)])
}

function headsTable (
  { data, pagination: { nextCursor } }: HeadPage, { names, now }: { names: Map<string, string>, now: Date }
): string {
  return html`<div class="scrolling" tabindex="0" role="region" aria-label="Chains"><table>
<caption class="unseen">Chains, with their newest rows</caption>
<thead><tr><th scope="col">Chain</th><th scope="col">Rows</th><th scope="col">Newest</th>
<th scope="col">Its hash</th></tr></thead>
<tbody>
!${data.map(({ chain, sequence, hash, pruned, createdAt }) => html`<tr><th scope="row">!${nameOrId(chain, names)}</th>
<td data-label="Rows"><div>${count(sequence)}!${pruned === 0
? ''
: html`<br><small>up to ${count(pruned)} removed</small>`}</div></td><td data-label="Newest">!${ago(createdAt, now)}</td>
<td data-label="Its hash"><code class="bare">${hash}</code></td></tr>
`)}</tbody></table></div>
!${nextCursor === undefined
? ''
: html`<p class="footer"><span>${data.length} chains</span>
<a class="button" href="${auditPath}/chain?after=${encodeURIComponent(nextCursor)}">Older</a></p>`}`
}

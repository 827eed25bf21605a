/** The rows of the audit log: words for people first, the machine's own names below. */
import { html } from 'ghtml'
import { ago, badge } from '../elements.ts'
import { listAt } from './filter.ts'
import { isRefusal, wordsOf } from './words.ts'

/** An event, as the API answers it with names. */
export interface Event {
  id: string
  createdAt: string
  type: string
  actor: string
  actorName?: string | null
  organization: string | null
  subject: string | null
  subjectName?: string | null
  address: string | null
  requestId: string | null
  detail: Readonly<Record<string, unknown>>
}

interface Shown { now: Date, deployment: boolean }

export function eventsTable (events: readonly Event[], shown: Shown): string {
  return html`<div class="scrolling" tabindex="0" role="region" aria-label="Events"><table>
<caption class="unseen">Events, newest first</caption>
<thead><tr><th scope="col">Event</th><th scope="col">About</th><th scope="col">By</th><th scope="col">From</th>
<th scope="col">When</th></tr></thead>
<tbody>
!${events.map(event => row(event, shown))}</tbody></table></div>`
}

function row (event: Event, { now, deployment }: Shown): string {
  const { type, actor, actorName, subject, subjectName, address, createdAt } = event
  return html`<tr>
<th scope="row" class="event"><details><summary>${wordsOf(type)}!${reasonOf(event)}</summary>
!${detailsOf(event, deployment)}</details><code class="bare">${type}</code></th>
<td data-label="About">!${subject === null ? '' : party(subject, subjectName, listAt({ subject }))}</td>
<td data-label="By">!${party(actor, actorName, listAt({ actor }))}</td>
<td data-label="From">!${address === null ? '' : html`<code class="bare">${address}</code>`}</td>
<td data-label="When" class="use">!${ago(createdAt, now)}</td>
</tr>
`
}

/** Actors that are no records. */
const actors: Readonly<Record<string, string>> = { admin: 'Admin token', system: 'Latchkey' }

/** A record of an event, with the way to all its events. */
function party (id: string, name: string | null | undefined, href: string): string {
  const text = name ?? actors[id]
  return text === undefined
    ? html`<a href="${href}"><code class="bare">${id}</code></a>`
    : html`<a href="${href}"><bdi>${text}</bdi></a><br><code class="bare">${id}</code>`
}

/** The reason of a refusal, and how many like it were counted with it. */
function reasonOf ({ type, detail: { reason, omitted } }: Event): string {
  if (!isRefusal(type)) return ''
  const more = typeof omitted === 'number' && omitted > 0 ? html` <small>and ${omitted} more</small>` : ''
  return html`!${typeof reason === 'string' ? html` !${badge('bad', reason.replaceAll('_', ' '))}` : ''}!${more}`
}

function detailsOf ({ id, createdAt, requestId, organization, detail }: Event, deployment: boolean): string {
  const rows: (readonly [string, string])[] = [
    ['Id', id],
    ['At', createdAt],
    ...(requestId === null ? [] : [['Request', requestId] as const]),
    ...(deployment && organization !== null ? [['Organization', organization] as const] : []),
    ...Object.entries(detail).map(([name, value]) =>
      [name, typeof value === 'string' ? value : JSON.stringify(value)] as const)
  ]
  return html`<dl>!${rows.map(([name, value]) => html`<dt>${name}</dt><dd><code class="bare">${value}</code></dd>
`)}</dl>`
}

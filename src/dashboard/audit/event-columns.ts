/** The columns of the audit log: words for people first, the machine's own names below. */
import { html } from 'ghtml'
import { explanationPath } from '../explain/explain.ts'
import { ago, badge } from '../elements.ts'
import type { Column } from '../list.ts'
import { listAt } from './filter.ts'
import { actors, isRefusal, wordsOf } from './words.ts'

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

export function eventColumns ({ now, deployment }: Shown): Column<Event>[] {
  return [
    {
      name: 'Event',
      class: 'event',
      cell: event => html`<details><summary>${wordsOf(event.type)}!${reasonOf(event)}</summary>
!${detailsOf(event, deployment)}</details><code class="bare">${event.type}</code>`
    },
    {
      name: 'About',
      cell: ({ subject, subjectName }) => subject === null ? '' : party(subject, subjectName, listAt({ subject }))
    },
    { name: 'By', cell: ({ actor, actorName }) => party(actor, actorName, listAt({ actor })) },
    {
      name: 'From',
      class: 'use',
      cell: ({ address }) => address === null ? '' : html`<code class="bare">${address}</code>`
    },
    { name: 'When', class: 'use', cell: ({ createdAt }) => ago(createdAt, now) }
  ]
}

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

function detailsOf ({ id, type, createdAt, requestId, organization, detail }: Event, deployment: boolean): string {
  const rows: (readonly [string, string])[] = [
    ['Id', id],
    ['At', createdAt],
    ...(deployment && organization !== null ? [['Organization', organization] as const] : []),
    ...Object.entries(detail).map(([name, value]) =>
      [name, typeof value === 'string' ? value : JSON.stringify(value)] as const)
  ]
  const request = requestId === null ? '' : html`<dt>Request</dt><dd>!${requestOf(requestId, type)}</dd>`
  return html`<dl>!${request}
!${rows.map(([name, value]) => html`<dt>${name}</dt><dd><code class="bare">${value}</code></dd>
`)}</dl>`
}

/** A refused request leads to what explains it. */
function requestOf (id: string, type: string): string {
  const shown = html`<code class="bare">${id}</code>`
  return isRefusal(type) ? html`<a href="${explanationPath(id)}">!${shown}</a>` : shown
}

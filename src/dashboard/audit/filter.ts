/** What the audit log is narrowed to: from the address of the page, to the query of the API. */
import { html } from 'ghtml'
import { choiceField, organizations as choosing, type Choosable } from '../choice.ts'
import { textField } from '../elements.ts'
import { dashboardPath } from '../frame.ts'
import { given, narrowed } from '../list.ts'
import type { Visit } from '../visit.ts'
import { areas } from './words.ts'

export const auditPath = `${dashboardPath}/audit`

/** `from` and `to`: days, both included, UTC. '': not narrowed. */
export type Filter = Readonly<Record<typeof members[number], string>>

const members = ['type', 'subject', 'actor', 'organization', 'from', 'to'] as const

/** Reads the members of a query or a form. */
export function filterOf (read: Visit['query']): Filter {
  return Object.fromEntries(members.map(name => [name, read(name).trim()])) as unknown as Filter
}

/** The address of the list, narrowed. */
export function listAt (filter: Partial<Filter>): string {
  return narrowed(auditPath, filter)
}

/** As the API filters. */
export function queryOf ({ from, to, ...same }: Filter): Record<string, string> {
  return given({ ...same, from: from && `${from}T00:00:00Z`, until: to && endOf(to) })
}

/** The instant after a day. What is no day is left to the API, which says so. */
function endOf (day: string): string {
  const end = new Date(new Date(`${day}T00:00:00Z`).getTime() + 86_400_000)
  return Number.isNaN(end.getTime()) ? `${day}T00:00:00Z` : end.toISOString()
}

export interface FilterForm {
  filter: Filter
  /** Null: the person sees one organization. */
  organizations: Choosable | null
  /** What the API has against the filter. */
  problem: { field: string, message: string } | null
}

/** Sent, and not linked: a whole key may be pasted. */
export function filterForm ({ filter, organizations, problem }: FilterForm): string {
  const problemOf = (...fields: readonly string[]) =>
    problem !== null && fields.includes(problem.field) ? problem.message : null
  return html`<form class="fields" method="post" action="${auditPath}/search">
<div class="field"><label for="type">Event</label><select id="type" name="type">
<option value="">All events</option>
!${areas.map(({ name, prefix, events }) => html`<optgroup label="${name}">
!${Object.keys(events).length === 1 ? '' : option(prefix, `${name}: all events`, filter.type)}
!${Object.entries(events).map(([event, text]) => option(prefix + event, text, filter.type))}</optgroup>
`)}</select></div>
!${organizations === null
? ''
: choiceField(choosing, organizations, {
  name: 'organization', label: 'Organization', chosen: filter.organization, none: 'All organizations'
})}
!${textField({
  name: 'subject', label: 'About', value: filter.subject, placeholder: 'An id, or a key', problem: problemOf('subject')
})}
!${textField({
  name: 'actor', label: 'By', value: filter.actor, placeholder: 'An id, or a key', problem: problemOf('actor')
})}
!${textField({ name: 'from', label: 'From', type: 'date', value: filter.from, problem: problemOf('from') })}
!${textField({ name: 'to', label: 'To', type: 'date', value: filter.to, problem: problemOf('to', 'until') })}
<button type="submit">Show</button></form>`
}

function option (value: string, label: string, chosen: string): string {
  return html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${label}</option>
`
}

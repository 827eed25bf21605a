/** The list of the audit log, with the number of events by day. */
import { html } from 'ghtml'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import { ApiRefusal, type ReadingApi } from '../api.ts'
import { keyOfText } from '../api-keys/list.ts'
import { barsByDay, everyDay } from '../chart.ts'
import { choosable, chosenId, organizations as choosing, type Choosable } from '../choice.ts'
import type { Screen } from '../frame.ts'
import { listOf, pageSize, type Listing } from '../list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { eventColumns, type Event } from './event-columns.ts'
import { auditPath, filterForm, filterOf, listAt, queryOf, type Filter } from './filter.ts'
import { isRefusal } from './words.ts'

interface Count { day: string, type: string, count: number }
type Problem = { field: string, message: string } | null

/** Days of the chart, unless the filter says others. */
const shownDays = 30

export async function listScreen (visit: Visit): Promise<Screen> {
  const filter = filterOf(visit.query)
  const organizations = await organizationsOf(visit)
  const query = queryOf(filter)
  try {
    const events = await visit.api.get<Listing<Event>>('/audit', {
      ...query, names: 'true', limit: pageSize, cursor: visit.query('after') || undefined
    })
    // After the API has judged the days.
    const counts = await countsOf(visit, filter)
    return screenOf(visit, filter, html`!${filterForm({ filter, organizations, problem: null })}
!${chartOf(counts)}
!${listOf({
  caption: 'Events',
  nouns: ['event', 'events'],
  path: auditPath,
  filter,
  after: visit.query('after'),
  columns: eventColumns({ now: visit.now, deployment: visit.me.deployment }),
  empty: 'No events yet. Every change and every refusal will stand here.'
}, events)}`)
  } catch (error) {
    const problem = problemOf(error)
    if (problem === null) throw error
    return mendable(visit, filter, organizations, problem)
  }
}

/**
 * What is narrowed to travels in the address of the list. A whole key does not: it is sent to the API, digested and
 * forgotten, and its id travels.
 */
export async function search ({ api, field }: Submission): Promise<Outcome> {
  const filter = filterOf(field)
  const idOf = async (text: string): Promise<string> => await keyOfText(api, text) ?? text
  return {
    to: listAt({
      ...filter,
      organization: await chosenId(api, choosing, filter.organization),
      subject: await idOf(filter.subject),
      actor: await idOf(filter.actor)
    })
  }
}

/** The form again, without the key that was not found. */
export async function notFound (submission: Submission, { message, details }: ApiRefusal): Promise<Screen> {
  const sent = filterOf(submission.field)
  const isSecret = (text: string) => withoutAnySecrets(text) !== text
  const filter = {
    ...sent, ...isSecret(sent.subject) && { subject: '' }, ...isSecret(sent.actor) && { actor: '' }
  }
  const field = details.field ?? (isSecret(sent.subject) ? 'subject' : 'actor')
  return mendable(submission, filter, await organizationsOf(submission), { field: String(field), message })
}

type Asked = Pick<Visit, 'me' | 'now'> & { api: Pick<ReadingApi, 'address'> }

function mendable (
  visit: Asked, filter: Filter, organizations: Choosable | null, problem: NonNullable<Problem>
): Screen {
  return screenOf(visit, filter, html`<p class="alert" role="alert">${problem.message}</p>
!${filterForm({ filter, organizations, problem })}`)
}

function screenOf ({ api, me }: Asked, filter: Filter, content: string): Screen {
  const query = new URLSearchParams(queryOf(filter))
  return {
    title: 'Audit log',
    path: [],
    place: auditPath,
    lead: 'Every change and every refusal, in a chain: if somebody alters a row, the next check names it.',
    action: html`<div class="actions">
<a class="button" href="${api.address('/audit/export')}?${String(query)}" download="audit.ndjson">Export</a>
<a class="button" href="${auditPath}/chain">${me.deployment ? 'Verify the chain' : 'Chain'}</a></div>`,
    content
  }
}

/** What can be mended in the form; null: something else is wrong. */
function problemOf (error: unknown): Problem {
  if (!(error instanceof ApiRefusal) || (error.status !== 400 && error.status !== 422)) return null
  const { field } = error.details
  return { field: typeof field === 'string' ? field : '', message: error.message }
}

/** The organizations to choose from; null: the person sees their own alone. */
async function organizationsOf ({ api, me }: Pick<Visit, 'api' | 'me'>): Promise<Choosable | null> {
  return me.deployment ? await choosable(api, choosing) : null
}

interface Counted { counts: readonly Count[], days: number, until: Date }

async function countsOf ({ api, now }: Visit, filter: Filter): Promise<Counted> {
  const { from, until, ...same } = queryOf(filter)
  // The last day that is shown; the query ends where the next one begins.
  const last = until === undefined ? now : new Date(new Date(until).getTime() - 86_400_000)
  const first = from === undefined ? new Date(last.getTime() - (shownDays - 1) * 86_400_000) : new Date(from)
  const days = Math.floor((startOf(last) - startOf(first)) / 86_400_000) + 1
  const { data } = await api.get<{ data: Count[] }>('/audit/counts', {
    ...same, from: from ?? new Date(startOf(first)).toISOString(), until
  })
  return { counts: data, days, until: last }
}

function startOf (instant: Date): number {
  return Math.floor(instant.getTime() / 86_400_000) * 86_400_000
}

function chartOf ({ counts, days, until }: Counted): string {
  const all = counts.map(({ day, count: calls }) => ({ day, calls }))
  const refusals = counts.filter(({ type }) => isRefusal(type)).map(({ day, count: calls }) => ({ day, calls }))
  return html`<section class="panel"><h2>Events by day</h2>
!${barsByDay(everyDay(all, days, until), 'Events', {
  counted: 'Events', part: { name: 'Refusals', days: everyDay(refusals, days, until), tone: 'bad' }
})}</section>`
}

/** What was refused, and why; and the days on which it was far more than usual. */
import { html } from 'ghtml'
import { isRefusal, wordsOf } from '../audit/words.ts'
import { everyDay } from '../chart.ts'
import { ago, badge, count, sharesOf } from '../elements.ts'
import { dashboardPath } from '../frame.ts'
import { daysUntil, type Visit } from '../visit.ts'

interface Refusal {
  createdAt: string
  subject: string | null
  subjectName?: string | null
  detail: { reason?: unknown, omitted?: unknown }
}
interface Count { day: string, type: string, count: number }

/** Days whose refusals are compared with each other. */
const days = 30

/** Days of the reasons. */
const shownDays = 7

/** Credentials that are listed as refused. */
const shownSubjects = 5

/** Refusals that are read for their reasons, at most: the API's longest page. */
const mostRead = 200

/** A day stands out with at least so many refusals, and with so many times the mean of the other days. */
const spike = { least: 10, times: 4 }

/** As markup; '': the person may not read it. */
export async function refusalsOf (visit: Visit): Promise<string> {
  const { api, me: { permissions }, now } = visit
  if (!permissions.includes('audit:read')) return ''
  const [refusals, counts, admitted] = await Promise.all([
    api.get<{ data: Refusal[], pagination: { hasMore: boolean } }>(
      '/audit', { type: 'credential.refused', from: startOf(daysUntil(now, shownDays)), names: 'true', limit: mostRead }
    ),
    api.get<{ data: Count[] }>('/audit/counts', { from: startOf(daysUntil(now, days)) }),
    admittedOf(visit)
  ])
  const shares = [
    ...(admitted === null ? [] : [{ name: 'Admitted', value: admitted, tone: 'ok' as const }]),
    ...byReason(refusals.data)
  ]
  return html`!${spikesOf(counts.data.filter(({ type }) => isRefusal(type)), now)}
<section class="panel"><h2>Admitted and refused, ${shownDays} days</h2>
!${shares.length === 0 ? html`<p class="muted">Nothing was refused.</p>` : sharesOf('Answer', shares)}
!${refusals.data.length === 0
? ''
: html`<p class="muted">!${refusals.pagination.hasMore ? html`Refusals of the newest ${mostRead} events. ` : ''}<a
 href="${dashboardPath}/audit?type=credential.refused">Show the refusals</a></p>`}</section>
!${mostRefused(refusals.data, now)}`
}

/** What is refused, with the way to its own page: the reasons above do not say whose program it is. */
function mostRefused (refusals: readonly Refusal[], now: Date): string {
  const bySubject = [...Map.groupBy(refusals.filter(({ subject }) => subject !== null), ({ subject }) => subject!)]
    .map(([subject, own]) => ({ subject, own, sum: own.reduce((sum, each) => sum + numberOf(each), 0) }))
    .toSorted((one, other) => other.sum - one.sum)
  if (bySubject.length === 0) return ''
  return html`<section class="panel"><h2>Refused most, ${shownDays} days</h2>
<ul class="records">!${bySubject.slice(0, shownSubjects).map(({ subject, own, sum }) => html`<li class="line">
<span><a href="${pageOf(subject)}"><bdi>${own[0]!.subjectName ?? subject}</bdi></a>
!${[...new Set(own.map(reasonOf))].map(reason => badge('bad', reason))}
<small>latest: !${ago(own[0]!.createdAt, now)}</small></span><span class="use">${count(sum)}</span></li>
`)}</ul></section>`
}

/** The page of a credential; of what has none, its events. */
function pageOf (subject: string): string {
  if (subject.startsWith('key_')) return `${dashboardPath}/api-keys/${subject}`
  if (subject.startsWith('cli_')) return `${dashboardPath}/clients/${subject}`
  return `${dashboardPath}/audit?${String(new URLSearchParams({ subject }))}`
}

/** An event stands for itself and for those like it that were counted with it. */
function numberOf ({ detail: { omitted } }: Refusal): number {
  return 1 + (typeof omitted === 'number' ? omitted : 0)
}

function reasonOf ({ detail: { reason } }: Refusal): string {
  return typeof reason === 'string' ? reason.replaceAll('_', ' ') : 'unknown'
}

function startOf ({ from }: { from: string }): string {
  return `${from}T00:00:00Z`
}

/** The calls of the organization that were admitted; null: the person may not read it, or sees several. */
async function admittedOf ({ api, me: { deployment, member, permissions }, now }: Visit): Promise<number | null> {
  if (deployment || !permissions.includes('usage:read')) return null
  const path = `/organizations/${member.organization}/usage`
  const { live, test } = await api.get<Record<'live' | 'test', { calls: number }>>(path, daysUntil(now, shownDays))
  return live.calls + test.calls
}

function byReason (refusals: readonly Refusal[]) {
  const sums = new Map<string, number>()
  for (const refusal of refusals) {
    const name = `Refused: ${reasonOf(refusal)}`
    sums.set(name, (sums.get(name) ?? 0) + numberOf(refusal))
  }
  return [...sums].toSorted(([, one], [, other]) => other - one)
    .map(([name, value]) => ({ name, value, tone: 'bad' as const }))
}

function spikesOf (counts: readonly Count[], now: Date): string {
  const found = [...Map.groupBy(counts, ({ type }) => type)].flatMap(([type, own]) => {
    const each = everyDay(own.map(({ day, count: calls }) => ({ day, calls })), days, now)
    const sum = each.reduce((total, { calls }) => total + calls, 0)
    return each.map(({ day, calls }) => ({ type, day, calls, usual: (sum - calls) / (days - 1) }))
      .filter(({ calls, usual }) => calls >= spike.least && calls >= usual * spike.times)
  }).toSorted((one, other) => one.day < other.day ? 1 : -1)
  if (found.length === 0) return ''
  return html`<section class="panel warned"><h2>Far more refusals than usual</h2>
<ul class="records">!${found.slice(0, 5).map(({ type, day, calls, usual }) => html`<li><p>
<a href="${dashboardPath}/audit?${String(new URLSearchParams({ type, from: day, to: day }))}">${wordsOf(type)}, ${day}</a>:
<strong>${count(calls)} events</strong>, ${usual < 1 ? 'less than one' : count(Math.round(usual))} on other days</p></li>
`)}</ul></section>`
}

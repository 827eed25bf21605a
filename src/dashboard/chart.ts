/**
 * Charts as SVG: the drawing has no text, which would shrink with it, and carries nothing that the numbers beside it
 * lack.
 */
import { scaleBand, scaleLinear } from 'd3-scale'
import { html } from 'ghtml'
import { count } from './elements.ts'

/** A number of a day: 'YYYY-MM-DD', UTC. */
export interface DayCount { day: string, calls: number }

/** The last `days` days up to `now`, UTC, with 0 for those that are not counted. Numbers of one day are added. */
export function everyDay (counted: readonly DayCount[], days: number, now: Date): DayCount[] {
  const calls = new Map<string, number>()
  for (const each of counted) calls.set(each.day, each.calls + (calls.get(each.day) ?? 0))
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(now.getTime() - (days - 1 - index) * 86_400_000).toISOString().slice(0, 10)
    return { day, calls: calls.get(day) ?? 0 }
  })
}

const spark = { width: 64, height: 20 }

/** The shape of a row of numbers, for a cell of a table that has the sum. */
export function sparkline (days: readonly DayCount[]): string {
  const x = scaleLinear([0, Math.max(1, days.length - 1)], [1, spark.width - 1])
  const y = scaleLinear([0, Math.max(1, ...days.map(({ calls }) => calls))], [spark.height - 1, 1])
  const points = days.map(({ calls }, index) => `${x(index).toFixed(1)},${y(calls).toFixed(1)}`).join(' ')
  return html`<svg class="spark" width="${spark.width}" height="${spark.height}" aria-hidden="true"
 viewBox="0 0 ${spark.width} ${spark.height}"><polyline points="${points}" fill="none" stroke="currentColor"
 stroke-width="1.25"/></svg>`
}

const size = { width: 720, height: 160 }

export interface Bars {
  /** What they are, in the plural: the header of the numbers. */
  counted?: string
  /** A part of each number that is shown by itself, such as refusals; its days are among the others. */
  part?: { name: string, days: readonly DayCount[], tone: 'bad' | 'brass' }
}

/** Bars by day, with the sentence that says what they show, and the same numbers as a table, one click away. */
export function barsByDay (days: readonly DayCount[], label: string, { counted = 'Calls', part }: Bars = {}): string {
  const most = Math.max(0, ...days.map(({ calls }) => calls))
  const x = scaleBand(days.map(({ day }) => day), [0, size.width]).padding(0.25)
  const y = scaleLinear([0, Math.max(1, most)], [size.height, 0]).nice(4)
  const ticks = y.ticks(4).filter(Number.isInteger)
  const bars = (each: readonly DayCount[], kind: string) => each.filter(({ calls }) => calls > 0)
    .map(({ day, calls }) => html`<rect class="${kind}" x="${x(day)!.toFixed(1)}" y="${y(calls).toFixed(1)}"
 width="${x.bandwidth().toFixed(1)}" height="${(size.height - y(calls)).toFixed(1)}"/>`)
  const sentence = sentenceOf(days, label, most, part)
  return html`<figure class="chart">
<figcaption>${sentence}</figcaption>
<div class="plot">
<div class="values" aria-hidden="true">!${ticks.toReversed().map(tick => html`<span>${count(tick)}</span>`)}</div>
<svg role="img" aria-label="${sentence}" viewBox="0 0 ${size.width} ${size.height}" preserveAspectRatio="none">
!${ticks.map(tick => html`<line x1="0" x2="${size.width}" y1="${y(tick)}" y2="${y(tick)}" class="rule"/>`)}
!${bars(days, 'bar')}!${part === undefined ? '' : bars(part.days, part.tone)}
</svg>
<div class="days" aria-hidden="true">!${days.map(({ day }, index) => html`<span>${labelOf(day, index, days)}</span>`)}
</div></div>
!${numbers(days, label, { counted, ...(part && { part }) })}
</figure>`
}

function sentenceOf (days: readonly DayCount[], label: string, most: number, part: Bars['part']): string {
  const [first, last] = [days[0], days.at(-1)]
  const range = first && last ? ` from ${first.day} to ${last.day}` : ''
  const ofPart = part === undefined ? '' : `, ${count(sumOf(part.days))} of them ${part.name.toLowerCase()}`
  return `${label}: ${count(sumOf(days))}${range}${ofPart}, at most ${count(most)} a day.`
}

function sumOf (days: readonly DayCount[]): number {
  return days.reduce((total, { calls }) => total + calls, 0)
}

const dayAndMonth = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Some days have their name below the drawing, the first and about four more; the last ones have no room for it. */
function labelOf (day: string, index: number, { length }: readonly DayCount[]): string {
  const step = length > 7 ? Math.max(7, Math.ceil(length / 5)) : 1
  return index % step === 0 && (step === 1 || index <= length - step / 2) ? dayAndMonth.format(new Date(day)) : ''
}

function numbers (days: readonly DayCount[], label: string, { counted, part }: Bars): string {
  const parts = new Map(part?.days.map(({ day, calls }) => [day, calls]))
  return html`<details><summary>Show the numbers</summary>
<div class="scrolling" tabindex="0" role="region" aria-label="${label}"><table><caption class="unseen">${label}</caption>
<thead><tr><th scope="col">Day</th><th scope="col">${counted}</th>
!${part === undefined ? '' : html`<th scope="col">${part.name}</th>`}</tr></thead>
<tbody>!${days.map(({ day, calls }) => html`<tr><th scope="row">${day}</th>
<td data-label="${counted}">${count(calls)}</td>
!${part === undefined ? '' : html`<td data-label="${part.name}">${count(parts.get(day) ?? 0)}</td>`}</tr>`)}</tbody>
</table></div></details>`
}

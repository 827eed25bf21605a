/**
 * Charts as SVG: the drawing has no text, which would shrink with it, and carries nothing that the numbers beside it
 * lack.
 */
import { scaleBand, scaleLinear } from 'd3-scale'
import { html } from 'ghtml'
import { count } from './elements.ts'

/** A number of a day: 'YYYY-MM-DD', UTC. */
export interface DayCount { day: string, calls: number }

/** The last `days` days up to `now`, UTC, with 0 for those that are not counted. */
export function everyDay (counted: readonly DayCount[], days: number, now: Date): DayCount[] {
  const calls = new Map(counted.map(each => [each.day, each.calls]))
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

/** Bars by day, with the sentence that says what they show, and the same numbers as a table, one click away. */
export function barsByDay (days: readonly DayCount[], label: string, unit = 'Calls'): string {
  const most = Math.max(0, ...days.map(({ calls }) => calls))
  const x = scaleBand(days.map(({ day }) => day), [0, size.width]).padding(0.25)
  const y = scaleLinear([0, Math.max(1, most)], [size.height, 0]).nice(4)
  const sum = days.reduce((total, { calls }) => total + calls, 0)
  const sentence = `${label}: ${count(sum)} from ${days[0]?.day} to ${days.at(-1)?.day}, at most ${count(most)} a day.`
  return html`<figure class="chart">
<figcaption>${sentence}</figcaption>
<svg role="img" aria-label="${sentence}" viewBox="0 0 ${size.width} ${size.height}" preserveAspectRatio="none">
!${y.ticks(4).map(tick => html`<line x1="0" x2="${size.width}" y1="${y(tick)}" y2="${y(tick)}" class="rule"/>`)}
!${days.filter(({ calls }) => calls > 0).map(({ day, calls }) => html`<rect x="${x(day)!.toFixed(1)}"
 y="${y(calls).toFixed(1)}" width="${x.bandwidth().toFixed(1)}" height="${(size.height - y(calls)).toFixed(1)}"/>`)}
</svg>
<details><summary>Show the numbers</summary>
<div class="scrolling" tabindex="0" role="region" aria-label="${label}"><table><caption class="unseen">${label}</caption>
<thead><tr><th scope="col">Day</th><th scope="col">${unit}</th></tr></thead>
<tbody>!${days.map(({ day, calls }) => html`<tr><th scope="row">${day}</th><td>${count(calls)}</td></tr>`)}</tbody>
</table></div></details>
</figure>`
}

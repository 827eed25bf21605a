/** How late this process is with its work, and what follows from it. */
import { monitorEventLoopDelay, type ELDHistogram } from 'node:perf_hooks'
import { repeatedly, warn, type Report } from '../telemetry/background.ts'
import type { Availability } from '../base/availability.ts'

export interface EventLoop {
  /** Seconds by which timers came late, over the last full half second: mean, 99th percentile, most. */
  lag (): { mean: number, p99: number, max: number }
  stop (): Promise<void>
}

/** Milliseconds between two looks. */
const interval = 500

/** Milliseconds between the timers whose lateness is measured. */
const resolution = 10

/**
 * Watches the event loop. With `shedAbove` milliseconds of mean lag the availability is closed to new requests until it
 * has fallen to half of that; null: it stays open however late we are.
 */
export function watchEventLoop (
  availability: Availability, shedAbove: number | null, report: Report = warn
): EventLoop {
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  let lag = { mean: 0, p99: 0, max: 0 }
  let looked = performance.now()
  const watching = repeatedly(interval, () => {
    const now = performance.now()
    lag = lagOf(histogram, now - looked)
    histogram.reset()
    looked = now
    if (shedAbove !== null) swing(availability, lag.mean * 1000, shedAbove)
  }, report)
  return {
    lag: () => lag,
    async stop () {
      await watching.stop()
      histogram.disable()
    },
  }
}

/**
 * The lateness, in seconds, of the timers that ran within `elapsed` milliseconds. A reset makes the histogram forget
 * when its timer last ran, so it never holds the first gap; when every turn of the loop is longer than the time between
 * two looks, that is all of them.
 */
function lagOf (histogram: ELDHistogram, elapsed: number): { mean: number, p99: number, max: number } {
  const held = histogram.count
  const sum = held === 0 ? 0 : histogram.mean * held / 1e6
  const first = Math.max(0, elapsed - sum)
  const max = held === 0 ? first : Math.max(first, histogram.max / 1e6)
  const late = (milliseconds: number) => Math.max(0, milliseconds - resolution) / 1000
  return {
    mean: late(elapsed / (held + 1)), p99: late(held < 100 ? max : histogram.percentile(99) / 1e6), max: late(max)
  }
}

/** A server that shuts down stays shut. */
function swing (availability: Availability, lag: number, shedAbove: number): void {
  if (availability.rejecting === null && lag > shedAbove) availability.rejecting = 'overloaded'
  else if (availability.rejecting === 'overloaded' && lag < shedAbove / 2) availability.rejecting = null
}

/** Event-loop lag: measured twice a second, and above a limit a reason to reject new requests. */
import { monitorEventLoopDelay, type ELDHistogram } from 'node:perf_hooks'
import { repeatedly, warn, type RepeatedJob, type Report } from '../telemetry/background.ts'
import type { Availability } from '../base/availability.ts'

/** Seconds. */
export type Lag = Readonly<Record<'mean' | 'p99' | 'max', number>>

export interface EventLoop extends RepeatedJob {
  /** How late timers fired in the last full half second. */
  lag (): Lag
}

/** Milliseconds between two measurements. */
const interval = 500

/** Milliseconds between the timers whose lag is measured. */
const resolution = 10

/**
 * Measures the event-loop lag. Above a mean of `shedAbove` milliseconds new requests are rejected, until the mean has
 * fallen to half of it; null: never.
 */
export function watchEventLoop (
  availability: Availability, shedAbove: number | null, report: Report = warn
): EventLoop {
  const histogram = monitorEventLoopDelay({ resolution })
  let lag: Lag = { mean: 0, p99: 0, max: 0 }
  let measuredAt = 0
  const job = repeatedly(interval, () => {
    const now = performance.now()
    lag = lagOf(histogram, now - measuredAt)
    histogram.reset()
    measuredAt = now
    if (shedAbove !== null) updateShedding(availability, lag.mean * 1000, shedAbove)
  }, report)
  return {
    lag: () => lag,
    start () {
      histogram.enable()
      measuredAt = performance.now()
      job.start()
    },
    async stop () {
      await job.stop()
      histogram.disable()
    },
  }
}

/**
 * The lag of the timers that fired within `elapsed` milliseconds. A reset clears the time at which the histogram's
 * timer last fired, so the first gap is never recorded; when every turn of the loop is longer than the interval, that
 * is all of them.
 */
function lagOf (histogram: ELDHistogram, elapsed: number): Lag {
  const recorded = histogram.count
  const sum = recorded === 0 ? 0 : histogram.mean * recorded / 1e6
  const first = Math.max(0, elapsed - sum)
  const max = recorded === 0 ? first : Math.max(first, histogram.max / 1e6)
  const late = (milliseconds: number) => Math.max(0, milliseconds - resolution) / 1000
  return {
    mean: late(elapsed / (recorded + 1)),
    p99: late(recorded < 100 ? max : histogram.percentile(99) / 1e6),
    max: late(max)
  }
}

/** Never reopens a server that is shutting down. */
function updateShedding (availability: Availability, lag: number, shedAbove: number): void {
  if (availability.rejecting === null && lag > shedAbove) availability.rejecting = 'overloaded'
  else if (availability.rejecting === 'overloaded' && lag < shedAbove / 2) availability.rejecting = null
}

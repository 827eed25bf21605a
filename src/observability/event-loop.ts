/** How late this process is with its work, and what follows from it. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { repeatedly, warn, type Report } from '../background.ts'
import type { Door } from '../door.ts'

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
 * Watches the event loop. With `shedAbove` milliseconds of mean lag the door is closed to new requests until it has fallen to half of
 * that; null: it stays open however late we are.
 */
export function watchEventLoop (door: Door, shedAbove: number | null, report: Report = warn): EventLoop {
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  let lag = { mean: 0, p99: 0, max: 0 }
  const late = (nanoseconds: number) => Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - resolution / 1000) : 0
  const watching = repeatedly(interval, () => {
    lag = { mean: late(histogram.mean), p99: late(histogram.percentile(99)), max: late(histogram.max) }
    histogram.reset()
    if (shedAbove !== null) swing(door, lag.mean * 1000, shedAbove)
  }, report)
  return {
    lag: () => lag,
    async stop () {
      await watching.stop()
      histogram.disable()
    },
  }
}

/** A server that shuts down stays shut. */
function swing (door: Door, lag: number, shedAbove: number): void {
  if (door.turning === null && lag > shedAbove) door.turning = 'overloaded'
  else if (door.turning === 'overloaded' && lag < shedAbove / 2) door.turning = null
}

/**
 * The last line of defence of a process that serves: an error that nothing caught is told and counted, and ends
 * nothing.
 */
import { writeSync } from 'node:fs'
import type { Metrics } from '../telemetry/metrics.ts'

/** At most one line in so many milliseconds: what is thrown again and again must not fill the disk. */
const quiet = 1_000

/**
 * From now on no error ends the process that nothing catches, neither a thrown one nor the rejection of a promise. Each
 * is a defect: it is counted, told on standard error whatever the log level, and the process ends with 1 in its time,
 * so that whatever started it gets to know.
 */
export function surviveUncaught (metrics: Pick<Metrics, 'uncaught'>): void {
  let toldAt = -Infinity
  process.on('uncaughtException', (error: unknown, origin) => {
    metrics.uncaught++
    process.exitCode = 1
    if (performance.now() < toldAt + quiet) return
    toldAt = performance.now()
    tell(error, origin, metrics.uncaught)
  })
}

/** Not by the logger, which may be what has failed. */
function tell (error: unknown, origin: string, uncaught: number): void {
  try {
    const err = error instanceof Error
      ? { type: error.name, message: error.message, stack: error.stack }
      : { message: String(error) }
    writeSync(
      2,
      `${
        JSON.stringify({
          level: 60, time: Date.now(), pid: process.pid, origin, uncaught, err, msg: 'an error that nothing caught'
        })
      }\n`
    )
  } catch {
    // There is nowhere left to tell it.
  }
}

/** Uncaught errors in a serving process: each is logged and counted, and none ends the process. */
import { writeSync } from 'node:fs'
import type { Metrics } from '../telemetry/metrics.ts'

/** At most one line in this time: an error that is thrown again and again must not fill the disk. */
const logIntervalMs = 1_000

/**
 * From now on the process survives uncaught exceptions and unhandled rejections. Each is a defect: it is counted, and
 * logged on standard error at any log level. When the process ends, its exit code is 1, for the program that started
 * it.
 */
export function surviveUncaught (metrics: Pick<Metrics, 'uncaught'>): void {
  let loggedAt = -Infinity
  process.on('uncaughtException', (error: unknown, origin) => {
    metrics.uncaught++
    process.exitCode = 1
    if (performance.now() < loggedAt + logIntervalMs) return
    loggedAt = performance.now()
    log(error, origin, metrics.uncaught)
  })
}

/** Does not use the logger, which may be the part that failed. */
function log (error: unknown, origin: string, uncaught: number): void {
  try {
    const err = error instanceof Error
      ? { type: error.name, message: error.message, stack: error.stack }
      : { message: String(error) }
    writeSync(
      2,
      `${
        JSON.stringify({
          level: 60, time: Date.now(), pid: process.pid, origin, uncaught, err, msg: 'uncaught error'
        })
      }\n`
    )
  } catch {
    // Standard error cannot be written either.
  }
}

/**
 * Work that no request waits for. What it throws is counted and told here, and goes no further: neither to the process
 * nor to a request.
 */
import type { Metrics } from './metrics.ts'

/** What is done without being asked for, by its name in the numbers. */
export type Job =
  | 'housekeeping' | 'signing_keys'
  | 'key_use' | 'management_token_use' | 'client_use' | 'calls' | 'tokens_issued' | 'refusals'
  | 'allowances' | 'shared_counts' | 'event_loop' | 'feed' | 'counting_out' | 'listener' | 'log'

/** Takes what a job has thrown. Never throws itself. */
export type Report = (error: unknown) => void

/** As much of a logger as it takes. */
export interface ErrorLog { error (about: object, message: string): void }

export interface Background {
  /** What a job's failures are handed to: each is counted, and at most one a minute logged. */
  report (job: Job): Report
  /** From now on failures are logged there; until then they are warnings of the process. */
  logTo (log: ErrorLog): void
  readonly log: ErrorLog
}

/** Milliseconds in which a job that goes on failing has one line in the log. */
const quiet = 60_000

export function newBackground ({ jobFailures }: Pick<Metrics, 'jobFailures'>): Background {
  let log: ErrorLog = { error: ({ err }: { err?: unknown }, message) => { warn(err ?? message) } }
  const told = new Map<Job, { at: number, since: number }>()
  const tell = (job: Job, err: unknown) => {
    const last = told.get(job)
    const now = performance.now()
    if (last !== undefined && now < last.at + quiet) {
      last.since++
      return
    }
    told.set(job, { at: now, since: 0 })
    log.error({ job, err, failuresSinceLastLine: last?.since ?? 0 }, 'a background job failed')
  }
  return {
    report: job => err => {
      jobFailures.increment(job)
      try {
        tell(job, err)
      } catch {
        // A log that cannot be written must not make it worse.
      }
    },
    logTo (destination) { log = destination },
    get log () { return log },
  }
}

/** Where nothing else was said: a failure is a warning of the process. */
export const warn: Report = error => { process.emitWarning(error instanceof Error ? error : String(error)) }

/** Does `work` to its end. Never rejects: what it throws is reported. */
export async function attempt (work: () => unknown, report: Report): Promise<void> {
  try {
    await work()
  } catch (error) {
    report(error)
  }
}

/**
 * Does `work` every so many milliseconds, but never twice at a time, and again at its time when it has failed. `stop`
 * waits for what is running.
 */
export function repeatedly (milliseconds: number, work: () => unknown, report: Report): { stop (): Promise<void> } {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= attempt(work, report).then(() => {
      running = null
    })
  }, milliseconds).unref()
  return {
    async stop () {
      clearInterval(timer)
      await running
    },
  }
}

/** Background work: its errors are counted and logged here, and reach neither a request nor the process. */
import type { Service } from './service.ts'
import type { Metrics } from './metrics.ts'

/** A background job, by its name in the metrics. */
export type Job =
  | 'housekeeping' | 'signing_keys'
  | 'key_use' | 'management_token_use' | 'person_session_use' | 'authorization_use'
  | 'client_use' | 'calls' | 'tokens_issued' | 'refusals' | 'request_log'
  | 'allowances' | 'shared_counts' | 'event_loop' | 'feed' | 'counting_out' | 'listener' | 'log'

/** Takes the error of a job. Never throws. */
export type Report = (error: unknown) => void

/** The part of a logger that background work needs. */
export interface ErrorLog { error (context: object, message: string): void }

export interface Background {
  /** Where a job reports its failures: each is counted, and at most one a minute is logged. */
  report (job: Job): Report
  /** Sets the log for failures; before the first call they are process warnings. */
  logTo (log: ErrorLog): void
  readonly log: ErrorLog
}

/** A job that keeps failing logs one line in this many milliseconds. */
const logIntervalMs = 60_000

export function newBackground ({ jobFailures }: Pick<Metrics, 'jobFailures'>): Background {
  let log: ErrorLog = { error: ({ err }: { err?: unknown }, message) => { warn(err ?? message) } }
  const logged = new Map<Job, { at: number, since: number }>()
  const logFailure = (job: Job, err: unknown) => {
    const last = logged.get(job)
    const now = performance.now()
    if (last !== undefined && now < last.at + logIntervalMs) {
      last.since++
      return
    }
    logged.set(job, { at: now, since: 0 })
    log.error({ job, err, failuresSinceLastLine: last?.since ?? 0 }, 'a background job failed')
  }
  return {
    report: job => err => {
      jobFailures.increment(job)
      try {
        logFailure(job, err)
      } catch {
        // A failing log must not add a failure of its own.
      }
    },
    logTo (destination) { log = destination },
    get log () { return log },
  }
}

/** The default: a failure is a process warning. */
export const warn: Report = error => { process.emitWarning(error instanceof Error ? error : String(error)) }

/** Runs `work` to its end. Never rejects: errors are reported. */
export async function attempt (work: () => unknown, report: Report): Promise<void> {
  try {
    await work()
  } catch (error) {
    report(error)
  }
}

/** A service with one job that runs at an interval. */
export interface RepeatedJob extends Service {
  start (): void
  stop (): Promise<void>
}

/**
 * Runs `work` every `milliseconds`, never twice at the same time; a failed run is repeated at the next interval. `stop`
 * waits for the present run.
 */
export function repeatedly (milliseconds: number, work: () => unknown, report: Report): RepeatedJob {
  let running: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined
  return {
    start () {
      timer = setInterval(() => {
        running ??= attempt(work, report).then(() => {
          running = null
        })
      }, milliseconds).unref()
    },
    async stop () {
      clearInterval(timer)
      await running
    },
  }
}

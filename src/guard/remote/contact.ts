/**
 * The contact of a guard with its server: what is told of it, each problem once until it changes, how long the guard
 * pauses before it tries again, and whether their clocks agree.
 */
import { clockTolerance } from '../../domain/tokens/access-token.ts'
import type { Report } from '../../telemetry/background.ts'

/** The server refuses the guard itself. It does so again until an operator changes the guard or its client. */
export class GuardRefused extends Error {}

/** Statuses that refuse the guard: of a wrong secret, and of a client that may not guard the resource. */
export function refusesGuard (status: number): boolean {
  return status === 401 || status === 403
}

/** Milliseconds within which one failure of requests is told, whatever becomes of the others. */
const failuresPer = 60_000

export interface Listeners {
  /** Told of each problem. */
  onError: Report
  /** Told when the server is followed again. */
  onRecovery: () => void
}

export class Contact {
  readonly #listeners: Listeners
  /** The problem that was told and is not over; null: there is none. */
  #problem: string | null = null
  /** Whether it was told that the clocks differ. */
  #isClockTold = false
  /** When a failure of a request was last told, by `performance.now()`. */
  #failureTold = -Infinity

  constructor (listeners: Listeners) {
    this.#listeners = listeners
  }

  /** The server is not followed: told if it is another problem than the one before. */
  lost (error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error)
    if (problem === this.#problem) return
    this.#problem = problem
    this.#listeners.onError(error)
  }

  /** A request or a report of usage failed: told once a minute, unless the server is not followed anyway. */
  failed (error: unknown): void {
    const now = performance.now()
    if (this.#problem !== null || now < this.#failureTold + failuresPer) return
    this.#failureTold = now
    this.#listeners.onError(error)
  }

  /** What is wrong with the clock, looked at with each session; null: nothing. Told once until it is right again. */
  noteClock (problem: string | null): void {
    if (problem !== null && !this.#isClockTold) this.#listeners.onError(new Error(problem))
    this.#isClockTold = problem !== null
  }

  /** The server is followed. */
  followed (): void {
    if (this.#problem === null) return
    this.#problem = null
    this.#listeners.onRecovery()
  }
}

/**
 * What is wrong with the clock of a guard, by the Date of an answer to a request; null: nothing that can be told. The
 * server read its clock between `asked` and `answered`, and told whole seconds.
 */
export function clockProblem (date: string | null, asked: Date, answered: Date): string | null {
  const told = Date.parse(date ?? '')
  const behind = Math.floor((told - answered.getTime()) / 1_000)
  const ahead = Math.floor((asked.getTime() - told) / 1_000) - 1
  if (behind > clockTolerance) {
    return `The clock of this guard is ${behind} s behind that of its authorization server: good tokens are refused ` +
      'as not valid yet (malformed). Set both clocks, by NTP.'
  }
  return ahead > clockTolerance
    ? `The clock of this guard is ${ahead} s ahead of that of its authorization server: good credentials are refused ` +
      'as expired. Set both clocks, by NTP.'
    : null
}

/** Milliseconds, at most, between two attempts to reach the server. */
const longestPause = 2_000

/** Milliseconds between two attempts of a guard that is refused: so few spare the limit of its client for others. */
const refusedPause = { shortest: 1_000, longest: 30_000 }

/**
 * Milliseconds before the next attempt: longer after each failure, and not the same for all guards. `refusals`: the
 * attempts, without a break up to now, that the server refused.
 */
export function pauseAfter (failures: number, refusals: number): number {
  if (failures === 0) return 0
  if (refusals === 0) return Math.random() * Math.min(longestPause, 50 * 2 ** failures)
  return (1 + Math.random()) / 2 * Math.min(refusedPause.longest, refusedPause.shortest * 2 ** (refusals - 1))
}

/** What a call with an API key costs, in one question: its rate, its month's calls, its credits, in this order. */
import type { Awaitable } from '../awaitable.ts'
import type { ApiKey } from './api-key.ts'
import type { RateLimitState } from './rate-limit.ts'

/** A call that passed every other check. */
export interface MeteredCall {
  key: ApiKey
  /** What the route costs, in whole credits; 0: nothing. The key's own organization pays, from the account of its environment. */
  credits: number
  now: Date
}

/**
 * "No" is a value. `limits`: the state of every limit that the key has and that was looked at. `spending`: the entry that
 * took the credits, by which they can be refunded; null: none were taken. `retryAfterSeconds` null: waiting does not help.
 */
export type MeterVerdict =
  | { ok: true, spending: string | null, limits: readonly RateLimitState[] }
  | { ok: false, reason: 'rate_limited' | 'quota_exceeded' | 'insufficient_credits', retryAfterSeconds: number | null, limits: readonly RateLimitState[] }

/** The one place where a call is counted. */
export interface Meter {
  /**
   * Takes what the call costs, all of it or nothing, and counts it as usage only when it is admitted. Answers in the same
   * turn unless credits or another block of the month's calls have to be taken in the database.
   * Throws Failure `storage_unavailable` when they cannot be: never guesses.
   */
  admit (call: MeteredCall): Awaitable<MeterVerdict>
  /** Gives the credits of a spending back, because the call failed by our own fault. Doing it twice changes nothing. */
  refund (spending: string, reason: string): Promise<void>
  /** Writes the usage counted so far. */
  flush (): Promise<void>
  /** Writes the rest, gives back what was taken ahead, and stops. */
  close (): Promise<void>
}

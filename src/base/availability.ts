/**
 * Whether the server accepts requests. Each edge checks this before it reads anything, and presents the failure in its
 * own format; `/healthz`, `/readyz` and `/prom` are always answered.
 */
import { Failure } from './errors.ts'

/** The failure that requests are rejected with. */
export type Rejecting = 'shutting_down' | 'overloaded'

/** Whether a failure is one that a server rejects requests with. */
export function isRejection (code: string): code is Rejecting {
  return code === 'shutting_down' || code === 'overloaded'
}

export interface Availability {
  /** Null: requests are accepted. */
  rejecting: Rejecting | null
  /** The server is about to shut down: load balancers should send no more requests. */
  draining: boolean
  /**
   * Until when buffered writes are retried once the server closes, by `performance.now()`; they are tried once anyway.
   */
  writeUntil: number
}

export function newAvailability (): Availability {
  return { rejecting: null, draining: false, writeUntil: -Infinity }
}

/** @throws Failure `shutting_down` or `overloaded`. */
export function requireAvailable ({ rejecting }: Availability): void {
  if (rejecting !== null) throw new Failure(rejecting)
}

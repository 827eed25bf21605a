/**
 * Trust in a memory under a lease: until when it may answer, by a monotonic clock and by the wall clock. Pure
 * functions: simulations run the same code as servers and guards.
 */

/** An instant by two clocks, in milliseconds: the monotonic one, and the wall clock, which includes sleep. */
export interface Instant { monotonic: number, wall: number }

/** Before any other instant. */
export const never: Instant = { monotonic: -Infinity, wall: -Infinity }

export function instant (): Instant {
  return { monotonic: performance.now(), wall: Date.now() }
}

/** The part of a lease by which the clocks of two servers may differ during it. */
export const margin = 0.05

/**
 * Until when a cache may be used that has applied everything a poll returned: counted from when the poll was sent, not
 * from its answer, since changes that it did not return were committed after it was sent.
 */
export function trustedUntil (sent: Instant, lease: number): Instant {
  const length = lease * (1 - margin)
  return { monotonic: sent.monotonic + length, wall: sent.wall + length }
}

/** Whether the cache may be used now: by both clocks. */
export function isTrusted (until: Instant, monotonic: number, wall: number): boolean {
  return monotonic < until.monotonic && wall < until.wall
}

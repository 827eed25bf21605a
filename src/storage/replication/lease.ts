/**
 * Lease rules: when a cache may answer, and when a change may be acknowledged. docs/replicas.md proves that together
 * they let no outdated answer pass. Pure functions, so that the simulation runs the same code as a server.
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

/**
 * Whether the transaction `xid` is visible in a `pg_snapshot` (`xmin:xmax:xip,…`). Transactions commit in another order
 * than that of their numbers, so the number alone is not enough.
 */
export function isVisible (xid: bigint, snapshot: string): boolean {
  const [xmin, xmax, inProgress] = snapshot.split(':')
  if (xid < BigInt(xmin!)) return true
  return xid < BigInt(xmax!) && !inProgress!.split(',').includes(String(xid))
}

/**
 * Whether a change may be acknowledged: every server has applied it, or a lease has passed since it was known to be
 * committed, at `since`, so that no server may use an older cache. `unconfirmed`: the servers that have not confirmed.
 */
export function mayAcknowledge (unconfirmed: number, since: number, now: number, lease: number): boolean {
  return unconfirmed === 0 || now >= since + lease
}

/**
 * Whether a server may be evicted that has given no sign of life since `observed`: its lease has ended, and its next
 * poll tells it of the eviction first.
 */
export function mayEvict (observed: number, now: number, lease: number): boolean {
  return now >= observed + lease
}

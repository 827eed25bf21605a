/**
 * The rules by which a server may go by its memory, and a change may be called done; docs/replicas.md proves that
 * together they let nothing stale pass. Pure, so that the simulation of them judges the very lines that run.
 */

/**
 * An instant by two clocks, in milliseconds: one that only runs, and the one on the wall, which runs on while a machine
 * sleeps.
 */
export interface Instant { monotonic: number, wall: number }

/** Before anything. */
export const never: Instant = { monotonic: -Infinity, wall: -Infinity }

export function instant (): Instant {
  return { monotonic: performance.now(), wall: Date.now() }
}

/** By how much of a lease the clocks of two servers may differ while it lasts. */
export const margin = 0.05

/**
 * Until when a view may be gone by, into which everything has been applied that a poll brought: counted from when the
 * poll was sent, not from when it was answered. Whatever it did not bring was committed after that.
 */
export function trustedUntil (sent: Instant, lease: number): Instant {
  const length = lease * (1 - margin)
  return { monotonic: sent.monotonic + length, wall: sent.wall + length }
}

/** Whether it may be gone by now. Either clock is enough to say no. */
export function isTrusted (until: Instant, monotonic: number, wall: number): boolean {
  return monotonic < until.monotonic && wall < until.wall
}

/**
 * Whether what the transaction `xid` did is seen in a `pg_snapshot` (`xmin:xmax:xip,…`). Numbers of transactions are
 * given out in another order than the one in which they commit, so a number alone would not say.
 */
export function isVisible (xid: bigint, snapshot: string): boolean {
  const [xmin, xmax, underWay] = snapshot.split(':')
  if (xid < BigInt(xmin!)) return true
  return xid < BigInt(xmax!) && !underWay!.split(',').includes(String(xid))
}

/**
 * Whether a change may be called done: everybody has it, or has had no reason to go by an older memory since a lease
 * before `now`. `silent`: how many servers have not said that they have it. `since`: when it was known to be committed.
 */
export function mayAcknowledge (silent: number, since: number, now: number, lease: number): boolean {
  return silent === 0 || now >= since + lease
}

/**
 * Whether a server may be counted out that shows the same sign of life as at `observed`: what it went by then it goes
 * by no more, and whatever it does next, it hears first that it was counted out.
 */
export function mayEvict (observed: number, now: number, lease: number): boolean {
  return now >= observed + lease
}

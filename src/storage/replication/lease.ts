/**
 * Lease rules: when a change may be acknowledged; base/trust.ts says when a cache may answer. docs/replicas.md proves
 * that together they let no outdated answer pass. Pure functions: the simulation runs the same code as a server.
 */

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

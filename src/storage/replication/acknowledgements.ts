/** Delays the acknowledgement of a change until no server can use a cache from before it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { longestLease } from '../../config/variables.ts'
import { attempt, type Report } from '../../telemetry/background.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Queries } from '../engine/prisma.ts'
import { isVisible, mayAcknowledge, mayEvict } from './lease.ts'
import { evict, replicaPositions, type ReplicaPosition } from './membership.ts'

/** Milliseconds between two reads of the servers' rows, in case reports are lost or not listened for yet. */
const readIntervalMs = 100

/** Milliseconds after which an unanswered read is abandoned for another one. */
const readTimeoutMs = 1_000

/** A `pg_snapshot` as PostgreSQL writes it. */
const snapshot = /^\d{1,20}:\d{1,20}:[\d,]*$/

/** A committed change that not every server has applied. */
class PendingChange {
  readonly committed = performance.now()
  readonly #xid: bigint
  readonly #sharedLease: number
  readonly #reported = new Map<string, string>()
  /** The longest possible lease until the leases of the other servers are known. */
  lease: number
  /** Whether there was no other server to wait for. */
  isAlone = false
  /** When the rows of the other servers were first read. */
  observed: number
  /** The servers that have not confirmed the change. Null: not read yet, so there may be any. */
  unconfirmed: readonly ReplicaPosition[] | null = null
  #wake = () => {}

  /** `sharedLease`: the lease of all servers; null: only their rows tell it. */
  constructor (xid: bigint, sharedLease: number | null) {
    this.#xid = xid
    this.#sharedLease = sharedLease ?? 0
    this.lease = sharedLease ?? longestLease
    this.observed = this.committed
  }

  /** A server reported the position that it has applied. Empty: the position is in its row. */
  onReport (replicaId: string, position: string): void {
    this.#reported.set(replicaId, position)
    this.#update(this.unconfirmed)
  }

  /** The rows of the other servers, read after the commit. */
  observe (rows: readonly ReplicaPosition[]): void {
    const behind = rows.filter(({ position }) => !isVisible(this.#xid, position))
    if (this.unconfirmed === null) {
      this.isAlone = behind.length === 0
      this.observed = performance.now()
      this.lease = Math.max(this.#sharedLease, ...behind.map(each => each.lease))
    }
    // A server that joined since the first read has read its data after the change.
    this.#update(this.unconfirmed?.filter(({ id }) => behind.some(row => row.id === id)) ?? behind)
  }

  /** Resolves at the next report or row, or after `timeoutMs`. */
  async waitForReport (timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.max(0, timeoutMs))
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }

  #update (unconfirmed: readonly ReplicaPosition[] | null): void {
    this.unconfirmed = unconfirmed?.filter(({ id }) => !this.#isAppliedBy(id)) ?? null
    this.#wake()
  }

  #isAppliedBy (replicaId: string): boolean {
    const position = this.#reported.get(replicaId) ?? ''
    return position !== '' && isVisible(this.#xid, position)
  }
}

export class AcknowledgementBarrier {
  readonly #queries: Queries
  readonly #replicaId: string
  readonly #metrics: Metrics
  readonly #report: Report
  readonly #pending = new Set<PendingChange>()
  #isReading = false
  /** Starts the next read at once. */
  #readNow = () => {}

  constructor (queries: Queries, replicaId: string, metrics: Metrics, report: Report) {
    this.#queries = queries
    this.#replicaId = replicaId
    this.#metrics = metrics
    this.#report = report
  }

  /** A server reported the position that it has applied. Empty: the position is in its row. */
  onReport (replicaId: string, text: string): void {
    // Any role that may connect to the database can send any text.
    const position = snapshot.test(text) ? text : ''
    for (const pending of this.#pending) pending.onReport(replicaId, position)
  }

  /**
   * Resolves once every other server has applied the transaction `xid`, which was committed just now, or a lease has
   * passed; then evicts the servers that gave no sign of life. `lease`: that of all servers; null: this server is not
   * registered, so only their rows tell it. Never rejects: the change is committed.
   */
  async acknowledge (xid: bigint, lease: number | null): Promise<void> {
    const pending = new PendingChange(xid, lease)
    // Before the rows are read, so that no report is lost meanwhile.
    this.#pending.add(pending)
    this.#requestRead()
    try {
      const outcome = await this.#wait(pending)
      this.#metrics.acknowledgements.observe((performance.now() - pending.committed) / 1000, outcome)
    } finally {
      this.#pending.delete(pending)
    }
  }

  /** `alone`, `applied` by all, or `lapsed`. */
  async #wait (pending: PendingChange): Promise<'alone' | 'applied' | 'lapsed'> {
    const { committed } = pending
    while (!mayAcknowledge(pending.unconfirmed?.length ?? Infinity, committed, performance.now(), pending.lease)) {
      await pending.waitForReport(committed + pending.lease - performance.now())
    }
    if (pending.unconfirmed?.length === 0) return pending.isAlone ? 'alone' : 'applied'
    this.#evictUnconfirmed(pending).catch(this.#report)
    return 'lapsed'
  }

  /** Reads the rows of the other servers: at once, and every `readIntervalMs` while a change is pending. */
  #requestRead (): void {
    this.#readNow()
    if (!this.#isReading) this.#readWhilePending()
  }

  async #readWhilePending (): Promise<void> {
    this.#isReading = true
    while (this.#pending.size > 0) {
      const { promise: next, resolve } = Promise.withResolvers<void>()
      this.#readNow = resolve
      // Changes that are added while the database answers were committed after the query was sent.
      const pendingBefore = [...this.#pending]
      await attempt(async () => {
        const rows = await within(readTimeoutMs, replicaPositions(this.#queries, this.#replicaId))
        if (rows !== null) for (const pending of pendingBefore) pending.observe(rows)
      }, this.#report)
      const timer = setTimeout(resolve, readIntervalMs)
      await next
      clearTimeout(timer)
    }
    this.#isReading = false
  }

  /** Evicts a dead replica, so that it delays one change; a live one rejoins. */
  async #evictUnconfirmed ({ unconfirmed, observed, lease }: PendingChange): Promise<void> {
    while (!mayEvict(observed, performance.now(), lease)) await sleep(1, undefined, { ref: false })
    for (const replica of unconfirmed ?? []) await evict(this.#queries, replica)
  }
}

/** Null: it failed, or took longer than `timeoutMs`. */
async function within<T> (timeoutMs: number, answer: Promise<T>): Promise<T | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(resolve, Math.max(0, timeoutMs), null)
  try {
    return await Promise.race([answer, late])
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

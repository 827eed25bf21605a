import { setTimeout as sleep } from 'node:timers/promises'
import { attempt, type Report } from '../../telemetry/background.ts'
import { longestLease } from '../../config/config.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { evict, replicaPositions, type ReplicaPosition } from './feed.ts'
import { isVisible, mayAcknowledge, mayEvict } from './lease.ts'
import type { Queries } from '../engine/prisma.ts'

/**
 * Milliseconds after which the rows of the others are read again, should their words have been lost, or not be listened
 * for yet.
 */
const patience = 100

/** Milliseconds after which a read that has not been answered is given up for another one. */
const longestRead = 1_000

/** A `pg_snapshot` as PostgreSQL writes it. */
const snapshot = /^\d{1,20}:\d{1,20}:[\d,]*$/

/** A change that is kept, and not yet known to all. */
class PendingChange {
  readonly committed = performance.now()
  readonly #xid: bigint
  readonly #shared: number
  readonly #heard = new Map<string, string>()
  /** As long as nobody says by which lease the others go, the longest that there can be. */
  lease: number
  /** Whether there was nobody to wait for. */
  isAlone = false
  /** When the rows of the others were first known. */
  observed: number
  /**
   * The servers that have not said that they have it. Null: the database has not said yet who there is, so nobody can
   * be ruled out.
   */
  unconfirmed: readonly ReplicaPosition[] | null = null
  #wake = () => {}

  /** `shared`: the lease that all go by; null: only the rows of the others say. */
  constructor (xid: bigint, shared: number | null) {
    this.#xid = xid
    this.#shared = shared ?? 0
    this.lease = shared ?? longestLease
    this.observed = this.committed
  }

  /** A server said up to where it has applied the feed. Empty: further than before, its row says how far. */
  onReport (replicaId: string, position: string): void {
    this.#heard.set(replicaId, position)
    this.#update(this.unconfirmed)
  }

  /** The rows of the others, read after the change was committed. */
  see (rows: readonly ReplicaPosition[]): void {
    const behind = rows.filter(({ position }) => !isVisible(this.#xid, position))
    if (this.unconfirmed === null) {
      this.isAlone = behind.length === 0
      this.observed = performance.now()
      this.lease = Math.max(this.#shared, ...behind.map(each => each.lease))
    }
    // Who joined since the first look has read everything after the change.
    this.#update(this.unconfirmed?.filter(({ id }) => behind.some(row => row.id === id)) ?? behind)
  }

  /** Resolves when something is heard, at the latest after so many milliseconds. */
  async waitForReport (within: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.max(0, within))
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }

  #update (silent: readonly ReplicaPosition[] | null): void {
    this.unconfirmed = silent?.filter(({ id }) => !this.#hasBeenAppliedBy(id)) ?? null
    this.#wake()
  }

  #hasBeenAppliedBy (replicaId: string): boolean {
    const position = this.#heard.get(replicaId) ?? ''
    return position !== '' && isVisible(this.#xid, position)
  }
}

/** Holds changes back until no server can go by what was before them. */
export class AcknowledgementBarrier {
  readonly #queries: Queries
  readonly #replicaId: string
  readonly #metrics: Metrics
  readonly #report: Report
  readonly #pending = new Set<PendingChange>()
  #isReading = false
  /** Has the next read begin. */
  #read = () => {}

  constructor (queries: Queries, replicaId: string, metrics: Metrics, report: Report) {
    this.#queries = queries
    this.#replicaId = replicaId
    this.#metrics = metrics
    this.#report = report
  }

  /** A server said up to where it has applied the feed. Empty: further than before, its row says how far. */
  onReport (replicaId: string, said: string): void {
    // Anybody who may connect to the database can say anything.
    const position = snapshot.test(said) ? said : ''
    for (const pending of this.#pending) pending.onReport(replicaId, position)
  }

  /**
   * Resolves once every other server has applied the transaction `xid`, which was committed just now, or a lease has
   * passed. Who gave no sign of life in that time is not waited for again. `lease` is the one that all go by; null:
   * this server is not among them, so only their rows say. Never rejects: the change is kept already.
   */
  async acknowledge (xid: bigint, lease: number | null): Promise<void> {
    const pending = new PendingChange(xid, lease)
    // Before the rows are read: what is said meanwhile must not be lost.
    this.#pending.add(pending)
    this.#look()
    try {
      const how = await this.#wait(pending)
      this.#metrics.acknowledgements.observe((performance.now() - pending.committed) / 1000, how)
    } finally {
      this.#pending.delete(pending)
    }
  }

  /** How it ended: there was nobody to wait for, all said that they have it, or the time was up. */
  async #wait (pending: PendingChange): Promise<'alone' | 'applied' | 'lapsed'> {
    const { committed } = pending
    while (!mayAcknowledge(pending.unconfirmed?.length ?? Infinity, committed, performance.now(), pending.lease)) {
      await pending.waitForReport(committed + pending.lease - performance.now())
    }
    if (pending.unconfirmed?.length === 0) return pending.isAlone ? 'alone' : 'applied'
    this.#countOut(pending).catch(this.#report)
    return 'lapsed'
  }

  /**
   * Sees to it that the rows of the others are read: once for all changes that wait, at once for one that has not seen
   * them, and again after `patience` for as long as any waits.
   */
  #look (): void {
    this.#read()
    if (!this.#isReading) this.#readOn()
  }

  async #readOn (): Promise<void> {
    this.#isReading = true
    while (this.#pending.size > 0) {
      const { promise: next, resolve } = Promise.withResolvers<void>()
      this.#read = resolve
      // Those that come while the database answers were committed after it was asked.
      const asking = [...this.#pending]
      await attempt(async () => {
        const rows = await within(longestRead, replicaPositions(this.#queries, this.#replicaId))
        if (rows !== null) for (const pending of asking) pending.see(rows)
      }, this.#report)
      const timer = setTimeout(resolve, patience)
      await next
      clearTimeout(timer)
    }
    this.#isReading = false
  }

  /** So that one server that has died costs one wait, not one with each change. Whoever lives joins again. */
  async #countOut ({ unconfirmed, observed, lease }: PendingChange): Promise<void> {
    while (!mayEvict(observed, performance.now(), lease)) await sleep(1, undefined, { ref: false })
    for (const standing of unconfirmed ?? []) await evict(this.#queries, standing)
  }
}

/** Null: it failed, or took longer than so many milliseconds. */
async function within<T> (milliseconds: number, answer: Promise<T>): Promise<T | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(resolve, Math.max(0, milliseconds), null)
  try {
    return await Promise.race([answer, late])
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

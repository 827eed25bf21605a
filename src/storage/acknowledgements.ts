import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../background.ts'
import { longestLease } from '../config.ts'
import type { Measures } from '../measures.ts'
import { behind, countOut, type Standing } from './feed.ts'
import { isVisible, mayAcknowledge, mayCountOut } from './lease.ts'
import type { Queries } from './prisma.ts'

/** Milliseconds after which the rows of the others are read again, should their words have been lost, or not be listened for yet. */
const patience = 100

/** A `pg_snapshot` as PostgreSQL writes it. */
const snapshot = /^\d{1,20}:\d{1,20}:[\d,]*$/

/** A change that is kept, and not yet known to all. */
class Pending {
  readonly #xid: bigint
  readonly #heard = new Map<string, string>()
  #wake = () => {}

  constructor (xid: bigint) {
    this.#xid = xid
  }

  hear (replicaId: string, position: string): void {
    this.#heard.set(replicaId, position)
    this.#wake()
  }

  hasBeenAppliedBy (replicaId: string): boolean {
    const position = this.#heard.get(replicaId) ?? ''
    return position !== '' && isVisible(this.#xid, position)
  }

  /** Resolves when something is heard, at the latest after so many milliseconds. */
  async news (within: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.max(0, within))
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }
}

/** Holds changes back until no server can go by what was before them. */
export class Acknowledgements {
  readonly #queries: Queries
  readonly #replicaId: string
  readonly #measures: Measures
  readonly #report: Report
  readonly #pending = new Set<Pending>()

  constructor (queries: Queries, replicaId: string, measures: Measures, report: Report) {
    this.#queries = queries
    this.#replicaId = replicaId
    this.#measures = measures
    this.#report = report
  }

  /** A server said up to where it has applied the feed. Empty: further than before, its row says how far. */
  hear (replicaId: string, said: string): void {
    // Anybody who may connect to the database can say anything.
    const position = snapshot.test(said) ? said : ''
    for (const pending of this.#pending) pending.hear(replicaId, position)
  }

  /**
   * Resolves once every other server has applied the transaction `xid`, which was committed just now, or a lease has passed.
   * Who gave no sign of life in that time is not waited for again. `lease` is the one that all go by; null: this server is not
   * among them, so only their rows say. Never rejects: the change is kept already.
   */
  async acknowledge (xid: bigint, lease: number | null): Promise<void> {
    const committed = performance.now()
    const pending = new Pending(xid)
    // Before the rows are read: what is said meanwhile must not be lost.
    this.#pending.add(pending)
    try {
      const how = await this.#wait(pending, xid, committed, lease)
      this.#measures.acknowledgements.note((performance.now() - committed) / 1000, how)
    } finally {
      this.#pending.delete(pending)
    }
  }

  /** How it ended: there was nobody to wait for, all said that they have it, or the time was up. */
  async #wait (pending: Pending, xid: bigint, committed: number, shared: number | null): Promise<'alone' | 'applied' | 'lapsed'> {
    let read = -Infinity
    let observed = committed
    // As long as nobody says by which lease the others go, by the longest that there can be.
    let lease = shared ?? longestLease
    // Null: the database has not said yet who there is, so nobody can be ruled out.
    let silent: Standing[] | null = null
    for (;;) {
      const now = performance.now()
      if (now >= read + patience) {
        read = now
        const rows = await within(committed + lease - now, behind(this.#queries, this.#replicaId, xid))
        if (rows !== null && silent === null) {
          if (rows.length === 0) return 'alone'
          observed = performance.now()
          lease = Math.max(shared ?? 0, ...rows.map(each => each.lease))
          silent = rows
        } else if (rows !== null) {
          // Who joined since then has read everything after the change.
          silent = silent!.filter(({ id }) => rows.some(row => row.id === id))
        }
      }
      silent = silent?.filter(({ id }) => !pending.hasBeenAppliedBy(id)) ?? null
      if (mayAcknowledge(silent?.length ?? Infinity, committed, performance.now(), lease)) break
      await pending.news(Math.min(patience, committed + lease - performance.now()))
    }
    if (silent?.length === 0) return 'applied'
    this.#countOut(silent ?? [], observed, lease).catch(this.#report)
    return 'lapsed'
  }

  /** So that one server that has died costs one wait, not one with each change. Whoever lives joins again. */
  async #countOut (silent: readonly Standing[], observed: number, lease: number): Promise<void> {
    while (!mayCountOut(observed, performance.now(), lease)) await sleep(1, undefined, { ref: false })
    for (const standing of silent) await countOut(this.#queries, standing)
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

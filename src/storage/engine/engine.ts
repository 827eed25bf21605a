import type { Isolation } from '../../domain/core/operation.ts'
import type { Provider, Queries } from './prisma.ts'
import type { Reads } from './reads.ts'
import type { Limits } from './timeouts.ts'

/** An open database. Everything that goes through it fails as `asFailure` says. */
export interface Database {
  provider: Provider
  /** Statements of their own, each its own transaction. */
  queries: Queries
  /**
   * Runs `work` in one transaction, serializable unless said otherwise; again, a few times, when another transaction
   * got in its way. Once a statement in it has failed, whatever follows fails as that did, and nothing is kept, also
   * where `work` makes nothing of the error. Inside, only the queries that `work` was given may be used. SQLite knows
   * no other isolation.
   */
  transaction<T> (work: (queries: Queries) => Promise<T>, isolation?: Isolation): Promise<T>
  /** The records that checks ask for the most, by a shorter way than `queries`. */
  reads: Reads
  /** PostgreSQL: `lost` is called whenever a connection to the database breaks. */
  onLoss (lost: () => void): void
  /** PostgreSQL: `connected` is called whenever a connection has been made. */
  onConnect (connected: () => void): void
  limits: Limits
  /** Resolves when the database answers. @throws Failure `storage_unavailable`. */
  ping (): Promise<void>
  /** Whether a write has failed lately because there was no room for it, and none was kept since. */
  isFull (): boolean
  /** Connections of this server by state: `idle`, `busy`, and requests `waiting` for one. */
  connections (): Record<'idle' | 'busy' | 'waiting', number>
  /**
   * Rolls back transactions that are not done, lets go of connections and lock; afterwards every query is
   * `storage_unavailable`.
   */
  close (): Promise<void>
}

/** An open database, as the layers above the engine see it. */
import type { Isolation } from '../../domain/core/operation.ts'
import type { Provider, Queries } from './prisma.ts'
import type { Reads } from './reads.ts'
import type { Limits } from './timeouts.ts'

/** An open database. Its errors are those of `asFailure`. */
export interface Database {
  provider: Provider
  /** Single statements, each its own transaction. */
  queries: Queries
  /**
   * Runs `work` in one transaction, serializable by default, and retries it after a serialization conflict. Once a
   * statement has failed, every later one fails with the same error and the transaction rolls back, even if `work`
   * catches the error. `work` may only use the queries that it is given. SQLite is always serializable.
   */
  transaction<T> (work: (queries: Queries) => Promise<T>, isolation?: Isolation): Promise<T>
  /** The records that checks read most, by prepared statements instead of `queries`. */
  reads: Reads
  /** PostgreSQL: calls `lost` whenever a connection to the database breaks. */
  onLoss (lost: () => void): void
  /** PostgreSQL: calls `connected` whenever a connection is made. */
  onConnect (connected: () => void): void
  limits: Limits
  /** Resolves when the database answers. @throws Failure `storage_unavailable`. */
  ping (): Promise<void>
  /** Whether a write failed recently for lack of space, and none has succeeded since. */
  isFull (): boolean
  /** Connections of this server by state: `idle`, `busy`, and requests `waiting` for one. */
  connections (): Record<'idle' | 'busy' | 'waiting', number>
  /**
   * Rolls back open transactions and releases connections and lock; every later query is `storage_unavailable`.
   */
  close (): Promise<void>
}

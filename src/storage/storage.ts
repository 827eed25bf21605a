import type { Registry } from '../domain/access/registry.ts'
import type { Replica } from '../domain/maintenance/drift.ts'
import type { ReplicaDirectory } from '../domain/maintenance/replica.ts'
import type { Peers } from '../domain/metering/shared-counters.ts'
import type { Store } from '../domain/store.ts'
import type { ChangeListener } from './cache/changes.ts'

/** An open store, migrated to what this version needs. */
export interface Storage {
  store: Store
  /** The names of the migrations that opening it applied. */
  migrated: readonly string[]
  registry: Registry
  /** The servers on this database whose memory can be compared with it: this one. */
  replicas: readonly Replica[]
  /**
   * Has `follower` told of what transactions change from now on, on this server and, once it has joined them, on
   * others.
   */
  subscribe (follower: ChangeListener): void
  /** The servers that are on this database. */
  directory: ReplicaDirectory
  /**
   * Enters this server among those on its database: from here on checks go by its memory, as long as it hears of what
   * the others change, and their changes wait until it has. On SQLite there are no others. Resolves once checks go by
   * memory, or, while that cannot be, still ask the database.
   */
  join (): Promise<void>
  /** The other servers, to be told what is counted here. Null: there can be none. */
  peers: Peers | null
  /** Whether checks go by memory. */
  isTrusted (): boolean
  /** Null: all is well with hearing of what other servers change; else what is not, in public words. */
  feedProblem (): string | null
  /** Resolves when the database answers, by the way that changes take. @throws Failure `storage_unavailable`. */
  ping (): Promise<void>
  /** Whether a write has failed lately because there was no room for it, and none was kept since. */
  isFull (): boolean
  /** The migrations that this version needs and the database has not had. @throws Failure `storage_unavailable`. */
  pendingMigrations (): Promise<string[]>
  /** How many records checks can look at without the database, by kind. */
  inMemory (): Record<string, number>
  /** How many subjects are refused because a change was lost. */
  refusedSubjects (): number
  /** Connections of this server to its database, by state. */
  connections (): Record<string, number>
  /**
   * Takes leave of the other servers, and rolls back transactions that are not done; afterwards everything is
   * `storage_unavailable`.
   */
  close (): Promise<void>
}

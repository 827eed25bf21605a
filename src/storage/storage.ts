/** What the rest of a server sees of its database. */
import type { Awaitable } from '../base/awaitable.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Replica } from '../domain/maintenance/drift.ts'
import type { ReplicaDirectory } from '../domain/maintenance/replica.ts'
import type { Peers } from '../domain/metering/shared-counters.ts'
import type { Store } from '../domain/store.ts'
import type { ChangeListener } from './cache/changes.ts'

/** What is alike on both databases, or follows from the URL alone. */
export type CommonPart =
  'migrated' | 'ping' | 'isFull' | 'pendingMigrations' | 'connections' | 'earlierTrust' | 'noteTrust'

/** An open store, migrated to this version. */
export interface Storage {
  store: Store
  /** The names of the migrations that opening it applied. */
  migrated: readonly string[]
  registry: Registry
  /** The servers on this database whose cache can be compared with it: this one. */
  replicas: readonly Replica[]
  /** Calls `listener` with each change from now on: of this server and, once it has joined, of the others. */
  subscribe (listener: ChangeListener): void
  /** Awaits `wait` before this server acts as one without trust: trust that it gave to guards ends by itself. */
  whenUntrusted (wait: () => Awaitable<void>): void
  /** The servers on this database. */
  directory: ReplicaDirectory
  /**
   * Registers this server with the others on its database. From then on checks use the cache while its lease is valid,
   * and the others' changes wait until this server has applied them. SQLite has one server. Resolves once checks use
   * the cache, or once the first attempt failed and they still query the database.
   */
  join (): Promise<void>
  /** Broadcasts counts to the other servers. Null: there can be no others. */
  peers: Peers | null
  /** Whether checks use the cache. */
  isTrusted (): boolean
  /** Milliseconds for which checks may use the cache without another sign of life from the database. */
  trustedFor (): number
  /** Milliseconds from the opening for which guards may trust an earlier server on this database. */
  earlierTrust: number
  /** To be called once, before guards are given trust for so many milliseconds. @throws when it cannot be noted. */
  noteTrust (milliseconds: number): void
  /** Null: the change feed is followed; else the problem, in public words. */
  feedProblem (): string | null
  /** Resolves when the database answers on the connection that changes use. @throws Failure `storage_unavailable`. */
  ping (): Promise<void>
  /** Whether a write failed recently for lack of space, and none has succeeded since. */
  isFull (): boolean
  /** The migrations that this version needs and the database lacks. @throws Failure `storage_unavailable`. */
  pendingMigrations (): Promise<string[]>
  /** The number of cached records, by kind. */
  inMemory (): Record<string, number>
  /** The number of subjects that are refused because a change was lost. */
  refusedSubjects (): number
  /** Connections of this server to its database, by state. */
  connections (): Record<string, number>
  /** Deregisters this server and rolls back open transactions; every later call is `storage_unavailable`. */
  close (): Promise<void>
}

/** The domain's store on SQLite or PostgreSQL, and the registry that checks look into. */
import type { Replica } from '../domain/maintenance/drift.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { ReplicaDirectory } from '../domain/maintenance/replica.ts'
import type { Peers } from '../domain/metering/shared-counters.ts'
import type { Store } from '../domain/store.ts'
import { auditKeys, newSecret } from '../secrets/secrets.ts'
import { newTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import type { ChangeListener } from './cache/changes.ts'
import { migrate, openDatabase } from './engine/database.ts'
import { pendingMigrations } from './migrations/inspection.ts'
import type { Limits } from './engine/timeouts.ts'
import { storeOfOneServer } from './single-server.ts'
import { startProblem } from './engine/postgresql/start-problems.ts'

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
  follow (follower: ChangeListener): void
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

export interface StorageOptions {
  limits?: Partial<Limits>
  /**
   * LATCHKEY_SECRET, the newest first: audit rows are sealed under it. Without any, under one that ends with the
   * process.
   */
  secrets?: readonly string[]
  telemetry?: Telemetry
  /** Milliseconds that a change waits at most for another server, and that a server may go by what it last heard. */
  lease?: number
}

/** Stands for LATCHKEY_SECRET where none is given; the same for every storage that this process opens. */
const passingSecret = newSecret()

/** As in the configuration. */
const defaultLease = 2_000

/**
 * Opens the database at `url` (`file:…` or `postgresql://…`) and applies the migrations it lacks.
 * @throws ConfigurationError for another kind of URL, when another server has the SQLite file, and for a database on
 * which this version cannot work; Failure `storage_unavailable` when the database cannot be reached.
 */
export async function openStorage (
  url: string,
  { limits = {}, secrets = [passingSecret], telemetry = newTelemetry(), lease = defaultLease }: StorageOptions = {}
): Promise<Storage> {
  const database = await openDatabase(url, limits, telemetry)
  const common = {
    ping: database.ping,
    isFull: database.isFull,
    pendingMigrations: () => pendingMigrations(database),
    connections: database.connections
  }
  try {
    const shared = { ...common, migrated: await migrate(url) }
    const keys = auditKeys(secrets)
    if (database.provider === 'sqlite') return { ...shared, ...await storeOfOneServer(database, keys, telemetry) }
    const { storeOfSeveralServers } = await import('./replication/several-servers.ts')
    return { ...shared, ...storeOfSeveralServers(database, { url, keys, lease, telemetry }) }
  } catch (error) {
    await database.close()
    throw startProblem(error, url)
  }
}

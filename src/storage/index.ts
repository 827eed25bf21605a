/** The domain's store on SQLite or PostgreSQL, and the registry that checks look into. */
import { auditKeys, newSecret } from '../secrets/secrets.ts'
import { newTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { migrate, openDatabase } from './engine/database.ts'
import { pendingMigrations } from './migrations/inspection.ts'
import type { Limits } from './engine/timeouts.ts'
import { singleServerStorage } from './single-server.ts'
import { startProblem } from './engine/postgresql/start-problems.ts'
import type { Storage } from './storage.ts'

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
    if (database.provider === 'sqlite') return { ...shared, ...await singleServerStorage(database, keys, telemetry) }
    const { severalServersStorage } = await import('./replication/several-servers.ts')
    return { ...shared, ...severalServersStorage(database, { url, keys, lease, telemetry }) }
  } catch (error) {
    await database.close()
    throw startProblem(error, url)
  }
}

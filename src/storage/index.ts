/** Opens the domain's store on SQLite or PostgreSQL, with the registry that checks read. */
import { defaultOf } from '../config/table.ts'
import { variables } from '../config/variables.ts'
import { auditKeys } from '../secrets/authentication-code.ts'
import { newSecret } from '../secrets/random.ts'
import { newTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { migrate, openDatabase } from './engine/database.ts'
import { startProblem } from './engine/postgresql/start-problems.ts'
import { earlierTrust, noteTrust } from './engine/sqlite/guards-file.ts'
import type { Limits } from './engine/timeouts.ts'
import { pendingMigrations } from './migrations/inspection.ts'
import { singleServerStorage } from './single-server.ts'
import type { Storage } from './storage.ts'

export interface StorageOptions {
  limits?: Partial<Limits>
  /** LATCHKEY_SECRET, the newest first: it seals audit rows. Default: a secret that lives as long as the process. */
  secrets?: readonly string[]
  telemetry?: Telemetry
  /** Milliseconds for which a cache may be used without an answer of the database; a change waits no longer. */
  lease?: number
}

/** The secret where none is given; the same for every storage of this process. */
const processSecret = newSecret()

/**
 * Opens the database at `url` (`file:…` or `postgresql://…`) and applies the migrations it lacks.
 * @throws ConfigurationError for another kind of URL, when another server has locked the SQLite file, and for a
 * database that this version does not support; Failure `storage_unavailable` when the database is unreachable.
 */
export async function openStorage (
  url: string,
  {
    limits = {}, secrets = [processSecret], telemetry = newTelemetry(), lease = defaultOf(variables.replicaLease)
  }: StorageOptions = {}
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
    if (database.provider === 'sqlite') {
      return { ...shared, ...await singleServerStorage(database, keys, telemetry), ...await guardsOf(url) }
    }
    const { severalServersStorage } = await import('./replication/several-servers.ts')
    // Changes wait for the lease of a server that has not left, and so for its guards.
    const noGuards = { earlierTrust: 0, noteTrust () {} }
    return { ...shared, ...severalServersStorage(database, { url, keys, lease, telemetry }), ...noGuards }
  } catch (error) {
    await database.close()
    throw startProblem(error, url)
  }
}

/** The guards of the servers on a SQLite file. */
async function guardsOf (url: string): Promise<Pick<Storage, 'earlierTrust' | 'noteTrust'>> {
  const { sqlitePath } = await import('./engine/sqlite/sqlite.ts')
  const path = sqlitePath(url)
  return { earlierTrust: earlierTrust(path), noteTrust: milliseconds => { noteTrust(path, milliseconds) } }
}

/** What can be said of a database from outside: for readiness, and for an operator whose server does not start. */
import { existsSync } from 'node:fs'
import type { Database as OpenDatabase } from '../engine/engine.ts'
import { neededMigrations } from './migrations.ts'
import { requireKnown } from './newer-database.ts'
import type { Provider } from '../engine/prisma.ts'
import { replicationOf, type Replication } from '../replication/database-history.ts'

/** The migrations that this version needs and the database has not had, in order. */
export async function pendingMigrations (
  { provider, queries }: Pick<OpenDatabase, 'provider' | 'queries'>
): Promise<string[]> {
  const applied = await queries.$queryRaw<
    { migration_name: string }[]
  >`SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL`
  return missing(await neededMigrations(provider), applied.map(row => row.migration_name))
}

function missing (needed: readonly string[], applied: readonly string[]): string[] {
  return needed.filter(name => !applied.includes(name))
}

/** Which migrations a database has had, and which it lacks. */
export interface MigrationState {
  /** Null: there is no record of any. */
  applied: string[] | null
  pending: string[]
  /** Recorded, and none of this version: a newer one has been here. */
  unknown: string[]
  /** Begun and not ended. */
  unfinished: string[]
}

async function migrationState (
  provider: Provider, tables: readonly string[], rows: Reader['rows']
): Promise<MigrationState> {
  const needed = await neededMigrations(provider)
  if (!tables.includes('_prisma_migrations')) return { applied: null, pending: needed, unknown: [], unfinished: [] }
  const recorded = await rows('SELECT migration_name, CASE WHEN finished_at IS NULL THEN \'\' ELSE \'done\' END AS ' +
    'done FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name')
  const names = (isDone: boolean) => recorded.filter(({ done }) => (done !== '') === isDone).map(row => row.migration_name!)
  const [applied, unfinished] = [names(true), names(false)]
  return {
    applied,
    unfinished,
    pending: missing(needed, applied),
    unknown: missing(recorded.map(row => row.migration_name!), needed)
  }
}

/**
 * How the migrations of the database at `url` stand. Where there is nothing to do, the migration engine need not be
 * loaded, which takes longer than the rest of the server. @throws UnusableDatabase when a newer version has migrated
 * it, and where what is to be done cannot be: then nothing was begun.
 */
export async function migrationsAt (url: string): Promise<MigrationState> {
  const provider = url.startsWith('file:') ? 'sqlite' : 'postgresql'
  const path = provider === 'sqlite' ? (await import('../engine/sqlite/sqlite.ts')).sqlitePath(url) : ''
  if (provider === 'sqlite' && !existsSync(path)) return await migrationState(provider, [], async () => [])
  const { rows, end, requireMigratable, makeSchema } = provider === 'sqlite'
    ? await sqliteReader(path)
    : await postgresqlReader(url, ' migration')
  try {
    const state = await migrationState(provider, await tablesOf(provider, rows), rows)
    requireKnown(state)
    if (state.pending.length > 0) {
      await requireMigratable(state.applied === null)
      await makeSchema()
    }
    return state
  } finally {
    await end()
  }
}

async function tablesOf (provider: Provider, rows: Reader['rows']): Promise<string[]> {
  return (await rows(words[provider].tables)).map(row => row.name!)
}

/** A database as it is found, without being changed, locked or migrated. */
export interface Inspection extends MigrationState {
  provider: Provider
  /** As the database says it. */
  version: string
  /** Those that a server of this version has to open; before its migrations, all there are. */
  signingKeys: { kid: string, sealedPrivateKey: string }[]
  /** The names of the keys that heads of audit chains are sealed under, each once. */
  auditKeys: string[]
  /** Standbys of the database; null: SQLite has none, and some databases do not tell. */
  replication: Replication | null
  /** How much is refused because a failover has lost a change, until an operator decides. */
  undecided: number
  /** What time it is there. */
  now: Date
  /** Whether a server has the SQLite file now; null on PostgreSQL, which serves several. */
  inUse: boolean | null
}

interface Reader {
  rows (sql: string): Promise<Record<string, string>[]>
  /** @throws UnusableDatabase, saying why this account cannot make tables here. `isNew`: there are none yet. */
  requireMigratable (isNew: boolean): Promise<void>
  /** Makes what the tables are to be in. */
  makeSchema (): Promise<void>
  end (): Promise<void>
}

/**
 * Looks at the database at `url`. Null: there is no such SQLite file. @throws UnusableDatabase, and what the driver
 * throws, in its words.
 */
export async function inspectDatabase (url: string): Promise<Inspection | null> {
  if (!url.startsWith('file:')) return await inspect('postgresql', await postgresqlReader(url, ' doctor', 3_000), null)
  const { isLocked, sqlitePath } = await import('../engine/sqlite/sqlite.ts')
  const path = sqlitePath(url)
  return existsSync(path) ? await inspect('sqlite', await sqliteReader(path), isLocked(path)) : null
}

const words = {
  sqlite: {
    facts: "SELECT sqlite_version() AS version, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now",
    tables: "SELECT name FROM sqlite_master WHERE type = 'table'",
    published: "\"publishedUntil\" > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
  },
  postgresql: {
    facts:
      "SELECT current_setting('server_version') AS version, to_char(clock_timestamp() AT TIME ZONE 'UTC', " +
        "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS now",
    tables: 'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()',
    published: "\"publishedUntil\" > clock_timestamp() AT TIME ZONE 'UTC'",
  },
}

async function inspect (
  provider: Provider, { rows, requireMigratable, end }: Reader, inUse: boolean | null
): Promise<Inspection> {
  try {
    const [facts] = await rows(words[provider].facts)
    const tables = await tablesOf(provider, rows)
    const state = await migrationState(provider, tables, rows)
    if (state.pending.length > 0 && state.unknown.length === 0) await requireMigratable(state.applied === null)
    const alive = state.pending.length > 0
      ? ''
      : ` WHERE "revokedAt" IS NULL AND ("publishedUntil" IS NULL OR ${words[provider].published})`
    const signingKeys = tables.includes('SigningKey')
      ? await rows(`SELECT "kid", "sealedPrivateKey" FROM "SigningKey"${alive}`)
      : []
    const lost = tables.includes('LostChange')
      ? await rows('SELECT "id" FROM "LostChange" WHERE "decision" IS NULL')
      : []
    const run = async (sql: string) => await rows(sql) as never
    const auditKeys = tables.includes('AuditChain') ? await rows('SELECT DISTINCT "key" FROM "AuditChain"') : []
    return {
      provider,
      version: facts!.version!,
      now: new Date(facts!.now!),
      ...state,
      signingKeys: signingKeys as Inspection['signingKeys'],
      auditKeys: auditKeys.map(({ key }) => key!),
      replication: provider === 'sqlite' ? null : await replicationOf(run),
      undecided: lost.length,
      inUse,
    }
  } finally {
    await end()
  }
}

async function sqliteReader (path: string): Promise<Reader> {
  const { default: Database } = await import('better-sqlite3')
  const database = new Database(path, { readonly: true, timeout: 1000 })
  return {
    rows: async sql => database.prepare(sql).all() as Record<string, string>[],
    requireMigratable: async () => {},
    makeSchema: async () => {},
    end: async () => { database.close() },
  }
}

/** `wait`: milliseconds for each of its steps; none for a statement where it is not given. */
async function postgresqlReader (url: string, purpose: string, wait?: number): Promise<Reader> {
  const { connectAtStart, newReader } = await import('../engine/postgresql/postgresql.ts')
  const { makeSchema, requireUsable, requireWritable } = await import('../engine/postgresql/server.ts')
  const another = () => newReader(url, purpose, wait ?? connectAtStart)
  const client = another()
  // What breaks rejects the query that waits for it; the event besides would end the process.
  client.on('error', () => {})
  await client.connect()
  try {
    await requireUsable(client, another)
  } catch (error) {
    client.end().catch(() => {})
    throw error
  }
  return {
    rows: async sql => (await client.query(sql)).rows as Record<string, string>[],
    requireMigratable: isNew => requireWritable(client, url, isNew),
    makeSchema: () => makeSchema(client, url),
    end: () => client.end(),
  }
}

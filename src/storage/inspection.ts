/** What can be said of a database from outside: for readiness, and for an operator whose server does not start. */
import { existsSync } from 'node:fs'
import type { Database as OpenDatabase } from './database.ts'
import { neededMigrations } from './migrations.ts'
import type { Provider } from './prisma.ts'
import { replicationOf, type Replication } from './replication.ts'

/** The migrations that this version needs and the database has not had, in order. */
export async function pendingMigrations ({ provider, queries }: Pick<OpenDatabase, 'provider' | 'queries'>): Promise<string[]> {
  const applied = await queries.$queryRaw<{ migration_name: string }[]>`SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL`
  return await missing(provider, applied.map(row => row.migration_name))
}

async function missing (provider: Provider, applied: readonly string[]): Promise<string[]> {
  return (await neededMigrations(provider)).filter(name => !applied.includes(name))
}

/**
 * Whether the database at `url` has had every migration of this version, and none of any is half done: then there is nothing
 * for the migration engine to do, which takes longer to load than the rest of the server. False where that cannot be told.
 */
export async function isMigrated (url: string): Promise<boolean> {
  const provider = url.startsWith('file:') ? 'sqlite' : 'postgresql'
  try {
    const { rows, end } = await readerOf(url)
    try {
      const tables = (await rows(words[provider].tables)).map(row => row.name)
      if (!tables.includes('_prisma_migrations')) return false
      const open = await rows('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL')
      const done = await rows('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL')
      return open.length === 0 && (await missing(provider, done.map(row => row.migration_name!))).length === 0
    } finally {
      await end()
    }
  } catch {
    return false
  }
}

async function readerOf (url: string): Promise<Reader> {
  return url.startsWith('file:') ? await sqliteReader((await import('./sqlite.ts')).sqlitePath(url)) : await postgresqlReader(url)
}

/** A database as it is found, without being changed, locked or migrated. */
export interface Inspection {
  provider: Provider
  /** As the database says it. */
  version: string
  /** Null: there is nothing in it yet, the first start fills it. */
  applied: string[] | null
  pending: string[]
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
  end (): Promise<void>
}

/** Looks at the database at `url`. Null: there is no such SQLite file. @throws what the driver throws, in its words. */
export async function inspectDatabase (url: string): Promise<Inspection | null> {
  if (!url.startsWith('file:')) return await inspect('postgresql', await postgresqlReader(url), null)
  const { isLocked, sqlitePath } = await import('./sqlite.ts')
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
    facts: "SELECT current_setting('server_version') AS version, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS now",
    tables: 'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()',
    published: "\"publishedUntil\" > clock_timestamp() AT TIME ZONE 'UTC'",
  },
}

async function inspect (provider: Provider, { rows, end }: Reader, inUse: boolean | null): Promise<Inspection> {
  try {
    const [facts] = await rows(words[provider].facts)
    const tables = (await rows(words[provider].tables)).map(row => row.name)
    const applied = tables.includes('_prisma_migrations')
      ? (await rows('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL')).map(row => row.migration_name!)
      : null
    const pending = await missing(provider, applied ?? [])
    const alive = pending.length > 0 ? '' : ` WHERE "revokedAt" IS NULL AND ("publishedUntil" IS NULL OR ${words[provider].published})`
    const signingKeys = tables.includes('SigningKey') ? await rows(`SELECT "kid", "sealedPrivateKey" FROM "SigningKey"${alive}`) : []
    const lost = tables.includes('LostChange')
      ? await rows('SELECT "id" FROM "LostChange" WHERE "decision" IS NULL')
      : []
    const run = async (sql: string) => await rows(sql) as never
    const auditKeys = tables.includes('AuditChain') ? await rows('SELECT DISTINCT "key" FROM "AuditChain"') : []
    return {
      provider,
      version: facts!.version!,
      now: new Date(facts!.now!),
      applied,
      pending,
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
    end: async () => { database.close() },
  }
}

async function postgresqlReader (url: string): Promise<Reader> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, query_timeout: 3000, application_name: 'latchkey doctor' })
  // What breaks rejects the query that waits for it; the event besides would end the process.
  client.on('error', () => {})
  await client.connect()
  return { rows: async sql => (await client.query(sql)).rows as Record<string, string>[], end: () => client.end() }
}

/** Inspects a database without opening it: for migrations, readiness and the doctor. */
import { existsSync } from 'node:fs'
import type { Database as OpenDatabase } from '../engine/engine.ts'
import { neededMigrations } from './migrations.ts'
import { requireKnown } from './newer-database.ts'
import type { Provider } from '../engine/prisma.ts'
import { replicationOf, type Replication } from '../replication/database-history.ts'

/** The migrations that this version needs and the database lacks, in order. */
export async function pendingMigrations (
  { provider, queries }: Pick<OpenDatabase, 'provider' | 'queries'>
): Promise<string[]> {
  const applied = await queries.$queryRaw<{ migration_name: string }[]>`
    SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL`
  return missing(await neededMigrations(provider), applied.map(row => row.migration_name))
}

function missing (needed: readonly string[], applied: readonly string[]): string[] {
  return needed.filter(name => !applied.includes(name))
}

export interface MigrationState {
  /** Null: the database has no table of migrations. */
  applied: string[] | null
  pending: string[]
  /** Recorded, but not of this version: a newer version applied them. */
  unknown: string[]
  /** Begun but not finished. */
  unfinished: string[]
}

async function migrationState (
  provider: Provider, tables: readonly string[], rows: Reader['rows']
): Promise<MigrationState> {
  const needed = await neededMigrations(provider)
  if (!tables.includes('_prisma_migrations')) return { applied: null, pending: needed, unknown: [], unfinished: [] }
  const recorded = await rows('SELECT migration_name, CASE WHEN finished_at IS NULL THEN \'\' ELSE \'done\' END AS ' +
    'done FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name')
  const names = (isDone: boolean) =>
    recorded.filter(({ done }) => (done !== '') === isDone).map(row => row.migration_name!)
  const [applied, unfinished] = [names(true), names(false)]
  return {
    applied,
    unfinished,
    pending: missing(needed, applied),
    unknown: missing(recorded.map(row => row.migration_name!), needed)
  }
}

/**
 * The state of the migrations of the database at `url`. Without pending ones the migration engine is not loaded, which
 * takes longer than the rest of the start. @throws UnusableDatabase when a newer version has migrated it, and before
 * pending migrations that cannot be applied.
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
  return (await rows(dialects[provider].tables)).map(row => row.name!)
}

/** A database as found, without changing, locking or migrating it. */
export interface Inspection extends MigrationState {
  provider: Provider
  /** The version of the database server. */
  version: string
  /** The keys that a server of this version has to open; with pending migrations, all of them. */
  signingKeys: { kid: string, sealedPrivateKey: string }[]
  /** All keys of AI providers. */
  providerKeys: { id: string, sealedKey: string }[]
  /** The distinct ids of the secrets that headers of third-party sources are sealed under, skills, and reviewers. */
  sourceSecrets: string[]
  skillSecrets: string[]
  reviewerSecrets: string[]
  /** The distinct ids of the keys that seal the heads of audit chains. */
  auditKeys: string[]
  /** Standbys of the database; null: SQLite, or the database does not report them. */
  replication: Replication | null
  /** The number of undecided lost changes. */
  undecided: number
  /** The time by the clock of the database. */
  now: Date
  /** Whether a server has locked the SQLite file; null: PostgreSQL, which serves several. */
  inUse: boolean | null
}

interface Reader {
  rows (sql: string): Promise<Record<string, string>[]>
  /** @throws UnusableDatabase if this account cannot create tables. `isNew`: there are none yet. */
  requireMigratable (isNew: boolean): Promise<void>
  /** Creates the schema of the tables. */
  makeSchema (): Promise<void>
  end (): Promise<void>
}

/** Inspects the database at `url`. Null: no such SQLite file. @throws UnusableDatabase, and the driver's errors. */
export async function inspectDatabase (url: string): Promise<Inspection | null> {
  if (!url.startsWith('file:')) return await inspect('postgresql', await postgresqlReader(url, ' doctor', 3_000), null)
  const { isLocked, sqlitePath } = await import('../engine/sqlite/sqlite.ts')
  const path = sqlitePath(url)
  if (!existsSync(path)) return null
  const isServed = isLocked(path)
  return await inspect('sqlite', await sqliteReader(path), isServed)
}

const dialects = {
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
    const [facts] = await rows(dialects[provider].facts)
    const tables = await tablesOf(provider, rows)
    const state = await migrationState(provider, tables, rows)
    if (state.pending.length > 0 && state.unknown.length === 0) await requireMigratable(state.applied === null)
    const inUseOnly = state.pending.length > 0
      ? ''
      : ` WHERE "revokedAt" IS NULL AND ("publishedUntil" IS NULL OR ${dialects[provider].published})`
    const signingKeys = tables.includes('SigningKey')
      ? await rows(`SELECT "kid", "sealedPrivateKey" FROM "SigningKey"${inUseOnly}`)
      : []
    const providerKeys = tables.includes('ProviderKey') ? await rows('SELECT "id", "sealedKey" FROM "ProviderKey"') : []
    const lost = tables.includes('LostChange')
      ? await rows('SELECT "id" FROM "LostChange" WHERE "decision" IS NULL')
      : []
    const run = async (sql: string) => await rows(sql) as never
    const secretsOf = async (table: string) => tables.includes(table)
      ? (await rows(`SELECT DISTINCT "sealedBy" FROM "${table}" WHERE "sealedBy" IS NOT NULL`))
          .map(row => row.sealedBy!)
      : []
    const auditKeys = tables.includes('AuditChain') ? await rows('SELECT DISTINCT "key" FROM "AuditChain"') : []
    return {
      provider,
      version: facts!.version!,
      now: new Date(facts!.now!),
      ...state,
      signingKeys: signingKeys as Inspection['signingKeys'],
      providerKeys: providerKeys as Inspection['providerKeys'],
      sourceSecrets: await secretsOf('ThirdPartySource'),
      skillSecrets: await secretsOf('SkillBundle'),
      reviewerSecrets: await secretsOf('TokenReview'),
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

/** `timeoutMs`: for connecting, for each statement and for each answer. */
async function postgresqlReader (url: string, purpose: string, timeoutMs?: number): Promise<Reader> {
  const { connectAtStart, newReader } = await import('../engine/postgresql/postgresql.ts')
  const { makeSchema, requireUsable, requireWritable } = await import('../engine/postgresql/server.ts')
  const another = () => newReader(url, purpose, timeoutMs ?? connectAtStart)
  const client = another()
  // A broken connection rejects the pending query; its error event, unhandled, would end the process.
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

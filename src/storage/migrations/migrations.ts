/** Applies migrations: all of them in one transaction, one server at a time. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory, SqlQueryable } from '@prisma/driver-adapter-utils'
import { Failure } from '../../base/errors.ts'
import { requireKnown } from './newer-database.ts'
import type { Provider } from '../engine/prisma.ts'
import { withSchemaEngine, type MigrationList } from './schema-engine.ts'

const noFilter = { externalTables: [], externalEnums: [] }

/** The folder of a provider's migrations; the same path from src/storage/migrations and dist/storage/migrations. */
export function migrationsFolder (provider: Provider): string {
  return join(import.meta.dirname, '../../..', 'prisma', provider, 'migrations')
}

/**
 * Applies the migrations in `folder` that the database lacks, in order, each recorded in _prisma_migrations: all of
 * them, or none. Of several servers that start at once on PostgreSQL one applies them and the others wait for it,
 * without a limit.
 * @returns the names of the applied migrations.
 */
export async function applyMigrations (
  provider: Provider, adapter: SqlMigrationAwareDriverAdapterFactory, folder = migrationsFolder(provider)
): Promise<string[]> {
  const migrationsList = await readMigrations(folder)
  const connection = await adapter.connect()
  try {
    const connected = {
      provider: adapter.provider,
      adapterName: adapter.adapterName,
      connect: async () => connection,
      connectToShadowDb: () => adapter.connectToShadowDb()
    }
    return await withSchemaEngine(connected, async engine => {
      await warnWhileWaiting(connection.executeScript(begin[provider]))
      const began = await transactionOf(provider, connection)
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters: noFilter })
      await requireNoneUnknown(provider, connection, migrationsList)
      if (await transactionOf(provider, connection) !== began) {
        throw new Failure('storage_unavailable', {
          detail: 'the migrations did not run in one transaction: the connection changed; check which the database has'
        })
      }
      await connection.executeScript('COMMIT')
      return appliedMigrationNames
    })
  } finally {
    // The engine never closes its connection, which would hold its locks.
    await connection.dispose()
  }
}

/**
 * The engine records a migration, runs it, and records its end: a server that died in between would leave a database on
 * which no server starts. So everything is one transaction on its only connection. On SQLite foreign keys are switched
 * off before, which is impossible inside a transaction: recreating a table would delete its children. On PostgreSQL the
 * engine waits ten seconds for its lock and fails: the lock is taken before it, without a limit.
 */
const begin: Record<Provider, string> = {
  sqlite: 'PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE',
  postgresql: `BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SELECT pg_advisory_xact_lock(72707369)`,
}

/** A newer server may have migrated while this one waited. @throws UnusableDatabase. */
async function requireNoneUnknown (
  provider: Provider, connection: SqlQueryable, { migrationDirectories }: MigrationList
): Promise<void> {
  const known = new Set([...await neededMigrations(provider), ...migrationDirectories.map(({ path }) => path)])
  const { rows } = await connection.queryRaw({
    sql: 'SELECT migration_name FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY 1', args: [], argTypes: []
  })
  requireKnown({ unknown: rows.map(([name]) => String(name)).filter(name => !known.has(name)) })
}

/** Milliseconds of waiting for another server's migrations before a warning. */
const quietMs = 5_000

async function warnWhileWaiting (turn: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    process.emitWarning('another server applies migrations to this database; this one starts when they are done')
  }, quietMs)
  try {
    await turn
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Identifies the open transaction of `connection`; outside a transaction each call gets another value. @throws in a
 * failed transaction, which COMMIT would roll back without an error. SQLite's connection is in this process and cannot
 * be lost.
 */
async function transactionOf (provider: Provider, connection: SqlQueryable): Promise<string> {
  if (provider === 'sqlite') return ''
  const { rows: [row] } = await connection.queryRaw({
    sql: 'SELECT pg_backend_pid()::text, pg_current_xact_id()::text', args: [], argTypes: []
  })
  return row!.join(' ')
}

/** The names of the migrations that this version needs, in order. */
export async function neededMigrations (provider: Provider): Promise<string[]> {
  const entries = await readdir(migrationsFolder(provider), { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name).sort()
}

async function readMigrations (folder: string): Promise<MigrationList> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name).sort()
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: await readFile(join(folder, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map(async name => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: await readFile(join(folder, name, 'migration.sql'), 'utf8') }
      }
    })))
  }
}

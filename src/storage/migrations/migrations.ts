import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory, SqlQueryable } from '@prisma/driver-adapter-utils'
import { Failure } from '../../base/errors.ts'
import { requireKnown } from './newer-database.ts'
import type { Provider } from '../engine/prisma.ts'
import { withSchemaEngine, type MigrationList } from './schema-engine.ts'

const noFilter = { externalTables: [], externalEnums: [] }

/** Where a provider's migrations are, seen from src/storage as from dist/storage. */
export function migrationsFolder (provider: Provider): string {
  return join(import.meta.dirname, '../../..', 'prisma', provider, 'migrations')
}

/**
 * Applies what the database has not had yet of the migrations in `folder`, in order, each recorded in
 * _prisma_migrations: all of them, or none. Of several servers that start at once on PostgreSQL one applies and the
 * others wait for it, as long as it takes.
 * @returns the names of the migrations that were applied.
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
      await sayingSo(connection.executeScript(begin[provider]))
      const began = await transactionOf(provider, connection)
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters: noFilter })
      await requireNoneUnknown(provider, connection, migrationsList)
      if (await transactionOf(provider, connection) !== began) {
        throw new Failure('storage_unavailable', {
          detail:
            'the migrations were not one transaction, another connection was used: look at what the database has of ' +
              'them'
        })
      }
      await connection.executeScript('COMMIT')
      return appliedMigrationNames
    })
  } finally {
    // The engine never ends its connection, and with it it would keep its locks.
    await connection.dispose()
  }
}

/**
 * The engine records a migration, runs it, and records its end: a server that died in between would leave a database
 * that no server starts on any more. So all of it is one transaction of its only connection. SQLite lets nobody switch
 * foreign keys inside one, and with them a table that is made anew would take its children along. On PostgreSQL the
 * engine waits ten seconds for another server that migrates, and fails: its lock is taken ahead of it, for which a
 * server waits as long as it takes.
 */
const begin: Record<Provider, string> = {
  sqlite: 'PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE',
  postgresql: `BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SELECT pg_advisory_xact_lock(72707369)`,
}

/** A newer server may have been the one that was waited for. @throws UnusableDatabase. */
async function requireNoneUnknown (
  provider: Provider, connection: SqlQueryable, { migrationDirectories }: MigrationList
): Promise<void> {
  const known = new Set([...await neededMigrations(provider), ...migrationDirectories.map(({ path }) => path)])
  const { rows } = await connection.queryRaw({
    sql: 'SELECT migration_name FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY 1', args: [], argTypes: []
  })
  requireKnown({ unknown: rows.map(([name]) => String(name)).filter(name => !known.has(name)) })
}

/** Milliseconds after which whoever waits for another server's migrations says so. */
const silently = 5_000

async function sayingSo (turn: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    process.emitWarning('another server applies migrations to this database; this one starts when they are done')
  }, silently)
  try {
    await turn
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Which transaction is open on `connection`; outside of one, another at each call. @throws when it can only be rolled
 * back, where COMMIT would do that and say nothing. SQLite's connection is in this process, and cannot be lost.
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

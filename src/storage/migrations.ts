import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Provider } from './prisma.ts'
import { withSchemaEngine, type MigrationList } from './schema-engine.ts'

const noFilter = { externalTables: [], externalEnums: [] }

/** Where a provider's migrations are, seen from src/storage as from dist/storage. */
export function migrationsFolder (provider: Provider): string {
  return join(import.meta.dirname, '..', '..', 'prisma', provider, 'migrations')
}

/**
 * Applies what the database has not had yet of the migrations in `folder`, in order, each recorded in _prisma_migrations.
 * Of several servers that start at once on PostgreSQL one applies and the others wait for it.
 * @returns the names of the migrations that were applied.
 */
export async function applyMigrations (
  provider: Provider, adapter: SqlMigrationAwareDriverAdapterFactory, folder = migrationsFolder(provider)
): Promise<string[]> {
  const connection = await adapter.connect()
  try {
    await connection.executeScript(begin[provider])
    const migrationsList = await readMigrations(folder)
    const { appliedMigrationNames } = await withSchemaEngine({ provider: adapter.provider, adapterName: adapter.adapterName, connect: async () => connection, connectToShadowDb: () => adapter.connectToShadowDb() },
      engine => engine.applyMigrations({ migrationsList, filters: noFilter }))
    await connection.executeScript('COMMIT')
    return appliedMigrationNames
  } finally {
    // The engine never ends its connection, and with it it would keep its locks.
    await connection.dispose()
  }
}

/**
 * The engine records a migration, runs it, and records its end: a server that died in between would leave a database that no
 * server starts on any more. So all of it is one transaction of its only connection. SQLite lets nobody switch foreign keys
 * inside one, and with them a table that is made anew would take its children along.
 */
const begin: Record<Provider, string> = { sqlite: 'PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE', postgresql: 'BEGIN' }

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
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: await readFile(join(folder, name, 'migration.sql'), 'utf8') } },
    }))),
  }
}

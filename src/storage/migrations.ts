import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
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
  const { factory, disconnect } = disposable(adapter)
  const migrationsList = await readMigrations(folder)
  try {
    const { appliedMigrationNames } = await withSchemaEngine(factory, engine => engine.applyMigrations({ migrationsList, filters: noFilter }))
    return appliedMigrationNames
  } finally {
    await disconnect()
  }
}

/** The engine never ends its connections, and with them it would keep its locks. */
function disposable (adapter: SqlMigrationAwareDriverAdapterFactory): { factory: SqlMigrationAwareDriverAdapterFactory, disconnect (): Promise<void> } {
  const connections: SqlDriverAdapter[] = []
  const remember = (connection: SqlDriverAdapter): SqlDriverAdapter => {
    connections.push(connection)
    return connection
  }
  return {
    factory: {
      provider: adapter.provider,
      adapterName: adapter.adapterName,
      connect: async () => remember(await adapter.connect()),
      connectToShadowDb: async () => remember(await adapter.connectToShadowDb()),
    },
    disconnect: async () => { await Promise.all(connections.map(connection => connection.dispose())) },
  }
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
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: await readFile(join(folder, name, 'migration.sql'), 'utf8') } },
    }))),
  }
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Provider } from '../src/storage/engine/prisma.ts'
import { withSchemaEngine } from '../src/storage/migrations/schema-engine.ts'

export const providers: readonly Provider[] = ['sqlite', 'postgresql']

const prismaFolder = join(import.meta.dirname, '..', 'prisma')

/** The present models. */
export const modelsPath = join(prismaFolder, 'models.prisma')
/** The models after all migrations: a copy of models.prisma made with the newest migration. */
export const migratedModelsPath = join(prismaFolder, 'migrated.prisma')

/** The SQL that leads from one set of models (empty: an empty database) to another; null: no difference. */
export async function planMigration (provider: Provider, from: string, to: string): Promise<string | null> {
  const datasource = await readFile(join(prismaFolder, provider, 'datasource.prisma'), 'utf8')
  const schema = (models: string) => ({ files: [{ path: 'schema.prisma', content: `${datasource}\n${models}` }] })
  return await withSchemaEngine(unconnected(provider), async engine => {
    const result = await engine.diff({
      from: { tag: 'schemaDatamodel', ...schema(from) },
      to: { tag: 'schemaDatamodel', ...schema(to) },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    })
    return result.exitCode === 0 ? null : result.stdout
  }, schema(to).files[0]!.content)
}

/** Comparing two sets of models needs no database, but the engine asks the adapter for its kind. */
function unconnected (provider: Provider): SqlMigrationAwareDriverAdapterFactory {
  const about = { provider: provider === 'sqlite' ? 'sqlite' as const : 'postgres' as const, adapterName: 'none' }
  const connection: SqlDriverAdapter = {
    ...about,
    queryRaw: async () => ({ columnNames: [], columnTypes: [], rows: [] }),
    executeRaw: async () => 0,
    executeScript: async () => {},
    startTransaction: async () => { throw new Error('There is no database here.') },
    dispose: async () => {},
  }
  return { ...about, connect: async () => connection, connectToShadowDb: async () => connection }
}

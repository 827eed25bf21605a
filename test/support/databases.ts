/** Both databases, to run one suite on each. Put `[name]` into the titles: `npm test` counts by it. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStorage } from '../../src/storage/index.ts'
import { administer, asWanted, freshDatabase, type FreshDatabase } from './postgres.ts'
import { patientLimits } from './waiting.ts'

export type { FreshDatabase }

/**
 * `fresh`: without rows, and mostly migrated already, because a migration takes longer than many a test. `empty`:
 * without tables.
 */
export const databases: readonly {
  name: 'sqlite' | 'postgresql', fresh(): Promise<FreshDatabase>, empty(): Promise<FreshDatabase>
}[] = [
  { name: 'sqlite', fresh: () => freshFile(copyTemplate), empty: () => freshFile() },
  {
    name: 'postgresql',
    fresh: () => freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE),
    empty: () => freshDatabase()
  }
]

/**
 * The database of tests with many cases that differ above the storage: SQLite, and PostgreSQL in `npm run
 * test:postgresql`.
 */
export const oneDatabase = databases.filter(({ name }) =>
  name === (process.env.LATCHKEY_TEST_POSTGRES_AS === undefined ? 'sqlite' : 'postgresql')
)

async function freshFile (fill?: (file: string) => Promise<void>): Promise<FreshDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-sqlite-'))
  const file = join(folder, 'latchkey.db')
  await fill?.(file)
  return {
    url: `file:${file}`,
    drop: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Makes a migrated SQLite database at `file`, if there is a template to copy. */
export async function copyTemplate (file: string): Promise<void> {
  const template = process.env.LATCHKEY_TEST_SQLITE_TEMPLATE
  if (template !== undefined) await cp(template, file)
}

/** Migrates one database of each kind for all tests of a run; returns the environment variables that name them. */
export async function makeTemplates (folder: string, postgresUrl: string): Promise<Record<string, string>> {
  const file = join(folder, 'template.db')
  const name = 'latchkey_template'
  await administer(postgresUrl, `CREATE DATABASE ${name}`)
  for (const url of [`file:${file}`, await asWanted(postgresUrl, name)]) {
    await (await openStorage(url, { limits: patientLimits })).close()
  }
  return { LATCHKEY_TEST_SQLITE_TEMPLATE: file, LATCHKEY_TEST_POSTGRES_TEMPLATE: name }
}

/** Both databases, so that one suite can be run on each. Put `[name]` into the titles: `npm test` counts by it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshDatabase, type FreshDatabase } from './postgres.ts'

export type { FreshDatabase }

export const databases: readonly { name: 'sqlite' | 'postgresql', fresh (): Promise<FreshDatabase> }[] = [
  { name: 'sqlite', fresh: freshFile },
  { name: 'postgresql', fresh: freshDatabase },
]

async function freshFile (): Promise<FreshDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-sqlite-'))
  return {
    url: `file:${join(folder, 'latchkey.db')}`,
    drop: () => rm(folder, { recursive: true, force: true }),
  }
}

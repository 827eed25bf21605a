// npm run migration -- name-of-the-change   writes the migrations that lead to prisma/models.prisma, on both databases
// npm run check:migrations                  fails if prisma/models.prisma has changed without one
//
// Review a migration before committing it: a renamed column, for example, is planned as one dropped and one added.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { migrationsFolder } from '../src/storage/migrations/migrations.ts'
import { migratedModelsPath, modelsPath, planMigration, providers } from './plan-migration.ts'

const [argument] = process.argv.slice(2)
const before = existsSync(migratedModelsPath) ? await readFile(migratedModelsPath, 'utf8') : ''
const models = await readFile(modelsPath, 'utf8')
const plans = await Promise.all(
  providers.map(async provider => ({ provider, sql: await planMigration(provider, before, models) }))
)
const changed = plans.some(({ sql }) => sql !== null)

if (argument === '--check') {
  if (changed) fail('prisma/models.prisma has changed without a migration: npm run migration -- name-of-the-change')
} else if (argument === undefined || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(argument)) {
  fail('Name the change: npm run migration -- name-of-the-change')
} else if (!changed) {
  fail('The migrations lead to prisma/models.prisma already.')
} else {
  await write(argument)
}

async function write (name: string): Promise<void> {
  const timestamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  for (const { provider, sql } of plans) {
    const folder = join(migrationsFolder(provider), `${timestamp}_${name.replaceAll('-', '_')}`)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'migration.sql'), sql ?? '-- Nothing changes on this database.\n')
    await writeFile(join(migrationsFolder(provider), 'migration_lock.toml'), `provider = "${provider}"\n`)
    console.log(join(folder, 'migration.sql'))
  }
  await copyFile(modelsPath, migratedModelsPath)
}

function fail (reason: string): void {
  console.error(reason)
  process.exitCode = 1
}

/** Prisma is loaded on first use, and a failed load is retried. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { newSecret } from '../../../src/secrets/random.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { databases } from '../../support/databases.ts'

const source = (file: string) => JSON.stringify(new URL(`../../../src/${file}`, import.meta.url).href)

/**
 * Runs in a separate process: starts on the database of the configuration, checks, queries; prints whether Prisma's
 * query compiler was loaded after each.
 */
const program = `
  import { registerHooks } from 'node:module'
  let loaded = false
  registerHooks({ load (url, context, next) { loaded ||= url.includes('query_compiler'); return next(url, context) } })
  const { loadConfig } = await import(${source('config/config.ts')})
  const { openLatchkey } = await import(${source('app.ts')})
  const { registry, operation, close } = await openLatchkey(loadConfig(JSON.parse(process.argv[1])))
  const seen = [loaded]
  await registry.resourceByIdentifier('http://localhost:3000')
  await registry.client('cli_a')
  await registry.policies('org_a')
  await registry.policies(null)
  seen.push(loaded)
  await operation.store.organizations.page({ limit: 1, after: null }, {})
  seen.push(loaded)
  await close()
  console.log(JSON.stringify(seen))
`

const { fresh } = databases.find(({ name }) => name === 'sqlite')!

t.test('[sqlite] a start on an up-to-date database, and checks, do not load Prisma\'s query compiler; other queries do', async t => {
  const { url, drop } = await fresh()
  t.teardown(drop)
  const environment = {
    DATABASE_URL: url, LATCHKEY_DATA: t.testdir(), LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: newSecret()
  }
  const start = async () =>
    JSON.parse(
      (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, JSON.stringify(environment)]))
        .stdout
    ) as boolean[]
  t.equal((await start())[0], true, 'a new database is written to')
  t.strictSame(await start(), [false, false, true])
})

/**
 * Runs in a separate process: opens a database, opens files until the limit, and prints the results of a ping and a
 * transaction, then and after closing the files.
 */
const programWithoutFiles = `
  import { closeSync, openSync } from 'node:fs'
  const { openStorage } = await import(${source('storage/index.ts')})
  const { ping, store, close } = await openStorage(process.argv[1])
  const ends = work => work.then(() => 'done', error => error.code)
  const seen = async () => [await ends(ping()), await ends(store.transaction(tx => tx.organizations.get('org_a')))]
  const files = []
  try { for (;;) files.push(openSync('/dev/null')) } catch {}
  const without = await seen()
  files.forEach(file => closeSync(file))
  console.log(JSON.stringify([...without, ...await seen()]))
  await close()
`

t.test('[sqlite] a query that needs Prisma while it cannot be loaded is unavailable, and succeeds once it can', async t => {
  const { url, drop } = await fresh()
  t.teardown(drop)
  await (await openStorage(url)).close()
  const { stdout } = await promisify(execFile)('sh', [
    '-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', programWithoutFiles, url
  ])
  t.strictSame(JSON.parse(stdout), ['storage_unavailable', 'storage_unavailable', 'done', 'done'])
})

/**
 * A connection that broke during the inspection of a database ended the process; a wait of ten seconds for the
 * migrations of another server was reported as an unreachable database.
 */
import pg from 'pg'
import tap from 'tap'
import { inspectDatabase, migrationsAt } from '../../src/storage/migrations/inspection.ts'
import { openStorage } from '../../src/storage/index.ts'
import { databases } from '../support/databases.ts'
import { startFaultyProxy } from '../support/faulty-proxy.ts'

const [, postgresql] = databases

tap.test('a connection that breaks at any byte while a database is looked at is a failure of that look, and no event that ends the process [postgresql]', async t => {
  const { url, drop } = await postgresql!.fresh()
  await (await openStorage(url)).close()
  const proxy = await startFaultyProxy(url)
  t.teardown(async () => {
    await proxy.close()
    await drop()
  })
  const outcomes = new Set<string>()
  for (let bytes = 300; bytes < 8_000; bytes += 150) {
    proxy.cutAfter(bytes)
    outcomes.add(await inspectDatabase(proxy.url).then(() => 'looked', () => 'failed'))
    proxy.mend()
  }
  for (let question = 1; question < 8; question++) {
    proxy.failAt(question, 'lost question')
    outcomes.add(await inspectDatabase(proxy.url).then(() => 'looked', () => 'failed'))
    proxy.failAt(question, 'lost question')
    await migrationsAt(proxy.url).catch(() => {})
    proxy.disarm()
  }
  t.strictSame(outcomes, new Set(['failed', 'looked']))
  t.match(await migrationsAt(proxy.url), { pending: [], unknown: [], unfinished: [] })
})

tap.test('a server waits for the migrations of another as long as they take, says so, and starts [postgresql]', async t => {
  const { url, drop } = await postgresql!.empty()
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  t.teardown(async () => {
    await other.end()
    await drop()
  })
  const warnings: string[] = []
  const hear = ({ message }: Error) => { warnings.push(message) }
  process.on('warning', hear)
  t.teardown(() => { process.off('warning', hear) })
  // The lock of the migration engine, in this version and in earlier ones.
  await other.query('SELECT pg_advisory_lock(72707369)')
  // Longer than the engine itself waits.
  setTimeout(() => { other.query('SELECT pg_advisory_unlock(72707369)').catch(() => {}) }, 12_000)
  const storage = await openStorage(url)
  t.strictSame(await storage.pendingMigrations(), [])
  t.ok(warnings.some(text => text.includes('another server applies migrations')))
  await storage.close()
})

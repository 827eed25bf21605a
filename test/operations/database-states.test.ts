/**
 * A read-only, slow, silent or locked database: the right answer or 503, no partial change, and full recovery
 * afterwards.
 */
import Sqlite from 'better-sqlite3'
import tap, { type Test } from 'tap'
import { findHalves } from '../crash/halves.ts'
import { worldOf, type World } from '../crash/world.ts'
import { defaultLimits, type Limits } from '../../src/storage/engine/timeouts.ts'
import { databases } from '../support/databases.ts'
import { startFaultyProxy } from '../support/faulty-proxy.ts'
import { startServer, type Answer, type TestServer } from '../support/test-server.ts'
import { administer, freshDatabase } from '../support/postgres.ts'
import { databaseCallsOf, withSpending, type DatabaseCall } from '../support/database-calls.ts'
import { eventually, until } from '../support/waiting.ts'

const quiet = { environment: { LATCHKEY_LOG_LEVEL: 'silent' }, ...withSpending }

interface Stage { server: TestServer, world: World, databaseCalls: readonly DatabaseCall[] }

/**
 * Prepares the calls, makes them while the database is in the state of `begin`, and checks the recovery after `end`.
 */
async function during (
  t: Test, { server, world, databaseCalls }: Stage, begin: () => unknown, end: () => unknown, sample?: readonly string[]
): Promise<Map<string, number>> {
  const chosen = databaseCalls.filter(({ name }) => sample?.includes(name) ?? true)
  const calls: { databaseCall: DatabaseCall, call: () => Promise<Answer> }[] = []
  for (const databaseCall of chosen) calls.push({ databaseCall, call: await databaseCall.prepare() })
  await begin()
  const answers = await Promise.all(
    calls.map(async ({ databaseCall, call }) => ({ databaseCall, answer: await call() }))
  )
  await end()
  for (const { databaseCall: { name, right }, answer: { status, headers, text } } of answers) {
    if (status === right) continue
    t.equal(status, 503, `${name}: ${text}`)
    t.match(headers['retry-after'], /^\d+$/, name)
  }
  const again = await eventually(() => server.admin('GET', '/organizations?limit=1'), ({ status }) => status === 200)
  t.equal(again.status, 200, 'it recovers by itself')
  t.equal((await server.admin('POST', '/organizations', { name: 'afterwards' })).status, 201)
  t.strictSame(await findHalves(world), [])
  return new Map(answers.map(({ databaseCall, answer }) => [databaseCall.name, answer.status]))
}

/** A server on a PostgreSQL behind a faulty proxy. `limits`: the timeouts of its storage. */
async function onFaultyProxy (t: Test, limits?: Limits) {
  const database = await freshDatabase()
  const proxy = await startFaultyProxy(database.url)
  const server = await startServer({ database: proxy.url, ...quiet, ...(limits === undefined ? {} : { limits }) })
  const world = worldOf(server.port, server.adminToken, database.url)
  t.teardown(async () => {
    await world.close()
    await server.close()
    await proxy.close()
    await database.drop()
  })
  return { database, proxy, stage: { server, world, databaseCalls: await databaseCallsOf(server) } }
}

tap.test('B3, L2: PostgreSQL that reads only writes nothing, and who needs no write is answered [postgresql]', async t => {
  const { database, proxy, stage } = await onFaultyProxy(t)
  const name = new URL(database.url).pathname.slice(1)
  const elsewhere = Object.assign(new URL(database.url), { pathname: '/postgres' }).href
  const set = async (change: string) => {
    await administer(elsewhere, `ALTER DATABASE ${name} ${change}`)
    // It does not change existing connections.
    proxy.cut()
    proxy.mend()
    await until(
      'all of them are known to be lost',
      async () => (await stage.server.admin('GET', '/organizations?limit=1')).status === 200
    )
  }
  const seen = await during(
    t, stage, () => set('SET default_transaction_read_only = true'), () => set('RESET default_transaction_read_only')
  )
  for (
    const write of [
      'POST /organizations', 'revoke a key', 'rotate a secret', 'credits to spend', 'a token for an assertion',
      'registration', 'revocation', 'a session'
    ]
  ) t.equal(seen.get(write), 503, write)
  for (const read of ['a good key', 'a good token', 'GET /api-keys', 'a token for a secret', 'introspection']) {
    t.equal(seen.get(read), 200, read)
  }
  for (const refused of ['a revoked key', 'an unknown key', 'a token of a revoked client']) {
    t.equal(seen.get(refused), 401, refused)
  }
})

tap.test('B3, L2: PostgreSQL that is slow, or silent [postgresql]', async t => {
  const { proxy, stage } = await onFaultyProxy(t, defaultLimits)

  await t.test('one that takes five seconds for each answer [postgresql]', async t => {
    const seen = await during(t, stage, () => { proxy.delay(5_000) }, () => { proxy.mend() })
    t.equal(seen.get('POST /organizations'), 503)
  })

  await t.test('one that falls silent [postgresql]', async t => {
    const seen = await during(t, stage, () => { proxy.swallow() }, () => { proxy.mend() })
    t.equal(seen.get('POST /organizations'), 503)
  })

  await t.test('one whose answers are cut off somewhere [postgresql]', async t => {
    for (const bytes of [1, 7, 100, 1_000, 5_000]) {
      await during(t, stage, () => {
        proxy.cutAfter(bytes)
      }, () => {
        proxy.mend()
      }, ['POST /clients', 'rotate a key', 'credits to spend', 'registration', 'a revoked key'])
    }
  })
})

tap.test('B3, L2: a SQLite file that another program has locked [sqlite]', async t => {
  const database = await databases[0]!.fresh()
  const server = await startServer({ database: database.url, ...quiet })
  const world = worldOf(server.port, server.adminToken, database.url)
  t.teardown(async () => {
    await server.close()
    await database.drop()
  })
  const other = new Sqlite(database.url.slice('file:'.length))
  const seen = await during(t, { server, world, databaseCalls: await databaseCallsOf(server) }, () => {
    other.exec('BEGIN IMMEDIATE')
  }, () => {
    other.exec('ROLLBACK')
    other.close()
  }, [
    'rotate a key', 'credits to spend', 'a token for an assertion', 'a good key', 'a revoked key',
    'a token for a secret'
  ])
  for (const write of ['rotate a key', 'credits to spend', 'a token for an assertion']) {
    t.equal(seen.get(write), 503, write)
  }
  t.strictSame(['a good key', 'a revoked key', 'a token for a secret'].map(name => seen.get(name)), [200, 401, 200])
})

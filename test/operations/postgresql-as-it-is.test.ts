/**
 * PostgreSQL with settings and schemas of its operators, and poolers in front of it. A set-up works completely, or is
 * refused by name.
 */
import pg from 'pg'
import tap, { type Test } from 'tap'
import { examine } from '../../src/server/doctor/doctor.ts'
import { openStorage } from '../../src/storage/index.ts'
import { defaultLimits } from '../../src/storage/engine/timeouts.ts'
import {
  newListener, newPool, newReader, postgresqlMigrationAdapter
} from '../../src/storage/engine/postgresql/postgresql.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { startServer } from '../support/test-server.ts'
import { startPgbouncer } from '../support/pgbouncer.ts'
import { administer, freshDatabase, type FreshDatabase } from '../support/postgres.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const pgbouncer = foreignProgram('pgbouncer', 'apt-get install pgbouncer')
const silent = { LATCHKEY_LOG_LEVEL: 'silent' }

const nameOf = (url: string) => new URL(url).pathname.slice(1)

/** The URL with these query parameters. */
function withParameters (url: string, parameters: Record<string, string>): string {
  const own = new URL(url)
  for (const [name, value] of Object.entries(parameters)) own.searchParams.set(name, value)
  return own.href
}

async function database (t: Test, settings: Record<string, string> = {}): Promise<FreshDatabase> {
  const fresh = await freshDatabase()
  t.teardown(fresh.drop)
  const changes = Object.entries(settings).map(([name, value]) =>
    `ALTER DATABASE ${nameOf(fresh.url)} SET ${name} = '${value}'`
  )
  if (changes.length > 0) await administer(fresh.url, changes.join('; '))
  return fresh
}

/** Settings that an operator or host may have changed, each against an assumption of one of our statements. */
const settings = {
  datestyle: 'German, DMY',
  intervalstyle: 'iso_8601',
  timezone: 'Pacific/Chatham',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  search_path: 'nowhere',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  statement_timeout: '40ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '20ms',
  idle_session_timeout: '9s',
  synchronous_commit: 'off',
  client_encoding: 'LATIN1',
}

tap.test('a revocation holds and the audit log is whole, whatever the database has set for its connections [postgresql]', async t => {
  const url = withParameters((await database(t, settings)).url, { schema: 'public' })
  const server = await startServer({ database: url, environment: silent })
  t.teardown(server.close)
  const client = await server.createClient({ name: 'Bücher €' })
  const token = await server.tokenFor(client)
  t.equal((await server.bearer(token)).status, 200)
  t.equal((await server.admin('POST', `/clients/${client.clientId}/revoke`, { reason: 'over' })).status, 200)
  t.equal((await server.bearer(token)).status, 401)
  t.equal((await server.tokenRequest(client)).status, 401)
  t.match((await server.admin('GET', '/audit/verify')).json, { fault: null })
  const rows = (await server.admin('GET', '/audit')).json.data as { createdAt: string }[]
  t.ok(rows.length > 0)
  for (const { createdAt } of rows) t.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 600_000, createdAt)
  t.match((await server.admin('GET', `/clients/${client.clientId}`)).json, { name: 'Bücher €', revokedReason: 'over' })
  const again = await startServer({
    database: url, issuer: server.issuer, environment: { ...silent, LATCHKEY_SECRET: server.secret }
  })
  t.teardown(again.close)
  t.equal((await again.bearer(token)).status, 401, 'also on a server that starts after it')
  t.match((await examine(server.environment, server.folder)).find(({ check }) => check === 'clock of the database'), {
    status: 'ok'
  })
})

tap.test('each kind of connection has every setting that we rely on, and what the URL asks for besides [postgresql]', async t => {
  const url = withParameters((await database(t, settings)).url, {
    schema: 'Own-1', options: '-c work_mem=7MB --geqo=off', application_name: 'name'
  })
  const sought = [...Object.keys(settings), 'work_mem', 'geqo', 'application_name'].map(name =>
    `current_setting('${name}') AS ${name}`
  )
  const text = `SELECT ${sought.join(', ')}`
  const common = {
    datestyle: 'ISO, MDY',
    intervalstyle: 'postgres',
    timezone: 'UTC',
    bytea_output: 'hex',
    standard_conforming_strings: 'on',
    search_path: '"Own-1"',
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    lock_timeout: '0',
    idle_session_timeout: '0',
    synchronous_commit: 'on',
    client_encoding: 'UTF8',
    work_mem: '7MB',
    geqo: 'off',
  }
  const pool = newPool(url, defaultLimits)
  const listener = newListener(url, defaultLimits, 2_000) as pg.Client
  const reader = newReader(url, ' doctor', 3_000)
  await Promise.all([listener.connect(), reader.connect()])
  const migration = await postgresqlMigrationAdapter(url).connect()
  t.teardown(() => Promise.all([pool.end(), listener.end(), reader.end(), migration.dispose()]))
  t.match((await pool.query(text)).rows, [{
    ...common, application_name: 'name', statement_timeout: '3s', idle_in_transaction_session_timeout: '12s'
  }])
  t.match((await listener.query(text)).rows, [{
    ...common, application_name: 'name replica', statement_timeout: '3s', idle_in_transaction_session_timeout: '3s'
  }])
  t.match((await reader.query(text)).rows, [{ ...common, application_name: 'name doctor', statement_timeout: '3s' }])
  const { columnNames, rows } = await migration.queryRaw({ sql: text, args: [], argTypes: [] })
  t.match(Object.fromEntries(columnNames.map((name, i) => [name, rows[0]![i]])), {
    ...common, application_name: 'name migration', statement_timeout: '0', idle_in_transaction_session_timeout: '0'
  })
})

tap.test('a stronger synchronous_commit than ours stays [postgresql]', async t => {
  const pool = newPool((await database(t, { synchronous_commit: 'remote_apply' })).url, defaultLimits)
  t.teardown(() => pool.end())
  t.match((await pool.query("SELECT current_setting('synchronous_commit') AS value")).rows, [{ value: 'remote_apply' }])
})

/** The number of tables in each schema of ours. */
async function tablesIn (url: string): Promise<Record<string, number>> {
  const { rows } = await administer(
    url,
    "SELECT schemaname, count(*)::int FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') " +
      'GROUP BY 1'
  )
  return Object.fromEntries(rows.map(({ schemaname, count }) => [schemaname, count]))
}

tap.test('?schema= is where migrations, queries and raw statements go; two of them in one database hear nothing of each other [postgresql]', async t => {
  const { url } = await database(t)
  const servers = [
    await startServer({ database: withParameters(url, { schema: 'One' }), environment: silent }),
    await startServer({ database: withParameters(url, { schema: 'two' }), environment: silent })
  ] as const
  for (const { close } of servers) t.teardown(close)
  const tables = await tablesIn(url)
  t.strictSame(Object.keys(tables).sort(), ['One', 'two'])
  t.equal(tables.One, tables.two)
  const key = await servers[0].createKey()
  t.equal((await servers[0].withKey(key.key)).status, 200)
  t.equal((await servers[1].withKey(key.key)).status, 401)
  const heard: string[] = []
  const listener = new pg.Client({ connectionString: url })
  await listener.connect()
  t.teardown(() => listener.end())
  listener.on('notification', ({ channel }) => { heard.push(channel) })
  await listener.query('LISTEN latchkey_changes; LISTEN latchkey_counts')
  await servers[0].createOrganization()
  await listener.query('SELECT 1')
  t.strictSame(heard, [], 'those are the channels of the schema public')
  t.match(await examine(servers[0].environment, servers[0].folder), [{}, {}, { check: 'database', status: 'ok' }, {
    check: 'migrations', status: 'ok'
  }, { check: 'signing keys', status: 'ok' }])
})

tap.test('several servers that start together on a new schema of an empty database all serve [postgresql]', async t => {
  const url = withParameters((await database(t)).url, { schema: 'together' })
  const shared = {
    issuer: 'http://localhost:1',
    bare: true,
    environment: { ...silent, LATCHKEY_SECRET: 'Ok7ZQ1mVf4c9sLwX2tYbRaJhNdGuEiPo0' }
  }
  const servers = await Promise.all(Array.from({ length: 4 }, () => startServer({ database: url, ...shared })))
  for (const { close } of servers) t.teardown(close)
  t.strictSame(await Promise.all(servers.map(async server => (await server.send({ path: '/readyz' })).status)), [
    200, 200, 200, 200
  ])
  const { rows } = await administer(
    url, 'SELECT count(*)::int AS n, count(DISTINCT migration_name)::int AS names FROM together._prisma_migrations'
  )
  t.equal(rows[0].n, rows[0].names)
})

tap.test('a schema that another server is just creating is used, once it is there [postgresql]', async t => {
  const { url } = await database(t)
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  t.teardown(() => other.end())
  await other.query('BEGIN; CREATE SCHEMA shared')
  const opening = openStorage(withParameters(url, { schema: 'shared' }))
  await until('it waits for the other one', async () => (await administer(
    url, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE SCHEMA%'"
  )).rowCount === 1)
  await other.query('COMMIT')
  await (await opening).close()
  t.strictSame(Object.keys(await tablesIn(url)), ['shared'])
})

tap.test('a role whose search_path leads elsewhere is asked which schema it is to be, and then all goes there [postgresql]', async t => {
  const { url } = await database(t)
  const role = `role_${nameOf(url)}`
  await administer(
    url,
    `CREATE ROLE ${role} LOGIN PASSWORD 'a-password-of-its-own'; CREATE SCHEMA apart AUTHORIZATION ${role}; ALTER ` +
      `ROLE ${role} SET search_path = apart; GRANT ALL ON SCHEMA public TO ${role}`
  )
  t.teardown(() => administer(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`))
  const own = Object.assign(new URL(url), { username: role, password: 'a-password-of-its-own' }).href
  await t.rejects(
    openStorage(own),
    /DATABASE_URL: names no schema, and the role role_\w+ has the search_path apart, .*; set schema=NAME .*, or schema=public/
  )
  t.strictSame(await tablesIn(url), {}, 'nothing was begun')
  const server = await startServer({ database: withParameters(own, { schema: 'apart' }), environment: silent })
  t.teardown(server.close)
  t.equal((await server.withKey((await server.createKey()).key)).status, 200)
  t.strictSame(Object.keys(await tablesIn(url)), ['apart'])
})

tap.test('PgBouncer in session mode, with its defaults: two servers hear of each other, with every limit set', {
  skip: pgbouncer.skip
}, async t => {
  const { url } = await database(t)
  const pooler = await startPgbouncer(url, { pool_mode: 'session', default_pool_size: 40 })
  t.teardown(pooler.close)
  const first = await startServer({ database: pooler.url, environment: silent })
  t.teardown(first.close)
  const second = await startServer({
    database: pooler.url, issuer: first.issuer, environment: { ...silent, LATCHKEY_SECRET: first.secret }
  })
  t.teardown(second.close)
  const [replica] = (await first.admin('GET', '/replicas')).json.data
  t.match(replica, { live: true })
  const client = await first.createClient()
  const token = await first.tokenFor(client)
  t.equal((await second.bearer(token)).status, 200)
  t.equal((await first.admin('POST', `/clients/${client.clientId}/revoke`, { reason: 'over' })).status, 200)
  t.equal((await second.bearer(token)).status, 401)
  const { rows } = await administer(
    url,
    'SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE ' +
      "'latchkey%'"
  )
  t.ok(rows[0].n >= 4, 'they are by the pooler')
  const pool = newPool(pooler.url, defaultLimits)
  t.match((await pool.query("SELECT current_setting('statement_timeout') AS value")).rows, [{ value: '3s' }])
  await pool.end()
  t.match((await examine(first.environment, first.folder)).find(({ check }) => check === 'database'), { status: 'ok' })
})

for (
  const [mode, more] of [['transaction', {}], ['transaction', { server_round_robin: 1 }], ['transaction', {
    default_pool_size: 1
  }], ['statement', {}]] as const
) {
  tap.test(`PgBouncer in ${mode} mode ${JSON.stringify(more)} is refused by name, by serve, migrate and doctor`, {
    skip: pgbouncer.skip
  }, async t => {
    const { url } = await database(t)
    const pooler = await startPgbouncer(url, { pool_mode: mode, ...more })
    t.teardown(pooler.close)
    const refusal =
      /DATABASE_URL: a pooler in transaction or statement mode shares the connections of the server between clients, .*; name the server itself, or a pooler in session mode/
    await t.rejects(openStorage(pooler.url), refusal)
    t.strictSame(await tablesIn(url), {}, 'nothing was begun')
    const environment = ownEnvironment({
      DATABASE_URL: pooler.url,
      LATCHKEY_DATA: t.testdir(),
      LATCHKEY_SECRET: 'Ok7ZQ1mVf4c9sLwX2tYbRaJhNdGuEiPo0',
      LATCHKEY_ADMIN_TOKEN: 'Ak7ZQ1mVf4c9sLwX2tYbRaJhNdGuEiPo1'
    })
    t.match((await examine(environment)).find(({ check }) => check === 'database'), {
      status: 'failed', found: /^a pooler in transaction or statement mode/, remedy: /^Name the server itself/
    })
    const { code, stderr } = await run(process.execPath, [latchkeyCommand, 'migrate'], { env: environment })
    t.equal(code, 1)
    t.match(stderr, refusal)
  })
}

tap.test('a pooler that hands connections on is told from one that does not while others are at work', {
  skip: pgbouncer.skip
}, async t => {
  const { url } = await database(t)
  for (const [mode, outcome] of [['session', 'taken'], ['transaction', 'refused']] as const) {
    const pooler = await startPgbouncer(url, { pool_mode: mode, default_pool_size: 60 })
    const closing = new AbortController()
    const others = Array.from({ length: 8 }, async () => {
      const client = new pg.Client({ connectionString: pooler.url })
      await client.connect()
      while (!closing.signal.aborted) await client.query('SELECT 1')
      await client.end()
    })
    const seen = new Set<string>()
    for (let i = 0; i < 10; i++) {
      const storage = await openStorage(pooler.url).catch((error: unknown) =>
        String(error).includes('a pooler in transaction') ? null : Promise.reject(error)
      )
      seen.add(storage === null ? 'refused' : 'taken')
      await storage?.close()
    }
    closing.abort()
    await Promise.all(others)
    await pooler.close()
    t.strictSame([...seen], [outcome], mode)
  }
})

tap.test(
  'a pooler without room for the connections of a server is said to have none',
  { skip: pgbouncer.skip },
  async t => {
    const { url } = await database(t)
    const pooler = await startPgbouncer(url, { pool_mode: 'session', default_pool_size: 1 })
    const holder = new pg.Client({ connectionString: pooler.url })
    await holder.connect()
    await holder.query('SELECT 1')
    t.teardown(async () => {
      await holder.end()
      await pooler.close()
    })
    const refusal =
      /DATABASE_URL: 127\.0\.0\.1:\d+ accepts connections and does not answer in time; .*room for all connections/
    await t.rejects(openStorage(pooler.url), refusal)
  }
)

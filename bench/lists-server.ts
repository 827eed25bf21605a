/**
 * A server with any number of API keys in one organization, and with its dashboard. The first key is created normally;
 * the others are copies of its row that the database makes. Prints its address and a session. `GET /spent` says what
 * the process has spent so far: its CPU time, its statements, and how long they took.
 */
import Database from 'better-sqlite3'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { createMember } from '../src/domain/members/member.ts'
import { beginSession } from '../src/domain/people/person-session.ts'
import { buildServer, createApiKey, createOrganization, loadConfig, openLatchkey, updateResource } from '../src/index.ts'

const [folder, count, port, databaseUrl] = [
  process.argv[2]!, Number(process.argv[3]), Number(process.argv[4]), process.argv[5]
]
const issuer = `http://127.0.0.1:${port}`
mkdirSync(folder, { recursive: true })
const config = loadConfig({
  PORT: String(port),
  LATCHKEY_DATA: folder,
  LATCHKEY_ISSUER: issuer,
  LATCHKEY_LOG_LEVEL: 'silent',
  ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
})
const spent = { statements: 0, milliseconds: 0, log: [] as string[] }

const latchkey = await openLatchkey(config)
const { operation } = latchkey
await updateResource(operation, issuer, { scopes: [{ name: 'company:read', keyOnly: false, description: null }] })
const { id: organizationId } = await createOrganization(operation, { name: 'Bench' })
const member = await createMember(operation, { organizationId, name: 'Ada', role: 'owner' })
const { key: first, text } = await createApiKey(operation, {
  organizationId, name: 'bench', resource: issuer, environment: 'live', scopes: ['company:read'], creatorId: member.id
})
await (databaseUrl === undefined ? copyOnSqlite(first.id) : copyOnPostgresql(databaseUrl, first.id))
const { text: session } = await operation.store.transaction(tx => beginSession(
  tx, { address: null, requestId: null },
  { member, identityId: null, amr: ['otp'], provider: null, vouchedBy: null },
  { max: config.sessionMax }, new Date()
))
const app = await buildServer(latchkey)
await app.register(async api => {
  await api.register(latchkey.guard, { resource: issuer })
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => ({ company: 'Bench', status: 'active' }))
})
app.get('/spent', async () => {
  const { user, system } = process.cpuUsage()
  return { ...spent, log: spent.log.splice(0), cpu: (user + system) / 1_000 }
})
if (databaseUrl === undefined) watchSqlite()
else watchPostgresql()
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({ url: issuer, cookie: `latchkey_session=${session}`, key: text }) + '\n')

/** Columns of a copy, as both databases say them; `i` is its number, `mixed` the same in no order. */
function copied (instant: (secondsAgo: string) => string, hex: (number: string, width: number) => string) {
  const id = `'key_' || ${hex('mixed', 8)} || ${hex('i', 14)}`
  return {
    id,
    chainId: id,
    digest: `${hex('mixed', 8)} || ${hex('i', 35)}`,
    hint: `'lb_live_…' || ${hex('mixed % 65536', 4)}`,
    name: "CASE WHEN mixed % 1000 = 0 THEN 'Nightly report ' ELSE 'job ' END || mixed",
    createdAt: instant('(mixed % 40000000)'),
    lastUsedAt: `CASE WHEN mixed % 3 = 0 THEN NULL ELSE ${instant('(mixed % 3000000)')} END`,
    expiresAt: `CASE WHEN mixed % 2 = 0 THEN NULL ELSE ${instant('-(mixed % 9000000) - 60')} END`,
  }
}

async function copyOnSqlite (id: string): Promise<void> {
  const database = new Database(join(folder, 'latchkey.db'))
  const columns = copied(
    ago => `strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', (-1 * (${ago})) || ' seconds')`,
    (number, width) => `printf('%0${width}x', ${number})`
  )
  database.pragma('synchronous = OFF')
  database.exec(`WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1}),
    mixed AS (SELECT i, (i * 2654435761) % 4294967296 AS mixed FROM numbers)
    ${insertion(database.pragma('table_info("ApiKey")') as { name: string }[], columns, id)}`)
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.exec('ANALYZE')
  database.close()
}

async function copyOnPostgresql (url: string, id: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  const columns = copied(
    ago => `date_trunc('second', now() at time zone 'UTC') - (${ago}) * interval '1 second'`,
    (number, width) => `lpad(to_hex(${number}), ${width}, '0')`
  )
  const { rows } = await client.query<{ name: string }>(
    "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'ApiKey'"
  )
  await client.query(`WITH mixed AS (
      SELECT i::bigint, (i * 2654435761) % 4294967296 AS mixed FROM generate_series(1::bigint, ${count - 1}) AS i
    ) ${insertion(rows, columns, id)}`)
  await client.query('VACUUM ANALYZE "ApiKey"')
  await client.end()
}

function insertion (columns: readonly { name: string }[], made: Readonly<Record<string, string>>, id: string): string {
  const names = columns.map(({ name }) => name)
  return `INSERT INTO "ApiKey" (${names.map(name => `"${name}"`).join(', ')})
    SELECT ${names.map(name => made[name] ?? `"key"."${name}"`).join(', ')}
    FROM mixed CROSS JOIN (SELECT * FROM "ApiKey" WHERE "id" = '${id}') AS "key"`
}

function note (milliseconds: number, text: string): void {
  spent.statements++
  spent.milliseconds += milliseconds
  spent.log.push(`${milliseconds.toFixed(1)} ms ${text.replace(/\s+/g, ' ').slice(0, 400)}`)
}

function watchSqlite (): void {
  const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1')) as Record<string, Method>
  for (const name of ['all', 'get', 'run']) {
    const run = statement[name]!
    statement[name] = function (this: { source: string }, ...parameters) {
      const start = performance.now()
      try {
        return run.apply(this, parameters)
      } finally {
        note(performance.now() - start, this.source)
      }
    }
  }
}

function watchPostgresql (): void {
  const client = pg.Client.prototype as unknown as Record<string, Method>
  const query = client.query!
  client.query = function (...parameters) {
    const start = performance.now()
    const answer = query.apply(this, parameters) as Promise<unknown> | undefined
    const said = parameters[0] as string | { text: string }
    const done = () => { note(performance.now() - start, typeof said === 'string' ? said : said.text) }
    if (answer instanceof Promise) answer.then(done, done)
    return answer
  }
}

type Method = (this: any, ...parameters: unknown[]) => unknown

/** PostgreSQL as people have it: settings of their own, schemas, poolers, encodings, certificates. What works, works wholly; the rest is refused by name. */
import pg from 'pg'
import tap, { type Test } from 'tap'
import { openLatchkey } from '../../src/app.ts'
import { examine } from '../../src/doctor.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { openStorage, type Storage } from '../../src/storage/index.ts'
import { startServer } from '../harness.ts'
import { startPgbouncer, withoutPgbouncer } from '../pgbouncer.ts'
import { administer, freshDatabase, type FreshDatabase } from '../postgres.ts'
import { latchkeyCommand, ownEnvironment, run } from '../running-server.ts'
import { eventually, patientLimits, until } from '../waiting.ts'

const nameOf = ({ url }: FreshDatabase) => new URL(url).pathname.slice(1)

/** The URL with a parameter of its query set. */
const withParameter = (url: string, parameters: Record<string, string>) => {
  const own = new URL(url)
  for (const [name, value] of Object.entries(parameters)) own.searchParams.set(name, value)
  return own.href
}

async function database (t: Test, template?: string): Promise<FreshDatabase> {
  const fresh = await freshDatabase(template)
  t.teardown(fresh.drop)
  return fresh
}

tap.test('a revocation holds and the audit log is whole, whatever the database has set for its connections [postgresql]', async t => {
  const fresh = await database(t)
  const settings = {
    datestyle: 'German, DMY',
    intervalstyle: 'iso_8601',
    timezone: 'Pacific/Chatham',
    bytea_output: 'escape',
    standard_conforming_strings: 'off',
    search_path: 'nowhere',
    default_transaction_isolation: 'serializable',
    default_transaction_deferrable: 'on',
    statement_timeout: '50ms',
    lock_timeout: '1ms',
    idle_in_transaction_session_timeout: '20ms',
    idle_session_timeout: '20ms',
    synchronous_commit: 'off',
    extra_float_digits: '-15',
    client_encoding: 'LATIN1',
  }
  for (const [name, value] of Object.entries(settings)) await administer(fresh.url, `ALTER DATABASE ${nameOf(fresh)} SET ${name} = '${value}'`)
  const url = withParameter(fresh.url, { schema: 'public' })
  const server = await startServer({ database: url, environment: { LATCHKEY_LOG_LEVEL: 'silent' } })
  t.teardown(server.close)
  const client = await server.createClient({ name: 'Bücher €' })
  const token = await server.tokenFor(client)
  t.equal((await server.bearer(token)).status, 200)
  t.equal((await server.admin('POST', `/clients/${client.clientId}/revoke`, { reason: 'over' })).status, 200)
  t.equal((await server.bearer(token)).status, 401)
  t.equal((await server.tokenRequest(client)).status, 401)
  t.match((await server.admin('GET', '/audit/verify')).json, { fault: null })
  const rows = (await server.admin('GET', '/audit')).json.data as { createdAt: string }[]
  for (const { createdAt } of rows) t.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 600_000, createdAt)
  t.match((await server.admin('GET', `/clients/${client.clientId}`)).json, { name: 'Bücher €', status: 'revoked' })
  const again = await startServer({ database: url, issuer: server.issuer, environment: { LATCHKEY_LOG_LEVEL: 'silent', LATCHKEY_SECRET: server.secret } })
  t.teardown(again.close)
  t.equal((await again.bearer(token)).status, 401, 'also on a server that starts after it')

  // Of the pool's, the listener's and the readers' connections there is none that has another.
  const shown = await server.latchkey.operation.store.transaction(async () => null).then(() => 'a transaction was made')
  t.equal(shown, 'a transaction was made')
  const { database: facts } = { database: await examine(server.environment, server.folder) }
  t.match(facts.find(({ check }) => check === 'clock of the database'), { status: 'ok' })
})

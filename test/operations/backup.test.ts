/** What a backup holds: everything that was acknowledged before it was made, and it is served again after a restore. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import tap, { type Test } from 'tap'
import { openStorage } from '../../src/storage/index.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { freshDatabase } from '../support/postgres.ts'
import { latchkeyCommand, ownEnvironment, run, startServer as startProcess } from '../support/running-server.ts'

const [source, target] = await Promise.all([freshDatabase(), freshDatabase()])
tap.teardown(async () => {
  await target.drop()
  await source.drop()
})

/** Credentials that work and some that do not any more, with the trail of how they came to be. */
async function live ({ createClient, createKey, createRegistrationToken, tokenFor, admin }: TestServer) {
  const [client, revokedClient, key, revokedKey] = [
    await createClient(), await createClient(), await createKey(), await createKey()
  ]
  const registration = await createRegistrationToken()
  const token = await tokenFor(client)
  await admin('POST', `/clients/${revokedClient.clientId}/revoke`, { reason: 'left a laptop on the train' })
  await admin('POST', `/api-keys/${revokedKey.id}/revoke`, { reason: 'leaked' })
  return { client, revokedClient, key, revokedKey, registration, token, audit: await trail(admin) }
}

/** The audit log as it is written, whole: whoever writes while a copy is made may fill more than a page. */
const trail = async (admin: TestServer['admin']) =>
  (await admin('GET', '/audit/export')).text.trimEnd().split('\n').map(line => JSON.parse(line) as { id: string })

type Lived = Awaited<ReturnType<typeof live>>

async function restored (t: Test, { withKey, bearer, tokenRequest, admin }: TestServer, before: Lived): Promise<void> {
  t.equal((await withKey(before.key.key)).status, 200, 'a key')
  t.equal((await withKey(before.revokedKey.key)).status, 401, 'a revoked key stays revoked')
  t.equal((await tokenRequest(before.client)).status, 200, 'a client')
  t.equal(
    (await bearer(before.token)).status, 200, 'a token that was signed before: the signing key is there and opens'
  )
  t.equal((await tokenRequest(before.revokedClient)).status, 401, 'a revoked client stays revoked')
  const audit = await trail(admin)
  t.strictSame(
    audit.filter(({ id }) => before.audit.some(each => each.id === id)), before.audit,
    'every row of the audit log, as it was'
  )
}

/** On the restored database, as the same issuer with the same secret. The clock of tests is the machine's. */
const again = (first: TestServer, database: string) => startServer({
  database,
  bare: true,
  issuer: first.issuer,
  environment: { LATCHKEY_SECRET: first.secret },
  mount: async (app, latchkey) => {
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: first.issuer })
      api.get('/api/v1/invoices', { config: { scopes: ['invoices:read'] } }, async () => ({}))
    })
  },
})

tap.test('a copy that `latchkey backup` made while the server runs is served again with everything in it [sqlite]', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-backup-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const first = await startServer()
  t.teardown(first.close)
  const before = await live(first)
  const file = join(folder, 'copy.db')
  const backup = (name: string) =>
    run(process.execPath, [latchkeyCommand, 'backup', name], { env: ownEnvironment(first.environment) })
  // Whoever writes meanwhile is served, and the copy holds a moment.
  const writing = new AbortController()
  const writer = (async () => { while (!writing.signal.aborted) await first.createOrganization('meanwhile') })()
  const made = await backup(file)
  writing.abort()
  await writer
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /^.*copy\.db\nKeep LATCHKEY_SECRET too/)
  t.equal(statSync(file).mode & 0o777, 0o600, 'nobody else may read it')
  t.strictSame(readdirSync(folder), ['copy.db'], 'and nothing else is left')
  t.equal((await first.withKey(before.key.key)).status, 200, 'the server serves on')

  const refused = await backup(file)
  t.equal(refused.code, 1)
  t.match(refused.stderr, 'exists already')
  const nowhere = await backup(join(folder, 'no', 'such', 'folder.db'))
  t.equal(nowhere.code, 1)
  t.match(nowhere.stderr, 'ENOENT')

  await first.close()
  const place = join(folder, 'latchkey.db')
  copyFileSync(file, place)
  const second = await again(first, `file:${place}`)
  t.teardown(second.close)
  await restored(t, second, before)
})

tap.test('a restored database without its LATCHKEY_SECRET does not start, and says why [sqlite]', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-backup-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const server = await startProcess(t)
  const file = join(folder, 'latchkey.db')
  const made = await run(process.execPath, [latchkeyCommand, 'backup', file], {
    env: ownEnvironment({ LATCHKEY_DATA: server.dataFolder })
  })
  t.equal(made.code, 0, made.stderr)
  const started = await run(process.execPath, [latchkeyCommand, 'migrate'], {
    env: ownEnvironment({ LATCHKEY_DATA: folder })
  })
  t.equal(started.code, 0, 'the database itself is whole')
  const refused = await run(process.execPath, [latchkeyCommand, 'serve'], {
    env: ownEnvironment({ LATCHKEY_DATA: folder, PORT: '1025' })
  })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /LATCHKEY_SECRET: the signing key .* was sealed under another secret/)
})

tap.test('what is no database is not backed up, and a broken copy gets no name [sqlite]', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-backup-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const { backUp } = await import('../../src/storage/engine/backup.ts')
  writeFileSync(join(folder, 'rubbish.db'), 'no database'.repeat(500))
  await t.rejects(backUp(`file:${join(folder, 'rubbish.db')}`, join(folder, 'copy.db')), /not a database/)
  await t.rejects(backUp(`file:${join(folder, 'missing.db')}`, join(folder, 'copy.db')), /there is no database/)
  await t.rejects(backUp('postgresql://user:hunter2@host/db', join(folder, 'copy.db')), /pg_dump(?![^]*hunter2)/)
  t.notOk(existsSync(join(folder, 'copy.db')) || existsSync(join(folder, 'copy.db.part')))
})

tap.test('a logical copy, table by table as pg_dump makes it, is served again with everything in it [postgresql]', async t => {
  const first = await startServer({ database: source.url })
  t.teardown(first.close)
  const before = await live(first)
  await (await openStorage(target.url)).close()
  await copyEverything(source.url, target.url)
  await first.close()
  const second = await again(first, target.url)
  t.teardown(second.close)
  await restored(t, second, before)
})

/**
 * One snapshot of every table, COPY out and COPY in, through files of the database server: what pg_dump and pg_restore
 * do.
 */
async function copyEverything (from: string, to: string): Promise<void> {
  const [reader, writer] = [new pg.Client({ connectionString: from }), new pg.Client({ connectionString: to })]
  await Promise.all([reader.connect(), writer.connect()])
  try {
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    await writer.query('BEGIN')
    // Foreign keys are checked by triggers, which a restore puts off.
    await writer.query("SET LOCAL session_replication_role = 'replica'")
    const { rows: tables } = await reader.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    await writer.query(`TRUNCATE ${tables.map(({ name }) => `"${name}"`).join(', ')}`)
    for (const { name } of tables) {
      const file = `/tmp/latchkey-copy-${process.pid}-${name}`
      await reader.query(`COPY "${name}" TO '${file}'`)
      await writer.query(`COPY "${name}" FROM '${file}'`)
      rmSync(file, { force: true })
    }
    await writer.query('COMMIT')
  } finally {
    await Promise.all([reader.end(), writer.end()])
  }
}

/** `latchkey doctor`: each thing that can be wrong with a deployment is found and comes with what to do. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { examine, type Finding } from '../../src/doctor.ts'
import { newSecret } from '../../src/secrets.ts'
import { administer, freshDatabase } from '../postgres.ts'
import { startServer } from '../harness.ts'
import { freePort, latchkeyCommand, ownEnvironment, run, startServer as startProcess } from '../running-server.ts'

const postgres = await freshDatabase()
tap.teardown(postgres.drop)

function folderFor (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-doctor-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  return folder
}

const by = (findings: readonly Finding[], check: string) => findings.find(finding => finding.check === check)
const failures = (findings: readonly Finding[]) => findings.filter(({ status }) => status === 'failed').map(({ check }) => check)
const all = ['configuration', 'data folder', 'database', 'migrations', 'signing keys', 'older secrets', 'issuer', 'one server', 'clock of the database', 'standbys', 'lost changes', 'clock of the server']

for (const name of ['sqlite', 'postgresql']) {
  tap.test(`a deployment that is well has nothing to mend [${name}]`, async t => {
    const server = await startServer(name === 'sqlite' ? {} : { database: postgres.url })
    t.teardown(server.close)
    const findings = await examine(server.environment, server.folder)
    t.strictSame(findings.map(({ check }) => check), all)
    t.strictSame(failures(findings), [])
    t.ok(findings.every(({ remedy }) => remedy === null))
    t.match(by(findings, 'one server'), name === 'sqlite' ? { status: 'ok', found: 'the SQLite file is in use by a server' } : { status: 'skipped' })
    const text = JSON.stringify(findings)
    for (const secret of [server.secret, server.adminToken, new URL(postgres.url).password]) t.notOk(text.includes(secret))

    const foreign = await examine({ ...server.environment, LATCHKEY_SECRET: newSecret() }, server.folder)
    t.strictSame(failures(foreign), ['signing keys', 'older secrets'], 'keys that another secret sealed')
    t.match(by(foreign, 'signing keys')!.remedy, 'LATCHKEY_SECRET=present,former')
    t.strictSame(failures(await examine({ ...server.environment, LATCHKEY_SECRET: `${newSecret()},${server.secret}` }, server.folder)), ['older secrets'], 'the one behind the new one opens them, and has to stay')

    await server.app.close()
    const stopped = await examine(server.environment, server.folder)
    t.strictSame(failures(stopped), ['issuer'], 'no server runs')
    t.match(by(stopped, 'issuer'), { found: /ECONNREFUSED/, remedy: /latchkey serve/ })
    t.match(by(stopped, 'clock of the server'), { status: 'skipped' })
  })
}

tap.test('all problems of a configuration are named at once, and nothing is left behind', async t => {
  const folder = folderFor(t)
  const findings = await examine({ PORT: 'x', DATABASE_URL: 'mysql://x:hunter2@y/z', LATCHKEY_SECRET: 'short', LATCHKEY_METRICS: 'everywhere', LATCHKEY_SHED_LAG: '1' }, folder)
  t.strictSame(findings.map(({ check, status, found }) => [check, status, found.split(':')[0]]), ['PORT', 'DATABASE_URL', 'LATCHKEY_METRICS', 'LATCHKEY_SHED_LAG', 'LATCHKEY_SECRET'].map(variable => ['configuration', 'failed', variable]))
  t.notMatch(JSON.stringify(findings), 'hunter2')
  const fresh = folderFor(t)
  t.match(await examine({}, fresh), [{ check: 'configuration', status: 'failed', found: /start the server once/ }])
})

tap.test('each thing that can be wrong is found, and says what to do', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { environment, folder } = server
  writeFileSync(join(folder, 'secret'), newSecret(), { mode: 0o644 })
  chmodSync(join(folder, 'secret'), 0o644)
  const exposed = by(await examine(environment, folder), 'data folder')
  t.match(exposed, { status: 'failed', remedy: `Take their permission away: chmod go= ${join(folder, 'secret')}` })
  rmSync(join(folder, 'secret'))

  t.match(by(await examine({ ...environment, DATABASE_URL: `file:${join(folder, 'nowhere.db')}` }, folder), 'database'), { status: 'failed', remedy: /Start the server once, or restore/ })
  writeFileSync(join(folder, 'rubbish.db'), 'this is no database at all, however long it gets'.repeat(40))
  t.match(by(await examine({ ...environment, DATABASE_URL: `file:${join(folder, 'rubbish.db')}` }, folder), 'database'), { status: 'failed', found: /not a database/, remedy: /restore a backup/ })
  const port = await freePort()
  const away = await examine({ ...environment, DATABASE_URL: `postgresql://u:hunter2@127.0.0.1:${port}/x` }, folder)
  t.match(by(away, 'database'), { status: 'failed', found: /ECONNREFUSED/ })
  t.notMatch(JSON.stringify(away), 'hunter2')
  t.match(by(away, 'signing keys'), { status: 'skipped' })

  const other = await startServer()
  t.teardown(other.close)
  const mistaken = await examine({ ...environment, LATCHKEY_ISSUER: other.url.replace('127.0.0.1', 'localhost') }, folder)
  t.match(by(mistaken, 'issuer'), { status: 'failed', found: /another issuer/ })

  const late = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() - 120_000).toUTCString())
    response.writeHead(404).end('{}')
  }).listen(0, '127.0.0.1')
  await once(late, 'listening')
  t.teardown(() => { late.close() })
  const { port: latePort } = late.address() as { port: number }
  const behind = await examine({ ...environment, LATCHKEY_ISSUER: `http://127.0.0.1:${latePort}` }, folder)
  t.match(by(behind, 'clock of the server'), { status: 'failed', remedy: /NTP/ })
  t.match(by(behind, 'issuer'), { status: 'failed', found: /answers 404/ })

  const held = await examine({ ...environment, LATCHKEY_ISSUER: `http://127.0.0.1:${await freePort()}` }, folder)
  t.match(by(held, 'one server'), { status: 'failed', remedy: /Stop that process/ })
})

tap.test('a database that lacks migrations, or is empty, is told from one that is current [postgresql]', async t => {
  const database = await freshDatabase()
  t.teardown(database.drop)
  const server = await startServer({ database: database.url })
  t.teardown(server.close)
  const { rows: [last] } = await administer(database.url, 'DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations) RETURNING migration_name')
  const findings = await examine(server.environment, server.folder)
  t.match(by(findings, 'migrations'), { status: 'failed', found: `1 not applied: ${last.migration_name}`, remedy: /latchkey migrate/ })
  const ready = await server.send({ path: '/readyz' })
  t.equal(ready.status, 503)
  t.strictSame(ready.json.details, { notReady: ['migrations'] })
  const empty = await freshDatabase()
  t.teardown(empty.drop)
  t.match(by(await examine({ ...server.environment, DATABASE_URL: empty.url }, server.folder), 'migrations'), { status: 'failed', found: 'the database is empty' })
})

tap.test('the command ends with 0 when all is well and with 1 when not, for people and as JSON', async t => {
  const server = await startProcess(t)
  const doctor = (more: Record<string, string>, ...flags: string[]) =>
    run(process.execPath, [latchkeyCommand, 'doctor', ...flags], { env: ownEnvironment({ LATCHKEY_DATA: server.dataFolder, PORT: new URL(server.url).port, ...more }) })
  const [well, json, ill] = await Promise.all([doctor({}), doctor({}, '--json'), doctor({ LATCHKEY_SECRET: newSecret() })])
  t.equal(well.code, 0, well.stdout + well.stderr)
  t.match(well.stdout, /^CHECK +STATUS +FOUND\nconfiguration +ok/)
  t.equal(json.code, 0)
  t.match(JSON.parse(json.stdout), { healthy: true, findings: all.map(check => ({ check })) })
  t.equal(ill.code, 1)
  t.match(ill.stdout, /^signing keys: List that secret behind the present one/m)
})

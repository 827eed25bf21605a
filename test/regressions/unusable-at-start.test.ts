/** A configuration that a server cannot start with is reported with its variable, and without a stack trace. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import tap from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { ConfigurationError } from '../../src/base/errors.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { openStorage } from '../../src/storage/index.ts'
import { openUsableStorage } from '../../src/storage/prepared-storage.ts'
import { freshDatabase } from '../support/postgres.ts'
import { freePort, ownEnvironment } from '../support/running-server.ts'
import { patience, until } from '../support/waiting.ts'

tap.test('S1: a data folder that is a file is refused by name', async t => {
  const folder = t.testdir({ taken: 'a file' })
  for (const path of [join(folder, 'taken'), join(folder, 'taken', 'below')]) {
    try {
      loadConfig({ LATCHKEY_DATA: path }, folder)
      t.fail('it was taken')
    } catch (error) {
      t.ok(error instanceof ConfigurationError)
      t.match(String(error), /LATCHKEY_DATA: .*taken.* cannot be read or written \(E\w+\)/)
    }
  }
})

tap.test('S1: a data folder or a database where nobody can make a folder is refused by name, and does not hang', async t => {
  const own = { LATCHKEY_ISSUER: 'http://localhost', LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: newSecret() }
  const cases: [Record<string, string>, RegExp][] = [
    [
      { LATCHKEY_DATA: '/proc/latchkey' },
      /^Latchkey cannot start:\n {2}- LATCHKEY_DATA: \/proc\/latchkey\/secret cannot be read or written \(E\w+\); .*\n$/
    ],
    [{ LATCHKEY_DATA: '/proc/latchkey/below' }, /^Latchkey cannot start:\n {2}- LATCHKEY_DATA: .*\n$/],
    [
      { ...own, LATCHKEY_DATA: '/proc/latchkey' },
      /^Latchkey cannot start:\n {2}- DATABASE_URL: .* cannot be written \(E\w+\); .*\n$/
    ],
    [
      { ...own, DATABASE_URL: 'file:/proc/latchkey/below/latchkey.db', LATCHKEY_DATA: t.testdir() },
      /^Latchkey cannot start:\n {2}- DATABASE_URL: .*\n$/
    ]
  ]
  for (const [environment, expected] of cases) {
    const { status, stderr } = spawnSync(process.execPath, ['bin/latchkey.js', 'serve'], {
      env: environment, encoding: 'utf8', timeout: 10 * patience
    })
    t.equal(status, 1)
    t.match(stderr, expected)
  }
})

tap.test('a data folder that cannot be written is no reason to end for a server that has everything from elsewhere: one line, and 0 at SIGTERM [postgresql]', async t => {
  const { url, drop } = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  t.teardown(drop)
  writeFileSync(join(t.testdir(), 'taken'), '')
  const secrets = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: newSecret() }
  for (const folder of ['/proc/latchkey', join(t.testdirName, 'taken', 'below')]) {
    const port = await freePort()
    const environment = ownEnvironment({
      DATABASE_URL: url, LATCHKEY_DATA: folder, LATCHKEY_ISSUER: 'http://localhost', PORT: String(port), ...secrets
    })
    const server = spawn(process.execPath, ['bin/latchkey.js', 'serve'], {
      env: environment, stdio: ['ignore', 'pipe', 'pipe']
    })
    let said = ''
    for (const stream of [server.stdout, server.stderr]) stream.on('data', bytes => { said += String(bytes) })
    await until('it serves', () => {
      if (server.exitCode !== null) throw new Error(said)
      return said.includes('Latchkey serves')
    })
    t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
    server.kill('SIGTERM')
    t.strictSame(await once(server, 'close'), [0, null], said)
    const lines = said.split('\n').filter(line => line.includes('LATCHKEY_DATA'))
    t.match(lines, [
      /^\{"level":40.*LATCHKEY_DATA: .* cannot be written \(E\w+\), so commands .* name it with LATCHKEY_URL"\}$/
    ])
    t.equal(lines.length, 1)
  }
})

tap.test('S1: only http and https name an issuer', async t => {
  for (const issuer of ['ftp://localhost', 'ws://127.0.0.1:3000', 'wss://auth.example.com']) {
    t.throws(
      () => loadConfig({ LATCHKEY_ISSUER: issuer }, t.testdirName), /LATCHKEY_ISSUER: .* is not an origin/, issuer
    )
  }
})

tap.test('S1: a database file that is none is refused by name, and left as it is', async t => {
  const folder = t.testdir({ 'notes.db': 'These are no pages of SQLite. '.repeat(100) })
  mkdirSync(join(folder, 'a-folder.db'))
  writeFileSync(join(folder, 'new.db'), '')
  for (
    const [name, problem] of [['notes.db', /is not a SQLite database/], ['a-folder.db', /cannot be opened/], [
      'notes.db/below.db', /cannot be written \(E\w+\)/
    ]] as const
  ) {
    const refused = await openStorage(`file:${join(folder, name)}`).then(() => null, (error: unknown) => error)
    t.ok(refused instanceof ConfigurationError, name)
    t.match(String(refused), /DATABASE_URL: /)
    t.match(String(refused), problem)
  }
  const storage = await openStorage(`file:${join(folder, 'new.db')}`)
  await storage.close()
})

tap.test('S1: a port that is taken, an address that is not ours and a database that is away are named by their variables', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const own = {
    LATCHKEY_ISSUER: 'http://localhost',
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_ADMIN_TOKEN: newSecret(),
    LATCHKEY_DATA: t.testdir()
  }
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: String(port) }, /^Latchkey cannot start:\n {2}- PORT: another program listens on 127\.0\.0\.1:\d+; .*\n$/],
    [
      { LATCHKEY_METRICS: `127.0.0.1:${port}` },
      /^Latchkey cannot start:\n {2}- LATCHKEY_METRICS: cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\); choose another .*\n$/
    ],
    [{ HOST: '203.0.113.1' }, /^Latchkey cannot start:\n {2}- HOST: 203\.0\.113\.1 is no address of this machine\n$/],
    [
      { DATABASE_URL: 'postgresql://somebody:hunter2hunter2@127.0.0.1:1/none' },
      /^Latchkey cannot start:\n {2}- DATABASE_URL: the database cannot be reached.*\n$/
    ]
  ]
  for (const [more, expected] of cases) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/latchkey.js', 'serve'], {
      env: { ...own, ...more }, encoding: 'utf8', timeout: 10 * patience
    })
    t.equal(status, 1)
    t.match(stderr, expected)
    t.equal(stdout, '', 'nothing else, above all no stack')
    t.notMatch(stderr, 'hunter2')
  }
})

const firstFree = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
const areSomePrivileged = existsSync(firstFree) && Number(readFileSync(firstFree, 'utf8')) > 1

tap.test('S1: a port that only root may listen on is named by its variable', {
  skip: areSomePrivileged ? false : 'every account may listen on every port here'
}, async t => {
  // Root keeps its account, and loses the capability.
  const unprivileged = process.getuid!() === 0 ? ['setpriv', '--bounding-set', '-net_bind_service'] : ['env']
  const { status, stderr } = spawnSync(unprivileged[0]!, [
    ...unprivileged.slice(1), process.execPath, 'bin/latchkey.js', 'serve'
  ], { env: ownEnvironment({ LATCHKEY_DATA: t.testdir(), PORT: '1' }), encoding: 'utf8', timeout: 10 * patience })
  t.equal(status, 1)
  t.match(stderr, 'Latchkey cannot start:\n  - PORT: this account may not listen on 1; choose 1024 or more\n')
})

tap.test('S1: a database file that another program has locked is named by its variable', async t => {
  const file = join(t.testdir(), 'latchkey.db')
  await (await openStorage(`file:${file}`)).close()
  const other = new Sqlite(file)
  t.teardown(() => { other.close() })
  other.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  await t.rejects(openUsableStorage(`file:${file}`, {}), {
    name: 'ConfigurationError', message: /DATABASE_URL: the database cannot be reached or written \(database is locked\)/
  })
})

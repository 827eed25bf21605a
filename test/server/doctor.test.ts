/** `latchkey doctor`: it finds each fault of a deployment, and says how to repair it. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import tap, { type Test } from 'tap'
import { loadConfig, openLatchkey } from '../../src/index.ts'
import { examine } from '../../src/server/doctor/doctor.ts'
import type { Finding } from '../../src/server/doctor/finding.ts'
import { checkOlderSecrets } from '../../src/server/doctor/secrets.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { inspectDatabase } from '../../src/storage/migrations/inspection.ts'
import { skillFile, zip } from '../support/archives.ts'
import { makeAuthority, type Certified } from '../support/certificates.ts'
import { administer, freshDatabase } from '../support/postgres.ts'
import { startServer, type ServerOptions } from '../support/test-server.ts'
import {
  freePort, latchkeyCommand, ownEnvironment, run, startServer as startProcess
} from '../support/running-server.ts'

const postgres = await freshDatabase()
tap.teardown(postgres.drop)

function folderFor (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-doctor-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  return folder
}

const by = (findings: readonly Finding[], check: string) => findings.find(finding => finding.check === check)
const failures = (findings: readonly Finding[]) =>
  findings.filter(({ status }) => status === 'failed').map(({ check }) => check)
const all = [
  'configuration',
  'data folder',
  'database',
  'migrations',
  'signing keys',
  'older secrets',
  'server',
  'issuer',
  'one server',
  'clock of the database',
  'standbys',
  'lost changes',
  'clock of the server',
]

for (const name of ['sqlite', 'postgresql']) {
  tap.test(`a deployment that is well has nothing to mend [${name}]`, async t => {
    const server = await startServer(name === 'sqlite' ? {} : { database: postgres.url })
    t.teardown(server.close)
    const findings = await examine(server.environment, server.folder)
    t.strictSame(findings.map(({ check }) => check), all)
    t.strictSame(failures(findings), [])
    t.ok(findings.every(({ remedy }) => remedy === null))
    t.match(
      by(findings, 'one server'),
      name === 'sqlite' ? { status: 'ok', found: 'the SQLite file is in use by a server' } : { status: 'skipped' }
    )
    const text = JSON.stringify(findings)
    for (const secret of [server.secret, server.adminToken, new URL(postgres.url).password]) {
      t.notOk(text.includes(secret))
    }

    const foreign = await examine({ ...server.environment, LATCHKEY_SECRET: newSecret() }, server.folder)
    t.strictSame(failures(foreign), ['signing keys', 'older secrets'], 'keys that another secret sealed')
    t.match(by(foreign, 'signing keys')!.remedy, 'LATCHKEY_SECRET=present,former')
    t.strictSame(
      failures(
        await examine({ ...server.environment, LATCHKEY_SECRET: `${newSecret()},${server.secret}` }, server.folder)
      ),
      ['older secrets'],
      'the one behind the new one opens them, and has to stay'
    )

    await server.app.close()
    const stopped = await examine(server.environment, server.folder)
    t.strictSame(failures(stopped), ['server'], 'no server runs')
    t.match(by(stopped, 'server'), { found: /ECONNREFUSED/, remedy: /latchkey serve/ })
    t.match(by(stopped, 'issuer'), { status: 'skipped' })
    t.match(by(stopped, 'clock of the server'), { status: 'skipped' })
  })
}

for (const name of ['sqlite', 'postgresql']) {
  tap.test(`headers of sources and skills keep the secret that they are sealed under [${name}]`, async t => {
    const own = name === 'sqlite' ? null : await freshDatabase()
    if (own !== null) t.teardown(own.drop)
    const server = await startServer(own === null ? {} : { database: own.url })
    t.teardown(server.close)
    const organization = (await server.createOrganization()).id
    const source = await server.admin('POST', '/third-party-sources', {
      organization, name: 'x', kind: 'skills', url: 'https://127.0.0.1/', headers: { 'x-key': 'secret' }
    })
    const skill = await server.send({
      method: 'POST',
      path: `/api/v1/skills?organization=${organization}&version=1.0.0`,
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/zip' },
      body: zip([{ name: 'SKILL.md', content: skillFile() }])
    })
    const issuer = await server.admin('POST', '/trusted-issuers', {
      organization,
      name: 'x',
      preset: 'kubernetes',
      issuer: 'https://cluster.test',
      tokenReview: { url: 'https://127.0.0.1', token: newSecret() }
    })
    t.strictSame([source.status, skill.status, issuer.status], [201, 201, 201])
    const older = async (secrets: string) =>
      by(await examine({ ...server.environment, LATCHKEY_SECRET: secrets }, server.folder), 'older secrets')
    t.match(await older(server.secret), { status: 'ok' })
    t.match(await older(`${newSecret()},${server.secret}`), {
      found: new RegExp(
        'headers of third-party sources and skills and tokens that review those of service accounts are still sealed ' +
          'under an older secret'
      )
    })
    // All else is sealed under the new one, as far as the doctor is told.
    const inspection = (await inspectDatabase(server.config.databaseUrl))!
    const nothing = { ...inspection, signingKeys: [], providerKeys: [], auditKeys: [] }
    const none = { sourceSecrets: [], skillSecrets: [], reviewerSecrets: [] }
    const kinds = Object.keys(none) as (keyof typeof none)[]
    for (const kind of kinds) {
      const left = { ...nothing, ...none, [kind]: inspection[kind] }
      t.equal(left[kind].length, 1, kind)
      const check = (...secrets: string[]) => checkOlderSecrets(left, { ...server.config, secrets })
      t.match(check(newSecret(), server.secret), { status: 'failed', found: 'still sealed under an older secret' })
      t.match(check(newSecret()), { status: 'failed', found: 'sealed under another secret' })
      t.match(check(server.secret), { status: 'ok' })
    }
  })
}

tap.test('all problems of a configuration are named at once, and nothing is left behind', async t => {
  const folder = folderFor(t)
  const findings = await examine({
    PORT: 'x',
    DATABASE_URL: 'mysql://x:hunter2@y/z',
    LATCHKEY_SECRET: 'short',
    LATCHKEY_METRICS: 'everywhere',
    LATCHKEY_SHED_LAG: '1'
  }, folder)
  t.strictSame(
    findings.map(({ check, status, found }) => [check, status, found.split(':')[0]]),
    ['PORT', 'DATABASE_URL', 'LATCHKEY_SECRET', 'LATCHKEY_METRICS', 'LATCHKEY_SHED_LAG'].map(
      variable => ['configuration', 'failed', variable]
    )
  )
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
  t.match(exposed, { status: 'failed', remedy: `Remove their permissions: chmod go= ${join(folder, 'secret')}` })
  rmSync(join(folder, 'secret'))

  t.match(
    by(await examine({ ...environment, DATABASE_URL: `file:${join(folder, 'nowhere.db')}` }, folder), 'database'),
    { status: 'failed', remedy: /Start the server once, or restore/ }
  )
  writeFileSync(join(folder, 'rubbish.db'), 'this is no database at all, however long it gets'.repeat(40))
  t.match(
    by(await examine({ ...environment, DATABASE_URL: `file:${join(folder, 'rubbish.db')}` }, folder), 'database'),
    { status: 'failed', found: /not a SQLite database/, remedy: /restore a backup/ }
  )
  const port = await freePort()
  const away = await examine({ ...environment, DATABASE_URL: `postgresql://u:hunter2@127.0.0.1:${port}/x` }, folder)
  t.match(by(away, 'database'), { status: 'failed', found: /ECONNREFUSED/ })
  t.notMatch(JSON.stringify(away), 'hunter2')
  t.match(by(away, 'signing keys'), { status: 'skipped' })

  const other = await startServer()
  t.teardown(other.close)
  const mistaken = await examine(
    { ...environment, LATCHKEY_ISSUER: other.url.replace('127.0.0.1', 'localhost') }, folder
  )
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
})

type Environment = Record<string, string>

/** A deployment to examine; `uid`: the account that runs doctor, if not this one. */
interface Deployment { environment: Environment, folder: string, uid?: number }

interface SetUp {
  title: string
  make (t: Test): Promise<Deployment>
  /** The first finding that failed; null: none. */
  first: { check: string, found: RegExp, remedy: RegExp } | null
}

const authority = makeAuthority()
const issuerBehindTls = (port: number) => `https://localhost:${port}`

async function listen (t: Test, server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const answering = async (t: Test, listener: RequestListener): Promise<number> => await listen(t, createServer(listener))

/**
 * A server behind a proxy that terminates TLS with `certified`, and doctor's variables for it. `change`: the proxy's
 * changes to answers.
 */
async function behindProxy (
  t: Test, {
    certified = authority.certify('localhost'),
    options = { trustProxy: '127.0.0.1' },
    change = headers => headers,
  }:
  {
    certified?: Certified,
    options?: ServerOptions,
    change?: (headers: Record<string, unknown>) => Record<string,
    unknown>,
  } = {}
): Promise<Deployment & { end (): Promise<void> }> {
  const upstream = { port: 0 }
  const proxy = createTlsServer({ cert: certified.certificate, key: certified.key }, (incoming, outgoing) => {
    const headers = { ...incoming.headers, 'x-forwarded-proto': 'https' }
    const passed = request({ host: '127.0.0.1', port: upstream.port, path: incoming.url, headers }, answer => {
      outgoing.writeHead(answer.statusCode!, change(answer.headers) as never)
      answer.pipe(outgoing)
    })
    passed.on(
      'error',
      () => { outgoing.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>') }
    )
    passed.end()
  })
  const issuer = issuerBehindTls(await listen(t, proxy))
  const server = await startServer({ ...options, issuer })
  t.teardown(server.close)
  upstream.port = server.port
  return {
    environment: { ...server.environment, NODE_EXTRA_CA_CERTS: authorityFile(t) },
    folder: server.folder,
    end: () => server.app.close(),
  }
}

function authorityFile (t: Test): string {
  const file = join(folderFor(t), 'ca.pem')
  writeFileSync(file, authority.certificate)
  return file
}

async function running (t: Test, options: ServerOptions = {}) {
  const server = await startServer(options)
  t.teardown(server.close)
  return server
}

async function stopped (t: Test, options: ServerOptions = {}) {
  const server = await running(t, options)
  await server.app.close()
  return server
}

const remote = () => (
  {
    HOST: '0.0.0.0',
    LATCHKEY_ISSUER: 'https://auth.example.com',
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_ADMIN_TOKEN: newSecret(),
  }
)
const configured = (environment: (good: Environment) => Environment) => async (t: Test): Promise<Deployment> => (
  { environment: environment(remote()), folder: folderFor(t) }
)
const onPostgresql = (change: (url: URL) => unknown) => async (t: Test): Promise<Deployment> => {
  const { environment, folder } = await running(t)
  const url = new URL(postgres.url)
  change(url)
  return { environment: { ...environment, DATABASE_URL: url.href }, folder }
}
const onFile = (break_: (file: string, t: Test) => void) => async (t: Test): Promise<Deployment> => {
  const { environment, folder, config } = await stopped(t)
  break_(config.databaseUrl.slice('file:'.length), t)
  return { environment, folder }
}

const setUps: readonly SetUp[] = [
  {
    title: 'the server listens on another PORT than this command would take',
    async make (t) {
      const { dataFolder } = await startProcess(t)
      return { environment: { LATCHKEY_DATA: dataFolder }, folder: dataFolder }
    },
    first: null,
  },
  {
    title: 'the server is stopped',
    make: async t => await stopped(t),
    first: {
      check: 'server',
      found: /^no server answers at http:\/\/127\.0\.0\.1:\d+: nothing listens at /,
      remedy: /^Start it with `latchkey serve`\.$/,
    },
  },
  {
    title: 'a server.json that is damaged, with the server on the PORT of this command',
    async make (t) {
      const { environment, folder } = await running(t)
      writeFileSync(join(folder, 'server.json'), '{')
      return { environment, folder }
    },
    first: null,
  },
  {
    title: 'the server was killed, and the one of another data folder took its port',
    async make (t) {
      const ended = await running(t)
      const { key } = JSON.parse(readFileSync(join(ended.folder, 'server.json'), 'utf8')) as { key: string }
      await ended.app.close()
      const { url } = await running(t)
      writeFileSync(join(ended.folder, 'server.json'), JSON.stringify({ url, key }), { mode: 0o600 })
      return ended
    },
    first: {
      check: 'server',
      found: /^the server of this data folder has ended, and another one answers at http:\/\/127\.0\.0\.1:\d+$/,
      remedy: /^Compare the LATCHKEY_DATA of both; /,
    },
  },
  {
    title: 'the server of another installation answers on the PORT, and that of this one does not run',
    async make (t) {
      const [{ environment, folder }, other] = [await stopped(t), await running(t)]
      rmSync(join(folder, 'server.json'), { force: true })
      const { port } = new URL(other.url)
      return { environment: { ...environment, PORT: port, LATCHKEY_ISSUER: `http://localhost:${port}` }, folder }
    },
    first: {
      check: 'server',
      found: /^the server at http:\/\/127\.0\.0\.1:\d+ is that of another installation: /,
      remedy: /on another PORT/,
    },
  },
  {
    title: 'the server sheds load',
    async make (t) {
      const server = await running(t)
      server.latchkey.telemetry.availability.rejecting = 'overloaded'
      return server
    },
    first: {
      check: 'issuer',
      found: /^the server at http:\/\/127\.0\.0\.1:\d+ answers 503: The server is overloaded; retry shortly\.$/,
      remedy: /^Check its log; /,
    },
  },
  {
    title: 'another program listens on the PORT',
    async make (t) {
      const { environment, folder } = await stopped(t)
      rmSync(join(folder, 'server.json'), { force: true })
      const port = await answering(t, (_request, response) => { response.writeHead(404).end('<h1>Not found</h1>') })
      return {
        environment: { ...environment, PORT: String(port), LATCHKEY_ISSUER: `http://localhost:${port}` },
        folder,
      }
    },
    first: {
      check: 'server',
      found: /^another program answers at http:\/\/127\.0\.0\.1:\d+ \(404\)$/,
      remedy: /^Give Latchkey another PORT and /,
    },
  },
  {
    title: 'a proxy does not reach the server, which runs',
    async make (t) {
      const { environment, folder } = await running(t)
      const port = await answering(
        t,
        (_request, response) => { response.writeHead(502).end('<h1>502 Bad Gateway</h1>') }
      )
      return { environment: { ...environment, LATCHKEY_ISSUER: `http://localhost:${port}` }, folder }
    },
    first: {
      check: 'issuer',
      found:
        /^a proxy answers 502 at http:.*: it does not reach the server, which answers at http:\/\/127\.0\.0\.1:\d+$/,
      remedy: /^Have the proxy forward requests to http:/
    }
  },
  {
    title: 'a proxy does not reach the server, which is stopped',
    async make (t) {
      const deployment = await behindProxy(t)
      await deployment.end()
      return deployment
    },
    first: { check: 'server', found: /^no server answers at /, remedy: /^Start it with `latchkey serve`\.$/ },
  },
  {
    title: 'the issuer is another deployment',
    async make (t) {
      const { environment, folder } = await running(t)
      return {
        environment: { ...environment, LATCHKEY_ISSUER: (await running(t)).url.replace('127.0.0.1', 'localhost') },
        folder,
      }
    },
    first: {
      check: 'issuer',
      found: /^http:\/\/localhost:\d+ answers as another issuer, http:\/\/127\.0\.0\.1:\d+$/,
      remedy: /^Set LATCHKEY_ISSUER to exactly the origin that clients use/,
    },
  },
  {
    title: 'the name of the issuer is not known on this machine',
    make: async t => await running(t, { issuer: 'https://auth.latchkey.invalid' }),
    first: {
      check: 'issuer',
      found:
        /^the host of https:\/\/auth\.latchkey\.invalid cannot be resolved \(E\w+\); the server itself answers at http:/,
      remedy: /from where clients are: if it answers there, nothing is wrong/
    }
  },
  { title: 'the certificate is of an authority that this command was told', make: behindProxy, first: null },
  {
    title: 'the certificate is of an authority that this command was not told',
    async make (t) {
      const { environment: { NODE_EXTRA_CA_CERTS: _, ...environment }, folder } = await behindProxy(t)
      return { environment: environment as Environment, folder }
    },
    first: {
      check: 'issuer',
      found: /^the certificate of https:\/\/localhost:\d+ is signed by an unknown certificate authority/,
      remedy: /NODE_EXTRA_CA_CERTS=/,
    },
  },
  {
    title: 'the certificate has expired',
    make: async t => await behindProxy(
      t,
      { certified: authority.certify('localhost', new Date(Date.now() - 86_400_000)) }
    ),
    first: {
      check: 'issuer',
      found: /^the certificate of https:\/\/localhost:\d+ has expired/,
      remedy: /^Renew it where TLS is terminated/,
    },
  },
  {
    title: 'the certificate is for another name',
    make: async t => await behindProxy(t, { certified: authority.certify('other.example.test') }),
    first: {
      check: 'issuer',
      found: /^the certificate of https:\/\/localhost:\d+ is for another name/,
      remedy: /^Get a certificate for this name/,
    },
  },
  {
    title: 'an https issuer is the port of the server, which speaks no TLS',
    async make (t) {
      const { environment, folder, port } = await running(t, { issuer: 'https://localhost' })
      return { environment: { ...environment, LATCHKEY_ISSUER: issuerBehindTls(port) }, folder }
    },
    first: {
      check: 'issuer',
      found: /^the server at https:\/\/localhost:\d+ does not speak TLS/,
      remedy: /^Terminate TLS there, in a proxy/,
    },
  },
  {
    title: 'the proxy is not trusted',
    make: async t => await behindProxy(t, { options: {} }),
    first: {
      check: 'issuer',
      found: /^the server takes requests to https:\/\/localhost:\d+ for plain HTTP$/,
      remedy: /^Name the proxy's address in LATCHKEY_TRUST_PROXY/,
    },
  },
  {
    title: 'the server was told an https issuer, and this command was not',
    async make (t) {
      const {
        environment: { LATCHKEY_ISSUER: _, ...environment },
        folder,
      } = await running(t, { issuer: 'https://auth.example.test' })
      return { environment, folder }
    },
    first: {
      check: 'issuer',
      found: /^the server at http:\/\/localhost:\d+ has an https issuer, and this command has not$/,
      remedy: /LATCHKEY_ISSUER/,
    },
  },
  {
    title: 'the issuer redirects',
    async make (t) {
      const { environment, folder } = await running(t)
      const port = await answering(
        t,
        ({ url }, response) => { response.writeHead(301, { location: `https://www.example.test${url}` }).end() }
      )
      return { environment: { ...environment, LATCHKEY_ISSUER: `http://localhost:${port}` }, folder }
    },
    first: {
      check: 'issuer',
      found: /^http:.* redirects requests for its metadata to https:\/\/www\.example\.test\/.* \(301\)$/,
      remedy: /^Set LATCHKEY_ISSUER to the origin that answers without a redirection/,
    },
  },
  {
    title: 'the clocks differ',
    make: async t => await behindProxy(
      t,
      { change: headers => ({ ...headers, date: new Date(Date.now() - 120_000).toUTCString() }) }
    ),
    first: { check: 'clock of the server', found: /^differs from this machine's by 1[12]\d\.\d s$/, remedy: /NTP/ },
  },
  {
    title: 'no secret',
    make: configured(good => ({ ...good, LATCHKEY_SECRET: '' })),
    first: {
      check: 'configuration',
      found: /^LATCHKEY_SECRET: is required for a server that others can reach/,
      remedy: /./,
    },
  },
  {
    title: 'a weak secret',
    make: configured(good => ({ ...good, LATCHKEY_SECRET: 'changeme' })),
    first: { check: 'configuration', found: /^LATCHKEY_SECRET: is too easy to guess/, remedy: /./ },
  },
  {
    title: 'the generated secret is lost, the database is not',
    async make (t) {
      const { environment: { LATCHKEY_SECRET: _, ...environment }, folder } = await stopped(t)
      return { environment, folder }
    },
    first: {
      check: 'configuration',
      found:
        /^LATCHKEY_DATA: .*secret is missing, and .*latchkey\.db was encrypted with it; restore it from a backup/,
      remedy: /./
    }
  },
  {
    title: 'the secret of another database',
    async make (t) {
      const { environment, folder } = await stopped(t)
      return { environment: { ...environment, LATCHKEY_SECRET: newSecret() }, folder }
    },
    first: {
      check: 'signing keys',
      found: /^1 of 1 were sealed under another secret$/,
      remedy: /LATCHKEY_SECRET=present,former/,
    },
  },
  {
    title: 'an http issuer that others use',
    make: configured(good => ({ ...good, LATCHKEY_ISSUER: 'http://auth.example.com' })),
    first: { check: 'configuration', found: /^LATCHKEY_ISSUER: http:\/\/auth\.example\.com is not https/, remedy: /./ },
  },
  {
    title: 'a variable that is mistyped',
    async make (t) {
      const { environment, folder } = await running(t)
      return { environment: { ...environment, LATCHKEY_TRUSTED_PROXY: '10.0.0.1' }, folder }
    },
    first: {
      check: 'variables',
      found:
        /^LATCHKEY_TRUSTED_PROXY: is unknown and ignored; the nearest known variable is LATCHKEY_TRUST_PROXY$/,
      remedy: /^Correct its name/
    }
  },
  {
    title: 'a variable that is required is mistyped',
    make: configured(({ LATCHKEY_SECRET: secret, ...good }) => ({ ...good, LATCHKEY_SECERT: secret! })),
    first: { check: 'configuration', found: /^LATCHKEY_SECRET: is required/, remedy: /./ },
  },
  {
    title: 'a data folder that this account may not write',
    async make (t) {
      const { environment, folder } = await stopped(t)
      const uid = process.getuid!() === 0 ? 65_534 : process.getuid!()
      for (
        const path of ['latchkey.db', 'latchkey.db.lock', '.']
      ) if (process.getuid!() === 0) chownSync(join(folder, path), uid, uid)
      chmodSync(folder, 0o500)
      t.teardown(() => { chmodSync(folder, 0o700) })
      return { environment, folder, uid }
    },
    first: {
      check: 'data folder',
      found: /^this account may not write to \/.*$/,
      remedy: /^Run the server and this command as an account that may/,
    },
  },
  {
    title: 'a database that is a folder',
    make: onFile(file => {
      rmSync(file)
      mkdirSync(file, { mode: 0o700 })
    }),
    first: {
      check: 'database',
      found: /^\/.*latchkey\.db cannot be read: /,
      remedy: /^Let this account read it, or correct DATABASE_URL/,
    },
  },
  {
    title: 'no database file',
    make: onFile(file => { rmSync(file) }),
    first: {
      check: 'database',
      found: /^\/.*latchkey\.db does not exist$/,
      remedy: /^Start the server once, or restore a backup/,
    },
  },
  {
    title: 'a database file that is damaged',
    make: onFile(file => { writeFileSync(file, 'this is no database at all, however long it gets'.repeat(40)) }),
    first: {
      check: 'database',
      found: /latchkey\.db is damaged, or not a SQLite database/,
      remedy: /restore a backup/,
    },
  },
  {
    title: 'the file of the lock of a database is damaged',
    make: onFile(file => {
      writeFileSync(`${file}.lock`, 'this is no lock at all, however long it gets'.repeat(40), { mode: 0o600 })
    }),
    first: {
      check: 'database',
      found: /^\/.*latchkey\.db\.lock, the lock .*, is damaged \(SQLITE_NOTADB\)$/,
      remedy: /^Remove that file while no server runs on the database/,
    },
  },
  {
    title: 'the lock of a database is a folder',
    make: onFile(file => {
      rmSync(`${file}.lock`, { force: true })
      mkdirSync(`${file}.lock`, { mode: 0o700 })
    }),
    first: {
      check: 'database',
      found: /^\/.*latchkey\.db\.lock, the lock .*, cannot be used \(SQLITE_\w+\)$/,
      remedy: /^Let this account read and write that file, or remove it/,
    },
  },
  {
    title: 'a database file that another program has locked',
    make: onFile((file, t) => {
      const other = new Database(file)
      other.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
      t.teardown(() => { other.close() })
    }),
    first: {
      check: 'database',
      found: /^another program has locked \/.*latchkey\.db$/,
      remedy: /^Wait until that program, such as a backup, has finished/,
    },
  },
  {
    title: 'a database file that a newer version has migrated',
    make: onFile(file => {
      const newer = new Database(file)
      newer.exec(
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) ' +
          "VALUES ('x', 'x', '99990101000000_to_come', 0, 0, 1)"
      )
      newer.close()
    }),
    first: { check: 'migrations', found: /newer version.*99990101000000_to_come/, remedy: /./ },
  },
  {
    title: 'a process has the database and listens nowhere',
    async make (t) {
      const { environment, folder } = await stopped(t)
      const silent = await openLatchkey(loadConfig(environment, folder))
      t.teardown(silent.close)
      return { environment, folder }
    },
    first: { check: 'server', found: /^no server answers at /, remedy: /./ },
  },
  {
    title: 'no PostgreSQL at that port',
    make: onPostgresql(url => { url.port = '1' }),
    first: {
      check: 'database',
      found: /^no PostgreSQL listens at 127\.0\.0\.1:1 \(ECONNREFUSED\)$/,
      remedy: /^Start it, or correct host and port in DATABASE_URL/,
    },
  },
  {
    title: 'a host of PostgreSQL whose name is not known',
    make: onPostgresql(url => { url.hostname = 'database.latchkey.invalid' }),
    first: {
      check: 'database',
      found: /^the host of the database, database\.latchkey\.invalid:\d+, cannot be resolved \(E\w+\)$/,
      remedy: /^Correct it in DATABASE_URL, or correct the name resolution/,
    },
  },
  {
    title: 'what listens in the place of PostgreSQL hangs up',
    async make (t) {
      const port = await listen(t, createTcpServer(socket => { socket.once('data', () => { socket.end() }) }))
      return await onPostgresql(url => { url.port = String(port) })(t)
    },
    first: {
      check: 'database',
      found: /^the database at 127\.0\.0\.1:\d+ cannot be reached or read: Connection terminated unexpectedly$/,
      remedy: /^Start it, or correct DATABASE_URL/,
    },
  },
  {
    title: 'a wrong password',
    make: onPostgresql(url => { url.password = 'hunter2' }),
    first: {
      check: 'database',
      found: /password of .*postgres/,
      remedy: /^Correct /,
    },
  },
  {
    title: 'a database that is not there',
    make: onPostgresql(url => { url.pathname = '/nowhere' }),
    first: { check: 'database', found: /no database.*nowhere/, remedy: /./ },
  },
  {
    title: 'a PostgreSQL database that a newer version has migrated',
    async make (t) {
      const database = await freshDatabase()
      t.teardown(database.drop)
      const { environment, folder } = await running(t, { database: database.url })
      await administer(
        database.url,
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ' +
          "('x', 'x', '99990101000000_to_come', now(), 1)"
      )
      return { environment, folder }
    },
    first: { check: 'migrations', found: /newer version.*99990101000000_to_come/, remedy: /./ },
  },
]

/** As an operator runs it: in a process of its own, because Node reads the certificate authorities at its start. */
async function diagnose ({ environment, folder, uid }: Deployment): Promise<Finding[]> {
  const { code, stdout, stderr } = await run(
    process.execPath,
    [latchkeyCommand, 'doctor', '--json'],
    { cwd: folder, env: ownEnvironment(environment), ...(uid === undefined ? {} : { uid }) }
  )
  if (stdout === '') throw new Error(`doctor ended with ${code}: ${stderr}`)
  return (JSON.parse(stdout) as { findings: Finding[] }).findings
}

for (const { title, make, first } of setUps) {
  tap.test(`set-up: ${title}`, async t => {
    const findings = await diagnose(await make(t))
    const worst = findings.find(({ status }) => status === 'failed')
    if (first === null) t.strictSame(findings.filter(({ status }) => status === 'failed'), [])
    else t.match(worst, { status: 'failed', ...first })
    for (const { remedy } of findings) {
      t.notMatch(
        remedy ?? '',
        /\b(stop|kill|end|terminate)\b (it|that|the|this)\b/i,
        'nothing that works is to be ended'
      )
    }
    t.notMatch(JSON.stringify(findings), 'hunter2')
  })
}

tap.test('a process that has the database is looked for, not ended', async t => {
  const { make } = setUps.find(({ title }) => title.startsWith('a process has'))!
  const findings = await diagnose(await make(t))
  t.match(
    by(findings, 'one server'),
    {
      status: 'failed',
      found: /^a process uses the SQLite file, but no server answers at http:/,
      remedy: /^Find it with `fuser \//,
    }
  )
})

tap.test('what answers in the place of the server steers no terminal', async t => {
  const { environment, folder } = await stopped(t)
  const evil = 'http://localhost:1/\u001b[2J\u009b2J\u202e'
  const port = await answering(t, (_request, response) => {
    const metadata = { issuer: evil, token_endpoint: `${evil}/api/v1/auth/token` }
    response.writeHead(200, { 'content-type': 'application/json', location: 'http://[/' }).end(JSON.stringify(metadata))
  })
  rmSync(join(folder, 'server.json'), { force: true })
  for (const LATCHKEY_ISSUER of ['', `http://127.0.0.1:${port}`]) {
    for (const flags of [[], ['--json']]) {
      const env = ownEnvironment({ ...environment, PORT: String(port), LATCHKEY_ISSUER })
      const { code, stdout, stderr } = await run(process.execPath, [latchkeyCommand, 'doctor', ...flags], {
        cwd: folder, env
      })
      t.equal(code, 1)
      t.equal(stderr, '')
      t.match(stdout, /another issuer, http:\/\/localhost:1\//)
      for (const character of ['\u001b', '\u009b', '\u202e']) t.notOk(stdout.includes(character))
    }
  }
})

tap.test('a mistyped variable is named beside what is missing for it', async t => {
  const { make } = setUps.find(({ title }) => title.startsWith('a variable that is required'))!
  t.strictSame(
    (await diagnose(await make(t))).map(({ found }) => found.split(':')[0]),
    ['LATCHKEY_SECRET', 'LATCHKEY_SECERT']
  )
})

tap.test('a database that lacks migrations, or is empty, is told from one that is current [postgresql]', async t => {
  const database = await freshDatabase()
  t.teardown(database.drop)
  const server = await startServer({ database: database.url })
  t.teardown(server.close)
  const { rows: [last] } = await administer(
    database.url,
    'DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations) ' +
      'RETURNING migration_name'
  )
  const findings = await examine(server.environment, server.folder)
  t.match(by(findings, 'migrations'), {
    status: 'failed', found: `1 not applied: ${last.migration_name}`, remedy: /latchkey migrate/
  })
  const ready = await server.send({ path: '/readyz' })
  t.equal(ready.status, 503)
  t.strictSame(ready.json.details, { notReady: ['migrations'] })
  const empty = await freshDatabase()
  t.teardown(empty.drop)
  t.match(by(await examine({ ...server.environment, DATABASE_URL: empty.url }, server.folder), 'migrations'), {
    status: 'failed', found: 'the database is empty'
  })
})

tap.test('the command ends with 0 when all is well and with 1 when not, for people and as JSON', async t => {
  const server = await startProcess(t)
  const doctor = (more: Record<string, string>, ...flags: string[]) =>
    run(process.execPath, [latchkeyCommand, 'doctor', ...flags], {
      env: ownEnvironment({ LATCHKEY_DATA: server.dataFolder, PORT: new URL(server.url).port, ...more })
    })
  const [well, json, ill] = await Promise.all([
    doctor({}), doctor({}, '--json'), doctor({ LATCHKEY_SECRET: newSecret() })
  ])
  t.equal(well.code, 0, well.stdout + well.stderr)
  t.match(well.stdout, /^CHECK +STATUS +FOUND\nconfiguration +ok/)
  t.equal(json.code, 0)
  t.match(JSON.parse(json.stdout), { healthy: true, findings: all.map(check => ({ check })) })
  t.equal(ill.code, 1)
  t.match(ill.stdout, /^signing keys: List that secret behind the present one/m)
})

const mounting = (...parameters: string[]) => spawnSync('mount', ['-t', 'tmpfs', ...parameters]).status === 0

tap.test('a data folder on a file system that is mounted read-only is found', async t => {
  const folder = folderFor(t)
  if (!mounting('-o', 'size=8m', 'tmpfs', folder)) {
    t.pass('no file system can be mounted here (mount -t tmpfs needs root)')
    return
  }
  t.teardown(() => { spawnSync('umount', ['-l', folder]) })
  chmodSync(folder, 0o700)
  const server = await stopped(t, { environment: { LATCHKEY_DATA: folder } })
  t.ok(mounting('-o', 'remount,ro', 'tmpfs', folder))
  t.match(by(await examine(server.environment, server.folder), 'data folder'), {
    status: 'failed',
    found: `this account may not write to ${folder}, ${join(folder, 'latchkey.db')}`,
    remedy: /or the file system is mounted read-only\.$/
  })
})

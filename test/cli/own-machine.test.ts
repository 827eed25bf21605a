/**
 * Commands on the machine of a server: they find it whatever program it runs in, and prove themselves as its operator.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { commandHeader } from '../../src/config/server-file.ts'
import { commandProofOf, proofOf } from '../../src/secrets/authentication-code.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { startServer } from '../support/test-server.ts'
import { freshDatabase } from '../support/postgres.ts'
import { latchkeyCommand, ownEnvironment, run, startServer as startProcess } from '../support/running-server.ts'
import { eventually } from '../support/waiting.ts'

const server = await startServer()
tap.teardown(server.close)

async function latchkey (environment: Record<string, string>, ...parameters: string[]) {
  return await run(process.execPath, [latchkeyCommand, ...parameters], { env: ownEnvironment(environment) })
}

tap.test('a server in a program of its own is found as `latchkey serve` is', async t => {
  t.match(JSON.parse(readFileSync(join(server.folder, 'server.json'), 'utf8')), { url: server.url, key: /^.{40,}$/ })
  t.match(
    await latchkey({ LATCHKEY_DATA: server.folder, LATCHKEY_TOKEN: server.adminToken }, 'whoami'),
    { code: 0, stdout: /admin/ }
  )
})

tap.test('a server whose data folder cannot be written serves all the same, and its log says what does not find it', async t => {
  const database = await freshDatabase()
  t.teardown(database.drop)
  const odd = await startServer({ database: database.url, environment: { LATCHKEY_DATA: '/proc/latchkey/data' } })
  t.teardown(odd.close)
  t.equal((await odd.admin('GET', '/organizations')).status, 200)
  const warned = odd.lines.filter(line =>
    line.includes('commands on this machine do not find this server by themselves')
  )
  t.equal(warned.length, 1)
  t.match(JSON.parse(warned[0]!), {
    level: 40, msg: /^LATCHKEY_DATA: \/proc\/latchkey\/data cannot be written \(E\w+\)/
  })
})

tap.test('an address with a path is that of a management API below another prefix', async t => {
  const moved = await startServer({ bare: true, routes: { management: { prefix: '/latchkey/v1' } } })
  t.teardown(moved.close)
  const token = { LATCHKEY_TOKEN: moved.adminToken }
  for (const url of [`${moved.url}/latchkey/v1`, `${moved.url}/latchkey/v1/`]) {
    t.match(await latchkey(token, 'whoami', '--url', url), { code: 0, stdout: /admin/ }, url)
  }
  const made = await latchkey({ ...token, LATCHKEY_URL: `${moved.url}/latchkey/v1` }, 'org', 'create', 'Acme')
  t.match(made, { code: 0, stdout: /org_/ })
  t.match(await latchkey(token, 'org', 'list', '--url', `${moved.url}/elsewhere`), { code: 1, stderr: /404|NOT_FOUND/ })
  const plain = await latchkey({ LATCHKEY_TOKEN: server.adminToken }, 'whoami', '--url', `${server.url}/api/v1`)
  t.match(plain, { code: 0, stdout: /admin/ }, 'the usual path may be named, too')
})

tap.test('LATCHKEY_ADMIN_TOKEN is good for the server of this data folder', async t => {
  const own = { LATCHKEY_DATA: server.folder, LATCHKEY_ADMIN_TOKEN: server.adminToken }
  t.match(await latchkey(own, 'org', 'create', 'Acme'), { code: 0, stderr: '' })
  t.match(await latchkey(own, 'whoami', '--url', server.url), { code: 0 })
  t.match(
    await latchkey({ ...own, LATCHKEY_TOKEN: 'x'.repeat(40) }, 'whoami'),
    { code: 1, stderr: /refuses the token/ },
    'what is meant for commands comes first'
  )
  t.match(await latchkey({ LATCHKEY_DATA: server.folder }, 'whoami'), { code: 1, stderr: /No token for http/ })
})

tap.test('LATCHKEY_ADMIN_TOKEN is sent to no other server, however that is named', async t => {
  const seen: string[] = []
  const foreign = createServer((request, response) => {
    seen.push(JSON.stringify(request.headers))
    response.setHeader('content-type', 'application/json').end('{}')
  }).listen(0, '127.0.0.1')
  await once(foreign, 'listening')
  t.teardown(() => { foreign.close() })
  const url = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}`
  const empty = mkdtempSync(join(tmpdir(), 'latchkey-empty-'))
  t.teardown(() => { rmSync(empty, { recursive: true }) })
  for (const LATCHKEY_DATA of [server.folder, empty]) {
    const own = { LATCHKEY_DATA, LATCHKEY_ADMIN_TOKEN: server.adminToken }
    for (
      const ran of [
        await latchkey(own, 'whoami', '--url', url), await latchkey({ ...own, LATCHKEY_URL: url }, 'whoami')
      ]
    ) {
      t.match(ran, { code: 1, stderr: /^latchkey: No token for http/ })
      t.notMatch(ran.stdout + ran.stderr, server.adminToken)
    }
  }
  t.strictSame(seen, [])
})

tap.test('a server with an https issuer takes commands of its own machine, and nothing else without TLS', async t => {
  const secure = await startServer({
    issuer: 'https://auth.example.test', environment: { LATCHKEY_TRUST_PROXY: '127.0.0.1' }
  })
  t.teardown(secure.close)
  const own = { LATCHKEY_DATA: secure.folder, LATCHKEY_ADMIN_TOKEN: secure.adminToken }
  t.match(await latchkey(own, 'whoami'), { code: 0, stdout: /admin/ })
  t.match(await latchkey(own, 'audit', 'export'), { code: 0, stdout: /"type"/ }, 'also for what is downloaded')
  t.match(await latchkey({ LATCHKEY_TOKEN: secure.adminToken }, 'whoami', '--url', secure.url), {
    code: 1, stderr: /\(TLS_REQUIRED\)\nName the server by its https URL/
  }, 'a URL that was named may be any')
  const { key } = JSON.parse(readFileSync(join(secure.folder, 'server.json'), 'utf8'))
  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`${secure.url}/api/v1/principal`, {
      headers: { authorization: `Bearer ${secure.adminToken}`, ...headers }
    })).status
  const proof = { [commandHeader]: commandProofOf(key) }
  t.equal(await ask(proof), 200)
  const elsewhere = { path: '/api/v1/principal', from: '127.0.0.2', headers: proof }
  t.match(await secure.send(elsewhere), { status: 403, json: { code: 'TLS_REQUIRED' } }, 'from another address')
  t.equal(await ask({}), 403)
  for (const wrong of ['', key, commandProofOf(newSecret()), proofOf(key, ''), proofOf(key, 'command proof v1')]) {
    t.equal(await ask({ [commandHeader]: wrong }), 403, wrong)
  }
  for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'forwarded', 'via']) {
    t.equal(await ask({ ...proof, [name]: name === 'x-forwarded-proto' ? 'http' : '203.0.113.9' }), 403, name)
  }
})

tap.test('a server that has ended leaves no address behind, and no token is sent to what took its place', async t => {
  const ended = await startServer()
  const written = readFileSync(join(ended.folder, 'server.json'), 'utf8')
  const own = { LATCHKEY_DATA: ended.folder, LATCHKEY_ADMIN_TOKEN: ended.adminToken }
  await ended.latchkey.close()
  await ended.app.close()
  t.match(await latchkey(own, 'whoami'), { code: 1, stderr: /^latchkey: No server found/ })
  // As a process that was killed leaves it, with another account's program on the port by now.
  const seen: string[] = []
  const stranger = createServer((request, response) => {
    seen.push(JSON.stringify([request.url, request.headers]))
    response.setHeader('latchkey-proof', 'x'.repeat(43)).end('{}')
  }).listen(ended.port, '127.0.0.1')
  await once(stranger, 'listening')
  t.teardown(() => { stranger.close() })
  for (const text of [written, JSON.stringify({ url: ended.url })]) {
    writeFileSync(join(ended.folder, 'server.json'), text, { mode: 0o600 })
    const ways: [Record<string, string>, string[]][] = [
      [own, []], [own, ['--url', ended.url]], [{ LATCHKEY_DATA: ended.folder, LATCHKEY_TOKEN: ended.adminToken }, []],
    ]
    for (const [environment, parameters] of ways) {
      t.match(await latchkey(environment, 'whoami', ...parameters), {
        code: 1, stderr: /is not the one that wrote server\.json to the data folder\. That server has ended/,
      })
    }
  }
  t.equal(seen.length, 6, 'each was asked for its proof')
  t.notMatch(seen.join(), ended.adminToken)
})

tap.test('no token is sent where server.json names another machine', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-foreign-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  for (const url of ['https://foreign.invalid', 'http://192.0.2.1:3000', 'https://127.0.0.1:3000']) {
    writeFileSync(join(folder, 'server.json'), JSON.stringify({ url }), { mode: 0o600 })
    for (const name of ['LATCHKEY_ADMIN_TOKEN', 'LATCHKEY_TOKEN']) {
      t.match(
        await latchkey({ LATCHKEY_DATA: folder, [name]: server.adminToken }, 'whoami'),
        { code: 1, stdout: '', stderr: `server.json names ${url}, which is not an http address of this machine` }
      )
    }
  }
})

tap.test('a file of the data folder that is damaged, or cannot be read, is named with the way out', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-damaged-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'server.json')
  writeFileSync(file, '{', { mode: 0o600 })
  t.match(await latchkey({ LATCHKEY_DATA: folder }, 'whoami'), {
    code: 1,
    stderr: `latchkey: ${file} is damaged: remove it and start the server again, or name the server with --url.`
  })
  rmSync(file)
  mkdirSync(file)
  t.match(await latchkey({ LATCHKEY_DATA: folder }, 'whoami'), {
    code: 1, stderr: `latchkey: ${file} cannot be read (EISDIR): use the account that runs the server, or LATCHKEY_URL`
  })
})

tap.test('a variable that is mistyped is named by a command and by the server\'s log, and its value is not', async t => {
  const value = newSecret()
  const sentence = 'LATCHKEY_ULR: is unknown and ignored; the nearest known variable is LATCHKEY_URL'
  const ran = await latchkey(
    { LATCHKEY_DATA: server.folder, LATCHKEY_ADMIN_TOKEN: server.adminToken, LATCHKEY_ULR: value },
    'whoami'
  )
  t.match(ran, { code: 0, stderr: `latchkey: ${sentence}\n` })
  const odd = await startServer({ environment: { LATCHKEY_ULR: value } })
  t.teardown(odd.close)
  const said = odd.lines.map(
    line => JSON.parse(line) as { level: number, msg: string }
  ).filter(({ msg }) => msg === sentence)
  t.match(said, [{ level: 40 }])
  t.equal(said.length, 1)
  t.notMatch(odd.lines.join('') + ran.stdout + ran.stderr, value)
})

tap.test('a first start that fails loses nothing: the next one says where the token is and how the operator signs in', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const folder = t.testdir()
  const failed = await latchkey({ LATCHKEY_DATA: folder, PORT: String(port) }, 'serve')
  t.match(failed, { code: 1, stderr: /PORT: another program listens/ })
  await t.test('the next start', async t => {
    const { said } = await startProcess(t, { LATCHKEY_DATA: folder })
    const banner = await eventually(said, text => text.includes('Next, in another terminal'))
    t.match(banner, `The admin token is in ${join(folder, 'admin-token')}; commands on this machine find it there.`)
    t.match(banner, /sign-in-link mem_\w+$/m)
    t.notMatch(banner, readFileSync(join(folder, 'admin-token'), 'utf8').trim(), 'what is no terminal gets no secret')
    t.match(await latchkey({ LATCHKEY_DATA: folder }, 'org', 'create', 'Acme'), { code: 0 })
  })
  await t.test('the start after that', async t => {
    const { said } = await startProcess(t, { LATCHKEY_DATA: folder })
    const banner = await eventually(said, text => /sign-in-link mem_\w+$/m.test(text))
    t.notMatch(banner, /org create|admin token/i, 'a deployment in use is told no first commands')
  })
})

tap.test('the banner says where the data is', async t => {
  const placeSaidWith = async (environment: Record<string, string>): Promise<[place: string, folder: string]> => {
    const { said, dataFolder } = await startProcess(t, environment)
    const banner = await eventually(said, text => text.includes('Next, in another terminal'))
    return [/its data is in (.*)\.$/m.exec(banner)![1]!, dataFolder]
  }
  const database = await freshDatabase()
  t.teardown(database.drop)
  const { host, pathname } = new URL(database.url)
  const [onPostgresql] = await placeSaidWith({ DATABASE_URL: database.url })
  t.equal(onPostgresql, `the PostgreSQL database ${pathname.slice(1)} at ${host}`)
  const [onSqlite, folder] = await placeSaidWith({})
  t.equal(onSqlite, folder)
  const file = join(server.folder, 'elsewhere', 'latchkey.db')
  const [elsewhere] = await placeSaidWith({ DATABASE_URL: `file:${file}` })
  t.equal(elsewhere, file)
})

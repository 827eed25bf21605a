/** Graceful shutdown on a signal, in the order that load balancers, callers and the database need. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import tap, { type Test } from 'tap'
import { shutDown } from '../../src/server/shutdown.ts'
import { MovableClock, startServer, type Answer } from '../support/test-server.ts'
import { freePort, latchkeyCommand, listening, ownEnvironment, run } from '../support/running-server.ts'
import { eventually, until } from '../support/waiting.ts'

/** `latchkey serve` in a process of its own. */
async function serving (t: Test, environment: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-shutdown-'))
  const port = await freePort()
  const all = ownEnvironment({
    LATCHKEY_DATA: join(folder, 'data'), PORT: String(port), LATCHKEY_ISSUER: `http://127.0.0.1:${port}`, ...environment
  })
  const child = spawn(process.execPath, [latchkeyCommand, 'serve'], {
    cwd: folder, env: all, stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  child.stdout.on('data', bytes => { said += String(bytes) })
  child.stderr.on('data', bytes => { said += String(bytes) })
  t.teardown(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await listening(join(folder, 'data'), child, () => said)
  return { child, url: `http://127.0.0.1:${port}`, port, file: join(folder, 'data', 'latchkey.db'), said: () => said }
}

/** A request whose body is incomplete. Resolves once the server has it, which answers `100 Continue`. */
async function begin (port: number): Promise<{ socket: Socket, answer: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(
    'POST /api/v1/auth/token HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: ' +
      'application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\ngrant'
  )
  await once(socket, 'data')
  const chunks: Buffer[] = []
  const answer = new Promise<string>(resolve => {
    socket.on('data', chunk => chunks.push(chunk)).on('error', () => {}).on('close', () => {
      resolve(Buffer.concat(chunks).toString())
    })
  })
  return { socket, answer }
}

async function ended (child: ChildProcess): Promise<{ code: number | null, took: number }> {
  const began = performance.now()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return { code: child.exitCode, took: performance.now() - began }
}

tap.test('SIGTERM: not ready first, then new requests are told to go, who has begun is answered, and the exit code is 0', async t => {
  const { child, url, port } = await serving(t, { LATCHKEY_SHUTDOWN_DELAY: '8', LATCHKEY_SHUTDOWN_PATIENCE: '60' })
  t.equal((await fetch(`${url}/readyz`)).status, 200)
  const begun = await begin(port)
  child.kill('SIGTERM')
  const readiness = await eventually(() => fetch(`${url}/readyz`), ({ ok }) => !ok)
  t.equal(readiness.status, 503, 'balancers are told')
  t.match(readiness.headers.get('retry-after'), /^\d+$/)
  t.strictSame(await readiness.json(), {
    error: 'The server is not ready: serving.', code: 'NOT_READY', details: { notReady: ['serving'] }
  })
  t.equal((await fetch(`${url}/.well-known/jwks.json`)).status, 200, 'while everybody is served on')
  const refused = await eventually(() => fetch(`${url}/api/v1/organizations`), ({ status }) => status === 503)
  t.equal(refused.status, 503, 'a new connection is told to go')
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.equal(refused.headers.get('connection'), 'close')
  t.strictSame(await refused.json(), {
    error: 'The server is shutting down; retry, another server will answer.',
    code: 'SHUTTING_DOWN',
    details: { requestId: refused.headers.get('x-request-id') }
  })
  t.equal((await fetch(`${url}/healthz`)).status, 200, 'and the process still answers for itself')
  begun.socket.write('_type')
  t.match(await begun.answer, /^HTTP\/1\.1 401 /, 'who had begun is answered')
  t.equal((await ended(child)).code, 0)
})

tap.test('SIGTERM: a caller that keeps its connection busy is told to go by 503 and connection: close, and none is cut off', async t => {
  const { child, port } = await serving(t, {})
  const busy = Array.from({ length: 20 }, async (_, i) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      for (;;) {
        const answer = await new Promise<IncomingMessage>((resolve, reject) => {
          const path = ['/.well-known/jwks.json', '/api/v1/clients', '/api/v1/oauth/introspect', '/nowhere'][i % 4]!
          request(
            { host: '127.0.0.1', port, path, agent, method: path.endsWith('introspect') ? 'POST' : 'GET' }, resolve
          ).on('error', reject).end()
        })
        answer.resume()
        await once(answer, 'end')
        if (answer.headers.connection === 'close') return answer.statusCode
        await pause(i % 5)
      }
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    } finally {
      agent.destroy()
    }
  })
  await pause(500)
  child.kill('SIGTERM')
  t.strictSame(new Set(await Promise.all(busy)), new Set([503]))
  t.equal((await ended(child)).code, 0)
})

tap.test('SIGTERM: patience with requests that do not end is bounded', async t => {
  const { child, port } = await serving(t, { LATCHKEY_SHUTDOWN_PATIENCE: '1' })
  const { answer } = await begin(port)
  child.kill('SIGTERM')
  const { code, took } = await ended(child)
  t.equal(code, 0)
  t.ok(took < 20_000, `${took} ms: before the request itself has had its time`)
  await answer
})

tap.test('a second signal ends at once', async t => {
  const { child, url, port } = await serving(t, { LATCHKEY_SHUTDOWN_PATIENCE: '60' })
  const { answer } = await begin(port)
  child.kill('SIGTERM')
  await until('it has taken note of the first one', async () => (await fetch(`${url}/readyz`)).status === 503)
  t.equal(child.exitCode, null, 'which waits')
  child.kill('SIGTERM')
  const { code, took } = await ended(child)
  t.equal(code, 143)
  t.ok(took < 20_000, `${took} ms`)
  await answer
})

tap.test('while it shuts down each route says so in its own words', async t => {
  let letGo = () => {}
  const server = await startServer({
    mount: async (app, latchkey) => {
      app.get('/own', async () => await new Promise(resolve => { letGo = () => { resolve({}) } }))
      for (const [path, style] of [['craftkit', 'craftkit'], ['problem', 'rfc9457']] as const) {
        const { styles } = await import('../../src/domain/resources/style.ts')
        const identifier = `https://${path}.test`
        const { createResource } = await import('../../src/domain/declaration/resource-declaration.ts')
        await createResource(
          latchkey.operation,
          { identifier, name: path, scopes: [], style: styles[style], organizationId: null } as never
        )
        await app.register(async api => {
          await api.register(latchkey.guard, { resource: identifier })
          api.get(`/${path}`, { config: { scopes: [] } }, async () => ({}))
        })
      }
    },
  })
  t.teardown(server.close)
  const { key } = await server.createKey()
  const held = server.send({ path: '/own' })
  await until('it is under way', () => server.latchkey.telemetry.metrics.requestsInFlight > 0)
  const left = shutDown(server.app, server.latchkey.telemetry, { delayMs: 0, timeoutMs: 30_000 })
  await until(
    'new requests are turned away', () => server.latchkey.telemetry.availability.rejecting === 'shutting_down'
  )
  const turnedAway = (answer: Answer, why: string) => {
    t.equal(answer.status, 503, why)
    t.match(answer.headers['retry-after'], /^\d+$/, why)
    t.equal(answer.headers.connection, 'close', why)
    t.notMatch(answer.headers['www-authenticate'], 'Bearer', `${why}: it says nothing of the credential`)
    return answer.json
  }
  const management = turnedAway(await server.admin('GET', '/clients'), 'management')
  t.strictSame(Object.keys(management), ['error', 'code', 'details'])
  const token = turnedAway(await server.tokenRequest({ clientId: 'x', clientSecret: 'y' }), 'the token endpoint')
  t.strictSame(token, {
    error: 'temporarily_unavailable',
    error_description: 'The server is shutting down; retry, another server will answer.'
  })
  t.match(turnedAway(await server.withKey(key), 'ledgerbee'), { statusCode: 503, path: '/api/v1/invoices' })
  t.match(turnedAway(await server.send({ path: '/problem' }), 'problem details'), {
    status: 503, code: 'SHUTTING_DOWN'
  })
  turnedAway(await server.send({ path: '/craftkit' }), 'craftkit')
  turnedAway(await server.send({ path: '/own' }), 'a public route of the application')
  turnedAway(await server.send({ path: '/nowhere' }), 'an unknown path')
  t.equal((await server.send({ path: '/healthz' })).status, 200)
  t.match(
    (await server.send({ path: '/prom' })).text, /latchkey_http_requests_turned_away_total\{reason="shutting_down"\} 7/
  )
  letGo()
  t.equal((await held).status, 200)
  await left
  t.strictSame(server.lines.filter(line => JSON.parse(line).level >= 50), [], 'what is expected is no error')
})

tap.test('usage and refusals are written before the database is let go', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-flush-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const database = `file:${join(folder, 'kept.db')}`
  // Usage is read by the month: none ends in between.
  const clock = new MovableClock()
  clock.stop()
  const first = await startServer({ database, clock })
  const key = await first.createKey()
  for (let i = 0; i < 5; i++) await first.withKey(key.key)
  t.equal((await first.withKey(key.key, '/api/v1/company')).status, 403)
  await shutDown(first.app, first.latchkey.telemetry, { delayMs: 0, timeoutMs: 5_000 })
  await first.close()
  const second = await startServer({
    database, clock, bare: true, issuer: first.issuer, environment: { LATCHKEY_SECRET: first.secret }
  })
  t.teardown(second.close)
  const used = (await second.admin('GET', `/api-keys/${key.id}/usage`)).json
  t.equal(used.calls, 5)
  t.match((await second.admin('GET', `/audit?subject=${key.id}&type=credential.refused`)).json.data, [{
    detail: { reason: 'insufficient_scope' }
  }])
})

/** Makes the database refuse new rows of a table, until the result is called. */
function refuseRows (database: string, table: string): () => void {
  const run = (sql: string) => {
    const connection = new Database(database, { timeout: 5_000 })
    connection.exec(sql)
    connection.close()
  }
  run(`CREATE TRIGGER refuse_${table} BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'refused'); END`)
  return () => { run(`DROP TRIGGER refuse_${table}`) }
}

tap.test('what the database does not take at the end is tried again within the patience', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-flush-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'kept.db')
  const server = await startServer({ database: `file:${file}` })
  const [client, key] = [await server.createClient(), await server.createKey()]
  const accept = ['KeyUsage', 'TokenUsage', 'AuditEvent'].map(table => refuseRows(file, table))
  t.equal((await server.tokenRequest(client)).status, 200)
  t.equal((await server.withKey(key.key)).status, 200)
  t.equal((await server.withKey(key.key, '/api/v1/company')).status, 403)
  const { metrics } = server.latchkey.telemetry
  const left = shutDown(server.app, server.latchkey.telemetry, { delayMs: 0, timeoutMs: 60_000 })
  const failures = (job: string) => metrics.jobFailures.entries().find(([name]) => name === job)?.[2] ?? 0
  while (['calls', 'tokens_issued', 'refusals'].some(job => failures(job) < 3)) await pause(20)
  for (const each of accept) each()
  await left
  await server.close()
  t.strictSame(metrics.lost.entries(), [])
  const connection = new Database(file, { readonly: true })
  t.strictSame(
    [
      'SELECT sum(calls) AS n FROM KeyUsage', 'SELECT sum(tokens) AS n FROM TokenUsage',
      "SELECT count(*) AS n FROM AuditEvent WHERE type = 'credential.refused'"
    ].map(sql => (connection.prepare(sql).get() as { n: number }).n),
    [1, 1, 1]
  )
  connection.close()
})

tap.test('what the database has not taken when the patience is over is logged as lost, and the exit code is 1', async t => {
  const { child, url, file, said } = await serving(t, {
    LATCHKEY_SHUTDOWN_PATIENCE: '2', LATCHKEY_ADMIN_TOKEN: 'lkadm_0123456789abcdefghijklmnopqrst'
  })
  refuseRows(file, 'AuditEvent')
  for (let i = 0; i < 5; i++) {
    t.equal((await fetch(`${url}/api/v1/clients`, { headers: { authorization: 'Bearer nonsense' } })).status, 401)
  }
  child.kill('SIGTERM')
  const { code, took } = await ended(child)
  t.equal(code, 1)
  t.ok(took >= 1_500, `tried for ${took} ms`)
  const lines = said().split('\n').filter(line => line.includes('is lost')).map(line => JSON.parse(line) as object)
  t.match(lines, [{ level: 50, job: 'refusals', lost: 5 }])
  t.equal(lines.length, 1)
})

tap.test('LATCHKEY_METRICS names an address: the numbers are told there and nowhere else, and it ends with the server', async t => {
  const metrics = await freePort()
  const { child, url } = await serving(t, { LATCHKEY_METRICS: `127.0.0.1:${metrics}` })
  const own = `http://127.0.0.1:${metrics}`
  t.match(await (await fetch(`${own}/prom`)).text(), 'latchkey_build_info')
  for (const path of ['/healthz', '/readyz']) t.equal((await fetch(own + path)).status, 200, path)
  for (const path of ['/api/v1/clients', '/.well-known/jwks.json']) t.equal((await fetch(own + path)).status, 404, path)
  t.equal((await fetch(`${url}/prom`)).status, 404)
  child.kill('SIGTERM')
  t.equal((await ended(child)).code, 0)
})

tap.test('a server that fails to close logs the error, and the exit code is 1', async t => {
  const program = `
    import Fastify from 'fastify'
    import { shutDownOnSignal } from '${new URL('../../src/server/shutdown.ts', import.meta.url).href}'
    import { newTelemetry } from '${new URL('../../src/telemetry/telemetry.ts', import.meta.url).href}'
    const app = Fastify({ logger: true })
    app.addHook('onClose', async () => { throw new Error('it does not close') })
    shutDownOnSignal(app, newTelemetry(), { delayMs: 0, timeoutMs: 0 })
    await app.listen({ port: 0, host: '127.0.0.1' })
    process.kill(process.pid, 'SIGTERM')`
  const { code, stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
  t.equal(code, 1)
  t.match(stdout, /^\{"level":60,.*"msg":"it does not close"\}$/m)
})

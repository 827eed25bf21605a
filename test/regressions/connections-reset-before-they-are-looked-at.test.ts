/**
 * A client that resets its connection (SO_LINGER 0) leaves a request without an address. The audit row of its refusal
 * could not be built: two minutes later the process ended, or another client's request failed with 500, and a change
 * requested on such a connection was rolled back.
 */
import { createServer, request as httpRequest } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { databases } from '../support/databases.ts'
import { basic, startServer, type Json, type TestServer } from '../support/test-server.ts'

async function serverOn (t: Test, database: typeof databases[number], trustProxy = ''): Promise<TestServer> {
  const { url, drop } = await database.fresh()
  const server = await startServer({ database: url, registration: 'open', trustProxy })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  return server
}

/** One request of every kind, refused and admitted, as text. */
async function requests (server: TestServer) {
  const organization = await server.createOrganization()
  const client = await server.createClient({ organization: organization.id })
  const { key } = await server.createKey({ organization: organization.id })
  const admin = `authorization: Bearer ${server.adminToken}`
  const credentials = `authorization: ${basic(client.clientId, client.clientSecret)}`
  const form = 'content-type: application/x-www-form-urlencoded'
  const json = 'content-type: application/json'
  const text = (method: string, path: string, headers: string[], body = '') =>
    [
      `${method} ${path} HTTP/1.1`, 'host: x', ...headers,
      ...(body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]), '', body
    ].join('\r\n')
  return (n: number): string => {
    const all = [
      text('GET', '/api/v1/clients', ['authorization: Bearer nonsense']),
      text('GET', '/api/v1/clients', [admin]),
      text('POST', '/api/v1/organizations', [admin, json], JSON.stringify({ name: `reset ${n}` })),
      text('GET', '/api/v1/invoices', ['x-api-key: nonsense']),
      text('GET', '/api/v1/invoices', [`x-api-key: ${key}`]),
      text('POST', '/api/v1/auth/token', [form, credentials], 'grant_type=client_credentials'),
      text('POST', '/api/v1/auth/token', [form], 'grant_type=client_credentials&client_id=nobody&client_secret=wrong'),
      text('POST', '/api/v1/oauth/introspect', [form, credentials], 'token=nonsense'),
      text('POST', '/api/v1/oauth/revoke', [form, credentials], 'token=nonsense'),
      text('POST', '/api/v1/oauth/register', [json], JSON.stringify({ client_name: 'reset' })),
      text(
        'POST', '/api/v1/oauth/register', [json, 'authorization: Bearer nonsense'],
        JSON.stringify({ client_name: 'reset' })
      ),
      text('GET', '/.well-known/oauth-authorization-server', []),
      text('GET', '/healthz', []),
      text('GET', '/nowhere', []),
      'nonsense\r\n\r\n',
    ]
    return all[n % all.length]!
  }
}

/** Sends, waits so many milliseconds, and resets. */
async function sendAndReset (port: number, text: string, after: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => { socket.on('close', () => { resolve() }) })
  await once(socket, 'connect')
  socket.write(text)
  if (after > 0) await pause(after)
  socket.resetAndDestroy()
  await closed
}

/** Failures in the log, except for a database that answers late on a busy machine. */
function failuresOf ({ lines }: TestServer): string[] {
  return lines.filter(line =>
    /"statusCode":500|"level":[56]0/.test(line) && !line.includes('"code":"storage_unavailable"')
  )
}

/** Except for the feed, which may be late on a busy machine. */
function jobsThatFailed ({ latchkey }: TestServer): string[] {
  return latchkey.telemetry.metrics.jobFailures.entries().map(([job]) => job).filter(job => job !== 'feed')
}

for (const database of databases) {
  tap.test(`N8: 1,000 connections reset at 0 to 20 ms, on every kind of route, cost nobody anything [${database.name}]`, async t => {
    const server = await serverOn(t, database)
    const requestNumber = await requests(server)
    const { key } = await server.createKey()
    const over = new AbortController()
    const others = (async () => {
      const statuses = new Set<number>()
      while (!over.signal.aborted) {
        statuses.add((await server.withKey(key)).status)
        await pause(2)
      }
      return statuses
    })()
    for (let n = 0; n < 1_000; n += 10) {
      await Promise.all(
        Array.from({ length: 10 }, (_, i) => sendAndReset(server.port, requestNumber(n + i), (n + i) % 21))
      )
    }
    over.abort()
    t.strictSame([...await others], [200], 'all others are served')
    // Counted refusals become rows when the next one comes.
    server.clock.advance(180)
    t.equal((await server.send({ path: '/api/v1/clients', headers: { authorization: 'Bearer nonsense' } })).status, 401)
    await server.close()
    t.equal(server.latchkey.telemetry.metrics.lost.total, 0, 'everything recorded is written')
    t.strictSame(failuresOf(server), [])
    t.strictSame(jobsThatFailed(server), [])
  })

  for (const trustProxy of ['', '192.0.2.1']) {
    tap.test(`N8: where the address cannot be told changes are made, rows are written, and allowlists let nothing pass${trustProxy && ', behind proxies too'} [${database.name}]`, async t => {
      const server = await serverOn(t, database, trustProxy)
      // A Unix socket has no addresses: every request on it looks like one on a reset connection.
      const folder = await mkdtemp(join(tmpdir(), 'latchkey-path-'))
      const socketPath = join(folder, 'socket')
      const listener = createServer((request, response) => { server.app.routing(request, response) }).listen(socketPath)
      await once(listener, 'listening')
      t.teardown(async () => {
        listener.close()
        await rm(folder, { recursive: true })
      })
      const send = async (
        method: string, path: string, headers: Record<string, string>, body?: string
      ): Promise<{ status: number, json: Json }> =>
        await new Promise((resolve, reject) => {
          const outgoing = httpRequest({
            socketPath,
            method,
            path,
            headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }
          }, incoming => {
            let text = ''
            incoming.on('data', chunk => {
              text += String(chunk)
            }).on('end', () => {
              resolve({ status: incoming.statusCode!, json: text.startsWith('{') ? JSON.parse(text) as Json : {} })
            })
          })
          outgoing.on('error', reject)
          outgoing.end(body)
        })
      const admin = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
      const form = 'application/x-www-form-urlencoded'
      const organization = await send(
        'POST', '/api/v1/organizations', admin, JSON.stringify({ name: 'without an address' })
      )
      t.equal(organization.status, 201, 'a change is made')
      const [row] = (await server.admin('GET', `/audit?type=organization.created&subject=${organization.json.id}`)).json
        .data as Json[]
      t.equal(row?.address, 'unknown', 'and its row says that the address could not be told')

      const key = await server.createKey({ organization: organization.json.id })
      const bound = await server.createKey({ organization: organization.json.id, allowlist: ['0.0.0.0/0', '::/0'] })
      t.equal((await send('GET', '/api/v1/invoices', { 'x-api-key': key.key })).status, 200)
      t.equal(
        (await send('GET', '/api/v1/invoices', { 'x-api-key': bound.key })).status, 401,
        'no allowlist lets it pass, not even one of all addresses'
      )
      t.equal(
        (await send('DELETE', `/api/v1/api-keys/${key.id}`, { authorization: admin.authorization })).status, 204,
        'a revocation is made'
      )
      t.equal((await send('GET', '/api/v1/invoices', { 'x-api-key': key.key })).status, 401)

      const client = await server.createClient({ organization: organization.json.id })
      const confined = await server.createClient({
        organization: organization.json.id, allowlist: ['0.0.0.0/0', '::/0']
      })
      const token = (id: string, secret: string, more = '') =>
        send(
          'POST', '/api/v1/auth/token', { 'content-type': form },
          `grant_type=client_credentials&client_id=${id}&client_secret=${secret}${more}`
        )
      const issued = await token(client.clientId, client.clientSecret)
      t.equal(issued.status, 200)
      for (const more of ['', '&unknown=parameter']) {
        t.match(await token(confined.clientId, confined.clientSecret, more), {
          status: 401, json: { error: 'invalid_client' }
        }, 'by the fast path and by the provider')
      }
      t.equal((await token(client.clientId, 'wrong')).status, 401)
      const credentials = { authorization: basic(client.clientId, client.clientSecret), 'content-type': form }
      const revoked = await send('POST', '/api/v1/oauth/revoke', credentials, `token=${issued.json.access_token}`)
      t.equal(revoked.status, 200, 'a token is revoked')
      t.equal(
        (await send('POST', '/api/v1/oauth/introspect', credentials, `token=${issued.json.access_token}`)).json.active,
        false
      )

      const register = () =>
        send(
          'POST', '/api/v1/oauth/register', { 'content-type': 'application/json' },
          JSON.stringify({ client_name: 'x', grant_types: ['client_credentials'], response_types: [] })
        )
      const registered: number[] = []
      while (registered.length < 100 && registered.at(-1) !== 429) registered.push((await register()).status)
      t.ok(
        registered.length > 1 && registered.at(-1) === 429, 'all that cannot be told from each other are counted as one'
      )
      t.strictSame(new Set(registered), new Set([201, 429]))

      server.clock.advance(180)
      t.equal((await send('GET', '/api/v1/clients', { authorization: 'Bearer nonsense' })).status, 401)
      t.strictSame(failuresOf(server), [])
      const refused = (await server.admin('GET', '/audit?type=credential.refused')).json.data as Json[]
      t.ok(refused.some(({ address, detail }) => address === 'unknown' && detail.reason === 'address_not_allowed'))
      t.strictSame(jobsThatFailed(server), [])
    })
  }
}

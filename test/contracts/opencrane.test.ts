/** What OpenCrane states about its control plane, statement by statement, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { startOnEachDatabase } from '../harness.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { send, admin, bearer, withKey, tokenFor, createClient, createKey } = server

  test('OC-13: an operator reads the health of the server as JSON', async t => {
    const { status, json } = await admin('GET', '/health')
    t.equal(status, 200)
    t.strictSame(Object.keys(json), ['status', 'version', 'startedAt', 'uptimeSeconds', 'checks'])
    t.equal(json.status, 'ready')
    t.ok(Date.parse(json.startedAt) <= Date.now())
    t.strictSame(Object.keys(json.checks), ['serving', 'database', 'migrations', 'signing_key'])
    for (const [check, outcome] of Object.entries(json.checks)) t.match(outcome, { ok: true, problem: null, milliseconds: Number }, check)
  })

  test('OC-13: an operator reads aggregate numbers as JSON, and they are what happened', async t => {
    const before = (await admin('GET', '/metrics')).json
    const client = await createClient()
    const { key } = await createKey()
    const token = await tokenFor(client)
    t.equal((await bearer(token)).status, 200)
    for (let i = 0; i < 3; i++) t.equal((await withKey(key)).status, 200)
    t.equal((await withKey(`${key}x`)).status, 401)
    const { status, json: after } = await admin('GET', '/metrics')
    t.equal(status, 200)
    t.strictSame(Object.keys(after), ['requests', 'verdicts', 'tokensIssued', 'registry', 'database', 'pruned', 'eventLoop', 'memory'])
    t.equal(after.tokensIssued.client_credentials - (before.tokensIssued.client_credentials ?? 0), 1)
    t.equal((after.verdicts.byReason.malformed ?? 0) - (before.verdicts.byReason.malformed ?? 0), 1)
    t.equal(after.verdicts.refused - before.verdicts.refused, 1)
    // Two organizations, a client, a key and the second look at the numbers by the admin token; three calls of the key, one of the token.
    t.equal(after.verdicts.admitted - before.verdicts.admitted, 9)
    t.equal(after.requests.byStatus['4xx'] - (before.requests.byStatus['4xx'] ?? 0), 1)
    t.ok(after.database.transactions.committed >= before.database.transactions.committed + 4)
    t.equal(after.database.openTransactions, 0)
  })

  test('OC-13: a credential of an organization sees neither, nor does nobody', async t => {
    const { key } = await createKey({ resource: `${server.issuer}/api/v1`, scopes: ['server:read'] })
    for (const path of ['/api/v1/health', '/api/v1/metrics']) {
      t.equal((await send({ path })).status, 401)
      const refused = await withKey(key, path)
      t.equal(refused.status, 403)
      t.strictSame(Object.keys(refused.json), ['error', 'code'])
      t.equal(refused.json.code, 'INSUFFICIENT_PERMISSIONS')
    }
  })

  test('OC-14: /healthz and /prom answer without credential and prefix, and so does /readyz', async t => {
    const alive = await send({ path: '/healthz' })
    t.equal(alive.status, 200)
    t.strictSame(alive.json, { status: 'alive' })
    t.equal(alive.headers['cache-control'], 'no-store')
    const ready = await send({ path: '/readyz' })
    t.equal(ready.status, 200)
    t.strictSame(ready.json, { status: 'ready' })
    const prom = await send({ path: '/prom' })
    t.equal(prom.status, 200)
    t.match(prom.headers['content-type'], /^text\/plain; version=0\.0\.4/)
    t.match(prom.text, /^latchkey_guard_verdicts_total\{verdict="admitted",credential="admin_token"\} \d+$/m)
    for (const prefixed of ['/api/v1/healthz', '/api/v1/prom', '/api/v1/readyz']) t.equal((await send({ path: prefixed })).status, 404, prefixed)
    t.equal((await send({ path: '/healthz', headers: { authorization: 'Bearer nonsense', 'x-api-key': 'nonsense' } })).status, 200, 'a credential makes no difference')
  })
}

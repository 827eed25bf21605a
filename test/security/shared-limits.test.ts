/** Limits that two servers on one PostgreSQL count together, over HTTP. */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const database = await databases[1]!.fresh()
const environment = { LATCHKEY_LOG_LEVEL: 'silent' }
const one = await startServer({ database: database.url, environment })
const other = await startServer({
  database: database.url,
  issuer: one.issuer,
  environment: { ...environment, LATCHKEY_SECRET: one.secret, LATCHKEY_ADMIN_TOKEN: one.adminToken }
})
tap.teardown(async () => {
  await one.close()
  await other.close()
  await database.drop()
})

/** Milliseconds in which a bucket of 30 per minute drains by one: a busy machine tells the other server sooner. */
const drain = 2_000
/** Milliseconds between two tries, which alone would not fill the bucket. No multiple of the 500 between broadcasts. */
const rarely = drain + 170

tap.test('CD-10: a minute that was used up on one server is used up on the other, and no more was let through than was owed [postgresql]', async t => {
  const { key } = await one.createKey({ callsPerMinute: 60_000 / drain })
  const call = async (server: TestServer) => (await server.withKey(key)).status
  const began = performance.now()
  const first = await Promise.all(Array.from({ length: 100 }, () => call(one)))
  const lost = Math.ceil((performance.now() - began) / drain)
  const passed = first.filter(status => status === 200).length
  t.ok(passed >= 30 && passed <= 30 + lost, `the quota, and what the bucket lost meanwhile: ${passed}, ${lost}`)
  t.equal(await eventually(() => call(other), status => status === 429, rarely), 429, 'the other one has heard of it')
  const { status, headers } = await other.withKey(key)
  t.equal(status, 429)
  t.match(headers, { 'ratelimit-policy': '"minute";q=30;w=60', ratelimit: /^"minute";r=0;t=\d+$/ })
  // The other server takes all that drains meanwhile, so that only shared counts can make the first refuse.
  const over = new AbortController()
  const taking = (async () => { while (!over.signal.aborted) await call(other) })()
  t.equal(
    await eventually(() => call(one), status => status === 429, rarely), 429,
    'and the first of what the other let through until then'
  )
  over.abort()
  await taking
  t.ok(Number(headers['retry-after']) >= 1)
})

tap.test('N3: secrets that are tried on two servers are counted together; a right one passes, and another client is not touched [postgresql]', async t => {
  const [client, bystander] = [await one.createClient(), await one.createClient()]
  const from = { from: '127.0.3.1' }
  const wrong = { clientId: client.clientId, clientSecret: 'not-it' }
  for (let i = 0; i < 40; i++) await (i % 2 === 0 ? one : other).tokenRequest(wrong, {}, from)
  for (const server of [one, other]) {
    t.equal(
      await eventually(async () => (await server.tokenRequest(wrong, {}, from)).status, status => status === 429), 429
    )
    t.equal((await server.tokenRequest(client, {}, from)).status, 200, 'the right secret')
    t.equal((await server.tokenRequest(bystander, {}, from)).status, 200)
    t.equal((await server.tokenRequest(wrong, {}, { from: '127.0.3.2' })).status, 401, 'from elsewhere')
  }
})

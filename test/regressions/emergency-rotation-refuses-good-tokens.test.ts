/**
 * The signing key is rotated or revoked at once while another server learns of it late: a token issued meanwhile is
 * refused nowhere.
 */
import { randomUUID } from 'node:crypto'
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { rotateUnderLoad } from '../support/emergency-rotations.ts'
import { startCluster } from '../support/cluster.ts'
import { decodeJwt, startServer, type Json } from '../support/test-server.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startNetworkProxy } from '../support/network-proxy.ts'

const lease = 1_000
const issuer = 'http://localhost:3998'
const environment = {
  LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`, LATCHKEY_REPLICA_LEASE: String(lease)
}

tap.test('K1: a token that a server signs during an emergency rotation is good on one that hears late [postgresql]', async t => {
  const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const proxy = await startNetworkProxy(database.url)
  const a = await startServer({ database: database.url, issuer, environment })
  const b = await startServer({ database: proxy.url, issuer, environment })
  t.teardown(async () => {
    proxy.delay.listener = 0
    await b.close()
    await a.close()
    await proxy.close()
    await database.drop()
  })
  const client = await a.createClient()
  const kidOf = (token: string): string => decodeJwt(token).header.kid
  const active = async (): Promise<string> => (await a.admin('GET', '/signing-keys?state=active')).json.data[0].id
  const rotate = (headers: Json = {}) =>
    a.send({
      method: 'POST',
      path: '/api/v1/signing-keys/rotate',
      headers: { authorization: `Bearer ${a.adminToken}`, ...headers },
      body: { now: true }
    })
  const idempotencyKey = randomUUID()
  const changes: [string, () => ReturnType<typeof rotate>][] = [
    ['rotated', rotate],
    ['rotated by an Idempotency-Key', () => rotate({ 'idempotency-key': idempotencyKey })],
    ['revoked', async () => a.admin('POST', `/signing-keys/${await active()}/revoke`)],
  ]
  for (const [what, change] of changes) {
    const before = await active()
    // Server B receives each change with a quarter of its lease left, and answers from its cache until then.
    proxy.delay.listener = lease / 4
    let isAnswered = false
    const answer = change().finally(() => { isAnswered = true })
    const kids = new Set<string>()
    const refused: string[] = []
    for (let after = 0; after < 3; after += isAnswered ? 1 : 0) {
      const token = await a.tokenFor(client)
      kids.add(kidOf(token))
      const { status, text } = await b.bearer(token)
      // A token of the key that is being revoked may already be invalid.
      if (status !== 200 && !(what === 'revoked' && kidOf(token) === before)) refused.push(`${status} ${text}`)
    }
    const { status, json } = await answer
    proxy.delay.listener = 0
    t.match(
      [status, json], what === 'revoked' ? [200, { id: before, state: 'revoked' }] : [201, { state: 'active' }], what
    )
    t.strictSame(refused, [], what)
    t.equal(kids.size, 2, 'there were tokens of either key')
    t.not(kidOf(await a.tokenFor(client)), before, 'another key signs when it is answered')
  }
  const keys = async () => (await a.admin('GET', '/signing-keys')).json.data.length
  const count = await keys()
  t.equal((await rotate({ 'idempotency-key': idempotencyKey })).status, 201)
  t.equal(await keys(), count, 'asked for once more by the same Idempotency-Key, nothing is made')
  t.strictSame((await a.admin('GET', '/audit?type=signing_key.published')).json.data.length, 3)
})

tap.test('K1: no token is refused while two processes rotate at once under load, and none that is not of a revoked key [postgresql]', async t => {
  const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const cluster = await startCluster(database.url, 2, lease)
  t.teardown(async () => {
    await cluster.stop()
    await database.drop()
  })
  const { rotations, revocations, keys, uses, refused, unavailable } = await rotateUnderLoad(cluster, {
    rotations: 8, revokeEvery: 4, callers: 4
  })
  t.strictSame({ rotations, revocations, keys, refused, unavailable }, {
    rotations: 8, revocations: 2, keys: 9, refused: [], unavailable: []
  })
  t.ok(uses >= 100)
})

/** Signing keys change while the server runs; whoever holds a token never notices. */
import { createLocalJWKSet, jwtVerify } from 'jose'
import tap from 'tap'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { openSigningKeys } from '../../src/domain/tokens/key-ring.ts'
import { revokeSigningKey } from '../../src/domain/tokens/signing-key-revocation.ts'
import { publishNextKey, signAtOnce } from '../../src/domain/tokens/signing-key-rotation.ts'
import { decodeJwt, MovableClock, startOnEachDatabase, type Json, type TestServer } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

const jwksOf = async (server: TestServer): Promise<string[]> =>
  (await server.send({ path: '/.well-known/jwks.json' })).json.keys.map((key: Json) => key.kid)
const kidOf = (token: string): string => decodeJwt(token).header.kid
const statesOf = async (server: TestServer): Promise<Json> =>
  Object.fromEntries((await server.admin('GET', '/signing-keys')).json.data.map(({ id, state }: Json) => [id, state]))

for (const { name, server } of servers) {
  const { admin, clock } = server
  clock.stop()
  const rotate = async (body?: Json, headers: Record<string, string> = {}) =>
    await server.send({
      method: 'POST',
      path: '/api/v1/signing-keys/rotate',
      headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
      ...(body ? { body } : {})
    })

  tap.test(`K1: a new key is published before it signs, the old one until its last token is dead; no token is refused [${name}]`, async t => {
    const client = await server.createClient()
    const before = await server.tokenFor(client)
    const [first] = await jwksOf(server) as [string]
    t.equal(kidOf(before), first)

    const answer = await rotate()
    t.equal(answer.status, 201)
    const { id: second, ...key } = answer.json
    t.strictSame(Object.keys(key), [
      'algorithm', 'state', 'publicJwk', 'createdAt', 'activatedAt', 'retiredAt', 'publishedUntil', 'revokedAt',
      'revokedReason'
    ])
    t.match(key, {
      algorithm: 'ES256', state: 'pending', publicJwk: { kid: second, kty: 'EC' }, retiredAt: null, publishedUntil: null
    })
    t.notOk('d' in key.publicJwk)
    t.equal(Date.parse(key.activatedAt) - Date.parse(key.createdAt), 300_000)
    t.strictSame(await jwksOf(server), [first, second], 'published, not signing')
    const published = createLocalJWKSet((await server.send({ path: '/.well-known/jwks.json' })).json as never)
    t.equal(kidOf(await server.tokenFor(client)), first)
    t.strictSame((await rotate()).json.code, 'CONFLICT', 'one at a time')

    clock.advance(298)
    const last = await server.tokenFor(client)
    t.equal(kidOf(last), first)
    clock.advance(3)
    const after = await server.tokenFor(client)
    t.equal(kidOf(after), second, 'the change needs nobody to make it')
    t.strictSame(await jwksOf(server), [second, first], 'the one that signs comes first')
    await jwtVerify(after, published, { currentDate: clock.now() })
    for (const token of [before, last, after]) t.equal((await server.bearer(token)).status, 200)
    t.strictSame(await statesOf(server), { [first]: 'retired', [second]: 'active' })

    clock.advance(3_590)
    t.equal((await server.bearer(last)).status, 200, 'the last token of the old key lives to its end')
    await runHousekeeping(server.latchkey.operation)
    t.strictSame(await jwksOf(server), [second, first])
    clock.advance(400)
    t.strictSame(await jwksOf(server), [second], 'then the old key is gone')
    await runHousekeeping(server.latchkey.operation)
    t.strictSame(await statesOf(server), { [first]: 'gone', [second]: 'active' })
    clock.advance(86_400)
    await runHousekeeping(server.latchkey.operation)
    t.strictSame(await statesOf(server), { [second]: 'active' }, 'a day later with its private half')
    t.strictSame((await admin('GET', `/audit?subject=${first}`)).json.data[0].type, 'signing_key.removed')
  })

  tap.test(`K1: in an emergency the new key signs at once, a pending one first; sessions of the old one pass on [${name}]`, async t => {
    const client = await server.createClient()
    const [first] = await jwksOf(server) as [string]
    const before = await server.tokenFor(client)
    const { id: pending } = (await rotate({})).json
    const key = { 'idempotency-key': `emergency-${name}` }
    const now = await rotate({ now: true }, key)
    t.match(now.json, { id: pending, state: 'active' }, 'the one that is published already')
    t.equal((await rotate({ now: true }, key)).text, now.text, 'asked again, it is not rotated again')
    const after = await server.tokenFor(client)
    t.equal(kidOf(after), pending)
    const { id: third } = (await rotate({ now: true })).json
    t.equal(kidOf(await server.tokenFor(client)), third)
    for (const token of [before, after]) t.equal((await server.bearer(token)).status, 200)
    t.strictSame(await statesOf(server), { [first]: 'retired', [pending]: 'retired', [third]: 'active' })
    t.strictSame((await admin('GET', '/signing-keys?state=active')).json.data.map((each: Json) => each.id), [third])
    const pages: string[] = []
    for (let cursor = ''; ;) {
      const page = (await admin('GET', `/signing-keys?limit=1${cursor}`)).json
      pages.push(...page.data.map((each: Json) => each.id))
      if (!page.pagination.hasMore) break
      cursor = `&cursor=${page.pagination.nextCursor}`
    }
    t.strictSame(pages.toSorted(), [first, pending, third].toSorted())
    t.match((await admin('GET', `/signing-keys/${third}`)).json, { id: third, state: 'active' })
    t.equal((await admin('GET', '/signing-keys/nothing')).status, 404)
  })

  tap.test(`K1: a key that is revoked between publication and its first signature does not sign [${name}]`, async t => {
    const { operation, config } = server.latchkey
    const { kid } = await publishNextKey(operation, config.secrets)
    t.equal((await admin('POST', `/signing-keys/${kid}/revoke`)).status, 200)
    for (const none of [kid, 'nothing']) {
      await t.rejects(signAtOnce(operation, none), { code: 'conflict', message: /revoked before it could sign/ })
    }
    t.equal((await statesOf(server))[kid], 'revoked')
  })

  tap.test(`K1: a key whose successors are all revoked before it ends stays [${name}]`, async t => {
    const { operation, config } = server.latchkey
    const [signing] = await jwksOf(server) as [string]
    const { store } = operation
    let successors = 0
    // After each transaction, as if another operator did so.
    const revoking: typeof store.transaction = async (work, isolation) => {
      const result = await store.transaction(work, isolation)
      await store.transaction(async tx => {
        const now = operation.clock()
        for (const key of await tx.signingKeys.all()) {
          if (key.kid === signing) await tx.signingKeys.update({ ...key, retiredAt: null, publishedUntil: null })
          else if (key.revokedAt === null && key.activatedAt <= now && key.retiredAt === null) {
            successors++
            await tx.signingKeys.update({ ...key, revokedAt: now })
          }
        }
      })
      return result
    }
    await t.rejects(
      revokeSigningKey({ ...operation, store: { ...store, transaction: revoking } }, config.secrets, signing, null),
      { code: 'conflict', message: /signs again after each attempt, because its successors are revoked/ }
    )
    t.equal(successors, 4)
    t.equal((await statesOf(server))[signing], 'active')
    t.equal((await admin('POST', `/signing-keys/${signing}/revoke`)).status, 200)
  })

  tap.test(`K1: another server on the same keys signs with the same one at every instant [${name}]`, async t => {
    const { store, clock: now } = server.latchkey.operation
    const other = await openSigningKeys(store, now, [server.secret])
    const client = await server.createClient()
    await rotate({})
    await other.reload()
    for (const seconds of [0, 299, 2, 600]) {
      clock.advance(seconds)
      t.equal(kidOf(await server.tokenFor(client)), other.ring().signing.kid, `after ${seconds} seconds`)
      t.strictSame(await jwksOf(server), other.ring().jwks.keys.map(({ kid }) => kid))
    }
    t.equal(other.ring(), other.ring(), 'the same ring while nothing changes')
    const behind = new MovableClock()
    behind.advance(-86_400)
    t.ok(
      (await openSigningKeys(store, behind.now, [server.secret])).ring().signing.kid,
      'a clock that was set back still signs'
    )
  })

  tap.test(`K1: tokens minted while the key changes under load are all good [${name}]`, async t => {
    const client = await server.createClient()
    const kids = new Set<string>()
    const load = Array.from({ length: 20 }, async (_, i) => {
      if (i === 10) t.equal((await rotate({ now: true })).status, 201)
      const token = await server.tokenFor(client)
      kids.add(kidOf(token))
      t.equal((await server.bearer(token)).status, 200)
    })
    await Promise.all(load)
    const token = await server.tokenFor(client)
    t.equal(kidOf(token), (await jwksOf(server))[0])
    t.ok(kids.size >= 1)
  })
}

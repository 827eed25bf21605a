/** Several servers on one PostgreSQL, in one process: a change on one holds on all when its answer arrives. */
import { setTimeout as pause } from 'node:timers/promises'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import tap from 'tap'
import { longestLease } from '../../../src/config/variables.ts'
import { newSecret } from '../../../src/secrets/random.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { newTelemetry } from '../../../src/telemetry/telemetry.ts'
import { administer, freshDatabase } from '../../support/postgres.ts'
import { decodeJwt, startServer, type Answer, type Json, type TestServer } from '../../support/test-server.ts'
import { eventually, patience, patientLimits, timed, until } from '../../support/waiting.ts'
import { startNetworkProxy } from '../../support/network-proxy.ts'

const lease = 1_200
/** Milliseconds within which a change is answered that waited for one lease, not for two. */
const oneLease = 2 * lease
const issuer = 'http://localhost:3999'
const environment = {
  LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`, LATCHKEY_REPLICA_LEASE: String(lease)
}
const database = await freshDatabase()
const wire = await startNetworkProxy(database.url)
const servers: TestServer[] = []
const start = async (url = database.url) => {
  const server = await startServer({ database: url, issuer, environment })
  servers.push(server)
  return server
}
const a = await start()
const b = await start(wire.url)
tap.teardown(async () => {
  await Promise.all(servers.map(server => server.close()))
  await wire.close()
  await database.drop()
})

/** Queries this database. */
const sql = async (statement: string): Promise<Json[]> => (await administer(database.url, statement)).rows
/** The number of registered servers. */
const live = async (): Promise<number> =>
  (await sql('SELECT count(*)::int AS n FROM "Replica" WHERE "leftAt" IS NULL'))[0]!.n
const isTrusted = async (server: TestServer): Promise<boolean> =>
  /^latchkey_registry_trusted 1$/m.test((await server.send({ path: '/prom' })).text)

/** Acknowledgements of `server` during `act`, by outcome. */
async function heldBack (
  { latchkey: { telemetry: { metrics: { acknowledgements } } } }: TestServer, act: () => Promise<unknown>
): Promise<Json> {
  const counts = () => new Map(acknowledgements.entries().map(([why, , , { count }]) => [why, count]))
  const before = counts()
  await act()
  return Object.fromEntries(
    [...counts()].map(([why, count]) => [why, count - (before.get(why) ?? 0)]).filter(([, count]) => count !== 0)
  )
}

/** Throws unless the request succeeded. */
async function done (answer: Promise<Answer>): Promise<Answer> {
  const { status, text } = await answer
  if (status >= 300) throw new Error(`${status} ${text}`)
  return await answer
}

const on = (server: TestServer, method: string, path: string, body?: Json) => done(server.admin(method, path, body))
/** A key that the second server has cached. */
async function keyInMemory (server: TestServer = b, input: Json = {}) {
  const made = await a.createKey(input)
  await until('trust', () => isTrusted(server))
  for (let i = 0; i < 2; i++) if ((await server.withKey(made.key)).status !== 200) throw new Error('no pass')
  return made
}

tap.test('CK-04: what is changed on one server is so on the other when the answer arrives [postgresql]', async t => {
  const cases: [
    string, (organization: string) => Promise<{ ask: () => Promise<Answer>, change: () => Promise<unknown> }>, number
  ][] = [
    ['a revoked key', async organization => {
      const { id, key } = await a.createKey({ organization })
      return { ask: () => b.withKey(key), change: () => on(a, 'POST', `/api-keys/${id}/revoke`) }
    }, 401],
    ['a key with other scopes', async organization => {
      const { id, key } = await a.createKey({ organization })
      return {
        ask: () => b.withKey(key), change: () => on(a, 'PATCH', `/api-keys/${id}`, { scopes: ['company:read'] })
      }
    }, 403],
    ['a key with an allowlist', async organization => {
      const { id, key } = await a.createKey({ organization })
      return {
        ask: () => b.withKey(key), change: () => on(a, 'PATCH', `/api-keys/${id}`, { allowlist: ['192.0.2.1'] })
      }
    }, 401],
    ['a suspended organization', async organization => {
      const { key } = await a.createKey({ organization })
      return { ask: () => b.withKey(key), change: () => on(a, 'POST', `/organizations/${organization}/suspend`) }
    }, 403],
    ['a policy', async organization => {
      const { key } = await a.createKey({ organization })
      return {
        ask: () => b.withKey(key),
        change: () => on(a, 'POST', '/policies', { organization, name: 'nobody', effect: 'deny' })
      }
    }, 403],
    ['LB-11: a revoked client', async organization => {
      const client = await a.createClient({ organization })
      const token = await a.tokenFor(client)
      return { ask: () => b.bearer(token), change: () => on(a, 'POST', `/clients/${client.clientId}/revoke`) }
    }, 401],
    ['LB-12: a client with other scopes', async organization => {
      const client = await a.createClient({ organization })
      const token = await a.tokenFor(client)
      return {
        ask: () => b.bearer(token),
        change: () =>
          on(a, 'PATCH', `/clients/${client.clientId}`, { grants: [{ resource: issuer, scopes: ['company:read'] }] })
      }
    }, 401],
    ['a revoked token', async organization => {
      const client = await a.createClient({ organization })
      const token = await a.tokenFor(client)
      const body = new URLSearchParams({ token, client_id: client.clientId, client_secret: client.clientSecret })
      return {
        ask: () => b.bearer(token), change: () => done(a.send({ method: 'POST', path: '/api/v1/oauth/revoke', body }))
      }
    }, 401]
  ]
  for (const [what, prepare, status] of cases) {
    const { id } = await a.createOrganization()
    const { ask, change } = await prepare(id)
    await until('trust', () => isTrusted(b))
    for (let i = 0; i < 2; i++) t.equal((await ask()).status, 200, `before: ${what}`)
    await change()
    for (let i = 0; i < 3; i++) t.equal((await ask()).status, status, what)
  }
})

async function keyPair (): Promise<{ privateKey: CryptoKey, jwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  return { privateKey, jwk: await exportJWK(publicKey) }
}

/** A token request with an assertion (RFC 7523 §2.2). */
async function assertedBy (clientId: string, { privateKey }: { privateKey: CryptoKey }): Promise<URLSearchParams> {
  const assertion = await new SignJWT({}).setProtectedHeader({ alg: 'ES256' }).setIssuer(clientId).setSubject(clientId)
    .setAudience(issuer).setJti(newSecret()).setIssuedAt().setExpirationTime('1m').sign(privateKey)
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion
  })
}

/** Each: a request that passes on the second server, the change that ends it, and a query that finds the change. */
const endings: [
  string,
  (
    organization: string
  ) => Promise<{ ask: () => Promise<Answer>, end: (server: TestServer) => Promise<Answer>, hasEnded: string }>
][] = [
  ['a revoked key', async organization => {
    const { id, key } = await a.createKey({ organization })
    return {
      ask: () => b.withKey(key),
      end: server => on(server, 'POST', `/api-keys/${id}/revoke`),
      hasEnded: `SELECT FROM "ApiKey" WHERE id = '${id}' AND "revokedAt" IS NOT NULL`
    }
  }],
  ['a key with an allowlist', async organization => {
    const { id, key } = await a.createKey({ organization })
    return {
      ask: () => b.withKey(key),
      end: server => on(server, 'PATCH', `/api-keys/${id}`, { allowlist: ['192.0.2.1'] }),
      hasEnded: `SELECT FROM "ApiKey" WHERE id = '${id}' AND revision > 1`
    }
  }],
  ['a rotated key, by an Idempotency-Key', async organization => {
    const { id, key } = await a.createKey({ organization })
    const headers = { authorization: `Bearer ${environment.LATCHKEY_ADMIN_TOKEN}`, 'idempotency-key': newSecret() }
    const end = (server: TestServer) =>
      done(server.send({ method: 'POST', path: `/api/v1/api-keys/${id}/rotate`, headers, body: { overlapSeconds: 0 } }))
    return {
      ask: () => b.withKey(key), end, hasEnded: `SELECT FROM "ApiKey" WHERE id = '${id}' AND "rotatedTo" IS NOT NULL`
    }
  }],
  ['a deleted organization', async organization => {
    const { key } = await a.createKey({ organization })
    return {
      ask: () => b.withKey(key),
      end: server => on(server, 'DELETE', `/organizations/${organization}`),
      hasEnded: `SELECT FROM "Organization" WHERE id = '${organization}' AND status = 'deleted'`
    }
  }],
  ['a revoked client', async organization => {
    const client = await a.createClient({ organization })
    const token = await a.tokenFor(client)
    return {
      ask: () => b.bearer(token),
      end: server => on(server, 'POST', `/clients/${client.clientId}/revoke`),
      hasEnded: `SELECT FROM "Client" WHERE id = '${client.clientId}' AND "revokedAt" IS NOT NULL`
    }
  }],
  ['a revoked token', async organization => {
    const client = await a.createClient({ organization })
    const token = await a.tokenFor(client)
    const body = new URLSearchParams({ token, client_id: client.clientId, client_secret: client.clientSecret })
    return {
      ask: () => b.bearer(token),
      end: server => done(server.send({ method: 'POST', path: '/api/v1/oauth/revoke', body })),
      hasEnded: `SELECT FROM "RevokedToken" WHERE "clientId" = '${client.clientId}'`
    }
  }],
  ['a registered client with other keys', async organization => {
    const [before, after] = [await keyPair(), await keyPair()]
    const { token: initial } = await a.createRegistrationToken({ organization })
    const described = ({ jwk }: { jwk: JWK }) => ({
      token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] }
    })
    const { json: client } = await done(
      a.send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${initial}` },
        body: described(before)
      })
    )
    const token =
      (await done(
        a.send({ method: 'POST', path: '/api/v1/auth/token', body: await assertedBy(client.client_id, before) })
      )).json.access_token
    const end = (server: TestServer) =>
      done(server.send({
        method: 'PUT',
        path: `/api/v1/oauth/register/${client.client_id}`,
        headers: { authorization: `Bearer ${client.registration_access_token}` },
        body: { client_id: client.client_id, ...described(after) }
      }))
    return {
      ask: () => b.bearer(token),
      end,
      hasEnded: `SELECT FROM "Client" WHERE id = '${client.client_id}' AND generation > 1`
    }
  }]
]

tap.test('Y7: of two imported keys with one digest each ends on every server when its own revocation is answered [postgresql]', async t => {
  const digest = 'i'.repeat(42) + 'A'
  const keys: Json[] = []
  for (const name of ['one', 'other']) {
    const { id: organization } = await a.createOrganization(name)
    const resource =
      (await on(a, 'POST', '/resources', { identifier: `https://${name}.imports.test`, organization, scopes: [] })).json
    keys.push({
      ...(await on(b, 'POST', '/api-keys/import', {
        organization, resource: resource.id, environment: 'live', name, access: 'full', digest, hint: '…'
      })).json,
      resourceId: resource.id
    })
  }
  /** Whether each key is valid, by the cache of each server. */
  const living = async () =>
    await Promise.all([a, b].map(async ({ latchkey: { registry } }) =>
      await Promise.all(keys.map(async key => {
        const found = await registry.importedApiKey(digest, key.resourceId)
        return found?.id === key.id && found?.revokedAt === null
      }))
    ))
  t.strictSame(await living(), [[true, true], [true, true]])
  t.strictSame(await living(), [[true, true], [true, true]], 'now from memory')
  await on(a, 'POST', `/api-keys/${keys[0]!.id}/revoke`)
  t.strictSame(await living(), [[false, true], [false, true]])
  await on(b, 'POST', `/api-keys/${keys[1]!.id}/revoke`)
  t.strictSame(await living(), [[false, false], [false, false]])
})

tap.test('CK-04: a change that is repeated, on any server, is answered only when all servers have applied it [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  for (const again of [a, b]) {
    const cases = await Promise.all(
      endings.map(async ([what, prepare]) => ({ what, ...await prepare((await a.createOrganization()).id) }))
    )
    await until('trust', () => isTrusted(b))
    for (const { what, ask } of [...cases, ...cases]) t.equal((await ask()).status, 200, `before: ${what}`)
    // Long enough for the second answer to precede the first, and too short for the lease to end.
    wire.delay.listener = lease / 4
    const first = Promise.all(cases.map(({ end }) => end(a)))
    await Promise.all(cases.map(async ({ what, ask, end, hasEnded }) => {
      await until(`${what} is so in the database`, async () => (await sql(hasEnded)).length > 0)
      // The same server answers 409 while the first request has the same Idempotency-Key.
      if (
        await end(again).catch((error: Error) =>
          /^409 .*IN_PROGRESS/.test(error.message) ? null : Promise.reject(error)
        ) === null
      ) return
      t.ok([401, 403].includes((await ask()).status), `${what}, again on the ${again === a ? 'same' : 'other'} server`)
    }))
    await first
    wire.delay.listener = 0
  }
})

tap.test('CK-04: a server that answered while its cache was unusable does not use it again by an earlier poll [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  for (let round = 0; round < 2; round++) {
    wire.delay.listener = 0
    const { id, key } = await keyInMemory()
    // Each poll is answered shortly before its lease ends, so the lease has ended when the next one is sent.
    wire.delay.listener = lease * 5 / 6
    await pause(lease)
    await until('trust', () => isTrusted(b))
    await until('no trust', async () => !await isTrusted(b))
    await pause(lease / 4)
    const first = on(a, 'POST', `/api-keys/${id}/revoke`)
    await until(
      'it is revoked',
      async () => (await sql(`SELECT FROM "ApiKey" WHERE id = '${id}' AND "revokedAt" IS NOT NULL`)).length > 0
    )
    await on(b, 'POST', `/api-keys/${id}/revoke`)
    const passes: number[] = []
    for (const began = performance.now(); performance.now() < began + lease;) passes.push((await b.withKey(key)).status)
    t.equal(passes.indexOf(200), -1, 'nothing passes')
    await first
  }
})

tap.test('a check that memory can answer asks the database nothing [postgresql]', async t => {
  const { key } = await keyInMemory()
  const { statements, registry } = b.latchkey.telemetry.metrics
  const asked = () => statements.entries().reduce((sum, [, , , { count }]) => sum + count, 0)
  const check = async () => {
    await until('trust', () => isTrusted(b))
    const before = [asked(), registry.misses] as const
    for (let i = 0; i < 20; i++) t.equal((await b.withKey(key)).status, 200)
    return [asked() - before[0], registry.misses - before[1]]
  }
  // Other load may block this machine for longer than the lease: then the server rightly queries the database.
  t.strictSame(await eventually(check, ([statements, misses]) => statements === 0 && misses === 0), [0, 0])
})

tap.test('Y3: what was read before a change and arrives after it is not kept [postgresql]', async t => {
  const { id, key } = await a.createKey()
  await until('trust', () => isTrusted(b))
  const { caught, release } = wire.hold('pool')
  const early = b.withKey(key)
  // The key is looked up first; the answer is under way.
  await caught
  await on(a, 'POST', `/api-keys/${id}/revoke`)
  release()
  t.ok([200, 401].includes((await early).status), 'was asked before')
  for (let i = 0; i < 3; i++) t.equal((await b.withKey(key)).status, 401)
})

tap.test('of two concurrent changes, each is applied everywhere when it is answered, in whichever order they commit [postgresql]', async t => {
  const one = await keyInMemory()
  const other = await keyInMemory()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const { promise: written, resolve: wrote } = Promise.withResolvers<void>()
  const { store } = a.latchkey.operation
  const slow = store.transaction(async tx => {
    await tx.apiKeys.update({ ...(await tx.apiKeys.get(one.id))!, revokedAt: new Date() })
    wrote()
    await gate
  }, 'read committed')
  await written
  await on(a, 'POST', `/api-keys/${other.id}/revoke`)
  t.equal((await b.withKey(other.key)).status, 401, 'the later transaction, which committed first')
  t.equal((await b.withKey(one.key)).status, 200, 'the earlier one has not')
  open()
  await slow
  t.equal((await b.withKey(one.key)).status, 401, 'the earlier transaction, which committed later')
})

tap.test('a server that receives changes late never uses an outdated cache, and delays a change for a lease at most [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  for (const delay of [lease / 4, lease * 1.5]) {
    const { id, key } = await keyInMemory()
    wire.delay.listener = delay
    const took = await timed(() => on(a, 'POST', `/api-keys/${id}/revoke`))
    t.ok(took < oneLease, `${took} ms`)
    for (let i = 0; i < 3; i++) t.equal((await b.withKey(key)).status, 401)
    wire.delay.listener = 0
    await until('trust', () => isTrusted(b))
  }
})

tap.test('B3: a server that is cut off from the database lets nothing pass, delays a change for a lease at most, and recovers [postgresql]', async t => {
  const revoked = await keyInMemory()
  const good = await keyInMemory()
  await wire.cut()
  t.equal((await b.withKey(revoked.key)).status, 503, 'its listener has gone')
  t.ok(await timed(() => on(a, 'POST', `/api-keys/${revoked.id}/revoke`)) < oneLease)
  await until('it is evicted', async () => await live() === 1)
  const next = await a.createKey()
  t.strictSame(
    await heldBack(a, () => on(a, 'POST', `/api-keys/${next.id}/revoke`)), { alone: 1 }, 'is not waited for again'
  )
  for (const { key } of [revoked, good]) {
    t.match(await b.withKey(key), { status: 503, headers: { 'retry-after': /^\d+$/ } })
  }
  await wire.mend()
  t.equal((await b.withKey(good.key)).status, 200)
  t.equal((await b.withKey(revoked.key)).status, 401)
  await until('trust', () => isTrusted(b))
  t.equal((await b.withKey(revoked.key)).status, 401, 'from memory, too')
})

tap.test('B3: while the database is silent no key passes that was revoked meanwhile [postgresql]', async t => {
  const { id, key } = await keyInMemory()
  wire.swallow = true
  t.teardown(() => { wire.swallow = false })
  t.ok(await timed(() => on(a, 'POST', `/api-keys/${id}/revoke`)) < oneLease)
  // The first query to the silent database times out.
  const silent = b.withKey(key)
  await pause(lease)
  await wire.cut()
  wire.swallow = false
  t.equal((await silent).status, 503)
  await wire.mend()
  t.equal((await b.withKey(key)).status, 401)
})

tap.test('B3: once the listening connection is closed, the cache is unusable at once; the server joins again [postgresql]', async t => {
  const { key } = await keyInMemory()
  const { misses } = b.latchkey.telemetry.metrics.registry
  await sql('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = \'latchkey ' +
    'replica\' AND datname = current_database()')
  t.equal((await b.withKey(key)).status, 200)
  t.ok(b.latchkey.telemetry.metrics.registry.misses > misses, 'the database was asked')
  for (const server of [a, b]) await until('trust', () => isTrusted(server))
})

tap.test('a server that dies costs one wait, and one that leaves costs none [postgresql]', async t => {
  const own = await start()
  const [{ id: left }] = await sql('SELECT id FROM "Replica" ORDER BY "createdAt" DESC LIMIT 1') as [Json]
  await own.close()
  t.strictSame(await sql(`SELECT "leftAt" IS NOT NULL AS gone FROM "Replica" WHERE id = '${left}'`), [{ gone: true }])
  const keys = await Promise.all([1, 2, 3].map(() => a.createKey()))
  t.notOk('lapsed' in await heldBack(a, () => on(a, 'POST', `/api-keys/${keys[0]!.id}/revoke`)))
  await sql(`UPDATE "Replica" SET "leftAt" = NULL WHERE id = '${left}'`)
  const waited = await timed(async () => {
    t.strictSame(await heldBack(a, () => on(a, 'POST', `/api-keys/${keys[1]!.id}/revoke`)), { lapsed: 1 })
  })
  t.ok(waited >= lease && waited < oneLease, `${waited} ms`)
  await until(
    'it is evicted',
    async () => (await sql(`SELECT "leftAt" IS NOT NULL AS gone FROM "Replica" WHERE id = '${left}'`))[0]!.gone === true
  )
  t.notOk('lapsed' in await heldBack(a, () => on(a, 'POST', `/api-keys/${keys[2]!.id}/revoke`)))
})

tap.test('data that no check reads is written without waiting for other servers: credits that are given back [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  const { id: organizationId } = await a.createOrganization()
  await on(a, 'POST', `/organizations/${organizationId}/credits`, { environment: 'live', amount: 5, reason: 'test' })
  const { id } = await a.createKey({ organization: organizationId })
  const key = (await a.latchkey.operation.store.apiKeys.get(id))!
  const organization = (await a.latchkey.operation.store.organizations.get(organizationId))!
  const verdict = await a.latchkey.meter.admit({ consumer: key, organization, credits: 2, now: new Date() })
  wire.delay.listener = lease * 1.5
  t.strictSame(await heldBack(a, () => a.latchkey.meter.refund(verdict.ok ? verdict.spending! : '', 'our fault')), {})
  t.equal(await a.latchkey.operation.store.credits.balance({ organizationId, environment: 'live' }), 5)
})

tap.test('an evicted server joins again by itself [postgresql]', async t => {
  await sql('UPDATE "Replica" SET "leftAt" = now()')
  await until('everybody is there', async () => await live() === 2)
  const { id, key } = await keyInMemory()
  await on(a, 'POST', `/api-keys/${id}/revoke`)
  t.equal((await b.withKey(key)).status, 401)
})

tap.test('K1: a server that cannot open what others sealed delays no change, signs nothing, and recovers by itself once it can [postgresql]', async t => {
  const old = environment.LATCHKEY_SECRET
  const fresh = newSecret()
  const startWith = async (secrets: string) => {
    const server = await startServer({
      database: database.url, issuer, environment: { ...environment, LATCHKEY_SECRET: secrets }
    })
    let closing: Promise<void> | null = null
    const close = async () => {
      closing ??= server.close()
      await closing
    }
    t.teardown(close)
    return { ...server, close }
  }
  const client = await a.createClient()
  const token = () => a.tokenRequest(client)
  t.equal((await token()).status, 200)
  const c = await startWith(`${fresh},${old}`)
  await until(
    'the others have heard that it sealed the keys anew',
    async () => !await isTrusted(a) && !await isTrusted(b) && await live() === 1
  )
  const joinings = () => sql('SELECT id, joined, "leftAt" FROM "Replica" ORDER BY id')
  const before = await joinings()
  const organization = (await c.createOrganization()).id
  const whys = await heldBack(c, async () => {
    for (const began = performance.now(); performance.now() - began < 2 * lease;) {
      const { id, key } = await c.createKey({ organization })
      t.equal((await a.withKey(key)).status, 200)
      await on(c, 'POST', `/api-keys/${id}/revoke`)
      t.equal((await a.withKey(key)).status, 401, 'by the database')
      await pause(20)
    }
  })
  t.strictSame(Object.keys(whys), ['alone'])
  t.strictSame(await joinings(), before, 'they do not join before they can')
  t.notMatch(
    (await c.send({ path: '/prom' })).text, /outcome="lapsed"/,
    'not even the change that they failed at waited for them'
  )
  t.equal((await token()).status, 200, 'by the same key as before')
  await on(c, 'POST', '/signing-keys/rotate', { now: true })
  for (const answer of [await token(), await a.bearer(await c.tokenFor(client))]) {
    t.match(answer, { status: 503, headers: { 'retry-after': /^\d+$/ } })
  }
  await until('it says that it is not ready', async () => (await a.send({ path: '/readyz' })).status === 503)
  await startWith(`${old},${fresh}`)
  for (const server of [a, b]) await until('trust', () => isTrusted(server))
  t.equal((await a.bearer(await a.tokenFor(client))).status, 200)
  const { id, key } = await keyInMemory()
  await on(c, 'POST', `/api-keys/${id}/revoke`)
  t.equal((await b.withKey(key)).status, 401)
  // It has sealed keys under a secret that the others lack; a start with both secrets reseals them.
  await c.close()
  await startWith(`${old},${fresh}`)
})

tap.test('servers that join adopt the lease of those that are there [postgresql]', async t => {
  const longer = await startServer({
    database: database.url, issuer, environment: { ...environment, LATCHKEY_REPLICA_LEASE: '60000' }
  })
  t.strictSame(await sql('SELECT DISTINCT lease FROM "Replica" WHERE "leftAt" IS NULL'), [{ lease }])
  await longer.close()
})

tap.test('a server that has not joined, and whose database goes away after COMMIT, answers by no shorter lease than the others have [postgresql]', async t => {
  const own = await startNetworkProxy(database.url)
  const { store, close } = await openStorage(own.url, { secrets: [environment.LATCHKEY_SECRET], lease: lease / 3 })
  t.teardown(async () => {
    wire.swallow = false
    await close()
    await own.close()
  })
  const { id, key } = await keyInMemory()
  let isAnswered = false
  let isStale = false
  const answer = store.transaction(async tx => {
    await tx.apiKeys.update({ ...(await tx.apiKeys.get(id))!, revokedAt: new Date() })
    wire.swallow = true
    own.deafAfter = 'COMMIT'
  }, 'read committed').then(async () => {
    isAnswered = true
    isStale = await isTrusted(b) && (await b.withKey(key)).status === 200
  })
  await until('the other one goes by its memory no more', async () => !await isTrusted(b))
  t.equal(isAnswered, false)
  await own.cut()
  await own.mend()
  t.ok(await timed(() => answer) < longestLease / 2, 'once the database says who there is')
  t.equal(isStale, false)
  await wire.cut()
  wire.swallow = false
  await wire.mend()
  await until('trust', () => isTrusted(b))
  t.equal((await b.withKey(key)).status, 401)
})

tap.test('a change that is kept on a server that has joined waits for the lease of all when its database goes away after COMMIT [postgresql]', async t => {
  const { id, key } = await keyInMemory()
  const took = await timed(() => b.latchkey.operation.store.transaction(async tx => {
    await tx.apiKeys.update({ ...(await tx.apiKeys.get(id))!, revokedAt: new Date() })
    wire.deafAfter = 'COMMIT'
  }, 'read committed'))
  t.ok(took >= lease && took < oneLease, `${took} ms`)
  await wire.cut()
  await wire.mend()
  await until('trust', () => isTrusted(b))
  for (const server of [a, b]) t.equal((await server.withKey(key)).status, 401)
})

tap.test('a change of a kind that this version does not know clears the cache [postgresql]', async t => {
  // The second was written by a version that looked keys up by their digest alone.
  for (const [i, change] of ['{"of": "somethingNew"}', '{"of": "apiKey", "digest": "of another key"}'].entries()) {
    const { id, key } = await keyInMemory()
    await sql(`UPDATE "ApiKey" SET "revokedAt" = now() WHERE id = '${id}';
      INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt") VALUES ('fed_${i}', pg_current_xact_id()::text::bigint, '[${change}]', 'rpl_x', now())`)
    await until('the key is refused', async () => (await b.withKey(key)).status === 401)
    t.pass(change)
  }
})

tap.test('feed entries that every server has applied are pruned once they are old [postgresql]', async t => {
  await sql(`INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt")
    SELECT 'fed_' || what || '_' || minutes, CASE what WHEN 'foreign' THEN 9000000000000000000 ELSE pg_current_xact_id()::text::bigint END, '[]', 'rpl_x', timezone('UTC', now()) - make_interval(mins => minutes)
    FROM unnest(ARRAY[19, 21]) AS minutes, unnest(ARRAY['foreign', 'applied']) AS what`)
  await until(
    'the old ones are gone',
    async () =>
      (await sql(
        'SELECT count(*)::int AS n FROM "FeedEntry" WHERE "createdAt" < timezone(\'UTC\', now()) - interval \'20 ' +
          'minutes\''
      ))[0]!.n === 0
  )
  t.strictSame(
    await sql('SELECT id FROM "FeedEntry" WHERE "replicaId" = \'rpl_x\' AND id LIKE \'fed\\_%\\_%\' ORDER BY id'),
    [{ id: 'fed_applied_19' }, { id: 'fed_foreign_19' }]
  )
  const { id, key } = await keyInMemory()
  await on(a, 'POST', `/api-keys/${id}/revoke`)
  t.equal((await b.withKey(key)).status, 401)
})

tap.test('OC-17: drift that somebody made in the database is reported, and mended [postgresql]', async t => {
  const { id, key } = await keyInMemory()
  await sql(`UPDATE "ApiKey" SET "revokedAt" = now() WHERE id = '${id}'`)
  t.equal((await b.withKey(key)).status, 200, 'behind its back')
  const report = (await b.admin('GET', '/effective-access/drift')).json
  t.match(report, {
    differences: 1,
    replicas: [{
      source: 'memory', differences: [{ kind: 'api_key', id, difference: 'changed', fields: ['revokedAt'] }]
    }]
  })
  await on(b, 'POST', '/effective-access/repair', { dryRun: false })
  t.equal((await b.withKey(key)).status, 401)
})

tap.test('OC-13: an operator sees the servers, and how far they are [postgresql]', async t => {
  await until('trust', () => isTrusted(b))
  // A server reports its own change with its next regular poll.
  // A server of another test that could not deregister stays until a change waits for it.
  let json: Json = {}
  let live: Json[] = []
  await until('both are alive, and neither is behind', async () => {
    ({ json } = await a.admin('GET', '/replicas'))
    live = json.data.filter(({ live }: Json) => live)
    return live.length === 2 && live.every(({ behind }) => behind === 0)
  })
  t.equal(json.data.length > 2, true, 'and those that were there')
  for (const replica of live) {
    t.match(replica, {
      id: /^rpl_/,
      host: String,
      pid: process.pid,
      version: '0.1.0',
      startedAt: String,
      seenAt: String,
      leftAt: null,
      live: true,
      behind: 0,
      lease
    })
    t.ok(Math.abs(Date.now() - Date.parse(replica.seenAt)) < patience, 'in the time of the world')
  }
  const drift = (await b.admin('GET', '/effective-access/drift')).json.replicas[0].replica
  t.ok(live.some(({ id }: Json) => id === drift), 'by the same id')
  const { key } = await a.createKey({ resource: `${issuer}/api/v1`, scopes: ['replicas:read'] })
  const ofOrganization = await a.send({ path: '/api/v1/replicas', headers: { 'x-api-key': key } })
  t.equal(ofOrganization.status, 403, 'they are the whole deployment\'s')
  t.equal(decodeJwt(await a.tokenFor(await a.createClient())).payload.iss, issuer)
})

tap.test('a hundred changes that wait for a server that has died read who is there together [postgresql]', async t => {
  const fresh = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const telemetry = newTelemetry()
  const { store, join, close } = await openStorage(fresh.url, { lease, telemetry, limits: patientLimits })
  t.teardown(async () => {
    await close()
    await fresh.drop()
  })
  await join()
  await administer(
    fresh.url,
    `INSERT INTO "Replica" (id, host, pid, version, lease, joined, position, beat, "createdAt", "seenAt")
    VALUES ('rpl_dead', 'h', 1, '0', ${lease}, 1, (SELECT pg_current_snapshot()::text), 0, now(), now())`
  )
  const reads = () =>
    telemetry.metrics.statements.entries().filter(([operation]) => operation === '$queryRaw').reduce(
      (sum, [, , , { count }]) => sum + count, 0
    )
  const before = reads()
  const waits = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      timed(() =>
        store.revokedTokens.insert({ jti: `t_${i}`, clientId: 'c', revokedAt: new Date(), expiresAt: new Date() })
      ))
  )
  const { acknowledgements } = telemetry.metrics
  t.ok(Math.max(...waits) >= lease, 'some waited for all of a lease')
  // One statement of each change appends its feed entry.
  const looks = reads() - before - 100
  t.ok(looks >= 1 && looks < 200, `${looks} reads`)
  t.comment(
    `${looks} reads, ${JSON.stringify(acknowledgements.entries().map(([outcome, , , { count }]) => [outcome, count]))}`
  )
})

/**
 * Signing keys change under load, on one server and on two that share a database: valid credentials are never refused,
 * revoked ones never pass, and a rotation that is due on several servers happens once.
 */
import { importPKCS8, SignJWT } from 'jose'
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { checkKeyRotation } from '../../src/domain/tokens/signing-key-schedule.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { examine } from '../../src/server/doctor/doctor.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { databases } from '../support/databases.ts'
import {
  basic, decodeJwt, MovableClock, startServer, type ClientAnswer, type Json, type TestServer
} from '../support/test-server.ts'

const day = 86_400
const craftkit = 'https://craftkit.test/v1'

type Cluster = [TestServer, ...TestServer[]]

/** Two servers on PostgreSQL; one on SQLite, which serves one. */
async function startCluster (database: typeof databases[number]): Promise<Cluster> {
  const { url, drop } = await database.fresh()
  const first = await startServer({
    database: url,
    mount: async (app, latchkey) => {
      await createResource(latchkey.operation, {
        identifier: craftkit,
        scopes: [{ name: 'embeds:read', keyOnly: false, description: null }],
        style: styles.craftkit
      })
      await app.register(async api => {
        await api.register(latchkey.guard, { resource: craftkit })
        api.get(
          '/embed', { config: { scopes: ['embeds:read'], session: true } },
          async ({ principal }) => ({ kind: principal.kind })
        )
      }, { prefix: '/v1' })
    },
  })
  const { adminToken, secret, issuer, clock } = first
  const others = database.name === 'sqlite'
    ? []
    : [
        await startServer({
          database: url, issuer, clock, environment: { LATCHKEY_ADMIN_TOKEN: adminToken, LATCHKEY_SECRET: secret }
        })
      ]
  tap.teardown(async () => {
    for (const server of [...others, first]) await server.close()
    await drop()
  })
  return [first, ...others]
}

const kidOf = (token: string): string => decodeJwt(token).header.kid
const aliveAt = (token: string, now: Date): boolean => decodeJwt(token).payload.exp * 1000 > now.getTime()
const publishedBy = async (server: TestServer): Promise<string[]> =>
  (await server.send({ path: '/.well-known/jwks.json' })).json.keys.map((key: Json) => key.kid)
const statesOf = async (server: TestServer): Promise<Json> =>
  Object.fromEntries((await server.admin('GET', '/signing-keys')).json.data.map(({ id, state }: Json) => [id, state]))
const anyOf = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

/**
 * Callers that get tokens on one server and use them on another until they are stopped. Collects faults of live tokens:
 * refusals, and signing keys missing from the key set.
 */
function load (cluster: readonly TestServer[], client: ClientAnswer) {
  const { clock } = cluster[0]!
  const pool: string[] = []
  const seen = { kids: new Set<string>(), mints: 0, uses: 0, refused: [] as string[], unpublished: [] as string[] }
  const until = new AbortController()
  const mint = async () => {
    while (!until.signal.aborted) {
      const token = await anyOf(cluster).tokenFor(client)
      seen.kids.add(kidOf(token))
      seen.mints++
      pool.push(token)
      if (pool.length > 40) pool.splice(Math.floor(Math.random() * 20), 1)
    }
  }
  const use = async () => {
    for (; !until.signal.aborted; await sleep(1)) {
      const token = pool.length > 0 ? anyOf(pool) : null
      if (token === null) continue
      const [{ status, text }, published] = await Promise.all([
        anyOf(cluster).bearer(token), publishedBy(anyOf(cluster))
      ])
      // The test may have moved the clock past the token's end meanwhile.
      if (!aliveAt(token, clock.now())) continue
      seen.uses++
      if (status !== 200) seen.refused.push(`${status} ${text} ${kidOf(token)}`)
      if (!published.includes(kidOf(token))) seen.unpublished.push(kidOf(token))
    }
  }
  const working = Promise.all([mint(), mint(), use(), use(), use()])
  return {
    seen,
    async during (work: () => Promise<unknown>) {
      await work()
      const { uses, mints } = seen
      // So many more that each of the callers has begun at least one after the work.
      while (seen.uses < uses + 12 || seen.mints < mints + 4) await sleep(5)
    },
    async stop () {
      until.abort()
      await working
      return seen
    },
  }
}

for (
  const { database, cluster } of await Promise.all(
    databases.map(async database => ({ database, cluster: await startCluster(database) }))
  )
) {
  const { name } = database
  const [first] = cluster
  const rotations = async (): Promise<Json[]> => (await first.admin('GET', '/audit?type=signing_key.rotated')).json.data

  tap.test(`K1: no token is refused, and each one's key is published, while keys rotate by command, at once and on schedule [${name}]`, async t => {
    const last = cluster.at(-1)!
    const { clock } = first
    const client = await first.createClient()
    const { during, stop } = load(cluster, client)
    const rotate = async (server: TestServer, body: Json) => {
      t.equal(
        (await server.send({
          method: 'POST',
          path: '/api/v1/signing-keys/rotate',
          headers: { authorization: `Bearer ${first.adminToken}` },
          body
        })).status,
        201
      )
    }
    const tend = async () => {
      for (const { latchkey } of cluster) await checkKeyRotation(latchkey.signingKeys, latchkey.operation, 90)
    }
    const pass = (seconds: number) => async () => {
      clock.advance(seconds)
    }

    await during(() => rotate(first, { now: true }))
    await during(() => rotate(last, { now: true }))
    await during(() => rotate(first, {}))
    await during(pass(299))
    await during(pass(2))
    await during(() => runHousekeeping(first.latchkey.operation))
    await during(pass(3_590))
    await during(() => runHousekeeping(last.latchkey.operation))
    await during(pass(600))
    await during(() => runHousekeeping(first.latchkey.operation))
    t.equal((await publishedBy(first)).length, 1, 'of the others no token is alive')
    await during(pass(89 * day))
    await during(tend)
    t.equal((await publishedBy(last)).length, 1, 'it is not time yet')
    await during(pass(day))
    await during(tend)
    t.equal((await publishedBy(last)).length, 2, 'the next one is published')
    await during(pass(301))
    await during(tend)
    await during(pass(day + 4_000))
    await during(() => runHousekeeping(last.latchkey.operation))
    const { kids, uses, refused, unpublished } = await stop()
    t.comment(`${uses} uses, ${kids.size} keys`)
    t.strictSame(refused, [])
    t.strictSame(unpublished, [])
    t.equal(kids.size, 5)
    t.strictSame(Object.values(await statesOf(first)), ['active'])
    t.ok(uses >= 200)
    const told = await rotations()
    t.equal(told.length, 4)
    t.match(told[0], { actor: 'system', detail: { activatedAt: String, succeeds: String, lastTokensUntil: String } })
    t.equal((await first.admin('GET', '/audit?type=signing_key.removed')).json.data.length, 4)
  })

  tap.test(`a key that is revoked is dead with the answer: its tokens and sessions pass on no server, others go on [${name}]`, async t => {
    const organization =
      (await first.admin('POST', '/organizations', { name: 'Acme', features: ['embedding'] })).json.id
    const client = await first.createClient({ organization, introspects: [first.issuer] })
    const session = await sessionOf(first, organization)
    const tokens = await Promise.all(Array.from({ length: 20 }, () => anyOf(cluster).tokenFor(client)))
    const [leaked] = await publishedBy(first) as [string]
    for (const server of cluster) for (const token of tokens) t.equal((await server.bearer(token)).status, 200)
    t.equal((await first.bearer(session, '/v1/embed')).status, 200)

    let answered = Infinity
    const late = { calls: 0, passes: 0 }
    const forgers = Array.from({ length: 6 }, async (_, i) => {
      for (let n = 0; n < 40 || late.calls < 200; n++) {
        const began = performance.now()
        const { status } = await cluster[i % cluster.length]!.bearer(anyOf(tokens))
        if (began < answered) continue
        late.calls++
        if (status !== 401) late.passes++
      }
    })
    const revoke = async (kid: string, body: Json = {}, headers: Record<string, string> = {}) =>
      await first.send({
        method: 'POST',
        path: `/api/v1/signing-keys/${kid}/revoke`,
        headers: { authorization: `Bearer ${first.adminToken}`, ...headers },
        body
      })
    t.strictSame([(await revoke(leaked, {}, { 'if-match': '"9"' })).status, (await revoke('nobody')).status], [
      412, 404
    ])
    const answer = await revoke(leaked, { reason: 'a backup was stolen' }, { 'if-match': '"1"' })
    answered = performance.now()
    t.not(first.latchkey.signingKeys.ring().signing.kid, leaked, 'who made the change has followed it')
    t.match(answer, {
      status: 200,
      headers: { etag: '"4"' },
      json: { id: leaked, state: 'revoked', revokedReason: 'a backup was stolen', revokedAt: String }
    })
    const after = await Promise.all(cluster.map(server => server.tokenFor(client)))
    await Promise.all(forgers)
    t.equal(late.passes, 0, `of ${late.calls}`)

    const [next] = await publishedBy(first) as [string]
    t.not(next, leaked)
    for (const server of cluster) {
      t.strictSame(await publishedBy(server), [next])
      for (const token of after) t.equal((await server.bearer(token)).status, 200, 'the next key signs on every server')
      const refused = await server.bearer(tokens[0]!)
      t.match(refused, { status: 401, headers: { 'www-authenticate': /error="invalid_token"/ } })
      const introspect = async (token: string) =>
        (await server.send({
          method: 'POST',
          path: '/api/v1/oauth/introspect',
          headers: { authorization: basic(client.clientId, client.clientSecret) },
          body: new URLSearchParams({ token })
        })).json
      t.strictSame(await introspect(tokens[1]!), { active: false })
      t.match(await introspect(after[0]!), { active: true })
    }
    t.equal((await first.bearer(session, '/v1/embed')).status, 401)
    t.equal((await first.bearer(await sessionOf(first, organization), '/v1/embed')).status, 200)
    t.strictSame(await statesOf(first), { [leaked]: 'revoked', [next]: 'active' })
    t.strictSame((await first.admin('GET', '/signing-keys?state=revoked')).json.data.map((each: Json) => each.id), [
      leaked
    ])
    t.equal((await revoke(leaked, { reason: 'again' })).text, answer.text, 'once is enough')
    t.match((await first.admin('GET', `/audit?subject=${leaked}`)).json.data[0], {
      type: 'signing_key.revoked', actor: 'admin', detail: { reason: 'a backup was stolen', successor: next }
    })
    t.match((await first.admin('GET', `/audit?subject=${client.clientId}&type=credential.refused`)).json.data.at(-1), {
      detail: { reason: 'revoked' }
    })

    const { id: pending } = (await first.admin('POST', '/signing-keys/rotate', {})).json
    t.equal((await revoke(pending)).json.state, 'revoked')
    t.match((await first.admin('GET', `/signing-keys/${next}`)).json, {
      state: 'active', retiredAt: null, publishedUntil: null
    }, 'the one that signs goes on')
    first.clock.advance(400)
    for (const server of cluster) t.equal(kidOf(await server.tokenFor(client)), next)
    first.clock.advance(day + 3_700)
    await runHousekeeping(first.latchkey.operation)
    t.strictSame(
      Object.keys(await statesOf(first)), [next], 'revoked keys are kept until their last token would have ended'
    )
  })

  tap.test(`several servers at the schedule's turn make one successor, and all of them hear of it [${name}]`, async t => {
    const client = await first.createClient()
    const before = (await rotations()).length
    for (let round = 1; round <= 4; round++) {
      first.clock.advance(90 * day)
      await Promise.all([...cluster, ...cluster, ...cluster].map(async ({ latchkey }) => {
        await checkKeyRotation(latchkey.signingKeys, latchkey.operation, 90)
      }))
      const [signing, pending, ...rest] = await publishedBy(first)
      t.ok(pending)
      t.strictSame(rest, [])
      first.clock.advance(301)
      for (const { latchkey: { signingKeys } } of cluster) {
        t.equal(signingKeys.ring().signing.kid, pending, 'without being asked for anything')
      }
      t.not(kidOf(await cluster.at(-1)!.tokenFor(client)), signing)
      first.clock.advance(day + 4_000)
      await runHousekeeping(first.latchkey.operation)
    }
    t.equal((await rotations()).length, before + 4)
    await Promise.all(cluster.map(async ({ latchkey }) => {
      await checkKeyRotation(latchkey.signingKeys, latchkey.operation, 0)
    }))
    first.clock.advance(400 * day)
    await checkKeyRotation(first.latchkey.signingKeys, first.latchkey.operation, 0)
    t.equal((await publishedBy(first)).length, 1, '0 days: by command only')
  })

  tap.test(`K3: a kid that no key has reads no key again, whoever makes it up; that of another server's new key does [${name}]`, async t => {
    const client = await first.createClient()
    const token = await first.tokenFor(client)
    const ring = first.latchkey.signingKeys.ring()
    const [, payload, signature] = token.split('.')
    for (let i = 0; i < 30; i++) {
      const header = Buffer.from(
        JSON.stringify({ ...decodeJwt(token).header, kid: randomBytes(32).toString('base64url') })
      ).toString('base64url')
      t.equal((await first.bearer(`${header}.${payload}.${signature}`)).status, 401)
    }
    t.equal(first.latchkey.signingKeys.ring(), ring)
    t.equal((await first.bearer(token)).status, 200)
    await first.admin('POST', '/signing-keys/rotate', { now: true })
    t.equal(
      (await cluster.at(-1)!.bearer(await first.tokenFor(client))).status, 200,
      'one that another server made a moment ago is met'
    )
  })

  tap.test(`LATCHKEY_SECRET is rotated: what was sealed under the old one is sealed anew, then the new one is enough [${name}]`, async t => {
    const { url, drop } = await database.fresh()
    t.teardown(drop)
    const clock = new MovableClock()
    const adminToken = `lkadm_${newSecret()}`
    const [old, fresh] = [newSecret(), newSecret()]
    let issuer: string | undefined
    const start = async (secrets: string) => {
      const server = await startServer({
        database: url,
        clock,
        environment: { LATCHKEY_SECRET: secrets, LATCHKEY_ADMIN_TOKEN: adminToken },
        ...(issuer === undefined ? {} : { issuer })
      })
      issuer = server.issuer
      t.teardown(server.close)
      const send = (method: string, path: string, body?: Json, headers: Json = {}) =>
        server.send({
          method,
          path: `/api/v1${path}`,
          headers: { authorization: `Bearer ${adminToken}`, ...headers },
          ...(body === undefined ? {} : { body })
        })
      const ofSecrets = async (listed: string) =>
        (await examine({ ...server.environment, LATCHKEY_SECRET: listed }, server.folder)).filter(({ check }) =>
          check === 'signing keys' || check === 'older secrets'
        )
      return { ...server, send: server.send, ask: send, ofSecrets }
    }
    const before = await start(old)
    const { id: organization } = (await before.ask('POST', '/organizations', { name: 'Acme' })).json
    const machine =
      (await before.ask('POST', '/clients', {
        organization, name: 'billing', grants: [{ resource: issuer, scopes: ['invoices:read'] }]
      })).json as ClientAnswer
    const token = await before.tokenFor(machine)
    const remembered = { 'idempotency-key': randomUUID() }
    const made = await before.ask('POST', '/organizations', { name: 'Once' }, remembered)
    t.match(await before.ofSecrets(`${fresh},${old}`), [{ status: 'ok' }, {
      status: 'failed',
      found: '1 signing keys and audit chains are still sealed under an older secret of LATCHKEY_SECRET',
      remedy: /Restart a server/
    }])
    await before.close()

    const both = await start(`${fresh},${old}`)
    t.equal((await both.bearer(token)).status, 200)
    t.match((await both.ask('GET', '/audit?type=signing_key.resealed')).json.data, [{
      actor: 'system', subject: kidOf(token)
    }])
    t.equal(
      (await both.ask('POST', '/organizations', { name: 'Once' }, remembered)).text, made.text,
      'answers under the old secret are still opened'
    )
    t.match(await both.ofSecrets(`${fresh},${old}`), [{ status: 'ok' }, { status: 'ok', found: /remove them once every server has the first secret/ }])
    await both.close()

    const alone = await start(fresh)
    t.equal((await alone.bearer(token)).status, 200)
    t.equal(kidOf(await alone.tokenFor(machine)), kidOf(token))
    t.equal(
      (await alone.ask('GET', '/audit?type=signing_key.resealed')).json.data.length, 1, 'there was nothing left to do'
    )
    t.match((await alone.ask('GET', '/audit/verify')).json, { fault: null }, 'the heads prove the rows of before')
    t.match(await alone.ask('POST', '/organizations', { name: 'Once' }, remembered), {
      status: 409, json: { error: /LATCHKEY_SECRET has changed/ }
    }, 'what is remembered for a day is not opened without its secret')
    t.match(await alone.ofSecrets(fresh), [{ status: 'ok' }, { status: 'ok', found: 'none is needed' }])
    await alone.close()
    await t.rejects(start(old), { message: /LATCHKEY_SECRET: the signing key .* was sealed under another secret/ })
  })
}

/** A session on the resource of CraftKit, through the real endpoints. */
async function sessionOf (server: TestServer, organization: string): Promise<string> {
  const { signingKey, publishableKey } =
    (await server.admin('POST', '/publishable-keys', {
      organization, resource: craftkit, environment: 'live', name: 'web', scopes: ['embeds:read']
    })).json
  const now = Math.floor(server.clock.now().getTime() / 1000)
  const assertion = await new SignJWT({
    iss: publishableKey, sub: 'user-7', aud: server.issuer, jti: randomUUID(), iat: now, exp: now + 60
  })
    .setProtectedHeader({ alg: 'ES256' }).sign(await importPKCS8(signingKey.pem, 'ES256'))
  return (await server.send({
    method: 'POST',
    path: '/api/v1/auth/session',
    body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
  })).json.access_token
}

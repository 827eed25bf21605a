/**
 * A resource chooses the algorithm of its access tokens; each algorithm has one active key, with the same rules for
 * all.
 */
import type { FastifyInstance } from 'fastify'
import { createHmac, createPublicKey, randomUUID } from 'node:crypto'
import { CompactSign, createLocalJWKSet, importJWK, jwtVerify } from 'jose'
import tap from 'tap'
import type { Latchkey } from '../../src/app.ts'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { openSigningKeys } from '../../src/domain/tokens/key-ring.ts'
import { checkKeyRotation } from '../../src/domain/tokens/signing-key-schedule.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { signingAlgorithms, type SigningAlgorithm } from '../../src/domain/tokens/signing-key.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { databases } from '../support/databases.ts'
import { basic, decodeJwt, MovableClock, startServer, type Json, type TestServer } from '../support/test-server.ts'

const day = 86_400
const scopes = [{ name: 'read', keyOnly: false, description: null }]
const guarded = 'https://any.test'

const jwksOf = async (server: TestServer) =>
  (await server.send({ path: '/.well-known/jwks.json' })).json as { keys: Json[] }
const algorithmOf = (token: string): string => decodeJwt(token).header.alg
const kidOf = (token: string): string => decodeJwt(token).header.kid

/** Two servers on PostgreSQL; one on SQLite, which serves one. Each guards one resource. */
async function startCluster (database: typeof databases[number]): Promise<[TestServer, ...TestServer[]]> {
  const { url, drop } = await database.fresh()
  const options = {
    database: url,
    mount: async (app: FastifyInstance, latchkey: Latchkey) => {
      if (await latchkey.registry.resourceByIdentifier(guarded) === null) {
        await createResource(latchkey.operation, { identifier: guarded, scopes, style: styles.rfc9457 })
      }
      await app.register(async api => {
        await api.register(latchkey.guard, { resource: guarded })
        api.get('/thing', { config: { scopes: ['read'] } }, async ({ principal }) => ({ kind: principal.kind }))
      }, { prefix: '/any' })
    },
  }
  const first = await startServer(options)
  const { adminToken, secret, issuer, clock } = first
  const others = database.name === 'sqlite'
    ? []
    : [
        await startServer({
          ...options, issuer, clock, environment: { LATCHKEY_ADMIN_TOKEN: adminToken, LATCHKEY_SECRET: secret }
        })
      ]
  tap.teardown(async () => {
    for (const server of [...others, first]) await server.close()
    await drop()
  })
  return [first, ...others]
}

for (
  const { database, cluster } of await Promise.all(
    databases.map(async database => ({ database, cluster: await startCluster(database) }))
  )
) {
  const { name } = database
  const [first] = cluster
  const last = cluster.at(-1)!
  const { admin, clock } = first
  clock.stop()
  const created = first.createOrganization()
  const declare = async (signingAlgorithm?: SigningAlgorithm) => {
    const { status, json } = await admin('POST', '/resources', {
      identifier: `https://${randomUUID()}.test`,
      organization: (await created).id,
      scopes: [{ name: 'read' }],
      ...(signingAlgorithm && { signingAlgorithm })
    })
    if (status !== 201) throw new Error(JSON.stringify(json))
    return json as { id: string, identifier: string, signingAlgorithm: SigningAlgorithm }
  }
  const clientFor = async (...resources: string[]) =>
    await first.createClient({
      organization: (await created).id,
      grants: resources.map(resource => ({ resource, scopes: ['read'] })),
      introspects: resources.filter(each => each !== guarded)
    })
  const introspection = async (server: TestServer, client: Awaited<ReturnType<typeof clientFor>>, token: string) =>
    (await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(client.clientId, client.clientSecret) },
      body: new URLSearchParams({ token })
    })).json
  const active = async (): Promise<Json> =>
    Object.fromEntries(
      (await admin('GET', '/signing-keys?state=active')).json.data.map((key: Json) => [key.algorithm, key.id])
    )
  const verify = async (jwks: { keys: Json[] }, token: string) =>
    await jwtVerify(token, createLocalJWKSet(jwks as never), { currentDate: clock.now(), issuer: first.issuer })
  const tend = async () => {
    for (const { latchkey } of cluster) await checkKeyRotation(latchkey.signingKeys, latchkey.operation, 90)
  }

  tap.test(`C2: a resource chooses, and every server signs, publishes and takes what it chose [${name}]`, async t => {
    t.match((await jwksOf(first)).keys, [{ alg: 'ES256' }])
    t.equal((await jwksOf(first)).keys.length, 1, 'there is a key of what is used, and of nothing else')
    await t.rejects(
      createResource(first.latchkey.operation, {
        identifier: 'https://none.test', scopes, style: styles.rfc9457, signingAlgorithm: 'RS256'
      }),
      { code: 'conflict', message: /no signing key of RS256.*--algorithm RS256/ },
      'never one that nobody can verify'
    )
    for (const identifier of ['nothing', guarded, `${guarded}/`]) {
      t.match(await admin('POST', '/resources', { identifier, scopes: [], signingAlgorithm: 'RS256' }), {
        status: identifier === 'nothing' ? 400 : 409
      })
    }
    t.equal((await jwksOf(first)).keys.length, 1, 'what is refused makes no key')
    t.match(
      await admin('POST', '/resources', { identifier: 'https://hs.test', scopes: [], signingAlgorithm: 'HS256' }),
      { status: 400, json: { details: { field: 'signingAlgorithm' } } }
    )

    const kinds = {
      RS256: { kty: 'RSA', alg: 'RS256', use: 'sig' },
      EdDSA: { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' },
      ES256: { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }
    }
    for (const algorithm of ['RS256', 'EdDSA', 'ES256'] as const) {
      const resource = await declare(algorithm)
      t.equal(resource.signingAlgorithm, algorithm)
      const client = await clientFor(resource.identifier)
      const jwks = await jwksOf(last)
      t.match(jwks.keys.find(({ alg }) => alg === algorithm), kinds[algorithm])
      if (algorithm === 'RS256') {
        t.ok(Buffer.from(jwks.keys.find(({ alg }) => alg === algorithm)!.n, 'base64url').length >= 256, '2048 bits')
      }
      for (const server of cluster) {
        const token = await server.tokenFor(client, { resource: resource.identifier })
        t.strictSame(decodeJwt(token).header, {
          alg: algorithm, typ: 'at+jwt', kid: jwks.keys.find(({ alg }) => alg === algorithm)!.kid
        })
        t.match((await verify(jwks, token)).payload, { aud: resource.identifier, scope: 'read' })
        for (const other of cluster) {
          t.match(await introspection(other, client, token), { active: true, aud: resource.identifier })
        }
      }
    }
    for (const server of cluster) {
      const { keys } = await jwksOf(server)
      t.strictSame(keys.map(({ alg }) => alg), ['ES256', 'RS256', 'EdDSA'])
      for (const key of keys) {
        t.notOk(['d', 'p', 'q', 'dp', 'dq', 'qi'].some(member => member in key), 'public halves only')
      }
      t.strictSame(
        (await server.send({ path: '/.well-known/openid-configuration' })).json.id_token_signing_alg_values_supported,
        ['ES256', 'RS256', 'EdDSA']
      )
    }
    t.strictSame(Object.keys(await active()).sort(), ['ES256', 'EdDSA', 'RS256'].sort())
    t.equal((await declare('RS256')).signingAlgorithm, 'RS256')
    t.equal((await jwksOf(first)).keys.length, 3, 'a second resource takes the key that there is')
    t.match((await admin('GET', '/signing-keys?algorithm=RS256')).json.data, [{ algorithm: 'RS256', state: 'active' }])
    const made = (await admin('GET', '/audit?type=signing_key.created')).json.data.map(({ actor, detail }: Json) =>
      `${detail.algorithm ?? 'first'} by ${actor}`
    )
    t.strictSame(made.sort(), ['EdDSA by admin', 'RS256 by admin', 'first by system'])
  })

  tap.test(`C2: one of the two ways to a token signs as the other does, on the guarded path too [${name}]`, async t => {
    const client = await clientFor(guarded)
    clock.advance(301)
    for (const signingAlgorithm of ['RS256', 'EdDSA', 'ES256']) {
      t.equal((await admin('PATCH', `/resources/${encodeURIComponent(guarded)}`, { signingAlgorithm })).status, 200)
      const short = await first.tokenFor(client)
      // A media type with a parameter skips the fast path.
      const long = (await first.send({
        method: 'POST',
        path: '/api/v1/auth/token',
        headers: {
          authorization: basic(client.clientId, client.clientSecret),
          'content-type': 'application/x-www-form-urlencoded; charset=utf-8'
        },
        body: 'grant_type=client_credentials&resource=' + encodeURIComponent(guarded) + '&resource=' +
          encodeURIComponent(`${guarded}/`)
      })).json.access_token
      t.strictSame(decodeJwt(long).header, decodeJwt(short).header)
      t.equal(algorithmOf(short), signingAlgorithm)
      for (const server of cluster) {
        for (const token of [short, long]) t.equal((await server.bearer(token, '/any/thing')).status, 200)
      }
    }
  })

  tap.test(`C2: a resource that changes: the key of its new algorithm is published before it signs, and what was signed stays good [${name}]`, async t => {
    const { url, drop } = await database.fresh()
    t.teardown(drop)
    const own = await startServer({ database: url, clock })
    t.teardown(own.close)
    const resource =
      (await own.admin('POST', '/resources', { identifier: 'https://changing.test', scopes: [{ name: 'read' }] })).json
    const client = await own.createClient({ grants: [{ resource: resource.id, scopes: ['read'] }] })
    const before = await own.tokenFor(client)
    t.equal(resource.signingAlgorithm, 'ES256')
    t.match(await own.admin('PATCH', `/resources/${resource.id}`, { signingAlgorithm: 'RS256' }), {
      status: 200, json: { signingAlgorithm: 'RS256' }
    })
    const published = await jwksOf(own)
    t.strictSame(published.keys.map(({ alg }) => alg), ['ES256', 'RS256'])
    t.match((await own.admin('GET', '/signing-keys?algorithm=RS256')).json.data, [{ state: 'pending' }])
    t.equal(algorithmOf(await own.tokenFor(client)), 'ES256', 'not before everybody can have its key')
    const other =
      (await own.admin('POST', '/resources', {
        identifier: 'https://other.test', scopes: [{ name: 'read' }], signingAlgorithm: 'RS256'
      })).json
    t.equal(other.signingAlgorithm, 'RS256')
    clock.advance(299)
    t.equal(algorithmOf(await own.tokenFor(client)), 'ES256')
    clock.advance(2)
    const after = await own.tokenFor(client)
    t.equal(algorithmOf(after), 'RS256', 'then, without anybody doing anything')
    for (const token of [before, after]) {
      t.ok(
        await verify({ keys: published.keys }, token).catch(error => error.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED')
      )
    }
    for (const token of [before, after]) t.match(await introspectOwn(own, client, token), { active: true })
    t.equal((await own.admin('PATCH', `/resources/${resource.id}`, { signingAlgorithm: 'ES256' })).status, 200)
    t.equal(algorithmOf(await own.tokenFor(client)), 'ES256', 'its key is known for long')
    t.match(await own.admin('PATCH', '/resources/res_management', { signingAlgorithm: 'EdDSA' }), { status: 400 })
    t.strictSame((await jwksOf(own)).keys.map(({ alg }) => alg), ['ES256', 'RS256'], 'what is refused makes no key')

    const behind = new MovableClock()
    behind.advance(-400 * day)
    const setBack = (await openSigningKeys(own.latchkey.operation.store, behind.now, [own.secret])).ring()
    t.strictSame([...setBack.signers.keys()], ['ES256', 'RS256'], 'a clock that was set back still signs with both')
  })

  tap.test(`C2: a resource that verifiers know does not take a key that a new one brought along a moment ago [${name}]`, async t => {
    const { url, drop } = await database.fresh()
    t.teardown(drop)
    const own = await startServer({ database: url, clock })
    t.teardown(own.close)
    const declareOwn = async (more: Json) =>
      (await own.admin('POST', '/resources', {
        identifier: `https://${randomUUID()}.test`, scopes: [{ name: 'read' }], ...more
      })).json
    const known = await declareOwn({})
    const client = await own.createClient({ grants: [{ resource: known.id, scopes: ['read'] }] })
    const cached = await jwksOf(own)
    await declareOwn({ signingAlgorithm: 'RS256' })
    const change = () => own.admin('PATCH', `/resources/${known.id}`, { signingAlgorithm: 'RS256' })
    t.match(await change(), { status: 409, json: { error: /not have it before 20\d\d-/ } })
    const keys = createLocalJWKSet(cached as never)
    t.ok(
      await jwtVerify(await own.tokenFor(client), keys, { currentDate: clock.now() }),
      'a cache of before verifies its tokens'
    )
    clock.advance(301)
    t.equal((await change()).status, 200)
    t.equal(algorithmOf(await own.tokenFor(client)), 'RS256')
  })

  tap.test(`C2: each algorithm's key is rotated by itself, by command, at once and on schedule, and no token is refused [${name}]`, async t => {
    const resources = Object.fromEntries(
      await Promise.all(signingAlgorithms.map(async algorithm =>
        [algorithm, (await declare(algorithm)).identifier] as const
      ))
    ) as Record<SigningAlgorithm, string>
    const client = await clientFor(...Object.values(resources))
    const mint = async (server: TestServer, algorithm: SigningAlgorithm) =>
      await server.tokenFor(client, { resource: resources[algorithm] })
    const all: string[] = []
    const mintAll = async () => {
      for (const server of cluster) for (const algorithm of signingAlgorithms) all.push(await mint(server, algorithm))
    }
    const allGood = async (why: string) => {
      for (const token of all) {
        t.match(
          await introspection(cluster[all.indexOf(token) % cluster.length]!, client, token), { active: true },
          `${why}: ${algorithmOf(token)}`
        )
      }
    }
    await mintAll()
    const before = await active()
    const next = (await admin('POST', '/signing-keys/rotate', { algorithm: 'RS256' })).json
    t.match(next, { algorithm: 'RS256', state: 'pending' })
    t.match(await admin('POST', '/signing-keys/rotate', { algorithm: 'RS256' }), {
      status: 409, json: { error: /RS256 is pending/ }
    })
    t.match(await admin('POST', '/signing-keys/rotate', { algorithm: 'EdDSA' }), {
      status: 201, json: { algorithm: 'EdDSA', state: 'pending' }
    }, 'another one has its own turn')
    const published = await jwksOf(last)
    await mintAll()
    t.strictSame(await active(), before)
    clock.advance(301)
    for (const server of cluster) {
      const token = await mint(server, 'RS256')
      t.equal(kidOf(token), next.id)
      await verify(published, token)
      t.equal(kidOf(await mint(server, 'ES256')), before.ES256, 'the others go on')
    }
    await mintAll()
    const at = (await admin('POST', '/signing-keys/rotate', { algorithm: 'RS256', now: true })).json
    t.match(at, { algorithm: 'RS256', state: 'active' })
    for (const server of cluster) t.equal(kidOf(await mint(server, 'RS256')), at.id)
    t.match((await admin('POST', '/signing-keys/rotate', { now: true })).json, { algorithm: 'ES256', state: 'active' })
    await mintAll()
    await allGood('after all of it')
    t.match((await admin('GET', `/audit?type=signing_key.rotated&subject=${at.id}`)).json.data, [{
      detail: { algorithm: 'RS256', succeeds: next.id }
    }])

    clock.advance(91 * day)
    const old = await active()
    await Promise.all([tend(), tend()])
    t.equal((await jwksOf(first)).keys.length, 6, 'one successor each, whoever found it due')
    clock.advance(301)
    const young = await active()
    for (const algorithm of signingAlgorithms) {
      t.not(young[algorithm], old[algorithm], algorithm)
      for (const server of cluster) t.equal(kidOf(await mint(server, algorithm)), young[algorithm])
    }
    clock.advance(day + 4_000)
    await runHousekeeping(first.latchkey.operation)
    t.equal((await jwksOf(last)).keys.length, 3)
  })

  tap.test(`C2: a key that is revoked ends its tokens, and has a successor of its algorithm; keys of others go on [${name}]`, async t => {
    const [rsa, ec] = [await declare('RS256'), await declare()]
    const client = await clientFor(rsa.identifier, ec.identifier)
    const [doomed, other] = [
      await first.tokenFor(client, { resource: rsa.identifier }),
      await first.tokenFor(client, { resource: ec.identifier })
    ]
    t.equal((await admin('POST', `/signing-keys/${kidOf(doomed)}/revoke`, { reason: 'leaked' })).json.state, 'revoked')
    for (const server of cluster) {
      t.strictSame(await introspection(server, client, doomed), { active: false })
      t.match(await introspection(server, client, other), { active: true })
      const again = await server.tokenFor(client, { resource: rsa.identifier })
      t.equal(algorithmOf(again), 'RS256')
      t.not(kidOf(again), kidOf(doomed))
      for (const each of cluster) t.match(await introspection(each, client, again), { active: true })
      t.notOk((await jwksOf(server)).keys.some(({ kid }) => kid === kidOf(doomed)))
    }
    t.match((await admin('GET', `/audit?subject=${kidOf(doomed)}`)).json.data[0], {
      type: 'signing_key.revoked', detail: { successor: (await active()).RS256 }
    })
    const pending = (await admin('POST', '/signing-keys/rotate', { algorithm: 'RS256' })).json
    const { RS256: signing, ES256 } = await active()
    t.equal((await admin('POST', `/signing-keys/${pending.id}/revoke`)).json.state, 'revoked')
    t.match((await admin('GET', `/signing-keys/${signing}`)).json, {
      state: 'active', retiredAt: null, publishedUntil: null
    })
    t.equal((await active()).ES256, ES256)
  })

  tap.test(`C2: the algorithm is the key's, never what a token says [${name}]`, async t => {
    const client = await clientFor(guarded)
    const { signers } = (await openSigningKeys(first.latchkey.operation.store, clock.now, [first.secret])).ring()
    const claims = decodeJwt(await first.tokenFor(client)).payload
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const sign = async (by: SigningAlgorithm, header: Json) =>
      await new CompactSign(new TextEncoder().encode(JSON.stringify(claims))).setProtectedHeader({
        typ: 'at+jwt', kid: signers.get(by)!.kid, alg: by, ...header
      })
        .sign(await importJWK({ ...signers.get(by)!.privateJwk, alg: undefined } as never, header.alg ?? by))
    for (const algorithm of signingAlgorithms) {
      t.equal(
        (await first.bearer(await sign(algorithm, {}), '/any/thing')).status, 200,
        `${algorithm}: the way these are made is the right one`
      )
    }
    const forged: Record<string, string> = {
      'our RSA key by PS256': await sign('RS256', { alg: 'PS256' }),
      'our RSA key by RS512': await sign('RS256', { alg: 'RS512' }),
      'our Ed25519 key by its other name': await sign('EdDSA', { alg: 'Ed25519' }),
    }
    for (const by of signingAlgorithms) {
      const jwk = (await jwksOf(first)).keys.find(({ kid }) => kid === signers.get(by)!.kid)!
      const key = createPublicKey({ key: jwk as never, format: 'jwk' })
      const secrets = {
        pem: key.export({ type: 'spki', format: 'pem' }),
        der: key.export({ type: 'spki', format: 'der' }),
        jwk: JSON.stringify(jwk)
      }
      for (const [form, secret] of Object.entries(secrets)) {
        for (const alg of ['HS256', by]) {
          const input = `${encode({ alg, typ: 'at+jwt', kid: jwk.kid })}.${encode(claims)}`
          forged[`${alg}, HMAC with the ${form} of the ${by} key`] = `${input}.${
            createHmac('sha256', secret).update(input).digest('base64url')
          }`
        }
      }
      for (const of of signingAlgorithms.filter(each => each !== by)) {
        forged[`signed by ${by}, kid of the ${of} key`] = await sign(by, { kid: signers.get(of)!.kid })
        const [, payload, signature] = (await sign(by, {})).split('.')
        forged[`signed by ${by}, says ${of}`] = `${
          encode({ alg: of, typ: 'at+jwt', kid: signers.get(by)!.kid })
        }.${payload}.${signature}`
        forged[`signed by ${by}, says ${of} and its kid`] = `${
          encode({ alg: of, typ: 'at+jwt', kid: signers.get(of)!.kid })
        }.${payload}.${signature}`
      }
      forged[`none with the ${by} kid`] = `${encode({ alg: 'none', typ: 'at+jwt', kid: jwk.kid })}.${encode(claims)}.`
    }
    for (const [what, token] of Object.entries(forged)) {
      for (const server of cluster) t.equal((await server.bearer(token, '/any/thing')).status, 401, what)
    }
  })

  tap.test(`C2: what no resource chooses any more loses its key when that would be rotated; one that lost it gets another [${name}]`, async t => {
    const { url, drop } = await database.fresh()
    t.teardown(drop)
    const own = await startServer({ database: url, clock })
    t.teardown(own.close)
    const { signingKeys, operation } = own.latchkey
    const tendOwn = async () => { await checkKeyRotation(signingKeys, operation, 90) }
    const algorithms = async () => (await jwksOf(own)).keys.map(({ alg }) => alg)
    const make = async () =>
      (await own.admin('POST', '/resources', {
        identifier: `https://${randomUUID()}.test`, scopes: [{ name: 'read' }], signingAlgorithm: 'RS256'
      })).json
    const resource = await make()
    await own.admin('POST', `/resources/${resource.id}/revoke`)
    await tendOwn()
    t.strictSame(await algorithms(), ['ES256', 'RS256'], 'there may be another one tomorrow')
    clock.advance(90 * day + 1)
    await tendOwn()
    t.match((await own.admin('GET', '/signing-keys?algorithm=RS256')).json.data, [{ state: 'retired' }])
    t.match((await own.admin('GET', '/audit?type=signing_key.retired')).json.data, [{
      actor: 'system', detail: { algorithm: 'RS256' }
    }])
    clock.advance(day + 4_000)
    await runHousekeeping(operation)
    t.strictSame(await algorithms(), ['ES256'])

    const again = await make()
    const client = await own.createClient({ grants: [{ resource: again.id, scopes: ['read'] }] })
    t.equal(algorithmOf(await own.tokenFor(client)), 'RS256')
    const changed = (await own.admin('POST', '/resources', { identifier: 'https://lost.test', scopes: [] })).json
    await own.admin('PATCH', `/resources/${changed.id}`, { signingAlgorithm: 'EdDSA' })
    const { id: pending } = (await own.admin('GET', '/signing-keys?algorithm=EdDSA')).json.data[0]
    await own.admin('POST', `/signing-keys/${pending}/revoke`)
    await tendOwn()
    t.match(
      (await own.admin('GET', '/signing-keys?algorithm=EdDSA&state=pending')).json.data, [{ state: 'pending' }],
      'a resource has chosen it'
    )
  })
}

async function introspectOwn (
  server: TestServer, client: { clientId: string, clientSecret: string }, token: string
): Promise<Json> {
  return (await server.send({
    method: 'POST',
    path: '/api/v1/oauth/introspect',
    headers: { authorization: basic(client.clientId, client.clientSecret) },
    body: new URLSearchParams({ token })
  })).json
}

/** Publishable keys and the sessions that their signing keys start, over real HTTP, on both databases. */
import { exportSPKI, generateKeyPair, importJWK, importPKCS8, SignJWT, type CryptoKey, type JWK } from 'jose'
import { randomUUID, sign } from 'node:crypto'
import tap, { type Test } from 'tap'
import { systemActor } from '../../src/domain/core/actor.ts'
import { updateOrganization, createOrganization } from '../../src/domain/tenancy/organization.ts'
import { judgeCredential } from '../../src/domain/access/judge-credential.ts'
import { type Verdict } from '../../src/domain/access/judge.ts'
import { principalOf } from '../../src/domain/access/facts.ts'
import {
  createPublishableKey, getPublishableKey, revokePublishableKey, type PrivateSigningKey, type PublishableKey
} from '../../src/domain/credentials/publishable-key.ts'
import type { Resource } from '../../src/domain/resources/resource.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { revokeResource, updateResource } from '../../src/domain/declaration/resource-change.ts'
import {
  assertionProblems, sessionAuthenticator, type AssertionProblem
} from '../../src/domain/access/checks/end-user-session.ts'
import { signJwt } from '../../src/domain/tokens/jws.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { tokenReader } from '../../src/domain/tokens/access-token.ts'
import { createApiKey } from '../../src/domain/credentials/api-key-creation.ts'
import { databases } from '../support/databases.ts'
import { basic, startServer, type Answer, type TestServer } from '../support/authorization-server.ts'

const path = '/api/v1/auth/session'
const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const read = { name: 'embeds:read', keyOnly: false, description: null }
const write = { name: 'embeds:write', keyOnly: false, description: null }
const provision = { name: 'provision', keyOnly: true, description: null }

interface Pair { key: PublishableKey, signingKey: PrivateSigningKey }

class Embedding {
  readonly server: TestServer
  readonly resource: Resource
  readonly pair: Pair

  constructor (server: TestServer, resource: Resource, pair: Pair) {
    this.server = server
    this.resource = resource
    this.pair = pair
  }

  static async start (t: Test, database = databases[0]!, limit = 10_000): Promise<Embedding> {
    const server = await startServer(t, { database, limits: { failuresPerAddress: { max: limit, windowSeconds: 60 } } })
    const resource = await createResource(server.operation, {
      identifier: 'https://craftkit.test/v1', scopes: [read, write, provision], style: styles.craftkit
    })
    await updateOrganization(server.operation, server.organization.id, { features: ['embedding'] })
    return new Embedding(server, resource, await Embedding.pairOf(server, server.organization.id))
  }

  static async pairOf (server: TestServer, organizationId: string): Promise<Pair> {
    return await createPublishableKey(server.operation, {
      organizationId,
      resource: 'https://craftkit.test/v1',
      environment: 'live',
      name: 'editor',
      scopes: ['embeds:read', 'embeds:write']
    })
  }

  get now (): number {
    return Math.floor(this.server.clock().getTime() / 1000)
  }

  claims (more: Record<string, unknown> = {}): Record<string, unknown> {
    const claims = {
      iss: this.pair.key.publishable,
      sub: 'user-7',
      aud: this.server.issuer,
      iat: this.now,
      exp: this.now + 60,
      jti: randomUUID(),
      ...more
    }
    return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
  }

  async assertion (
    more: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key?: CryptoKey | Uint8Array
  ): Promise<string> {
    return await new SignJWT(this.claims(more)).setProtectedHeader({ alg: 'ES256', ...header }).sign(
      key ?? await importPKCS8(this.pair.signingKey.pem, 'ES256')
    )
  }

  async exchange (assertion: string, more: Record<string, string> = {}): Promise<Answer> {
    return await this.server.post(path, { grant_type: grantType, assertion, ...more })
  }

  async session (): Promise<string> {
    const { status, body } = await this.exchange(await this.assertion())
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body.access_token
  }

  async check (text: string, resource: Resource | null = this.resource): Promise<Verdict> {
    const { issuer, registry, clock, ring } = this.server
    const presentation = { resource, address: '192.0.2.1', now: clock() }
    const facts = await sessionAuthenticator({ issuer, registry, keys: { ring: () => ring } }).gather(
      text, presentation
    )
    const refusal = judgeCredential(facts, presentation)
    return refusal === null ? { ok: true, principal: principalOf(facts) } : { ok: false, refusal }
  }

  async reasonAgainst (text: string, resource: Resource | null = this.resource): Promise<string> {
    const verdict = await this.check(text, resource)
    return verdict.ok ? 'passes' : verdict.refusal.reason
  }

  /** The precise reasons in the audit log, newest first. */
  async recorded (): Promise<unknown[]> {
    await this.server.refusals.flush()
    const { items } = await this.server.store.audit.page({ limit: 50, after: null }, { type: 'credential.refused' })
    return items.map(({ detail }) => detail.reason)
  }
}

function refused (problem: AssertionProblem) {
  return { error: 'invalid_grant', error_description: assertionProblems[problem] }
}

function parts (token: string): { header: Record<string, unknown>, payload: Record<string, unknown> } {
  const [header, payload] = token.split('.').slice(0, 2).map(part =>
    JSON.parse(Buffer.from(part, 'base64url').toString())
  )
  return { header, payload }
}

function base64url (value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

for (const database of databases) {
  tap.test(`CK-10: who signs an assertion with the signing key gets a session of the end user [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const { server, pair: { key }, now } = embedding
    const { status, headers, body } = await embedding.exchange(
      await embedding.assertion({}, { kid: key.publicJwk.kid, typ: 'JWT' })
    )
    t.equal(status, 200)
    t.equal(headers.get('cache-control'), 'no-store')
    t.same(Object.keys(body), ['access_token', 'token_type', 'expires_in', 'scope'])
    t.match(body, { token_type: 'Bearer', expires_in: 900, scope: 'embeds:read embeds:write' })
    const { header, payload } = parts(body.access_token)
    t.same(header, { alg: 'ES256', typ: 'session+jwt', kid: server.ring.signing.kid })
    t.match(payload.jti, /^ses_\w{22}$/)
    t.same(payload, {
      iss: server.issuer,
      aud: 'https://craftkit.test/v1',
      sub: 'user-7',
      client_id: key.id,
      jti: payload.jti,
      iat: now,
      exp: now + 900,
      scope: 'embeds:read embeds:write',
      org_id: server.organization.id,
      env: 'live'
    })
    t.same(await embedding.check(body.access_token), {
      ok: true,
      principal: {
        kind: 'session',
        id: key.id,
        subject: 'user-7',
        name: 'editor',
        organizationId: server.organization.id,
        organizations: [server.organization.id],
        environment: 'live',
        resource: 'https://craftkit.test/v1',
        resourceId: embedding.resource.id,
        groups: [],
        creator: null,
        access: null,
        scopes: ['embeds:read', 'embeds:write'],
        objects: {},
        allowlist: [],
        expiresAt: new Date((now + 900) * 1000)
      }
    })
  })

  tap.test(`J6: a session is for the resource as it was called when it began, and for no other of that name [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const { server, resource } = embedding
    const before = await embedding.session()
    const renamed = { ...resource, identifier: 'https://craftkit.test/v2' }
    await server.store.resources.update(renamed)
    t.equal(await embedding.reasonAgainst(before, renamed), 'wrong_resource', 'at the resource under its new name')
    t.equal(await embedding.reasonAgainst(before, null), 'wrong_resource', 'where any resource will do')
    const after = await embedding.session()
    t.equal(parts(after).payload.aud, renamed.identifier)
    for (const each of [renamed, null]) t.equal(await embedding.reasonAgainst(after, each), 'passes')
    // The name is free: sessions of the earlier resource do not work on the one that takes it.
    const heir = await createResource(server.operation, {
      identifier: resource.identifier, scopes: resource.scopes, style: styles.craftkit
    })
    t.equal(await embedding.reasonAgainst(before, heir), 'wrong_resource')
    t.equal(await embedding.reasonAgainst(before, null), 'wrong_resource')
    await server.store.resources.update({ ...heir, identifier: 'https://craftkit.test/v3' })
    await server.store.resources.update(resource)
    t.equal(await embedding.reasonAgainst(before), 'passes', 'the name that it was made for names its resource again')
  })

  tap.test(`CK-10: of 100 that come with the same assertion exactly one gets a session [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const text = await embedding.assertion()
    const answers = await Promise.all(Array.from({ length: 100 }, async () => await embedding.exchange(text)))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    const others = answers.filter(({ status }) => status !== 200)
    t.ok(others.every(({ status }) => status === 400))
    t.same([...new Set(others.map(({ text }) => text))].map(each => JSON.parse(each)), [refused('replayed')])
    t.same(await embedding.recorded(), ['replayed'])
    embedding.server.advance(59)
    t.same((await embedding.exchange(text)).body, refused('replayed'), 'also later, as long as it would be good')

    const foreign = await Embedding.pairOf(embedding.server, embedding.server.organization.id)
    const jti = randomUUID()
    const other = new Embedding(embedding.server, embedding.resource, foreign)
    t.equal((await embedding.exchange(await embedding.assertion({ jti }))).status, 200)
    t.equal((await other.exchange(await other.assertion({ jti }))).status, 200, 'an id is the signing key\'s own')
  })

  tap.test(`CK-10: an assertion stays used as long as it would be taken, however much is cleaned up [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const text = await embedding.assertion({ exp: embedding.now + 10 })
    t.equal((await embedding.exchange(text)).status, 200)
    for (const seconds of [10, 14, 1]) {
      embedding.server.advance(seconds === 14 ? 4 : seconds)
      await embedding.server.store.usedAssertions.prune(embedding.server.clock(), 10)
      t.equal((await embedding.exchange(text)).status, 400)
    }
    embedding.server.advance(60)
    await embedding.server.store.usedAssertions.prune(embedding.server.clock(), 10)
    t.same((await embedding.exchange(text)).body, refused('expired'))
  })

  tap.test(`CK-10, CK-14: what ends a publishable key ends its assertions and its sessions at once [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const { server } = embedding
    const { operation, organization } = server
    const session = await embedding.session()
    const stands =
      async () => [
        await embedding.reasonAgainst(session),
        (await embedding.exchange(await embedding.assertion())).body.error_description
      ]
    t.same(await stands(), ['passes', undefined])

    await updateOrganization(operation, organization.id, { status: 'suspended' })
    t.same(await stands(), ['organization_suspended', assertionProblems.organization_suspended])
    await updateOrganization(operation, organization.id, { status: 'active', features: [] })
    t.same(await stands(), ['feature_missing', assertionProblems.feature_missing])
    await updateOrganization(operation, organization.id, { features: ['embedding'] })
    t.same(await stands(), ['passes', undefined])

    await updateResource(operation, embedding.resource.id, { scopes: [read, { ...write, keyOnly: true }] })
    const narrowed = await embedding.check(session)
    t.same(narrowed.ok && narrowed.principal.scopes, ['embeds:read'], 'a scope that sessions cannot have any more')
    t.equal((await embedding.exchange(await embedding.assertion())).body.scope, 'embeds:read')
    await updateResource(operation, embedding.resource.id, { scopes: [provision] })
    t.same(Object.keys((await embedding.exchange(await embedding.assertion())).body), [
      'access_token', 'token_type', 'expires_in'
    ], 'without any scope there is no empty one')

    const { items: before } = await server.store.audit.page({ limit: 10, after: null }, {
      type: 'publishable_key.revoked'
    })
    await revokePublishableKey(operation, embedding.pair.key.id, 'it leaked')
    await revokePublishableKey(operation, embedding.pair.key.id, null)
    t.same(await stands(), ['revoked', assertionProblems.revoked])
    const { items } = await server.store.audit.page({ limit: 10, after: null }, { type: 'publishable_key.revoked' })
    t.same([before.length, items.map(({ subject, detail }) => [subject, detail.reason])], [0, [[
      embedding.pair.key.id, 'it leaked'
    ]]], 'twice is once')

    const second = await Embedding.pairOf(server, organization.id).catch((error: unknown) => error)
    t.match(second, { code: 'unknown_scope' })
  })

  tap.test(`CK-10: publishable keys belong to their organization, and their making and end are on record [${database.name}]`, async t => {
    const embedding = await Embedding.start(t, database)
    const { server, pair: { key, signingKey } } = embedding
    t.match(key.publishable, /^ck_pub_live_[0-9A-Za-z]{22}$/)
    t.equal((await server.store.publishableKeys.byPublishable(key.publishable))!.id, key.id)
    t.same(await getPublishableKey(server.operation, key.id), key, 'kept as it was answered')
    t.notOk('d' in key.publicJwk)
    t.same(Object.keys(signingKey.jwk).sort(), ['alg', 'crv', 'd', 'kid', 'kty', 'use', 'x', 'y'])
    const { items } = await server.store.audit.page({ limit: 10, after: null }, { type: 'publishable_key.created' })
    t.match(items, [{
      subject: key.id,
      organizationId: server.organization.id,
      detail: { publishable: key.publishable, kid: key.publicJwk.kid }
    }])
    t.notOk(JSON.stringify(items).includes(signingKey.jwk.d!))

    const stranger = {
      ...server.operation,
      actor: {
        ...systemActor, organizationId: (await createOrganization(server.operation, { name: 'Other' })).id, scopes: []
      }
    }
    await t.rejects(getPublishableKey(stranger, key.id), { code: 'not_found' })
    await t.rejects(revokePublishableKey(stranger, key.id, null), { code: 'not_found' })
    const input = {
      organizationId: server.organization.id,
      resource: 'https://craftkit.test/v1',
      environment: 'test' as const,
      name: 'x',
      scopes: ['embeds:read']
    }
    await t.rejects(createPublishableKey(stranger, input), { code: 'not_found' })
    await t.rejects(createPublishableKey(server.operation, { ...input, scopes: ['provision'] }), {
      code: 'scope_api_key_only'
    })
    await t.rejects(createPublishableKey(server.operation, { ...input, scopes: ['embeds:*'] }), {
      code: 'unknown_scope'
    })
    await t.rejects(createPublishableKey(server.operation, { ...input, resource: 'https://nobody.test' }), {
      code: 'unknown_resource'
    })
    await updateOrganization(server.operation, server.organization.id, { status: 'suspended' })
    await t.rejects(createPublishableKey(server.operation, input), { code: 'organization_not_active' })
    t.equal(
      (await server.store.publishableKeys.page({ limit: 10, after: null }, {})).items.length, 1,
      'what was refused left nothing'
    )
  })
}

tap.test('CK-10: what an assertion has to say, and what is said when it does not', async t => {
  const embedding = await Embedding.start(t)
  const { now, server: { issuer } } = embedding
  const cases: [AssertionProblem, Record<string, unknown>][] = [
    ['wrong_audience', { aud: undefined }],
    ['wrong_audience', { aud: `${issuer}/` }],
    ['wrong_audience', { aud: issuer + path }],
    ['wrong_audience', { aud: [issuer] }],
    ['wrong_audience', { aud: [issuer, 'https://evil.test'] }],
    ['wrong_audience', { aud: 'https://evil.test' }],
    ['wrong_subject', { sub: undefined }],
    ['wrong_subject', { sub: '' }],
    ['wrong_subject', { sub: 7 }],
    ['wrong_subject', { sub: 'a'.repeat(256) }],
    ['wrong_subject', { sub: 'two words' }],
    ['wrong_subject', { sub: 'line\nbreak' }],
    ['wrong_subject', { sub: 'jürgen' }],
    ['wrong_subject', { sub: 'nul\u0000' }],
    ['no_jti', { jti: undefined }],
    ['no_jti', { jti: '' }],
    ['no_jti', { jti: 1 }],
    ['no_jti', { jti: 'x'.repeat(256) }],
    ['wrong_lifetime', { iat: undefined }],
    ['wrong_lifetime', { exp: undefined }],
    ['wrong_lifetime', { exp: String(now + 60) }],
    ['wrong_lifetime', { exp: now + 60.5 }],
    ['wrong_lifetime', { iat: -1 }],
    ['wrong_lifetime', { iat: now, exp: now + 301 }],
    ['wrong_lifetime', { exp: 1e300 }],
    ['wrong_lifetime', { iat: now, exp: now }],
    ['wrong_lifetime', { nbf: 'now' }],
    ['not_yet', { iat: now + 61, exp: now + 120 }],
    ['not_yet', { nbf: now + 61 }],
    ['expired', { iat: now - 100, exp: now - 60 }]
  ]
  for (const [problem, claims] of cases) {
    const { status, headers, body } = await embedding.exchange(await embedding.assertion(claims))
    t.same([status, body], [400, refused(problem)], `${problem}: ${JSON.stringify(claims).slice(0, 60)}`)
    t.equal(headers.get('cache-control'), 'no-store')
  }
  for (
    const claims of [
      { sub: 'a'.repeat(255) }, { sub: '~!"\\' }, { iat: now, exp: now + 300 }, { iat: now + 20, exp: now + 320 },
      { iat: now - 100, exp: now - 55 }, { foo: 'bar' }, { nbf: now }
    ]
  ) {
    t.equal(
      (await embedding.exchange(await embedding.assertion(claims))).status, 200, JSON.stringify(claims).slice(0, 60)
    )
  }
  t.same((await embedding.recorded()).sort(), [
    'expired', 'no_jti', 'not_yet', 'wrong_audience', 'wrong_lifetime', 'wrong_subject'
  ])
})

tap.test('J2: nothing passes but ES256 by the signing key of the pair that iss names', async t => {
  const embedding = await Embedding.start(t)
  const { server, pair: { key, signingKey } } = embedding
  const publicKey = await importJWK(key.publicJwk, 'ES256') as CryptoKey
  const own = await importJWK(signingKey.jwk, 'ES256') as CryptoKey
  const foreign = await Embedding.pairOf(
    server, (await createOrganization(server.operation, { name: 'Other', features: ['embedding'] })).id
  )
  const rsa = await generateKeyPair('RS256')
  const curve = await generateKeyPair('ES384')
  const bare = `${base64url({ alg: 'none' })}.${base64url(embedding.claims())}.`
  const forged: Record<string, string> = {
    none: bare,
    None: bare.replace(base64url({ alg: 'none' }), base64url({ alg: 'None' })),
    'none with a signature': `${bare}${(await embedding.assertion()).split('.')[2]}`,
    'HS256 with the public key as JWK': await embedding.assertion(
      {}, { alg: 'HS256' }, Buffer.from(JSON.stringify(key.publicJwk))
    ),
    'HS256 with the public key as PEM': await embedding.assertion(
      {}, { alg: 'HS256' }, Buffer.from(await exportSPKI(publicKey))
    ),
    'HS256 with the publishable key': await embedding.assertion(
      {}, { alg: 'HS256' }, Buffer.from(key.publishable.padEnd(32))
    ),
    RS256: await embedding.assertion({}, { alg: 'RS256' }, rsa.privateKey),
    ES384: await embedding.assertion({}, { alg: 'ES384' }, curve.privateKey),
    'a foreign pair': await embedding.assertion({}, {}, await importJWK(foreign.signingKey.jwk, 'ES256') as CryptoKey),
    'a foreign pair that claims the kid': await embedding.assertion(
      {}, { kid: key.publicJwk.kid }, await importJWK(foreign.signingKey.jwk, 'ES256') as CryptoKey
    ),
    'another kid': await embedding.assertion({}, { kid: foreign.key.publicJwk.kid }, own),
    'a key that it brings along': await embedding.assertion(
      {}, { jwk: foreign.key.publicJwk }, await importJWK(foreign.signingKey.jwk, 'ES256') as CryptoKey
    ),
    'its own key, brought along': await embedding.assertion({}, { jwk: key.publicJwk }, own),
    'a jku': await embedding.assertion({}, { jku: 'https://evil.test/jwks' }, own),
    'a type of ours': await embedding.assertion({}, { typ: 'session+jwt' }, own),
    'an issuer that is not there': await embedding.assertion({ iss: 'ck_pub_live_0000000000000000000000' }),
    'the id as issuer': await embedding.assertion({ iss: key.id }),
    'no issuer': await embedding.assertion({ iss: undefined }),
    'an issuer that is no text': await embedding.assertion({ iss: [key.publishable] }),
    'the server\'s own key': await signJwt(server.ring.signing, 'JWT', embedding.claims()),
    'a signature in DER': await inDer(embedding, signingKey.pem),
  }
  for (const [what, assertion] of Object.entries(forged)) {
    const { status, body } = await embedding.exchange(assertion)
    t.same([status, body], [400, refused('not_authentic')], what)
  }
  const malformed = [
    'x', 'a.b', 'a.b.c', '..', `${base64url({ alg: 'ES256' })}.${base64url('text')}.x`,
    `${base64url({ alg: 'ES256' })}.bm90IGpzb24.x`, 'a.b.c.d.e', key.publishable, 'é',
    `${await embedding.assertion()}${'A'.repeat(4_096)}`
  ]
  for (const assertion of malformed) {
    t.same((await embedding.exchange(assertion)).body, refused('malformed'), assertion.slice(0, 20))
  }
  t.same(
    (await embedding.recorded()).sort(), ['malformed', 'not_authentic', 'not_authentic'],
    'with whom it claims to be, where there is such a pair'
  )

  const good = await embedding.assertion()
  for (let i = 0; i < good.length; i += 7) {
    const bent = good.slice(0, i) + (good[i] === 'A' ? 'B' : 'A') + good.slice(i + 1)
    t.equal((await embedding.exchange(bent)).status, 400, `one character at ${i}`)
  }
  t.equal((await embedding.exchange(good)).status, 200, 'what was refused has not used it up')
})

async function inDer (embedding: Embedding, pem: string): Promise<string> {
  const text = `${base64url({ alg: 'ES256' })}.${base64url(embedding.claims())}`
  return `${text}.${sign('sha256', Buffer.from(text), pem).toString('base64url')}`
}

tap.test('J6: a session token is nothing but that, and nothing else is one', async t => {
  const embedding = await Embedding.start(t)
  const { server } = embedding
  const session = await embedding.session()
  t.equal(await tokenReader(server.issuer, { ring: () => server.ring }).read(session), null, 'no access token')
  t.same(
    (await server.post('/api/v1/auth/session', { grant_type: grantType, assertion: session })).body,
    refused('not_authentic'), 'no assertion'
  )
  const { client, secret } = await server.client({ introspects: [embedding.resource.id] })
  const asked = await server.post('/api/v1/oauth/introspect', { token: session }, {
    authorization: basic(client.id, secret)
  })
  t.same(asked.body, { active: false })

  const { body: { access_token: access } } = await server.token(client, secret)
  const { payload } = parts(session)
  const { ring: { signing } } = server
  const others: Record<string, string> = {
    'an access token': access,
    'an assertion': await embedding.assertion(),
    'an API key':
      (await createApiKey(server.operation, {
        organizationId: server.organization.id,
        resource: embedding.resource.id,
        environment: 'live',
        name: 'ci',
        scopes: ['embeds:*']
      })).text,
    'the publishable key': embedding.pair.key.publishable,
    'our key, another type': await signJwt(signing, 'at+jwt', payload),
    'our key, no such type': await signJwt(signing, 'JWT', payload),
    'the type, signed by the pair': await embedding.assertion(payload, { typ: 'session+jwt', kid: signing.kid }),
    'another issuer': await signJwt(signing, 'session+jwt', { ...payload, iss: 'https://evil.test' }),
    'no publishable key': await signJwt(signing, 'session+jwt', { ...payload, client_id: undefined }),
    'no expiry': await signJwt(signing, 'session+jwt', { ...payload, exp: undefined }),
    'no environment': await signJwt(signing, 'session+jwt', { ...payload, env: 'prod' }),
    'the future': await signJwt(signing, 'session+jwt', { ...payload, iat: embedding.now + 60 }),
    'a spelling of it': `${session}=`,
    nothing: '',
  }
  for (const [what, text] of Object.entries(others)) t.equal(await embedding.reasonAgainst(text), 'malformed', what)
  t.equal(await embedding.reasonAgainst(session, server.api), 'wrong_resource')
  t.equal(await embedding.reasonAgainst(session, null), 'passes', 'where any resource will do')

  server.advance(899)
  t.equal(await embedding.reasonAgainst(session), 'passes')
  server.advance(1)
  t.equal(await embedding.reasonAgainst(session), 'expired')
})

tap.test('CK-10: a session ends with its resource', async t => {
  const embedding = await Embedding.start(t)
  const session = await embedding.session()
  await revokeResource(embedding.server.operation, embedding.resource.id)
  t.equal(await embedding.reasonAgainst(session), 'wrong_resource')
  t.same((await embedding.exchange(await embedding.assertion())).body, refused('wrong_resource'))
})

tap.test('CK-10: the session endpoint takes an assertion and nothing else', async t => {
  const embedding = await Embedding.start(t)
  const { server } = embedding
  const { text: apiKey } = await createApiKey(server.operation, {
    organizationId: server.organization.id,
    resource: embedding.resource.id,
    environment: 'live',
    name: 'ci',
    scopes: ['embeds:*']
  })
  const { client, secret } = await server.client()
  const form = async (more: Record<string, string> = {}) =>
    new URLSearchParams({ grant_type: grantType, assertion: await embedding.assertion(), ...more }).toString()
  const invalid = async (what: string, answer: Promise<Answer>, error = 'invalid_request') => {
    const { status, headers, body } = await answer
    t.same([status, Object.keys(body), body.error], [400, ['error', 'error_description'], error], what)
    t.equal(headers.get('cache-control'), 'no-store', what)
  }
  await invalid('an API key', server.post(path, '', { authorization: `Bearer ${apiKey}` }))
  await invalid(
    'an API key beside an assertion', server.post(path, await form(), { authorization: `Bearer ${apiKey}` })
  )
  await invalid('an API key as assertion', embedding.exchange(apiKey), 'invalid_grant')
  await invalid('an API key in its header', server.post(path, { grant_type: grantType }, { 'x-api-key': apiKey }))
  await invalid('a client', server.post(path, await form(), { authorization: basic(client.id, secret) }))
  await invalid(
    'a client\'s grant',
    server.post(path, { grant_type: 'client_credentials', client_id: client.id, client_secret: secret }),
    'unsupported_grant_type'
  )
  await invalid('no grant', server.post(path, { assertion: await embedding.assertion() }))
  await invalid('no assertion', server.post(path, { grant_type: grantType }))
  await invalid('an empty assertion', server.post(path, { grant_type: grantType, assertion: '' }))
  await invalid('two assertions', server.post(path, `${await form()}&assertion=${await embedding.assertion()}`))
  await invalid('two grants', server.post(path, `${await form()}&grant_type=x`))
  await invalid('a query', server.post(`${path}?assertion=${await embedding.assertion()}`, await form()))
  await invalid('an empty body', server.post(path, ''))
  await invalid('JSON', server.send('POST', path, { grant_type: grantType, assertion: await embedding.assertion() }))
  await invalid(
    'two types',
    server.post(path, await form(), { 'content-type': 'application/json, application/x-www-form-urlencoded' })
  )
  await invalid('text', server.post(path, await form(), { 'content-type': 'text/plain' }))
  t.equal((await server.post(path, await form({ scope: 'x'.repeat(17_000) }))).status, 413)
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, headers } = await server.send(method, path)
    t.same([status, headers.get('allow')], [405, 'POST'], method)
  }
  t.equal(
    (await server.post(path, await form({ scope: 'admin', foo: 'bar' }))).body.scope, 'embeds:read embeds:write',
    'what is asked for besides changes nothing'
  )
  t.equal(
    (await server.post(path, await form(), { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }))
      .status,
    200
  )
})

tap.test('N3: who fails too often is told to wait; who proves itself passes', async t => {
  const embedding = await Embedding.start(t, databases[0], 3)
  for (const status of [400, 400, 429, 429]) t.equal((await embedding.exchange('a.b.c')).status, status)
  const { headers, body } = await embedding.exchange('a.b.c')
  t.same([body.error, headers.get('retry-after')], ['slow_down', '60'])
  t.equal((await embedding.exchange(await embedding.assertion())).status, 200)
})

tap.test('CK-10: the signing key is whole in both spellings', async t => {
  const embedding = await Embedding.start(t)
  const { key, signingKey } = embedding.pair
  const jwk = await importJWK(signingKey.jwk as JWK, 'ES256') as CryptoKey
  t.equal((await embedding.exchange(await embedding.assertion({}, { kid: key.publicJwk.kid }, jwk))).status, 200, 'JWK')
  t.equal(
    (await embedding.exchange(await embedding.assertion({}, {}, await importPKCS8(signingKey.pem, 'ES256')))).status,
    200, 'PEM'
  )
})

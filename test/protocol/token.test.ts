import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose'
import tap from 'tap'
import { revokeClient } from '../../src/domain/authorizations/revoke-client.ts'
import { rotateClientSecret, updateClient } from '../../src/domain/credentials/client-change.ts'
import { updateOrganization } from '../../src/domain/tenancy/organization.ts'
import type { Registry } from '../../src/domain/access/registry.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { revokeResource, updateResource } from '../../src/domain/declaration/resource-change.ts'
import { Failure } from '../../src/base/errors.ts'
import { until } from '../support/waiting.ts'
import { basic, startServer } from '../support/authorization-server.ts'

const path = '/api/v1/auth/token'

tap.test('LB-07: client credentials are exchanged for a bearer token, by Basic or in the body', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const byHeader = await server.token(client, secret)
  const byBody = await server.post(path, {
    grant_type: 'client_credentials', client_id: client.id, client_secret: secret
  })
  for (const { status, headers, body } of [byHeader, byBody]) {
    t.equal(status, 200)
    t.strictSame(
      Object.keys(body).sort(), ['access_token', 'expires_in', 'scope', 'token_type'], 'T12: no refresh token'
    )
    t.match(body, { token_type: 'Bearer', expires_in: 3600, scope: 'invoices:read' })
    t.equal(headers.get('cache-control'), 'no-store', 'T11')
    t.match(headers.get('content-type'), /^application\/json/)
    t.equal(headers.get('x-content-type-options'), 'nosniff', 'what other plugins set is not lost')
    t.match(headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
    t.equal(headers.get('access-control-allow-origin'), null, 'N4')
  }
})

tap.test('J1, LB-10: an access token is one of RFC 9068 and lives an hour of our clock', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  server.advance(86_400)
  const { body } = await server.token(client, secret)
  const header = decodeProtectedHeader(body.access_token)
  const claims = decodeJwt(body.access_token)
  const jwks = await server.send('GET', '/.well-known/jwks.json')
  t.strictSame(header, { alg: 'ES256', typ: 'at+jwt', kid: await calculateJwkThumbprint(jwks.body.keys[0]) })
  t.strictSame(Object.keys(claims).sort(), [
    'aud', 'client_id', 'exp', 'gen', 'iat', 'iss', 'jti', 'org_id', 'scope', 'sub'
  ])
  const now = Math.floor(server.clock().getTime() / 1000)
  t.match(claims, {
    iss: server.issuer,
    aud: server.api.identifier,
    sub: client.id,
    client_id: client.id,
    iat: now,
    exp: now + 3600,
    scope: 'invoices:read',
    org_id: server.organization.id,
    gen: 1
  })
  const jtis = new Set<string>()
  for (let i = 0; i < 50; i++) jtis.add(decodeJwt((await server.token(client, secret)).body.access_token).jti!)
  t.equal(jtis.size, 50, 'every jti is new')
})

tap.test('LB-08, T4: what scope a request asks for is ignored, whatever it is', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const authorization = basic(client.id, secret)
  for (
    const asked of [
      'scope=invoices:write', 'scope=', 'scope=portal-provision', 'scope=openid+offline_access', 'foo=bar&foo=baz',
      `scope=${'a+'.repeat(500)}b`
    ]
  ) {
    const { status, body } = await server.post(path, `grant_type=client_credentials&${asked}`, { authorization })
    t.equal(status, 200, asked.slice(0, 40))
    t.equal(body.scope, 'invoices:read')
  }
})

tap.test('T3, T13: a scope that is malformed, repeated or endless is refused before it is ignored', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  for (
    const [asked, error] of [
      ['scope=a%22b', 'invalid_scope'], ['scope=a%5Cb', 'invalid_scope'], ['scope=%C3%A9', 'invalid_scope'],
      ['scope=a%0Ab', 'invalid_scope'], ['scope=a++b', 'invalid_scope'],
      [`scope=${'a+'.repeat(10_000)}b`, 'invalid_scope'], [`scope=${'a'.repeat(4_097)}`, 'invalid_scope'],
      ['scope=a&scope=b', 'invalid_request']
    ] as const
  ) {
    const { status, body } = await server.post(path, `grant_type=client_credentials&${asked}`, {
      authorization: basic(client.id, secret)
    })
    t.match({ status, error: body.error }, { status: 400, error }, asked.slice(0, 40))
  }
  t.equal(
    (await server.post(path, `grant_type=client_credentials&scope=${'a'.repeat(4_096)}`, {
      authorization: basic(client.id, secret)
    })).status,
    200
  )
})

tap.test('LB-14: an API-key-only scope is never granted, even when it became one later', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client({
    grants: [{ resource: server.api.id, scopes: ['invoices:read', 'invoices:write'] }]
  })
  await updateResource(server.operation, server.api.id, {
    scopes: server.api.scopes.map(scope => ({ ...scope, keyOnly: scope.name !== 'invoices:read' }))
  })
  t.equal((await server.token(client, secret)).body.scope, 'invoices:read')
  const stored = (await server.store.clients.get(client.id))!
  await server.store.clients.update({
    ...stored, grants: [{ resourceId: server.api.id, scopes: ['portal-provision'] }]
  })
  const { status, body } = await server.token(client, secret)
  t.equal(status, 200)
  t.notOk('scope' in body, 'nothing granted: no scope member, since RFC 6749 has no empty scope')
  t.notOk('scope' in decodeJwt(body.access_token))
})

tap.test('P3: resource chooses among the granted resources and nothing else', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client({
    grants: [{ resource: server.api.id, scopes: ['invoices:read'] }, {
      resource: server.other.id, scopes: ['things:read']
    }]
  })
  const audience = async (resource?: string) => {
    const { status, body } = await server.token(client, secret, resource === undefined ? {} : { resource })
    return status === 200 ? decodeJwt(body.access_token).aud : `${status} ${body.error}`
  }
  t.equal(await audience(), server.api.identifier, 'the first grant is the default')
  t.equal(await audience(''), server.api.identifier)
  t.equal(await audience(server.other.identifier), server.other.identifier)
  t.equal(
    await audience(`${server.other.identifier}/`), server.other.identifier, 'an origin is the same with its slash'
  )
  const unknown = [
    'https://nobody.example.test', `${server.api.identifier}/`, `${server.api.identifier}#x`, 'invoices',
    'javascript:alert(1)', server.issuer, server.api.id
  ]
  for (const each of unknown) t.equal(await audience(each), '400 invalid_target', each)
  const authorization = basic(client.id, secret)
  const twice = (one: string, other: string) =>
    server.post(
      path,
      new URLSearchParams([['grant_type', 'client_credentials'], ['resource', one], ['resource', other]]).toString(),
      { authorization }
    )
  t.equal((await twice(server.api.identifier, server.api.identifier)).status, 200)
  t.match(await twice(server.api.identifier, server.other.identifier), {
    status: 400, body: { error: 'invalid_target' }
  })
  await revokeResource(server.operation, server.api.id)
  t.equal(await audience(), '400 invalid_target', 'a revoked resource is no default')
  t.equal(await audience(server.api.identifier), '400 invalid_target')
})

tap.test('LB-17: a client without any grant gets a token for the host without scopes', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client({ grants: [] })
  const { status, body } = await server.token(client, secret)
  t.equal(status, 200)
  t.strictSame(Object.keys(body).sort(), ['access_token', 'expires_in', 'token_type'])
  t.equal(decodeJwt(body.access_token).aud, server.issuer)
  t.equal((await server.token(client, secret, { resource: server.issuer })).status, 200)
  t.match(await server.token(client, secret, { resource: server.api.identifier }), {
    status: 400, body: { error: 'invalid_target' }
  })
  t.equal((await server.registry.resource(hostResourceId))?.identifier, server.issuer)
})

tap.test('T1, T2: only POST, only form bodies, always JSON back', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const authorization = basic(client.id, secret)
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const { status, headers, body } = await server.send(method, path)
    t.equal(status, 405, method)
    t.equal(headers.get('allow'), 'POST')
    t.equal(body.error, 'invalid_request')
  }
  const form = 'grant_type=client_credentials'
  for (
    const type of [
      'application/json', 'application/json, application/x-www-form-urlencoded', ' application/json',
      'application/json\ta', 'multipart/form-data; boundary=x', 'text/plain', 'nonsense'
    ]
  ) {
    const { status, body } = await server.post(path, form, { authorization, 'content-type': type })
    t.equal(status, 400, type)
    t.strictSame(Object.keys(body).sort(), ['error', 'error_description'])
    t.equal(body.error, 'invalid_request', type)
  }
  for (const type of ['application/x-www-form-urlencoded;charset=UTF-8', 'Application/X-WWW-Form-URLEncoded']) {
    t.equal((await server.post(path, form, { authorization, 'content-type': type })).status, 200, type)
  }
  const html = await server.post(path, 'grant_type=nonsense', { authorization, accept: 'text/html' })
  t.match(html.headers.get('content-type'), /^application\/json/)
  t.match(html.body, { error: 'unsupported_grant_type' })
  const misspelt = await server.post(path, 'grant_type=urn:ietf:params:oauth:grant-type:token-exchang&subject_token=x')
  t.equal(misspelt.status, 401)
  t.match(misspelt.body.error_description, 'grant_type is urn:ietf:params:oauth:grant-type:token-exchange for an API')
  t.equal(
    (await server.post(path, `${form}&x=${'x'.repeat(60_000)}`, { authorization })).status, 400,
    'a body that is too large'
  )
})

tap.test('T3, T6: a parameter twice, and two ways to authenticate, are refused', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const authorization = basic(client.id, secret)
  const form = 'grant_type=client_credentials'
  const credentials = `client_id=${client.id}&client_secret=${secret}`
  const refused: [string, Record<string, string>][] = [
    [`${form}&grant_type=client_credentials`, { authorization }],
    [`${form}&${credentials}&client_id=${client.id}`, {}],
    [`${form}&${credentials}&client_secret=${secret}`, {}],
    [`${form}&${credentials}`, { authorization }],
    [
      `${form}&client_assertion=a.b.c` +
        '&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer',
      { authorization }
    ],
    [`${form}&client_id=somebody_else`, { authorization }],
    ['', { authorization }],
  ]
  for (const [body, headers] of refused) {
    const answer = await server.post(path, body, headers)
    t.match(answer, { status: 400, body: { error: 'invalid_request' } }, body)
    t.equal(answer.headers.get('cache-control'), 'no-store', 'T11')
  }
})

tap.test('T5: credentials in the URI are not read, and whoever sends them is told', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  for (const query of [`client_id=${client.id}&client_secret=${secret}`, 'grant_type=client_credentials', 'scope=x']) {
    const { status, body } = await server.post(`${path}?${query}`, {
      grant_type: 'client_credentials', client_id: client.id, client_secret: secret
    })
    t.equal(status, 400, query)
    t.equal(body.error, 'invalid_request')
    t.notOk(JSON.stringify(body).includes(secret))
  }
})

tap.test('T7, T8: Basic is read to the letter', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const form = { grant_type: 'client_credentials' }
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  t.equal(
    (await server.post(path, form, { authorization: `bAsIc ${encoded(`${client.id}:${secret}`)}` })).status, 200,
    'the scheme has no case'
  )
  t.equal(
    (await server.post(path, form, {
      authorization: `Basic ${encoded(`${encodeURIComponent(client.id)}:${encodeURIComponent(secret)}`)}`
    })).status,
    200
  )
  const malformed = [
    'Basic', 'Basic ', `Basic ${encoded('no-colon')}`, `Basic ${encoded(`${client.id}:`)}`, 'Basic a=b=', 'Basic -_-_',
    `Basic ${encoded('a:%zz')}`, `Basic ${encoded('a:\u00e9')}`, 'Bearer abc', 'Basic a b'
  ]
  for (const authorization of malformed) {
    const { status, body } = await server.post(path, form, { authorization })
    t.ok(status === 400 || status === 401, `${authorization}: ${status}`)
    t.ok(['invalid_request', 'invalid_client'].includes(body.error))
  }
  const wrong = await server.post(path, form, { authorization: basic(client.id, 'wrong') })
  t.match(wrong, { status: 401, body: { error: 'invalid_client' } })
  t.match(wrong.headers.get('www-authenticate'), /^Basic realm="/)
  t.match(await server.post(path, form), { status: 401, body: { error: 'invalid_client' } }, 'no authentication at all')
})

tap.test('T9: unknown, wrong, revoked and method-less look the same', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const revoked = await server.client()
  await revokeClient(server.operation, revoked.client.id, null)
  const form = { grant_type: 'client_credentials' }
  const answers = [
    await server.post(path, form, { authorization: basic(client.id, 'wrong') }),
    await server.post(path, form, { authorization: basic('cli_nobody', secret) }),
    await server.post(path, form, { authorization: basic(revoked.client.id, revoked.secret) }),
    await server.post(path, form, { authorization: basic(client.id.toUpperCase(), secret) }),
  ]
  const seen = answers.map(({ status, text, headers }) =>
    JSON.stringify([status, text, [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')])
  )
  t.strictSame([...new Set(seen)], [seen[0]])
  t.strictSame(answers[0]!.body, { error: 'invalid_client', error_description: 'client authentication failed' })
})

tap.test('T9: a client that exists costs a refusal the same look-up as one that does not', async t => {
  const missed: string[] = []
  const server = await startServer(t, {
    registry: real => overridden(real, {
      client: async id => {
        const found = await real.client(id)
        if (found === null) missed.push(id)
        return found
      }
    })
  })
  const { client } = await server.client()
  await server.token(client, 'wrong')
  t.equal(missed.length, 1)
  t.not(missed[0], client.id)
  await server.token({ ...client, id: 'cli_nobody' }, 'wrong')
  t.equal(missed.length, 2)
})

tap.test('LB-24, N1: the address is the one that a trusted proxy tells, and nobody else', async t => {
  for (const [trustProxy, status] of [['127.0.0.1', 200], ['192.0.2.1', 401]] as const) {
    const server = await startServer(t, { trustProxy })
    const { client, secret } = await server.client({ allowlist: ['203.0.113.7'] })
    const forwarded = { authorization: basic(client.id, secret), 'x-forwarded-for': '203.0.113.7' }
    t.equal(
      (await server.post(path, { grant_type: 'client_credentials' }, forwarded)).status, status,
      `from behind ${trustProxy}`
    )
  }
})

tap.test('T14: a grant that is not the client\'s, and one that the server does not support', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  for (
    const type of [
      'password', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code', 'nonsense', '__proto__', 'constructor'
    ]
  ) {
    t.match(await server.token(client, secret, { grant_type: type }), {
      status: 400, body: { error: 'unsupported_grant_type' }
    }, type)
  }
  for (const type of ['authorization_code', 'refresh_token']) {
    t.match(await server.token(client, secret, { grant_type: type, code: 'x', refresh_token: 'x' }), {
      status: 400, body: { error: 'unauthorized_client' }
    })
  }
  await server.store.clients.update({ ...client, metadata: { ...client.metadata, grant_types: [] } })
  t.match(await server.token(client, secret), { status: 400, body: { error: 'unauthorized_client' } })
})

tap.test('T15, T16: rotation overlaps as long as it was told to, revocation ends at once', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const next = await rotateClientSecret(server.operation, client.id, 600)
  t.equal((await server.token(client, secret)).status, 200)
  t.equal((await server.token(client, next.secret)).status, 200)
  server.advance(601)
  t.equal((await server.token(client, secret)).status, 401, 'the old one ended')
  t.equal((await server.token(client, next.secret)).status, 200)
  const last = await rotateClientSecret(server.operation, client.id, 0)
  t.equal((await server.token(client, next.secret)).status, 401)
  await revokeClient(server.operation, client.id, null)
  t.equal((await server.token(client, last.secret)).status, 401)
})

tap.test('LB-24: a token is not minted from outside the allowlist, and only who proved itself hears why', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client({ allowlist: ['192.0.2.0/24'] })
  const { status, body, headers } = await server.token(client, secret)
  t.equal(status, 401)
  t.equal(body.error, 'invalid_client')
  t.match(body.error_description, /127\.0\.0\.1 is not on this client's allowlist \(ip_whitelist_mismatch\)/)
  t.ok(headers.get('www-authenticate'))
  t.strictSame((await server.token(client, 'wrong')).body, {
    error: 'invalid_client', error_description: 'client authentication failed'
  })
  await updateClient(server.operation, client.id, { allowlist: ['127.0.0.1'] })
  t.equal((await server.token(client, secret)).status, 200, 'true on the next request')
})

tap.test('a suspended organization\'s client is told so, after it proved itself', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  await updateOrganization(server.operation, server.organization.id, { status: 'suspended' })
  t.match(await server.token(client, secret), {
    status: 400, body: { error: 'unauthorized_client', error_description: /suspended/ }
  })
  t.match(await server.token(client, 'wrong'), { status: 401, body: { error: 'invalid_client' } })
  await updateOrganization(server.operation, server.organization.id, { status: 'active' })
  t.equal((await server.token(client, secret)).status, 200)
})

tap.test('D1: neither Host nor forwarded headers bend anything', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const headers = {
    host: 'evil.example.test',
    'x-forwarded-host': 'evil.example.test',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example.test',
    authorization: basic(client.id, secret),
    'content-type': 'application/x-www-form-urlencoded'
  }
  const minted = await server.app.inject({
    method: 'POST', url: path, headers, payload: 'grant_type=client_credentials'
  })
  t.equal(minted.statusCode, 200)
  t.equal(decodeJwt(minted.json().access_token).iss, server.issuer)
  const failed = await server.app.inject({
    method: 'POST',
    url: path,
    headers: { ...headers, authorization: basic(client.id, 'x') },
    payload: 'grant_type=client_credentials'
  })
  t.notOk(JSON.stringify([failed.headers, failed.payload]).includes('evil'))
})

tap.test('N3: failures of one client are limited; a right secret and other clients do not notice', async t => {
  const server = await startServer(t, {
    limits: { failuresPerClient: { max: 5, windowSeconds: 60 }, failuresPerAddress: { max: 8, windowSeconds: 60 } }
  })
  const attacked = await server.client()
  const unrelated = await server.client()
  for (let i = 0; i < 5; i++) t.equal((await server.token(attacked.client, `wrong${i}`)).status, 401)
  const limited = await server.token(attacked.client, 'wrong')
  t.match(limited, { status: 429, body: { error: 'slow_down' } })
  t.match(limited.headers.get('retry-after'), /^([1-9]|[1-5]\d|60)$/)
  t.equal((await server.token(attacked.client, attacked.secret)).status, 200, 'a stale copy keeps out no other')
  t.equal((await server.token(unrelated.client, unrelated.secret)).status, 200)
  for (let i = 0; i < 3; i++) {
    await server.post(path, { grant_type: 'client_credentials' }, { authorization: basic(`cli_${i}`, 'x') })
  }
  t.match(await server.post(path, { grant_type: 'client_credentials' }, { authorization: basic('cli_next', 'x') }), {
    status: 429
  }, 'one address that tries many clients')
  t.equal((await server.token(unrelated.client, unrelated.secret)).status, 200, 'who proves itself passes')
  server.advance(61)
  t.equal((await server.token(attacked.client, 'wrong')).status, 401)
})

tap.test('B3, N7: without its database the server says so, with a defect it says nothing', async t => {
  let failure: Error | null = null
  const server = await startServer(t, {
    registry: real => overridden(real, {
      client: async id => {
        if (failure) throw failure
        return await real.client(id)
      }
    })
  })
  const { client, secret } = await server.client()
  failure = new Failure('storage_unavailable')
  const away = await server.token(client, secret)
  t.match(away, { status: 503, body: { error: 'temporarily_unavailable' } })
  t.equal(away.headers.get('retry-after'), '1')
  t.equal(away.headers.get('cache-control'), 'no-store')
  failure = new Error('SELECT secret FROM /etc/passwd')
  const broken = await server.token(client, secret)
  t.equal(broken.status, 500)
  t.strictSame(Object.keys(broken.body).sort(), ['error', 'error_description'])
  t.equal(broken.body.error, 'server_error')
  t.notMatch(broken.text, /SELECT|passwd|\.ts/)
  failure = null
  t.equal((await server.token(client, secret)).status, 200)
})

tap.test('a refused client is audited with the precise reason, once a minute', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const revoked = await server.client()
  await revokeClient(server.operation, revoked.client.id, null)
  for (let i = 0; i < 5; i++) await server.token(client, 'wrong')
  await server.token(revoked.client, revoked.secret)
  await server.token({ ...client, id: 'cli_nobody' }, secret)
  await server.refusals.flush()
  const rows = async () => (await server.store.audit.page({ limit: 50, after: null }, { type: 'client.refused' })).items
  t.strictSame((await rows()).map(({ subject, detail }) => [subject, detail.reason]).sort(), [
    [client.id, 'invalid secret provided'], [revoked.client.id, 'the client is revoked'], [null, 'client not found']
  ].sort())
  t.notOk(JSON.stringify(await rows()).includes(secret))
  server.advance(60)
  await server.token(client, 'wrong')
  await server.refusals.flush()
  t.strictSame((await rows())[0]!.detail, { reason: 'invalid secret provided', omitted: 4 })
})

tap.test('a client\'s use is noted behind the request', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  await server.token(client, 'wrong')
  t.equal((await server.store.clients.get(client.id))!.lastUsedAt, null)
  await server.token(client, secret)
  await server.app.close()
  t.ok(
    Math.abs((await server.store.clients.get(client.id))!.lastUsedAt!.getTime() - server.clock().getTime()) < 1_000,
    'to the second'
  )
})

tap.test('closing answers what is under way and does not wait for keep-alive connections', async t => {
  let release = () => {}
  let waiting = 0
  const held = new Promise<void>(resolve => { release = resolve })
  const client = async (real: Registry, id: string) => {
    waiting++
    await held
    return await real.client(id)
  }
  const server = await startServer(t, {
    registry: real => overridden(real, { client: async id => await client(real, id) })
  })
  const { client: machine, secret } = await server.client()
  // Answered by the fast path, and by the provider only.
  const answers = [server.token(machine, secret), server.token(machine, secret, { unknown: 'x' })]
  await until('both wait for the registry', () => waiting === answers.length)
  const closed = server.app.close()
  await until('nobody is let in any more', () => !server.app.server.listening)
  release()
  for (const { status, headers } of await Promise.all(answers)) {
    t.equal(status, 200)
    t.equal(headers.get('connection'), 'close')
  }
  const before = performance.now()
  await closed
  t.ok(performance.now() - before < server.app.server.keepAliveTimeout / 2)
})

/** A registry with some of its methods replaced. */
function overridden (real: Registry, change: Partial<Registry>): Registry {
  return {
    // The registry does not see that the replaced methods answer differently.
    state: null,
    authorization: id => real.authorization(id),
    client: id => real.client(id),
    managementToken: digest => real.managementToken(digest),
    member: id => real.member(id),
    resource: id => real.resource(id),
    importedApiKey: (digest, resourceId) => real.importedApiKey(digest, resourceId),
    resourceByIdentifier: id => real.resourceByIdentifier(id),
    organization: id => real.organization(id),
    apiKey: id => real.apiKey(id),
    cachedApiKey: id => real.cachedApiKey(id),
    apiKeyById: id => real.apiKeyById(id),
    publishableKey: id => real.publishableKey(id),
    registrationToken: digest => real.registrationToken(digest),
    webhookToken: digest => real.webhookToken(digest),
    workloadTrust: id => real.workloadTrust(id),
    policies: id => real.policies(id),
    isTokenRevoked: id => real.isTokenRevoked(id),
    signingKeys: () => real.signingKeys(),
    ...change
  }
}

/** Attacks on the OAuth endpoints of the whole server. Titles carry the ids of the security requirements. */
import { createHash } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import tap, { type Test } from 'tap'
import {
  basic, decodeJwt, MovableClock, startOnEachDatabase, startServer, type Answer, type Json, type Outgoing
} from '../support/test-server.ts'
import { quickest } from '../support/waiting.ts'

const clock = new MovableClock()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)
const server = servers[0]!.server
const { issuer, send, bearer, tokenRequest } = server
const tokenPath = '/api/v1/auth/token'
const client = await server.createClient({ scopes: ['invoices:read', 'company:read'] })
const good = { grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret }
const form = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString()
const post = (
  body: string, headers: Outgoing['headers'] = { 'content-type': 'application/x-www-form-urlencoded' }, path = tokenPath
) => send({ method: 'POST', path, headers, body })

function refused (t: Test, answer: Answer, status: number | number[], error: string, why = ''): void {
  t.ok([status].flat().includes(answer.status), `${why}: ${answer.status}`)
  t.equal(answer.json.error, error, why)
  t.strictSame(Object.keys(answer.json), ['error', 'error_description'], why)
  t.equal(answer.headers['cache-control'], 'no-store', why)
}

tap.test('T1: only POST gets a token, and what stands in a URL is not logged', async t => {
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
    const answer = await send({ method, path: `${tokenPath}?${form(good)}` })
    t.equal(answer.status, 405, method)
    t.equal(answer.headers.allow, 'POST, OPTIONS', method)
    t.notMatch(answer.text, 'access_token')
  }
  // A browser asks so before a page of another origin sends its request.
  const preflight = await send({ method: 'OPTIONS', path: `${tokenPath}?${form(good)}` })
  t.strictSame([preflight.status, preflight.text], [204, ''])
  t.notOk(server.lines.join('').includes(client.clientSecret))
})

tap.test('T2: only form bodies, always 400 and never 500', async t => {
  const body = form(good)
  const types = [
    'application/json', 'application/json, application/x-www-form-urlencoded', ' application/json',
    'application/json\ta', 'multipart/form-data; boundary=x', 'text/plain', 'application/x-www-form-urlencode',
    'application/x-www-form-urlencodedx', 'x', '/', ';', '*/*', 'application/x-www-form-urlencoded, text/plain'
  ]
  for (const type of types) {
    refused(t, await post(body, { 'content-type': type }), 400, 'invalid_request', JSON.stringify(type))
  }
  refused(t, await post(body, {}), 400, 'invalid_request', 'no type')
  refused(t, await post(JSON.stringify(good), { 'content-type': 'application/json' }), 400, 'invalid_request', 'JSON')
  for (
    const type of [
      'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=utf-8',
      'application/x-www-form-urlencoded;charset=UTF-8', 'APPLICATION/X-WWW-FORM-URLENCODED'
    ]
  ) {
    t.equal((await post(body, { 'content-type': type })).status, 200, type)
  }
  for (const odd of ['', '&&&', '=', '%', '%zz=%zz', 'grant_type', `${body}&%ff=%fe`]) {
    t.ok([200, 400, 401].includes((await post(odd)).status), JSON.stringify(odd))
  }
})

tap.test('T3, T4: a parameter comes once; without a value it is left out, and unknown ones are ignored', async t => {
  const body = form(good)
  for (const name of ['grant_type', 'client_id', 'client_secret']) {
    refused(
      t, await post(`${body}&${name}=${encodeURIComponent(good[name as keyof typeof good])}`), [400, 401],
      'invalid_request', name
    )
  }
  refused(t, await post(`${body}&scope=a&scope=b`), 400, 'invalid_request', 'scope twice')
  refused(
    t, await post(`${body}&resource=${encodeURIComponent(issuer)}&resource=https://other.test`), 400, 'invalid_target',
    'a token is for one resource'
  )
  refused(t, await post(body, undefined, `${tokenPath}?scope=a`), 400, 'invalid_request', 'body and query')
  for (
    const more of ['&scope=', '&foo=bar', '&foo=1&foo=2', '&resource=', '&__proto__=x', '&constructor=x', '&toString=x']
  ) t.equal((await post(body + more)).status, 200, more)
})

tap.test('T5, T6: credentials come in one way, and never in the URL', async t => {
  refused(
    t,
    await post(
      form({ grant_type: 'client_credentials' }), undefined,
      `${tokenPath}?client_id=${client.clientId}&client_secret=${client.clientSecret}`
    ),
    400,
    'invalid_request'
  )
  const authorization = basic(client.clientId, client.clientSecret)
  const withBasic = { 'content-type': 'application/x-www-form-urlencoded', authorization }
  const assertion = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: 'a.b.c'
  }
  t.equal((await post(form({ grant_type: 'client_credentials' }), withBasic)).status, 200)
  refused(t, await post(form(good), withBasic), 400, 'invalid_request', 'Basic and body')
  refused(
    t, await post(form({ grant_type: 'client_credentials', ...assertion }), withBasic), 400, 'invalid_request',
    'Basic and assertion'
  )
  refused(t, await post(form({ ...good, ...assertion }), withBasic), 400, 'invalid_request', 'all three')
  refused(t, await post(form({ ...good, ...assertion })), 400, 'invalid_request', 'body and assertion')
  t.equal(
    (await post(form({ grant_type: 'client_credentials', client_id: 'cli_other' }), withBasic)).status, 400,
    'two clients'
  )
})

tap.test('T7, T8: Basic is read exactly, and a failure names the scheme', async t => {
  const ask = (authorization: string) =>
    post('grant_type=client_credentials', { 'content-type': 'application/x-www-form-urlencoded', authorization })
  const encoded = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')
  for (const scheme of ['Basic', 'basic', 'BASIC', 'bAsIc']) {
    t.equal((await ask(`${scheme} ${encoded}`)).status, 200, scheme)
  }
  const everyCharacter = [...client.clientSecret].map(c => `%${c.charCodeAt(0).toString(16)}`).join('')
  t.equal(
    (await ask(`Basic ${Buffer.from(`${client.clientId}:${everyCharacter}`).toString('base64')}`)).status, 200,
    'form-encoded (RFC 6749 §2.3.1)'
  )
  const wrong = [
    'Basic',
    'Basic ',
    'Basic !!!!',
    `Basic ${encoded.slice(0, 10)}=${encoded.slice(10)}`,
    `Basic ${encoded} x`,
    `Basic ${Buffer.from(client.clientId).toString('base64')}`,
    basic(client.clientId, ''),
    basic('', client.clientSecret),
    basic(client.clientId, '%zz'),
    basic(client.clientId, '%ff%fe'),
    basic('%', '%'),
    basic(client.clientId, `${client.clientSecret}é`),
    `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x41]).toString('base64')}`,
    `Bearer ${client.clientSecret}`,
    `Digest ${encoded}`,
    basic(client.clientId, 'a:b%2B c+é'),
    basic(`${client.clientId}\0`, client.clientSecret)
  ]
  for (const authorization of wrong) {
    const answer = await ask(authorization)
    t.ok(answer.status >= 400 && answer.status < 500, `${authorization.slice(0, 24)}: ${answer.status}`)
    t.notMatch(answer.text, 'access_token')
  }
  const answer = await ask(basic(client.clientId, 'wrong'))
  refused(t, answer, 401, 'invalid_client')
  t.match(answer.headers['www-authenticate'], /^Basic /)
})

tap.test('T9: unknown, wrong, revoked and disabled look the same', async t => {
  const revoked = await server.createClient()
  await server.admin('POST', `/clients/${revoked.clientId}/revoke`)
  const strangers = [
    { clientId: 'cli_nobody', clientSecret: client.clientSecret }, { clientId: client.clientId, clientSecret: 'wrong' },
    revoked, { ...revoked, clientSecret: 'wrong' }
  ]
  const seen = []
  for (const stranger of strangers) {
    const { status, text, headers } = await tokenRequest(stranger)
    const { 'x-request-id': _, date: __, ...rest } = headers
    seen.push({ status, text, rest })
  }
  for (const each of seen) t.strictSame(each, seen[0])
  t.equal(seen[0]!.status, 401)
})

tap.test('T10: what the store and the API hold of a secret is not the secret', async t => {
  const key = await server.createKey()
  const registrationToken = await server.createRegistrationToken()
  const registered =
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${registrationToken.token}` },
      body: {}
    })).json
  const secrets = [
    client.clientSecret, key.key, registrationToken.token, registered.client_secret,
    registered.registration_access_token, server.adminToken
  ]
  const { store } = server.latchkey.operation
  const stored = JSON.stringify([
    await store.clients.get(client.clientId),
    await store.clients.get(registered.client_id),
    await store.apiKeys.get(key.id),
    await store.registrationTokens.get(registrationToken.id),
    await store.audit.page({ limit: 200, after: null }, {})
  ])
  const reads = await Promise.all(
    [
      '/clients', '/api-keys', '/registration-tokens', '/audit', `/clients/${client.clientId}`, `/api-keys/${key.id}`,
      `/registration-tokens/${registrationToken.id}`
    ].map(path => server.admin('GET', path))
  )
  for (const secret of secrets) {
    t.notOk(stored.includes(secret))
    for (const read of reads) t.notOk(read.text.includes(secret))
  }
  t.ok(stored.includes(createHash('sha256').update(key.key).digest('base64url')), 'but its SHA-256')
})

tap.test('T11: nothing an OAuth endpoint answers is cached', async t => {
  const authorization = basic(client.clientId, client.clientSecret)
  const { token } = await server.createRegistrationToken()
  const answers = [
    await tokenRequest(client), await tokenRequest({ ...client, clientSecret: 'x' }), await post(''),
    ...await Promise.all(['introspect', 'revoke'].flatMap(each => [
      send({
        method: 'POST',
        path: `/api/v1/oauth/${each}`,
        headers: { authorization },
        body: new URLSearchParams({ token: 'x' })
      }),
      send({ method: 'POST', path: `/api/v1/oauth/${each}`, body: new URLSearchParams({ token: 'x' }) }),
      send({
        method: 'POST', path: `/api/v1/oauth/${each}`, headers: { authorization }, body: new URLSearchParams({})
      }),
      send({ path: `/api/v1/oauth/${each}` })
    ])),
    ...await Promise.all(
      [{}, { authorization: 'Bearer x' }, { authorization: `Bearer ${token}` }].map(headers =>
        send({ method: 'POST', path: '/api/v1/oauth/register', headers: headers as Record<string, string>, body: {} })
      )
    )
  ]
  t.ok(new Set(answers.map(answer => answer.status)).size >= 5)
  for (const answer of answers) t.equal(answer.headers['cache-control'], 'no-store', String(answer.status))
})

tap.test('T12, T13: no refresh token, a well-formed scope is ignored, and a malformed or endless one refused', async t => {
  for (const scope of [Array(10_000).fill('a').join(' '), 'é', '"', '\\', 'a\nb']) {
    const answer = await tokenRequest(client, { scope })
    t.match({ status: answer.status, error: answer.json.error }, { status: 400, error: 'invalid_scope' })
  }
  for (const scope of ['offline_access', 'invoices:read offline_access']) {
    t.ok(await quickest(5_000, () => tokenRequest(client, { scope })) < 5_000)
    const answer = await tokenRequest(client, { scope })
    t.strictSame(Object.keys(answer.json), ['access_token', 'token_type', 'expires_in', 'scope'])
    t.equal(answer.json.scope, 'invoices:read company:read')
  }
  const huge = await tokenRequest(client, { scope: 'a '.repeat(60_000) })
  t.ok([400, 413].includes(huge.status))
})

tap.test('T14: a grant that is not there is refused, and the metadata does not name it', async t => {
  const { grant_types_supported: named } = (await send({ path: '/.well-known/oauth-authorization-server' })).json
  const grants = [
    'password', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code', 'urn:openid:params:grant-type:ciba',
    '__proto__', 'constructor', 'CLIENT_CREDENTIALS', 'client_credentials '
  ]
  for (const grant of grants) {
    refused(
      t,
      await tokenRequest(client, {
        grant_type: grant,
        code: 'x',
        refresh_token: 'x',
        username: 'a',
        password: 'b',
        assertion: 'x',
        subject_token: 'x',
        device_code: 'x'
      }),
      400,
      'unsupported_grant_type',
      grant
    )
    t.notOk(named.includes(grant))
  }
  refused(
    t, await post(form({ client_id: client.clientId, client_secret: client.clientSecret })), 400, 'invalid_request',
    'none'
  )
})

for (const { name, server: each } of servers) {
  tap.test(`T15: a revoked client and a suspended organization stop at once [${name}]`, async t => {
    const mine = await each.createClient()
    const key = await each.createKey({ organization: mine.organization })
    const token = await each.tokenFor(mine)
    t.equal((await each.admin('PATCH', `/organizations/${mine.organization}`, { status: 'suspended' })).status, 200)
    for (const answer of [await each.bearer(token), await each.withKey(key.key)]) {
      t.equal(answer.status, 403)
      t.match(answer.json, { code: 'ORGANIZATION_SUSPENDED', details: { reason: 'organization_suspended' } })
    }
    t.equal((await each.tokenRequest(mine)).json.error, 'unauthorized_client')
    t.equal(
      (await each.tokenRequest({ ...mine, clientSecret: 'wrong' })).json.error, 'invalid_client',
      'a stranger does not learn of it'
    )
    await each.admin('PATCH', `/organizations/${mine.organization}`, { status: 'active' })
    t.equal((await each.bearer(token)).status, 200)
    await each.admin('POST', `/clients/${mine.clientId}/revoke`)
    t.equal((await each.bearer(token)).status, 401)
    t.equal((await each.tokenRequest(mine)).status, 401)
  })

  tap.test(`T16: two secrets are good until the overlap ends; without overlap the old one and its tokens end at once [${name}]`, async t => {
    const mine = await each.createClient()
    const old = await each.tokenFor(mine)
    const rotated = (await each.admin('POST', `/clients/${mine.clientId}/rotate-secret`, { overlapSeconds: 60 })).json
    const withNew = { ...mine, clientSecret: rotated.clientSecret }
    t.equal((await each.tokenRequest(mine)).status, 200)
    t.equal((await each.tokenRequest(withNew)).status, 200)
    t.equal((await each.bearer(old)).status, 200)
    clock.advance(61)
    t.equal((await each.tokenRequest(mine)).status, 401)
    const token = await each.tokenFor(withNew)
    const emergency = (await each.admin('POST', `/clients/${mine.clientId}/rotate-secret`, { overlapSeconds: 0 })).json
    t.equal((await each.bearer(token)).status, 401)
    t.equal((await each.tokenRequest(withNew)).status, 401)
    t.equal((await each.tokenRequest({ ...mine, clientSecret: emergency.clientSecret })).status, 200)
  })

  tap.test(`P2: an assertion is good once, however many bring it at the same time [${name}]`, async t => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const mine = await each.createClient({
      tokenEndpointAuthMethod: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] }
    })
    const ask = async (assertion: string) =>
      await each.send({
        method: 'POST',
        path: tokenPath,
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion
        })
      })
    const now = Math.floor(clock.now().getTime() / 1000)
    const claims = { iss: mine.clientId, sub: mine.clientId, aud: each.issuer, iat: now, exp: now + 240 }
    let count = 0
    const assertion = async (change: Json = {}) =>
      await new SignJWT({ ...claims, jti: `a${count++}`, ...change }).setProtectedHeader({ alg: 'ES256' }).sign(
        privateKey
      )
    const one = await assertion()
    const statuses = (await Promise.all(Array.from({ length: 10 }, () => ask(one)))).map(answer => answer.status)
    t.equal(statuses.filter(status => status === 200).length, 1)
    t.equal(statuses.filter(status => status === 401).length, 9)
    const audiences = [
      `${each.issuer}/`, `${each.issuer}${tokenPath}`, [each.issuer], [each.issuer, 'https://other.test'],
      `${each.issuer}.evil`, '', undefined
    ]
    for (const aud of audiences) {
      t.equal((await ask(await assertion({ aud }))).json.error, 'invalid_client', JSON.stringify(aud))
    }
    for (
      const change of [{ exp: now + 3600 }, { exp: now - 60 }, { exp: undefined }, { jti: undefined }, {
        iss: 'cli_other'
      }, { sub: 'cli_other' }]
    ) {
      t.equal((await ask(await assertion(change))).json.error, 'invalid_client', JSON.stringify(change))
    }
    // Failures are limited by the minute.
    clock.advance(60)
    t.equal((await ask(await assertion())).status, 200, 'the way these assertions are made is the right one')
  })

  tap.test(`R2, R6: a registration token is spent exactly as often as it says, and a client manages itself alone [${name}]`, async t => {
    const { token } = await each.createRegistrationToken({ uses: 3 })
    const register = () =>
      each.send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: { client_name: 'agent' }
      })
    const answers = await Promise.all(Array.from({ length: 12 }, register))
    const made = answers.filter(answer => answer.status === 201).map(answer => answer.json)
    t.equal(made.length, 3)
    t.strictSame(new Set(answers.map(answer => answer.status)), new Set([201, 401]))
    const [mine, other] = made as [Json, Json]
    const manage = (method: string, target: Json, holder: Json, body?: Json) =>
      each.send({
        method,
        path: `/api/v1/oauth/register/${target.client_id}`,
        headers: { authorization: `Bearer ${holder.registration_access_token}` },
        ...(body ? { body } : {})
      })
    for (const method of ['GET', 'DELETE']) t.equal((await manage(method, other, mine)).status, 401, method)
    t.equal((await manage('PUT', other, mine, { client_id: other.client_id, client_name: 'x' })).status, 401)
    t.equal((await manage('GET', mine, mine)).json.client_secret, undefined)
    const access = { clientId: mine.client_id, clientSecret: mine.client_secret }
    const accessToken = await each.tokenFor(access)
    t.equal((await manage('DELETE', mine, mine)).status, 204)
    t.equal((await manage('GET', mine, mine)).status, 401)
    t.equal((await each.tokenRequest(access)).status, 401)
    t.equal((await each.bearer(accessToken)).status, 401)
    t.equal((await manage('GET', other, other)).status, 200)
  })
}

tap.test('J1: an access token is one of RFC 9068, and no two share an id', async t => {
  const ids = new Set<string>()
  for (let i = 0; i < 200; i++) ids.add(decodeJwt(await server.tokenFor(client)).payload.jti)
  t.equal(ids.size, 200)
  const { header, payload } = decodeJwt(await server.tokenFor(client))
  t.strictSame(Object.keys(header).sort(), ['alg', 'kid', 'typ'])
  t.match(header, { alg: 'ES256', typ: 'at+jwt' })
  t.strictSame(Object.keys(payload).sort(), [
    'aud', 'client_id', 'exp', 'gen', 'iat', 'iss', 'jti', 'org_id', 'scope', 'sub'
  ])
  t.match(payload, { iss: issuer, aud: issuer, sub: client.clientId, client_id: client.clientId })
})

tap.test('J5: nobody chooses an id or a claim', async t => {
  const { token } = await server.createRegistrationToken()
  const wished = {
    client_id: client.clientId,
    client_secret: 'mine',
    sub: client.clientId,
    aud: 'x',
    scope: 'portal-provision',
    org_id: 'org_x',
    gen: 7,
    registration_access_token: 'mine',
    client_id_issued_at: 1
  }
  const { status, json } = await send({
    method: 'POST', path: '/api/v1/oauth/register', headers: { authorization: `Bearer ${token}` }, body: wished
  })
  t.equal(status, 201)
  for (const member of ['client_id', 'client_secret', 'registration_access_token', 'client_id_issued_at'] as const) {
    t.not(json[member], wished[member], member)
  }
  for (const member of ['sub', 'aud', 'org_id', 'gen']) t.notOk(member in json, member)
  const { payload } = decodeJwt(await server.tokenFor({ clientId: json.client_id, clientSecret: json.client_secret }))
  t.match(payload, { sub: json.client_id, aud: issuer, scope: 'invoices:read', gen: 1 })
})

tap.test('P3: a resource is one of the client\'s, named exactly', async t => {
  const others = ['https://other.test', `${issuer}/x`, `${issuer}#x`, issuer.slice(0, -1), '/', 'x', 'urn:x', ' ']
  for (const resource of [...others, `${issuer}/api/v1`]) {
    refused(t, await tokenRequest(client, { resource }), 400, 'invalid_target', resource)
  }
  t.equal((await tokenRequest(client, { resource: issuer })).status, 200)
})

tap.test('I1: introspection tells the owner and who serves the resource; everybody else hears active:false', async t => {
  const served = 'https://neighbour.example.test'
  t.equal((await server.admin('POST', '/resources', { identifier: served, scopes: [] })).status, 201)
  const [neighbour, gateway] = [
    await server.createClient({ introspects: [served] }),
    await server.createClient({ introspects: [issuer], scopes: [] })
  ]
  const token = await server.tokenFor(client)
  const { key } = await server.createKey()
  const ask = (asker: { clientId: string, clientSecret: string }, text: string, more: Record<string, string> = {}) =>
    send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token: text, ...more })
    })
  t.equal(
    (await send({ method: 'POST', path: '/api/v1/oauth/introspect', body: new URLSearchParams({ token }) })).status, 401
  )
  t.equal(
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: `Bearer ${token}` },
      body: new URLSearchParams({ token })
    })).status,
    400,
    'a token is no client authentication'
  )
  t.equal((await ask(client, token)).json.active, true)
  t.equal((await ask(gateway, token)).json.active, true)
  t.equal((await ask(gateway, key)).json.active, true)
  const revoked = await server.tokenFor(client)
  await send({
    method: 'POST',
    path: '/api/v1/oauth/revoke',
    headers: { authorization: basic(client.clientId, client.clientSecret) },
    body: new URLSearchParams({ token: revoked })
  })
  const dead: [string, Promise<Answer>][] = [
    ['another client', ask(neighbour, token)],
    ['another client asks about a key', ask(neighbour, key)],
    ['random', ask(neighbour, 'random')],
    ['revoked', ask(client, revoked)],
    ['a wrong hint', ask(neighbour, token, { token_type_hint: 'refresh_token' })],
    ['altered', ask(gateway, token.slice(0, -2))],
    ['the admin token', ask(gateway, server.adminToken)],
    ['a secret', ask(gateway, client.clientSecret)]
  ]
  for (const [why, answer] of dead) t.equal((await answer).text, '{"active":false}', why)
  for (const text of ['random', token.slice(0, -2), key]) {
    t.match(await ask(client, text), { status: 403, json: { error: 'access_denied' } }, 'it serves no resource')
  }
})

tap.test('I2: revocation is the owner\'s; what is not its own is answered like success and lives on', async t => {
  const neighbour = await server.createClient()
  const token = await server.tokenFor(client)
  const revoke = (asker: { clientId: string, clientSecret: string }, text: string, more: Record<string, string> = {}) =>
    send({
      method: 'POST',
      path: '/api/v1/oauth/revoke',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token: text, ...more })
    })
  for (const text of [token, 'unknown', token.slice(0, -3)]) t.equal((await revoke(neighbour, text)).status, 200)
  t.equal((await bearer(token)).status, 200)
  t.equal((await revoke(client, token, { token_type_hint: 'refresh_token' })).status, 200)
  t.equal((await bearer(token)).status, 401, 'a wrong hint does not keep it alive')
  t.equal(
    (await send({ method: 'POST', path: '/api/v1/oauth/revoke', body: new URLSearchParams({ token }) })).status, 401
  )
})

tap.test('R1, R5: what is registered is what was answered; what would make the server fetch or believe is refused', async t => {
  const { token } = await server.createRegistrationToken()
  const register = (body: Json | string) =>
    send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body)
    })
  const { publicKey } = await generateKeyPair('ES256')
  const jwks = { keys: [await exportJWK(publicKey)] }
  const refusals: Json[] = [
    { software_statement: 'a.b.c' },
    { jwks_uri: 'http://127.0.0.1/jwks' },
    { jwks, jwks_uri: 'https://x.test/jwks', token_endpoint_auth_method: 'private_key_jwt' },
    { sector_identifier_uri: 'https://x.test' },
    { request_uris: ['https://x.test'] },
    { token_endpoint_auth_method: 'private_key_jwt' },
    { token_endpoint_auth_method: 'none' },
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { grant_types: ['implicit'] },
    { grant_types: 'client_credentials' },
    { grant_types: [['client_credentials']] },
    { client_name: { a: 1 } },
    { contacts: [null] },
    { redirect_uris: ['javascript:alert(1)'] },
    { redirect_uris: [['https://x.test']] },
    { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } },
    { scope: 1 },
    { logo_uri: 'javascript:alert(1)' }
  ]
  const before = (await server.admin('GET', '/clients?limit=200')).json.data.length
  for (const body of refusals) {
    const answer = await register(body)
    t.equal(answer.status, 400, JSON.stringify(body))
    t.match(answer.json.error, /^invalid_(client_metadata|redirect_uri)$/, JSON.stringify(body))
    t.strictSame(Object.keys(answer.json), ['error', 'error_description'])
  }
  for (
    const body of [
      '', '[', '[]', 'null', '"x"', '1', `{"client_name":"${'x'.repeat(20_000)}"}`, '{"__proto__":{"x":1}}',
      `${'['.repeat(5_000)}${']'.repeat(5_000)}`
    ]
  ) {
    const answer = await register(body)
    t.ok([400, 413].includes(answer.status), `${body.slice(0, 12)}: ${answer.status}`)
  }
  t.equal((await server.admin('GET', '/clients?limit=200')).json.data.length, before, 'nothing was registered')
  const kept = await register({ client_name: 'x', jwks, token_endpoint_auth_method: 'private_key_jwt' })
  t.equal(kept.status, 201)
  const read = await send({
    path: `/api/v1/oauth/register/${kept.json.client_id}`,
    headers: { authorization: `Bearer ${kept.json.registration_access_token}` }
  })
  t.strictSame(read.json, kept.json)
})

tap.test('R3: strangers register a few an hour and are told when to come back', async t => {
  const open = await startServer({ registration: 'open' })
  t.teardown(open.close)
  const register = (from: string) =>
    open.send({ method: 'POST', path: '/api/v1/oauth/register', body: { scope: 'admin portal-provision' }, from })
  const statuses = []
  for (let i = 0; i < 25; i++) statuses.push(await register('127.0.0.2'))
  t.equal(statuses.filter(answer => answer.status === 201).length, 20)
  const last = statuses.at(-1)!
  t.equal(last.status, 429)
  t.match(last.headers['retry-after'], /^\d+$/)
  t.equal((await register('127.0.0.3')).status, 201, 'somebody else is not kept out')
  for (const answer of statuses.filter(answer => answer.status === 201)) t.notOk('scope' in answer.json)
})

tap.test('R4: a malformed Authorization at the registration endpoint is never more than a refusal', async t => {
  for (
    const authorization of [
      'Bearer', 'Bearer ', 'Bearer a b', 'Bearer é', `Bearer ${'x'.repeat(8_000)}`, 'Basic x', 'bearer', ',', '='
    ]
  ) {
    const answer = await send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: ['authorization', Buffer.from(authorization).toString('latin1')],
      body: {}
    })
    t.ok([400, 401].includes(answer.status), `${authorization.slice(0, 20)}: ${answer.status}`)
  }
  for (const bytes of ['Bearer \0', `Bearer ${'x'.repeat(65_536)}`]) {
    t.match(
      await server.raw(
        `POST /api/v1/oauth/register HTTP/1.1\r\nhost: x\r\nauthorization: ${bytes}\r\ncontent-length: ` +
          '0\r\nconnection: close\r\n\r\n'
      ),
      /^HTTP\/1\.1 4(00|01|31) /
    )
  }
})

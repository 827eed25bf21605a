/** Attacks on the guard by a client that has only its URL. Titles carry the ids of the security requirements. */
import { createHmac, createPublicKey } from 'node:crypto'
import { CompactSign, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type JWK } from 'jose'
import tap, { type Test } from 'tap'
import { openSigningKeys } from '../../src/domain/tokens/key-ring.ts'
import { isApiKeyText, newApiKeyText } from '../../src/secrets/credential-text.ts'
import { basic, decodeJwt, MovableClock, startServer, type Answer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const server = await startServer({ clock })
tap.teardown(server.close)
const { issuer, send, bearer, withKey } = server
const path = '/api/v1/invoices'
const client = await server.createClient()
const apiKey = await server.createKey({ organization: client.organization })

const signingKeys = await openSigningKeys(server.latchkey.operation.store, clock.now, [server.secret])
const { signing } = signingKeys.ring()
const serverKey = await importJWK(signing.privateJwk, 'ES256')
const goodHeader = { alg: 'ES256', typ: 'at+jwt', kid: signing.kid }

/** The claims of a token that is valid now. */
async function goodClaims (): Promise<Json> {
  return decodeJwt(await server.tokenFor(client)).payload
}

/** Signed by the server's own key, with any claims. */
async function signed (payload: Json | string, header: Json = {}): Promise<string> {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return await new CompactSign(new TextEncoder().encode(text)).setProtectedHeader({ ...goodHeader, ...header }).sign(
    serverKey
  )
}

function invalidToken (t: Test, answer: Answer, why: string): void {
  t.equal(answer.status, 401, why)
  t.match(answer.headers['www-authenticate'], /^Bearer error="invalid_token"/, why)
  t.strictSame(answer.json.details, { reason: 'invalid_token' }, why)
  t.strictSame(Object.keys(answer.json), ['statusCode', 'timestamp', 'path', 'message', 'code', 'details'], why)
}

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

tap.test('J2: no algorithm, key or type but our own is taken', async t => {
  const claims = await goodClaims()
  t.equal((await bearer(await signed(claims))).status, 200, 'the way these tokens are made is the right one')
  const stranger = await generateKeyPair('ES256', { extractable: true })
  const strangerJwk = await exportJWK(stranger.publicKey)
  const rsa = await generateKeyPair('RS256')
  const jwks = (await send({ path: '/.well-known/jwks.json' })).json
  const [publicJwk] = jwks.keys as [JWK]
  const pem = createPublicKey({ key: publicJwk as never, format: 'jwk' }).export({
    type: 'spki', format: 'pem'
  }) as string
  const hmac = (key: string | Buffer, alg = 'HS256') => {
    const input = `${encode({ ...goodHeader, alg })}.${encode(claims)}`
    return `${input}.${createHmac(alg.replace('HS', 'sha'), key).update(input).digest('base64url')}`
  }
  const [, body, signature] = (await signed(claims)).split('.')
  const byStranger = (header: Json) =>
    new SignJWT(claims).setProtectedHeader({ ...goodHeader, ...header }).sign(stranger.privateKey)
  const forged: Record<string, string> = {
    'alg none, unsigned': new UnsecuredJWT(claims).encode(),
    ...Object.fromEntries(
      ['none', 'None', 'NONE', 'nOnE', ''].map(
        alg => [`alg ${JSON.stringify(alg)} with our kid`, `${encode({ ...goodHeader, alg })}.${encode(claims)}.`]
      )
    ),
    'alg none with a good signature': `${encode({ ...goodHeader, alg: 'none' })}.${body}.${signature}`,
    'HS256 keyed with our public key in PEM': hmac(pem),
    'HS256 keyed with our public key in PEM, trimmed': hmac(pem.trim()),
    'HS256 keyed with our public JWK': hmac(JSON.stringify(publicJwk)),
    'HS256 keyed with the x of our public key': hmac(Buffer.from(publicJwk.x!, 'base64url')),
    'HS256 keyed with nothing': hmac(''),
    'HS512 keyed with our public key': hmac(pem, 'HS512'),
    ...Object.fromEntries(
      ['RS256', 'PS256', 'ES384', 'EdDSA', 'es256', 'HS256'].map(
        alg => [`a good signature called ${alg}`, `${encode({ ...goodHeader, alg })}.${body}.${signature}`]
      )
    ),
    'a stranger\'s key under our kid': await byStranger({}),
    'a stranger\'s key in jwk': await byStranger({ jwk: strangerJwk }),
    'a stranger\'s key in jwk, without kid': await byStranger({ jwk: strangerJwk, kid: undefined }),
    'a stranger\'s key behind jku': await byStranger({ jku: 'https://evil.example/jwks.json' }),
    'a stranger\'s key behind x5u': await byStranger({ x5u: 'https://evil.example/cert.pem' }),
    'a stranger\'s RSA key':
      await new SignJWT(claims).setProtectedHeader({ ...goodHeader, alg: 'RS256' }).sign(rsa.privateKey),
    'our key with jwk in the header': await signed(claims, { jwk: publicJwk }),
    'our key with jku in the header': await signed(claims, { jku: `${issuer}/.well-known/jwks.json` }),
    'our key with x5u in the header': await signed(claims, { x5u: issuer }),
    'an unknown critical header': await forgedCrit(claims),
    'an unknown kid': await signed(claims, { kid: 'another' }),
    'no kid': await signed(claims, { kid: undefined }),
    'a kid that is a number': await signed(claims, { kid: 1 }),
    'a kid that is a path': await signed(claims, { kid: '../../dev/null' }),
    ...Object.fromEntries(
      await Promise.all(
        ['JWT', 'jwt', 'id_token+jwt', 'application/jwt', '', undefined].map(
          async typ => [`typ ${typ}`, await signed(claims, { typ })]
        )
      )
    )
  }
  for (const [why, token] of Object.entries(forged)) {
    const answer = await bearer(token)
    t.equal(answer.status, 401, why)
    t.match(answer.headers['www-authenticate'], /error="invalid_token"/, why)
  }
})

async function forgedCrit (claims: Json): Promise<string> {
  return await new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ ...goodHeader, crit: ['exp'], exp: 1 }).sign(serverKey, { crit: { exp: true } })
}

tap.test('J3: every claim has to be there and to be exactly what it has to be, even under a good signature', async t => {
  const good = await goodClaims()
  t.equal((await bearer(await signed(good))).status, 200)
  const wrong: Record<string, readonly unknown[]> = {
    iss: [`${issuer}/`, issuer.toUpperCase(), 'https://evil.example', [issuer], '', undefined, null],
    aud: [
      `${issuer}.evil`, issuer.slice(0, -1), `${issuer}/`, `${issuer}/api/v1`, [issuer],
      [issuer, 'https://evil.example'], { 0: issuer }, '', undefined, null
    ],
    exp: [String(good.exp), good.exp + 0.5, -1, 0, Number.MAX_SAFE_INTEGER + 2, [good.exp], undefined, null, true],
    iat: [String(good.iat), good.iat + 0.5, undefined, null],
    nbf: ['0', {}, null],
    sub: ['cli_another', undefined, null, 1],
    client_id: ['cli_another', undefined, null, [good.client_id]],
    jti: ['', undefined, 1, null],
    gen: [good.gen + 1, good.gen - 1, String(good.gen), undefined, null, good.gen + 0.5],
    scope: [['invoices:read'], { 'invoices:read': true }, 1, null],
    org_id: [1, null, ['org_x']],
  }
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of values) {
      invalidToken(t, await bearer(await signed({ ...good, [claim]: value })), `${claim}: ${JSON.stringify(value)}`)
    }
  }
  const text = JSON.stringify(good)
  const payloads = {
    'exp 1e400': text.replace(`"exp":${good.exp}`, '"exp":1e400'),
    'an array': `[${text}]`,
    'a text': JSON.stringify(text),
    null: 'null',
    'no JSON': text.slice(0, -1),
    nothing: '',
    'not UTF-8': `${text.slice(0, -1)},"x":"\ud800"}`.replace('\ud800', '\xff'),
  }
  for (const [why, payload] of Object.entries(payloads).filter(([why]) => why !== 'not UTF-8')) {
    t.equal((await bearer(await signed(payload))).status, 401, why)
  }
  const bytes = Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')])
  t.equal(
    (await bearer(await new CompactSign(bytes).setProtectedHeader(goodHeader).sign(serverKey))).status, 401, 'not UTF-8'
  )
})

tap.test('J3: who a token says it is for, its organization is looked up and not believed', async t => {
  const good = await goodClaims()
  const answer = await bearer(await signed({ ...good, org_id: 'org_another' }))
  t.equal(answer.json.seen?.organizationId, client.organization)
})

tap.test('J4: clocks may differ by seconds, not by minutes', async t => {
  const good = await goodClaims()
  for (const [seconds, status] of [[14, 200], [15, 200], [16, 401], [61, 401], [3600, 401]] as const) {
    t.equal((await bearer(await signed({ ...good, iat: good.iat + seconds }))).status, status, `iat ${seconds} s ahead`)
    t.equal((await bearer(await signed({ ...good, nbf: good.iat + seconds }))).status, status, `nbf ${seconds} s ahead`)
  }
  for (const [seconds, status] of [[1, 200], [0, 401], [-16, 401]] as const) {
    t.equal((await bearer(await signed({ ...good, exp: good.iat + seconds }))).status, status, `exp in ${seconds} s`)
  }
})

tap.test('J6: no other secret or signed thing of this server is an access token', async t => {
  const registrationToken = await server.createRegistrationToken()
  const registered =
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${registrationToken.token}` },
      body: {}
    })).json
  const good = await goodClaims()
  const assertion = {
    iss: client.clientId, sub: client.clientId, aud: issuer, jti: 'a', iat: good.iat, exp: good.iat + 60
  }
  const others: Record<string, string> = {
    'a client secret': client.clientSecret,
    'a client id': client.clientId,
    'a registration token': registrationToken.token,
    'a registration access token': registered.registration_access_token,
    'the admin token': server.adminToken,
    'a client assertion': await signed(assertion, { typ: 'JWT' }),
    'a client assertion with our type': await signed(assertion),
    'an ID token': await signed({ ...good, aud: client.clientId, nonce: 'n' }, { typ: 'JWT' }),
    'a JWK Set': encode((await send({ path: '/.well-known/jwks.json' })).text),
  }
  for (const [why, text] of Object.entries(others)) invalidToken(t, await bearer(text), why)
  for (const text of [await server.tokenFor(client), apiKey.key]) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await send({
        method,
        path: `/api/v1/oauth/register/${registered.client_id}`,
        headers: { authorization: `Bearer ${text}` },
        ...(method === 'PUT' ? { body: {} } : {})
      })
      t.ok(
        [400, 401].includes(answer.status),
        `${method} with something else than the registration access token: ${answer.status}`
      )
    }
  }
})

tap.test('D3: no credential, a bad one and too little of one are told apart in WWW-Authenticate', async t => {
  const metadata = `resource_metadata="${issuer}/.well-known/oauth-protected-resource"`
  // Scopes are no error: a client without a token learns what to ask for (RFC 6750 §3).
  t.equal((await send({ path })).headers['www-authenticate'], `Bearer ${metadata}, scope="invoices:read"`)
  t.match(
    (await bearer('x')).headers['www-authenticate'],
    new RegExp(`^Bearer error="invalid_token", error_description="[^"]+", scope="invoices:read", ${metadata}$`)
  )
  const little = await bearer(await server.tokenFor(client), '/api/v1/company')
  t.equal(little.status, 403)
  t.match(
    little.headers['www-authenticate'],
    new RegExp(`^Bearer error="insufficient_scope", error_description="[^"]+", scope="company:read", ${metadata}$`)
  )
  const document = (await send({ path: '/.well-known/oauth-protected-resource' })).json
  t.equal(document.resource, issuer, 'the identifier is the one that the URL was derived from')
})

tap.test('B1: one transport for one token; a query is none', async t => {
  const token = await server.tokenFor(client)
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    t.equal((await send({ path, headers: { authorization: `${scheme} ${token}` } })).status, 200, scheme)
  }
  t.equal(
    (await send({ path, headers: { authorization: `Bearer    ${token}` } })).status, 200,
    'RFC 6750 §2.1: one space or more'
  )
  const inQuery = await send({ path: `${path}?access_token=${token}` })
  t.equal(inQuery.status, 401)
  t.strictSame(inQuery.json.details, { reason: 'access_token_in_query' })
  const several: Record<string, Promise<Answer>> = {
    'header and query': bearer(token, `${path}?access_token=${token}`),
    'header and query, empty': bearer(token, `${path}?access_token=`),
    'twice in the query': send({ path: `${path}?access_token=${token}&access_token=${token}` }),
    'two Authorization headers': send({
      path, headers: ['authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`]
    }),
    'two Authorization headers, the second bad': send({
      path, headers: ['authorization', `Bearer ${token}`, 'Authorization', 'Bearer x']
    })
  }
  for (const [why, answer] of Object.entries(several)) severalRefused(t, await answer, why)
  const malformed = [
    `Bearer ${token} x`, `Bearer ${token},Bearer ${token}`, `Bearer "${token}"`, `Bearer\t${token}`, `Token ${token}`,
    token, 'Bearer', 'Bearer ', basic(client.clientId, client.clientSecret)
  ]
  for (const authorization of malformed) {
    t.equal((await send({ path, headers: { authorization } })).status, 401, authorization.slice(0, 20))
  }
})

tap.test('Y6: a token and a key on one request are one too many, whichever of them is good', async t => {
  const token = await server.tokenFor(client)
  const { key } = apiKey
  const pairs: [string, string, string][] = [[token, key, 'both good'], ['x', key, 'the token bad'], [
    token, 'x', 'the key bad'
  ], [key, key, 'the key in both places']]
  for (const [authorization, text, why] of pairs) {
    severalRefused(
      t, await send({ path, headers: { authorization: `Bearer ${authorization}`, 'x-api-key': text } }), why
    )
  }
  severalRefused(t, await send({ path: `${path}?x-api-key=${key}`, headers: { 'x-api-key': key } }), 'header and query')
  severalRefused(
    t, await send({ path: `${path}?x-api-key=${key}`, headers: { authorization: `Bearer ${token}` } }),
    'token and query'
  )
  severalRefused(t, await send({ path: `${path}?x-api-key=${key}&x-api-key=x` }), 'twice in the query')
  severalRefused(t, await send({ path, headers: ['x-api-key', key, 'X-Api-Key', key] }), 'two headers')
})

tap.test('a scheme that the guard does not know is no credential: a key works beside what a staging proxy asks for', async t => {
  const { key } = apiKey
  for (const authorization of [basic('staging', 'password'), 'Negotiate YII=', 'Digest username="x"', 'BearerX y']) {
    t.equal((await send({ path, headers: { authorization, 'x-api-key': key } })).status, 200, authorization)
    t.equal((await send({ path: `${path}?x-api-key=${key}`, headers: { authorization } })).status, 200, authorization)
    t.match(
      (await send({ path, headers: { authorization } })).json, { details: { reason: 'missing_credentials' } },
      authorization
    )
  }
  severalRefused(
    t, await send({ path, headers: { authorization: 'Bearer', 'x-api-key': key } }),
    'a Bearer without a token is one, and malformed'
  )
  severalRefused(
    t,
    await send({
      path, headers: ['authorization', basic('a', 'b'), 'authorization', `Bearer ${key}`, 'x-api-key', key]
    }),
    'nothing hides behind the first'
  )
})

function severalRefused (t: Test, answer: Answer, why: string): void {
  t.equal(answer.status, 400, why)
  t.match(answer.headers['www-authenticate'], /error="invalid_request"/, why)
  t.match(answer.json, { statusCode: 400, code: 'INVALID_REQUEST', details: { reason: 'several_credentials' } }, why)
  t.strictSame(Object.keys(answer.json.details), ['reason'], why)
}

tap.test('B2: a token is exactly what was minted: nothing less, nothing more, nothing altered', async t => {
  const token = await server.tokenFor(client)
  t.equal((await bearer(token)).status, 200)
  const altered = new Set<string>()
  for (let i = 0; i < token.length; i++) {
    if (i < 8 || i > token.length - 8 || i % 7 === 0) altered.add(token.slice(0, i))
    altered.add(token.slice(0, i) + neighbour(token[i]!) + token.slice(i + 1))
  }
  for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
    altered.add(token.slice(0, -1) + last)
  }
  for (const more of ['A', '=', '==', '.', '.A', '~', '/', '+', '-']) altered.add(token + more)
  altered.add(`A${token}`).add(`.${token}`).add(token.toLowerCase()).add(token.toUpperCase()).add(
    token.replaceAll('-', '+').replaceAll('_', '/')
  ).add(token + token)
  const [header, payload, signature] = token.split('.') as [string, string, string]
  altered.add(`${header}=.${payload}.${signature}`).add(`${header}.${payload}=.${signature}`).add(
    `${header}..${signature}`
  ).add(`${header}.${payload}.`)
  altered.delete(token)
  altered.delete('')
  const passed: string[] = []
  for (const text of altered) if ((await bearer(text)).status !== 401) passed.push(text.slice(-20))
  t.strictSame(passed, [], `of ${altered.size} altered tokens`)
})

tap.test('B2: a key is exactly what was made: nothing less, nothing more, nothing altered', async t => {
  const { key } = apiKey
  t.equal((await withKey(key)).status, 200)
  const altered = new Set<string>()
  for (let i = 0; i < key.length; i++) {
    altered.add(key.slice(0, i)).add(key.slice(i + 1)).add(key.slice(0, i) + key.slice(i + 1))
    altered.add(key.slice(0, i) + neighbour(key[i]!) + key.slice(i + 1))
    altered.add(key.slice(0, i) + swapCase(key[i]!) + key.slice(i + 1))
  }
  altered.add(`${key}=`).add(`${key}A`).add(`A${key}`).add(key + key).add(`${key},${key}`).add(`"${key}"`).add(
    `${key};`
  ).add(key.replace('live', 'test')).add(`Bearer ${key}`)
  altered.delete(key)
  const passed: string[] = []
  for (const text of altered) if ((await withKey(text)).status !== 401) passed.push(text)
  t.strictSame(passed, [], `of ${altered.size} altered keys`)
})

tap.test('B2: bytes that no token has are refused before anything reads them', async t => {
  const { key } = apiKey
  const token = await server.tokenFor(client)
  const line = (header: string | Buffer) =>
    Buffer.concat([
      Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n`), Buffer.from(header),
      Buffer.from('\r\n\r\n')
    ])
  const headers = [
    `x-api-key: ${key}\0`,
    `x-api-key: \0${key}`,
    `authorization: Bearer ${token}\0`,
    `authorization: Bearer \u200b${token}`,
    `x-api-key: ${key}\u200b`,
    `authorization: Bearer\0${token}`,
    `x-api-key : ${key}`,
    `x_api_key: ${key}`,
    ` x-api-key: ${key}`,
    `x-api-key: ${key}\r x: y`,
    `x-api-key: ${key.slice(0, 9)}\r\n ${key.slice(9)}`,
    Buffer.from([...Buffer.from('x-api-key: '), 0xff, 0xfe])
  ]
  for (const header of headers) {
    const answer = await server.raw(line(header))
    t.match(answer, /^HTTP\/1\.1 40[01] /, JSON.stringify(String(header).slice(0, 30)))
  }
  t.match(
    await server.raw(line(`x-api-key: ${key}`)), /^HTTP\/1\.1 200 /, 'the way these requests are made is the right one'
  )
  t.match(
    await server.raw(line(`x-api-key:   ${key}  `)), /^HTTP\/1\.1 200 /,
    'white space around a value is no part of it (RFC 9110 §5.5)'
  )
})

function neighbour (character: string): string {
  return character === 'A' ? 'B' : character === '.' ? '-' : 'A'
}

function swapCase (character: string): string {
  return character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase()
}

tap.test('B4: neither path, method nor header leads around the guard', async t => {
  const paths = [
    path,
    `${path}/`,
    `/${path}`,
    '//api/v1/invoices',
    '/api//v1/invoices',
    '/API/V1/INVOICES',
    '/api/v1/Invoices',
    `${path};x=1`,
    `${path}%2F`,
    `${path}%00`,
    `${path}%20`,
    '/api%2Fv1%2Finvoices',
    '/api/v1/%69nvoices',
    '/api/v1/./invoices',
    '/api/v1/../v1/invoices',
    '/x/../api/v1/invoices',
    '/api/v1/..%2Fv1/invoices',
    '/.well-known/../api/v1/invoices',
    `${path}?/.well-known/jwks.json`,
    `${path}#/health`,
    `${path}?public=true`,
    `${path}\\`,
    `${path}.json`
  ]
  const headers: Record<string, string> = {
    'x-original-uri': '/.well-known/jwks.json',
    'x-original-url': '/.well-known/jwks.json',
    'x-rewrite-url': '/.well-known/jwks.json',
    'x-http-method-override': 'OPTIONS',
    'x-forwarded-user': 'admin',
    'x-auth-subject': 'admin',
    'x-forwarded-for': '127.0.0.1',
    'user-agent': 'kube-probe/1.0',
    'x-api-version': '1',
  }
  for (const each of paths) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const answer = await send({ method, path: each, headers })
      t.ok([400, 401, 404, 405, 415, 501].includes(answer.status), `${method} ${each}: ${answer.status}`)
      t.notMatch(answer.text, 'invoices":')
    }
  }
  t.equal((await send({ path })).status, 401)
  t.equal((await send({ method: 'HEAD', path })).status, 401)
  t.match(
    await server.raw(`GET http://evil.example${path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`),
    /^HTTP\/1\.1 40[14] /
  )
})

tap.test('B4: who is asking comes from the credential and from no header', async t => {
  const aliases = [
    'x-forwarded-user', 'x_forwarded_user', 'x-auth-subject', 'x-auth_subject', 'principal', 'x-principal',
    'x-organization-id', 'x-scopes', 'x-client-id', 'x-latchkey-principal'
  ]
  const answer = await withKey(apiKey.key, '/api/v1/echo', {
    headers: { 'x-api-key': apiKey.key, ...Object.fromEntries(aliases.map(name => [name, 'admin'])) }
  })
  t.equal(answer.status, 200)
  t.strictSame(answer.json.seen, {
    kind: 'api_key', id: apiKey.id, organizationId: client.organization, environment: 'live'
  })
})

tap.test('Y1: a key is prefix, environment, 160 random bits and a check that anybody can compute', async t => {
  const keys = new Set<string>()
  for (let i = 0; i < 20_000; i++) keys.add(newApiKeyText('lb', i % 2 === 0 ? 'live' : 'test'))
  t.equal(keys.size, 20_000, 'no two are the same')
  const counts = new Map<string, number>()
  for (const key of keys) {
    for (const character of key.slice(8, 35)) counts.set(character, (counts.get(character) ?? 0) + 1)
  }
  t.equal(counts.size, 62)
  const expected = 20_000 * 27 / 62
  for (const [character, count] of counts) {
    t.ok(Math.abs(count - expected) < expected * 0.08, `${character} is as likely as any other`)
  }
  t.ok(Math.log2(62) * 27 >= 160)
  for (const environment of ['live', 'test']) {
    t.match((await server.createKey({ environment })).key, new RegExp(`^lb_${environment}_[0-9A-Za-z]{33}$`))
  }
  const prefixed =
    (await server.admin('POST', '/resources', {
      identifier: 'https://api.acme.test/y1', keyPrefix: 'acme', scopes: []
    })).json
  t.match((await server.createKey({ resource: prefixed.identifier, scopes: [] })).key, /^acme_live_/)
})

tap.test('Y1: a wrong check is refused without a look-up', async t => {
  const { registry } = server.latchkey
  const original = registry.apiKey.bind(registry)
  let lookUps = 0
  registry.apiKey = async digest => {
    lookUps++
    return await original(digest)
  }
  t.teardown(() => { registry.apiKey = original })
  const { key } = apiKey
  const wrong = key.slice(0, -1) + neighbour(key.at(-1)!)
  t.equal(isApiKeyText(wrong), false)
  for (const text of [wrong, 'x', '', 'lb_live_', key.slice(1)]) t.equal((await withKey(text)).status, 401)
  t.equal(lookUps, 0)
  t.equal((await withKey(newApiKeyText('lb', 'live'))).status, 401)
  t.equal(lookUps, 1, 'one with a right check is looked for')
})

const allowed = true
const refused = false
/** Allowlist, address, whether it passes. */
const table: [string[], string, boolean][] = [
  [['192.0.2.7'], '192.0.2.7', allowed],
  [['192.0.2.7'], '192.0.2.8', refused],
  [['192.0.2.7'], '192.0.2.70', refused],
  [['192.0.2.7'], '2.192.0.7', refused],
  [['192.0.2.7/32'], '192.0.2.7', allowed],
  [['192.0.2.7/32'], '192.0.2.6', refused],
  [['192.0.2.0/24'], '192.0.2.0', allowed],
  [['192.0.2.0/24'], '192.0.2.255', allowed],
  [['192.0.2.0/24'], '192.0.3.0', refused],
  [['192.0.2.0/24'], '192.0.1.255', refused],
  [['192.0.2.77/24'], '192.0.2.1', allowed],
  [['192.0.2.0/25'], '192.0.2.127', allowed],
  [['192.0.2.0/25'], '192.0.2.128', refused],
  [['192.0.2.128/25'], '192.0.2.127', refused],
  [['192.0.2.0/31'], '192.0.2.1', allowed],
  [['192.0.2.0/31'], '192.0.2.2', refused],
  [['10.0.0.0/8'], '10.255.255.255', allowed],
  [['10.0.0.0/8'], '11.0.0.0', refused],
  [['10.0.0.0/8'], '9.255.255.255', refused],
  [['172.16.0.0/12'], '172.31.255.255', allowed],
  [['172.16.0.0/12'], '172.32.0.0', refused],
  [['172.16.0.0/12'], '172.15.255.255', refused],
  [['0.0.0.0/1'], '127.255.255.255', allowed],
  [['0.0.0.0/1'], '128.0.0.0', refused],
  [['0.0.0.0/0'], '203.0.113.200', allowed],
  [['0.0.0.0/0'], '2001:db8::1', refused],
  [['::/0'], '2001:db8::1', allowed],
  [['::/0'], '203.0.113.200', refused],
  [['255.255.255.255'], '255.255.255.255', allowed],
  [['255.255.255.255'], '255.255.255.254', refused],
  [['0.0.0.0'], '0.0.0.0', allowed],
  [['0.0.0.0'], '0.0.0.1', refused],
  [['::ffff:192.0.2.7'], '192.0.2.7', allowed],
  [['::ffff:192.0.2.7'], '192.0.2.8', refused],
  [['::ffff:192.0.2.7'], '::ffff:192.0.2.7', allowed],
  [['::FFFF:C000:0207'], '192.0.2.7', allowed],
  [['::ffff:192.0.2.0/120'], '192.0.2.200', allowed],
  [['::ffff:192.0.2.0/120'], '192.0.3.0', refused],
  [['192.0.2.7'], '::ffff:192.0.2.7', allowed],
  [['192.0.2.7'], '::ffff:c000:207', allowed],
  [['192.0.2.7'], '::FFFF:192.0.2.7', allowed],
  [['192.0.2.7'], '0:0:0:0:0:ffff:192.0.2.7', allowed],
  [['192.0.2.7'], '::ffff:192.0.2.8', refused],
  [['192.0.2.7'], '::192.0.2.7', refused],
  [['192.0.2.7'], '64:ff9b::192.0.2.7', refused],
  [['192.0.2.7'], '2002:c000:0207::', refused],
  [['192.0.2.0/24'], '::ffff:192.0.2.99', allowed],
  [['2001:db8::1'], '2001:db8::1', allowed],
  [['2001:db8::1'], '2001:0db8:0000:0000:0000:0000:0000:0001', allowed],
  [['2001:DB8::1'], '2001:db8:0:0::1', allowed],
  [['2001:db8::1'], '2001:db8::2', refused],
  [['2001:db8::1'], '2001:db8::1:1', refused],
  [['2001:db8::/32'], '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', allowed],
  [['2001:db8::/32'], '2001:db9::', refused],
  [['2001:db8::/32'], '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', refused],
  [['2001:db8::/127'], '2001:db8::1', allowed],
  [['2001:db8::/127'], '2001:db8::2', refused],
  [['2001:db8::/33'], '2001:db8:7fff::', allowed],
  [['2001:db8::/33'], '2001:db8:8000::', refused],
  [['fe80::/10'], 'febf::1', allowed],
  [['fe80::/10'], 'fec0::1', refused],
  [['fe80::1'], 'fe80::1%eth0', refused],
  [['::1'], '::1', allowed],
  [['::1'], '127.0.0.1', refused],
  [['127.0.0.1'], '::1', refused],
  [['::'], '::', allowed],
  [['192.0.2.7', '2001:db8::/32'], '2001:db8::9', allowed],
  [['192.0.2.7', '2001:db8::/32'], '192.0.2.7', allowed],
  [['192.0.2.7', '198.51.100.0/24'], '198.51.100.9', allowed],
  [['192.0.2.7', '198.51.100.0/24'], '203.0.113.9', refused],
  [['192.0.2.7'], '192.0.2.7:443', allowed],
  [['2001:db8::1'], '[2001:db8::1]', allowed],
  [['192.0.2.7'], '192.0.2.07', refused],
  [['192.0.2.7'], '0300.0.2.7', refused],
  [['192.0.2.7'], '0xc0.0.2.7', refused],
  [['192.0.2.7'], '3221225991', refused],
  [['192.0.2.7'], 'unknown', refused],
  [['192.0.2.7'], '', refused],
  [['127.0.0.1'], 'localhost', refused],
]

tap.test('Y5: an allowlist lets exactly its addresses pass, however they are written', async t => {
  const proxied = await startServer({ trustProxy: '127.0.0.1' })
  t.teardown(proxied.close)
  t.ok(table.length >= 60)
  const organization = (await proxied.createOrganization()).id
  const keys = new Map<string, string>()
  for (const [allowlist, address, passes] of table) {
    const name = allowlist.join(' ')
    if (!keys.has(name)) keys.set(name, (await proxied.createKey({ organization, allowlist })).key)
    const answer = await proxied.send({ path, headers: { 'x-api-key': keys.get(name)!, 'x-forwarded-for': address } })
    t.equal(answer.status, passes ? 200 : 401, `${name} and ${JSON.stringify(address)}`)
    if (!passes) t.strictSame(answer.json.details, { reason: 'ip_whitelist_mismatch' })
  }
})

tap.test('Y5: what is no address is no entry', async t => {
  const entries = [
    '',
    ' ',
    '192.0.2',
    '192.0.2.7.1',
    '192.0.2.256',
    '192.0.2.-1',
    '192.0.02.7',
    '0192.0.2.7',
    '0xc0.0.2.7',
    '192.0.2.7/33',
    '192.0.2.7/-1',
    '192.0.2.7/',
    '192.0.2.7/024',
    '192.0.2.7/24/24',
    '192.0.2.7/255.255.255.0',
    '192.0.2.7-9',
    '192.0.2.*',
    ' 192.0.2.7',
    '192.0.2.7 ',
    '192.0.2.7:80',
    '2001:db8::/129',
    '2001:db8:::1',
    '2001:db8',
    'fe80::1%eth0',
    'fe80::1%eth0/64',
    '[2001:db8::1]',
    '::ffff:192.0.2.7/24',
    '::ffff:192.0.2.7/95',
    'localhost',
    'example.com',
    '*',
    '١٩٢.0.2.7',
    '192.0.2.7\0',
    '192.0.2.7\n'
  ]
  for (const entry of entries) {
    const answer = await server.admin('PATCH', `/api-keys/${apiKey.id}`, { allowlist: [entry] })
    t.equal(answer.status, 400, JSON.stringify(entry))
    t.equal(answer.json.code, 'INVALID_ALLOWLIST', JSON.stringify(entry))
  }
  t.strictSame((await server.admin('GET', `/api-keys/${apiKey.id}`)).json.allowlist, [])
})

tap.test('Y5, N1: only a trusted proxy says where a request comes from, and only its last word counts', async t => {
  const headers = (forwarded: string) => ({
    'x-api-key': apiKey.key,
    'x-forwarded-for': forwarded,
    'x-real-ip': forwarded,
    forwarded: `for=${forwarded}`,
    'cf-connecting-ip': forwarded,
    'true-client-ip': forwarded
  })
  t.equal(
    (await send({ path: '/api/v1/echo', headers: headers('203.0.113.7') })).json.ip, '127.0.0.1',
    'there is no trusted proxy'
  )

  const proxied = await startServer({ trustProxy: '127.0.0.1, 10.0.0.0/8' })
  t.teardown(proxied.close)
  const { key } = await proxied.createKey()
  const seen = async (forwarded: string, from?: string) =>
    (await proxied.send({
      path: '/api/v1/echo', headers: { ...headers(forwarded), 'x-api-key': key }, ...(from ? { from } : {})
    })).json.ip
  t.equal(await seen('203.0.113.7'), '203.0.113.7')
  t.equal(await seen('203.0.113.7', '127.0.0.2'), '127.0.0.2', 'another peer is believed nothing')
  t.equal(
    await seen('1.2.3.4, 203.0.113.9, 10.0.0.5'), '203.0.113.9', 'the right-most address that is no proxy of ours'
  )
  t.equal(await seen('10.0.0.6, 203.0.113.9'), '203.0.113.9')
  t.equal(await seen('203.0.113.7, 10.0.0.5, 10.9.9.9'), '203.0.113.7')
})

import { createPrivateKeyJwtAuth } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose'
import { randomUUID } from 'node:crypto'
import tap from 'tap'
import type { AssertionProfile } from '../../src/domain/credentials/client.ts'
import { revokeClient } from '../../src/domain/authorizations/revoke-client.ts'
import { updateClient } from '../../src/domain/credentials/client-change.ts'
import { databases } from '../support/databases.ts'
import { startServer, type TestServer } from '../support/authorization-server.ts'

const path = '/api/v1/auth/token'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

interface Signer { client: { id: string }, privateKey: CryptoKey, alg: string }

async function clientWithKey (
  server: TestServer, alg = 'ES256', more: Record<string, unknown> = {}, assertionProfile: AssertionProfile = 'strict'
): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...await exportJWK(publicKey), ...more }
  const { client } = await server.client({
    tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [jwk] }, assertionProfile
  })
  return { client, privateKey, alg }
}

async function assertion (
  server: TestServer, { client, privateKey, alg }: Signer, claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {}
): Promise<string> {
  const now = Math.floor(server.clock().getTime() / 1000)
  const payload = {
    iss: client.id, sub: client.id, aud: server.issuer, iat: now, exp: now + 60, jti: randomUUID(), ...claims
  }
  const kept = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined)) as JWTPayload
  return await new SignJWT(kept).setProtectedHeader({ alg, ...header }).sign(privateKey)
}

async function exchange (server: TestServer, text: string, more: Record<string, string> = {}) {
  return await server.post(path, {
    grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion: text, ...more
  })
}

tap.test('LB-07: private_key_jwt gets a token, with each algorithm that is advertised', async t => {
  const server = await startServer(t)
  const { body } = await server.send('GET', '/.well-known/oauth-authorization-server')
  for (const alg of body.token_endpoint_auth_signing_alg_values_supported) {
    const signer = await clientWithKey(server, alg)
    t.match(
      await exchange(server, await assertion(server, signer)), { status: 200, body: { scope: 'invoices:read' } }, alg
    )
  }
})

tap.test('P2: aud is exactly the issuer, as one string', async t => {
  const server = await startServer(t)
  const signer = await clientWithKey(server)
  const foreign = [
    server.issuer + path, [server.issuer], [server.issuer, 'https://other.example.test'], `${server.issuer}/`,
    undefined, 'http://evil.example.test', `http://evil.example.test${path}`, ''
  ]
  for (const aud of foreign) {
    t.match(await exchange(server, await assertion(server, signer, { aud })), {
      status: 401, body: { error: 'invalid_client' }
    }, JSON.stringify(aud))
  }
  const bent = await server.app.inject({
    method: 'POST',
    url: path,
    headers: { host: 'evil.example.test', 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: assertionType,
      client_assertion: await assertion(server, signer, { aud: `http://evil.example.test${path}` })
    }).toString()
  })
  t.equal(bent.statusCode, 401, 'Host makes no audience')
})

for (const database of databases) {
  tap.test(`P2: an assertion counts once, also when many come at the same time [${database.name}]`, async t => {
    const server = await startServer(t, { database, limits: { failuresPerClient: { max: 1_000, windowSeconds: 60 } } })
    const signer = await clientWithKey(server)
    const text = await assertion(server, signer)
    const statuses = (await Promise.all(Array.from({ length: 20 }, async () => await exchange(server, text)))).map((
      { status }
    ) => status)
    t.equal(statuses.filter(status => status === 200).length, 1)
    t.equal(statuses.filter(status => status === 401).length, 19)
    t.equal((await exchange(server, text)).status, 401)
    const other = await clientWithKey(server)
    const jti = randomUUID()
    t.equal((await exchange(server, await assertion(server, signer, { jti }))).status, 200)
    t.equal((await exchange(server, await assertion(server, other, { jti }))).status, 200, 'an id is the client\'s own')
  })
}

tap.test('P2: an assertion lives five minutes at most and says who it is', async t => {
  const server = await startServer(t, { limits: { failuresPerClient: { max: 1_000, windowSeconds: 60 } } })
  const signer = await clientWithKey(server)
  const now = Math.floor(server.clock().getTime() / 1000)
  const taken: Record<string, unknown>[] = [
    { exp: now + 299 },
    { iat: now + 20, exp: now + 320 },
    { iat: now + 55, exp: now + 355 },
    { iat: now - 200, exp: now - 10 },
    { iat: undefined, exp: now + 350 },
    { nbf: now + 50 }
  ]
  for (const claims of taken) {
    t.equal((await exchange(server, await assertion(server, signer, claims))).status, 200, JSON.stringify(claims))
  }
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ exp: now + 400 }, /its lifetime, from iat to exp, is limited to 300 seconds/],
    [{ iat: undefined, exp: now + 420 }, /limited to 300 seconds/],
    [{ iat: now + 120, exp: now + 180 }, /iat or nbf is in the future; check the clocks/],
    [{ iat: now - 120, exp: now - 90 }, /expired/],
    [{ exp: undefined }, /expiration must be specified/],
    [{ nbf: now + 120 }, /not active yet/],
    [{ exp: now + 60.5 }, /exp must be a whole number of seconds since the epoch/],
    [{ iat: now - 0.5 }, /iat must be a whole number of seconds since the epoch/],
    [{ jti: undefined }, /unique jti/],
    [{ jti: '' }, /unique jti/],
    [{ iss: undefined }, /iss/],
    [{ iss: 'somebody' }, /iss \(JWT issuer\) must be the client_id/],
    [{ aud: server.issuer + path }, /aud must be the issuer, \S+, as a single string; .* --assertion-profile rfc7523/],
  ]
  for (const [claims, sentence] of refused) {
    const { status, body } = await exchange(server, await assertion(server, signer, claims))
    t.equal(status, 401, JSON.stringify(claims))
    t.strictSame(Object.keys(body), ['error', 'error_description'])
    t.match(
      body, { error: 'invalid_client', error_description: sentence }, 'the signature verifies, so the caller is told'
    )
  }
  const stranger = await clientWithKey(server)
  const strangers: Record<string, unknown>[] = [{ sub: 'cli_nobody' }, { sub: undefined }]
  for (
    const text of [
      ...await Promise.all(strangers.map(claims => assertion(server, signer, claims))),
      await assertion(server, { ...stranger, client: signer.client }, { exp: now + 400 }),
      `${(await assertion(server, signer, { exp: now + 400 })).slice(0, -8)}AAAAAAAA`
    ]
  ) {
    t.strictSame((await exchange(server, text)).body, {
      error: 'invalid_client', error_description: 'client authentication failed'
    }, 'a stranger is told nothing')
  }
  t.equal((await exchange(server, await assertion(server, signer, { exp: `${now + 60}` }))).status, 401)
  server.advance(200)
  t.match(await exchange(server, await assertion(server, signer, { iat: now, exp: now + 120 })), {
    status: 401, body: { error_description: /it has expired; check the clocks/ }
  }, 'by the clock of the server, which is not that of oidc-provider')
})

tap.test('P2: a client with the profile rfc7523 may name the token endpoint or a list, and sign for an hour', async t => {
  const server = await startServer(t, { limits: { failuresPerClient: { max: 1_000, windowSeconds: 60 } } })
  const signer = await clientWithKey(server, 'RS256', {}, 'rfc7523')
  const now = Math.floor(server.clock().getTime() / 1000)
  const tokenUrl = server.issuer + path
  // As they send it: Spring Security, Nimbus, zitadel/oidc, Authlib.
  const taken: Record<string, unknown>[] = [
    { aud: [tokenUrl] },
    { aud: [server.issuer, tokenUrl] },
    { aud: [server.issuer], exp: now + 3_600 },
    { aud: tokenUrl, exp: now + 3_600 },
    { aud: server.issuer }
  ]
  for (const claims of taken) {
    t.equal((await exchange(server, await assertion(server, signer, claims))).status, 200, JSON.stringify(claims))
  }
  const foreign = [
    [server.issuer, 'https://other.example.test'], [], ['https://other.example.test'], `${server.issuer}/`,
    `http://evil.example.test${path}`, [[server.issuer]], 5
  ]
  for (const aud of foreign) {
    t.match(await exchange(server, await assertion(server, signer, { aud })), {
      status: 401, body: { error: 'invalid_client' }
    }, JSON.stringify(aud))
  }
  t.match(await exchange(server, await assertion(server, signer, { aud: tokenUrl, exp: now + 3_700 })), {
    status: 401, body: { error_description: /3600 seconds/ }
  })
  const introspection = await server.post('/api/v1/oauth/introspect', {
    client_assertion_type: assertionType,
    client_assertion: await assertion(server, signer, { aud: `${server.issuer}/api/v1/oauth/introspect` }),
    token: 'x'
  })
  t.equal(introspection.status, 403, 'the endpoint that is called is an audience too; what it asks is another matter')
  await updateClient(server.operation, signer.client.id, { assertionProfile: 'strict' })
  t.equal(
    (await exchange(server, await assertion(server, signer, { aud: tokenUrl }))).status, 401, 'from the next request on'
  )
})

tap.test('P2, J6: only the registered key with its algorithm, and no other JWT of ours', async t => {
  const server = await startServer(t)
  const signer = await clientWithKey(server)
  const stranger = await clientWithKey(server)
  const foreign = await assertion(server, { ...stranger, client: signer.client })
  t.equal((await exchange(server, foreign)).status, 401, 'another client\'s key')
  const { id } = signer.client
  const claims = { iss: id, sub: id, aud: server.issuer, exp: Math.floor(Date.now() / 1000) + 60, jti: 'x' }
  const encoded = [{ alg: 'none' }, claims].map(each => Buffer.from(JSON.stringify(each)).toString('base64url'))
  t.equal((await exchange(server, `${encoded.join('.')}.`)).status, 401)
  const secret = new TextEncoder().encode('x'.repeat(32))
  const hmac = await new SignJWT({ jti: 'x' }).setProtectedHeader({ alg: 'HS256' }).setIssuer(signer.client.id)
    .setSubject(signer.client.id).setAudience(server.issuer).setExpirationTime('1m').sign(secret)
  t.equal((await exchange(server, hmac)).status, 401)
  for (const malformed of ['x', 'a.b.c', '..', '']) {
    t.ok([400, 401].includes((await exchange(server, malformed)).status), malformed)
  }
  const { body } = await exchange(server, await assertion(server, signer))
  t.equal((await exchange(server, body.access_token)).status, 401, 'an access token is no assertion')
  const { client, secret: clientSecret } = await server.client()
  t.equal(
    (await server.token({ ...client, id: signer.client.id }, clientSecret)).status, 401,
    'a client with a key has no secret'
  )
  t.equal((await server.token({ ...client, id: signer.client.id }, 'kept-as-a-digest')).status, 401)
  t.equal((await server.token(client, 'kept-as-a-digest')).status, 401, 'what the provider is told is no secret')
})

tap.test('LB-11, LB-24: revocation and allowlist hold for keys as for secrets', async t => {
  const server = await startServer(t)
  const signer = await clientWithKey(server)
  await updateClient(server.operation, signer.client.id, { allowlist: ['192.0.2.1'] })
  const text = await assertion(server, signer)
  t.match(await exchange(server, text), { status: 401, body: { error_description: /ip_whitelist_mismatch/ } })
  await updateClient(server.operation, signer.client.id, { allowlist: [] })
  t.equal((await exchange(server, text)).status, 200, 'it was not used up from the wrong place')
  await revokeClient(server.operation, signer.client.id, null)
  t.equal((await exchange(server, await assertion(server, signer))).status, 401)
})

tap.test('the MCP SDK\'s private-key authentication is taken', async t => {
  const server = await startServer(t)
  const signer = await clientWithKey(server)
  const metadata = (await server.send('GET', '/.well-known/oauth-authorization-server')).body
  const jwk = await exportJWK(signer.privateKey)
  const authenticate = createPrivateKeyJwtAuth({
    issuer: signer.client.id, subject: signer.client.id, privateKey: jwk as Record<string, unknown>, alg: 'ES256'
  })
  const parameters = new URLSearchParams({ grant_type: 'client_credentials' })
  await authenticate(new Headers(), parameters, metadata.token_endpoint, metadata)
  t.equal((await server.post(path, parameters.toString())).status, 200)
})

tap.test('an operator\'s client takes public keys only, too', async t => {
  const server = await startServer(t)
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [{ ...await exportJWK(privateKey) }] }
  await t.rejects(server.client({ tokenEndpointAuthMethod: 'private_key_jwt', jwks }), {
    code: 'invalid_request', message: /private/
  })
})

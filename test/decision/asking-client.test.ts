/** How a client authenticates to ask for a decision: as at introspection, and no more easily. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { randomUUID } from 'node:crypto'
import tap from 'tap'
import { basic, MovableClock, startServer, type Answer, type Json, type Outgoing } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const clock = new MovableClock()
clock.stop()
const server = await startServer({ clock })
tap.teardown(server.close)
const { createClient, createKey, send, issuer, admin } = server
const path = '/api/v1/verify'

async function verify (headers: Outgoing['headers'], body: Json): Promise<Answer> {
  return await send({
    method: 'POST',
    path,
    headers: headers!,
    body: { credential: (await createKey()).key, resource: issuer, scopes: [], ...body }
  })
}

tap.test('a client proves itself by HTTP Basic or in the body, and in one way alone', async t => {
  const { clientId, clientSecret } = await createClient({ introspects: [issuer] })
  const authorization = basic(clientId, clientSecret)
  const members = { client_id: clientId, client_secret: clientSecret }
  t.match(await verify({ authorization }, {}), { status: 200, json: { allowed: true } })
  t.match(await verify({}, members), { status: 200, json: { allowed: true } })
  t.match(await verify({ authorization }, { client_id: clientId }), { status: 200 })
  t.match(await verify({ authorization }, members), { status: 400, json: { code: 'INVALID_REQUEST' } })
  t.match(await verify({ authorization }, { client_id: 'cli_other' }), { status: 400 })
  const twice = ['authorization', authorization, 'authorization', authorization]
  t.match(await verify(twice, {}), { status: 400, json: { code: 'INVALID_REQUEST' } })
  for (const [headers, body] of [
    [{}, {}],
    [{}, { client_id: clientId }],
    [{ authorization: basic(clientId, 'wrong') }, {}],
    [{ authorization: basic('cli_unknown', clientSecret) }, {}],
    [{ authorization: `Bearer ${clientSecret}` }, {}]
  ] as const) {
    const answer = await verify(headers, body)
    t.match(answer, { status: 401, json: { code: 'UNAUTHORIZED' } })
    t.equal(answer.headers['www-authenticate'], `Basic realm="${issuer}"`)
    t.strictSame(Object.keys(answer.json), ['error', 'code'])
  }
})

tap.test('failures are counted with those of the other endpoints, and recorded', async t => {
  const { clientId, clientSecret } = await createClient({ introspects: [issuer] })
  for (let i = 0; i < 15; i++) await verify({ authorization: basic(clientId, 'wrong') }, {})
  for (let i = 0; i < 15; i++) {
    await send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(clientId, 'wrong') },
      body: new URLSearchParams({ token: 'x' })
    })
  }
  t.match(await verify({ authorization: basic(clientId, 'wrong') }, {}), {
    status: 429, json: { code: 'TOO_MANY_REQUESTS' }
  })
  t.match(await verify({ authorization: basic(clientId, clientSecret) }, {}), { status: 200 }, 'a right secret passes')
  const rows = async () => (await admin('GET', `/audit?type=client.refused&subject=${clientId}`)).json.data
  t.match(await eventually(rows, ({ length }) => length > 0), [{ subject: clientId }])
  clock.advance(60)
  t.match(await verify({ authorization: basic(clientId, 'wrong') }, {}), { status: 401 })
})

tap.test('private_key_jwt: the claims of the token endpoint, signed by the client, and used once', async t => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const stranger = await generateKeyPair('ES256')
  const { clientId } = await createClient({
    introspects: [issuer], tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [await exportJWK(publicKey)] }
  })
  const now = Math.floor(clock.now().getTime() / 1000)
  const good = { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID(), iat: now, exp: now + 60 }
  const signed = async (claims: Json = {}, key = privateKey) =>
    await new SignJWT({ ...good, jti: randomUUID(), ...claims }).setProtectedHeader({ alg: 'ES256' }).sign(key)
  const assert = async (assertion: string, more: Json = {}) =>
    await verify({}, {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
      ...more
    })
  const once = await signed()
  t.match(await assert(once), { status: 200, json: { allowed: true } })
  t.match(await assert(once), { status: 401, json: { error: /was used before/ } })
  t.match(await assert(await signed(), { client_id: clientId }), { status: 200 })
  t.match(await assert(await signed(), { client_id: 'cli_other' }), { status: 400 })
  t.match(await assert(await signed(), { client_secret: 'x' }), { status: 400 })
  t.match(await assert(await signed(), { client_assertion_type: 'jwt' }), { status: 400 })
  const elsewhere = await signed()
  await send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: elsewhere
    })
  })
  t.equal((await assert(elsewhere)).status, 401, 'nor after it was used at the token endpoint')
  for (const claims of [
    { aud: 'https://other.test' }, { aud: [issuer] }, { exp: now - 120, iat: now - 180 }, { exp: now + 3_600 },
    { iss: 'cli_other' }, { jti: '' }
  ]) {
    t.match(await assert(await signed(claims)), { status: 401, json: { error: /client_assertion is refused/ } })
  }
  t.match(await assert(await signed({}, stranger.privateKey)), { status: 401, json: { error: /did not authenticate/ } })
  t.equal((await assert('a.b.c')).status, 401)
})

tap.test('a client that is kept out asks nothing', async t => {
  const listed = await createClient({ introspects: [issuer], allowlist: ['127.0.0.5'] })
  const authorization = basic(listed.clientId, listed.clientSecret)
  t.match(await verify({ authorization }, {}), { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } })
  const revoked = await createClient({ introspects: [issuer] })
  await admin('POST', `/clients/${revoked.clientId}/revoke`, {})
  t.equal((await verify({ authorization: basic(revoked.clientId, revoked.clientSecret) }, {})).status, 401)
  const nothing = await createClient()
  t.equal((await verify({ authorization: basic(nothing.clientId, nothing.clientSecret) }, {})).status, 403)
})

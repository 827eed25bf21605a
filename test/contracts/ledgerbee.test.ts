/** LedgerBee's statements about its credential layer, one by one, over real HTTP. */
import tap, { type Test } from 'tap'
import { exportJWK, generateKeyPair, SignJWT, calculateJwkThumbprint } from 'jose'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { seal } from '../../src/secrets/sealing.ts'
import { databases, oneDatabase } from '../support/databases.ts'
import { createPartner, customer, enter, made, withPartnerKey } from '../support/partners.ts'
import { asPerson } from '../support/people.ts'
import {
  apiScopes, basic, decodeJwt, MovableClock, startOnEachDatabase, startServer, type Answer, type Json, type TestServer
} from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock }, oneDatabase)
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const {
    send,
    admin,
    bearer,
    withKey,
    tokenFor,
    tokenRequest,
    createClient,
    createKey,
    createOrganization,
    createRegistrationToken,
    issuer
  } = server
  const metadataUrl = `${issuer}/.well-known/oauth-protected-resource`

  test('LB-01: a key in x-api-key authenticates every route that its scopes cover', async t => {
    const key = await createKey({ scopes: ['company:read', 'invoices:read', 'invoices:write', 'portal-provision'] })
    const seen = { kind: 'api_key', id: key.id, organizationId: key.organization, environment: 'live' }
    const routes = [
      ['GET', '/api/v1/company', 200, { company: 'Acme', seen }],
      ['GET', '/api/v1/invoices', 200, { invoices: [], seen }],
      ['POST', '/api/v1/invoices', 201, { created: true, seen }],
      ['POST', '/api/v1/partners/customers', 201, { provisioned: true, seen }],
    ] as const
    for (const [method, path, status, body] of routes) {
      for (const header of ['x-api-key', 'X-API-Key']) {
        const answer = await send({ method, path, headers: { [header]: key.key } })
        t.equal(answer.status, status, `${method} ${path}`)
        t.strictSame(answer.json, body)
        t.notOk(answer.headers['www-authenticate'])
      }
    }
  })

  test('LB-01: without a credential a protected route is 401 and says where to find out more', async t => {
    const answer = await send({ path: '/api/v1/company' })
    t.equal(
      answer.headers['www-authenticate'], `Bearer resource_metadata="${metadataUrl}", scope="company:read"`,
      'no error where nothing was presented (RFC 6750 §3.1)'
    )
    refused(t, answer, {
      path: '/api/v1/company',
      message:
        'This route needs a credential: an API key in the x-api-key header, or an access token as Authorization: ' +
          'Bearer.',
      reason: 'missing_credentials'
    })
  })

  test('LB-01: a key that this server never made is refused, however well it is formed', async t => {
    const { key } = await createKey()
    for (
      const text of [
        forgeKey(key), `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`, key.slice(0, -1), `${key}x`,
        key.replace('lb_', 'lx_'), 'nonsense'
      ]
    ) {
      const answer = await withKey(text)
      challenged(t, answer, 'invalid_token', 'The credential is not valid')
      refused(t, answer, { message: 'The credential is not valid.', reason: 'invalid_api_key' })
    }
  })

  test('LB-02: a revoked key is refused from the next request on, and no other', async t => {
    const organization = (await createOrganization()).id
    const [key, other] = [await createKey({ organization }), await createKey({ organization })]
    t.equal((await withKey(key.key)).status, 200)
    const revocation = await admin('POST', `/api-keys/${key.id}/revoke`, { reason: 'leaked' })
    t.equal(revocation.status, 200)
    t.equal(revocation.json.revokedReason, 'leaked')
    const answer = await withKey(key.key)
    challenged(t, answer, 'invalid_token', 'The credential is not valid')
    refused(t, answer, { message: 'The credential is not valid.', reason: 'invalid_api_key' })
    t.equal((await withKey(other.key)).status, 200)
    t.equal(
      (await admin('POST', `/api-keys/${key.id}/revoke`)).json.revokedAt, revocation.json.revokedAt,
      'revoking twice changes nothing'
    )
  })

  test('LB-02: a key has the scopes that were configured for it, as they are now', async t => {
    const key = await createKey({ scopes: ['invoices:read'] })
    t.equal((await withKey(key.key)).status, 200)
    t.equal((await withKey(key.key, '/api/v1/company')).status, 403)
    t.equal((await admin('PATCH', `/api-keys/${key.id}`, { scopes: ['company:read'] })).status, 200)
    t.equal((await withKey(key.key)).status, 403)
    t.equal((await withKey(key.key, '/api/v1/company')).status, 200)
    t.equal((await admin('PATCH', `/api-keys/${key.id}`, { scopes: ['everything'] })).json.code, 'UNKNOWN_SCOPE')
  })

  test('LB-02: an expired key is refused', async t => {
    const key = await createKey({ expiresAt: new Date(clock.now().getTime() + 60_000).toISOString() })
    clock.advance(59)
    t.equal((await withKey(key.key)).status, 200)
    clock.advance(1)
    refused(t, await withKey(key.key), { message: 'The credential is not valid.', reason: 'invalid_api_key' })
  })

  test('LB-03: a key sent as Authorization: Bearer is refused with 401, even when it is valid', async t => {
    const { key } = await createKey()
    t.equal((await withKey(key)).status, 200, 'the key is valid')
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const answer = await send({ path: '/api/v1/invoices', headers: { authorization: `${scheme} ${key}` } })
      challenged(t, answer, 'invalid_token', 'The bearer credential is an API key, not an access token')
      refused(t, answer, {
        message: 'An API key was sent as a bearer token; send it in the x-api-key header.',
        reason: 'api_key_as_bearer_token'
      })
    }
  })

  test('LB-04: a key in ?x-api-key= works, says that the header is preferred, and never reaches a log line', async t => {
    const { key } = await createKey()
    const before = server.lines.length
    const encoded = [...key].map(c => `%${c.charCodeAt(0).toString(16)}`).join('')
    for (const path of [`/api/v1/invoices?x-api-key=${key}`, `/api/v1/invoices?a=1&x-api-key=${encoded}`]) {
      const answer = await send({ path })
      t.equal(answer.status, 200)
      t.strictSame(answer.json.invoices, [])
      t.equal(answer.headers.warning, '299 - "Send the API key in the x-api-key header: a URL ends up in logs"')
      t.equal(answer.headers['cache-control'], 'no-store, private')
      t.equal(answer.headers['referrer-policy'], 'no-referrer')
    }
    t.notOk((await withKey(key)).headers.warning, 'the header is the preferred way: nothing to say')
    const refusals = [
      await send({ path: `/api/v1/company?x-api-key=${key}` }),
      await send({ path: `/api/v1/invoices?x-api-key=${key}&x-api-key=${key}` }),
      await send({ path: `/api/v1/invoices?x-api-key=${key}x` }),
      await send({ path: `/no/such/route?x-api-key=${key}` }),
      await send({ method: 'PUT', path: `/api/v1/invoices?x-api-key=${key}` }),
      await send({ path: `/api/v1/%zz?x-api-key=${key}` }),
      await send({ path: `/.well-known/jwks.json?x-api-key=${key}` }),
      await send({ method: 'POST', path: `/api/v1/auth/token?x-api-key=${key}` }),
    ]
    t.strictSame(refusals.map(each => each.status), [403, 400, 401, 404, 404, 400, 200, 401])
    for (const answer of refusals) t.notMatch(answer.text + JSON.stringify(answer.headers), key.slice(8, -1))
    const logged = server.lines.slice(before).join('')
    t.match(logged, '/api/v1/invoices', 'the requests were logged')
    for (const trace of [key, key.slice(8, -1), encoded, 'x-api-key=']) {
      t.notOk(logged.includes(trace), `no ${trace.slice(0, 12)}… in the log`)
    }
    t.notOk((await admin('GET', '/audit')).text.includes(key.slice(8, -1)), 'nor in the audit log')
  })

  test('LB-05: a key used from outside its allowlist is refused with ip_whitelist_mismatch', async t => {
    const key = await createKey({ allowlist: ['127.0.0.9', '127.1.0.0/16', '2001:db8::/32'] })
    for (const from of ['127.0.0.9', '127.1.0.0', '127.1.255.255']) {
      t.equal((await withKey(key.key, '/api/v1/invoices', { from })).status, 200, from)
    }
    for (const from of ['127.0.0.1', '127.0.0.10', '127.2.0.0', '127.0.255.255']) {
      const answer = await withKey(key.key, '/api/v1/invoices', { from })
      challenged(t, answer, 'invalid_token', 'The credential may not be used from this address')
      refused(t, answer, {
        message: 'The credential may not be used from this address.', reason: 'ip_whitelist_mismatch'
      })
    }
    t.equal((await admin('PATCH', `/api-keys/${key.id}`, { allowlist: ['127.0.0.1'] })).status, 200)
    t.equal((await withKey(key.key)).status, 200, 'a changed allowlist counts from the next request on')
    refused(t, await withKey(key.key, '/api/v1/invoices', { from: '127.0.0.9' }), {
      message: 'The credential may not be used from this address.', reason: 'ip_whitelist_mismatch'
    })
  })

  test('LB-05: an allowlist entry that is none is refused when the key is made', async t => {
    const organization = (await createOrganization()).id
    for (const entry of ['127.0.0.0.1', '127.0.0.1/33', '010.0.0.1', 'fe80::1%eth0', 'example.com', '']) {
      const answer = await admin('POST', '/api-keys', {
        organization, resource: issuer, environment: 'live', name: 'k', scopes: [], allowlist: [entry]
      })
      t.equal(answer.status, 400)
      t.strictSame(answer.json, {
        error: `${
          JSON.stringify(entry)
        } is neither an IP address nor a CIDR range; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.`,
        code: 'INVALID_ALLOWLIST',
        details: { field: 'allowlist', entry },
      })
    }
    t.strictSame((await admin('GET', `/api-keys?organization=${organization}`)).json.data, [], 'nothing was made')
  })

  test('LB-06: GET /api/v1/api-key tells a key its own scopes, allowlist and expiry, and never the secret', async t => {
    const expiresAt = new Date(clock.now().getTime() + 86_400_000).toISOString()
    const key = await createKey({
      name: 'nightly',
      environment: 'test',
      scopes: ['company:read', 'portal-provision'],
      allowlist: ['127.0.0.0/8', '2001:DB8:0::/32'],
      expiresAt
    })
    const answer = await withKey(key.key, '/api/v1/api-key')
    t.equal(answer.status, 200)
    t.strictSame(answer.json, {
      id: key.id,
      name: 'nightly',
      organization: key.organization,
      environment: 'test',
      resource: issuer,
      scopes: ['company:read', 'portal-provision'],
      allowlist: ['127.0.0.0/8', '2001:db8::/32'],
      expiresAt,
    })
    t.notOk(answer.text.includes(key.key.slice(8)))
    t.equal(
      (await withKey((await createKey()).key, '/api/v1/api-key')).json.expiresAt, null, 'one that never expires says so'
    )
  })

  test('LB-06: GET /api/v1/api-key answers the key itself only', async t => {
    const token = await tokenFor(await createClient())
    const answer = await bearer(token, '/api/v1/api-key')
    challenged(t, answer, 'insufficient_scope', 'This route takes an API key only')
    refused(t, answer, {
      path: '/api/v1/api-key',
      status: 403,
      message: 'This route answers API keys only.',
      code: 'INSUFFICIENT_PERMISSIONS',
      reason: 'endpoint_requires_api_key_auth'
    })
    t.equal((await send({ path: '/api/v1/api-key' })).status, 401)
    t.equal((await admin('GET', '/api-key')).status, 403)
    const key = await createKey()
    await admin('POST', `/api-keys/${key.id}/revoke`)
    refused(t, await withKey(key.key, '/api/v1/api-key'), {
      path: '/api/v1/api-key', message: 'The credential is not valid.', reason: 'invalid_api_key'
    })
  })

  test('LB-07: client id and secret, form encoded, become a bearer token that protected routes accept', async t => {
    const client = await createClient({ scopes: ['company:read', 'invoices:read'] })
    const requests = [
      await tokenRequest(client),
      await send({
        method: 'POST',
        path: '/api/v1/auth/token',
        headers: { authorization: basic(client.clientId, client.clientSecret) },
        body: new URLSearchParams({ grant_type: 'client_credentials' })
      })
    ]
    for (const answer of requests) {
      t.equal(answer.status, 200)
      t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      t.equal(answer.headers['cache-control'], 'no-store')
      const { access_token: token, ...rest } = answer.json
      t.strictSame(rest, { token_type: 'Bearer', expires_in: 3600, scope: 'company:read invoices:read' })
      const seen = {
        kind: 'access_token', id: client.clientId, organizationId: client.organization, environment: 'live'
      }
      t.strictSame((await bearer(token)).json, { invoices: [], seen })
      t.strictSame((await bearer(token, '/api/v1/company')).json, { company: 'Acme', seen })
    }
  })

  test('LB-07: wrong client credentials get no token', async t => {
    const client = await createClient()
    const wrong = [{ ...client, clientSecret: `${client.clientSecret}x` }, { ...client, clientSecret: 'x' }, {
      ...client, clientId: 'cli_nobody'
    }]
    for (const credentials of wrong) oauthRefused(t, await tokenRequest(credentials), 401, 'invalid_client')
    oauthRefused(t, await tokenRequest(client, { grant_type: 'password' }), 400, 'unsupported_grant_type')
    const json = await send({
      method: 'POST',
      path: '/api/v1/auth/token',
      body: { grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret }
    })
    oauthRefused(t, json, 400, 'invalid_request')
  })

  test('LB-08: the scopes asked for are ignored in favour of the configured ones, and the answer names those', async t => {
    const client = await createClient({ scopes: ['invoices:read', 'company:read'] })
    for (
      const scope of [
        'invoices:write', 'invoices:read', 'invoices:read invoices:write portal-provision', 'openid offline_access', ''
      ]
    ) {
      const { status, json } = await tokenRequest(client, { scope })
      t.equal(status, 200, JSON.stringify(scope))
      t.equal(json.scope, 'invoices:read company:read')
      t.equal(decodeJwt(json.access_token).payload.scope, 'invoices:read company:read')
      t.equal((await bearer(json.access_token, '/api/v1/company')).status, 200)
      t.equal((await bearer(json.access_token, '/api/v1/invoices', { method: 'POST' })).status, 403)
    }
  })

  test('LB-09: client_secret is shown at creation and rotation, and cannot be read back', async t => {
    const client = await createClient()
    const rotation = await admin('POST', `/clients/${client.clientId}/rotate-secret`, { overlapSeconds: 60 })
    t.equal(rotation.status, 200)
    t.equal(rotation.headers['cache-control'], 'no-store')
    const secrets = [client.clientSecret, rotation.json.clientSecret as string]
    t.not(secrets[0], secrets[1])
    for (const secret of secrets) t.equal((await tokenRequest({ ...client, clientSecret: secret })).status, 200)
    const reads = [
      await admin('GET', `/clients/${client.clientId}`),
      await admin('GET', '/clients'),
      await admin('GET', `/clients?organization=${client.organization}`),
      await admin('PATCH', `/clients/${client.clientId}`, { name: 'renamed' }),
      await admin('GET', '/audit'),
      await admin('POST', `/clients/${client.clientId}/revoke`),
    ]
    for (const read of reads) {
      t.equal(read.status, 200)
      for (const secret of secrets) t.notOk(read.text.includes(secret))
      t.notMatch(read.text, 'clientSecret')
      t.notMatch(read.text, 'digest')
    }
    const stored = JSON.stringify(await server.latchkey.operation.store.clients.get(client.clientId))
    for (const secret of secrets) t.notOk(stored.includes(secret), 'the store does not know it either')
  })

  test('LB-10: a token lives 3600 seconds, and is refused one second later', async t => {
    const client = await createClient()
    const { json } = await tokenRequest(client)
    const { payload } = decodeJwt(json.access_token)
    t.equal(json.expires_in, 3600)
    t.equal(payload.exp - payload.iat, 3600)
    t.equal(payload.iat, clock.now().getTime() / 1000)
    clock.advance(3599)
    t.equal((await bearer(json.access_token)).status, 200)
    clock.advance(1)
    const answer = await bearer(json.access_token)
    challenged(t, answer, 'invalid_token', 'The credential has expired')
    refused(t, answer, { message: 'The credential has expired.', reason: 'invalid_token' })
  })

  test('LB-11: revoking a client ends its outstanding tokens at once', async t => {
    const client = await createClient()
    const tokens = [await tokenFor(client), await tokenFor(client)]
    const bystander = await tokenFor(await createClient({ organization: client.organization }))
    for (const token of tokens) t.equal((await bearer(token)).status, 200)
    t.equal((await admin('POST', `/clients/${client.clientId}/revoke`, { reason: 'left' })).status, 200)
    for (const token of tokens) {
      const answer = await bearer(token)
      challenged(t, answer, 'invalid_token', 'The credential was revoked')
      refused(t, answer, { message: 'The credential was revoked.', reason: 'invalid_token' })
    }
    oauthRefused(t, await tokenRequest(client), 401, 'invalid_client')
    t.equal((await bearer(bystander)).status, 200)
    t.equal((await admin('PATCH', `/clients/${client.clientId}`, { name: 'again' })).json.code, 'CREDENTIAL_REVOKED')
  })

  test('LB-12: changing a client\'s scopes ends its outstanding tokens at once; a fresh one has the new scopes', async t => {
    const client = await createClient({ scopes: ['invoices:read'] })
    const old = await tokenFor(client)
    t.equal((await bearer(old)).status, 200)
    t.equal(
      (await admin('PATCH', `/clients/${client.clientId}`, {
        grants: [{ resource: issuer, scopes: ['invoices:read', 'company:read'] }]
      })).status,
      200
    )
    superseded(t, await bearer(old))
    const { json } = await tokenRequest(client)
    t.equal(json.scope, 'invoices:read company:read')
    t.equal((await bearer(json.access_token, '/api/v1/company')).status, 200)
    await admin('PATCH', `/clients/${client.clientId}`, { grants: [] })
    superseded(t, await bearer(json.access_token))
    t.equal(
      (await admin('PATCH', `/clients/${client.clientId}`, {
        grants: [{ resource: issuer, scopes: ['invoices:read'] }]
      })).status,
      200
    )
    superseded(t, await bearer(old), 'the old scopes again do not bring the old token back')
  })

  test('LB-12: a change that concerns neither scopes nor addresses leaves tokens alone', async t => {
    const client = await createClient()
    const token = await tokenFor(client)
    t.equal((await admin('PATCH', `/clients/${client.clientId}`, { name: 'billing two' })).status, 200)
    t.equal(
      (await admin('PATCH', `/clients/${client.clientId}`, { grants: [{ resource: issuer, scopes: ['everything'] }] }))
        .status,
      400
    )
    t.equal((await bearer(token)).status, 200)
  })

  test('LB-13: changing a client\'s allowlist ends its outstanding tokens at once', async t => {
    const client = await createClient()
    const old = await tokenFor(client)
    t.equal((await bearer(old)).status, 200)
    t.equal(
      (await admin('PATCH', `/clients/${client.clientId}`, { allowlist: ['127.0.0.1', '127.0.0.2'] })).status, 200
    )
    superseded(t, await bearer(old), 'though its caller is on the new list')
    const fresh = await tokenFor(client)
    t.equal((await bearer(fresh)).status, 200)
    await admin('PATCH', `/clients/${client.clientId}`, { allowlist: [] })
    superseded(t, await bearer(fresh))
  })

  test('LB-14: no client is created or updated with an API-key-only scope', async t => {
    const organization = (await createOrganization()).id
    for (const scope of ['portal-provision', 'portal-sso-mint']) {
      const problem = {
        error:
          `The scope "${scope}" of ${issuer} is API-key only and cannot be granted to an OAuth client. ` +
            'Create an API key instead.',
        code: 'SCOPE_API_KEY_ONLY',
        details: { field: 'scopes', scope, resource: issuer },
      }
      const creation = await admin('POST', '/clients', {
        organization, name: 'x', grants: [{ resource: issuer, scopes: ['invoices:read', scope] }]
      })
      t.equal(creation.status, 400)
      t.strictSame(creation.json, problem)
      t.strictSame((await admin('GET', `/clients?organization=${organization}`)).json.data, [])

      const client = await createClient()
      const token = await tokenFor(client)
      const update = await admin('PATCH', `/clients/${client.clientId}`, {
        grants: [{ resource: issuer, scopes: [scope] }]
      })
      t.equal(update.status, 400)
      t.strictSame(update.json, problem)
      t.equal((await bearer(token)).status, 200, 'a refused change changes nothing')

      const preset = await admin('POST', '/registration-tokens', {
        organization, name: 'x', resource: issuer, scopes: [scope]
      })
      t.equal(preset.status, 400)
      t.strictSame(preset.json, problem)
      t.strictSame((await admin('GET', `/registration-tokens?organization=${organization}`)).json.data, [])
    }
  })

  test('LB-14: no client gets an API-key-only scope by registering, nor by changing its registration', async t => {
    const { token } = await createRegistrationToken()
    const body = {
      client_name: 'agent',
      scope: 'invoices:read portal-provision portal-sso-mint',
      scopes: ['portal-provision'],
      grants: [{ resource: issuer, scopes: ['portal-provision'] }]
    }
    const registered = await send({
      method: 'POST', path: '/api/v1/oauth/register', headers: { authorization: `Bearer ${token}` }, body
    })
    t.equal(registered.status, 201)
    t.equal(registered.json.scope, 'invoices:read')
    const access = await tokenRequest({
      clientId: registered.json.client_id, clientSecret: registered.json.client_secret
    }, { scope: 'portal-provision' })
    t.equal(access.json.scope, 'invoices:read')
    const changed = await send({
      method: 'PUT',
      path: new URL(registered.json.registration_client_uri).pathname,
      headers: { authorization: `Bearer ${registered.json.registration_access_token}` },
      body: { ...body, client_id: registered.json.client_id },
    })
    t.equal(changed.status, 200)
    t.equal(changed.json.scope, 'invoices:read')
    t.equal((await bearer(access.json.access_token, '/api/v1/partners/customers', { method: 'POST' })).status, 403)
  })

  test('LB-14: the token endpoint grants no API-key-only scope, and the routes that need one answer no token', async t => {
    const client = await createClient({ scopes: ['invoices:read', 'invoices:write', 'company:read'] })
    for (const scope of ['portal-provision', 'portal-sso-mint', 'invoices:read portal-provision']) {
      const { json } = await tokenRequest(client, { scope })
      t.equal(json.scope, 'invoices:read invoices:write company:read')
      const answer = await bearer(json.access_token, '/api/v1/partners/customers', { method: 'POST' })
      // No token may have that scope: a client that asked a person for it would ask in vain.
      challenged(t, answer, 'insufficient_scope', 'The credential lacks a scope that this route needs')
      refused(t, answer, {
        path: '/api/v1/partners/customers',
        status: 403,
        message: 'The credential lacks a scope that this route needs: portal-provision.',
        code: 'INSUFFICIENT_PERMISSIONS',
        reason: 'insufficient_scope',
        requiredScopes: ['portal-provision']
      })
    }
    const { key } = await createKey({ scopes: ['portal-provision'] })
    t.equal((await withKey(key, '/api/v1/partners/customers', { method: 'POST' })).status, 201, 'a key may have it')
  })

  test('LB-14: a scope that becomes API-key only is lost by every client, token and registration token at once', async t => {
    const client = await createClient({ scopes: ['invoices:read', 'invoices:write'] })
    const preset = await createRegistrationToken({ scopes: ['invoices:read', 'invoices:write'] })
    const old = await tokenFor(client)
    t.equal((await bearer(old, '/api/v1/invoices', { method: 'POST' })).status, 201)
    const keyOnly = apiScopes.map(scope => ({ ...scope, keyOnly: scope.keyOnly || scope.name === 'invoices:write' }))
    t.teardown(() => admin('PATCH', '/resources/res_host', { scopes: apiScopes }))
    t.equal((await admin('PATCH', '/resources/res_host', { scopes: keyOnly })).status, 200)
    superseded(t, await bearer(old, '/api/v1/invoices', { method: 'POST' }), '', '')
    const { json } = await tokenRequest(client, { scope: 'invoices:write' })
    t.equal(json.scope, 'invoices:read')
    t.equal((await bearer(json.access_token, '/api/v1/invoices', { method: 'POST' })).status, 403)
    const registered = await send({
      method: 'POST', path: '/api/v1/oauth/register', headers: { authorization: `Bearer ${preset.token}` }, body: {}
    })
    t.equal(registered.json.scope, 'invoices:read')
    t.equal(
      (await tokenRequest({ clientId: registered.json.client_id, clientSecret: registered.json.client_secret })).json
        .scope,
      'invoices:read'
    )
    t.strictSame((await send({ path: '/.well-known/oauth-protected-resource' })).json.scopes_supported, [
      'company:read', 'invoices:read'
    ], 'and it is not offered any more')
  })

  test('LB-15: an expired token, and one whose client or grant was revoked, is 401 with error="invalid_token"', async t => {
    const client = await createClient()
    const expired = await tokenFor(client)
    clock.advance(3600)
    const revoked = await tokenFor(client)
    const byBasic = { authorization: basic(client.clientId, client.clientSecret) }
    const revocation = await send({
      method: 'POST', path: '/api/v1/oauth/revoke', headers: byBasic, body: new URLSearchParams({ token: revoked })
    })
    t.equal(revocation.status, 200)
    t.equal(revocation.text, '')
    const orphan = await tokenFor(client)
    t.equal((await bearer(orphan)).status, 200, 'another token of the client lives on')
    await admin('POST', `/clients/${client.clientId}/revoke`)
    const cases = [[expired, 'The credential has expired'], [revoked, 'The credential was revoked'], [
      orphan, 'The credential was revoked'
    ]] as const
    for (const [token, description] of cases) {
      const answer = await bearer(token)
      challenged(t, answer, 'invalid_token', description)
      refused(t, answer, { message: `${description}.`, reason: 'invalid_token' })
    }
    for (const token of [revoked, orphan]) {
      t.equal((await bearer(token, '/api/v1/principal')).status, 401, 'on every guarded route')
    }
  })

  test('LB-16: a credential without the route\'s scope is 403 with code INSUFFICIENT_PERMISSIONS', async t => {
    const token = await tokenFor(await createClient({ scopes: ['invoices:read'] }))
    const { key } = await createKey({ scopes: ['invoices:read'] })
    for (const answer of [await bearer(token, '/api/v1/company'), await withKey(key, '/api/v1/company')]) {
      t.equal(
        answer.headers['www-authenticate'],
        'Bearer error="insufficient_scope", error_description="The credential lacks a scope that this route needs", ' +
          `scope="company:read", resource_metadata="${metadataUrl}"`
      )
      refused(t, answer, {
        path: '/api/v1/company',
        status: 403,
        message: 'The credential lacks a scope that this route needs: company:read.',
        code: 'INSUFFICIENT_PERMISSIONS',
        reason: 'insufficient_scope',
        requiredScopes: ['company:read']
      })
    }
  })

  test('LB-17: an agent registers itself and goes straight on to a token and a protected route', async t => {
    const preset = await createRegistrationToken({ scopes: ['company:read'] })
    const metadata = {
      client_name: 'Agent of Acme',
      redirect_uris: ['https://agent.example.com/callback'],
      grant_types: ['authorization_code', 'client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: 'company:read invoices:write',
      contacts: ['ops@example.com'],
      unknown_member: { nested: true },
      organization: 'org_other',
      client_id: 'chosen-by-me',
    }
    const { status, headers, json } = await send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${preset.token}` },
      body: metadata
    })
    t.equal(status, 201)
    t.equal(headers['cache-control'], 'no-store')
    const { client_id: clientId, client_secret: clientSecret, registration_access_token: registrationToken, ...rest } =
      json
    t.match(clientId, /^cli_/)
    t.match(clientSecret, /^[\w-]{43}$/)
    t.match(registrationToken, /^lkrat_[\w-]{43}$/)
    t.strictSame(rest, {
      client_id_issued_at: clock.now().getTime() / 1000,
      registration_client_uri: `${issuer}/api/v1/oauth/register/${clientId}`,
      client_secret_expires_at: 0,
      client_name: 'Agent of Acme',
      redirect_uris: ['https://agent.example.com/callback'],
      application_type: 'web',
      grant_types: ['client_credentials', 'authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
      contacts: ['ops@example.com'],
      id_token_signed_response_alg: 'ES256',
      scope: 'company:read',
    })
    const answer = await bearer(await tokenFor({ clientId, clientSecret }), '/api/v1/company')
    t.strictSame(answer.json, {
      company: 'Acme',
      seen: { kind: 'access_token', id: clientId, organizationId: preset.organization, environment: 'live' }
    })
  })

  test('LB-17: who registers without a registration token, or with one that is spent, expired or revoked, gets no client', async t => {
    const register = (authorization?: string) =>
      send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: authorization === undefined ? {} : { authorization },
        body: {}
      })
    const missing = await register()
    t.equal(missing.headers['www-authenticate'], 'Bearer')
    oauthRefused(t, missing, 401, 'invalid_token')
    const [once, short, ended] = [
      await createRegistrationToken({ uses: 1 }),
      await createRegistrationToken({ expiresAt: new Date(clock.now().getTime() + 1_000).toISOString() }),
      await createRegistrationToken(),
    ]
    t.equal((await register(`Bearer ${once.token}`)).status, 201)
    clock.advance(1)
    await admin('POST', `/registration-tokens/${ended.id}/revoke`)
    for (const { token } of [once, short, ended, { token: 'lkrgt_unknown' }]) {
      const answer = await register(`Bearer ${token}`)
      t.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"')
      oauthRefused(t, answer, 401, 'invalid_token')
    }
  })

  const serverDocument = () => ({
    issuer,
    authorization_endpoint: `${issuer}/api/v1/oauth/authorize`,
    token_endpoint: `${issuer}/api/v1/auth/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    registration_endpoint: `${issuer}/api/v1/oauth/register`,
    introspection_endpoint: `${issuer}/api/v1/oauth/introspect`,
    revocation_endpoint: `${issuer}/api/v1/oauth/revoke`,
    pushed_authorization_request_endpoint: `${issuer}/api/v1/oauth/par`,
    client_id_metadata_document_supported: true,
    authorization_response_iss_parameter_supported: true,
    scopes_supported: [
      'openid', 'profile', 'email', 'offline_access', 'company:read', 'invoices:read', 'invoices:write'
    ],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      'client_credentials', 'authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer'
    ],
    ...Object.fromEntries(['token', 'introspection', 'revocation'].flatMap(endpoint => [
      [`${endpoint}_endpoint_auth_methods_supported`, [
        'client_secret_basic', 'client_secret_post', 'private_key_jwt',
        ...(endpoint === 'introspection' ? [] : ['none'])
      ]],
      [`${endpoint}_endpoint_auth_signing_alg_values_supported`, ['ES256', 'RS256', 'PS256', 'Ed25519', 'EdDSA']],
    ])),
    code_challenge_methods_supported: ['S256'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    userinfo_endpoint: `${issuer}/api/v1/oauth/userinfo`,
    claims_supported: [
      'iss', 'aud', 'exp', 'iat', 'nonce', 'at_hash', 'sub', 'auth_time', 'amr', 'name', 'email'
    ],
    claim_types_supported: ['normal'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    prompt_values_supported: ['none', 'login', 'consent'],
  })
  const documents = [['LB-18', '/.well-known/oauth-authorization-server'], [
    'LB-20', '/.well-known/openid-configuration'
  ]] as const
  for (const [id, path] of documents) {
    test(`${id}: ${path} describes the authorization server, whatever Host and forwarded headers say`, async t => {
      const answer = await send({ path })
      t.equal(answer.status, 200)
      t.match(answer.headers['content-type'], /^application\/json/)
      t.equal(answer.headers['cache-control'], 'public, max-age=300')
      // The scopes of the metadata are advisory, and cached for ten seconds.
      clock.advance(11)
      t.strictSame((await send({ path })).json, serverDocument())
      const bent = await send({
        path,
        headers: {
          host: 'evil.example',
          'x-forwarded-host': 'evil.example',
          'x-forwarded-proto': 'https',
          forwarded: 'host=evil.example;proto=https'
        }
      })
      t.strictSame(bent.json, serverDocument())
    })
  }

  test('LB-19: /.well-known/oauth-protected-resource describes the host', async t => {
    const answer = await send({ path: '/.well-known/oauth-protected-resource' })
    t.equal(answer.status, 200)
    t.match(answer.headers['content-type'], /^application\/json/)
    t.strictSame(answer.json, {
      resource: issuer,
      authorization_servers: [issuer],
      scopes_supported: ['company:read', 'invoices:read', 'invoices:write'],
      bearer_methods_supported: ['header'],
      resource_name: new URL(issuer).host,
    })
  })

  test('LB-19: each path-scoped resource has a document of its own, as long as it exists', async t => {
    const identifier = `${issuer}/mcp/acme`
    const created = await admin('POST', '/resources', {
      identifier, name: 'Acme MCP', scopes: [{ name: 'tools:call' }, { name: 'tools:admin', keyOnly: true }]
    })
    t.equal(created.status, 201)
    const path = '/.well-known/oauth-protected-resource/mcp/acme'
    t.strictSame((await send({ path })).json, {
      resource: identifier,
      authorization_servers: [issuer],
      scopes_supported: ['tools:call'],
      bearer_methods_supported: ['header'],
      resource_name: 'Acme MCP'
    })
    for (
      const other of [
        `${path}/`, '/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource/mcp/other',
        `${path}%2f`, `${path}/../other`
      ]
    ) {
      const answer = await send({ path: other })
      t.equal(answer.status, 404, other)
      t.strictSame(Object.keys(answer.json), ['error', 'error_description'])
    }
    await admin('POST', `/resources/${created.json.id}/revoke`)
    t.equal((await send({ path })).status, 404)
  })

  test('LB-21: /.well-known/jwks.json has public keys only, the one that signs now and those that still verify', async t => {
    const retiredDatabase = await databases.find(each => each.name === name)!.fresh()
    const first = await startServer({ database: retiredDatabase.url, clock })
    const client = await first.createClient()
    const old = await retire(first, clock)
    await first.close()
    const second = await startServer({
      database: retiredDatabase.url, clock, issuer: first.issuer, environment: { LATCHKEY_SECRET: first.secret }
    })
    t.teardown(async () => {
      await second.close()
      await retiredDatabase.drop()
    })
    const answer = await second.send({ path: '/.well-known/jwks.json' })
    t.equal(answer.status, 200)
    t.match(answer.headers['content-type'], /^application\/jwk-set\+json/)
    t.equal(answer.headers['cache-control'], 'public, max-age=300')
    t.strictSame(Object.keys(answer.json), ['keys'])
    for (const key of answer.json.keys) {
      t.strictSame(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
      t.match(key, { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' })
    }
    const token = await second.tokenFor(client)
    t.strictSame(answer.json.keys.map((key: Json) => key.kid), [decodeJwt(token).header.kid, old.kid])
    t.equal((await second.bearer(token)).status, 200)
    t.equal(
      (await second.bearer(await old.sign(decodeJwt(token).payload))).status, 200,
      'what the old key signed still passes'
    )
  })

  test('LB-23: a key with portal-provision creates a customer, one with portal-sso-mint signs a member in, no token does', async t => {
    const of = { organization: (await createOrganization('Partner')).id }
    const [provisioning, minting] = [
      await createPartner(server, {}, { ...of, scopes: ['portal-provision'] }),
      await createPartner(server, { ceiling: 'owner' }, { ...of, scopes: ['portal-sso-mint'] })
    ]
    const answer = await withPartnerKey(server, provisioning)('POST', '/portal/organizations', customer())
    t.equal(answer.status, 201)
    t.match(answer.json, { organization: { name: 'Acme', callsPerMonth: 1_000 }, owner: { email: 'ada@acme.test' } })
    const path = `/portal/members/${answer.json.owner.id}/sign-in-links`
    t.equal((await withPartnerKey(server, minting)('POST', path)).status, 404, 'a key reaches what it provisioned')
    t.equal((await withPartnerKey(server, provisioning)('POST', path)).json.details.reason, 'insufficient_scope')
    const key = await createPartner(server, { ceiling: 'owner' })
    const { organization, owner } = await made(withPartnerKey(server, key)('POST', '/portal/organizations', customer()))
    const me = await asPerson(server, await enter(server, key, owner.id))('GET', '/auth/me')
    t.equal(me.json.member.organization, organization.id)
    const management = `${issuer}/api/v1`
    const client = await createClient({ ...of, grants: [{ resource: management, scopes: ['organizations:write'] }] })
    const token = await tokenFor(client, { resource: management })
    for (const where of ['/portal/organizations', `/portal/members/${owner.id}/sign-in-links`]) {
      const refusal = await bearer(token, `/api/v1${where}`, { method: 'POST', body: customer() })
      t.equal(refusal.status, 403)
      t.equal(refusal.json.details.reason, 'endpoint_requires_api_key_auth')
    }
    const grants = [{ resource: management, scopes: ['portal-provision'] }]
    const granted = await admin('POST', '/clients', { ...of, name: 'agent', grants })
    t.strictSame([granted.status, granted.json.code], [400, 'SCOPE_API_KEY_ONLY'])
  })

  test('LB-24: a client\'s allowlist is enforced where its tokens are minted and where they are used', async t => {
    const client = await createClient({ allowlist: ['127.0.0.5', '127.8.0.0/16'] })
    const inside = ['127.0.0.5', '127.8.77.1']
    for (const from of ['127.0.0.1', '127.0.0.6', '127.9.0.0']) {
      const answer = await tokenRequest(client, {}, { from })
      oauthRefused(t, answer, 401, 'invalid_client')
      t.equal(
        answer.json.error_description, `The address ${from} is not on this client's allowlist (ip_whitelist_mismatch).`
      )
    }
    for (const minted of inside) {
      const token = await tokenFor(client, {}, { from: minted })
      for (const from of inside) {
        t.equal(
          (await bearer(token, '/api/v1/invoices', { from })).status, 200, `minted at ${minted}, used from ${from}`
        )
      }
      const answer = await bearer(token)
      challenged(t, answer, 'invalid_token', 'The credential may not be used from this address')
      refused(t, answer, {
        message: 'The credential may not be used from this address.', reason: 'ip_whitelist_mismatch'
      })
    }
    const stranger = await tokenRequest({ ...client, clientSecret: 'wrong' })
    t.notMatch(stranger.text, 'ip_whitelist_mismatch', 'a stranger does not learn that there is an allowlist')
  })

  interface Expected {
    path?: string
    status?: number
    message: string
    code?: string
    reason: string
    requiredScopes?: string[]
  }

  /** The whole answer: a further member would be a leak. */
  function refused (
    t: Test, answer: Answer,
    { path = '/api/v1/invoices', status = 401, message, code = 'UNAUTHORIZED', reason, requiredScopes }: Expected
  ): void {
    t.equal(answer.status, status)
    t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    t.equal(answer.headers['cache-control'], 'no-store')
    t.strictSame(answer.json, {
      statusCode: status,
      timestamp: clock.now().toISOString(),
      path,
      message,
      code,
      details: { reason, ...(requiredScopes ? { requiredScopes } : {}) }
    })
  }

  /** `scope`: what the route takes a token with; of a 401 unless given, that of reading invoices. */
  function challenged (
    t: Test, answer: Answer, error: string, description: string,
    scope = error === 'invalid_token' ? 'scope="invoices:read", ' : ''
  ): void {
    t.equal(
      answer.headers['www-authenticate'],
      `Bearer error="${error}", error_description="${description}", ${scope}resource_metadata="${metadataUrl}"`
    )
  }

  function superseded (t: Test, answer: Answer, why = '', scope?: string): void {
    t.equal(answer.status, 401, why)
    const description = 'The client was changed after the token was issued; ask for a new one'
    challenged(t, answer, 'invalid_token', description, scope)
    refused(t, answer, {
      message: 'The client was changed after this token was issued; ask for a new token.', reason: 'invalid_token'
    })
  }
}

for (const [mode, statuses] of [['closed', [403, 403]], ['token', [401, 201]], ['open', [201, 201]]] as const) {
  tap.test(`LB-17: registration mode ${mode}`, async t => {
    const server = await startServer({ registration: mode })
    t.teardown(server.close)
    const { token, organization } = await server.createRegistrationToken()
    const register = (headers: Record<string, string>) =>
      server.send({
        method: 'POST', path: '/api/v1/oauth/register', headers, body: { client_name: 'agent', scope: 'invoices:read' }
      })
    const [without, withToken] = [await register({}), await register({ authorization: `Bearer ${token}` })]
    t.strictSame([without.status, withToken.status], statuses)
    const document = (await server.send({ path: '/.well-known/oauth-authorization-server' })).json
    t.equal('registration_endpoint' in document, mode !== 'closed')
    if (mode === 'closed') oauthRefused(t, without, 403, 'access_denied')
    if (mode === 'open') {
      t.notOk('scope' in without.json, 'who registers openly has no scope until an operator grants one')
      const client = { clientId: without.json.client_id, clientSecret: without.json.client_secret }
      const { status, json } = await server.tokenRequest(client)
      t.equal(status, 200)
      t.strictSame(Object.keys(json), ['access_token', 'token_type', 'expires_in'])
      t.equal((await server.bearer(json.access_token)).status, 403)
      const claimed = await server.admin('PATCH', `/clients/${client.clientId}`, {
        organization, grants: [{ resource: server.issuer, scopes: ['invoices:read'] }]
      })
      t.equal(claimed.status, 200)
      t.equal((await server.bearer(json.access_token)).status, 401, 'what it had before ends')
      t.equal((await server.bearer(await server.tokenFor(client))).status, 200)
    }
  })
}

tap.test('LB-05: allowlists know IPv6, and IPv4-mapped addresses are the IPv4 ones', async t => {
  const server = await startServer({ trustProxy: '127.0.0.1' })
  t.teardown(server.close)
  const { key } = await server.createKey({ allowlist: ['2001:db8::/32', '192.0.2.7', 'fd00::1'] })
  const from = (address: string) =>
    server.send({ path: '/api/v1/invoices', headers: { 'x-api-key': key, 'x-forwarded-for': address } })
  for (
    const address of [
      '2001:db8::1', '2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:0db8:0:0::1', '192.0.2.7', '::ffff:192.0.2.7',
      '::ffff:c000:207', 'fd00:0::1'
    ]
  ) {
    t.equal((await from(address)).status, 200, address)
  }
  for (
    const address of [
      '2001:db9::', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '192.0.2.8', '::ffff:192.0.2.8', 'fd00::2', '::1', '::',
      '2001:db8::1%eth0'
    ]
  ) {
    const answer = await from(address)
    t.equal(answer.status, 401, address)
    t.strictSame(answer.json.details, { reason: 'ip_whitelist_mismatch' })
  }
})

/** RFC 6749 §5.2: these two members and no more. */
function oauthRefused (t: Test, answer: Answer, status: number, error: string): void {
  t.equal(answer.status, status)
  t.equal(answer.json.error, error)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.strictSame(Object.keys(answer.json), ['error', 'error_description'])
}

/** Another key with the same format and a valid checksum. */
function forgeKey (key: string): string {
  return newApiKeyText(key.slice(0, 2), 'live')
}

/** Inserts a retired signing key into the database, as a rotation would have left it. */
async function retire ({ latchkey, secret }: TestServer, clock: MovableClock) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(publicJwk)
  await latchkey.operation.store.signingKeys.insert({
    kid,
    algorithm: 'ES256',
    publicJwk: { ...publicJwk, kid, alg: 'ES256', use: 'sig' },
    sealedPrivateKey: seal(JSON.stringify(await exportJWK(privateKey)), secret, kid),
    createdAt: new Date(clock.now().getTime() - 86_400_000),
    activatedAt: new Date(clock.now().getTime() - 86_400_000),
    retiredAt: clock.now(),
    publishedUntil: null,
    revokedAt: null,
    revokedReason: null,
    revision: 1,
  })
  return {
    kid,
    sign: async (claims: Json) =>
      await new SignJWT({ ...claims, jti: 'signed-before-the-rotation' }).setProtectedHeader({
        alg: 'ES256', typ: 'at+jwt', kid
      }).sign(privateKey)
  }
}

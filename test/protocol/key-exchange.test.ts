/** API keys that are exchanged for access tokens (RFC 8693), over real HTTP, on both databases. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import * as oauth from 'oauth4webapi'
import tap from 'tap'
import { changePolicy, planCreation, planDeletion } from '../../src/domain/access/policy-change.ts'
import { updateApiKey } from '../../src/domain/credentials/api-key-change.ts'
import { disableApiKey, enableApiKey } from '../../src/domain/disabling/disable-key.ts'
import { createMember, updateMember } from '../../src/domain/members/member.ts'
import { updateOrganization } from '../../src/domain/tenancy/organization.ts'
import {
  basic, decodeJwt, MovableClock, startOnEachDatabase, type Answer, type Json, type TestServer
} from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const path = '/api/v1/auth/token'
const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const keyType = 'urn:latchkey:params:oauth:token-type:api-key'
const tokenType = 'urn:ietf:params:oauth:token-type:access_token'

const clock = new MovableClock()
const { servers, close } = await startOnEachDatabase({
  clock,
  mount: async (app, latchkey) => {
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: latchkey.config.issuer })
      api.get('/paid', { config: { scopes: ['invoices:read'], credits: 5 } }, async () => ({ paid: true }))
      api.get('/keys-only', { config: { scopes: [], apiKeyOnly: true } }, async () => ({}))
    }, { prefix: '/api/v1' })
  }
})
tap.teardown(close)
clock.stop()

function form (key: string, more: Record<string, string> = {}): URLSearchParams {
  return new URLSearchParams({ grant_type: grantType, subject_token: key, subject_token_type: keyType, ...more })
}

async function exchanged (server: TestServer, key: string, more: Record<string, string> = {}): Promise<Answer> {
  return await server.send({ method: 'POST', path, body: form(key, more) })
}

async function tokenOf (server: TestServer, key: string, more: Record<string, string> = {}): Promise<string> {
  const answer = await exchanged(server, key, more)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.json.access_token as string
}

/** What comes back for bytes that are sent in pieces, with the connection left open. */
async function answered (server: TestServer, sent: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  for (const piece of [sent.slice(0, -20), sent.slice(-20, -5), sent.slice(-5)]) {
    await new Promise(resolve => { socket.write(piece, resolve) })
    await setTimeout(5)
  }
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

/** The whole error: nothing else is told. */
function error (answer: Answer): unknown[] {
  if (Object.keys(answer.json).sort().join() !== 'error,error_description') throw new Error(answer.text)
  return [answer.status, answer.json.error]
}

for (const { name, server } of servers) {
  const { issuer } = server
  const all = ['company:read', 'invoices:read', 'invoices:write', 'portal-provision']

  tap.test(`LK-10: a key is exchanged for a token with less: scopes, time, the key's resource [${name}]`, async t => {
    const key = await server.createKey({ scopes: all })
    const answer = await exchanged(server, key.key, { scope: 'invoices:read', resource: issuer, expires_in: '300' })
    t.equal(answer.status, 200, answer.text)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.match(answer.headers['content-type'], 'application/json')
    const { access_token: token, ...others } = answer.json
    t.strictSame(others, {
      issued_token_type: tokenType, token_type: 'Bearer', expires_in: 300, scope: 'invoices:read'
    })
    const { header, payload } = decodeJwt(token as string)
    t.strictSame([header.typ, header.alg], ['at+jwt', 'ES256'])
    t.match(payload, {
      iss: issuer,
      aud: issuer,
      sub: key.id,
      sub_kind: 'api_key',
      client_id: key.id,
      org_id: key.organization,
      scope: 'invoices:read',
      env: 'live'
    })
    t.strictSame(Object.keys(payload).sort(), [
      'aud', 'client_id', 'env', 'exp', 'iat', 'iss', 'jti', 'org_id', 'scope', 'sub', 'sub_kind'
    ])
    t.equal(payload.exp - payload.iat, 300)
    const seen = await server.bearer(token as string)
    t.strictSame([seen.status, seen.json.seen], [200, {
      kind: 'access_token', id: key.id, organizationId: key.organization, environment: 'live'
    }])
    t.equal((await server.bearer(token as string, '/api/v1/company')).status, 403, 'a scope that was not asked for')
    clock.advance(300)
    t.equal((await server.bearer(token as string)).status, 401, 'it ends when it was to')
    t.equal((await server.withKey(key.key)).status, 200)
  })

  tap.test(`LK-10, LB-14, LB-23: a token never has a key-only scope, and is no key [${name}]`, async t => {
    const key = await server.createKey({ scopes: all })
    const answer = await exchanged(server, key.key)
    t.equal(answer.json.scope, 'company:read invoices:read invoices:write')
    t.equal(answer.json.expires_in, 3_600)
    const provision = { method: 'POST', body: {} }
    t.equal((await server.withKey(key.key, '/api/v1/partners/customers', provision)).status, 201)
    t.equal((await server.bearer(answer.json.access_token, '/api/v1/partners/customers', provision)).status, 403)
    t.strictSame(error(await exchanged(server, key.key, { scope: 'invoices:read portal-provision' })), [
      400, 'invalid_scope'
    ])
    t.equal((await server.withKey(key.key, '/api/v1/keys-only')).status, 200)
    const refused = await server.bearer(answer.json.access_token, '/api/v1/keys-only')
    t.match([refused.status, refused.text], [403, /API keys only/])
  })

  tap.test(`LK-10: more than the key has is refused with the standard error [${name}]`, async t => {
    const soon = new Date(clock.now().getTime() + 600_000).toISOString()
    const key = await server.createKey({ expiresAt: soon })
    const cases: [string, Record<string, string>, string][] = [
      ['a scope of the resource that the key lacks', { scope: 'invoices:write' }, 'invalid_scope'],
      ['one scope of two', { scope: 'invoices:read invoices:write' }, 'invalid_scope'],
      ['no scope at all by its form', { scope: 'invoices:"read"' }, 'invalid_scope'],
      ['another resource', { resource: `${issuer}/api/v1/management` }, 'invalid_target'],
      ['a resource that does not exist', { resource: 'https://nowhere.test' }, 'invalid_target'],
      ['another audience', { audience: 'https://nowhere.test' }, 'invalid_target'],
      ['longer than the key', { expires_in: '601' }, 'invalid_request'],
      ['longer than an hour', { expires_in: '3601' }, 'invalid_request'],
      ['no time at all', { expires_in: '0' }, 'invalid_request'],
      ['a time that is none', { expires_in: '60.5' }, 'invalid_request'],
      ['delegation', { actor_token: 'x', actor_token_type: tokenType }, 'invalid_request'],
      ['a refresh token', {
        requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token'
      }, 'invalid_request'],
      ['another type', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
      ['no type', { subject_token_type: '' }, 'invalid_request'],
      ['no key', { subject_token: '' }, 'invalid_request'],
      ['another client', { client_id: 'cli_00000000000000000000000' }, 'invalid_request'],
      ['the secret of a client beside it', { client_secret: 'x' }, 'invalid_request'],
    ]
    for (const [what, more, code] of cases) {
      const answer = await exchanged(server, key.key, more)
      t.strictSame(error(answer), [400, code], what)
      t.equal(answer.headers['cache-control'], 'no-store')
      t.notMatch(answer.text, key.key, 'a secret is never told')
    }
    const basicToo = await server.send({
      method: 'POST', path, body: form(key.key), headers: { authorization: basic(key.id, 'x') }
    })
    t.strictSame(error(basicToo), [400, 'invalid_request'], 'a second proof')
    t.equal((await exchanged(server, key.key, { client_id: key.id, expires_in: '600' })).status, 200)
    t.equal((await exchanged(server, key.key)).json.expires_in, 600, 'as long as the key at most')
    t.equal((await exchanged(server, key.key, { resource: `${issuer}/` })).status, 200, 'in another spelling')
    const twice = form(key.key)
    twice.append('resource', issuer)
    twice.append('audience', issuer)
    t.equal((await server.send({ method: 'POST', path, body: twice })).status, 200, 'one resource, named twice')
    twice.append('resource', 'https://nowhere.test')
    t.strictSame(error(await server.send({ method: 'POST', path, body: twice })), [400, 'invalid_target'])
  })

  tap.test(`LK-10: a request is read in one way only [${name}]`, async t => {
    const key = await server.createKey()
    const one = form(key.key).toString()
    const post = async (body: string, more: Record<string, string> = {}, query = '') =>
      await server.send({
        method: 'POST',
        path: path + query,
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...more }
      })
    t.equal((await post(one)).status, 200)
    t.equal((await post(one, { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' })).status, 200)
    t.equal((await post(one, { 'transfer-encoding': 'chunked' })).status, 200, 'in chunks')
    t.equal((await post(`${one}&unknown=1`)).status, 200, 'what is not known is ignored (RFC 6749 §3.2)')
    t.equal((await post(`${one}&scope=`)).status, 200, 'without a value is as if it were not there')
    for (const [what, body] of Object.entries({
      'a parameter twice': `${one}&subject_token_type=${keyType}`,
      'an unknown one twice': `${one}&unknown=1&unknown=2`,
      'the grant twice': `${one}&grant_type=client_credentials`,
      'no UTF-8': `${one}&scope=%ff`,
      'an open escape': `${one}&scope=%4`,
      'many parameters': `${one}${'&a='.repeat(40)}`,
    })) t.strictSame(error(await post(body)), [400, 'invalid_request'], what)
    t.strictSame(error(await post(`${one}&unknown=${'x'.repeat(20_000)}`)), [413, 'invalid_request'])
    t.match(await post(`${one}&unknown=${'x'.repeat(60_000)}`), { status: 400 }, 'longer than any grant')
    for (const name of ['subject_token', 'scope', 'grant_type']) {
      t.strictSame(error(await post(one, {}, `?${name}=x`)), [400, 'invalid_request'], `${name} in the URI`)
    }
    t.strictSame(error(await post(one, { 'content-type': 'text/plain' })), [400, 'invalid_request'])
    t.equal((await server.send({ method: 'GET', path: `${path}?${one}` })).status, 405)
  })

  tap.test(`LK-10: each grant of others finds its body unread, however it was sent [${name}]`, async t => {
    const client = await server.createClient()
    const body = `grant_type=client_credentials&client_id=${client.clientId}&client_secret=${client.clientSecret}`
    const type = 'content-type: application/x-www-form-urlencoded\r\n'
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nconnection: close\r\n${type}`
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
    const chunks = `${chunk(body.slice(0, 9))}${chunk(body.slice(9))}${chunk('')}`
    for (const [what, sent] of Object.entries({
      'in one piece': `${head}content-length: ${body.length}\r\n\r\n${body}`,
      'in two chunks': `${head}transfer-encoding: chunked\r\n\r\n${chunks}`,
      'with much else': `${head}content-length: ${body.length + 50_003}\r\n\r\n${body}&a=${'x'.repeat(50_000)}`,
    })) t.match(await answered(server, sent), /^HTTP\/1.1 200 [^]*"token_type":"Bearer"/, what)
  })

  tap.test(`LK-10: a key that is not good now gets no token, and no reason that it could not know [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const key = async (input: Json = {}) => await server.createKey({ organization, ...input })
    const revoked = await key()
    await server.admin('DELETE', `/api-keys/${revoked.id}`)
    const disabled = await key()
    await disableApiKey(server.latchkey.operation, disabled.id, null)
    const rotated = await key()
    t.equal((await server.admin('POST', `/api-keys/${rotated.id}/rotate`, { overlapSeconds: 0 })).status, 201)
    const expired = await key({ expiresAt: new Date(clock.now().getTime() + 60_000).toISOString() })
    clock.advance(61)
    const elsewhere = await key({ allowlist: ['192.0.2.1'] })
    const told: string[] = []
    for (const [what, { key: text }] of Object.entries({ revoked, disabled, rotated, expired })) {
      const answer = await exchanged(server, text)
      t.strictSame(error(answer), [400, 'invalid_request'], what)
      told.push(answer.json.error_description as string)
      // Neither that it was a key, nor that there is such a resource.
      const foreign = await exchanged(server, text, { resource: `${issuer}/api/v1` })
      t.strictSame(foreign.json, answer.json, `${what}, for the resource of others`)
    }
    const unknown = await exchanged(server, `${(await key()).key.slice(0, -6)}000000`)
    t.strictSame(error(unknown), [400, 'invalid_request'])
    t.strictSame(new Set(told), new Set([unknown.json.error_description]), 'all alike')
    const away = await exchanged(server, elsewhere.key)
    t.match([...error(away), away.json.error_description], [400, 'invalid_request', /ip_whitelist_mismatch/])
    const audited = async () =>
      (await server.admin('GET', `/audit?type=credential.refused&organization=${organization}`)).json.data as Json[]
    const rows = await eventually(audited, data => data.length === 5)
    t.strictSame(Object.fromEntries(rows.map(row => [row.subject, row.detail.reason])), {
      [revoked.id]: 'revoked',
      [disabled.id]: 'disabled',
      [rotated.id]: 'rotated',
      [expired.id]: 'expired',
      [elsewhere.id]: 'address_not_allowed'
    })
  })

  tap.test(`LK-10: the token is judged by the key as it is at each use [${name}]`, async t => {
    const { operation } = server.latchkey
    const { id: organization } = await server.createOrganization()
    const member = await createMember(operation, { organizationId: organization, name: 'Ada', role: 'admin' })
    const key = await server.createKey({ organization, creator: member.id, scopes: ['company:read', 'invoices:read'] })
    const token = await tokenOf(server, key.key)
    const asked = async () => (await server.bearer(token)).status
    const then = async (status: number, what: string) => {
      t.strictSame([await asked(), await asked()], [status, status], what)
    }
    const passes = async () => { await then(200, 'passes') }
    await passes()
    await updateApiKey(operation, key.id, { allowlist: ['192.0.2.1'] })
    await then(401, 'the allowlist of the key')
    await updateApiKey(operation, key.id, { allowlist: [] })
    await passes()
    await updateMember(operation, member.id, { role: 'member', scopes: ['company:read'] })
    await then(403, 'the member who bounds the key')
    await updateMember(operation, member.id, { role: 'admin', scopes: null })
    await passes()
    await updateOrganization(operation, organization, { status: 'suspended' })
    await then(403, 'the organization')
    await updateOrganization(operation, organization, { status: 'active' })
    await passes()
    for (const kinds of [['api_key'], ['access_token']] as const) {
      const policy = await changePolicy(operation, planCreation(operation, {
        organizationId: organization, name: 'none', effect: 'deny', conditions: { kinds }
      }), true)
      await then(403, `a policy about ${kinds.join()}`)
      await changePolicy(operation, planDeletion(operation, policy.id), true)
      await passes()
    }
    const apart = await Promise.all((['api_key', 'access_token'] as const).map(async (kind, i) =>
      await changePolicy(operation, planCreation(operation, {
        organizationId: organization,
        name: kind,
        effect: 'allow',
        conditions: { kinds: [kind], scopes: [i === 0 ? 'company:read' : 'invoices:read'] }
      }), true)))
    await then(403, 'what is allowed to tokens is not allowed to its key')
    t.equal((await server.bearer(token, '/api/v1/company')).status, 403, 'nor the reverse')
    for (const { id } of apart) await changePolicy(operation, planDeletion(operation, id), true)
    await passes()
    await updateApiKey(operation, key.id, { scopes: ['company:read'] })
    await then(403, 'the scopes of the key')
    await updateApiKey(operation, key.id, { scopes: ['company:read', 'invoices:read', 'invoices:write'] })
    await passes()
    t.equal((await server.bearer(token, '/api/v1/invoices', { method: 'POST', body: {} })).status, 403,
      'what the key got since is not in the token')
    await disableApiKey(operation, key.id, null)
    await then(401, 'disabled')
    await enableApiKey(operation, key.id)
    await passes()
    const rotated = await server.admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 60 })
    t.equal(rotated.status, 201)
    await passes()
    clock.advance(61)
    await then(401, 'rotated out')
    const next = await tokenOf(server, rotated.json.key as string)
    t.equal((await server.bearer(next)).status, 200)
    await server.admin('DELETE', `/api-keys/${rotated.json.id as string}`)
    t.equal((await server.bearer(next)).status, 401, 'revoked')
  })

  tap.test(`LK-10: a token and its key draw on the same calls and credits [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const key = async (input: Json = {}) => await server.createKey({ organization, ...input })
    const perMinute = await key({ callsPerMinute: 3 })
    const token = await tokenOf(server, perMinute.key)
    const second = await server.bearer(token)
    t.match(second.headers.ratelimit, /"minute";r=1/, 'the exchange took one call')
    t.equal((await server.withKey(perMinute.key)).status, 200)
    const limited = await server.bearer(token)
    t.strictSame([limited.status, (await server.withKey(perMinute.key)).status], [429, 429])
    t.ok(Number(limited.headers['retry-after']) > 0)
    const over = await exchanged(server, perMinute.key)
    t.strictSame(error(over), [429, 'slow_down'])
    t.ok(Number(over.headers['retry-after']) > 0)
    const perMonth = await key({ callsPerMonth: 2 })
    const ofMonth = await tokenOf(server, perMonth.key)
    t.equal((await server.bearer(ofMonth)).status, 200)
    t.equal((await server.bearer(ofMonth)).status, 429)
    t.strictSame(error(await exchanged(server, perMonth.key)), [429, 'slow_down'])
    const payer = await key()
    const paying = await tokenOf(server, payer.key)
    t.equal((await server.bearer(paying, '/api/v1/paid')).status, 402)
    const credits = { environment: 'live', amount: 7, reason: 'test' }
    await server.admin('POST', `/organizations/${organization}/credits`, credits)
    t.equal((await server.bearer(paying, '/api/v1/paid')).status, 200)
    t.strictSame([
      (await server.bearer(paying, '/api/v1/paid')).status, (await server.withKey(payer.key, '/api/v1/paid')).status
    ], [402, 402], 'one account')
    const client = await server.createClient({ organization })
    t.equal((await server.bearer(await server.tokenFor(client), '/api/v1/paid')).status, 403, 'a client has none')
  })

  tap.test(`LK-10: wrong keys are slowed down by their address, as wrong secrets are [${name}]`, async t => {
    const from = '127.0.0.77'
    const key = await server.createKey()
    const wrong = { method: 'POST', path, body: form('lk_live_nothing'), from }
    for (let i = 0; i < 299; i++) await server.send(wrong)
    t.strictSame(error(await server.send(wrong)), [429, 'slow_down'])
    t.equal((await server.send({ ...wrong, body: form(key.key) })).status, 200, 'a good one passes')
    const client = await server.tokenRequest({ clientId: 'cli_0', clientSecret: 'x' }, {}, { from })
    t.equal(client.status, 429, 'the count is that of clients')
    const { status } = await server.send({ method: 'POST', path, body: form('lk_live_nothing') })
    t.equal(status, 400, 'and not of others')
  })

  tap.test(`LK-10: oauth4webapi takes the answer, and discovery names the grant [${name}]`, async t => {
    const key = await server.createKey()
    const insecure = { [oauth.allowInsecureRequests]: true }
    const as = await oauth.processDiscoveryResponse(
      new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { ...insecure, algorithm: 'oauth2' })
    )
    t.ok(as.grant_types_supported?.includes(grantType))
    const client: oauth.Client = { client_id: key.id }
    const { grant_type: _, ...parameters } = Object.fromEntries(form(key.key, { scope: 'invoices:read' }))
    const response = await oauth.genericTokenEndpointRequest(
      as, client, oauth.None(), grantType, parameters as Record<string, string>, insecure
    )
    const answer = await oauth.processGenericTokenEndpointResponse(as, client, response)
    t.match(answer, { token_type: 'bearer', issued_token_type: tokenType, scope: 'invoices:read' })
    const request = new Request(`${issuer}/api/v1/invoices`, {
      headers: { authorization: `Bearer ${answer.access_token}` }
    })
    const claims = await oauth.validateJwtAccessToken(as, request, issuer, insecure)
    t.match(claims, { sub: key.id, client_id: key.id }, 'a token of RFC 9068')
    const more = { ...parameters, scope: 'invoices:write' } as Record<string, string>
    const refused = await oauth.genericTokenEndpointRequest(as, client, oauth.None(), grantType, more, insecure)
    const thrown = await oauth.processGenericTokenEndpointResponse(as, client, refused).catch((error: unknown) => error)
    t.match(thrown, { error: 'invalid_scope', status: 400 })
  })

  tap.test(`LK-10: introspection, revocation, explain and the logs know whose token it is [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const key = await server.createKey({ organization, name: 'nightly', environment: 'test' })
    const token = await tokenOf(server, key.key)
    const { data: resources } = (await server.admin('GET', '/resources')).json
    const { id: resource } = resources.find(({ identifier }: Json) => identifier === issuer)
    const api = await server.createClient({ organization, introspects: [resource] })
    const asking = { client_id: api.clientId, client_secret: api.clientSecret, token }
    const introspected = async () =>
      (await server.send({
        method: 'POST', path: '/api/v1/oauth/introspect', body: new URLSearchParams(asking)
      })).json
    t.match(await introspected(), {
      active: true, sub: key.id, sub_kind: 'api_key', client_id: key.id, scope: 'invoices:read', environment: 'test'
    })
    const other = await server.createClient({ organization })
    const revoked = await server.send({
      method: 'POST',
      path: '/api/v1/oauth/revoke',
      body: new URLSearchParams({ client_id: other.clientId, client_secret: other.clientSecret, token })
    })
    t.strictSame(error(revoked), [400, 'unsupported_token_type'], 'it would stay valid after a 200')
    t.equal((await server.bearer(token)).status, 200)
    t.equal((await server.bearer(token, '/api/v1/company')).status, 403)
    const explained = (await server.admin('POST', '/explain', { credential: token })).json
    t.match(explained.subject, {
      kind: 'access_token', idKind: 'api_key', id: key.id, name: 'nightly', status: 'active'
    })
    const reasons = async () => (await server.admin('POST', '/explain', { credential: token })).json.refusals as Json[]
    t.match(await eventually(reasons, rows => rows.length > 0), [{ reason: 'insufficient_scope', credential: key.id }])
    const verified = await server.send({
      method: 'POST',
      path: '/api/v1/verify',
      headers: { authorization: basic(api.clientId, api.clientSecret) },
      body: { credential: token, resource: issuer, scopes: ['invoices:read'] }
    })
    t.match(verified.json, { allowed: true, principal: { kind: 'access_token', idKind: 'api_key', id: key.id } })
    const usage = async () =>
      (await server.admin('GET', `/organizations/${organization}/usage`)).json
    const counted = await eventually(usage, ({ test }) => test.calls >= 3)
    t.strictSame([counted.test.calls, counted.live.calls], [3, 0], 'the exchange, the request, the question')
    await server.admin('DELETE', `/api-keys/${key.id}`)
    t.strictSame(await introspected(), { active: false })
    t.match((await server.admin('POST', '/explain', { credential: token })).json.subject, { status: 'revoked' })
  })

  tap.test(`LK-10: what a token makes on the management API does not outlive it [${name}]`, async t => {
    const management = `${issuer}/api/v1`
    const { id: organization } = await server.createOrganization()
    const scopes = ['api-keys:read', 'api-keys:write']
    const key = await server.createKey({ organization, resource: management, scopes })
    const token = await tokenOf(server, key.key, { expires_in: '600' })
    const make = async (authority: Record<string, string>, more: Json = {}) => await server.send({
      method: 'POST',
      path: '/api/v1/api-keys',
      headers: authority,
      body: { organization, resource: management, environment: 'live', name: 'x', scopes: ['api-keys:read'], ...more }
    })
    const at = (seconds: number) => new Date(clock.now().getTime() + seconds * 1_000).toISOString()
    const bearer = { authorization: `Bearer ${token}` }
    t.equal((await make({ 'x-api-key': key.key })).status, 201, 'the key itself has no end')
    t.equal((await make(bearer)).status, 403)
    t.equal((await make(bearer, { expiresAt: at(601) })).status, 403)
    t.equal((await make(bearer, { expiresAt: at(599) })).status, 201)
  })
}

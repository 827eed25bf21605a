/** This server as an OpenID provider: ID tokens, their keys, and what a client may leave out. The judge is jose. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { stateOfSigningKey } from '../../src/domain/tokens/signing-key.ts'
import {
  answerPage, authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem, returned,
  tokenAs, type AskingClient
} from '../support/authorizing.ts'
import { databases } from '../support/databases.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, MovableClock, startServer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer({ registration: 'open' })
tap.teardown(server.close)
const userinfo = `${server.issuer}/api/v1/oauth/userinfo`
const secret = { token_endpoint_auth_method: 'client_secret_post' } as const
const keys = createRemoteJWKSet(new URL(`${server.issuer}/.well-known/jwks.json`))

/** What a client gets that asks for these scopes and no resource. */
const tokensFor = async (scope: string, metadata = {}, more: Record<string, string> = {}) => {
  const person = await createPerson(server, { email: `ada.${Math.random().toString(36).slice(2)}@example.test` })
  const client = await createAskingClient(server, metadata)
  const answer = await redeem(server, client, await authorize(server, client, person, { scope, ...more }))
  return { person, client, answer, tokens: answer.json }
}

tap.test('openid without resource: userinfo is the audience, and jose verifies the ID token', async t => {
  const { person, client, answer, tokens } = await tokensFor('openid profile email', {}, { nonce: 'n-1' })
  t.equal(answer.status, 200, answer.text)
  t.strictSame(tokens.scope.split(' ').sort(), ['email', 'openid', 'profile'])
  const { header, payload: access } = decodeJwt(tokens.access_token)
  t.match(header, { typ: 'at+jwt' })
  t.match(access, { aud: userinfo, sub: person.id, client_id: client.id, org_id: person.organization, gnt: /^aut_/ })
  const { payload, protectedHeader } = await jwtVerify(tokens.id_token, keys, {
    issuer: server.issuer, audience: client.id
  })
  t.equal(protectedHeader.alg, 'ES256')
  t.match(payload, { sub: person.id, nonce: 'n-1', amr: ['otp'], auth_time: Number, iat: Number, exp: Number })
  t.equal(payload.exp! - payload.iat!, 3_600)
  const hash = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16).toString('base64url')
  t.equal(payload.at_hash, hash, 'Core §3.1.3.6')
  t.strictSame([payload.name, payload.email], [undefined, undefined], 'Core §5.4: told at userinfo')
  t.equal((await server.bearer(tokens.access_token)).status, 401, 'an API takes no token for userinfo')
  t.equal((await server.bearer(tokens.id_token)).status, 401, 'J6')
  const asker = await createAskingClient(server, secret)
  const own = await redeem(server, asker, await authorize(server, asker, person, { scope: 'openid email' }))
  const known = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/introspect',
    body: new URLSearchParams({ client_id: asker.id, client_secret: asker.secret!, token: own.json.access_token })
  })
  t.match(known.json, { active: true, aud: userinfo, scope: 'openid email', sub: person.id })
})

tap.test('openid wins over a granted resource; an API that is named gets its own token, and the claims stand in the ID token', async t => {
  const { id } = (await server.latchkey.operation.store.resources.byIdentifier(server.issuer))!
  const person = await createPerson(server, { name: 'Grace', email: 'grace@example.test' })
  const client = await createAskingClient(server, {}, { grants: [{ resourceId: id, scopes: [] }] })
  const own = await redeem(server, client, await authorize(server, client, person, { scope: 'openid invoices:read' }))
  t.equal(decodeJwt(own.json.access_token).payload.aud, userinfo)
  t.equal(own.json.scope, 'openid')
  const asked = { scope: 'openid profile email invoices:read', resource: server.issuer }
  const narrow = await redeem(server, client, await authorize(server, client, person, asked))
  const form = { grant_type: 'refresh_token', refresh_token: narrow.json.refresh_token, scope: 'openid' }
  const none = (await tokenAs(server, client, form)).json
  t.equal(none.scope, 'openid')
  t.notOk('scope' in decodeJwt(none.access_token).payload, 'RFC 6749 §3.3: no scope is no member, and no empty text')
  const api = await redeem(server, client, await authorize(server, client, person, asked))
  t.equal(decodeJwt(api.json.access_token).payload.aud, server.issuer)
  t.equal(decodeJwt(api.json.access_token).payload.scope, 'invoices:read')
  t.match(decodeJwt(api.json.id_token).payload, { sub: person.id, name: 'Grace', email: 'grace@example.test' })
})

tap.test('RFC 6749 §5.1: scope names all that was granted, beside those of the API those of OpenID Connect', async t => {
  const viewer = await createPerson(server, { role: 'viewer', email: 'mary@example.test' })
  const client = await createAskingClient(server)
  const asked = { resource: server.issuer, scope: 'openid email offline_access invoices:read invoices:write' }
  const scopesOf = ({ scope }: Json) => scope.split(' ').sort()
  const given = (await redeem(server, client, await authorize(server, client, viewer, {
    ...asked, prompt: 'consent'
  }))).json
  t.strictSame(scopesOf(given), ['email', 'invoices:read', 'offline_access', 'openid'])
  t.equal(decodeJwt(given.access_token).payload.scope, 'invoices:read')
  const refresh = { grant_type: 'refresh_token', refresh_token: given.refresh_token }
  const again = (await tokenAs(server, client, refresh)).json
  t.strictSame(scopesOf(again), scopesOf(given))
  const narrow = (await tokenAs(server, client, {
    ...refresh, refresh_token: again.refresh_token, scope: 'email invoices:read openid'
  })).json
  t.strictSame(scopesOf(narrow), ['email', 'invoices:read', 'openid'])
  const plain = (await redeem(server, client, await authorize(server, client, viewer, {
    ...asked, scope: 'invoices:read'
  }))).json
  t.equal(plain.scope, 'invoices:read')
})

tap.test('profile without openid is no scope of a person, and userinfo without openid is invalid_scope', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const browser = browserOf(server, person)
  const page = await browser.open(authorizationUrl(server, client, newPkce().challenge, {
    scope: 'profile', resource: userinfo
  }), isCallback)
  t.equal(returned(page).error, 'invalid_scope')
})

tap.test('RS256: the key is made when a client first needs it, and both keys verify by the published set', async t => {
  const before = (await server.send({ path: '/.well-known/jwks.json' })).json.keys.map(({ alg }: any) => alg)
  t.notOk(before.includes('RS256'))
  const { client, tokens } = await tokensFor('openid', { id_token_signed_response_alg: 'RS256' })
  const { protectedHeader, payload } = await jwtVerify(tokens.id_token, createRemoteJWKSet(
    new URL(`${server.issuer}/.well-known/jwks.json`)
  ), { audience: client.id, algorithms: ['RS256'] })
  t.equal(protectedHeader.alg, 'RS256')
  t.ok(payload.at_hash)
  t.match(decodeJwt(tokens.access_token).header, { alg: 'ES256' })
  const refreshed = await tokenAs(server, client, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
  t.match(decodeJwt(refreshed.json.id_token).header, { alg: 'RS256' })
  const { keys: after } = (await server.send({ path: '/.well-known/jwks.json' })).json
  t.strictSame(after.map(({ alg }: any) => alg).sort(), ['ES256', 'RS256'])
})

tap.test('the key of RS256 has a successor as long as a client uses it, and none after that', async t => {
  const clock = new MovableClock()
  const own = await startServer({ clock })
  t.teardown(own.close)
  const { signingKeys, operation } = own.latchkey
  const person = await createPerson(own)
  const client = await createAskingClient(own, { id_token_signed_response_alg: 'RS256' })
  await authorize(own, client, person, { scope: 'openid' })
  const days = 90
  const statesAfter = async () => {
    clock.advance((days + 1) * 86_400)
    await signingKeys.rotateWhenDue(operation, days)
    const keys = (await operation.store.signingKeys.all()).filter(({ algorithm }) => algorithm === 'RS256')
    return keys.map(key => stateOfSigningKey(key, clock.now()))
  }
  t.strictSame(await statesAfter(), ['active', 'pending'])
  t.equal((await own.admin('DELETE', `/clients/${client.id}`)).status, 204)
  t.strictSame((await statesAfter()).filter(state => state === 'active' || state === 'pending'), [])
})

tap.test('RS256 by a pushed request: its first key is made, too, although the client is known before its scopes', async t => {
  const own = await startServer()
  t.teardown(own.close)
  const person = await createPerson(own)
  const client = await createAskingClient(own, { id_token_signed_response_alg: 'RS256' })
  const { verifier, challenge } = newPkce()
  const pushed = await own.send({
    method: 'POST',
    path: '/api/v1/oauth/par',
    body: new URLSearchParams(new URL(authorizationUrl(own, client, challenge, { scope: 'openid' })).search)
  })
  t.equal(pushed.status, 201, pushed.text)
  const browser = browserOf(own, person)
  const query = new URLSearchParams({ client_id: client.id, request_uri: pushed.json.request_uri })
  const page = await browser.open(`${own.url}/api/v1/oauth/authorize?${query}`, isCallback)
  const { code } = returned(await answerPage(own, browser, page, 'allow'))
  const answer = await redeem(own, client, { code: code!, verifier })
  t.match(decodeJwt(answer.json.id_token).header, { alg: 'RS256' })
})

tap.test('a refresh gives another ID token, with the sign-in and the nonce of the first (Core §12.2)', async t => {
  const { client, tokens } = await tokensFor('openid', {}, { nonce: 'n-2', max_age: '3600' })
  const answer = await tokenAs(server, client, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
  t.equal(answer.status, 200, answer.text)
  const [first, second] = [tokens, answer.json].map(each => decodeJwt(each.id_token).payload)
  for (const claim of ['iss', 'sub', 'aud', 'auth_time', 'nonce']) t.same(second![claim], first![claim], claim)
  t.not(second!.at_hash, first!.at_hash)
})

tap.test('registration: the algorithm of ID tokens is kept and told; another one is refused', async t => {
  const register = (more: object) => server.send({
    method: 'POST',
    path: '/api/v1/oauth/register',
    body: { redirect_uris: ['https://app.example.test/cb'], ...more }
  })
  t.equal((await register({ id_token_signed_response_alg: 'RS256' })).json.id_token_signed_response_alg, 'RS256')
  t.equal((await register({})).json.id_token_signed_response_alg, 'ES256')
  const { status, json } = await register({ id_token_signed_response_alg: 'none' })
  t.strictSame([status, json.error], [400, 'invalid_client_metadata'])
})

tap.test('PKCE: only a client that proves itself, was let to, and sends openid and nonce leaves it out', async t => {
  const person = await createPerson(server)
  const answerTo = async (client: AskingClient, more: Record<string, string>) => {
    const browser = browserOf(server, person)
    const asked = { scope: 'openid', code_challenge_method: '', ...more }
    const page = await browser.open(authorizationUrl(server, client, '', asked), isCallback)
    return returned(isCallback(page.url) ? page : await answerPage(server, browser, page, 'allow'))
  }
  const free = await createAskingClient(server, secret, { pkceRequired: false })
  const bound = await createAskingClient(server, secret)
  const open = await createAskingClient(server, {}, { pkceRequired: false })
  const given = await answerTo(free, { nonce: 'n-3' })
  const form = { grant_type: 'authorization_code', code: given.code!, redirect_uri: free.redirectUri }
  const answer = await tokenAs(server, free, form)
  t.equal(answer.status, 200, answer.text)
  t.equal(decodeJwt(answer.json.id_token).payload.nonce, 'n-3')
  t.equal((await answerTo(free, {})).error, 'invalid_request', 'no nonce')
  t.equal((await answerTo(free, { scope: 'invoices:read', resource: server.issuer })).error, 'invalid_request')
  t.equal((await answerTo(bound, { nonce: 'n' })).error, 'invalid_request', 'not let to')
  t.equal((await answerTo(open, { nonce: 'n' })).error, 'invalid_request', 'public')
  const challenged = await authorize(server, free, person, { scope: 'openid', nonce: 'n-4' })
  const stolen = { grant_type: 'authorization_code', code: challenged.code!, redirect_uri: free.redirectUri }
  t.equal((await tokenAs(server, free, stolen)).json.error, 'invalid_grant', 'a challenge that was sent counts')
})

tap.test('PKCE is a setting of the management API, and of no registration', async t => {
  const create = (more: object) => server.admin('POST', '/clients', {
    organization: null, name: 'shop', grants: [], redirectUris: ['https://app.example.test/cb'], ...more
  })
  const { status, json } = await create({ pkceRequired: false, idTokenSignedResponseAlg: 'RS256' })
  t.equal(status, 201)
  t.match(json, { pkceRequired: false, idTokenSignedResponseAlg: 'RS256' })
  const patched = await server.admin('PATCH', `/clients/${json.clientId}`, { pkceRequired: true })
  t.match(patched.json, { pkceRequired: true, idTokenSignedResponseAlg: 'RS256' })
  t.match((await create({ tokenEndpointAuthMethod: 'none' })).json, { pkceRequired: true })
  t.equal((await create({ tokenEndpointAuthMethod: 'none', pkceRequired: false })).status, 400)
  const open = await create({ tokenEndpointAuthMethod: 'none' })
  t.equal((await server.admin('PATCH', `/clients/${open.json.clientId}`, { pkceRequired: false })).status, 400)
  const registered = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/register',
    body: { redirect_uris: ['https://app.example.test/cb'], pkceRequired: false, pkce_required: false }
  })
  t.match((await server.admin('GET', `/clients/${registered.json.client_id}`)).json, { pkceRequired: true })
})

tap.test('prompt=none: what was allowed before answers without a page; everything else is an error', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server, { application_type: 'web' })
  const silently = async (
    more: Record<string, string>, as = client, browser = browserOf(server, person)
  ): Promise<Record<string, string> & { verifier: string }> => {
    const { verifier, challenge } = newPkce()
    const page = await browser.open(authorizationUrl(server, as, challenge, {
      scope: 'openid', prompt: 'none', ...more
    }), isCallback)
    return { ...returned(page), verifier }
  }
  t.equal((await silently({})).error, 'consent_required', 'nothing was allowed yet')
  const { store } = server.latchkey.operation
  const first = await redeem(server, client, await authorize(server, client, person, { scope: 'openid email' }))
  const answer = await redeem(server, client, await silently({ id_token_hint: first.json.id_token }))
  t.equal(answer.status, 200, answer.text)
  t.equal(decodeJwt(answer.json.id_token).payload.sub, person.id)
  const { gnt } = decodeJwt(answer.json.access_token).payload
  t.not(gnt, decodeJwt(first.json.access_token).payload.gnt, 'an authorization of its own')
  t.strictSame((await store.authorizations.get(gnt))!.identityScopes, ['openid'])
  t.equal((await silently({ scope: 'openid profile' })).error, 'consent_required', 'more than was allowed')
  t.equal((await silently({}, client, browserOf(server, { cookie: 'a=b' }))).error, 'login_required')
  const native = await createAskingClient(server, { application_type: 'native' })
  await authorize(server, native, person, { scope: 'openid' })
  t.equal((await silently({}, native)).error, 'interaction_required', 'any program can pose as a native client')
  const other = await createPerson(server)
  await authorize(server, client, other, { scope: 'openid' })
  const mistaken = await silently({ id_token_hint: first.json.id_token }, client, browserOf(server, other))
  t.equal(mistaken.error, 'login_required', 'the hint is about another person')
  t.equal((await silently({ id_token_hint: 'nonsense' })).error, 'invalid_request')
})

tap.test('id_token_hint of another person than the one who signs in is login_required, and no loop', async t => {
  const [one, other] = [await createPerson(server), await createPerson(server)]
  const client = await createAskingClient(server)
  const { json } = await redeem(server, client, await authorize(server, client, one, { scope: 'openid' }))
  const asked = { scope: 'openid', id_token_hint: json.id_token }
  t.equal((await authorize(server, client, other, asked)).error, 'login_required')
  t.ok((await authorize(server, client, one, asked)).code)
})

tap.test('request, request_uri and registration are refused by their own errors; hints about pages are ignored', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const answerTo = async (more: Record<string, string>) => {
    const browser = browserOf(server, person)
    const page = await browser.open(authorizationUrl(server, client, newPkce().challenge, {
      scope: 'openid', ...more
    }), isCallback)
    return isCallback(page.url) ? returned(page).error : page.status
  }
  t.equal(await answerTo({ request: 'eyJhbGciOiJub25lIn0.e30.' }), 'request_not_supported')
  t.equal(await answerTo({ request_uri: 'https://app.example.test/request.jwt' }), 'request_uri_not_supported')
  t.equal(await answerTo({ registration: '{}' }), 'registration_not_supported')
  for (const [name, value] of Object.entries({
    display: 'popup',
    ui_locales: 'de',
    claims_locales: 'de',
    acr_values: '1 2',
    login_hint: 'ada@example.test',
    claims: '{"userinfo":{"name":{"essential":true}}}',
    extra: 'foobar'
  })) t.equal(await answerTo({ [name]: value }), 200, name)
})

tap.test('both discovery documents say what is true', async t => {
  const [oauth, openid] = await Promise.all(['oauth-authorization-server', 'openid-configuration'].map(async name =>
    (await server.send({ path: `/.well-known/${name}` })).json))
  t.same(oauth, openid)
  t.match(openid, {
    userinfo_endpoint: userinfo,
    subject_types_supported: ['public'],
    claim_types_supported: ['normal'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false
  })
  t.strictSame([...openid!.id_token_signing_alg_values_supported].sort(), ['ES256', 'RS256'])
  t.ok(['openid', 'profile', 'email', 'offline_access'].every(each => openid!.scopes_supported.includes(each)))
  t.ok(['sub', 'name', 'email', 'auth_time'].every(each => openid!.claims_supported.includes(each)))
})

for (const { name, fresh } of databases) {
  tap.test(`the consent page says openid, profile and email in words; lists and applications keep them [${name}]`, async t => {
    const database = await fresh()
    const own = await startServer({ database: database.url })
    t.teardown(async () => {
      await own.close()
      await database.drop()
    })
    const person = await createPerson(own, { email: 'ada@example.test' })
    const client = await createAskingClient(own)
    const browser = browserOf(own, person)
    const { verifier, challenge } = newPkce()
    const asked = { scope: 'openid profile email' }
    const page = await browser.open(authorizationUrl(own, client, challenge, asked), isCallback)
    for (const words of ['Know which member you are', 'Read your name', 'Read your e-mail address', 'Member profile']) {
      t.match(page.text, words)
    }
    const given = returned(await answerPage(own, browser, page, 'allow'))
    t.equal((await redeem(own, client, { code: given.code!, verifier })).status, 200)
    const { json } = await own.admin('GET', `/authorizations?organization=${person.organization}`)
    t.match(json.data, [{
      scopes: ['openid', 'profile', 'email'], resource: `${own.issuer}/api/v1/oauth/userinfo`, status: 'active'
    }])
    const applications = await browser.open(`${own.url}/api/v1/auth/applications`)
    t.match(applications.text, 'Read your e-mail address')
    const again = await browser.open(authorizationUrl(own, client, challenge, { scope: 'openid email' }), isCallback)
    t.ok(returned(again).code, 'what was allowed is not asked again')
  })
}

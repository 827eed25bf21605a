/**
 * What Latchkey takes for granted of oidc-provider beyond its documentation: an upgrade that breaks any of it fails
 * here, by name, before it fails in a flow.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import tap from 'tap'
import { interactionPolicy, Provider } from 'oidc-provider'
import {
  authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem
} from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, startServer } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)

tap.test('the pinned version is the one that the overrides were written for', async t => {
  const file = createRequire(import.meta.url).resolve('oidc-provider/package.json')
  const { version } = JSON.parse(readFileSync(file, 'utf8'))
  t.match(version, /^9\.13\./, 'read the release notes, run this file, then change it')
})

tap.test('what is replaced is there, and is looked up where it is replaced', async t => {
  const provider = new Provider('https://issuer.example.test') as any
  for (const model of ['Session', 'Client']) {
    t.type(provider[model].find, 'function', model)
    provider[model].find = () => 'replaced'
    t.equal(provider[model].find(), 'replaced', `${model} is one class for each provider`)
  }
  for (const model of ['AuthorizationCode', 'RefreshToken', 'Grant', 'Interaction']) {
    t.type(provider[model].find, 'function', model)
    provider[model].find = () => 'replaced'
    t.equal(provider[model].find(), 'replaced')
  }
  t.type(provider.Session.get, 'function')
  t.type(provider.RefreshToken.prototype.generateTokenId, 'function')
  t.type(provider.Interaction.prototype.persist, 'function')
  t.type(provider.Client.prototype.grantTypeAllowed, 'function')
  t.ok('ctx' in Provider)
  t.type(interactionPolicy.base().get('consent')!.checks.add, 'function')
  t.ok(interactionPolicy.base().get('login')!.checks.get('id_token_hint'))
  t.equal(interactionPolicy.base().length, 2, 'login and consent: ours stands between them')
  t.type(provider.AccessToken.prototype.save, 'function')
  t.type(provider.IdToken.prototype.issue, 'function')
})

tap.test('sessions are views: the provider sets no cookie for one and stores none', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const browser = browserOf(server, person)
  const before = browser.cookies.get(new URL(server.url).host)!.get('latchkey_session')
  await browser.open(authorizationUrl(server, client, newPkce().challenge, {
    resource: server.issuer, scope: 'invoices:read'
  }), isCallback)
  const cookies = browser.cookies.get(new URL(server.url).host)!
  t.strictSame([...cookies.keys()].sort(), [
    'latchkey_question', 'latchkey_question.sig', 'latchkey_request', 'latchkey_request.sig', 'latchkey_session'
  ])
  t.equal(cookies.get('latchkey_session'), before)
  t.notMatch(server.lines.join(''), 'oidc-provider tried to store')
})

tap.test('openid beside a resource: an ID token about the member, for the client, with the nonce and the sign-in', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const answer = await redeem(server, client, await authorize(server, client, person, {
    resource: server.issuer, scope: 'openid invoices:read', nonce: 'a-nonce', max_age: '3600'
  }))
  t.equal(answer.status, 200, answer.text)
  const { header, payload } = decodeJwt(answer.json.id_token)
  t.match(header, { alg: 'ES256' })
  t.match(payload, { iss: server.issuer, sub: person.id, aud: client.id, nonce: 'a-nonce', auth_time: Number })
  t.equal((await server.bearer(answer.json.id_token)).status, 401, 'J6: an ID token is no access token')
  t.equal(decodeJwt(answer.json.access_token).payload.scope, 'invoices:read')
})

tap.test('DPoP is off until the guard checks it: a proof binds nothing, and the metadata promise nothing', async t => {
  const { json } = await server.send({ path: '/.well-known/oauth-authorization-server' })
  t.equal(json.dpop_signing_alg_values_supported, undefined)
  t.match(json, {
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      'client_credentials', 'authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer'
    ],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    pushed_authorization_request_endpoint: `${server.issuer}/api/v1/oauth/par`,
  })
  t.ok(json.token_endpoint_auth_methods_supported.includes('none'))
  t.notOk(json.introspection_endpoint_auth_methods_supported.includes('none'))
  t.ok(['openid', 'offline_access'].every(scope => json.scopes_supported.includes(scope)))
})

// Clients that act for people, made on the management API: from their creation to a token, a refresh and a call.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import tap from 'tap'
import {
  authorizationUrl, authorize, browserOf, isCallback, newPkce, type AskingClient
} from '../support/authorizing.ts'
import { createMember, createPerson } from '../support/people.ts'
import { basic, decodeJwt, startServer, type Answer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer({ environment: { LATCHKEY_REDIRECT_SCHEMES: 'cursor' } })
tap.teardown(() => server.close())
const person = await createPerson(server, { role: 'owner' })
const { organization } = person
const { key: administrator } = await server.createKey({
  organization,
  resource: `${server.issuer}/api/v1`,
  access: 'full',
  scopes: undefined,
  creator: (await createMember(server, { organization, role: 'admin' })).id
})

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }] }

/** RFC 7523 §3: an assertion by the key of the client. */
function assertion (clientId: string): string {
  const now = Math.floor(server.clock.now().getTime() / 1_000)
  const claims = { iss: clientId, sub: clientId, aud: server.issuer, jti: randomUUID(), iat: now, exp: now + 60 }
  const text = [{ alg: 'ES256', kid: 'one' }, claims]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

type Proof = (client: Json) => { form: Record<string, string>, headers?: Record<string, string> }

const proofs: Record<string, Proof> = {
  client_secret_basic: ({ clientId, clientSecret }) => ({
    form: {}, headers: { authorization: basic(clientId, clientSecret) }
  }),
  private_key_jwt: ({ clientId }) => ({
    form: {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion(clientId)
    }
  }),
  none: ({ clientId }) => ({ form: { client_id: clientId } }),
}

const makers: Record<string, (body: Json) => Promise<Answer>> = {
  'an operator': body => server.admin('POST', '/clients', body),
  'an administrator of the organization': body =>
    server.withKey(administrator, '/api/v1/clients', { method: 'POST', body }),
}

async function tokenAs (client: Json, method: string, parameters: Record<string, string>): Promise<Answer> {
  const { form, headers } = proofs[method]!(client)
  return await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({ ...form, ...parameters }),
    ...(headers && { headers })
  })
}

for (const [maker, make] of Object.entries(makers)) {
  for (const method of Object.keys(proofs)) {
    tap.test(`${maker} makes a client with ${method}, and it acts for a member of the organization`, async t => {
      const redirectUris = [
        method === 'none' ? 'cursor://anysphere.cursor-mcp/oauth/callback' : 'https://app.example/cb'
      ]
      const { status, json: made, headers } = await make({
        organization,
        name: 'agent',
        grants: [],
        redirectUris,
        tokenEndpointAuthMethod: method,
        ...(method === 'private_key_jwt' && { jwks })
      })
      t.match([status, made.applicationType, made.grantTypes], [
        201, method === 'none' ? 'native' : 'web', ['authorization_code', 'refresh_token']
      ])
      t.equal(headers.warning, undefined, 'what it does for people is theirs to allow: no scope is missing')
      t.equal('clientSecret' in made, method === 'client_secret_basic')
      const asking: AskingClient = { id: made.clientId, secret: null, redirectUri: redirectUris[0]! }
      const { code, verifier, ...rest } = await authorize(server, asking, person, {
        resource: server.issuer, scope: 'invoices:read'
      })
      const redemption = {
        grant_type: 'authorization_code', code: code!, code_verifier: verifier, redirect_uri: asking.redirectUri
      }
      if (method !== 'none') {
        const bare = await tokenAs(made, 'none', redemption)
        t.match([bare.status, bare.json.error], [401, 'invalid_client'], `without its proof ${JSON.stringify(rest)}`)
      }
      const { json: tokens } = await tokenAs(made, method, redemption)
      t.match(decodeJwt(tokens.access_token).payload, {
        sub: person.id, client_id: made.clientId, org_id: organization, scope: 'invoices:read'
      })
      t.equal((await server.bearer(tokens.access_token)).status, 200)
      const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
      const refreshed = await tokenAs(made, method, refresh)
      t.equal((await server.bearer(refreshed.json.access_token)).status, 200, refreshed.text)
    })
  }
}

async function registered (body: Json): Promise<Answer> {
  const { token } = await server.createRegistrationToken({ organization })
  return await server.send({
    method: 'POST', path: '/api/v1/oauth/register', headers: { authorization: `Bearer ${token}` }, body
  })
}

tap.test('a private scheme without a dot is taken as far as the deployment has it, for native clients alone', async t => {
  const asked = (uri: string) => ({ redirect_uris: [uri], token_endpoint_auth_method: 'none' })
  for (const uri of ['cursor://anysphere.cursor-mcp/cb', 'com.example.app:/cb', 'http://127.0.0.1/cb']) {
    t.match(await registered(asked(uri)), {
      status: 201, json: { application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: [uri] }
    }, uri)
  }
  for (const uri of ['vscode://vscode.github-authentication/cb', 'zed://cb', 'someapp:/cb']) {
    t.match(await registered(asked(uri)), { status: 400, json: { error: 'invalid_redirect_uri' } }, uri)
    t.match(await makers['an operator']!({ organization, name: 'x', grants: [], redirectUris: [uri] }), {
      status: 400, json: { details: { field: 'redirectUris' } }
    }, uri)
  }
  const web = await registered({ ...asked('cursor://x/cb'), application_type: 'web' })
  t.match(web, { status: 400, json: { error: 'invalid_redirect_uri' } }, 'of native clients alone')
})

tap.test('the page warns that every program on the computer can wait at the redirect URI of a native client', async t => {
  const warning = /Only continue if you started this on this (computer|device) yourself/
  for (const [uri, isWarned] of [
    ['cursor://anysphere.cursor-mcp/cb', true], ['http://127.0.0.1/cb', true], ['https://app.example/cb', false]
  ] as const) {
    const { json } = await registered({ redirect_uris: [uri], token_endpoint_auth_method: 'none' })
    const asking: AskingClient = { id: json.client_id, secret: null, redirectUri: uri }
    const asked = { resource: server.issuer, scope: 'invoices:read' }
    const url = authorizationUrl(server, asking, newPkce().challenge, asked)
    const page = await browserOf(server, person).open(url, isCallback)
    t.equal(page.status, 200, uri)
    t.equal(warning.test(page.text), isWarned, uri)
  }
})

tap.test('of the methods that a registration can use, the first that is supported is chosen', async t => {
  const chosen = async (more: Json) => {
    const { status, json } = await registered({ redirect_uris: ['http://127.0.0.1/cb'], ...more })
    return json.token_endpoint_auth_method ?? [status, json.error]
  }
  const choices = 'token_endpoint_auth_methods_supported'
  t.equal(await chosen({ token_endpoint_auth_method: 'none' }), 'none')
  t.equal(await chosen({ [choices]: ['tls_client_auth', 'none', 'client_secret_basic'] }), 'none')
  t.equal(await chosen({ [choices]: ['private_key_jwt', 'none'] }), 'none', 'without keys')
  t.equal(await chosen({ [choices]: ['private_key_jwt', 'none'], jwks }), 'private_key_jwt')
  const named = { token_endpoint_auth_method: 'none', [choices]: ['client_secret_basic'] }
  t.equal(await chosen(named), 'none', 'it names one')
  t.strictSame(await chosen({ [choices]: ['tls_client_auth'] }), [400, 'invalid_client_metadata'])
  t.strictSame(await chosen({ [choices]: 'none' }), [400, 'invalid_client_metadata'])
  t.equal(await chosen({}), 'client_secret_basic')
})

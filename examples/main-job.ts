/**
 * The main job of Latchkey in five acts, as real requests. Every act states its expectations and stops at the first
 * that fails.
 */
import { createLocalJWKSet, jwtVerify } from 'jose'
import { basic, type Answer, type Transcript } from './transcript.ts'

/** A client's credentials, for the token endpoint and with the token issued there. */
interface Program { id: string, secret: string, login: Record<string, string>, withToken: Record<string, string> }

/** The paths of the endpoints in the server's metadata. */
interface Endpoints { token: string, registration: string, introspection: string, keys: string }

/** The objects that the operator created. */
interface Setup { clientId: string, clientSecret: string, key: string, invitation: string, otherApi: string }

/** Credentials with which the reader can continue. */
export interface Leftovers { key: string, agentId: string, agentSecret: string }

/**
 * Runs all acts.
 * @throws Unexpected at the first expectation that fails.
 */
export async function mainJob (http: Transcript, origin: string, adminToken: string): Promise<Leftovers> {
  http.hide(adminToken)
  const admin = { authorization: `Bearer ${adminToken}` }
  const endpoints = await discover(http, origin)
  const setup = await setUp(http, origin, admin)
  const program = await getToken(http, endpoints, setup)
  await passTheGuard(http, origin, setup, program, endpoints)
  const agent = await letAgentIn(http, endpoints, setup, program)
  await changeAndRevoke(http, origin, endpoints, admin, program)
  return { key: setup.key, agentId: agent.id, agentSecret: agent.secret }
}

async function discover (http: Transcript, origin: string): Promise<Endpoints> {
  http.step('Discovery: a program that knows the address alone finds the endpoints (RFC 8414, RFC 9728)')
  const { body: server } = await http.send('GET', '/.well-known/oauth-authorization-server')
  http.expect('the issuer is the address itself', server.issuer === origin)
  const { body: api } = await http.send('GET', '/.well-known/oauth-protected-resource')
  http.expect('LedgerBee names Latchkey as its authorization server', api.authorization_servers.includes(origin))
  http.expect('the API-key-only scope is not listed', !api.scopes_supported.includes('portal-provision'))
  const pathOf = (url: string) => new URL(url).pathname
  return {
    token: pathOf(server.token_endpoint),
    registration: pathOf(server.registration_endpoint),
    introspection: pathOf(server.introspection_endpoint),
    keys: pathOf(server.jwks_uri)
  }
}

async function setUp (http: Transcript, origin: string, admin: Record<string, string>): Promise<Setup> {
  const create = async (collection: string, json: object) =>
    await http.send('POST', `/api/v1/${collection}`, { headers: admin, json })

  http.step('An operator creates an organization')
  const { status, body: { id: organization } } = await create('organizations', { name: 'Acme' })
  http.expect('it exists', status === 201)

  http.step('… and declares a second API beside LedgerBee, which declared itself at start')
  const other = await create('resources', {
    identifier: 'https://reports.acme.test', scopes: [{ name: 'reports:read' }]
  })
  http.expect('it exists', other.status === 201)
  const otherApi: string = other.body.identifier

  http.step('… and a client: a program that gets tokens, for LedgerBee unless it names the other')
  const grants = [{ resource: origin, scopes: ['company:read'] }, { resource: otherApi, scopes: ['reports:read'] }]
  const client = await create('clients', { organization, name: 'billing', grants, introspects: [origin] })
  http.expect('its secret is shown once', client.status === 201 && typeof client.body.clientSecret === 'string')

  http.step('… but a client cannot have an API-key-only scope')
  const refused = await create('clients', {
    organization, name: 'portal', grants: [{ resource: origin, scopes: ['portal-provision'] }]
  })
  http.expect('400 SCOPE_API_KEY_ONLY', refused.status === 400 && refused.body.code === 'SCOPE_API_KEY_ONLY')

  http.step('… an API key')
  const key = await create('api-keys', {
    organization, resource: origin, environment: 'live', name: 'ci', scopes: ['company:read', 'portal-provision']
  })
  http.expect('it has a prefix, and is shown once', key.status === 201 && key.body.key.startsWith('lb_live_'))

  http.step('… and a registration token, good for one agent')
  const invitation = await create('registration-tokens', {
    organization, name: 'agents', resource: origin, scopes: ['invoices:read'], uses: 1
  })
  http.expect('it is shown once', invitation.status === 201 && typeof invitation.body.token === 'string')

  return {
    clientId: client.body.clientId,
    clientSecret: client.body.clientSecret,
    key: key.body.key,
    invitation: invitation.body.token,
    otherApi
  }
}

async function getToken (http: Transcript, endpoints: Endpoints, { clientId, clientSecret }: Setup): Promise<Program> {
  http.step('The program exchanges its credentials for a token. It asks for invoices:write, and gets its granted scope')
  const login = loginOf(http, clientId, clientSecret)
  const { body } = await requestToken(http, endpoints, login, { scope: 'invoices:write' })
  http.expect('the scope is company:read, for an hour', body.scope === 'company:read' && body.expires_in === 3600)
  return { id: clientId, secret: clientSecret, login, withToken: bearer(body.access_token) }
}

async function passTheGuard (
  http: Transcript, origin: string, { key, otherApi }: Setup, program: Program, endpoints: Endpoints
): Promise<void> {
  const company = async (headers: Record<string, string>) => await http.send('GET', '/api/v1/company', { headers })
  const withKey = { 'x-api-key': key }

  http.step('The token opens the guarded route')
  http.expect('200', (await company(program.withToken)).status === 200)

  http.step('So does the API key, in its own header')
  http.expect('200', (await company(withKey)).status === 200)

  http.step('A route for API keys only lets the key in and the token not')
  const provision = async (headers: Record<string, string>) =>
    await http.send('POST', '/api/v1/customers', { headers, json: { name: 'Globex' } })
  http.expect('201 for the key', (await provision(withKey)).status === 201)
  expectRefusal(http, await provision(program.withToken), 403, 'endpoint_requires_api_key_auth')

  http.step('A request without credentials is refused, and the answer names the metadata')
  const nothing = await company({})
  expectRefusal(http, nothing, 401, 'missing_credentials')
  http.expect(
    'it names the metadata',
    challengeOf(nothing).includes(`resource_metadata="${origin}/.well-known/oauth-protected-resource"`)
  )

  http.step('Too little scope is refused')
  expectRefusal(
    http, await http.send('GET', '/api/v1/invoices', { headers: program.withToken }), 403, 'insufficient_scope'
  )

  http.step('An API key is no bearer token, even a valid one')
  expectRefusal(http, await company(bearer(key)), 401, 'api_key_as_bearer_token')

  http.step('A token for another API is refused')
  const foreign = await requestToken(http, endpoints, program.login, { resource: otherApi })
  http.expect('the client may have it', foreign.status === 200 && foreign.body.scope === 'reports:read')
  expectRefusal(http, await company(bearer(foreign.body.access_token)), 401, 'invalid_token')
}

async function letAgentIn (
  http: Transcript, endpoints: Endpoints, { invitation }: Setup, program: Program
): Promise<Program> {
  const register = async (name: string) =>
    await http.send('POST', endpoints.registration, {
      headers: bearer(invitation), json: { client_name: name, grant_types: ['client_credentials'] }
    })

  http.step('An agent registers itself with the registration token (RFC 7591)')
  const { status, body: { client_id: id, client_secret: secret, scope } } = await register('Agent 7')
  http.expect('it has credentials and the scope that was set beforehand', status === 201 && scope === 'invoices:read')
  http.expect('it was good for one use: the next agent is refused with 401', (await register('Agent 8')).status === 401)

  http.step('The agent gets a token and uses it')
  const login = loginOf(http, id, secret)
  const { body: token } = await requestToken(http, endpoints, login)
  const withToken = bearer(token.access_token)
  http.expect('200', (await http.send('GET', '/api/v1/invoices', { headers: withToken })).status === 200)

  http.step('A client that may introspect for LedgerBee learns the state of a token (RFC 7662)')
  const introspect = async (text: string) =>
    (await http.send('POST', endpoints.introspection, { headers: program.login, form: { token: text } })).body
  const known = await introspect(token.access_token)
  http.expect('it is active and the agent\'s', known.active === true && known.client_id === id)
  const madeUp = JSON.stringify(await introspect('made-up'))
  http.expect('a made-up one is not, and no more', madeUp === '{"active":false}')

  return { id, secret, login, withToken }
}

async function changeAndRevoke (
  http: Transcript, origin: string, endpoints: Endpoints, admin: Record<string, string>, program: Program
): Promise<void> {
  const company = async (headers: Record<string, string>) => await http.send('GET', '/api/v1/company', { headers })
  const path = `/api/v1/clients/${program.id}`

  http.step('The operator changes the client\'s scopes; its token is refused at once')
  const scopes = ['company:read', 'invoices:read', 'invoices:write']
  http.expect(
    'the change is made',
    (await http.send('PATCH', path, { headers: admin, json: { grants: [{ resource: origin, scopes }] } })).status ===
      200
  )
  expectRefusal(http, await company(program.withToken), 401, 'invalid_token')

  http.step('A new token has the new scopes')
  const { body: renewed } = await requestToken(http, endpoints, program.login)
  http.expect(scopes.join(' '), renewed.scope === scopes.join(' '))
  const withRenewed = bearer(renewed.access_token)
  http.expect(
    '201',
    (await http.send('POST', '/api/v1/invoices', { headers: withRenewed, json: { customer: 'Globex', cents: 4200 } }))
      .status === 201
  )

  http.step('Its signature can be verified with the published keys (RFC 7517)')
  const { body: jwks } = await http.send('GET', endpoints.keys)
  const { payload } = await jwtVerify(renewed.access_token, createLocalJWKSet(jwks), {
    issuer: origin, audience: origin, typ: 'at+jwt'
  })
  http.expect('it verifies, as an access token by RFC 9068 for LedgerBee', payload.client_id === program.id)
  http.expect(
    'the keys are public halves', jwks.keys.length > 0 && jwks.keys.every((key: object) => !Object.hasOwn(key, 'd'))
  )

  http.step('The operator revokes the client; its token is refused at once, and it gets no more')
  http.expect(
    'it is revoked',
    (await http.send('POST', `${path}/revoke`, { headers: admin, json: { reason: 'the demo is over' } })).status === 200
  )
  expectRefusal(http, await company(withRenewed), 401, 'invalid_token')
  const turnedAway = await requestToken(http, endpoints, program.login)
  http.expect('401 invalid_client', turnedAway.status === 401 && turnedAway.body.error === 'invalid_client')
}

function loginOf (http: Transcript, id: string, secret: string): Record<string, string> {
  const authorization = basic(id, secret)
  http.hide(authorization.slice('Basic '.length))
  return { authorization }
}

function bearer (token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

async function requestToken (
  http: Transcript, { token }: Endpoints, login: Record<string, string>, more: Record<string, string> = {}
): Promise<Answer> {
  return await http.send('POST', token, { headers: login, form: { grant_type: 'client_credentials', ...more } })
}

/** LedgerBee's refusals name a reason in the body; the challenge of a 401 for a bad token names RFC 6750's error. */
function expectRefusal (http: Transcript, answer: Answer, status: number, reason: string): void {
  const challenged = reason !== 'invalid_token' || challengeOf(answer).includes('error="invalid_token"')
  http.expect(`${status} ${reason}`, answer.status === status && answer.body.details.reason === reason && challenged)
}

function challengeOf ({ headers }: Answer): string {
  return headers.get('www-authenticate') ?? ''
}

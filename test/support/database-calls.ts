/** Calls of every kind that use the database, for tests in which the database fails in the middle of each. */
import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, importPKCS8, SignJWT, type CryptoKey } from 'jose'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { basic, type Answer, type Json, type ServerOptions, type TestServer } from './test-server.ts'

/** The part of the server whose format a refusal has. */
export type Edge = 'management' | 'protocol' | 'guard'

export interface DatabaseCall {
  name: string
  edge: Edge
  /** The status when the database works; 503 is the only other allowed one. */
  right: number
  /** Creates what the call needs, anew for each call. */
  prepare (): Promise<() => Promise<Answer>>
}

/** The price of `POST /paid/spend`. */
const cost = 3

/** The small protected API with one more route, which costs credits. */
export const withSpending: Pick<ServerOptions, 'mount'> = {
  mount: async (app, latchkey) => await app.register(async api => {
    await api.register(latchkey.guard, { resource: latchkey.config.issuer })
    api.post('/spend', { config: { scopes: ['invoices:read'], credits: cost } }, async ({ spending }) => ({ spending }))
  }, { prefix: '/paid' }),
}

export async function databaseCallsOf (server: TestServer): Promise<readonly DatabaseCall[]> {
  const { admin, issuer } = server
  const { id: organization } = await server.createOrganization('calls')
  const newKey = { organization, resource: issuer, environment: 'live', name: 'k', scopes: ['invoices:read'] }
  const made = async (path: string, body: Json): Promise<Json> => {
    const { status, json, text } = await admin('POST', path, body)
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${text}`)
    return json
  }
  const management = (name: string, right: number, prepare: DatabaseCall['prepare']): DatabaseCall => ({
    name, edge: 'management', right, prepare
  })
  /** A call that needs an existing record. */
  const onNew = (path: string, body: () => Json, call: (one: Json) => Promise<Answer>) => async () => {
    const one = await made(path, body())
    return () => call(one)
  }
  const create = (path: string, body: () => Json, right = 201) =>
    management(`POST ${path}`, right, async () => () => admin('POST', path, body()))
  const onKey = (call: (key: Json) => Promise<Answer>) => onNew('/api-keys', () => newKey, call)
  const onClient = (call: (client: Json) => Promise<Answer>) => async () => {
    const client = await server.createClient({ organization })
    return () => call(client)
  }
  const group = { organization, name: 'g', scopes: ['invoices:read'] }
  const policy = { organization, name: 'p', effect: 'deny', enabled: false }

  return [
    create('/organizations', () => ({ name: 'one' })),
    management(
      'PATCH /organizations',
      200,
      onNew('/organizations', () => ({ name: 'one' }), ({ id }) =>
        admin('PATCH', `/organizations/${id}`, { name: 'another' }))
    ),
    management(
      'suspend an organization', 200,
      onNew('/organizations', () => ({ name: 'one' }), ({ id }) => admin('POST', `/organizations/${id}/suspend`))
    ),
    create('/clients', () => ({ organization, name: 'c', grants: [{ resource: issuer, scopes: ['invoices:read'] }] })),
    management(
      'PATCH /clients', 200,
      onClient(({ clientId }) => admin('PATCH', `/clients/${clientId}`, { allowlist: ['127.0.0.1'] }))
    ),
    management(
      'rotate a secret', 200,
      onClient(({ clientId }) => admin('POST', `/clients/${clientId}/rotate-secret`, { overlapSeconds: 0 }))
    ),
    management('revoke a client', 200, onClient(({ clientId }) => admin('POST', `/clients/${clientId}/revoke`))),
    create('/api-keys', () => newKey),
    create('/api-keys/import', () => ({ ...newKey, digest: digestOf(randomUUID()), hint: '…' })),
    management('PATCH /api-keys', 200, onKey(({ id }) => admin('PATCH', `/api-keys/${id}`, { scopes: [] }))),
    management('rotate a key', 201, onKey(({ id }) => admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 }))),
    management('revoke a key', 200, onKey(({ id }) => admin('POST', `/api-keys/${id}/revoke`))),
    management('a key with an Idempotency-Key', 201, async () => () =>
      server.send({
        method: 'POST',
        path: '/api/v1/api-keys',
        headers: { authorization: `Bearer ${server.adminToken}`, 'idempotency-key': randomUUID() },
        body: newKey
      })),
    management(
      'grant credits',
      201,
      async () => () =>
        admin('POST', `/organizations/${organization}/credits`, { environment: 'live', amount: 10, reason: 'r' })
    ),
    create(
      '/registration-tokens', () => ({ organization, name: 't', resource: issuer, scopes: ['invoices:read'], uses: 2 })
    ),
    create('/members', () => ({ organization, name: 'Ada', role: 'admin' })),
    create('/groups', () => group),
    management(
      'PATCH /groups', 200, onNew('/groups', () => group, ({ id }) => admin('PATCH', `/groups/${id}`, { name: 'h' }))
    ),
    management('DELETE /groups', 204, onNew('/groups', () => group, ({ id }) => admin('DELETE', `/groups/${id}`))),
    management('POST /policies', 201, async () => () => admin('POST', '/policies', policy)),
    management(
      'DELETE /policies', 204, onNew('/policies', () => policy, ({ id }) => admin('DELETE', `/policies/${id}`))
    ),
    create('/access-tokens', () => ({ organization, name: 'm', scopes: ['clients:read'] })),
    management('GET /api-keys', 200, async () => () => admin('GET', '/api-keys?limit=5')),
    management('GET /audit/verify', 200, async () => () => admin('GET', '/audit/verify')),
    management('GET usage of a key', 200, onKey(({ id }) => admin('GET', `/api-keys/${id}/usage`))),
    create('/signing-keys/rotate', () => ({ now: true })),
    ...await guardCalls(server, organization, made),
    ...await protocolCalls(server, organization, made),
  ]
}

type Made = (path: string, body: Json) => Promise<Json>

/** Credentials that pass and credentials that must not, whatever happens to the look-up. */
async function guardCalls (server: TestServer, organization: string, made: Made): Promise<DatabaseCall[]> {
  const { admin, issuer } = server
  const key = async (more: Json = {}) => await server.createKey({ organization, ...more })
  const databaseCall = (name: string, right: number, prepare: DatabaseCall['prepare']): DatabaseCall => ({
    name,
    edge: 'guard',
    right,
    prepare
  })
  const withKey = (name: string, right: number, more: Json, path?: string) =>
    databaseCall(name, right, async () => {
      const { key: text } = await key(more)
      return () => server.withKey(text, path)
    })
  const spend = (text: string) => server.send({ method: 'POST', path: '/paid/spend', headers: { 'x-api-key': text } })
  const ended = (end: (one: Json) => Promise<unknown>) => async () => {
    const one = await key()
    await end(one)
    return () => server.withKey(one.key)
  }
  return [
    withKey('a good key', 200, {}),
    withKey('a key without the scope', 403, { scopes: ['company:read'] }),
    databaseCall('a revoked key', 401, ended(({ id }) => admin('POST', `/api-keys/${id}/revoke`))),
    databaseCall(
      'a key that was rotated away', 401,
      ended(({ id }) => admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 }))
    ),
    databaseCall('an unknown key', 401, async () => () => server.withKey(newApiKeyText('lb', 'live'))),
    databaseCall('a good token', 200, async () => {
      const token = await server.tokenFor(await server.createClient({ organization }))
      return () => server.bearer(token)
    }),
    databaseCall('a token of a revoked client', 401, async () => {
      const client = await server.createClient({ organization })
      const token = await server.tokenFor(client)
      await admin('POST', `/clients/${client.clientId}/revoke`)
      return () => server.bearer(token)
    }),
    databaseCall('a key of a suspended organization', 403, async () => {
      const { id } = await made('/organizations', { name: 'suspended' })
      const { key: text } = await server.createKey({ organization: id })
      await admin('POST', `/organizations/${id}/suspend`)
      return () => server.withKey(text)
    }),
    databaseCall('the last call of a month', 200, async () => {
      const { key: text } = await key({ callsPerMonth: 1 })
      return () => server.withKey(text)
    }),
    databaseCall('a call too many', 429, async () => {
      const { key: text } = await key({ callsPerMonth: 1 })
      await server.withKey(text)
      return () => server.withKey(text)
    }),
    databaseCall('credits to spend', 200, async () => {
      const { key: text } = await key()
      await made(`/organizations/${organization}/credits`, { environment: 'live', amount: cost, reason: 'r' })
      return () => spend(text)
    }),
    databaseCall('no credits left', 402, async () => {
      const { id } = await made('/organizations', { name: 'poor' })
      const { key: text } = await server.createKey({ organization: id, resource: issuer })
      return () => spend(text)
    }),
  ]
}

async function protocolCalls (server: TestServer, organization: string, made: Made): Promise<DatabaseCall[]> {
  const databaseCall = (name: string, right: number, prepare: DatabaseCall['prepare']): DatabaseCall => ({
    name, edge: 'protocol', right, prepare
  })
  const form = (path: string, body: Record<string, string>, headers: Record<string, string> = {}) =>
    server.send({ method: 'POST', path, headers, body: new URLSearchParams(body) })
  const signed = await signedClient(server, organization)
  const embedding = await embeddingKey(server, organization, made)
  const withClient =
    (call: (client: Json & { clientId: string, clientSecret: string }, token: string) => Promise<Answer>) =>
      async () => {
        const client = await server.createClient({ organization })
        const token = await server.tokenFor(client)
        return () => call(client, token)
      }
  const registered = async () => {
    const { token } = await server.createRegistrationToken({ organization, uses: 1 })
    return () =>
      server.send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: { client_name: 'r', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }
      })
  }
  return [
    databaseCall('a token for a secret', 200, withClient(client => server.tokenRequest(client))),
    databaseCall(
      'a token for a wrong secret', 401, withClient(client => server.tokenRequest({ ...client, clientSecret: 'wrong' }))
    ),
    databaseCall('a token for an assertion', 200, async () => {
      const text = await signed.assertion()
      return () => form('/api/v1/auth/token', tokenByAssertion(text))
    }),
    databaseCall('an assertion that was used', 401, async () => {
      const text = await signed.assertion()
      await form('/api/v1/auth/token', tokenByAssertion(text))
      return () => form('/api/v1/auth/token', tokenByAssertion(text))
    }),
    databaseCall(
      'introspection',
      200,
      withClient((client, token) =>
        form('/api/v1/oauth/introspect', { token }, { authorization: basic(client.clientId, client.clientSecret) })
      )
    ),
    databaseCall(
      'revocation',
      200,
      withClient((client, token) =>
        form('/api/v1/oauth/revoke', { token }, { authorization: basic(client.clientId, client.clientSecret) })
      )
    ),
    databaseCall('registration', 201, registered),
    databaseCall('a registration changed', 200, async () => {
      const { json: { client_id: id, registration_access_token: token } } = await (await registered())()
      return () =>
        server.send({
          method: 'PUT',
          path: `/api/v1/oauth/register/${id}`,
          headers: { authorization: `Bearer ${token}` },
          body: {
            client_id: id,
            client_name: 'another',
            grant_types: ['client_credentials'],
            response_types: [],
            redirect_uris: []
          }
        })
    }),
    databaseCall('a session', 200, async () => {
      const text = await embedding.assertion()
      return () =>
        form('/api/v1/auth/session', { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: text })
    })
  ]
}

/** The parameters of RFC 7523 §2.2. */
export function tokenByAssertion (text: string): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: text
  }
}

/** A client that authenticates by `private_key_jwt`. */
export async function signedClient (
  server: TestServer, organization: string
): Promise<{ id: string, assertion(): Promise<string> }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { clientId: id } = await server.createClient({
    organization, tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [await exportJWK(publicKey)] }
  })
  return { id, assertion: () => assertion(server, privateKey, { iss: id, sub: id }) }
}

/** A publishable key whose owner starts sessions. */
export async function embeddingKey (
  server: TestServer, organization: string, made: Made
): Promise<{ assertion(): Promise<string> }> {
  const { publishableKey: key, signingKey } = await made('/publishable-keys', {
    organization, resource: server.issuer, environment: 'live', name: 'editor', scopes: ['invoices:read']
  })
  const privateKey = await importPKCS8(signingKey.pem, 'ES256')
  return { assertion: () => assertion(server, privateKey, { iss: key, sub: 'user-7' }) }
}

async function assertion (server: TestServer, privateKey: CryptoKey, claims: Record<string, string>): Promise<string> {
  const now = Math.floor(server.clock.now().getTime() / 1000)
  return await new SignJWT({ ...claims, aud: server.issuer, iat: now, exp: now + 60, jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
}

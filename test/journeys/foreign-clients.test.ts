/** Third-party clients as judges: each uses discovery, on a real port, and verifies everything. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Server as McpServer } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { createRemoteJWKSet, exportJWK, exportPKCS8, generateKeyPair, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import tap, { type Test } from 'tap'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'
import type { Latchkey } from '../../src/app.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer({ mount: mountMcp })
tap.teardown(server.close)
const { issuer } = server
const api = new URL('/api/v1/invoices', issuer)
const insecure = { [oauth.allowInsecureRequests]: true }
const execute = promisify(execFile)

async function keyedClient (algorithm: string, input: Json = {}) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...await exportJWK(publicKey), kid: 'first', alg: algorithm }
  const client = await server.createClient({
    tokenEndpointAuthMethod: 'private_key_jwt', jwks: { keys: [jwk] }, ...input
  })
  return { ...client, privateKey }
}

tap.test('openid-client: discovery, then a token by Basic and by body, introspection, the guarded route, revocation', async t => {
  for (
    const [name, method] of [['client_secret_basic', openid.ClientSecretBasic], [
      'client_secret_post', openid.ClientSecretPost
    ]] as const
  ) {
    for (const algorithm of ['oauth2', 'oidc'] as const) {
      const client = await server.createClient({ tokenEndpointAuthMethod: name })
      const config = await openid.discovery(
        new URL(issuer), client.clientId, client.clientSecret, method(client.clientSecret),
        { execute: [openid.allowInsecureRequests], algorithm }
      )
      await liveOf(t, config, `${name} ${algorithm}`)
    }
  }
})

tap.test('openid-client: private_key_jwt with every algorithm that discovery names', async t => {
  const { token_endpoint_auth_signing_alg_values_supported: algorithms } =
    (await server.send({ path: '/.well-known/oauth-authorization-server' })).json
  t.ok(algorithms.includes('Ed25519'))
  // openid-client signs with the new name of EdDSA only; the MCP SDK below takes the old one.
  for (const algorithm of algorithms.filter((name: string) => name !== 'EdDSA')) {
    const client = await keyedClient(algorithm)
    const key = { key: client.privateKey, kid: 'first' }
    const config = await openid.discovery(new URL(issuer), client.clientId, undefined, openid.PrivateKeyJwt(key), {
      execute: [openid.allowInsecureRequests]
    })
    await liveOf(t, config, algorithm)
  }
})

async function liveOf (t: Test, config: openid.Configuration, name: string): Promise<void> {
  const tokens = await openid.clientCredentialsGrant(config, { resource: issuer })
  t.equal(tokens.expires_in, 3600, name)
  t.equal(tokens.scope, 'invoices:read')
  t.notOk('refresh_token' in tokens)
  const known = await openid.tokenIntrospection(config, tokens.access_token)
  t.match(known, { active: true, scope: 'invoices:read', aud: issuer, client_id: config.clientMetadata().client_id })
  t.equal((await openid.fetchProtectedResource(config, tokens.access_token, api, 'GET')).status, 200)
  await openid.tokenRevocation(config, tokens.access_token)
  t.strictSame(await openid.tokenIntrospection(config, tokens.access_token), { active: false })
  const refused = await openid.fetchProtectedResource(config, tokens.access_token, api, 'GET').catch(error => error)
  t.match(refused, { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 }, 'and the very next request is refused')
}

tap.test('openid-client: a wrong secret is the error that the client knows', async t => {
  const { clientId } = await server.createClient()
  const config = await openid.discovery(new URL(issuer), clientId, 'wrong', openid.ClientSecretBasic('wrong'), {
    execute: [openid.allowInsecureRequests]
  })
  const refused = await openid.clientCredentialsGrant(config).catch(error => error)
  // openid-client reads the challenge of RFC 6749 §5.2 before the body.
  t.match(refused, { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 })
})

tap.test('openid-client: registers itself by discovery and goes straight on to a token', async t => {
  const { token: initialAccessToken } = await server.createRegistrationToken()
  const config = await openid.dynamicClientRegistration(
    new URL(issuer),
    { client_name: 'agent', grant_types: ['client_credentials'] },
    undefined,
    {
      initialAccessToken, execute: [openid.allowInsecureRequests]
    }
  )
  await liveOf(t, config, 'registered')
})

tap.test('oauth4webapi: from a 401 over both metadata documents to a token, judged at every step', async t => {
  const client = await server.createClient({ scopes: ['invoices:read', 'company:read'] })
  const metadataUrl = await challengeOf(api)
  t.equal(metadataUrl, `${issuer}/.well-known/oauth-protected-resource`)
  const resource = await oauth.processResourceDiscoveryResponse(
    new URL(issuer), await oauth.resourceDiscoveryRequest(new URL(issuer), insecure)
  )
  const as = await discover(t, new URL(resource.authorization_servers![0]!))
  const me: oauth.Client = { client_id: client.clientId }
  const authentication = oauth.ClientSecretBasic(client.clientSecret)
  const response = await oauth.clientCredentialsGrantRequest(
    as, me, authentication, { resource: resource.resource }, insecure
  )
  const tokens = await oauth.processClientCredentialsResponse(as, me, response)
  t.equal(tokens.expires_in, 3600)

  const asked = new Request(api, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  const claims = await oauth.validateJwtAccessToken(as, asked, issuer, insecure)
  t.match(claims, {
    iss: issuer,
    aud: issuer,
    sub: client.clientId,
    client_id: client.clientId,
    scope: 'invoices:read company:read',
    org_id: client.organization
  })
  const { protectedHeader } = await jwtVerify(tokens.access_token, createRemoteJWKSet(new URL(as.jwks_uri!)), {
    issuer, audience: issuer, typ: 'at+jwt'
  })
  t.equal(protectedHeader.alg, 'ES256')
  t.equal(
    (await oauth.protectedResourceRequest(tokens.access_token, 'GET', api, undefined, undefined, insecure)).status, 200
  )

  const introspection = await oauth.introspectionRequest(as, me, authentication, tokens.access_token, insecure)
  t.match(await oauth.processIntrospectionResponse(as, me, introspection), {
    active: true, exp: claims.exp, jti: claims.jti
  })
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, me, authentication, tokens.access_token, insecure)
  )
  const refused = await oauth.protectedResourceRequest(tokens.access_token, 'GET', api, undefined, undefined, insecure)
    .catch(error => error)
  t.ok(refused instanceof oauth.WWWAuthenticateChallengeError)
  t.match(refused.cause, [{ scheme: 'bearer', parameters: { error: 'invalid_token', resource_metadata: metadataUrl } }])
})

tap.test('oauth4webapi: registration, and private_key_jwt for the issuer alone', async t => {
  const as = await discover(t, new URL(issuer))
  const { token: initialAccessToken } = await server.createRegistrationToken({ scopes: ['company:read'] })
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const metadata = {
    client_name: 'agent',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...await exportJWK(publicKey), kid: 'a' } as oauth.JWK] }
  }
  const registered = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(as, metadata, { initialAccessToken, ...insecure })
  )
  t.notOk(registered.client_secret)
  const authentication = oauth.PrivateKeyJwt({ key: privateKey, kid: 'a' })
  const response = await oauth.clientCredentialsGrantRequest(as, registered, authentication, {}, insecure)
  t.equal((await oauth.processClientCredentialsResponse(as, registered, response)).scope, 'company:read')
  const elsewhere = oauth.PrivateKeyJwt({ key: privateKey, kid: 'a' }, {
    [oauth.modifyAssertion]: (_header, payload) => {
      payload.aud = as.token_endpoint!
    }
  })
  const wrong = await oauth.clientCredentialsGrantRequest(as, registered, elsewhere, {}, insecure)
  const refused = await oauth.processClientCredentialsResponse(as, registered, wrong).catch(error => error)
  t.ok(refused instanceof oauth.WWWAuthenticateChallengeError, 'RFC 9110 §15.5.2: a 401 says how to authenticate')
  t.match(await refused.response.json(), { error: 'invalid_client', error_description: /aud must be the issuer/ })
})

async function discover (t: Test, at: URL): Promise<oauth.AuthorizationServer> {
  const [one, other] = await Promise.all((['oauth2', 'oidc'] as const).map(async algorithm =>
    await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, { algorithm, ...insecure }))))
  t.strictSame(one, other, 'both documents say the same')
  return one!
}

async function challengeOf (url: URL): Promise<string> {
  const response = await fetch(url)
  return /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate')!)![1]!
}

/** An MCP server behind the guard, as a resource with a path of its own. */
async function mountMcp (app: FastifyInstance, { operation, config, guard }: Latchkey): Promise<void> {
  const identifier = `${config.issuer}/mcp`
  const scopes = [{ name: 'tools:call', keyOnly: false, description: null }, {
    name: 'tools:admin', keyOnly: true, description: null
  }]
  await createResource(operation, { identifier, scopes, style: styles.ledgerbee })
  await app.register(async mcp => {
    await mcp.register(guard, { resource: identifier })
    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
      const toolServer = whoami(request.principal.id)
      // The SDK's own classes disagree about optional members under exactOptionalPropertyTypes.
      await toolServer.connect(transport as Parameters<McpServer['connect']>[0])
      reply.hijack()
      reply.raw.on('close', () => { toolServer.close().catch(() => {}) })
      await transport.handleRequest(request.raw, reply.raw, request.body)
    }
    mcp.route({ method: ['POST', 'DELETE'], url: '/mcp', config: { scopes: ['tools:call'] }, handler })
    mcp.get('/mcp', { config: { scopes: ['tools:call'] } }, async (_request, reply) => await reply.code(405).send())
  })
}

function whoami (clientId: string): McpServer {
  const toolServer = new McpServer({ name: 'tools', version: '1.0.0' }, { capabilities: { tools: {} } })
  toolServer.setRequestHandler(
    ListToolsRequestSchema, async () => ({ tools: [{ name: 'whoami', inputSchema: { type: 'object' as const } }] })
  )
  toolServer.setRequestHandler(
    CallToolRequestSchema, async () => ({ content: [{ type: 'text' as const, text: clientId }] })
  )
  return toolServer
}

const mcpUrl = new URL('/mcp', issuer)
const mcpGrant = [{ resource: mcpUrl.href, scopes: ['tools:call'] }]

tap.test('MCP SDK: ClientCredentialsProvider finds its way from the 401 to the tool', async t => {
  const client = await server.createClient({ grants: mcpGrant })
  const provider = new ClientCredentialsProvider({
    clientId: client.clientId, clientSecret: client.clientSecret, expectedIssuer: issuer
  })
  t.equal(await auth(provider, { serverUrl: mcpUrl }), 'AUTHORIZED')
  t.equal(provider.tokens()!.scope, 'tools:call')
  await callTool(
    t,
    new ClientCredentialsProvider({
      clientId: client.clientId, clientSecret: client.clientSecret, expectedIssuer: issuer
    }),
    client.clientId
  )
})

tap.test('MCP SDK: PrivateKeyJwtProvider finds its way from the 401 to the tool', async t => {
  for (const algorithm of ['ES256', 'RS256', 'EdDSA']) {
    const client = await keyedClient(algorithm, { grants: mcpGrant })
    const privateKey = algorithm === 'EdDSA'
      ? await exportJWK(client.privateKey) as Json
      : await exportPKCS8(client.privateKey)
    const provider = () =>
      new PrivateKeyJwtProvider({ clientId: client.clientId, privateKey, algorithm, expectedIssuer: issuer })
    t.equal(await auth(provider(), { serverUrl: mcpUrl }), 'AUTHORIZED')
    await callTool(t, provider(), client.clientId)
  }
})

tap.test('MCP SDK: an agent that registered itself calls the tool, until it is revoked', async t => {
  const { token } = await server.createRegistrationToken({ resource: mcpUrl.href, scopes: ['tools:call'] })
  const registered = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/register',
    headers: { authorization: `Bearer ${token}` },
    body: { client_name: 'agent' }
  })
  const { client_id: clientId, client_secret: clientSecret } = registered.json
  const provider = new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: issuer })
  await callTool(t, provider, clientId)
  await server.admin('POST', `/clients/${clientId}/revoke`)
  await t.rejects(callTool(t, provider, clientId), {
    message: /invalid_client|client authentication|Client|credentials/i
  })
})

tap.test('MCP SDK: a token for the host is no token for the MCP server, and the other way round', async t => {
  const client = await server.createClient({ grants: [...mcpGrant, { resource: issuer, scopes: ['invoices:read'] }] })
  const [forMcp, forHost] = [
    await server.tokenFor(client, { resource: mcpUrl.href }), await server.tokenFor(client, { resource: issuer })
  ]
  t.equal((await server.bearer(forHost)).status, 200)
  t.match(
    (await server.bearer(forMcp)).headers['www-authenticate'],
    /error="invalid_token".*resource_metadata="[^"]*oauth-protected-resource"/
  )
  t.match(
    (await server.bearer(forHost, '/mcp', { method: 'POST', body: {} })).headers['www-authenticate'],
    /error="invalid_token".*resource_metadata="[^"]*oauth-protected-resource\/mcp"/
  )
})

async function callTool (
  t: Test, authProvider: ClientCredentialsProvider | PrivateKeyJwtProvider, clientId: string
): Promise<void> {
  const mcp = new McpClient({ name: 'judge', version: '1.0.0' })
  await mcp.connect(new StreamableHTTPClientTransport(mcpUrl, { authProvider }) as Parameters<McpClient['connect']>[0])
  try {
    t.strictSame((await mcp.listTools()).tools.map(tool => tool.name), ['whoami'])
    t.strictSame((await mcp.callTool({ name: 'whoami', arguments: {} })).content, [{ type: 'text', text: clientId }])
  } finally {
    await mcp.close()
  }
}

tap.test('curl: a token and a key in front of the guarded route', async t => {
  const client = await server.createClient({ scopes: ['company:read'] })
  const { key } = await server.createKey({ scopes: ['company:read'] })
  const curl = async (...parameters: string[]) =>
    JSON.parse((await execute('curl', ['-sS', ...parameters])).stdout) as Json
  const byBasic = await curl(
    '-u', `${client.clientId}:${client.clientSecret}`, '-d', 'grant_type=client_credentials',
    `${issuer}/api/v1/auth/token`
  )
  const byBody = await curl(
    '-d', 'grant_type=client_credentials', '-d', `client_id=${client.clientId}`, '-d',
    `client_secret=${client.clientSecret}`, `${issuer}/api/v1/auth/token`
  )
  for (const { access_token: token } of [byBasic, byBody]) {
    t.match(await curl('-H', `Authorization: Bearer ${token}`, `${issuer}/api/v1/company`), {
      company: 'Acme', seen: { kind: 'access_token' }
    })
  }
  t.match(await curl('-H', `x-api-key: ${key}`, `${issuer}/api/v1/company`), {
    company: 'Acme', seen: { kind: 'api_key' }
  })
  t.match(await curl('-H', `x-api-key: ${key}`, `${issuer}/api/v1/invoices`), {
    statusCode: 403, code: 'INSUFFICIENT_PERMISSIONS'
  })
  t.match(
    await curl(
      '-X', 'POST', '-H', `Authorization: Bearer ${server.adminToken}`,
      `${issuer}/api/v1/clients/${client.clientId}/revoke`
    ),
    { clientId: client.clientId, revokedReason: null }
  )
  t.match(await curl('-H', `Authorization: Bearer ${byBasic.access_token}`, `${issuer}/api/v1/company`), {
    statusCode: 401, details: { reason: 'invalid_token' }
  })
})

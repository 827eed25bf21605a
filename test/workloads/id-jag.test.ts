/**
 * ID-JAG (MCP enterprise-managed authorization): an identity provider lets a client act for a person. The provider of
 * the MCP SDK is the judge.
 */
import { auth, CrossAppAccessProvider } from '@modelcontextprotocol/client'
import tap, { type Test } from 'tap'
import { oneDatabase } from '../support/databases.ts'
import { basic, decodeJwt, startOnEachDatabase, type Json } from '../support/test-server.ts'
import { jwtBearer, make, newPlatform } from '../support/workload-platform.ts'

const profile = 'urn:ietf:params:oauth:grant-profile:id-jag'
const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)
const { server } = servers[0]!
const { issuer } = server
const organization = (await server.createOrganization()).id
/** Found by its metadata (RFC 9728), as an MCP server is. */
const mcpServer = issuer
const idp = await newPlatform('https://idp.acme.test')

const metadata = async (): Promise<Json> =>
  (await server.send({ path: '/.well-known/oauth-authorization-server' })).json

tap.before(async () => {
  tap.notOk('authorization_grant_profiles_supported' in await metadata(), 'no issuer is trusted for it yet')
  server.clock.advance(11)
  await make(server, '/trusted-issuers', {
    organization, name: 'idp', profile: 'id-jag', issuer: idp.issuer, jwks: idp.jwks
  })
})

async function newClient () {
  return await server.createClient({
    organization, grants: [{ resource: mcpServer, scopes: ['invoices:read', 'company:read'] }]
  })
}

/** As the identity provider makes it, for a person and a client. */
async function idJag (clientId: string, more: Json = {}, header: Json = {}): Promise<string> {
  return await idp.token({
    sub: 'U019488227',
    aud: issuer,
    client_id: clientId,
    resource: mcpServer,
    scope: 'invoices:read invoices:write',
    ...more
  }, { typ: 'oauth-id-jag+jwt', ...header })
}

type Client = Awaited<ReturnType<typeof newClient>>

async function ask ({ clientId, clientSecret }: Client, assertion: string, more: Record<string, string> = {}) {
  return await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    headers: { authorization: basic(clientId, clientSecret) },
    body: new URLSearchParams({ grant_type: jwtBearer, assertion, ...more })
  })
}

async function refuses (t: Test, client: Client, assertion: string, reason: string, more?: Record<string, string>) {
  const { status, json } = await ask(client, assertion, more)
  t.strictSame([status, json], [400, {
    error: 'invalid_grant',
    error_description:
      'The assertion is refused; `latchkey explain` says why, by the X-Request-Id of this answer or by the address.'
  }], reason)
  for (let round = 0; round < 50; round++) {
    const { json: { data } } = await server.admin('GET', '/audit?type=workload.refused&limit=50')
    if (data.some((each: Json) => each.subject === client.clientId && each.detail.reason === reason)) return
    await new Promise(resolve => setImmediate(resolve))
  }
  t.fail(`the audit log does not say ${reason}`)
}

tap.test('the MCP SDK is authorized by an ID-JAG, and acts for the person with what both allow', async t => {
  t.strictSame((await metadata()).authorization_grant_profiles_supported, [profile])
  t.ok((await metadata()).grant_types_supported.includes(jwtBearer))
  const client = await newClient()
  const seen: Json[] = []
  const provider = new CrossAppAccessProvider({
    clientId: client.clientId,
    clientSecret: client.clientSecret,
    expectedIssuer: issuer,
    assertion: async ({ authorizationServerUrl, resourceUrl }) => {
      seen.push({ authorizationServerUrl, resourceUrl })
      return await idJag(client.clientId, { aud: authorizationServerUrl, resource: resourceUrl })
    },
  })
  t.equal(await auth(provider, { serverUrl: mcpServer }), 'AUTHORIZED')
  t.equal(seen.length, 1)
  const { access_token: token, scope, expires_in: expiresIn } = provider.tokens()!
  t.equal(scope, 'invoices:read', 'the scopes of the assertion that the client has, too')
  t.ok(expiresIn! <= 600)
  t.match(decodeJwt(token).payload, {
    sub: client.clientId, sub_kind: 'workload', workload: 'U019488227', aud: mcpServer, org_id: organization
  })
  const { status, json } = await server.bearer(token)
  t.strictSame([status, json.seen.id], [200, client.clientId])
  t.equal((await server.bearer(token, '/api/v1/company')).status, 403, 'what the assertion leaves out')
})

tap.test('each ID-JAG is taken once', async t => {
  const client = await newClient()
  const assertion = await idJag(client.clientId)
  t.equal((await ask(client, assertion)).status, 200)
  await refuses(t, client, assertion, 'replayed')
  await refuses(t, client, await idJag(client.clientId, { jti: undefined }), 'no_jti')
  const { status, json } = await server.admin('POST', '/trusted-issuers', {
    organization, name: 'x', profile: 'id-jag', issuer: idp.issuer, jwks: idp.jwks, singleUse: false
  })
  t.strictSame([status, json.details.field], [400, 'singleUse'])
})

tap.test('client_id, aud, resource and the issuer are those of the request', async t => {
  const [client, other] = [await newClient(), await newClient()]
  await refuses(t, client, await idJag(other.clientId), 'wrong_client')
  await refuses(t, client, await idJag(client.clientId, { client_id: undefined }), 'wrong_client')
  await refuses(t, client, await idJag(client.clientId, { aud: 'https://other.test' }), 'wrong_audience')
  await refuses(t, client, await idJag(client.clientId, { aud: [issuer, 'https://other.test'] }), 'wrong_audience')
  await refuses(t, client, await idJag(client.clientId, { resource: 'https://other.test/x' }), 'wrong_resource')
  await refuses(t, client, await idJag(client.clientId, { resource: undefined }), 'wrong_resource')
  await refuses(t, client, await idJag(client.clientId), 'wrong_resource', { resource: 'https://other.test/x' })
  const stranger = await newPlatform('https://stranger.test')
  await refuses(t, client, await stranger.token({
    sub: 'x', aud: issuer, client_id: client.clientId, resource: mcpServer
  }, { typ: 'oauth-id-jag+jwt' }), 'unknown_issuer')
  const foreign = await server.createClient()
  await refuses(t, foreign, await idJag(foreign.clientId), 'unknown_issuer')
  const { text } = await server.admin('GET', `/audit?organization=${foreign.organization}`)
  t.notMatch(text, organization, 'of the trust of another organization its log says nothing')
})

tap.test('a scope that is no text is refused, and not guessed', async t => {
  const client = await newClient()
  for (const scope of [{ toString: 1 }, ['invoices:read'], null, 1]) {
    await refuses(t, client, await idJag(client.clientId, { scope }), 'malformed')
  }
})

tap.test('the client proves itself: without a proof, or with a wrong one, there is no token', async t => {
  const client = await newClient()
  const assertion = await idJag(client.clientId)
  const body = new URLSearchParams({ grant_type: jwtBearer, assertion, client_id: client.clientId })
  const send = (headers: Record<string, string>, form = body) =>
    server.send({ method: 'POST', path: '/api/v1/auth/token', headers, body: form })
  t.strictSame([(await send({})).status, (await send({})).json.error], [401, 'invalid_client'])
  const wrong = await send({ authorization: basic(client.clientId, 'wrong') })
  t.strictSame([wrong.status, wrong.json.error], [401, 'invalid_client'])
  const open = (await server.admin('POST', '/clients', {
    organization,
    name: 'public',
    grants: [{ resource: mcpServer, scopes: ['invoices:read'] }],
    tokenEndpointAuthMethod: 'none',
    redirectUris: ['http://127.0.0.1/callback'],
    grantTypes: ['authorization_code']
  })).json
  const asPublic = await send({}, new URLSearchParams({
    grant_type: jwtBearer, assertion: await idJag(open.clientId), client_id: open.clientId
  }))
  t.strictSame([asPublic.status, asPublic.json.error], [401, 'invalid_client'])
  t.equal((await ask(client, assertion)).status, 200)
})

tap.test('a token of another type is no ID-JAG, and an ID-JAG is no token of a workload', async t => {
  const client = await newClient()
  const { status, json } = await ask(client, await idJag(client.clientId, {}, { typ: 'JWT' }))
  t.strictSame([status, json.error], [400, 'invalid_grant'], 'a workload proves itself by nothing else')
  const alone = await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({ grant_type: jwtBearer, assertion: await idJag(client.clientId, {}, { typ: 'JWT' }) })
  })
  t.strictSame([alone.status, alone.json.error], [400, 'invalid_grant'])
})

tap.test('the token ends with the trust in the identity provider', async t => {
  const client = await newClient()
  const { json: { access_token: token, scope } } = await ask(client, await idJag(client.clientId, { scope: undefined }))
  t.equal(scope, 'invoices:read company:read', 'what the client has')
  t.equal((await server.bearer(token)).status, 200)
  const { data } = (await server.admin('GET', `/trusted-issuers?organization=${organization}`)).json
  t.equal((await server.admin('DELETE', `/trusted-issuers/${data[0].id}`)).status, 204)
  t.equal((await server.bearer(token)).status, 401)
  server.clock.advance(11)
  t.notOk('authorization_grant_profiles_supported' in await metadata())
})

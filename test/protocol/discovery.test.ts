import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import {
  discoverAuthorizationServerMetadata, discoverOAuthProtectedResourceMetadata
} from '@modelcontextprotocol/sdk/client/auth.js'
import tap from 'tap'
import { createOrganization } from '../../src/domain/tenancy/organization.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { revokeResource } from '../../src/domain/declaration/resource-change.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { startServer } from '../support/authorization-server.ts'

const documents = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']

tap.test('LB-18, LB-20, D1, D2: the metadata is exactly this', async t => {
  const server = await startServer(t)
  const at = (path: string) => server.issuer + path
  const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
  const algorithms = ['ES256', 'RS256', 'PS256', 'Ed25519', 'EdDSA']
  for (const document of documents) {
    const { status, headers, body } = await server.send('GET', document)
    t.equal(status, 200)
    t.strictSame(body, {
      issuer: server.issuer,
      authorization_endpoint: at('/api/v1/oauth/authorize'),
      token_endpoint: at('/api/v1/auth/token'),
      jwks_uri: at('/.well-known/jwks.json'),
      registration_endpoint: at('/api/v1/oauth/register'),
      introspection_endpoint: at('/api/v1/oauth/introspect'),
      revocation_endpoint: at('/api/v1/oauth/revoke'),
      scopes_supported: ['invoices:read', 'invoices:write', 'things:read'],
      response_types_supported: [],
      grant_types_supported: [
        'client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer'
      ],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: algorithms,
      introspection_endpoint_auth_methods_supported: methods,
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    })
    t.match(headers.get('cache-control'), /^public, max-age=\d+$/)
    t.equal(headers.get('access-control-allow-origin'), '*')
    t.equal(headers.get('access-control-allow-credentials'), null)
  }
})

tap.test('D1: no header bends a document', async t => {
  const server = await startServer(t, { issuer: 'https://auth.example.test' })
  const headers = {
    host: 'evil.example.test',
    'x-forwarded-host': 'evil.example.test',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': '81',
    'x-forwarded-prefix': '/evil',
    forwarded: 'host=evil.example.test'
  }
  for (
    const url of [
      ...documents, '/.well-known/jwks.json', '/.well-known/oauth-protected-resource',
      '/.well-known/oauth-protected-resource/api/v1', '/.well-known/oauth-protected-resource/nothing'
    ]
  ) {
    const plain = await server.app.inject({ url })
    const bent = await server.app.inject({ url, headers })
    t.equal(bent.payload, plain.payload, url)
  }
  t.equal((await server.app.inject({ url: documents[0]!, headers })).json().issuer, 'https://auth.example.test')
})

tap.test('LB-14: scopes_supported names what a token can carry and what is the deployment\'s own', async t => {
  const server = await startServer(t)
  const organization = await createOrganization(server.operation, { name: 'private' })
  await createResource(server.operation, {
    identifier: 'https://private.example.test',
    organizationId: organization.id,
    scopes: [{ name: 'private:read', keyOnly: false, description: null }],
    style: styles.ledgerbee
  })
  t.strictSame((await server.send('GET', documents[0]!)).body.scopes_supported, [
    'invoices:read', 'invoices:write', 'things:read'
  ])
  await revokeResource(server.operation, server.other.id)
  server.advance(60)
  t.strictSame((await server.send('GET', documents[0]!)).body.scopes_supported, ['invoices:read', 'invoices:write'])
})

tap.test('LB-21, K2, K3: the JWKS has public members only', async t => {
  const server = await startServer(t)
  const { status, headers, body } = await server.send('GET', '/.well-known/jwks.json')
  t.equal(status, 200)
  t.match(headers.get('cache-control'), /^public, max-age=\d+$/)
  t.equal(headers.get('access-control-allow-origin'), '*')
  t.match(headers.get('content-type'), /^application\/jwk-set\+json/)
  t.strictSame(Object.keys(body), ['keys'])
  for (const key of body.keys) t.strictSame(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  t.match(body.keys[0], { alg: 'ES256', use: 'sig', kty: 'EC' })
})

tap.test('LB-19, D3: protected-resource metadata for the host and for each path', async t => {
  const server = await startServer(t)
  const root = '/.well-known/oauth-protected-resource'
  const host = await server.send('GET', root)
  t.match(host.headers.get('access-control-allow-origin'), '*')
  t.strictSame(host.body, {
    resource: server.issuer,
    authorization_servers: [server.issuer],
    bearer_methods_supported: ['header'],
    resource_name: 'the host'
  })
  t.strictSame((await server.send('GET', `${root}/api/v1`)).body, {
    resource: server.api.identifier,
    authorization_servers: [server.issuer],
    scopes_supported: ['invoices:read', 'invoices:write'],
    bearer_methods_supported: ['header'],
    resource_name: server.api.identifier
  })
  for (
    const path of ['/api', '/api/v1/', '/api/v1?x=1', '/API/v1', '/other.example.test', '/..%2f', '/%00', '/api%2Fv1']
  ) {
    const answer = await server.send('GET', root + path)
    t.equal(answer.status, 404, path)
    t.match(answer.headers.get('content-type'), /^application\/json/)
  }
  await revokeResource(server.operation, server.api.id)
  t.equal((await server.send('GET', `${root}/api/v1`)).status, 404)
})

tap.test('the authorization endpoint exists and refuses by itself, without a redirect', async t => {
  const server = await startServer(t)
  const query = '?response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fevil.example.test%2F'
  for (const method of ['GET', 'POST']) {
    const { status, headers, body } = await server.send(method, `/api/v1/oauth/authorize${query}`)
    t.equal(status, 400, method)
    t.equal(body.error, 'unsupported_response_type')
    t.equal(headers.get('location'), null)
  }
})

tap.test('N4: browsers may read the documents from everywhere and nothing else', async t => {
  const server = await startServer(t)
  const headers = { origin: 'https://evil.example.test', 'access-control-request-method': 'POST' }
  for (
    const path of ['/api/v1/auth/token', '/api/v1/oauth/register', '/api/v1/oauth/introspect', '/api/v1/oauth/revoke']
  ) {
    for (const method of ['OPTIONS', 'POST']) {
      const answer = await server.send(method, path, undefined, headers)
      t.equal(answer.headers.get('access-control-allow-origin'), null, `${method} ${path}`)
    }
  }
  const preflight = await server.send('OPTIONS', documents[0]!, undefined, headers)
  t.equal(preflight.status, 204)
  t.equal(preflight.headers.get('access-control-allow-methods'), 'GET')
})

tap.test('nothing else of oidc-provider is reachable', async t => {
  const server = await startServer(t)
  for (
    const path of [
      '/me', '/session/end', '/session/end/confirm', '/request', '/jwks', '/auth', '/token', '/reg', '/device',
      '/interaction/x', '/api/v1/auth/token/', '//api/v1/auth/token', '/api/v1/oauth/authorize/x'
    ]
  ) {
    for (const method of ['GET', 'POST']) {
      t.equal((await server.app.inject({ method: method as 'GET', url: path })).statusCode, 404, `${method} ${path}`)
    }
  }
})

tap.test('foreign clients find their way: oauth4webapi, openid-client, the MCP SDK', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  for (const algorithm of ['oauth2', 'oidc'] as const) {
    const insecure = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(server.issuer)
    const as = await oauth.processDiscoveryResponse(
      issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
    )
    const response = await oauth.clientCredentialsGrantRequest(
      as, { client_id: client.id }, oauth.ClientSecretBasic(secret), {}, insecure
    )
    const { access_token: token } = await oauth.processClientCredentialsResponse(as, { client_id: client.id }, response)
    const introspected = await oauth.processIntrospectionResponse(
      as, { client_id: client.id },
      await oauth.introspectionRequest(as, { client_id: client.id }, oauth.ClientSecretPost(secret), token, insecure)
    )
    t.equal(introspected.active, true, algorithm)
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, { client_id: client.id }, oauth.ClientSecretPost(secret), token, insecure)
    )

    const config = await openid.discovery(issuer, client.id, secret, undefined, {
      algorithm, execute: [openid.allowInsecureRequests]
    })
    t.match(await openid.clientCredentialsGrant(config, { scope: 'x', resource: server.api.identifier }), {
      scope: 'invoices:read', expires_in: 3600
    })
  }
  const bare = await server.client({ grants: [] })
  const config = await openid.discovery(new URL(server.issuer), bare.client.id, bare.secret, undefined, {
    execute: [openid.allowInsecureRequests]
  })
  t.equal((await openid.clientCredentialsGrant(config)).scope, undefined, 'a token without scope is read too')
  t.match(await discoverAuthorizationServerMetadata(server.issuer), { issuer: server.issuer })
  t.match(await discoverOAuthProtectedResourceMetadata(server.api.identifier), { resource: server.api.identifier })
})

tap.test('N4: a page of any origin reads the refusals of these documents, too', async t => {
  const server = await startServer(t)
  const refused: [string, string, number][] = [
    ['GET', '/.well-known/oauth-protected-resource/nothing', 404],
    ['GET', '/.well-known/oauth-authorization-server/api/v1', 404],
    ['GET', '/.well-known/openid-configuration/api/v1', 404],
    ['POST', '/.well-known/jwks.json', 405],
    ['DELETE', '/.well-known/oauth-authorization-server', 405],
  ]
  for (const [method, url, status] of refused) {
    const answer = await server.send(method, url)
    t.equal(answer.status, status, url)
    t.equal(answer.headers.get('access-control-allow-origin'), '*', url)
    t.equal(answer.headers.get('cross-origin-resource-policy'), 'cross-origin', url)
    t.equal(answer.headers.get('cache-control'), 'no-store', url)
  }
  t.match((await server.send('GET', '/.well-known/oauth-authorization-server/api/v1')).body, {
    error: 'not_found',
    error_description:
      `The issuer ${server.issuer} has no path; its metadata is at ` +
        `${server.issuer}/.well-known/oauth-authorization-server.`
  })
  t.equal((await server.send('OPTIONS', '/.well-known/openid-configuration/api/v1')).status, 204)
})

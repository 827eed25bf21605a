/**
 * Clients that are the URL of their metadata document, before a real authorization server, with documents on real TLS
 * servers: what makes a document invalid, what one that changes does, and what it costs its host.
 */
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import { randomUUID } from 'node:crypto'
import tap, { type Test } from 'tap'
import { revokeClient } from '../../src/domain/authorizations/revoke-client.ts'
import { updateClient } from '../../src/domain/credentials/client-change.ts'
import { keepHostedClient } from '../../src/domain/credentials/hosted-client.ts'
import { unshared } from '../../src/domain/metering/shared-counters.ts'
import { wellKnownSchemes } from '../../src/config/readers.ts'
import { hostedClients, type HostedClientOptions } from '../../src/protocol/hosted-clients/hosted-clients.ts'
import { assertionType } from '../../src/protocol/provider/assertion-proof.ts'
import { startServer } from '../support/authorization-server.ts'
import { databases } from '../support/databases.ts'
import { startDocumentHost, type Answering } from '../support/document-host.ts'

const url = 'https://client.example/metadata.json'
const document = {
  client_id: url, client_name: 'Agent', redirect_uris: ['https://client.example/cb', 'http://127.0.0.1/cb']
}
const revocation = '/api/v1/oauth/revoke'

async function start (
  t: Test, hosted: Partial<HostedClientOptions> = {}, database: typeof databases[number] | undefined = undefined
) {
  const host = await startDocumentHost(t)
  const server = await startServer(t, {
    hosted: { network: host.network, ...hosted }, ...(database === undefined ? {} : { database })
  })
  const asPublic = async (clientId = url) => await server.post(revocation, { token: 'x', client_id: clientId })
  return { host, server, asPublic }
}

/** The look-up alone. */
async function startLookup (t: Test, options: Partial<HostedClientOptions> = {}) {
  const host = await startDocumentHost(t)
  let now = Date.now()
  const clients = hostedClients({
    clock: () => new Date(now),
    registry: { client: () => null },
    counts: unshared,
    domains: { allowed: ['*'], denied: [] },
    privateSchemes: new Set(wellKnownSchemes),
    network: host.network,
    limits: { perAsker: { max: 1_000, windowSeconds: 60 }, perHost: { max: 1_000, windowSeconds: 60 } },
    ...options
  })
  const find = async (clientId = url) => await clients.find(clientId, '192.0.2.1')
  const problemOf = async (clientId = url) => await find(clientId).then(() => null, (error: Error) => error.message)
  return { host, find, problemOf, advance (seconds: number) { now += seconds * 1_000 } }
}

const answersWith = (status: number, headers: Record<string, string> = {}): Answering =>
  (_request, response) => { response.writeHead(status, headers).end() }

async function newKey (kid = 'one') {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  return { privateKey, privateJwk: await exportJWK(privateKey), jwk: { ...await exportJWK(publicKey), kid } }
}

const assertion = async (privateKey: CryptoKey, issuer: string, now: Date) =>
  await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256' }).setIssuer(url).setSubject(url).setAudience(issuer)
    .setIssuedAt(now).setExpirationTime(new Date(now.getTime() + 60_000)).sign(privateKey)

tap.test('LK-09, LB-22, C1: a document with the three members that one has is a public client that acts for people', async t => {
  const { host, find } = await startLookup(t)
  host.serves(url, document)
  const client = await find()
  t.match(client, {
    id: url, name: 'Agent', origin: 'hosted', organizationId: null, secrets: [], grants: [], generation: 1, revision: 1
  })
  t.strictSame(client?.metadata, {
    client_name: 'Agent',
    redirect_uris: document.redirect_uris,
    application_type: 'native',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  })
  t.equal(await find(), client, 'the same object, as long as the document is')
})

tap.test('C1, R2: what a document says beside that is taken as far as it concerns this server, and gives no authority', async t => {
  const { host, find } = await startLookup(t)
  const cases: [object, object][] = [
    [{ client_name: undefined }, { name: 'client.example' }],
    [{ client_name: 'A\u202eB\u0000' }, { name: 'AB' }],
    [{ client_name: 'x'.repeat(300), logo_uri: 'javascript:x', client_uri: 5 }, { name: 'client.example' }],
    [{ client_uri: 'https://client.example' }, { metadata: { client_uri: 'https://client.example' } }],
    [{ redirect_uris: ['https://client.example/cb'] }, { metadata: { application_type: 'web' } }],
    [
      { redirect_uris: ['myapp://cb', 'https://client.example/cb', 'http://x.example/cb'] },
      { metadata: { redirect_uris: ['https://client.example/cb'] } }
    ],
    [{ grant_types: ['authorization_code', 'implicit'] }, { metadata: { grant_types: ['authorization_code'] } }],
    [
      { grant_types: ['client_credentials', 'authorization_code', 'refresh_token'] },
      { metadata: { grant_types: ['authorization_code', 'refresh_token'] } }
    ],
    [{ response_types: ['token'] }, { metadata: { response_types: ['code'] } }],
    [
      { token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'] },
      { metadata: { token_endpoint_auth_method: 'none' } }
    ],
    [{ scope: 'admin', organization: 'org_1', organizationId: 'org_1', introspects: ['x'], allowlist: [] }, {
      organizationId: null, introspects: [], metadata: { scope: undefined }
    }],
    [{ software_statement: 'a.b.c', request_uris: ['https://x'], contacts: 7, jwks: { keys: 'x' } }, {
      metadata: { jwks: undefined }
    }],
  ]
  for (const [index, [change, expected]] of cases.entries()) {
    const each = `https://client.example/${index}`
    host.serves(each, { ...document, client_id: each, ...change })
    t.match(await find(each), expected, JSON.stringify(change).slice(0, 60))
  }
})

tap.test('C1: a document that is not its own, publishes a secret, or cannot be used is invalid, and why is said', async t => {
  const { host, problemOf } = await startLookup(t)
  const { jwk, privateJwk } = await newKey()
  const keyed = { token_endpoint_auth_method: 'private_key_jwt' }
  const cases: [unknown, RegExp][] = [
    ['[]', /no JSON object/], ['null', /no JSON object/], ['"x"', /no JSON object/],
    [{ client_id: undefined }, /client_id is not the URL/], [{ client_id: 'https://client.example' }, /client_id is not/],
    [{ client_id: 'https://other.example/m' }, /client_id is not the URL/], [{ client_id: [url] }, /client_id is not/],
    [{ client_secret: 'x' }, /client_secret must not be published/],
    [{ client_secret_expires_at: 0 }, /client_secret_expires_at must not/],
    [{ token_endpoint_auth_method: 'client_secret_basic' }, /must be none or private_key_jwt/],
    [{ token_endpoint_auth_method: 'client_secret_post' }, /must be none or private_key_jwt/],
    [{ token_endpoint_auth_method: 'client_secret_jwt' }, /must be none or private_key_jwt/],
    [{ token_endpoint_auth_method: 'tls_client_auth' }, /must be none or private_key_jwt/],
    [{ token_endpoint_auth_methods_supported: ['client_secret_basic'] }, /must be none or private_key_jwt/],
    [{ redirect_uris: undefined }, /redirect_uris has no redirect URI/], [{ redirect_uris: [] }, /has no redirect URI/],
    [{ redirect_uris: ['myapp://cb'] }, /has no redirect URI/], [{ redirect_uris: 'https://x.example' }, /an array/],
    [{ redirect_uris: ['https://client.example/cb', 'javascript:alert(1)'] }, /redirect_uris\[1\] uses the scheme/],
    [{ redirect_uris: Array.from({ length: 11 }, (_, i) => `https://client.example/${i}`) }, /at most 10/],
    [{ grant_types: ['client_credentials'] }, /grant_types must hold authorization_code/],
    [{ grant_types: ['refresh_token'] }, /grant_types must hold authorization_code/],
    [{ application_type: 'desktop' }, /application_type/], [{ ...keyed }, /needs keys, in jwks or at jwks_uri/],
    [{ ...keyed, jwks: { keys: [jwk] }, jwks_uri: 'https://client.example/k' }, /must not both be there/],
    [{ ...keyed, jwks: { keys: [privateJwk] } }, /private or symmetric/], [{ ...keyed, jwks: { keys: [] } }, /jwks/],
    [{ ...keyed, jwks_uri: 'https://other.example/keys' }, /on another host/],
    [{ ...keyed, jwks_uri: 'http://client.example/keys' }, /jwks_uri does not begin/],
    [{ ...keyed, jwks_uri: 'https://127.0.0.1/keys' }, /jwks_uri has an address/],
    [{ ...keyed, jwks_uri: 'https://client.example:8443/k' }, /jwks_uri has a port/],
    [{ ...keyed, jwks: { keys: [jwk] }, token_endpoint_auth_signing_alg: 'HS256' }, /token_endpoint_auth_signing_alg/],
  ]
  for (const [index, [change, sentence]] of cases.entries()) {
    const each = `https://client.example/${index}`
    const isText = typeof change === 'string'
    host.serves(each, isText ? change : { ...document, client_id: each, ...change as object })
    const problem = await problemOf(each)
    t.match(problem, sentence, JSON.stringify(change).slice(0, 60))
    t.match(problem, /^is not valid: /)
  }
  t.equal(host.requests.length, cases.length, 'no document led to another request')
  host.serves(url, { ...document, padding: 'x'.repeat(5 * 1024) })
  t.equal(await problemOf(), 'is too large')
})

tap.test('C1, C2: nothing is looked up for a client_id that is no URL of a document, or of a domain that is not taken', async t => {
  const domains = { allowed: ['*.example'], denied: ['evil.example'] }
  const { host, problemOf } = await startLookup(t, { domains })
  const cases: [string, RegExp][] = [
    ['https://127.0.0.1/m', /has an address/], ['https://client.example:8443/m', /has a port/],
    ['https://client.example/a/../m', /normal form/], ['https://u@client.example/m', /user information/],
    ['https://evil.example/m', /takes no clients from/], ['https://client.test/m', /takes no clients from/]
  ]
  for (const [each, sentence] of cases) t.match(await problemOf(each), sentence, each)
  t.strictSame([host.lookups, host.connections], [[], []])
  host.serves(url, document)
  t.equal(await problemOf(), null)
})

tap.test('LB-22: a hosted client is a client of the endpoints, where that is on, and the metadata say so', async t => {
  const { host, server, asPublic } = await start(t)
  host.serves(url, document)
  t.equal((await asPublic()).status, 200)
  t.equal((await asPublic()).status, 200)
  t.equal(host.asked(url), 1)
  const metadata = async (of: typeof server) => (await of.send('GET', '/.well-known/oauth-authorization-server')).body
  t.equal((await metadata(server)).client_id_metadata_document_supported, true)
  const machine = await server.post('/api/v1/auth/token', { grant_type: 'client_credentials', client_id: url })
  t.match(machine, { status: 400, body: { error: 'unauthorized_client' } }, 'it does nothing by itself')
  const without = await startServer(t)
  t.notOk('client_id_metadata_document_supported' in await metadata(without))
  const unknown = await without.post(revocation, { token: 'x', client_id: url })
  t.match(unknown, { status: 401, body: { error: 'invalid_client' } })
  t.equal(host.asked(url), 1)
})

tap.test('LK-09, C2: a client whose document is not taken learns why, and nothing about the network of the server', async t => {
  const { host, asPublic } = await start(t)
  const said = async (clientId: string) => {
    const { status, body } = await asPublic(clientId)
    return [status, body.error, body.error_description]
  }
  host.serves('https://client.example/invalid', { ...document, redirect_uris: [] })
  t.match(await said('https://client.example/invalid'), [401, 'invalid_client', /invalid is not valid: client_id is/])
  t.match(await said('https://client.example/%22'), [401, 'invalid_client', /answered with 404/])
  host.serves('https://client.example/moved', answersWith(302, { location: 'https://127.0.0.1/' }))
  t.match(await said('https://client.example/moved'), [401, 'invalid_client', /redirect \(302\), which is not followed/])
  host.names('private.example', ['10.0.0.1'])
  host.serves('https://broken.example/m', request => { request.socket.destroy() })
  for (const each of ['https://private.example/m', 'https://broken.example/m']) {
    t.strictSame(await said(each), [401, 'invalid_client', `The client_id ${each} cannot be fetched.`])
  }
})

tap.test('C3: a thousand requests that name one unknown document are one request to its host', async t => {
  const { host, server } = await start(t)
  host.serves(url, answersWith(404))
  const ask = async (i: number) => await server.app.inject({
    method: 'POST',
    url: revocation,
    remoteAddress: `198.51.${i % 200}.1`,
    payload: `token=x&client_id=${encodeURIComponent(url)}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' }
  })
  const answers = await Promise.all(Array.from({ length: 1_000 }, (_, i) => ask(i)))
  t.ok(answers.every(({ statusCode }) => statusCode === 401))
  t.equal(host.asked(url), 1)
})

tap.test('C3, N3: an address that names many documents is told to slow down, and its host is asked a few times', async t => {
  const { host, server } = await start(t)
  const statuses = new Map<number, number>()
  for (let i = 0; i < 100; i++) {
    const { status } = await server.post(revocation, { token: 'x', client_id: `https://client.example/${i}` })
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  t.strictSame([...statuses], [[401, 10], [429, 90]])
  t.equal(host.requests.length, 10)
})

tap.test('C1, P2: a client with keys proves itself by them, in its document or at a jwks_uri, and by no keys it has withdrawn', async t => {
  const { host, server, asPublic } = await start(t)
  const [one, two] = [await newKey(), await newKey('two')]
  const keysAt = 'https://client.example/keys.json'
  const prove = async ({ privateKey }: typeof one) => (await server.post(revocation, {
    token: 'x',
    client_assertion_type: assertionType,
    client_assertion: await assertion(privateKey, server.issuer, server.clock()),
  })).status
  host.serves(url, { ...document, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [one.jwk] } })
  t.strictSame([await prove(one), await prove(two), (await asPublic()).status], [200, 401, 401])
  server.advance(300)
  const encryption = { ...(await newKey('three')).jwk, use: 'enc' }
  const long = { 'cache-control': 'max-age=3600' }
  host.serves(url, { ...document, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: keysAt }, long)
  host.serves(keysAt, { keys: [encryption, two.jwk] }, { 'content-type': 'application/jwk-set+json' })
  t.strictSame([await prove(two), await prove(one)], [200, 401])
  t.equal(host.asked(keysAt), 1)
  server.advance(300)
  host.serves(keysAt, { keys: [one.jwk] })
  t.strictSame([await prove(one), await prove(two)], [200, 401])
  server.advance(300)
  const answers = [{ keys: [] }, { keys: [one.privateJwk] }, answersWith(302, { location: url }), answersWith(404)]
  for (const answer of answers) {
    host.serves(keysAt, answer)
    t.equal(await prove(one), 401)
    server.advance(30)
  }
})

tap.test('C1, C2: a document that changes, goes, or whose host turns private is followed within its lifetime', async t => {
  const { host, find, problemOf, advance } = await startLookup(t)
  host.serves(url, document)
  const first = await find()
  advance(299)
  host.serves(url, { ...document, redirect_uris: ['https://client.example/other'] })
  t.equal(await find(), first)
  advance(1)
  t.strictSame((await find())?.metadata.redirect_uris, ['https://client.example/other'])
  advance(300)
  host.serves(url, answersWith(503))
  t.strictSame((await find())?.metadata.redirect_uris, ['https://client.example/other'], 'its host is unavailable')
  advance(30)
  host.serves(url, { ...document, client_id: 'https://evil.example/m' })
  t.match(await problemOf(), /not the URL/)
  advance(30)
  host.serves(url, document)
  t.ok(await find())
  advance(300)
  host.names('client.example', ['127.0.0.1'])
  t.equal(await problemOf(), 'cannot be fetched')
})

for (const database of databases) {
  tap.test(`a hosted client has a record from its first consent on, which an operator revokes and no organization claims [${database.name}]`, async t => {
    const host = await startDocumentHost(t)
    const server = await startServer(t, { database, hosted: { network: host.network } })
    const { operation, registry, store, clock, organization } = server
    const clients = hostedClients({
      clock,
      registry,
      counts: unshared,
      domains: { allowed: ['*'], denied: [] },
      privateSchemes: new Set(wellKnownSchemes),
      network: host.network
    })
    const { jwk } = await newKey()
    const keyed = { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://client.example/keys' }
    host.serves(keyed.jwks_uri, { keys: [jwk] })
    const keep = async () => {
      const client = await clients.find(url, '192.0.2.1')
      await store.transaction(async tx => { await keepHostedClient(tx, operation, client!) })
    }
    const events = async () => (await store.audit.page({ limit: 50, after: null }, { subject: url })).items
      .map(({ type }) => type).toReversed()
    host.serves(url, { ...document, ...keyed })
    t.equal(await registry.client(url), null)
    await keep()
    await keep()
    t.match(await registry.client(url), { id: url, name: 'Agent', origin: 'hosted', revision: 1 })
    t.equal((await registry.client(url))?.metadata.jwks, undefined, 'fetched keys are not kept')
    server.advance(300)
    host.serves(url, { ...document, ...keyed, client_name: 'Agent 2' })
    t.match(await clients.find(url, '192.0.2.1'), { name: 'Agent 2', revision: 1, metadata: { jwks: { keys: [{}] } } })
    await keep()
    t.match(await registry.client(url), { name: 'Agent 2', revision: 2, generation: 1 })
    t.strictSame(await events(), ['client.registered', 'client.updated'])
    await updateClient(operation, url, { allowlist: ['192.0.2.0/24'] })
    t.match(await clients.find(url, '192.0.2.1'), { allowlist: ['192.0.2.0/24'] })
    await t.rejects(updateClient(operation, url, { organizationId: organization.id }), { code: 'conflict' })
    for (const said of [{ name: 'Mine' }, { redirectUris: ['https://evil.example/cb'] }]) {
      await t.rejects(updateClient(operation, url, said), { code: 'conflict', message: /describes this client/ })
    }
    await revokeClient(operation, url, 'not this one')
    const asked = host.requests.length
    server.advance(3_600)
    t.equal(await clients.find(url, '192.0.2.1'), null)
    const refused = await server.post(revocation, { token: 'x', client_id: url })
    t.match(refused, { status: 401, body: { error: 'invalid_client' } })
    t.equal(host.requests.length, asked, 'the document of a revoked client is not fetched')
  })
}

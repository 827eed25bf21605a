/** Keys of trusted issuers, fetched over real TLS: rotated, unknown, slow, gone, too many, those of private hosts. */
import tap from 'tap'
import { startDocumentHost } from '../support/document-host.ts'
import { makeAuthority } from '../support/certificates.ts'
import { MovableClock, startServer, type Json } from '../support/test-server.ts'
import { make, newPlatform, platformKey, trade } from '../support/workload-platform.ts'

const host = await startDocumentHost(tap)
const clock = new MovableClock()
clock.stop()
const server = await startServer({ network: host.network, clock })
tap.teardown(() => server.close())
const sub = 'system:serviceaccount:prod:web'
let made = 0

/** An issuer whose keys are fetched; `input` says from where. */
async function trusted (input: (issuer: string) => Json, { organization: owner }: { organization?: null } = {}) {
  const issuer = `https://issuer-${++made}.test`
  const platform = await newPlatform(issuer, { now: clock.now })
  const client = await server.createClient()
  const trust = await make(server, '/trusted-issuers', {
    organization: owner === null ? null : client.organization, name: 'cluster', issuer, ...input(issuer)
  })
  await make(server, '/workload-rules', {
    issuer: trust.id,
    name: 'web',
    claims: [{ claim: '/sub', value: sub }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const token = (more: Json = {}, header = {}) => platform.token({ sub, aud: trust.audience, ...more }, header)
  return { issuer, platform, trust, token, jwksUri: `${issuer}/keys` }
}

const byUri = (issuer: string) => ({ jwksUri: `${issuer}/keys` })

tap.test('discovery: keys may be on another host than the issuer, whose document says its own name', async t => {
  const { issuer, platform, token } = await trusted(() => ({}))
  const document = { issuer, jwks_uri: 'https://10-0-0-1.test/openid/v1/jwks' }
  host.serves(`${issuer}/.well-known/openid-configuration`, document)
  host.serves(document.jwks_uri, platform.jwks)
  t.equal((await trade(server, await token())).status, 200)
  const other = await trusted(() => ({}))
  host.serves(`${other.issuer}/.well-known/openid-configuration`, document)
  t.equal((await trade(server, await other.token())).status, 503)
  const { json } = await server.admin('POST', '/trusted-issuers/try', { assertion: await other.token() })
  t.match(json, { accepted: false, reason: 'keys_unavailable', detail: /discovery document says the issuer/ })
})

tap.test('20 unknown kids cost one fetch in a cooldown; a rotated key is found after it', async t => {
  const { platform, trust, token, jwksUri } = await trusted(byUri)
  host.serves(jwksUri, platform.jwks)
  t.equal((await trade(server, await token())).status, 200)
  t.equal(host.asked(jwksUri), 1)
  clock.advance(31)
  const unknown = await Promise.all(Array.from({ length: 20 }, async (_, i) =>
    await trade(server, await token({}, { kid: `unknown-${i}` }))))
  t.ok(unknown.every(({ status, json }) => status === 400 && json.error === 'invalid_grant'))
  t.equal(host.asked(jwksUri), 2)
  const next = await platformKey('second')
  host.serves(jwksUri, { keys: [...platform.jwks.keys, next.publicJwk] })
  const rotated = await newPlatform(platform.issuer, { key: next, now: clock.now })
  const fresh = async () => await trade(server, await rotated.token({ sub, aud: trust.audience }))
  t.equal((await fresh()).status, 400, 'in the cooldown')
  clock.advance(31)
  t.equal((await fresh()).status, 200)
  t.equal((await trade(server, await token())).status, 200, 'the old key verifies as long as it is published')
  host.serves(jwksUri, { keys: [next.publicJwk] })
  clock.advance(301)
  t.equal((await trade(server, await token())).status, 400, 'and no longer')
})

tap.test('an issuer that is slow or gone: known keys stay, others are unavailable, said to operators', async t => {
  const { platform, token, jwksUri } = await trusted(byUri)
  host.serves(jwksUri, () => { /* never answers */ })
  const first = await trade(server, await token())
  t.strictSame([first.status, first.headers['retry-after'], first.json], [503, '30', {
    error: 'temporarily_unavailable',
    error_description: 'The keys of the issuer of the assertion cannot be had; retry shortly.'
  }])
  t.equal((await trade(server, await token())).status, 503)
  t.equal(host.asked(jwksUri), 1, 'it is not asked again at once')
  const { json } = await server.admin('POST', '/trusted-issuers/try', { assertion: await token() })
  t.match(json, { reason: 'keys_unavailable', detail: /did not answer in time/ })
  clock.advance(31)
  host.serves(jwksUri, platform.jwks)
  t.equal((await trade(server, await token())).status, 200)
  clock.advance(3_601)
  host.serves(jwksUri, (_request, response) => { response.writeHead(500).end() })
  t.equal((await trade(server, await token())).status, 200, 'the keys that were known')
  clock.advance(86_400)
  t.equal((await trade(server, await token())).status, 503, 'a day later they are too old')
})

tap.test('what is no key set of 64 KiB and 100 keys at most, and no answer of its own host, is not taken', async t => {
  const one = (await platformKey()).publicJwk
  const answers: Record<string, (url: string) => void> = {
    'more than 100 keys': url => { host.serves(url, { keys: Array.from({ length: 101 }, () => one) }) },
    'more than 64 KiB': url => { host.serves(url, { keys: [one], filler: 'x'.repeat(70_000) }) },
    'no JSON': url => { host.serves(url, '<html>') },
    'a redirect': url => {
      host.serves(url, (_request, response) => {
        response.writeHead(302, { location: 'https://elsewhere.test/' }).end()
      })
    },
    'no key that verifies': url => { host.serves(url, { keys: [{ kty: 'oct', k: 'AAAA' }] }) },
    'not found': () => {},
  }
  for (const [what, serve] of Object.entries(answers)) {
    const { token, jwksUri } = await trusted(byUri)
    serve(jwksUri)
    t.equal((await trade(server, await token())).status, 503, what)
  }
})

tap.test('an issuer that answers without a key has withdrawn its keys; one that cannot answer has not', async t => {
  const answers: Record<string, (url: string) => void> = {
    'an empty set': url => { host.serves(url, { keys: [] }) },
    'no key that verifies': url => { host.serves(url, { keys: [{ kty: 'oct', k: 'AAAA' }] }) },
    'no JSON': url => { host.serves(url, '<html>') },
    'no such document': url => { host.serves(url, (_request, response) => { response.writeHead(404).end() }) },
  }
  for (const [what, serve] of Object.entries(answers)) {
    const { platform, token, jwksUri } = await trusted(byUri)
    host.serves(jwksUri, platform.jwks)
    t.equal((await trade(server, await token())).status, 200)
    clock.advance(3_601)
    for (const status of [429, 503]) {
      host.serves(jwksUri, (_request, response) => { response.writeHead(status).end() })
      t.equal((await trade(server, await token())).status, 200, `${status}: its keys are not withdrawn`)
      clock.advance(31)
    }
    serve(jwksUri)
    t.equal((await trade(server, await token())).status, 503, what)
  }
})

tap.test('documents of an issuer that are nested deeply, or long, are no failure of the server', async t => {
  const nested = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  const written = async (assertion: string) => {
    const { json } = await server.admin('POST', '/trusted-issuers/try', { assertion })
    return [json.reason, json.detail.length < 500]
  }
  const documents = [`{"issuer":${nested}}`, `{"issuer":"${'x'.repeat(60_000)}"}`, '{"issuer":7}', 'null']
  for (const document of documents) {
    const { issuer, token } = await trusted(() => ({}))
    host.serves(`${issuer}/.well-known/openid-configuration`, document)
    t.equal((await trade(server, await token())).status, 503, document.slice(0, 20))
    t.strictSame(await written(await token()), ['keys_unavailable', true])
  }
  const { issuer, token } = await trusted(() => ({}))
  host.serves(`${issuer}/.well-known/openid-configuration`, { issuer, jwks_uri: `${issuer}/${'x'.repeat(60_000)}` })
  t.strictSame(await written(await token()), ['keys_unavailable', true])
  const inKeys = await trusted(byUri)
  host.serves(inKeys.jwksUri, `{"keys":[{"kty":"EC"}],"more":${nested}}`)
  t.equal((await trade(server, await inKeys.token())).status, 503)
})

tap.test('an organization does not learn which names lead into the network of the server', async t => {
  const details = []
  for (const addresses of [['10.0.0.1'], ['127.0.0.1', '93.184.216.34'], null]) {
    const { issuer, token } = await trusted(byUri)
    host.names(new URL(issuer).hostname, addresses ?? ['nowhere'])
    const { json } = await server.admin('POST', '/trusted-issuers/try', { assertion: await token() })
    details.push(json.detail.replace(new URL(issuer).hostname, 'HOST'))
  }
  t.equal(new Set(details).size, 1, details.join('\n'))
  const { issuer, token } = await trusted(byUri, { organization: null })
  host.names(new URL(issuer).hostname, ['nowhere'])
  const { json } = await server.admin('POST', '/trusted-issuers/try', { assertion: await token() })
  t.match(json.detail, /ENOTFOUND/, 'an operator does')
})

tap.test('many trusts of one issuer that is slow are waited for together', async t => {
  const platform = await newPlatform('https://slow.test', { now: clock.now })
  const { id: organization } = await server.createOrganization()
  for (let i = 0; i < 10; i++) {
    const jwksUri = `https://slow-${i}.test/keys`
    host.serves(jwksUri, () => { /* never answers */ })
    await make(server, '/trusted-issuers', { organization, name: 'slow', issuer: platform.issuer, jwksUri })
  }
  const before = performance.now()
  const aud = `${server.issuer}/organizations/${organization}`
  t.equal((await trade(server, await platform.token({ sub, aud }))).status, 503)
  t.ok(performance.now() - before < 15_000, 'one after the other, they would take 20 s')
})

tap.test('what an organization enters leads to no private address; the deployment\'s own trust may', async t => {
  const inside = ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', 'fd00::1', '::ffff:10.0.0.1', '100.64.0.1']
  for (const address of inside) {
    const { issuer, platform, token, jwksUri } = await trusted(byUri)
    host.names(new URL(issuer).hostname, [address])
    host.serves(jwksUri, platform.jwks)
    const connected = host.connections.length
    t.equal((await trade(server, await token())).status, 503, address)
    t.equal(host.connections.length, connected, 'no connection')
  }
  const { issuer, platform, token, jwksUri } = await trusted(byUri, { organization: null })
  host.names(new URL(issuer).hostname, ['10.0.0.1'])
  host.serves(jwksUri, platform.jwks)
  t.equal((await trade(server, await token())).status, 200)
})

tap.test('an authority of its own is trusted for one issuer alone', async t => {
  const authority = makeAuthority()
  const stranger = await startDocumentHost(t)
  const { ca, ...blind } = stranger.network
  const alone = await startServer({ network: blind })
  t.teardown(() => alone.close())
  const platform = await newPlatform('https://private.test')
  stranger.serves('https://private.test/keys', platform.jwks)
  const client = await alone.createClient()
  const outcome = async (pem: string | null) => {
    const trust = await make(alone, '/trusted-issuers', {
      organization: client.organization,
      name: 'x',
      issuer: platform.issuer,
      jwksUri: 'https://private.test/keys',
      ca: pem
    })
    const assertion = await platform.token({ sub, aud: trust.audience })
    const { json } = await alone.admin('POST', '/trusted-issuers/try', { assertion })
    await alone.admin('DELETE', `/trusted-issuers/${trust.id}`)
    return json.reason
  }
  t.equal(await outcome(null), 'keys_unavailable')
  t.equal(await outcome(authority.certificate), 'keys_unavailable', 'another authority')
  t.equal(await outcome(ca!), 'no_rule')
})

tap.test('URLs that an organization enters are https, without user, and have no private keys', async t => {
  const { organization } = await server.createClient()
  const refuse = async (input: Json, field: string) => {
    const { status, json } = await server.admin('POST', '/trusted-issuers', { organization, name: 'x', ...input })
    t.strictSame([status, json.code, json.details?.field], [400, 'INVALID_REQUEST', field], JSON.stringify(input))
  }
  await refuse({ issuer: 'http://cluster.test' }, 'issuer')
  await refuse({ issuer: 'https://user:pass@cluster.test' }, 'issuer')
  await refuse({ issuer: 'https://cluster.test/?x=1' }, 'issuer')
  await refuse({ issuer: 'spiffe://prod.test' }, 'issuer')
  await refuse({ preset: 'spiffe', issuer: 'spiffe://prod.test' }, 'jwks')
  await refuse({ preset: 'kubernetes' }, 'issuer')
  await refuse({ issuer: 'https://cluster.test', jwksUri: 'http://cluster.test/keys' }, 'jwksUri')
  await refuse({ issuer: 'https://cluster.test', ca: 'no certificate' }, 'ca')
  await refuse({ issuer: 'https://cluster.test', jwks: { keys: [] } }, 'jwks')
  const { publicJwk } = await platformKey()
  await refuse({ issuer: 'https://cluster.test', jwks: { keys: [{ ...publicJwk, d: 'AAAA' }] } }, 'jwks')
  await refuse({ issuer: 'https://cluster.test', jwks: { keys: [publicJwk] }, jwksUri: 'https://x.test' }, 'jwks')
})

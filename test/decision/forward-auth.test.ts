/** Forward-auth by itself: who may ask, how needs are read, what each answer holds. Proxies: proxies.test.ts. */
import { createRemoteJWKSet, jwtVerify } from 'jose'
import tap from 'tap'
import { basic, startServer, type Answer, type Json, type Outgoing } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const server = await startServer({ trustProxy: '127.0.0.1', registration: 'open' })
tap.teardown(server.close)
// No minute ends while its limit is counted.
server.clock.stop()
const { send, admin, createKey, createClient, createOrganization, tokenFor, issuer } = server

const organization = (await createOrganization()).id
const { key, id: keyId } = await createKey({ organization, scopes: ['invoices:read', 'company:read'] })
const path = '/api/v1/forward-auth/res_host'

/** Asks as a trusted proxy. */
const ask = (needs: string, headers: Outgoing['headers'] = { 'x-api-key': key }, more: Partial<Outgoing> = {}) =>
  send({ path: `${path}${needs}`, headers, ...more })

const codeOf = ({ json }: Answer): string => json.code ?? json.error?.code

tap.test('LK-07: a good key gets 200 without a body, and says in headers who it is', async t => {
  const { status, text, headers } = await ask('?scope=invoices:read')
  t.equal(status, 200)
  t.equal(text, '')
  t.strictSame(Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-latchkey-'))), {
    'x-latchkey-kind': 'api_key',
    'x-latchkey-id': keyId,
    'x-latchkey-subject': '',
    'x-latchkey-organization': organization,
    'x-latchkey-environment': 'live',
    'x-latchkey-scope': 'company:read invoices:read',
    'x-latchkey-assertion': ''
  })
  t.equal(headers['cache-control'], 'no-store')
})

tap.test('a token is judged in the same way, and so is a resource by its encoded identifier', async t => {
  const client = await createClient({ organization })
  const token = await tokenFor(client)
  const headers = { authorization: `Bearer ${token}` }
  const byIdentifier = `/api/v1/forward-auth/${encodeURIComponent(issuer)}?scope=invoices:read`
  for (const answer of [await ask('?scope=invoices:read', headers), await send({ path: byIdentifier, headers })]) {
    t.equal(answer.status, 200)
    t.equal(answer.headers['x-latchkey-kind'], 'access_token')
    t.equal(answer.headers['x-latchkey-id'], client.clientId)
  }
  t.equal((await ask('?scope=company:read', headers)).status, 403)
})

tap.test('every method is answered, with a body that nobody reads', async t => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
    t.equal((await ask('/scope=-/any/path', undefined, { method })).status, 200, method)
  }
  const headers = { 'x-api-key': key, 'content-type': 'text/csv' }
  t.equal((await ask('?scope=-', headers, { method: 'POST', body: 'a;b' })).status, 200)
})

tap.test('N1: only a direct peer in LATCHKEY_TRUST_PROXY gets an answer, whatever it forwards', async t => {
  const forged: Record<string, string>[] = [{}, { 'x-forwarded-for': '127.0.0.1' }, { forwarded: 'for=127.0.0.1' }]
  for (const headers of forged) {
    const answer = await ask('?scope=-', { 'x-api-key': key, ...headers }, { from: '127.0.0.2' })
    t.equal(answer.status, 403)
    t.strictSame(answer.json, {
      error: 'Forward-auth answers trusted proxies alone, and 127.0.0.2 is none: add the address of the proxy to ' +
        'LATCHKEY_TRUST_PROXY.',
      code: 'INSUFFICIENT_PERMISSIONS'
    })
  }
  await ask('?scope=-', {}, { from: '127.0.0.3' })
  const warnings = server.lines.map(line => JSON.parse(line) as Json).filter(({ level }) => level === 40)
  t.strictSame(warnings.map(({ peer, msg }) => [peer, msg]), ['127.0.0.2', '127.0.0.3'].map(peer => [
    peer, `Forward-auth refuses ${peer}, which is no trusted proxy: if it is your proxy, add its address to ` +
      'LATCHKEY_TRUST_PROXY.'
  ]), 'the operator is told once a minute of each peer')
})

const plain = 'Forward-auth reads the needs scope, organization, feature, object, credits, api_key_only, proxy, ' +
  'assertion, each as name=value and each once; another parameter is here. If the proxy appends the query of its ' +
  'caller, write the needs into the path: /api/v1/forward-auth/{resource}/scope=invoices:read.'

/** Needs, and the sentence that refuses them. */
const unreadable: readonly (readonly [needs: string, field: string, sentence: string])[] = [
  ['', 'scope', 'The need scope is missing; write scope=- if any valid credential will do.'],
  ['feature=x', 'scope', 'The need scope is missing; write scope=- if any valid credential will do.'],
  ['scope=', 'scope', 'The need scope is empty; write scope=- if any valid credential will do.'],
  ['scope=%20', 'scope', 'The need scope is no list of scopes; write scope=invoices:read%20invoices:write.'],
  ['scope=-%20invoices:read', 'scope',
    'The need scope is no list of scopes; write scope=invoices:read%20invoices:write.'],
  ['scope=invoices:read&scope=-', 'scope', 'The need scope is here twice; write it once.'],
  ['scope=-&scope=-', 'scope', 'The need scope is here twice; write it once.'],
  ['scope=invoices:read+company:read', 'scope',
    'The need scope holds a plus; write %20 for a space and %2B for a plus.'],
  ['scope=%ff', 'scope', 'The need scope is not percent-encoded UTF-8.'],
  ['scope=-&utm=1', 'needs', plain],
  ['scope=-&', 'needs', plain],
  ['scope=-&Scope=invoices:read', 'needs', plain],
  ['scope=-&feature', 'needs', plain],
  ['scope=-&organization=', 'organization', 'The need organization is empty; leave it out.'],
  ['scope=-&object=ledger', 'object', 'The need object is no type and id; write object=ledger:42.'],
  ['scope=-&object=:42', 'object', 'The need object is no type and id; write object=ledger:42.'],
  ['scope=-&credits=-1', 'credits', 'The need credits is no whole number from 0 to 999999999.'],
  ['scope=-&credits=1.5', 'credits', 'The need credits is no whole number from 0 to 999999999.'],
  ['scope=-&api_key_only=false', 'api_key_only', 'The need api_key_only can only be true; otherwise leave it out.'],
  ['scope=-&proxy=caddy', 'proxy', 'The need proxy can only be nginx; otherwise leave it out.'],
  ['scope=-&assertion=1', 'assertion', 'The need assertion can only be true; otherwise leave it out.']
]

tap.test('needs that are unknown, repeated, empty or unreadable are refused, in the query and in the path', async t => {
  for (const [needs, field, error] of unreadable) {
    const forms = [`?${needs}`, `/${needs}`, `/${needs}/path?scope=-`]
    // No route takes a path that is not UTF-8.
    for (const form of needs === '' ? ['', '?'] : needs.includes('%ff') ? forms.slice(0, 1) : forms) {
      const { status, json } = await ask(form)
      t.equal(status, 400, form)
      t.strictSame(json, { error, code: 'INVALID_REQUEST', details: { field } }, form)
    }
  }
})

tap.test('a caller whose query is appended chooses nothing: 400 in the query form, not read in the path form', async t => {
  for (const appended of ['scope=-', `organization=${organization}`, 'assertion=true', 'page=2', `x-api-key=${key}`]) {
    const credential: Record<string, string> = appended.includes(key) ? {} : { 'x-api-key': key }
    const forwarded = { ...credential, 'x-forwarded-uri': `/any?${appended}` }
    const answer = await ask(`?scope=portal-provision&${appended}`, forwarded)
    t.equal(answer.status, 400, appended)
    t.notMatch(answer.text, key)
    t.equal((await ask(`/scope=portal-provision?${appended}`, forwarded)).status, 403)
    t.equal((await ask(`/scope=portal-provision/any?${appended}`, credential)).status, 403)
  }
  t.equal((await ask('/scope=invoices:read/any/path?page=2')).status, 200)
})

tap.test('a resource that is unknown, ended or our own API is 400, and so is a scope that it does not declare', async t => {
  const made = (await admin('POST', '/resources', { identifier: 'https://ended.test', scopes: [{ name: 'a' }] })).json
  t.match(made.id, /^res_/)
  t.equal((await admin('POST', `/resources/${made.id}/revoke`)).status, 200)
  for (const name of ['res_none', 'res_management', 'https%3A%2F%2Fnone.test', made.id, 'https%3A%2F%2Fended.test']) {
    const answer = await send({ path: `/api/v1/forward-auth/${name}?scope=-`, headers: { 'x-api-key': key } })
    t.equal(answer.status, 400, name)
    t.equal(answer.json.code, 'UNKNOWN_RESOURCE')
    t.equal(answer.json.error, `There is no resource ${JSON.stringify(decodeURIComponent(name))} to ask about; name ` +
      'one by its id, or by its percent-encoded identifier.')
  }
  const { status, json } = await ask('?scope=invoices:reed')
  t.equal(status, 400)
  t.equal(json.message, `The resource ${issuer} does not declare the scope "invoices:reed".`)
})

tap.test('the resource of an organization is asked about like one of the deployment', async t => {
  const made = (await admin('POST', '/resources', {
    identifier: 'https://own.test', scopes: [{ name: 'things:read' }], organization, style: 'rfc9457'
  })).json
  const own = await createKey({ organization, resource: made.id, scopes: ['things:read'] })
  const about = (credential: string) =>
    send({ path: `/api/v1/forward-auth/${made.id}?scope=things:read`, headers: { 'x-api-key': credential } })
  t.equal((await about(own.key)).status, 200)
  const other = await about(key)
  t.equal(other.status, 401, 'a key of another resource')
  t.equal(other.headers['content-type'], 'application/problem+json; charset=utf-8')
})

tap.test('every need is judged: organization, object, feature, API keys only, credits', async t => {
  const { key: narrow } = await createKey({ organization, objects: { ledger: ['42'] } })
  const token = await tokenFor(await createClient({ organization }))
  const bearer = { authorization: `Bearer ${token}` }
  for (const [needs, headers, status] of [
    [`organization=${organization}`, undefined, 200], ['organization=org_other', undefined, 404],
    ['object=ledger:42', { 'x-api-key': narrow }, 200], ['object=ledger:43', { 'x-api-key': narrow }, 403],
    ['feature=reports', undefined, 403], ['api_key_only=true', undefined, 200], ['api_key_only=true', bearer, 403],
    ['credits=0', bearer, 200], ['credits=1', bearer, 403], ['credits=1', undefined, 402]
  ] as const) t.equal((await ask(`?scope=-&${needs}`, headers)).status, status, `${needs} ${status}`)
})

tap.test('it counts usage, takes limits and credits, and moves lastUsedAt, as a guard does', async t => {
  const paying = (await createOrganization('Paying')).id
  await admin('POST', `/organizations/${paying}/credits`, { environment: 'live', amount: 5, reason: 'trial' })
  const { key: limited, id } = await createKey({ organization: paying, callsPerMinute: 3 })
  const headers = { 'x-api-key': limited }
  const first = await ask('?scope=-&credits=2', headers)
  t.equal(first.status, 200, first.text)
  t.match(first.headers['ratelimit-policy'], /q=3;w=60/)
  t.equal((await ask('?scope=-&credits=2', headers)).status, 200)
  t.equal((await ask('?scope=-&credits=2', headers)).status, 402, '1 credit is left, and nothing is taken')
  t.equal((await ask('?scope=-', headers)).status, 200)
  const refused = await ask('?scope=-', headers)
  t.equal(refused.status, 429)
  t.match(refused.headers['retry-after'], /^\d+$/)
  const { json } = await eventually(() => admin('GET', `/api-keys/${id}`), answer => answer.json.lastUsedAt !== null)
  t.equal(json.lastUsedAt, server.clock.now().toISOString())
  t.equal((await admin('GET', `/organizations/${paying}/credits`)).json.live, 1)
})

tap.test('a key in the query of X-Forwarded-Uri is taken where the style takes it, with a warning', async t => {
  const uri = `/reports?page=2&x-api-key=${key}`
  const taken = await ask('?scope=-', { 'x-forwarded-uri': uri })
  t.equal(taken.status, 200)
  t.match(taken.headers.warning, 'Send the API key in the x-api-key header')
  t.equal(taken.headers['cache-control'], 'no-store, private')
  t.equal((await ask(`/scope=-${uri}`, {})).status, 200, 'and in a path that the proxy appends')
  t.equal((await ask('?scope=-', { 'x-forwarded-uri': uri, 'x-api-key': key })).status, 400, 'two credentials')
  t.equal((await ask('?scope=-', { 'x-forwarded-uri': '/?access_token=x' })).status, 401, 'a token in the URL')
  t.equal(server.lines.filter(line => line.includes(key)).length, 0, 'no log line has the key')
})

const ambiguous = [
  'reports', 'http://api.test/reports', '//api.test', '/a//b', '/a/../b', '/a/.', '/a/%2e%2E/b', '/a/..;x=1/b',
  '/a/.%2e', '/a%2Fb', '/a%5cb', '/a\\b', '/a%252fb', '/a%252e%252e/b', '/a%00', '/a%0d%0a', '/a%', '/a%ff', '/a#b',
  '/ä', '/a?b=%', `/a?b=1;x-api-key=${key}`, `/a?x%2Dapi-key=${key}`, '/a?access%5Ftoken=x', '/a?x-api-key=a%62c',
  '/a?x-api-key'
]

tap.test('B4: a URI that two decoders could read differently is 400, as X-Forwarded-Uri and as an appended path', async t => {
  for (const uri of ambiguous) {
    const answer = await ask('?scope=-', ['x-api-key', key, 'x-forwarded-uri', Buffer.from(uri).toString('latin1')])
    t.equal(answer.status, 400, uri)
    t.match(answer.json.message, /^The URI of the request can be read in two ways: /, uri)
    t.notMatch(answer.text, key)
    t.notMatch(answer.json.path, 'forward-auth', 'the path of the question is not for the caller')
    if (!uri.startsWith('/') || uri.includes('ä')) continue
    t.equal((await ask(`/scope=-${uri}`)).status, 400, uri)
  }
  for (const uri of ['/', '/a/', '/a/b.c/', '/a;v=1/b', '/a%20b?c=d%26e', '/API', '/a?b=c;d', '/a..b?..']) {
    t.equal((await ask('?scope=-', { 'x-api-key': key, 'x-forwarded-uri': uri })).status, 200, uri)
  }
  const twice = ['x-api-key', key, 'x-forwarded-uri', '/a', 'X-Forwarded-Uri', '/a']
  t.equal((await ask('?scope=-', twice)).status, 400, 'the header twice')
  t.equal((await ask('/scope=-/b', { 'x-api-key': key, 'x-forwarded-uri': '/a' })).status, 400, 'two paths')
  t.equal((await ask('/scope=-/a?b=1', { 'x-api-key': key, 'x-forwarded-uri': '/a?b=1' })).status, 200)
})

tap.test('an answer names the path of the caller, also one with several readings, and never that of the question', async t => {
  const named = async (needs: string, uri?: string): Promise<string> =>
    (await ask(needs, { 'x-api-key': key, ...(uri === undefined ? {} : { 'x-forwarded-uri': uri }) })).json.path
  t.equal(await named('/scope=-&proxy=nginx', '/a%2fb?c=d'), '/a%2fb')
  t.equal(await named('/scope=-&proxy=nginx', '//x'), '//x')
  t.equal(await named('/scope=-//x?y'), '//x')
  t.equal(await named('?scope=-', `/${key}/../a`), '/lb_live_…/../a')
  t.equal(await named('?scope=-', 'no path'), '/')
  t.equal(await named('?scope=invoices:write'), '/')
  t.equal(await named('/scope=nothing/invoices'), '/invoices')
})

tap.test('a refusal is that of the guard, with the path of X-Forwarded-Uri', async t => {
  const { status, headers, json } = await ask('?scope=invoices:write', {
    'x-api-key': key, 'x-forwarded-uri': `/invoices/${key}?page=2`
  })
  t.equal(status, 403)
  const own = await server.withKey(key, '/api/v1/invoices', { method: 'POST' })
  t.strictSame({ ...json, timestamp: '' }, { ...own.json, timestamp: '', path: json.path })
  t.equal(json.path, '/invoices/lb_live_…')
  t.equal(headers['www-authenticate'], own.headers['www-authenticate'])
  t.equal(headers['cache-control'], 'no-store')
})

tap.test('LB-05: an allowlist sees the address that the proxy forwards, and never that of the proxy', async t => {
  const { key: listed } = await createKey({ organization, allowlist: ['127.0.0.1', '192.0.2.7'] })
  for (const [forwarded, status] of [['192.0.2.7', 200], ['192.0.2.8', 401], ['192.0.2.7, 192.0.2.8', 401],
    ['nonsense', 401], [null, 401]] as const) {
    const headers = { 'x-api-key': listed, ...(forwarded === null ? {} : { 'x-forwarded-for': forwarded }) }
    t.equal((await ask('?scope=-', headers)).status, status, String(forwarded))
  }
})

tap.test('behind nginx a refusal is 401 or 403, and its real status and body stand in headers', async t => {
  for (const [needs, headers, sent, real] of [
    ['', {}, 401, 401], ['', { 'x-api-key': key, authorization: 'Bearer x' }, 403, 400],
    ['&organization=org_x', undefined, 403, 404], ['&credits=1', undefined, 403, 402],
    ['&feature=x', undefined, 403, 403]
  ] as const) {
    const answer = await ask(`?scope=-&proxy=nginx${needs}`, headers)
    t.equal(answer.status, sent)
    t.equal(answer.headers['x-latchkey-status'], String(real))
    t.equal(answer.headers['x-latchkey-error'], answer.text)
  }
  const unknown = await send({ path: '/api/v1/forward-auth/res_x%C3%A4?scope=-&proxy=nginx' })
  t.equal(unknown.status, 403)
  t.equal(unknown.headers['x-latchkey-status'], '400')
  t.match(unknown.headers['x-latchkey-error'], 'res_x\\u00e4')
})

tap.test('neither the session of a person nor a management token is a credential here', async t => {
  const management = (await admin('POST', '/access-tokens', { organization, name: 'ci', scopes: ['keys:read'] })).json
  for (const headers of [
    { cookie: '__Host-latchkey_session=x' }, { authorization: `Bearer ${management.token}` },
    { authorization: `Bearer ${server.adminToken}` }
  ] as Record<string, string>[]) t.equal((await ask('?scope=-', headers)).status, 401)
})

tap.test('a revoked key is refused on the next request', async t => {
  const { key: brief, id } = await createKey({ organization })
  const headers = { 'x-api-key': brief }
  t.equal((await ask('?scope=-', headers)).status, 200)
  await admin('POST', `/api-keys/${id}/revoke`)
  t.equal((await ask('?scope=-', headers)).status, 401)
})

tap.test('an assertion verifies by the JWKS, for this resource and at most a minute', async t => {
  const jwks = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  const currentDate = server.clock.now()
  const { headers } = await ask('?scope=invoices:read&assertion=true')
  const { payload, protectedHeader } = await jwtVerify(headers['x-latchkey-assertion'] as string, jwks, {
    issuer,
    audience: issuer,
    typ: 'latchkey-assertion+jwt',
    subject: keyId,
    currentDate,
    requiredClaims: ['exp', 'iat', 'jti']
  })
  t.equal(protectedHeader.typ, 'latchkey-assertion+jwt')
  const { jti, iat, exp, ...claims } = payload as Json
  t.equal(exp - iat, 60)
  t.strictSame(claims, {
    iss: issuer,
    aud: issuer,
    sub: keyId,
    kind: 'api_key',
    scope: 'company:read invoices:read',
    org_id: organization,
    env: 'live'
  })
  const end = new Date(server.clock.now().getTime() + 20_000).toISOString()
  const { key: ending } = await createKey({ organization, expiresAt: end })
  const brief = await ask('?scope=-&assertion=true', { 'x-api-key': ending })
  const { payload: soon } = await jwtVerify(brief.headers['x-latchkey-assertion'] as string, jwks, { currentDate })
  t.ok(soon.exp! - soon.iat! <= 20, 'nor beyond the end of the credential')
})

tap.test('an assertion is no credential: guard, forward-auth, introspection, revocation and exchange refuse it', async t => {
  const text = (await ask('?scope=-&assertion=true')).headers['x-latchkey-assertion'] as string
  const client = await createClient({ organization, introspects: ['res_host'] })
  const headers = { authorization: basic(client.clientId, client.clientSecret) }
  const form = new URLSearchParams({ token: text })
  t.equal((await server.bearer(text)).status, 401)
  t.equal((await server.withKey(text)).status, 401)
  t.equal((await ask('?scope=-', { authorization: `Bearer ${text}` })).status, 401)
  t.equal((await ask('?scope=-', { 'x-api-key': text })).status, 401)
  t.equal((await admin('GET', '/organizations')).status, 200)
  t.equal((await send({ path: '/api/v1/organizations', headers: { authorization: `Bearer ${text}` } })).status, 401)
  t.strictSame((await send({ method: 'POST', path: '/api/v1/oauth/introspect', headers, body: form })).json, {
    active: false
  })
  const revoked = await send({ method: 'POST', path: '/api/v1/oauth/revoke', headers, body: form })
  t.equal(revoked.status, 200, 'as for every unknown token (RFC 7009 §2.2)')
  const exchanged = await send({
    method: 'POST',
    path: '/api/v1/auth/session',
    body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: text })
  })
  t.equal(exchanged.status, 400)
  t.ok(codeOf(exchanged) !== undefined || exchanged.json.error !== undefined)
})

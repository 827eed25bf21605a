/** Assertions of workloads at the token endpoint: what is taken, what is refused, and what the audit log says of it. */
import { SignJWT, generateKeyPair } from 'jose'
import tap, { type Test } from 'tap'
import { oneDatabase } from '../support/databases.ts'
import { decodeJwt, startOnEachDatabase, type Json, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { make, newPlatform, platformKey, trade, type Platform } from '../support/workload-platform.ts'

const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)
const { server } = servers[0]!
const sub = 'system:serviceaccount:prod:web'
let made = 0

/** An issuer of a name that no other test has, trusted by an organization of its own, with a rule for `sub`. */
async function trusted (input: Json = {}, rule: Json = {}) {
  const platform = await newPlatform(`https://cluster-${++made}.acme.test`, { now: server.clock.now })
  const client = await server.createClient({ scopes: ['invoices:read', 'invoices:write'] })
  const { organization } = client
  const issuer = await make(server, '/trusted-issuers', {
    organization, name: 'cluster', issuer: platform.issuer, jwks: platform.jwks, ...input
  })
  const added = await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'web',
    claims: [{ claim: '/sub', value: sub }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read'],
    ...rule
  })
  const audience: string = issuer.audience
  return { platform, client, organization, issuer, rule: added, audience }
}

/** That an assertion is refused, outside always alike; the audit log of `organization` has the precise reason. */
async function refuses (
  t: Test, assertion: string, reason: string,
  { parameters = {}, subject }: { parameters?: Record<string, string>, subject?: string | null } = {}
): Promise<void> {
  const { status, json } = await trade(server, assertion, parameters)
  t.strictSame({ status, ...json }, {
    status: 400,
    error: 'invalid_grant',
    error_description:
      'The assertion is refused; `latchkey explain` says why, by the X-Request-Id of this answer or by the address.'
  }, reason)
  const event = await latestRefusal(server, reason)
  t.equal(event?.detail.reason, reason)
  if (subject !== undefined) t.equal(event?.subject, subject)
}

async function latestRefusal (from: TestServer, reason: string): Promise<Json | undefined> {
  for (let round = 0; round < 50; round++) {
    const { json } = await from.admin('GET', '/audit?type=workload.refused&limit=50')
    const found = json.data.find((each: Json) => each.detail.reason === reason)
    if (found !== undefined) return found
    await new Promise(resolve => setImmediate(resolve))
  }
  return undefined
}

tap.test('OC-18: a refused assertion is explained by the id of its answer, and its text as one of another issuer', async t => {
  const { platform, audience, issuer, rule } = await trusted()
  const assertion = await platform.token({ sub: 'system:serviceaccount:prod:other', aud: [audience] })
  const { headers } = await trade(server, assertion)
  await latestRefusal(server, 'no_rule')
  const remedy = 'Ask `latchkey trusted-issuer try FILE`, which says of each rule why the token does not meet it.'
  const { json } = await server.admin('POST', '/explain', { requestId: headers['x-request-id'] })
  t.match(json, {
    refusals: [{ reason: 'no_rule', because: 'No rule of the issuer is met.', credential: issuer.id, remedy }], remedy
  })
  const pasted = await server.admin('POST', '/explain', { credential: assertion })
  t.match(pasted.json.verdict.refusal, { reason: 'malformed', because: /^This JWT was not issued by this server/ })
  await server.admin('DELETE', `/workload-rules/${rule.id}`)
  const tried = await server.admin('POST', '/trusted-issuers/try', { assertion })
  t.match(tried.text, 'The issuer has no rule yet; add one.')
})

tap.test('OC-18: a workload gets a token by the identity that its platform gave it, and no secret', async t => {
  const { platform, client, organization, issuer, rule, audience } = await trusted()
  const answer = await trade(server, await platform.token({ sub, aud: [audience] }))
  t.equal(answer.status, 200)
  const { access_token: token, ...rest } = answer.json
  const { expires_in: lives, ...others } = rest
  t.strictSame(others, { token_type: 'Bearer', scope: 'invoices:read' })
  // What is left of the assertion's 600 seconds, by the clock of the server.
  t.ok(lives > 540 && lives <= 600, String(lives))
  t.equal(answer.headers['cache-control'], 'no-store')
  const { header, payload } = decodeJwt(token)
  t.equal(header.typ, 'at+jwt')
  const { jti, iat, exp, ...claims } = payload
  t.strictSame(claims, {
    iss: server.issuer,
    aud: server.issuer,
    sub: client.clientId,
    sub_kind: 'workload',
    client_id: client.clientId,
    scope: 'invoices:read',
    org_id: organization,
    trust: rule.id,
    trust_rev: '1.1',
    workload: sub,
    gen: 1,
  })
  const { status, json } = await server.bearer(token)
  t.equal(status, 200)
  t.strictSame(json.seen, {
    kind: 'access_token', id: client.clientId, organizationId: organization, environment: 'live'
  })
  t.equal((await server.bearer(token, '/api/v1/company')).status, 403, 'no scope that the rule does not give')
  const admitted = (await server.admin('GET', '/audit?type=workload.admitted&limit=10')).json.data
    .find((each: Json) => each.organization === organization)
  t.match(admitted.detail, { iss: platform.issuer, sub, issuer: issuer.id, rule: rule.id, token: jti })
})

tap.test('a token ends with its assertion, and after 900 seconds at most', async t => {
  const { platform, audience } = await trusted()
  const now = Math.floor(server.clock.now().getTime() / 1000)
  const long = await trade(server, await platform.token({ sub, aud: audience, exp: now + 3_000 }))
  t.equal(long.json.expires_in, 900)
  const short = await trade(server, await platform.token({ sub, aud: audience, exp: now + 100 }))
  t.ok(short.json.expires_in <= 100 && short.json.expires_in > 90)
})

tap.test('a workload acts as itself for an organization, by a rule without a client', async t => {
  const { platform, organization, audience, rule } = await trusted({}, { client: null })
  const { json } = await trade(server, await platform.token({ sub, aud: audience }))
  const { payload } = decodeJwt(json.access_token)
  t.match(payload, { sub: rule.id, client_id: rule.id, org_id: organization, workload: sub })
  t.notOk('gen' in payload)
  t.strictSame((await server.bearer(json.access_token)).json.seen, {
    kind: 'access_token', id: rule.id, organizationId: organization, environment: 'live'
  })
  t.equal((await server.admin('POST', `/organizations/${organization}/suspend`)).status, 200)
  t.equal((await server.bearer(json.access_token)).status, 403)
  await refuses(t, await platform.token({ sub, aud: audience }), 'organization_suspended')
})

tap.test('an organization answers for its own audience alone', async t => {
  const own = await trusted()
  const plain = { sub, aud: server.issuer }
  for (const aud of [server.issuer, `${server.issuer}/`, `${server.issuer}/api/v1/auth/token`]) {
    await refuses(t, await own.platform.token({ sub, aud }), 'wrong_audience', { subject: own.issuer.id })
  }
  const other = await server.createOrganization()
  const ofOther = `${server.issuer}/organizations/${other.id}`
  await refuses(t, await own.platform.token({ sub, aud: ofOther }), 'unknown_issuer')
  const named = await trade(server, await own.platform.token(plain), { client_id: own.client.clientId })
  t.equal(named.status, 200, 'or for requests that name its client')
  const foreign = await server.createClient()
  await refuses(t, await own.platform.token(plain), 'unknown_issuer', {
    parameters: { client_id: foreign.clientId }
  })
  await refuses(t, await own.platform.token({ sub, aud: own.audience }), 'no_rule', {
    parameters: { client_id: foreign.clientId }
  })
  await refuses(t, await own.platform.token(plain), 'wrong_client', { parameters: { client_id: 'cli_unknown' } })
})

tap.test('what a workload says of itself is in no log of an organization that it is not meant for', async t => {
  const first = await trusted()
  const { organization } = await server.createClient()
  await make(server, '/trusted-issuers', {
    organization, name: 'same', issuer: first.platform.issuer, jwks: first.platform.jwks
  })
  const stranger = await server.createClient()
  const said = 'repo:stranger/secret-project:ref:refs/heads/main'
  const refusals: [string, string, Record<string, string>][] = [
    [server.issuer, 'wrong_audience', {}],
    [`${server.issuer}/organizations/${stranger.organization}`, 'unknown_issuer', {}],
    [server.issuer, 'unknown_issuer', { client_id: stranger.clientId }],
  ]
  for (const [aud, reason, parameters] of refusals) {
    await refuses(t, await first.platform.token({ sub: said, aud }), reason, { parameters })
  }
  const written = async (owner: string) => (await server.admin('GET', `/audit?organization=${owner}`)).text
  t.notMatch(await written(first.organization), said)
  t.notMatch(await written(organization), said)
  t.match((await server.admin('GET', '/audit?type=workload.refused&limit=50')).text, said, 'the deployment has it')
})

tap.test('an assertion that is bound to a key of its holder is not taken without a proof of it (RFC 7800)', async t => {
  const { platform, audience } = await trusted()
  const cnf = { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }
  await refuses(t, await platform.token({ sub, aud: audience, cnf }), 'malformed')
})

tap.test('a refusal takes little room in the log, whatever an assertion says', async t => {
  const { platform, audience, issuer } = await trusted()
  const long = 'x'.repeat(3_000)
  await trade(server, await platform.token({ sub, aud: audience, jti: long }, { kid: long }))
  const unknownKey = (each: Json) => each.subject === issuer.id && each.detail.reason === 'unknown_key'
  const find = async () =>
    (await server.admin('GET', '/audit?type=workload.refused&limit=50')).json.data.find(unknownKey)
  const event = await eventually(find, found => found !== undefined)
  t.ok(JSON.stringify(event).length < 2_000)
  const { json } = await server.admin('POST', '/trusted-issuers/try', {
    assertion: await platform.token({ sub, aud: audience }, { kid: long })
  })
  t.ok(json.detail.length < 500)
})

tap.test('the plain issuer, with a final slash or the token endpoint belongs to the deployment', async t => {
  const { client } = await trusted()
  const platform = await newPlatform('https://deployment.acme.test', { now: server.clock.now })
  const issuer = await make(server, '/trusted-issuers', {
    organization: null, name: 'ours', issuer: platform.issuer, jwks: platform.jwks, audiences: ['api://latchkey']
  })
  t.equal(issuer.audience, server.issuer)
  await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'web',
    claims: [{ claim: '/sub', value: sub }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const taken = [server.issuer, `${server.issuer}/`, `${server.issuer}/api/v1/auth/token`, 'api://latchkey']
  for (const aud of taken) t.equal((await trade(server, await platform.token({ sub, aud }))).status, 200, aud)
  const refused = [
    'https://vault.test', `${server.issuer}/organizations/${client.organization}`, undefined, 7, [],
    [server.issuer, 'https://vault.test'], [server.issuer, server.issuer], [[server.issuer]]
  ]
  for (const aud of refused) await refuses(t, await platform.token({ sub, aud }), 'wrong_audience')
})

tap.test('keys are looked up for each trust: one organization cannot vouch for the workloads of another', async t => {
  const victim = await trusted()
  const attacker = await newPlatform(victim.platform.issuer, { now: server.clock.now })
  const organization = (await server.createOrganization()).id
  // The same iss, with keys of its own.
  await make(server, '/trusted-issuers', {
    organization, name: 'same', issuer: victim.platform.issuer, jwks: attacker.jwks
  })
  await refuses(t, await attacker.token({ sub, aud: victim.audience }), 'bad_signature', { subject: victim.issuer.id })
  t.equal((await trade(server, await victim.platform.token({ sub, aud: victim.audience }))).status, 200)
})

tap.test('more than one rule that is met is refused, and audited with their ids', async t => {
  const { platform, issuer, audience, client, rule } = await trusted()
  const second = await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'all of prod',
    claims: [{ claim: '/sub', value: 'system:serviceaccount:prod:*', separators: [':'] }],
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:write']
  })
  await refuses(t, await platform.token({ sub, aud: audience }), 'several_rules')
  const event = await latestRefusal(server, 'several_rules')
  t.ok(event!.detail.detail.includes(rule.id) && event!.detail.detail.includes(second.id))
  const other = await trade(server, await platform.token({ sub: 'system:serviceaccount:prod:api', aud: audience }))
  t.equal(other.json.scope, 'invoices:write')
  await refuses(t, await platform.token({ sub: 'system:serviceaccount:prod:x:y', aud: audience }), 'no_rule')
})

tap.test('alg games: no other algorithm, none without a signature, no key of the header\'s own', async t => {
  const { platform, audience } = await trusted()
  const claims = { sub, aud: audience }
  const good = await platform.token(claims)
  const [head, body, signature] = good.split('.') as [string, string, string]
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  await refuses(t, `${header({ alg: 'none' })}.${body}.`, 'algorithm_not_allowed')
  await refuses(t, `${header({ alg: 'none', kid: 'first' })}.${body}.${signature}`, 'algorithm_not_allowed')
  const shared = new TextEncoder().encode(JSON.stringify(platform.jwks.keys[0]))
  const hmac = await new SignJWT({ ...claims, iss: platform.issuer }).setProtectedHeader({ alg: 'HS256', kid: 'first' })
    .setIssuedAt().setExpirationTime('5m').sign(shared)
  await refuses(t, hmac, 'algorithm_not_allowed')
  const { privateKey } = await generateKeyPair('PS256')
  const other = await new SignJWT({ ...claims, iss: platform.issuer })
    .setProtectedHeader({ alg: 'PS256', kid: 'first' }).setIssuedAt().setExpirationTime('5m').sign(privateKey)
  await refuses(t, other, 'algorithm_not_allowed')
  await refuses(t, `${header({ alg: 'RS256', kid: 'first' })}.${body}.${signature}`, 'unknown_key')
  await refuses(t, await platform.token(claims, { jwk: platform.jwks.keys[0]! } as never), 'malformed')
  await refuses(t, await platform.token(claims, { kid: 'second' }), 'unknown_key')
  await refuses(t, `${head}.${Buffer.from(JSON.stringify({
    ...decodeJwt(good).payload, sub: 'system:serviceaccount:prod:other'
  })).toString('base64url')}.${signature}`, 'bad_signature')
  await refuses(t, await platform.token(claims, { typ: 'at+jwt' }), 'wrong_type')
  await refuses(t, 'a.b.c', 'malformed')
  await refuses(t, `${'a'.repeat(12_289)}`, 'malformed')
})

tap.test('keys of another issuer prove nothing, and neither does an issuer that is not trusted', async t => {
  const { platform, audience } = await trusted()
  const other = await newPlatform(platform.issuer, { now: server.clock.now })
  await refuses(t, await other.token({ sub, aud: audience }), 'bad_signature')
  const unknown = await newPlatform('https://nobody.test', { now: server.clock.now })
  await refuses(t, await unknown.token({ sub, aud: audience }), 'unknown_issuer', { subject: null })
  await refuses(t, await platform.token({ sub, aud: audience, iss: `${platform.issuer}/` }), 'unknown_issuer')
})

tap.test('the life of an assertion is bounded, from iat to exp, and it is of now', async t => {
  const { platform, audience } = await trusted({ maxAge: 3_600 })
  const now = Math.floor(server.clock.now().getTime() / 1000)
  const at = (times: Json) => platform.token({ sub, aud: audience, ...times })
  await refuses(t, await at({ exp: now + 3_700 }), 'wrong_lifetime')
  await refuses(t, await at({ iat: now, exp: now }), 'wrong_lifetime')
  await refuses(t, await at({ exp: undefined }), 'wrong_lifetime')
  await refuses(t, await at({ exp: `${now + 60}` }), 'wrong_lifetime')
  await refuses(t, await at({ iat: undefined, exp: now + 4_000 }), 'wrong_lifetime')
  await refuses(t, await at({ iat: now - 900, exp: now - 1 }), 'expired')
  await refuses(t, await at({ iat: now + 300, exp: now + 600 }), 'not_yet')
  await refuses(t, await at({ nbf: now + 300 }), 'not_yet')
  t.equal((await trade(server, await at({ iat: undefined, exp: now + 600 }))).status, 200)
})

tap.test('a projected token is presented again and again; where single use is on, each jti is taken once', async t => {
  const again = await trusted()
  const assertion = await again.platform.token({ sub, aud: again.audience })
  for (let i = 0; i < 3; i++) t.equal((await trade(server, assertion)).status, 200)
  const once = await trusted({ singleUse: true })
  const single = await once.platform.token({ sub, aud: once.audience })
  // A request for what it does not give uses nothing up.
  t.equal((await trade(server, single, { scope: 'invoices:write' })).json.error, 'invalid_scope')
  t.equal((await trade(server, single)).status, 200)
  await refuses(t, single, 'replayed')
  await refuses(t, await once.platform.token({ sub, aud: once.audience, jti: undefined }), 'no_jti')
})

tap.test('a request narrows: by scope to what is given of it, by resource to that one', async t => {
  const { platform, audience } = await trusted({}, { scopes: ['invoices:read', 'invoices:write'] })
  const assertion = await platform.token({ sub, aud: audience })
  const ask = (parameters: Record<string, string>) => trade(server, assertion, parameters)
  t.equal((await ask({})).json.scope, 'invoices:read invoices:write')
  t.equal((await ask({ scope: 'invoices:write' })).json.scope, 'invoices:write')
  t.equal((await ask({ scope: 'company:read invoices:read' })).json.scope, 'invoices:read')
  t.equal((await ask({ scope: 'company:read' })).json.error, 'invalid_scope')
  t.equal((await ask({ scope: 'portal-provision' })).json.error, 'invalid_scope')
  t.equal((await ask({ resource: server.issuer })).status, 200)
  t.equal((await ask({ resource: 'https://other.test' })).json.error, 'invalid_target')
})

tap.test('an assertion is the only proof of a request, and comes in the body', async t => {
  const { platform, audience, client } = await trusted()
  const assertion = await platform.token({ sub, aud: audience })
  const secret = { client_id: client.clientId, client_secret: client.clientSecret }
  for (const refused of [
    await trade(server, assertion, secret), await trade(server, assertion, {}, { authorization: 'Basic eDp5' })
  ]) {
    t.strictSame([refused.status, refused.json.error], [400, 'invalid_grant'])
    t.match(refused.json.error_description, /has to be an ID-JAG .* leave the authentication of a client out/)
  }
  const without = await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' })
  })
  t.strictSame([without.status, without.json.error], [400, 'invalid_request'])
  const query = await fetch(`${server.url}/api/v1/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `?${new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })}`
  })
  t.strictSame([query.status, (await query.json() as Json).error], [401, 'invalid_client'], 'a query is no form')
  const inUri = await server.send({ method: 'POST', path: `/api/v1/auth/token?assertion=${assertion}` })
  t.equal(inUri.json.error, 'invalid_request')
})

tap.test('the client of a rule bounds its workloads: allowlist, end, grants', async t => {
  const { platform, audience, client } = await trusted()
  const assertion = await platform.token({ sub, aud: audience })
  const { json: { access_token: token } } = await trade(server, assertion)
  await server.admin('PATCH', `/clients/${client.clientId}`, { allowlist: ['203.0.113.7'] })
  t.equal((await server.bearer(token)).status, 401, 'another generation')
  await refuses(t, assertion, 'address_not_allowed')
  await server.admin('PATCH', `/clients/${client.clientId}`, { allowlist: [], grants: [] })
  const bare = await trade(server, assertion)
  t.equal(bare.status, 200)
  t.notOk('scope' in bare.json)
  await server.admin('POST', `/clients/${client.clientId}/disable`)
  await refuses(t, assertion, 'client_not_active')
  t.equal((await server.bearer(bare.json.access_token)).status, 401)
})

tap.test('SPIFFE: found by the trust domain in sub, without iss and jti, by a bundle as SPIRE serves it', async t => {
  const { platform, audience } = await trusted({}, {})
  const key = await platformKey('svid')
  const bundle = {
    spiffe_sequence: 1,
    spiffe_refresh_hint: 300,
    keys: [{ use: 'x509-svid', kty: 'EC', crv: 'P-256', x: 'x', y: 'y', x5c: ['AA'] },
      { ...key.publicJwk, alg: undefined, use: 'jwt-svid' }]
  }
  const spiffe: Platform = await newPlatform('spiffe://prod.acme.test', { key, now: server.clock.now })
  const { organization, clientId } = await server.createClient()
  const issuer = await make(server, '/trusted-issuers', {
    organization,
    name: 'spire',
    preset: 'spiffe',
    issuer: 'spiffe://prod.acme.test',
    jwks: JSON.parse(JSON.stringify(bundle))
  })
  await make(server, '/workload-rules', {
    issuer: issuer.id,
    name: 'billing',
    claims: [{ claim: '/sub', value: 'spiffe://prod.acme.test/ns/billing/*', separators: ['/'] }],
    client: clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  const svid = (id: string, more: Json = {}) =>
    spiffe.token({ iss: undefined, jti: undefined, sub: id, aud: [issuer.audience], ...more }, { typ: 'JWT' })
  t.equal((await trade(server, await svid('spiffe://prod.acme.test/ns/billing/api'))).status, 200)
  await refuses(t, await svid('spiffe://prod.acme.test/ns/billing/api/root'), 'no_rule')
  await refuses(t, await svid('spiffe://prod.acme.test/ns/web/api'), 'no_rule')
  await refuses(t, await svid('spiffe://other.test/ns/billing/api'), 'unknown_issuer')
  await refuses(t, await svid('spiffe://prod.acme.test'), 'unknown_issuer')
  // An issuer with a name of its own cannot speak for a trust domain.
  await refuses(t, await platform.token({ sub: 'spiffe://evil.test/x', aud: audience }), 'unknown_issuer')
})

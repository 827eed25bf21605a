/** Trusted issuers and rules on the management API: If-Match, delegation, and a dry run that shows own trusts alone. */
import tap from 'tap'
import { makeAuthority } from '../support/certificates.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'
import { make, newPlatform, trade } from '../support/workload-platform.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)
const claims = [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }]

for (const { name, server } of servers) {
  const { admin, issuer: url } = server

  tap.test(`an issuer and its rules are changed by their ETag, and read as they were given [${name}]`, async t => {
    const platform = await newPlatform('https://cluster.acme.test')
    const { organization, clientId } = await server.createClient()
    const made = await admin('POST', '/trusted-issuers', {
      organization, name: 'cluster', preset: 'kubernetes', issuer: platform.issuer, jwks: platform.jwks
    })
    t.equal(made.status, 201)
    const { id, createdAt, jwks, ...shown } = made.json
    t.strictSame(shown, {
      organization,
      name: 'cluster',
      preset: 'kubernetes',
      profile: 'workload',
      issuer: platform.issuer,
      audience: `${url}/organizations/${organization}`,
      keys: 'inline',
      jwksUri: null,
      ca: null,
      tokenReview: null,
      audiences: [],
      algorithms: ['RS256', 'ES256'],
      maxAge: 3_607,
      singleUse: false,
      anchors: ['/sub', '/kubernetes.io/namespace', '/kubernetes.io/serviceaccount/uid'],
      createdBy: 'admin',
    })
    const path = `/trusted-issuers/${id}`
    const stale = (tag: string, body: Json) => server.send({
      method: 'PATCH',
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${server.adminToken}`, 'if-match': tag },
      body
    })
    const { etag } = made.headers
    t.equal((await stale(etag!, { name: 'renamed' })).json.name, 'renamed')
    t.equal((await stale(etag!, { name: 'late' })).status, 412)
    const rule = await make(server, '/workload-rules', {
      issuer: id, name: 'web', claims, client: clientId, resource: url, scopes: ['invoices:read']
    })
    t.match((await admin('GET', `/workload-rules/${rule.id}`)).json, {
      issuer: id, organization, client: clientId, resource: url, scopes: ['invoices:read'], claims
    })
    t.equal((await admin('GET', `/workload-rules?issuer=${id}`)).json.data.length, 1)
    const types = (await admin('GET', `/audit?organization=${organization}&limit=20`)).json.data
      .map((event: Json) => event.type)
    const told = ['trusted_issuer.created', 'trusted_issuer.updated', 'workload_rule.created']
    t.ok(told.every(type => types.includes(type)))
    t.equal((await admin('DELETE', path)).status, 204)
    t.equal((await admin('GET', `/workload-rules/${rule.id}`)).status, 404)
  })

  tap.test(`of where the keys are, a change keeps what it does not name [${name}]`, async t => {
    const { organization } = await server.createClient()
    const { jwks } = await newPlatform('https://cluster.acme.test')
    const { certificate: ca } = makeAuthority()
    const { id } = await make(server, '/trusted-issuers', {
      organization, name: 'x', issuer: 'https://cluster.acme.test', jwks
    })
    const changed = async (change: Json) => {
      const { status, json: { keys, jwksUri, ca, details } } = await admin('PATCH', `/trusted-issuers/${id}`, change)
      return status === 200 ? [keys, jwksUri, ca] : [status, details.field]
    }
    t.strictSame(await changed({ ca }), [400, 'ca'], 'inline keys have no host, and stay')
    t.strictSame(await changed({ ca: null }), ['inline', null, null])
    const [first, second] = ['https://keys.acme.test/1', 'https://keys.acme.test/2']
    t.strictSame(await changed({ jwksUri: first }), ['jwks_uri', first, null])
    t.strictSame(await changed({ ca }), ['jwks_uri', first, ca])
    t.strictSame(await changed({ jwksUri: second }), ['jwks_uri', second, ca])
    t.strictSame(await changed({ jwksUri: null }), ['discovery', null, ca])
    t.strictSame(await changed({ ca: null }), ['discovery', null, null])
    t.strictSame(await changed({ jwks }), ['inline', null, null])
  })

  tap.test(`a rule gives what its author holds, and never what is key-only [${name}]`, async t => {
    const { organization, clientId } = await server.createClient({ scopes: ['invoices:read'] })
    const { id: issuer } = await make(server, '/trusted-issuers', {
      organization, name: 'x', issuer: 'https://cluster.acme.test'
    })
    const refused = async (input: Json, status: number, code: string) => {
      const answer = await admin('POST', '/workload-rules', {
        issuer, name: 'x', claims, client: clientId, resource: url, scopes: ['invoices:read'], ...input
      })
      t.strictSame([answer.status, answer.json.code], [status, code], JSON.stringify(input))
    }
    await refused({ scopes: ['portal-provision'] }, 400, 'SCOPE_API_KEY_ONLY')
    await refused({ scopes: ['nothing:read'] }, 400, 'UNKNOWN_SCOPE')
    await refused({ scopes: ['invoices:write'] }, 400, 'INVALID_REQUEST')
    await refused({ resource: 'https://other.test' }, 400, 'UNKNOWN_RESOURCE')
    await refused({ client: (await server.createClient()).clientId }, 404, 'NOT_FOUND')
    await refused({ client: 'cli_unknown' }, 404, 'NOT_FOUND')
    await refused({ issuer: 'tri_unknown' }, 404, 'NOT_FOUND')
    await refused({ client: null, forOrganization: (await server.createOrganization()).id }, 404, 'NOT_FOUND')
    await refused({ claims: [{ claim: '/sub', value: '*' }] }, 400, 'INVALID_REQUEST')
    await refused({ claims: [{ claim: '/aud', value: 'x' }] }, 400, 'INVALID_REQUEST')
    const key = await server.createKey({
      organization, resource: `${url}/api/v1`, scopes: ['trusted-issuers:write', 'trusted-issuers:read']
    })
    const answer = await server.withKey(key.key, '/api/v1/workload-rules', {
      method: 'POST',
      body: { issuer, name: 'x', claims, resource: `${url}/api/v1`, scopes: ['api-keys:write'] }
    })
    t.strictSame([answer.status, answer.json.code], [403, 'INSUFFICIENT_PERMISSIONS'])
  })

  tap.test(`a rule leads to a client for authors that change clients: it is as good as a secret of it [${name}]`, async t => {
    const { organization, clientId: client } = await server.createClient({ scopes: ['invoices:read'] })
    const resource = `${url}/api/v1`
    const own = ['trusted-issuers:write', 'trusted-issuers:read']
    const weak = await server.createKey({ organization, resource, scopes: own })
    const strong = await server.createKey({ organization, resource, scopes: [...own, 'clients:write'] })
    const { id: issuer } = await make(server, '/trusted-issuers', {
      organization, name: 'x', issuer: 'https://cluster.acme.test'
    })
    const by = async ({ key }: { key: string }, method: string, path: string, body: Json) =>
      await server.withKey(key, `/api/v1${path}`, { method, body })
    const input = { issuer, name: 'x', claims, client, resource: url, scopes: ['invoices:read'] }
    const refused = await by(weak, 'POST', '/workload-rules', input)
    t.strictSame([refused.status, refused.json.code, refused.json.details], [403, 'INSUFFICIENT_PERMISSIONS', {
      requiredScopes: ['clients:write']
    }])
    const rule = await by(strong, 'POST', '/workload-rules', input)
    t.equal(rule.status, 201)
    const changes = [`/workload-rules/${rule.json.id}`, `/trusted-issuers/${issuer}`]
    for (const path of changes) {
      t.equal((await by(weak, 'PATCH', path, { name: 'y' })).status, 403, path)
      t.equal((await by(strong, 'PATCH', path, { name: 'y' })).status, 200, path)
    }
    t.equal((await by(weak, 'POST', '/workload-rules', { ...input, client: null })).status, 201, 'as itself')
  })

  tap.test(`a workload that acts as itself lets no person in, who would outlast the trust [${name}]`, async t => {
    const platform = await newPlatform('https://letting-in.acme.test')
    const { id: organization } = await server.createOrganization()
    const issuer = await make(server, '/trusted-issuers', {
      organization, name: 'x', issuer: platform.issuer, jwks: platform.jwks
    })
    await make(server, '/workload-rules', {
      issuer: issuer.id, name: 'x', claims, resource: `${url}/api/v1`, scopes: ['invitations:write']
    })
    const assertion = await platform.token({ sub: claims[0]!.value, aud: issuer.audience })
    const { json: { access_token: token } } = await trade(server, assertion)
    const answer = await server.bearer(token, '/api/v1/invitations', {
      method: 'POST', body: { organization, email: 'someone@acme.test', role: 'viewer' }
    })
    t.match([answer.status, answer.json], [403, { code: 'INSUFFICIENT_PERMISSIONS', error: /make no invitations/ }])
  })

  tap.test(`a dry run says which rule a token meets, or why not, of the own trusts alone [${name}]`, async t => {
    const platform = await newPlatform('https://shared.acme.test')
    const rows = []
    for (const which of ['own', 'other']) {
      const { organization } = await server.createClient()
      const issuer = await make(server, '/trusted-issuers', {
        organization, name: which, issuer: platform.issuer, jwks: platform.jwks, singleUse: true
      })
      const rule = await make(server, '/workload-rules', {
        issuer: issuer.id, name: which, claims, resource: url, scopes: ['invoices:read']
      })
      const key = await server.createKey({ organization, resource: `${url}/api/v1`, scopes: ['trusted-issuers:read'] })
      rows.push({ issuer, rule, key: key.key })
    }
    const [own, other] = rows as [typeof rows[0], typeof rows[0]]
    const attempt = async (key: string, assertion: string) => {
      const body = { assertion }
      return (await server.withKey(key, '/api/v1/trusted-issuers/try', { method: 'POST', body })).json
    }
    const good = await platform.token({ sub: claims[0]!.value, aud: own.issuer.audience })
    t.match(await attempt(own.key, good), {
      accepted: true, rule: own.rule.id, issuers: [{ id: own.issuer.id, rules: [{ id: own.rule.id, problem: null }] }]
    })
    t.equal((await trade(server, good)).status, 200, 'nothing was used up')
    const seen = await attempt(other.key, good)
    t.match(seen, { accepted: false, reason: 'wrong_audience', issuers: [{ id: other.issuer.id }] })
    t.equal(seen.issuers.length, 1)
    const bad = await attempt(own.key, await platform.token({ sub: 'someone', aud: own.issuer.audience }))
    t.match(bad, {
      accepted: false,
      reason: 'no_rule',
      issuers: [{ rules: [{ problem: '/sub is "someone", not "system:serviceaccount:prod:web"' }] }]
    })
    t.notMatch(server.lines.join(''), good, 'the token is in no log')
  })
}

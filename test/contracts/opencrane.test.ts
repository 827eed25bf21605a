/** OpenCrane's statements about its access API, one by one, over real HTTP. */
import tap from 'tap'
import { isManagementTokenText } from '../../src/secrets/credential-text.ts'
import { oneDatabase } from '../support/databases.ts'
import { startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'
import { routesOf } from '../support/routes.ts'
import { eventually } from '../support/waiting.ts'

const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)

/**
 * Paths outside of the API: documents that specifications place under /.well-known, and routes for people, load
 * balancers and Prometheus (OC-14).
 */
const elsewhere = /^\/(?:$|\.well-known\/|assets\/|(?:reference|dashboard)(?:\/|$)|(?:llms\.txt|healthz|readyz|prom)$)/

for (const { name, server } of servers) {
  const { send, issuer } = server

  tap.test(`OC-01: everything is under /api/v1, and an OpenAPI 3.1 document made from the code says so [${name}]`, async t => {
    const { status, headers, json } = await send({ path: '/api/v1/openapi.json' })
    t.equal(status, 200)
    t.equal(headers['content-type'], 'application/json; charset=utf-8')
    t.equal(headers['cache-control'], 'public, max-age=300')
    t.equal(json.openapi, '3.1.0')
    t.strictSame(json.servers, [{ url: issuer }])
    t.strictSame(Object.keys(json.components.securitySchemes), [
      'apiKey', 'bearer', 'oauth2', 'personSession', 'clientBasic', 'memberToken', 'registrationToken',
      'registrationAccessToken'
    ])
    const paths = Object.keys(json.paths)
    t.strictSame(paths.filter(path => !path.startsWith('/api/v1/') && !elsewhere.test(path)), [])
    t.strictSame(
      (await routesOf(server.latchkey)).map(({ url }) => url).filter(url =>
        !url.startsWith('/api/v1/') && !elsewhere.test(url)
      ),
      []
    )

    const organization = await server.createOrganization()
    const { schema } = json.paths['/api/v1/organizations/{id}'].get.responses[200].content['application/json']
    const { required, properties } = json.components.schemas[schema.$ref.split('/').at(-1)]
    const answer = await server.admin('GET', `/organizations/${organization.id}`)
    t.strictSame(Object.keys(answer.json), required, 'what is sent is what is announced')
    t.strictSame(Object.keys(properties), required)
  })
}

for (const { name, server } of servers) {
  const { admin, bearer, createClient, createKey, issuer, send, tokenFor, withKey } = server
  const as = async (token: string, method: string, path: string, body?: Json): Promise<Answer> =>
    await send({
      method,
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body })
    })
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.text}`)
    return answer.json
  }
  const auditOf = async (subject: string): Promise<string[]> =>
    (await admin('GET', `/audit?subject=${subject}`)).json.data.map(({ type }: Json) => type as string)
  const write = async (key: string): Promise<number> =>
    (await withKey(key, '/api/v1/invoices', { method: 'POST', body: {} })).status

  tap.test(`OC-04: an organization is created, listed, read, changed, suspended, resumed and ended for good [${name}]`, async t => {
    const { id, ...created } = await made('/organizations', { name: 'Tenant' })
    t.strictSame(Object.keys(created), [
      'name', 'status', 'features', 'callsPerMonth', 'creditsPerMonth', 'callsPerMinute', 'createdAt', 'suspendedAt',
      'deletedAt', 'requiresProvider', 'unverifiedClients'
    ])
    const path = `/organizations/${id}`
    t.equal((await admin('PATCH', path, { name: 'Renamed' })).json.name, 'Renamed')
    const key = await server.createKey({ organization: id })
    const client = await server.createClient({ organization: id })
    const accessToken = await server.tokenFor(client)
    const management = await made('/access-tokens', {
      organization: id, name: 'automation', scopes: ['organizations:read']
    })
    const registration = await server.createRegistrationToken({ organization: id })
    const own = await made('/resources', { organization: id, identifier: `https://${id}.test`, scopes: [] })
    const all = async () => [
      (await server.withKey(key.key)).status,
      (await server.bearer(accessToken)).status,
      (await server.tokenRequest(client)).status,
      (await as(management.token, 'GET', '/organizations')).status,
      (await send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${registration.token}` },
        body: { client_name: 'agent' }
      })).status
    ]
    t.strictSame(await all(), [200, 200, 200, 200, 201])

    const suspended = await admin('POST', `${path}/suspend`, { reason: 'unpaid' })
    t.strictSame([suspended.status, suspended.json.status], [200, 'suspended'])
    t.ok(suspended.json.suspendedAt)
    t.strictSame(await all(), [403, 403, 400, 403, 401])
    t.strictSame((await admin('POST', `${path}/resume`)).json, { id, ...created, name: 'Renamed' })
    t.strictSame(await all(), [200, 200, 200, 200, 201])

    const gone = await admin('DELETE', path)
    t.strictSame([gone.status, gone.text], [204, ''])
    t.strictSame(await all(), [401, 401, 401, 401, 401], 'every credential is dead with the next request')
    for (const answer of [await server.withKey(key.key), await as(management.token, 'GET', '/organizations')]) {
      t.equal(answer.json.code, 'UNAUTHORIZED')
    }
    const kept = (await admin('GET', path)).json
    t.match(kept, { id, name: 'Renamed', status: 'deleted', suspendedAt: null })
    t.ok((await admin('GET', `/resources/${own.id}`)).json.revokedAt, 'nothing passes for its resources')
    for (
      const [method, wrong, body] of [['PATCH', path, { name: 'x' }], ['POST', `${path}/resume`, undefined], [
        'POST', `${path}/suspend`, undefined
      ], ['POST', '/members', { organization: id, name: 'x', role: 'owner' }]] as const
    ) {
      const answer = await admin(method, wrong, body)
      t.strictSame([answer.status, answer.json.code], [409, 'ORGANIZATION_NOT_ACTIVE'], wrong)
    }
    t.equal((await made('/organizations', { name: 'Renamed' })).status, 'active', 'its name is free')
    t.strictSame((await auditOf(id)).filter(type => type !== 'audit.chain_opened'), [
      'organization.deleted', 'organization.resumed', 'organization.suspended', 'organization.updated',
      'organization.created'
    ])
    // Refusals are written after their answers.
    const reasons = async (): Promise<string[]> =>
      (await admin('GET', `/audit?subject=${management.id}&type=credential.refused`)).json.data.map((
        { detail }: Json
      ) => detail.reason)
    const refused = await eventually(reasons, ({ length }) => length === 2)
    t.strictSame(refused, ['revoked', 'organization_suspended'], 'the log knows why')
  })

  tap.test(`OC-04: an organization's own administrator neither suspends, nor resumes, nor ends it [${name}]`, async t => {
    const { id } = await server.createOrganization()
    const { token } = await made('/access-tokens', { organization: id, name: 'administrator', scopes: ['*'] })
    for (
      const [method, path] of [['POST', `/organizations/${id}/suspend`], ['POST', `/organizations/${id}/resume`], [
        'DELETE', `/organizations/${id}`
      ], ['POST', '/organizations']] as const
    ) {
      const answer = await as(
        token, method, path, method === 'POST' && path === '/organizations' ? { name: 'x' } : undefined
      )
      t.strictSame([answer.status, answer.json.code], [403, 'INSUFFICIENT_PERMISSIONS'], `${method} ${path}`)
    }
    t.equal((await as(token, 'PATCH', `/organizations/${id}`, { name: 'Own name' })).json.name, 'Own name')
    t.strictSame(
      (await as(token, 'GET', '/organizations')).json.data.map((each: Json) => each.id), [id], 'and sees no other'
    )
  })

  tap.test(`OC-06: an MCP server is a protected resource with its own metadata document [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const scopes = [{ name: 'tools:call' }, { name: 'tools:list', description: 'See the tools' }, {
      name: 'secret', keyOnly: true
    }]
    const identifier = `https://${organization.toLowerCase()}.test/mcp`
    const created = await made('/mcp-servers', {
      organization, identifier, name: 'Tools', scopes, defaultScopes: ['tools:list']
    })
    const metadataUrl = `${issuer}/.well-known/oauth-protected-resource/mcp-servers/${created.id}`
    const metadata = {
      resource: identifier,
      authorization_servers: [issuer],
      scopes_supported: ['tools:call', 'tools:list'],
      bearer_methods_supported: ['header'],
      resource_name: 'Tools'
    }
    t.strictSame(created, {
      id: created.id,
      identifier,
      name: 'Tools',
      title: null,
      description: null,
      version: '1.0.0',
      registryName: created.registryName,
      organization,
      status: 'active',
      scopes: scopes.map(scope => ({ keyOnly: false, description: null, ...scope })).map((
        { name, keyOnly, description }
      ) => ({ name, keyOnly, description })),
      defaultScopes: ['tools:list'],
      tokenLifetime: 3600,
      metadataUrl,
      metadata,
      wwwAuthenticate: `Bearer resource_metadata="${metadataUrl}", scope="tools:list"`,
      createdAt: created.createdAt,
      revokedAt: null,
    })
    const served = await send({ path: metadataUrl.slice(issuer.length) })
    t.strictSame([served.status, served.json], [200, metadata])
    t.strictSame((await admin('GET', `/mcp-servers/${encodeURIComponent(identifier)}`)).json, created, 'by its URL too')
    t.ok((await admin('GET', `/resources/${created.id}`)).json.identifier, 'it is a resource')

    const here = await made('/mcp-servers', { organization, identifier: `${issuer}/mcp/${organization}`, scopes })
    t.equal(
      here.metadataUrl, `${issuer}/.well-known/oauth-protected-resource/mcp/${organization}`,
      'on our own origin at its own well-known path'
    )
    t.strictSame((await send({ path: here.metadataUrl.slice(issuer.length) })).json, here.metadata)

    const changed = (await admin('PATCH', `/mcp-servers/${created.id}`, { scopes: [{ name: 'tools:call' }] })).json
    t.strictSame(
      [changed.defaultScopes, changed.metadata.scopes_supported], [[], ['tools:call']],
      'a default that is not declared any more is none'
    )
    const bad: [Json, string][] = [
      [{ identifier: 'urn:mcp' }, 'INVALID_REQUEST'],
      [{ identifier: 'https://x.test/#f' }, 'INVALID_REQUEST'],
      [{ identifier: 'mcp' }, 'INVALID_REQUEST'],
      [{ identifier }, 'CONFLICT'],
      [{ identifier: 'https://y.test', defaultScopes: ['nothing'] }, 'UNKNOWN_SCOPE'],
      [{ identifier: 'https://y.test', defaultScopes: ['secret'] }, 'SCOPE_API_KEY_ONLY']
    ]
    for (const [body, code] of bad) {
      t.equal(
        (await admin('POST', '/mcp-servers', { organization, scopes, ...body })).json.code, code, JSON.stringify(body)
      )
    }
    const api = await made('/resources', {
      organization, identifier: `https://api.${organization.toLowerCase()}.test`, scopes: []
    })
    for (const method of ['GET', 'DELETE']) {
      t.equal((await admin(method, `/mcp-servers/${api.id}`)).status, 404, 'an API is no MCP server')
    }

    t.equal((await admin('DELETE', `/mcp-servers/${created.id}`)).status, 204)
    t.equal((await send({ path: metadataUrl.slice(issuer.length) })).status, 404)
    t.strictSame(await auditOf(created.id), ['resource.revoked', 'resource.updated', 'resource.created'])
  })

  tap.test(`OC-06: clients that register with the organization get the default scopes of its MCP servers, unless their token says otherwise [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const [one, other] = [
      `https://one.${organization.toLowerCase()}.test/mcp`, `https://other.${organization.toLowerCase()}.test/mcp`
    ]
    for (
      const [identifier, defaultScopes] of [[one, ['tools:list']], [other, ['tools:call', 'tools:list']], [
        `${one}/none`, []
      ]] as const
    ) {
      await made('/mcp-servers', {
        organization, identifier, scopes: [{ name: 'tools:call' }, { name: 'tools:list' }], defaultScopes
      })
    }
    const register = async (input: Json) => {
      const { token } = await made('/registration-tokens', { organization, ...input })
      const answer = await send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: { client_name: 'agent', grant_types: ['client_credentials'] }
      })
      t.equal(answer.status, 201)
      const grants = (await admin('GET', `/clients/${answer.json.client_id}`)).json.grants as {
        resource: string, scopes: string[]
      }[]
      return {
        client: { clientId: answer.json.client_id, clientSecret: answer.json.client_secret },
        grants: grants.toSorted((a, b) => a.resource < b.resource ? -1 : 1)
      }
    }
    const { client, grants } = await register({})
    t.strictSame(grants, [{ resource: one, scopes: ['tools:list'] }, {
      resource: other, scopes: ['tools:call', 'tools:list']
    }])
    const token = await server.tokenRequest(client, { resource: other })
    t.strictSame([token.status, token.json.scope], [200, 'tools:call tools:list'])
    t.strictSame(
      (await register({ resource: one })).grants, [{ resource: one, scopes: ['tools:list'] }], 'the one that it names'
    )
    t.strictSame((await register({ resource: one, scopes: ['tools:call'] })).grants, [{
      resource: one, scopes: ['tools:call']
    }], 'with the scopes that it names')
    t.strictSame(
      (await register({ resource: one, scopes: [] })).grants, [{ resource: one, scopes: [] }], 'which may be none'
    )
    const { id: elsewhere } = await server.createOrganization()
    t.strictSame((await register({ organization: elsewhere })).grants, [], 'nothing of another organization')
  })

  tap.test(`OC-08: access tokens are created, listed and revoked; shown once, good for the management API alone [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { token, ...created } = await made('/access-tokens', {
      organization, name: 'terraform', scopes: ['clients:*', 'audit:read']
    })
    t.ok(isManagementTokenText(token))
    const whole = {
      id: created.id,
      hint: `…${token.slice(-4)}`,
      status: 'active',
      organization,
      name: 'terraform',
      scopes: ['clients:*', 'audit:read'],
      allowlist: [],
      createdBy: 'admin',
      creator: null,
      createdAt: created.createdAt,
      expiresAt: null,
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: null
    }
    t.strictSame(created, whole)
    t.strictSame((await admin('GET', `/access-tokens?organization=${organization}`)).json.data, [whole])
    t.strictSame((await admin('GET', `/access-tokens/${created.id}`)).json, whole)
    const rows = JSON.stringify(await server.latchkey.operation.store.managementTokens.get(created.id)) +
      server.lines.join()
    t.notOk(rows.includes(token.slice(6)), 'kept as a digest, and in no log')

    t.equal((await as(token, 'GET', '/clients')).status, 200)
    t.strictSame((await as(token, 'GET', '/principal')).json, {
      kind: 'management_token',
      id: created.id,
      name: 'terraform',
      organization,
      organizations: [organization],
      environment: 'live',
      resource: `${issuer}/api/v1`,
      access: null,
      scopes: ['clients:read', 'clients:write', 'audit:read'],
      objects: {},
      allowlist: [],
      expiresAt: null
    })
    const lacking = await as(token, 'GET', '/members')
    t.strictSame([lacking.status, lacking.json.details], [403, {
      reason: 'insufficient_scope', requiredScopes: ['members:read']
    }])
    t.strictSame(
      (await as(token, 'GET', '/clients?limit=200')).json.data.map((each: Json) => each.organization).filter((
        each: string
      ) => each !== organization),
      [],
      'confined'
    )
    t.equal((await server.bearer(token)).status, 401, 'no protected API takes it')
    t.equal((await server.withKey(token, '/api/v1/clients')).status, 401, 'nor does it travel as an API key')
    for (
      const damaged of [
        token.slice(0, -1), `${token}x`, token.replace(/.$/, (last: string) => last === 'a' ? 'b' : 'a'),
        token.toUpperCase(), token.replace('lkmat', 'lkadm')
      ]
    ) {
      t.equal((await as(damaged, 'GET', '/clients')).status, 401, damaged.length === token.length ? 'altered' : 'cut')
    }
    t.ok(
      await eventually(async () =>
        (await admin('GET', `/access-tokens/${created.id}`)).json.lastUsedAt as string | null, instant =>
        instant !== null)
    )

    const revoked = await admin('POST', `/access-tokens/${created.id}/revoke`, { reason: 'left' })
    t.match(revoked.json, { status: 'revoked', revokedReason: 'left' })
    t.equal((await as(token, 'GET', '/clients')).status, 401, 'from the next request on')
    t.strictSame((await auditOf(created.id)).filter(type => type !== 'credential.refused'), [
      'access_token.revoked', 'access_token.created'
    ])
    t.equal((await admin('PATCH', `/access-tokens/${created.id}`, { name: 'x' })).json.code, 'CREDENTIAL_REVOKED')
  })

  tap.test(`OC-08: who may introspect for the management API is told about its tokens, nobody else [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const expiresAt = new Date(Math.floor(server.clock.now().getTime() / 1_000) * 1_000 + 60_000)
    const { id, token } = await made('/access-tokens', {
      organization,
      name: 'automation',
      scopes: ['audit:read'],
      allowlist: ['192.0.2.1'],
      expiresAt: expiresAt.toISOString()
    })
    const asked = async (client: { clientId: string, clientSecret: string }) =>
      (await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        body: new URLSearchParams({ client_id: client.clientId, client_secret: client.clientSecret, token })
      })).json
    const gateway = await server.createClient({ organization, introspects: [`${issuer}/api/v1`] })
    t.match(await asked(gateway), {
      active: true,
      scope: 'audit:read',
      token_type: 'Bearer',
      exp: expiresAt.getTime() / 1_000,
      sub: id,
      aud: `${issuer}/api/v1`,
      org_id: organization,
      allowed_addresses: ['192.0.2.1']
    })
    t.strictSame(await asked(await server.createClient({ organization, introspects: [issuer] })), { active: false })
    await admin('DELETE', `/access-tokens/${id}`)
    t.strictSame(await asked(gateway), { active: false })
  })

  tap.test(`OC-08: an access token ends with its day, comes from its addresses, and never does more than its maker [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'admin' })
    const expiresAt = new Date(server.clock.now().getTime() + 60_000).toISOString()
    const { id, token } = await made('/access-tokens', {
      organization, name: 'Ada\'s', scopes: ['*'], creator: member.id, expiresAt, allowlist: ['127.0.0.1']
    })
    const status = async (path: string, method = 'GET', body?: Json) => (await as(token, method, path, body)).status
    t.strictSame([await status('/clients'), await status('/members', 'POST', { name: 'Bob', role: 'viewer' })], [
      200, 201
    ])
    t.equal(
      (await send({ path: '/api/v1/clients', headers: { authorization: `Bearer ${token}` }, from: '127.0.0.2' })).json
        .details.reason,
      'ip_whitelist_mismatch'
    )
    await admin('PATCH', `/members/${member.id}`, { role: 'viewer' })
    t.strictSame([await status('/clients'), await status('/members', 'POST', { name: 'Bob', role: 'viewer' })], [
      200, 403
    ], 'what its creator may do now')
    const narrow = await made('/access-tokens', {
      organization, name: 'narrow', scopes: ['access-tokens:write', 'clients:read']
    })
    for (const scopes of [['*'], ['clients:*'], ['audit:read']]) {
      const answer = await as(narrow.token, 'POST', '/access-tokens', { name: 'more', scopes })
      t.strictSame([answer.status, answer.json.code], [403, 'INSUFFICIENT_PERMISSIONS'], String(scopes))
    }
    const own = await as(narrow.token, 'POST', '/access-tokens', { name: 'less', scopes: ['clients:read'] })
    t.strictSame([own.status, own.json.organization, own.json.createdBy], [201, organization, narrow.id])
    t.equal(
      (await as(narrow.token, 'PATCH', `/access-tokens/${id}`, { expiresAt: null })).status, 403,
      'nor lets a stronger one live longer'
    )
    t.equal(
      (await as(narrow.token, 'POST', '/access-tokens', { organization: null, name: 'all', scopes: [] })).status, 403
    )
    await admin('DELETE', `/members/${member.id}`)
    t.equal(await status('/clients'), 403, 'a member who is gone may do nothing')
    server.clock.advance(60)
    t.equal(await status('/clients'), 401)
    t.equal((await admin('GET', `/access-tokens/${id}`)).json.status, 'expired')
  })

  tap.test(`OC-08: a token of the whole deployment is made by the admin token alone, and does what its scopes say [${name}]`, async t => {
    const { token, organization } = await made('/access-tokens', {
      organization: null,
      name: 'operator',
      scopes: ['organizations:*', 'members:read', 'access-tokens:write', 'signing-keys:read']
    })
    t.equal(organization, null)
    const created = await as(token, 'POST', '/organizations', { name: 'By automation' })
    t.equal(created.status, 201)
    t.equal((await as(token, 'POST', `/organizations/${created.json.id}/suspend`)).status, 200)
    t.equal((await as(token, 'GET', '/members')).status, 200)
    t.equal((await as(token, 'GET', '/signing-keys')).status, 200)
    t.equal((await as(token, 'GET', '/clients')).status, 403)
    t.equal(
      (await as(token, 'POST', '/access-tokens', { organization: null, name: 'another', scopes: ['members:read'] }))
        .status,
      403
    )
    await as(token, 'POST', `/organizations/${created.json.id}/resume`)
    t.equal(
      (await as(token, 'POST', '/access-tokens', {
        organization: created.json.id, name: 'its own', scopes: ['members:read']
      })).status,
      201
    )
    t.equal(
      (await as(token, 'POST', '/access-tokens', {
        organization: created.json.id, name: 'more', scopes: ['clients:read']
      })).status,
      403
    )
  })

  tap.test(`OC-16: collections are {data, pagination}, by cursors that survive what is added and are good for nothing else [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const add = async (count: number) => {
      for (let i = 0; i < count; i++) await made('/members', { organization, name: `member ${i}`, role: 'viewer' })
    }
    await add(7)
    const path = `/members?organization=${organization}`
    const expected = (await admin('GET', path)).json.data.map((each: Json) => each.id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = (await admin('GET', `${path}&limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`)).json
      t.strictSame(Object.keys(page), ['data', 'pagination'])
      t.strictSame(
        Object.keys(page.pagination),
        page.pagination.hasMore ? ['limit', 'hasMore', 'nextCursor'] : ['limit', 'hasMore']
      )
      t.equal(page.pagination.limit, 3)
      seen.push(...page.data.map((each: Json) => each.id))
      await add(1)
      cursor = page.pagination.nextCursor
    } while (cursor !== undefined)
    t.strictSame(seen, expected, 'each once, whatever was added meanwhile')
    const { nextCursor } = (await admin('GET', `${path}&limit=1`)).json.pagination
    for (
      const wrong of [
        `/clients?cursor=${nextCursor}`,
        `/members?cursor=${nextCursor.replace(/^./, (first: string) => first === 'W' ? 'X' : 'W')}`,
        `/members?cursor=${nextCursor.split('.')[0]}`, '/members?cursor=x', '/members?cursor='
      ]
    ) {
      const answer = await admin('GET', wrong)
      t.strictSame([answer.status, answer.json.code, answer.json.details], [400, 'INVALID_REQUEST', {
        field: 'cursor'
      }], wrong)
    }
    for (const limit of ['0', '-1', '201', '1000000000', 'x']) {
      t.equal((await admin('GET', `/members?limit=${limit}`)).status, 400, limit)
    }
    t.equal((await admin('GET', '/members?limit=200')).json.pagination.limit, 200)
    t.equal((await admin('GET', '/members')).json.pagination.limit, 100)
  })

  tap.test(`OC-13: an operator reads the health of the server as JSON [${name}]`, async t => {
    const { status, json } = await admin('GET', '/health')
    t.equal(status, 200)
    t.strictSame(Object.keys(json), ['status', 'version', 'startedAt', 'uptimeSeconds', 'checks'])
    t.equal(json.status, 'ready')
    t.ok(Date.parse(json.startedAt) <= Date.now())
    t.strictSame(Object.keys(json.checks), ['serving', 'database', 'disk_space', 'feed', 'migrations', 'signing_key'])
    for (const [check, outcome] of Object.entries(json.checks)) {
      t.match(outcome, { ok: true, problem: null, milliseconds: Number }, check)
    }
  })

  tap.test(`OC-13: an operator reads aggregate numbers as JSON, and they are what happened [${name}]`, async t => {
    const before = (await admin('GET', '/metrics')).json
    const client = await createClient()
    const { key } = await createKey()
    const token = await tokenFor(client)
    t.equal((await bearer(token)).status, 200)
    for (let i = 0; i < 3; i++) t.equal((await withKey(key)).status, 200)
    t.equal((await withKey(`${key}x`)).status, 401)
    const { status, json: after } = await admin('GET', '/metrics')
    t.equal(status, 200)
    t.strictSame(Object.keys(after), [
      'requests', 'verdicts', 'tokensIssued', 'registry', 'database', 'pruned', 'eventLoop', 'memory'
    ])
    t.equal(after.tokensIssued.client_credentials - (before.tokensIssued.client_credentials ?? 0), 1)
    t.equal((after.verdicts.byReason.malformed ?? 0) - (before.verdicts.byReason.malformed ?? 0), 1)
    t.equal(after.verdicts.refused - before.verdicts.refused, 1)
    // Five by the admin token (two organizations, a client, a key and the second reading of the metrics), three by the
    // key, one by the token.
    t.equal(after.verdicts.admitted - before.verdicts.admitted, 9)
    t.equal(after.requests.byStatus['4xx'] - (before.requests.byStatus['4xx'] ?? 0), 1)
    t.ok(after.database.transactions.committed >= before.database.transactions.committed + 4)
    t.ok(after.database.openTransactions <= 1, 'at most one that writes what was refused')
  })

  tap.test(`OC-13: a credential of an organization sees neither, nor does nobody [${name}]`, async t => {
    const { key } = await createKey({ resource: `${server.issuer}/api/v1`, scopes: ['server:read'] })
    for (const path of ['/api/v1/health', '/api/v1/metrics']) {
      t.equal((await send({ path })).status, 401)
      const refused = await withKey(key, path)
      t.equal(refused.status, 403)
      t.strictSame(Object.keys(refused.json), ['error', 'code'])
      t.equal(refused.json.code, 'INSUFFICIENT_PERMISSIONS')
    }
  })

  tap.test(`OC-14: /healthz and /prom answer without credential and prefix, and so does /readyz [${name}]`, async t => {
    const alive = await send({ path: '/healthz' })
    t.equal(alive.status, 200)
    t.strictSame(alive.json, { status: 'alive' })
    t.equal(alive.headers['cache-control'], 'no-store')
    const ready = await send({ path: '/readyz' })
    t.equal(ready.status, 200)
    t.strictSame(ready.json, { status: 'ready' })
    const prom = await send({ path: '/prom' })
    t.equal(prom.status, 200)
    t.match(prom.headers['content-type'], /^text\/plain; version=0\.0\.4/)
    t.match(prom.text, /^latchkey_guard_verdicts_total\{verdict="admitted",credential="admin_token"\} \d+$/m)
    for (const prefixed of ['/api/v1/healthz', '/api/v1/prom', '/api/v1/readyz']) {
      t.equal((await send({ path: prefixed })).status, 404, prefixed)
    }
    t.equal(
      (await send({ path: '/healthz', headers: { authorization: 'Bearer nonsense', 'x-api-key': 'nonsense' } })).status,
      200, 'a credential makes no difference'
    )
  })

  tap.test(`OC-05: access policies are created, listed, read, changed and deleted, and take effect on requests [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization, scopes: ['invoices:read', 'invoices:write'] })
    const client = await server.createClient({ organization, scopes: ['invoices:read', 'invoices:write'] })
    t.equal(await write(key), 201)
    const policy = await made('/policies', {
      organization, name: 'read only', effect: 'deny', conditions: { scopes: ['*:write'] }
    })
    t.equal(await write(key), 403, 'at the guard')
    t.equal((await withKey(key)).status, 200)
    t.equal((await server.tokenRequest(client)).json.scope, 'invoices:read', 'at the token endpoint')
    t.strictSame((await admin('GET', `/policies/${policy.id}`)).json, policy)
    t.strictSame((await admin('GET', `/policies?organization=${organization}`)).json, {
      data: [policy], pagination: { limit: 100, hasMore: false }
    })

    await admin('PATCH', `/policies/${policy.id}`, { conditions: { scopes: ['*:write'], addresses: ['192.0.2.0/24'] } })
    t.equal(await write(key), 201, 'a change is true at the next request')
    await admin('PATCH', `/policies/${policy.id}`, { effect: 'allow' })
    t.equal(await write(key), 403, 'nothing else is allowed from here')
    t.equal((await admin('DELETE', `/policies/${policy.id}`)).status, 204)
    t.equal(await write(key), 201)
    const types = (await admin('GET', `/audit?subject=${policy.id}`)).json.data.map(({ type }: Json) => type)
    t.strictSame(new Set(types), new Set(['policy.created', 'policy.updated', 'policy.deleted']))
  })

  tap.test(`OC-07: groups are created, listed, read, changed and deleted, and members inherit a group's scopes [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'viewer' })
    const { key } = await server.createKey({ organization, access: 'full', scopes: [], creator: member.id })
    t.equal(await write(key), 403)
    const group = await made('/groups', { organization, name: 'billing', scopes: ['invoices:*'] })
    t.equal((await admin('PUT', `/groups/${group.id}/members/${member.id}`)).status, 200)
    t.equal(await write(key), 201, 'a key that was made before its creator joined')
    t.strictSame((await admin('GET', `/groups/${group.id}`)).json, group)
    t.strictSame((await admin('GET', `/groups?organization=${organization}`)).json, {
      data: [group], pagination: { limit: 100, hasMore: false }
    })
    t.equal((await admin('PATCH', `/groups/${group.id}`, { scopes: ['invoices:read'] })).status, 200)
    t.equal(await write(key), 403)
    await admin('PATCH', `/groups/${group.id}`, { scopes: ['*:write'] })
    t.equal((await admin('DELETE', `/groups/${group.id}/members/${member.id}`)).status, 204)
    t.equal(await write(key), 403)
    t.equal((await admin('DELETE', `/groups/${group.id}`)).status, 204)
    t.equal((await admin('GET', `/groups/${group.id}`)).status, 404)
  })

  tap.test(`OC-17: what an organization's credentials can do is compiled from policies, groups and scopes, and is what the guard does [${name}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const member = await made('/members', { organization, name: 'Ada', role: 'viewer' })
    const group = await made('/groups', { organization, name: 'billing', scopes: ['invoices:*'] })
    await admin('PUT', `/groups/${group.id}/members/${member.id}`)
    const policy = await made('/policies', {
      organization, name: 'x', effect: 'deny', conditions: { scopes: ['company:read'], kinds: ['api_key'] }
    })
    const keys = [
      await server.createKey({ organization, access: 'full', scopes: [], creator: member.id }),
      await server.createKey({ organization }),
      await server.createKey({ organization, access: 'read-only', scopes: [] })
    ]
    const { data } =
      (await admin('GET', `/organizations/${organization}/effective-access?resource=${encodeURIComponent(issuer)}`))
        .json
    t.equal(data.length, keys.length)
    for (const { id, key } of keys) {
      const { access } = data.find(({ credential }: Json) => credential === id)
      t.strictSame(access[0].scopes, (await withKey(key, '/api/v1/api-key')).json.scopes)
    }
    const lines = data.find(({ credential }: Json) => credential === keys[0]!.id).access[0].lines
    t.match(lines.find(({ scope }: Json) => scope === 'invoices:write'), {
      usable: true, reasons: [{ by: 'access_level' }, { by: 'group', id: group.id }]
    })
    t.match(lines.find(({ scope }: Json) => scope === 'company:read'), {
      usable: false,
      reasons: [{ by: 'access_level' }, { by: 'role', name: 'viewer' }, {
        effect: 'takes_away', by: 'policy', id: policy.id
      }]
    })
  })

  tap.test(`OC-17: drift between what is live and what is stored is reported, and repaired only when that is asked for [${name}]`, async t => {
    const report = await admin('GET', '/effective-access/drift')
    t.match(report.json, { differences: 0, replicas: [{ replica: /^rpl_/, differences: [] }] })
    const before = (await admin('GET', '/audit?type=effective_access.repaired')).json.data.length
    t.match(
      (await admin('POST', '/effective-access/repair')).json, { dryRun: true, differences: 0 }, 'a dry run by default'
    )
    t.equal((await admin('GET', '/audit?type=effective_access.repaired')).json.data.length, before)
    t.match((await admin('POST', '/effective-access/repair', { dryRun: false })).json, {
      dryRun: false, differences: 0
    })
    t.equal((await admin('GET', '/audit?type=effective_access.repaired')).json.data.length, before + 1)
  })
}

// Servers of their own: the tests move their clock.
const audited = await startOnEachDatabase()
tap.teardown(audited.close)

for (const { name, server } of audited.servers) {
  const { admin, issuer, send, clock } = server

  tap.test(`OC-11: the audit log is filtered by tenant, a page has 100 rows unless asked otherwise, and a cursor leads on [${name}]`, async t => {
    const [tenant, other] = [
      (await server.createOrganization('tenant')).id, (await server.createOrganization('other')).id
    ]
    for (let i = 0; i < 104; i++) await admin('PATCH', `/organizations/${tenant}`, { name: `name ${i}` })
    await admin('PATCH', `/organizations/${other}`, { name: 'not yours' })

    const first = (await admin('GET', `/audit?organization=${tenant}`)).json
    t.strictSame(Object.keys(first), ['data', 'pagination'])
    t.strictSame([first.data.length, first.pagination.limit, first.pagination.hasMore], [100, 100, true])
    t.strictSame(Object.keys(first.data[0]), [
      'id', 'createdAt', 'type', 'actor', 'organization', 'subject', 'address', 'requestId', 'detail'
    ])
    const second = (await admin('GET', `/audit?organization=${tenant}&cursor=${first.pagination.nextCursor}`)).json
    t.strictSame([second.data.length, second.pagination], [5, { limit: 100, hasMore: false }])
    const all: Json[] = [...first.data, ...second.data]
    t.equal(new Set(all.map(({ id }) => id)).size, 105, 'each row once')
    t.ok(all.every(({ organization }) => organization === tenant), 'and none of another tenant')
    t.equal(all.at(-1)!.type, 'organization.created', 'newest first')
    t.equal((await admin('GET', `/audit?organization=${tenant}&limit=7`)).json.data.length, 7)

    const { key } = await server.createKey({
      organization: other, resource: `${issuer}/api/v1`, scopes: ['audit:read']
    })
    const asTenant = await send({ path: `/api/v1/audit?organization=${tenant}`, headers: { 'x-api-key': key } })
    t.strictSame(
      [...new Set((asTenant.json.data as Json[]).map(({ organization }) => organization))], [other],
      'who belongs to a tenant sees that one, whatever it asks for'
    )
  })

  tap.test(`OC-12: token usage is queried by organization, client and time, a row for each client and minute [${name}]`, async t => {
    clock.stop()
    clock.advance(3_600)
    const client = await server.createClient()
    const sibling = await server.createClient({ organization: client.organization })
    const stranger = await server.createClient()
    const minute = (): string => new Date(Math.floor(clock.now().getTime() / 60_000) * 60_000).toISOString()
    const began = minute()
    for (let i = 0; i < 3; i++) await server.tokenFor(client)
    await server.tokenFor(sibling)
    await server.tokenFor(stranger)
    t.equal((await server.tokenRequest({ ...client, clientSecret: 'wrong' })).status, 401, 'and one that was refused')
    clock.advance(60)
    for (let i = 0; i < 2; i++) await server.tokenFor(client)
    const usage = async (query: string): Promise<Json> => (await admin('GET', `/usage/tokens?${query}`)).json

    t.strictSame(await usage(`client=${client.clientId}`), {
      data: [
        { client: client.clientId, organization: client.organization, minute: minute(), tokens: 2 },
        { client: client.clientId, organization: client.organization, minute: began, tokens: 3 },
      ],
      pagination: { limit: 100, hasMore: false },
    })
    const tokens = async (query: string) => ((await usage(query)).data as Json[]).map(row => row.tokens).sort()
    t.strictSame(await tokens(`organization=${client.organization}`), [1, 2, 3])
    t.strictSame(await tokens(`client=${client.clientId}&from=${minute()}`), [2])
    t.strictSame(await tokens(`client=${client.clientId}&until=${minute()}`), [3])
    t.strictSame(await tokens(`client=${client.clientId}&organization=${stranger.organization}`), [])
    const pages: Json[] = []
    for (let cursor: string | undefined, more = true; more;) {
      const page = await usage(
        `organization=${client.organization}&limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`
      )
      pages.push(...page.data)
      more = page.pagination.hasMore
      cursor = page.pagination.nextCursor
    }
    t.strictSame(pages, (await usage(`organization=${client.organization}`)).data, 'page by page the same')
    for (const query of ['from=yesterday', 'limit=0', 'cursor=x', 'minute=1']) {
      t.match(await admin('GET', `/usage/tokens?${query}`), { status: 400, json: { code: 'INVALID_REQUEST' } }, query)
    }

    const { key } = await server.createKey({
      organization: stranger.organization, resource: `${issuer}/api/v1`, scopes: ['usage:read']
    })
    const asStranger = await send({
      path: `/api/v1/usage/tokens?organization=${client.organization}`, headers: { 'x-api-key': key }
    })
    t.strictSame(
      (asStranger.json.data as Json[]).map(row => row.client), [stranger.clientId],
      'an organization sees its own clients'
    )
  })
}

for (const { name, server } of servers) {
  const { admin, send, issuer, adminToken } = server

  tap.test(`OC-02: the static token travels as a bearer credential, the CLI takes it as --token, and every use is in the audit log [${name}]`, async t => {
    const asked = async (headers: Record<string, string>) =>
      (await send({ path: '/api/v1/organizations', headers })).status
    t.equal(await asked({ authorization: `Bearer ${adminToken}` }), 200)
    for (
      const wrong of [
        `Bearer ${adminToken}x`, `Bearer ${adminToken.slice(0, -1)}`, `Bearer ${adminToken.toUpperCase()}`,
        `Basic ${adminToken}`, 'Bearer'
      ]
    ) t.equal(await asked({ authorization: wrong }), 401, wrong.slice(0, 12))
    t.equal(await asked({ 'x-api-key': adminToken }), 401, 'it is no API key')
    t.equal((await server.bearer(adminToken)).status, 401, 'and good for the management API alone')
    const cli = async (token: string) =>
      await run(process.execPath, [latchkeyCommand, '--url', issuer, '--token', token, '--json', 'org', 'list'], {
        env: ownEnvironment({})
      })
    const listed = await cli(adminToken)
    t.equal(listed.code, 0, listed.stderr)
    t.strictSame(Object.keys(JSON.parse(listed.stdout)), ['data', 'pagination'])
    t.match(await cli(`${adminToken}x`), { code: 1 })
    t.match((await admin('GET', '/audit?type=admin_token.used')).json.data[0], {
      actor: 'admin', subject: 'admin', address: '127.0.0.1'
    })
  })

  tap.test(`OC-15: every refusal of the management API is {error, code}, with details at most [${name}]`, async t => {
    const { id } = await server.createOrganization()
    const { key } = await server.createKey({ resource: `${issuer}/api/v1`, scopes: ['clients:read'] })
    const authorization = `Bearer ${adminToken}`
    const json = { authorization, 'content-type': 'application/json' }
    const refusals: [number, string, Parameters<typeof send>[0]][] = [
      [400, 'INVALID_REQUEST', { method: 'POST', path: '/api/v1/organizations', headers: json, body: '{' }],
      [400, 'INVALID_REQUEST', { method: 'POST', path: '/api/v1/organizations', headers: json, body: '{"name":1}' }],
      [400, 'INVALID_REQUEST', { path: '/api/v1/organizations?limit=0', headers: { authorization } }],
      [401, 'UNAUTHORIZED', { path: '/api/v1/organizations' }],
      [401, 'UNAUTHORIZED', { path: '/api/v1/organizations', headers: { authorization: 'Bearer x' } }],
      [403, 'INSUFFICIENT_PERMISSIONS', { path: '/api/v1/organizations', headers: { 'x-api-key': key } }],
      [404, 'NOT_FOUND', { path: '/api/v1/organizations/org_none', headers: { authorization } }],
      [404, 'NOT_FOUND', { path: '/api/v1/nothing-here', headers: { authorization } }],
      [412, 'PRECONDITION_FAILED', {
        method: 'PATCH',
        path: `/api/v1/organizations/${id}`,
        headers: { ...json, 'if-match': '"99"' },
        body: '{"name":"x"}'
      }],
      [413, 'PAYLOAD_TOO_LARGE', {
        method: 'POST',
        path: '/api/v1/organizations',
        headers: json,
        body: JSON.stringify({ name: 'x'.repeat(100_000) })
      }],
      [415, 'UNSUPPORTED_MEDIA_TYPE', {
        method: 'POST',
        path: '/api/v1/organizations',
        headers: { authorization, 'content-type': 'application/xml' },
        body: '<x/>'
      }]
    ]
    for (const [status, code, request] of refusals) {
      const answer = await send(request)
      t.strictSame([answer.status, answer.json.code], [status, code], `${request.method ?? 'GET'} ${request.path}`)
      t.strictSame(Object.keys(answer.json).filter(member => member !== 'details'), ['error', 'code'])
      t.match(answer.json.error, /^\S.+[.?]$/s, 'a sentence for people')
      t.match(answer.headers['content-type'], /^application\/json/)
    }
  })
}

/**
 * Isolation of organizations on the management API: who may see and change which record. Titles carry the ids of the
 * security requirements.
 */
import tap, { type Test } from 'tap'
import {
  administratorsOnly, identityProviders, collections, deploymentOnly, managementScopes, ofGateways, requestsFor, tenant
} from '../support/tenant.ts'
import { oneDatabase } from '../support/databases.ts'
import { startOnEachDatabase, type Answer, type Json, type Outgoing, type TestServer } from '../support/test-server.ts'
import { routesOf } from '../support/routes.ts'

/** The whole state that a request could have changed. */
async function stateOf (server: TestServer): Promise<Json> {
  const state: Json = {}
  for (const collection of collections) {
    state[collection] = (await server.admin('GET', `/${collection}?limit=200`)).json.data.map((
      { lastUsedAt: _, ...row }: Json
    ) => row)
  }
  return state
}

/** The exact members of a refusal, so that a leak fails. */
function plainRefusal (t: Test, answer: Answer, why: string): void {
  const members = Object.keys(answer.json).filter(member => member !== 'details')
  t.strictSame(members, ['error', 'code'], why)
  const details = Object.keys(answer.json.details ?? {}).filter(member =>
    !['reason', 'requiredScopes'].includes(member)
  )
  t.strictSame(details, [], why)
}

const { servers, close } = await startOnEachDatabase({ environment: identityProviders }, oneDatabase)
tap.teardown(close)
const inhabited = await Promise.all(servers.map(async ({ name, server }) => ({
  database: name, server, victim: await tenant(server, 'victim'), attacker: await tenant(server, 'attacker'),
})))

for (const { database, server, victim, attacker } of inhabited) {
  const { issuer, send } = server
  const ask = (method: string, { path, body }: { path: string, body?: Json }, headers: Outgoing['headers'] = {}) =>
    send({ method, path: `/api/v1${path}`, headers, ...(body === undefined ? {} : { body }) })

  tap.test(`W3: no route of the management API does anything for a stranger, a neighbour, or a credential without its scope [${database}]`, async t => {
    const requests = requestsFor(victim, issuer)
    const known = new Set([...Object.keys(requests), ...ofGateways])
    // Routes of partners take scopes that no organization gives: test/people/partners.test.ts. Answers are kept for
    // their own actor: test/management/kept-answers.test.ts.
    const present = (await routesOf(server.latchkey)).filter(({ url, method }) =>
      url.startsWith('/api/v1/') && method !== 'HEAD' &&
      !/^\/api\/v1\/(auth|oauth|guard|forward-auth|portal|verify$|api-key$|principal$|idempotency-keys|openapi\.json$)/.test(url)
    )
    t.ok(present.length >= 26)
    t.strictSame(
      present.map(({ method, url }) => `${method} ${url.slice('/api/v1'.length)}`).filter(each => !known.has(each)), [],
      'every route is in the matrix'
    )

    const foreignKey = await attacker.managementKey(managementScopes)
    const foreignToken = await server.tokenFor(attacker.managementClient)
    const revoked = await victim.managementKey(managementScopes)
    await server.admin('POST', `/api-keys/${revoked.id}/revoke`)
    const expired = await server.createKey({
      organization: victim.organization,
      resource: `${issuer}/api/v1`,
      scopes: managementScopes,
      expiresAt: new Date(server.clock.now().getTime() + 60_000).toISOString()
    })
    server.clock.advance(60)
    const apiCredentials = {
      'a key of the API': { 'x-api-key': victim.apiKey.key },
      'a token of the API': { authorization: `Bearer ${await server.tokenFor(victim.client)}` }
    }
    const narrow = new Map<string, string>()
    for (const scope of managementScopes) {
      narrow.set(
        scope, (await victim.managementKey(managementScopes.filter(each => each !== scope))).key
      )
    }

    const before = await stateOf(server)
    for (const [route, request] of Object.entries(requests)) {
      const method = route.split(' ')[0]!
      const strangers: Record<string, Outgoing['headers']> = {
        nobody: {},
        'a revoked key': { 'x-api-key': revoked.key },
        'an expired key': { 'x-api-key': expired.key },
        'a management key as Bearer': { authorization: `Bearer ${foreignKey.key}` },
        'a wrong admin token': { authorization: `Bearer ${server.adminToken}x` },
        'the admin token as a key': { 'x-api-key': server.adminToken },
        ...apiCredentials,
      }
      for (const [who, headers] of Object.entries(strangers)) {
        const answer = await ask(method, request, headers)
        t.equal(answer.status, 401, `${who}: ${route}`)
        plainRefusal(t, answer, `${who}: ${route}`)
        t.match(answer.headers['www-authenticate'], /^Bearer /)
      }
      const lacking = await ask(method, request, { 'x-api-key': narrow.get(request.scope)! })
      t.equal(lacking.status, 403, `without ${request.scope}: ${route}`)
      t.match(lacking.json, {
        code: 'INSUFFICIENT_PERMISSIONS', details: { reason: 'insufficient_scope', requiredScopes: [request.scope] }
      })
      plainRefusal(t, lacking, route)
      const neighbours: Record<string, string>[] = [{ 'x-api-key': foreignKey.key }, {
        authorization: `Bearer ${foreignToken}`
      }]
      for (const headers of neighbours) await neighbour(t, route, method, request, headers)
    }
    t.strictSame(await stateOf(server), before, 'nothing changed')
  })

  async function neighbour (
    t: Test, route: string, method: string, request: { path: string, body?: Json, collection?: string },
    headers: Outgoing['headers']
  ): Promise<void> {
    const answer = await ask(method, request, headers)
    if (request.collection === 'list') {
      t.equal(answer.status, 200, route)
      t.notOk(answer.text.includes(victim.organization), `${route} shows nothing of the neighbour`)
      for (
        const trace of [
          'victim', victim.client.clientId, victim.member.id, victim.group.id, victim.policy.id, victim.apiKey.id,
          victim.publishableKey.id, victim.webhookToken.id, victim.registrationToken.id, victim.accessToken.id,
          victim.mcpServer.id, victim.invitation.id, victim.trustedProvider.id, victim.emailDomain.id,
          victim.clientApproval.id, victim.skill.id, victim.source.id, victim.authorization.id, victim.consent.id
        ]
      ) t.notOk(answer.text.includes(trace), `${route} has no ${trace}`)
      return
    }
    const expected = deploymentOnly.includes(route) ? 403 : 404
    t.equal(answer.status, expected, `a neighbour: ${route}`)
    plainRefusal(t, answer, `a neighbour: ${route}`)
    if (expected !== 404) return
    const nowhere = await ask(method, {
      ...request,
      path: request.path.replace(/(org|mem|grp|pol|res|cli|key|pbk|wht|rgt|mat|inv|trp|dom|cap|aut|cns|skl|tps)_\w+|https%3A%2F%2F[^/]*/, '$1_nowhere'),
      ...(request.body && !Buffer.isBuffer(request.body)
        ? {
            body: {
              ...request.body,
              ...(request.body.organization ? { organization: 'org_nowhere' } : {}),
              ...(request.body.apiKey ? { apiKey: 'key_nowhere' } : {})
            }
          }
        : {})
    }, headers)
    t.equal(nowhere.status, 404)
    const neutral = (text: string) => text.replace(/\\"[^"]*\\"/g, 'it')
    t.equal(
      neutral(answer.text), neutral(nowhere.text), `${route}: what is a neighbour's is answered like what is not there`
    )
  }

  tap.test(`W3: the owner can do all of it, so the matrix asks for something [${database}]`, async t => {
    const own = await tenant(server, 'owner')
    const { key } = await own.managementKey(managementScopes)
    for (const [route, request] of Object.entries(requestsFor(own, issuer))) {
      const answer = await ask(route.split(' ')[0]!, request, { 'x-api-key': key })
      const expected = [...deploymentOnly, ...administratorsOnly].includes(route)
        ? 403
        : route === 'POST /resources'
          ? 409
          : request.collection === 'create' || route === 'POST /organizations/:id/virtual-key'
            ? 201
            : route.startsWith('DELETE')
              ? 204
              : 200
      t.equal(answer.status, expected, `${route}: ${answer.text.slice(0, 200)}`)
    }
  })

  tap.test(`W3: an organization changes nothing that is the deployment's [${database}]`, async t => {
    const { key } = await attacker.managementKey(managementScopes)
    const before = await stateOf(server)
    const requests: [string, string, Json?][] = [
      ['PATCH', '/resources/res_host', { scopes: [] }],
      ['PATCH', '/resources/res_management', { name: 'mine' }],
      ['POST', '/resources/res_host/revoke'],
      ['POST', '/organizations', { name: 'another' }],
      ['PATCH', `/organizations/${attacker.organization}`, { status: 'suspended' }],
      ['POST', `/organizations/${attacker.organization}/suspend`],
      ['POST', `/organizations/${attacker.organization}/resume`],
      ['DELETE', `/organizations/${attacker.organization}`],
      ['DELETE', '/resources/res_host'],
      ['POST', '/access-tokens', { organization: null, name: 'x', scopes: [] }],
      ['POST', '/mcp-servers', { identifier: `${issuer}/mcp`, scopes: [] }],
      ['POST', '/signing-keys/rotate', { now: true }],
      ['POST', '/signing-keys/x/revoke', { reason: 'x' }],
      ['GET', '/signing-keys'],
    ]
    for (const [method, path, body] of requests) {
      const answer = await ask(method, { path, ...(body ? { body } : {}) }, { 'x-api-key': key })
      t.equal(answer.status, 403, `${method} ${path}`)
      t.equal(answer.json.code, 'INSUFFICIENT_PERMISSIONS')
    }
    t.strictSame(await stateOf(server), before)
    const elsewhere = await ask('POST', {
      path: '/resources',
      body: { identifier: 'https://attacker.test/owned', organization: victim.organization, scopes: [] }
    }, { 'x-api-key': key })
    t.equal(elsewhere.status, 404, 'what it would create for another organization is not created')
    for (const organization of [victim.organization, 'org_nowhere']) {
      const grant = await ask('POST', {
        path: '/api-keys',
        body: {
          organization: attacker.organization,
          resource: victim.resource.identifier,
          environment: 'live',
          name: 'x',
          scopes: ['read']
        }
      }, { 'x-api-key': key })
      t.match(grant.json, { code: 'UNKNOWN_RESOURCE' }, organization)
    }
  })

  tap.test(`Y2: nobody hands on more of the management API than they have [${database}]`, async t => {
    const management = `${issuer}/api/v1`
    const { key } = await attacker.managementKey([
      'api-keys:write', 'clients:write', 'registration-tokens:write', 'access-tokens:write'
    ])
    const headers = { 'x-api-key': key }
    const before = await stateOf(server)
    const powerful = attacker.managementClient.clientId
    const grants = [{ resource: management, scopes: ['audit:read'] }]
    const { organization } = attacker
    const requests: [string, string, Json][] = [
      ['POST', '/api-keys', { resource: management, environment: 'live', name: 'x', scopes: ['audit:read'] }],
      ['PATCH', `/api-keys/${attacker.apiKey.id}`, { scopes: ['audit:read'] }],
      ['POST', '/clients', { name: 'x', grants }],
      ['PATCH', `/clients/${attacker.client.clientId}`, { grants }],
      ['POST', '/registration-tokens', { resource: management, scopes: ['audit:read'] }],
      ['POST', `/clients/${powerful}/rotate-secret`, { overlapSeconds: 60 }],
      ['POST', '/access-tokens', { name: 'x', scopes: ['audit:read'] }],
      ['POST', '/access-tokens', { name: 'x', scopes: ['*'] }],
      ['PATCH', `/access-tokens/${attacker.accessToken.id}`, { scopes: ['clients:write'] }],
      ['PATCH', `/access-tokens/${attacker.accessToken.id}`, { allowlist: [] }],
      ['PATCH', `/access-tokens/${attacker.accessToken.id}`, { expiresAt: null }],
    ]
    for (const [method, path, body] of requests) {
      const answer = await ask(method, {
        path, body: method === 'POST' && !path.includes('rotate') ? { organization, ...body } : body
      }, headers)
      t.ok([400, 403].includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text.slice(0, 120)}`)
    }
    t.strictSame(await stateOf(server), before, 'nothing changed')
    const own = await ask('POST', {
      path: '/api-keys', body: { resource: management, environment: 'live', name: 'x', scopes: ['clients:write'] }
    }, headers)
    t.equal(own.status, 201, 'what one has can be handed on')
  })

  tap.test(`Y2: what only the server sets cannot be set by a body [${database}]`, async t => {
    const serverOnly = [
      'id', 'digest', 'hint', 'createdBy', 'createdAt', 'revokedAt', 'revokedReason', 'lastUsedAt', 'organizationId',
      'resourceId', 'generation', 'secrets', 'clientSecret', 'clientId', 'origin', 'metadata', 'usesLeft', 'key',
      'token', 'tokenLifetime', 'status', 'suspendedAt', 'publicJwk', 'publishable', 'signingKey', '__typename',
      'userId', 'quota', 'remaining', 'revision', 'deletedAt', 'kind', 'metadata', 'wwwAuthenticate'
    ]
    const before = await stateOf(server)
    const bodies: [string, string, Json][] = [
      ['POST', '/organizations', { name: 'x' }],
      ['PATCH', `/organizations/${victim.organization}`, { name: 'x' }],
      ['POST', '/resources', { identifier: 'https://x.test', scopes: [] }],
      ['PATCH', `/resources/${victim.resource.id}`, { name: 'x' }],
      ['POST', '/clients', { organization: victim.organization, name: 'x', grants: [] }],
      ['PATCH', `/clients/${victim.client.clientId}`, { name: 'x' }],
      ['POST', '/api-keys', {
        organization: victim.organization, resource: issuer, environment: 'live', name: 'x', scopes: []
      }],
      ['PATCH', `/api-keys/${victim.apiKey.id}`, { name: 'x' }],
      ['POST', '/groups', { organization: victim.organization, name: 'x', scopes: [] }],
      ['PATCH', `/groups/${victim.group.id}`, { name: 'x' }],
      ['POST', '/policies', { organization: victim.organization, name: 'x', effect: 'deny' }],
      ['PATCH', `/policies/${victim.policy.id}`, { name: 'x' }],
      ['POST', '/publishable-keys', {
        organization: victim.organization, resource: issuer, environment: 'live', name: 'x', scopes: []
      }],
      ['POST', '/webhook-tokens', { apiKey: victim.apiKey.id, object: { type: 'templates', id: 'x' } }],
      ['POST', '/registration-tokens', { organization: victim.organization }],
      ['PATCH', `/registration-tokens/${victim.registrationToken.id}`, { name: 'x' }],
      ['POST', '/access-tokens', { organization: victim.organization, name: 'x', scopes: [] }],
      ['PATCH', `/access-tokens/${victim.accessToken.id}`, { name: 'x' }],
      ['POST', '/mcp-servers', { organization: victim.organization, identifier: 'https://x.test/mcp', scopes: [] }],
      ['PATCH', `/mcp-servers/${victim.mcpServer.id}`, { name: 'x' }],
    ]
    for (const [method, path, body] of bodies) {
      for (
        const member of serverOnly.filter(each => each !== 'status' || path.startsWith('/organizations') === false)
      ) {
        const answer = await server.admin(method, path, { ...body, [member]: 'x' })
        t.equal(answer.status, 400, `${method} ${path} with ${member}`)
        t.equal(answer.json.code, 'INVALID_REQUEST')
      }
    }
    t.strictSame(await stateOf(server), before, 'nothing changed')
  })

  tap.test(`W4: limits, cursors and filters are read strictly [${database}]`, async t => {
    for (let i = 0; i < 3; i++) await server.createOrganization(`page ${i}`)
    const cursor = (await server.admin('GET', '/organizations?limit=1')).json.pagination.nextCursor
    const forge = (value: unknown) =>
      Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
    const [inner, mark] = cursor.split('.') as [string, string]
    const [time, id] = JSON.parse(Buffer.from(inner, 'base64url').toString()) as [number, string]
    for (const collection of collections.filter(each => each !== 'organizations')) {
      t.match((await server.admin('GET', `/${collection}?cursor=${cursor}`)).json, {
        code: 'INVALID_REQUEST', details: { field: 'cursor' }
      }, `a cursor of another collection than ${collection}`)
    }
    const bad = [
      'limit=0',
      'limit=-1',
      'limit=201',
      'limit=1e9',
      'limit=1000000000',
      'limit=1.5',
      'limit=abc',
      'limit=',
      'limit=1&limit=2',
      'limit=%00',
      'limit=1;--',
      'limit[]=1',
      'limit=%D9%A3',
      'cursor=',
      'cursor=x',
      `cursor=${cursor}x.`,
      `cursor=${cursor}&cursor=${cursor}`,
      'cursor=%27%3B%20DROP%20TABLE%20organizations%3B--',
      `cursor=${inner}`,
      `cursor=${inner}.`,
      `cursor=${inner}.${mark.slice(0, -1)}`,
      `cursor=${inner}.${mark}.${mark}`,
      `cursor=.${mark}`,
      `cursor=${forge([time - 1, id])}.${mark}`,
      ...[
        forge([time, id]), forge([time]), forge([time, id, 1]), forge([String(time), id]),
        forge([time, "'; DROP TABLE x; --"]), forge([1e300, id]), forge([-8.65e15, id]), forge([null, id]),
        forge({ time, id }), forge([time, 7]), forge('[1,'), forge('[1e999,"a"]'), forge([time, 'x'.repeat(65)]),
        forge([time + 0.5, id])
      ].map(each => `cursor=${each}`),
      'sort=size',
      'filter=x',
      'offset=1',
      'title=x',
      'status=gone',
      'organization=1',
      '__proto__=x',
      'constructor=x',
      '$where=1'
    ]
    for (const query of bad) {
      const answer = await server.admin('GET', `/organizations?${query}`)
      t.equal(answer.status, 400, query)
      t.strictSame(Object.keys(answer.json), ['error', 'code', 'details'], query)
      t.equal(answer.json.code, 'INVALID_REQUEST', query)
      t.notMatch(answer.text, /select|prisma|sql|stack/i)
    }
    const harmless = await server.admin('GET', `/audit?subject=${encodeURIComponent("x' OR '1'='1")}`)
    t.strictSame(harmless.json.data, [])
    const names: string[] = []
    let next: string | undefined
    do {
      const page: Json = (await server.admin('GET', `/organizations?limit=2${next ? `&cursor=${next}` : ''}`)).json
      t.ok(page.data.length <= 2)
      t.equal('nextCursor' in page.pagination, page.pagination.hasMore)
      names.push(...page.data.map((each: Json) => each.id))
      next = page.pagination.nextCursor
    } while (next !== undefined)
    t.equal(new Set(names).size, names.length, 'each once')
    t.equal(names.length, (await server.admin('GET', '/organizations?limit=200')).json.data.length, 'and all of them')
  })
}

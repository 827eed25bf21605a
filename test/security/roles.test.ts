/** The table of roles on the management API: each role at each route, and what an admin may not do to owners. */
import tap from 'tap'
import { roles, type Role } from '../../src/domain/members/roles.ts'
import { operationsOf } from '../support/openapi-document.ts'
import { deploymentOnly, identityProviders, requestsFor, tenant } from '../support/tenant.ts'
import { oneDatabase } from '../support/databases.ts'
import { startOnEachDatabase, type Answer, type Json, type TestServer } from '../support/test-server.ts'

/**
 * Who may use a route, all of them for records of the own organization. `own`: a member for own records, owners and
 * admins for all.
 */
const table: Record<'everybody' | 'own' | 'administrators' | 'nobody', readonly string[]> = {
  everybody: [
    'GET /organizations', 'GET /organizations/:id', 'GET /organizations/:id/usage', 'GET /organizations/:id/credits',
    'GET /organizations/:id/credits/entries', 'GET /organizations/:id/effective-access', 'GET /groups',
    'GET /groups/:id', 'GET /groups/:id/members', 'GET /policies', 'GET /policies/:id', 'GET /members',
    'GET /members/:id', 'GET /members/:id/passkeys', 'GET /members/:id/identities',
    'GET /resources', 'GET /resources/:id', 'GET /resources/:id/refusals', 'GET /clients',
    'GET /clients/:id', 'GET /api-keys',
    'GET /api-keys/:id', 'GET /api-keys/:id/usage', 'POST /api-keys/find', 'GET /usage/api-keys', 'GET /audit/counts',
    'GET /publishable-keys', 'GET /publishable-keys/:id',
    'GET /webhook-tokens', 'GET /webhook-tokens/:id', 'GET /registration-tokens', 'GET /registration-tokens/:id',
    'GET /access-tokens', 'GET /access-tokens/:id', 'GET /mcp-servers', 'GET /mcp-servers/:id', 'GET /usage/tokens',
    'GET /clients/:id/usage',
    'GET /authorizations', 'GET /authorizations/:id', 'GET /authorizations/:id/usage', 'GET /consents',
    'GET /consents/:id',
    'POST /explain', 'GET /requests/:requestId/explanation', 'GET /api-keys/:id/requests',
    'GET /audit', 'GET /audit/export', 'GET /audit/head', 'GET /invitations', 'GET /invitations/:id',
    'GET /identity-providers', 'GET /trusted-providers', 'GET /trusted-providers/:id',
    'POST /trusted-providers/:id/try-mapping', 'GET /email-domains', 'GET /email-domains/:id',
    'GET /client-approvals', 'GET /client-approvals/:id', 'GET /provider-keys', 'GET /provider-keys/:id',
    'GET /budgets', 'GET /budgets/organizations/:id', 'GET /organizations/:id/virtual-key', 'GET /spend',
    'GET /spend/sums', 'GET /spend/reservations', 'GET /spend/reservations/:id',
    'GET /organizations/:id/mcp-registry/v0.1/servers',
    'GET /organizations/:id/mcp-registry/v0.1/servers/:name/versions',
    'GET /organizations/:id/mcp-registry/v0.1/servers/:name/versions/:version',
    'GET /skills', 'GET /skills/:id', 'GET /skills/:id/archive', 'GET /third-party-sources',
    'GET /third-party-sources/:id', 'GET /third-party-sources/:id/content',
    'GET /trusted-issuer-presets', 'GET /trusted-issuers',
    'GET /trusted-issuers/:id', 'POST /trusted-issuers/try', 'GET /workload-rules', 'GET /workload-rules/:id',
  ],
  own: [
    'POST /clients', 'PATCH /clients/:id', 'POST /clients/:id/rotate-secret', 'POST /clients/:id/revoke',
    'POST /clients/:id/disable', 'POST /clients/:id/enable', 'POST /api-keys/:id/disable', 'POST /api-keys/:id/enable',
    'DELETE /clients/:id', 'POST /api-keys', 'PATCH /api-keys/:id', 'POST /api-keys/:id/rotate',
    'POST /api-keys/:id/revoke', 'DELETE /api-keys/:id', 'POST /access-tokens', 'PATCH /access-tokens/:id',
    'POST /access-tokens/:id/revoke', 'DELETE /access-tokens/:id',
  ],
  administrators: [
    'PATCH /organizations/:id', 'POST /groups', 'PATCH /groups/:id', 'PUT /groups/:id/members/:memberId',
    'DELETE /groups/:id/members/:memberId', 'DELETE /groups/:id', 'POST /policies', 'PATCH /policies/:id',
    'DELETE /policies/:id', 'POST /members', 'PATCH /members/:id', 'POST /members/:id/remove', 'DELETE /members/:id',
    'DELETE /members/:id/passkeys/:passkey', 'DELETE /members/:id/identities/:identity',
    'POST /members/:id/sign-in-links', 'POST /organizations/:id/require-provider', 'POST /invitations',
    'POST /authorizations/end-all', 'POST /authorizations/:id/revoke', 'DELETE /authorizations/:id',
    'DELETE /consents/:id',
    'POST /invitations/:id/revoke', 'DELETE /invitations/:id', 'POST /trusted-providers',
    'PATCH /trusted-providers/:id', 'DELETE /trusted-providers/:id', 'POST /trusted-issuers',
    'PATCH /trusted-issuers/:id', 'DELETE /trusted-issuers/:id', 'POST /workload-rules', 'PATCH /workload-rules/:id',
    'DELETE /workload-rules/:id',
    'POST /client-approvals', 'DELETE /client-approvals/:id', 'POST /organizations/:id/admit-clients',
    'POST /resources', 'PATCH /resources/:id', 'POST /resources/:id/revoke', 'DELETE /resources/:id',
    'POST /api-keys/import', 'POST /publishable-keys', 'PATCH /publishable-keys/:id',
    'POST /publishable-keys/:id/revoke', 'DELETE /publishable-keys/:id', 'POST /webhook-tokens',
    'POST /webhook-tokens/:id/revoke', 'DELETE /webhook-tokens/:id', 'POST /registration-tokens',
    'PATCH /registration-tokens/:id', 'POST /registration-tokens/:id/revoke', 'DELETE /registration-tokens/:id',
    'POST /provider-keys', 'PATCH /provider-keys/:id', 'DELETE /provider-keys/:id',
    'POST /organizations/:id/virtual-key', 'POST /organizations/:id/virtual-key/revoke',
    'POST /skills', 'POST /skills/:id/yank', 'POST /third-party-sources', 'PATCH /third-party-sources/:id',
    'POST /third-party-sources/:id/refresh', 'DELETE /third-party-sources/:id',
    'POST /mcp-servers', 'PATCH /mcp-servers/:id', 'POST /mcp-servers/:id/revoke', 'DELETE /mcp-servers/:id',
  ],
  nobody: deploymentOnly,
}
const allowed: Record<keyof typeof table, readonly Role[]> = {
  everybody: roles, own: ['owner', 'admin', 'member'], administrators: ['owner', 'admin'], nobody: [],
}

function mayUse (role: Role, route: string): boolean {
  const rows = Object.entries(table) as [keyof typeof table, readonly string[]][]
  return rows.some(([who, routes]) => routes.includes(route) && allowed[who].includes(role))
}

const { servers, close } = await startOnEachDatabase({ environment: identityProviders }, oneDatabase)
tap.teardown(close)

let tenants = 0

/** A member of an organization with one of everything, a call with the member's key, and records that are theirs. */
async function memberOf (server: TestServer, role: Role) {
  const others = await tenant(server, `${role}${++tenants}`)
  const { organization } = others
  const { issuer, admin, createKey, withKey } = server
  const made = async (path: string, body: Json): Promise<Json> => (await admin('POST', path, body)).json
  const creator = (await made('/members', { organization, name: role, role })).id as string
  const { key } = await createKey({
    organization, resource: `${issuer}/api/v1`, scopes: undefined, access: 'full', creator
  })
  const call = async (method: string, path: string, body?: Json): Promise<Answer> =>
    await withKey(key, `/api/v1${path}`, { method, ...(body && { body }) })
  const grants = [{ resource: issuer, scopes: ['invoices:read'] }]
  const client = await call('POST', '/clients', { name: 'own', grants })
  const own = {
    ...others,
    apiKey: await createKey({ organization, creator }),
    accessToken: await made('/access-tokens', { organization, name: 'own', scopes: ['audit:read'], creator }),
    ...(client.status === 201 && { client: client.json as typeof others.client }),
  }
  return { creator, organization, call, made, own, others }
}

/** Those that succeed for an owner, without what concerns owners alone. */
function requestsOf (own: Parameters<typeof requestsFor>[0], issuer: string): ReturnType<typeof requestsFor> {
  const requests = requestsFor(own, issuer)
  const [create, change] = [requests['POST /members']!, requests['PATCH /members/:id']!]
  create.body!.role = 'viewer'
  change.body = { name: 'renamed', email: 'renamed@example.com' }
  return requests
}

for (const { name: database, server } of servers) {
  const { issuer } = server

  tap.test(`the table has a row for each route of the management API [${database}]`, async t => {
    const rows = Object.values(table).flat()
    t.equal(new Set(rows).size, rows.length, 'and one for each')
    const document = (await server.send({ path: '/api/v1/openapi.json' })).json
    // Others ask for any credential, and tell it of itself, or are of partners, whose scopes no role gives.
    const scoped = operationsOf(document).filter(({ path, security }) =>
      !path.startsWith('/api/v1/portal/') && security?.some((each: Json) => each.apiKey?.length > 0)
    )
    const named = scoped.map(
      ({ method, path }) => `${method} ${path.replace('/api/v1', '').replace(/\{(\w+)\}/g, ':$1')}`
    )
    t.strictSame(named.filter(each => !rows.includes(each)), [])
  })

  for (const role of roles) {
    tap.test(`${role}: each route of the management API [${database}]`, async t => {
      const { call, own, others } = await memberOf(server, role)
      const requests = requestsOf(own, issuer)
      t.strictSame(Object.keys(requests).sort(), Object.values(table).flat().sort(), 'every route is asked')
      for (const [route, { path, body }] of Object.entries(requests)) {
        const answer = await call(route.split(' ')[0]!, path, body)
        const told = `${route}: ${answer.status} ${answer.text.slice(0, 160)}`
        // The tenant has a resource with this identifier already.
        const isTaken = route === 'POST /resources' && answer.status === 409
        if (mayUse(role, route)) t.ok(answer.status < 300 || isTaken, told)
        else t.match(answer, { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }, told)
      }
      if (role !== 'member') return
      const ofOthers = requestsOf(others, issuer)
      for (const route of table.own.filter(each => each.includes(':id'))) {
        const { path, body } = ofOthers[route]!
        t.match(await call(route.split(' ')[0]!, path, body), {
          status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS', details: { requiredScopes: [/:write$/] } }
        }, `${route} of others`)
      }
    })
  }

  tap.test(`a member changes neither clients of other members, nor keys of nobody, nor lets a client introspect [${database}]`, async t => {
    const ada = await memberOf(server, 'member')
    const { organization, made } = ada
    const { id: creator } = await made('/members', { organization, name: 'Grace', role: 'member' })
    const { key } = await server.createKey({
      organization, resource: `${issuer}/api/v1`, scopes: undefined, access: 'full', creator
    })
    const grace = async (method: string, path: string, body?: Json): Promise<Answer> =>
      await server.withKey(key, `/api/v1${path}`, { method, ...(body && { body }) })
    const { clientId } = (await grace('POST', '/clients', { name: 'of Grace', grants: [] })).json
    const refused = await ada.call('PATCH', `/clients/${clientId}`, { name: 'taken over' })
    t.strictSame([refused.status, refused.json], [403, {
      error:
        `The client ${clientId} belongs to the member ${creator}; the member ${ada.creator} that your credential is ` +
          'bound to has clients:write for their own records alone. Ask an owner or an admin of the organization.',
      code: 'INSUFFICIENT_PERMISSIONS',
      details: { requiredScopes: ['clients:write'], creator: ada.creator }
    }])
    const asker = { name: 'x', grants: [], introspects: [ada.others.resource.identifier] }
    t.match(await ada.call('POST', '/clients', asker), { status: 403 })
    t.match((await ada.call('GET', `/clients?creator=${creator}`)).json.data, [{ clientId, creator }])
    t.equal((await ada.call('GET', `/clients?creator=${creator}`)).json.data.length, 1)
    const group = await made('/groups', { organization, name: 'clients', scopes: ['clients:write'] })
    await server.admin('PUT', `/groups/${group.id}/members/${ada.creator}`)
    t.match(await ada.call('PATCH', `/clients/${clientId}`, { name: 'of all' }), { status: 200 }, 'by a group, for all')
    t.match(await ada.call('POST', '/clients', asker), { status: 201 })
  })

  tap.test(`owners are made, changed and removed by owners alone, and the last one stays [${database}]`, async t => {
    const [owner, admin] = await Promise.all([memberOf(server, 'owner'), memberOf(server, 'admin')])
    const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }
    const { id: second } = await admin.made('/members', { organization: admin.organization, name: 'x', role: 'owner' })
    const before = (await server.admin('GET', `/members/${second}`)).json
    const key = await server.createKey({ organization: admin.organization, creator: second })
    t.match(await admin.call('POST', '/members', { name: 'y', role: 'owner' }), forbidden)
    t.match(await admin.call('PATCH', `/members/${admin.creator}`, { role: 'owner' }), forbidden)
    for (const change of [{ name: 'y' }, { email: 'eve@example.com' }, { role: 'viewer' }, { scopes: [] }]) {
      t.match(await admin.call('PATCH', `/members/${second}`, change), forbidden, JSON.stringify(change))
    }
    t.match(await admin.call('POST', `/members/${second}/remove`), forbidden)
    t.match(await admin.call('DELETE', `/members/${second}`), forbidden)
    t.match(await admin.call('PATCH', `/api-keys/${key.id}`, { allowlist: [] }), forbidden, 'nor their keys')
    t.strictSame((await server.admin('GET', `/members/${second}`)).json, before)
    t.match(await owner.call('POST', '/members', { name: 'y', role: 'owner', email: 'y@example.com' }), { status: 201 })
    t.match(await owner.call('PATCH', `/members/${owner.creator}`, { role: 'admin' }), { status: 200 }, 'one is left')
  })
}

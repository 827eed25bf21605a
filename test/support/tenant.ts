/** An organization with one of everything, and a request for every route of the management API about it. */
import { digestOf } from '../../src/secrets/digest.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { skillFile, zip } from './archives.ts'
import { allowedBy } from './authorizing.ts'
import { asGateway, createGateway, reserveFor } from './gateway.ts'
import { createAccount, createPasskey } from './people.ts'
import type { Json, TestServer } from './test-server.ts'

export const collections = [
  'organizations', 'members', 'groups', 'policies', 'resources', 'clients', 'api-keys', 'publishable-keys',
  'webhook-tokens', 'registration-tokens', 'access-tokens', 'mcp-servers', 'invitations', 'trusted-providers',
  'email-domains', 'client-approvals', 'provider-keys', 'skills', 'third-party-sources', 'trusted-issuers',
  'workload-rules'
]
const scoped = [
  'authorizations',
  ...collections.filter(each => !['trusted-providers', 'email-domains', 'workload-rules'].includes(each)),
  'identity-providers', 'effective-access', 'credits', 'signing-keys', 'budgets', 'spend'
]
export const managementScopes = [
  ...scoped.flatMap(each => [`${each}:read`, `${each}:write`]),
  'audit:read', 'audit:write', 'usage:read', 'server:read', 'replicas:read', 'replicas:write', 'provider-keys:lease'
]

/** Routes of gateways, which authenticate as clients: test/decision has them. */
export const ofGateways = [
  'POST /spend/reservations', 'POST /spend/reservations/:id/settle', 'POST /spend/reservations/:id/release',
  'POST /provider-keys/:id/lease'
]

/** An archive of a skill, which is a body as it is. */
const skillArchive: Json = zip([{ name: 'SKILL.md', content: skillFile() }])

/** Two identity providers, for the servers of tenants. Neither is asked. */
export const identityProviders = Object.fromEntries(['UP', 'SECOND'].flatMap(id => [
  [`LATCHKEY_OIDC_${id}_ISSUER`, `https://${id.toLowerCase()}.example`],
  [`LATCHKEY_OIDC_${id}_CLIENT_ID`, 'latchkey'],
  [`LATCHKEY_OIDC_${id}_CLIENT_SECRET`, 'not sent in these tests'],
]))

/** A platform whose keys are never asked for. */
const clusterIssuer = 'https://cluster.example'

/** Routes of owners and admins by their role, whatever scopes a key has that no member bounds. */
export const administratorsOnly = ['POST /members/:id/sign-in-links']

/** Routes of the admin token alone, even for the organization's own records. */
export const deploymentOnly = [
  'POST /organizations',
  'POST /organization-templates',
  'GET /organization-templates',
  'GET /organization-templates/:id',
  'DELETE /organization-templates/:id',
  'POST /organizations/:id/credits',
  'GET /budgets/global',
  'PUT /budgets/global',
  'DELETE /budgets/global',
  'GET /budgets/accounts/:id',
  'PUT /budgets/accounts/:id',
  'DELETE /budgets/accounts/:id',
  'PUT /budgets/organizations/:id',
  'DELETE /budgets/organizations/:id',
  'POST /organizations/:id/suspend',
  'POST /organizations/:id/resume',
  'DELETE /organizations/:id',
  'POST /email-domains',
  'DELETE /email-domains/:id',
  'GET /signing-keys',
  'GET /signing-keys/:id',
  'POST /signing-keys/rotate',
  'PATCH /authorizations/:id',
  'POST /signing-keys/:id/revoke',
  'GET /health',
  'GET /metrics',
  'GET /replicas',
  'GET /lost-changes',
  'POST /lost-changes/:id/accept',
  'POST /lost-changes/accept',
  'GET /effective-access/drift',
  'POST /effective-access/repair',
  'GET /audit/verify',
  'POST /audit/verify',
  'POST /audit/prune',
  'POST /audit/recover'
]

/** An organization with one of everything, and its keys of the management API. */
export async function tenant (server: TestServer, name: string) {
  const organization = (await server.createOrganization(name)).id
  const management = `${server.issuer}/api/v1`
  const resource =
    (await server.admin('POST', '/resources', {
      identifier: `https://${name}.test/api`, organization, scopes: [{ name: 'read' }]
    })).json
  const grants = [{ resource: server.issuer, scopes: ['invoices:read'] }]
  const client = await server.createClient({ organization, name: `${name} client`, grants })
  const apiKey = await server.createKey({ organization, name: `${name} key` })
  const refused = await server.withKey(apiKey.key, '/api/v1/clients')
  const refusedRequest = refused.headers['x-request-id'] as string
  const made = async (path: string, body: Json) => (await server.admin('POST', path, body)).json
  const member = await made('/members', { organization, name: `${name} member`, role: 'admin' })
  const passkey = await createPasskey(server, member.id)
  const account = await createAccount(server, member.id, 'https://up.example')
  const group = await made('/groups', { organization, name: `${name} group`, scopes: ['invoices:*'] })
  const policy = await made('/policies', { organization, name: `${name} policy`, effect: 'deny', enabled: false })
  const publishableKey = await made('/publishable-keys', {
    organization, resource: server.issuer, environment: 'live', name: `${name} pair`, scopes: ['invoices:read']
  })
  const webhookToken = await made('/webhook-tokens', {
    apiKey: apiKey.id, object: { type: 'templates', id: `${name} template` }
  })
  const registrationToken = await server.createRegistrationToken({ organization, name: `${name} token` })
  const accessToken = await made('/access-tokens', { organization, name: `${name} automation`, scopes: ['audit:read'] })
  const mcpServer = await made('/mcp-servers', {
    organization, identifier: `https://${name}.test/mcp`, scopes: [{ name: 'tools' }]
  })
  const invitation = await made('/invitations', { organization, email: `x@${name}.example`, role: 'viewer' })
  const trustedProvider = await made('/trusted-providers', { organization, provider: 'up' })
  const emailDomain = await made('/email-domains', { organization, domain: `${name}.example` })
  const trustedIssuer = await made('/trusted-issuers', { organization, name: `${name} cluster`, issuer: clusterIssuer })
  const claims = [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }]
  const workloadRule = await made('/workload-rules', {
    issuer: trustedIssuer.id, name: `${name} rule`, claims, resource: server.issuer, scopes: ['invoices:read']
  })
  const clientApproval = await made('/client-approvals', {
    organization, client: `https://${name}.example/client.json`
  })
  const providerKey = await made('/provider-keys', { organization, provider: 'openai', key: `sk-${newSecret()}` })
  const reservation = await reservedBy(server, organization, name)
  const skill = await made(`/skills?organization=${organization}&version=1.0.0`, skillArchive)
  const source = await made('/third-party-sources', {
    organization,
    name: `${name} source`,
    kind: 'skills',
    url: 'https://127.0.0.1/',
    headers: { 'x-api-key': `${name} key` }
  })
  const { thirdPartySources } = server.latchkey.operation.store
  const now = server.clock.now()
  await thirdPartySources.recordFetch(
    { ...(await thirdPartySources.get(source.id))!, askedAt: now, status: 200, fetchedAt: now },
    { content: '[]', etag: null }
  )
  const { authorization, consent } = await allowedBy(server, member.id, client.clientId, ['invoices:read'])
  const managementKey = async (scopes: readonly string[]) =>
    await server.createKey({ organization, resource: management, scopes, name: `${name} management` })
  const managementClient = await server.createClient({
    organization, name: `${name} manager`, grants: [{ resource: management, scopes: managementScopes }]
  })
  return {
    name,
    organization,
    resource,
    client,
    member,
    passkey,
    account,
    group,
    policy,
    apiKey,
    refusedRequest,
    publishableKey,
    webhookToken,
    registrationToken,
    accessToken,
    mcpServer,
    invitation,
    trustedProvider,
    emailDomain,
    clientApproval,
    providerKey,
    reservation,
    skill,
    source,
    trustedIssuer,
    workloadRule,
    authorization,
    consent,
    managementKey,
    managementClient
  }
}

/** The id of a reservation that is settled, with the virtual key of the organization. */
async function reservedBy (server: TestServer, organization: string, name: string): Promise<string> {
  const { json: { key } } = await server.admin('POST', `/organizations/${organization}/virtual-key`, {
    resource: server.issuer, name: `${name} virtual key`, scopes: []
  })
  const gateway = await createGateway(server)
  const { json: { id } } = await reserveFor(server, gateway, key)
  await asGateway(server, gateway, `/spend/reservations/${id}/settle`, { amount: 1_000 })
  return id
}

export type Tenant = Awaited<ReturnType<typeof tenant>>

/** A request for every route of the management API that succeeds for the owner, by the scope that it requires. */
export function requestsFor (
  {
    organization,
    resource,
    client,
    member,
    passkey,
    account,
    group,
    policy,
    apiKey,
    refusedRequest,
    publishableKey,
    webhookToken,
    registrationToken,
    accessToken,
    mcpServer,
    invitation,
    trustedProvider,
    emailDomain,
    clientApproval,
    providerKey,
    reservation,
    skill,
    source,
    trustedIssuer,
    workloadRule,
    authorization,
    consent
  }: Tenant,
  issuer: string
): Record<string, { scope: string, path: string, body?: Json, collection?: 'list' | 'create' }> {
  const grants = [{ resource: issuer, scopes: ['invoices:read'] }]
  const encoded = encodeURIComponent(resource.identifier)
  const registryName = encodeURIComponent(mcpServer.registryName)
  const registryPath = `/organizations/${organization}/mcp-registry/v0.1/servers/${registryName}`
  return {
    'POST /organizations': { scope: 'organizations:write', path: '/organizations', body: { name: 'x' } },
    'POST /organization-templates': {
      scope: 'organizations:write', path: '/organization-templates', body: { name: 'x' }
    },
    'GET /organization-templates': { scope: 'organizations:read', path: '/organization-templates' },
    'GET /organization-templates/:id': { scope: 'organizations:read', path: '/organization-templates/none' },
    'DELETE /organization-templates/:id': { scope: 'organizations:write', path: '/organization-templates/none' },
    'GET /organizations': { scope: 'organizations:read', path: '/organizations', collection: 'list' },
    'GET /organizations/:id': { scope: 'organizations:read', path: `/organizations/${organization}` },
    'PATCH /organizations/:id': {
      scope: 'organizations:write', path: `/organizations/${organization}`, body: { name: 'taken over' }
    },
    'GET /organizations/:id/usage': { scope: 'usage:read', path: `/organizations/${organization}/usage` },
    'GET /organizations/:id/credits': { scope: 'credits:read', path: `/organizations/${organization}/credits` },
    'POST /organizations/:id/credits': {
      scope: 'credits:write',
      path: `/organizations/${organization}/credits`,
      body: { environment: 'live', amount: 1, reason: 'x' }
    },
    'GET /organizations/:id/credits/entries': {
      scope: 'credits:read', path: `/organizations/${organization}/credits/entries`
    },
    'GET /organizations/:id/effective-access': {
      scope: 'effective-access:read', path: `/organizations/${organization}/effective-access`
    },
    'GET /effective-access/drift': { scope: 'effective-access:read', path: '/effective-access/drift' },
    'POST /effective-access/repair': { scope: 'effective-access:write', path: '/effective-access/repair' },
    'POST /groups': {
      scope: 'groups:write',
      path: '/groups',
      body: { organization, name: 'x', scopes: ['invoices:read'] },
      collection: 'create'
    },
    'GET /groups': { scope: 'groups:read', path: `/groups?organization=${organization}`, collection: 'list' },
    'GET /groups/:id': { scope: 'groups:read', path: `/groups/${group.id}` },
    'PATCH /groups/:id': {
      scope: 'groups:write', path: `/groups/${group.id}`, body: { name: 'taken over', scopes: ['invoices:*'] }
    },
    'GET /groups/:id/members': { scope: 'groups:read', path: `/groups/${group.id}/members` },
    'PUT /groups/:id/members/:memberId': { scope: 'groups:write', path: `/groups/${group.id}/members/${member.id}` },
    'DELETE /groups/:id/members/:memberId': { scope: 'groups:write', path: `/groups/${group.id}/members/${member.id}` },
    'DELETE /groups/:id': { scope: 'groups:write', path: `/groups/${group.id}` },
    'POST /policies': {
      scope: 'policies:write',
      path: '/policies',
      body: { organization, name: 'x', effect: 'deny', enabled: false },
      collection: 'create'
    },
    'GET /policies': { scope: 'policies:read', path: `/policies?organization=${organization}`, collection: 'list' },
    'GET /policies/:id': { scope: 'policies:read', path: `/policies/${policy.id}` },
    'PATCH /policies/:id': {
      scope: 'policies:write', path: `/policies/${policy.id}`, body: { name: 'taken over', effect: 'allow' }
    },
    'DELETE /policies/:id': { scope: 'policies:write', path: `/policies/${policy.id}?force=true` },
    'POST /members': {
      scope: 'members:write', path: '/members', body: { organization, name: 'x', role: 'owner' }, collection: 'create'
    },
    'GET /members': { scope: 'members:read', path: `/members?organization=${organization}`, collection: 'list' },
    'GET /members/:id': { scope: 'members:read', path: `/members/${member.id}` },
    'PATCH /members/:id': {
      scope: 'members:write', path: `/members/${member.id}`, body: { name: 'taken over', role: 'owner' }
    },
    'POST /members/:id/sign-in-links': {
      scope: 'members:write', path: `/members/${member.id}/sign-in-links`, collection: 'create'
    },
    'GET /members/:id/passkeys': { scope: 'members:read', path: `/members/${member.id}/passkeys` },
    'DELETE /members/:id/passkeys/:passkey': {
      scope: 'members:write', path: `/members/${member.id}/passkeys/${passkey.id}`
    },
    'GET /members/:id/identities': { scope: 'members:read', path: `/members/${member.id}/identities` },
    'DELETE /members/:id/identities/:identity': {
      scope: 'members:write', path: `/members/${member.id}/identities/${account.id}`
    },
    'POST /members/:id/remove': { scope: 'members:write', path: `/members/${member.id}/remove` },
    'POST /organizations/:id/require-provider': {
      scope: 'organizations:write', path: `/organizations/${organization}/require-provider`, body: { required: false }
    },
    'POST /organizations/:id/admit-clients': {
      scope: 'organizations:write',
      path: `/organizations/${organization}/admit-clients`,
      body: { unverified: 'approve' }
    },
    'POST /client-approvals': {
      scope: 'client-approvals:write',
      path: '/client-approvals',
      body: { organization, client: 'https://new.example/client.json' },
      collection: 'create'
    },
    'GET /client-approvals': {
      scope: 'client-approvals:read', path: `/client-approvals?organization=${organization}`, collection: 'list'
    },
    'GET /client-approvals/:id': {
      scope: 'client-approvals:read', path: `/client-approvals/${clientApproval.id}`
    },
    'DELETE /client-approvals/:id': {
      scope: 'client-approvals:write', path: `/client-approvals/${clientApproval.id}`
    },
    'GET /authorizations': {
      scope: 'authorizations:read', path: `/authorizations?organization=${organization}`, collection: 'list'
    },
    'GET /authorizations/:id': { scope: 'authorizations:read', path: `/authorizations/${authorization.id}` },
    'GET /authorizations/:id/usage': {
      scope: 'authorizations:read', path: `/authorizations/${authorization.id}/usage`
    },
    'PATCH /authorizations/:id': {
      scope: 'authorizations:write', path: `/authorizations/${authorization.id}`, body: { callsPerMinute: 60 }
    },
    'POST /authorizations/:id/revoke': {
      scope: 'authorizations:write', path: `/authorizations/${authorization.id}/revoke`
    },
    'DELETE /authorizations/:id': { scope: 'authorizations:write', path: `/authorizations/${authorization.id}` },
    'GET /consents': {
      scope: 'authorizations:read', path: `/consents?organization=${organization}`, collection: 'list'
    },
    'GET /consents/:id': { scope: 'authorizations:read', path: `/consents/${consent.id}` },
    'DELETE /consents/:id': { scope: 'authorizations:write', path: `/consents/${consent.id}` },
    'POST /authorizations/end-all': {
      scope: 'authorizations:write', path: '/authorizations/end-all', body: { client: client.clientId, organization }
    },
    'POST /invitations': {
      scope: 'invitations:write',
      path: '/invitations',
      body: { organization, email: 'new@victim.example', role: 'viewer' },
      collection: 'create'
    },
    'GET /invitations': {
      scope: 'invitations:read', path: `/invitations?organization=${organization}`, collection: 'list'
    },
    'GET /invitations/:id': { scope: 'invitations:read', path: `/invitations/${invitation.id}` },
    'POST /invitations/:id/revoke': { scope: 'invitations:write', path: `/invitations/${invitation.id}/revoke` },
    'DELETE /invitations/:id': { scope: 'invitations:write', path: `/invitations/${invitation.id}` },
    'GET /identity-providers': { scope: 'identity-providers:read', path: '/identity-providers', collection: 'list' },
    'POST /trusted-providers': {
      scope: 'identity-providers:write',
      path: '/trusted-providers',
      body: { organization, provider: 'second' },
      collection: 'create'
    },
    'GET /trusted-providers': {
      scope: 'identity-providers:read', path: `/trusted-providers?organization=${organization}`, collection: 'list'
    },
    'GET /trusted-providers/:id': {
      scope: 'identity-providers:read', path: `/trusted-providers/${trustedProvider.id}`
    },
    'PATCH /trusted-providers/:id': {
      scope: 'identity-providers:write', path: `/trusted-providers/${trustedProvider.id}`, body: { joinsAs: 'viewer' }
    },
    'POST /trusted-providers/:id/try-mapping': {
      scope: 'identity-providers:read',
      path: `/trusted-providers/${trustedProvider.id}/try-mapping`,
      body: { claims: {} }
    },
    'DELETE /trusted-providers/:id': {
      scope: 'identity-providers:write', path: `/trusted-providers/${trustedProvider.id}`
    },
    'GET /trusted-issuer-presets': {
      scope: 'trusted-issuers:read', path: '/trusted-issuer-presets', collection: 'list'
    },
    'POST /trusted-issuers': {
      scope: 'trusted-issuers:write',
      path: '/trusted-issuers',
      body: { organization, name: 'x', issuer: clusterIssuer },
      collection: 'create'
    },
    'GET /trusted-issuers': {
      scope: 'trusted-issuers:read', path: `/trusted-issuers?organization=${organization}`, collection: 'list'
    },
    'GET /trusted-issuers/:id': { scope: 'trusted-issuers:read', path: `/trusted-issuers/${trustedIssuer.id}` },
    'PATCH /trusted-issuers/:id': {
      scope: 'trusted-issuers:write', path: `/trusted-issuers/${trustedIssuer.id}`, body: { name: 'taken over' }
    },
    'POST /trusted-issuers/try': {
      scope: 'trusted-issuers:read',
      path: '/trusted-issuers/try',
      body: { assertion: 'a.b.c', client: client.clientId }
    },
    'POST /workload-rules': {
      scope: 'trusted-issuers:write',
      path: '/workload-rules',
      body: {
        issuer: trustedIssuer.id,
        name: 'x',
        claims: workloadRule.claims,
        resource: issuer,
        scopes: ['invoices:read']
      },
      collection: 'create'
    },
    'GET /workload-rules': {
      scope: 'trusted-issuers:read', path: `/workload-rules?organization=${organization}`, collection: 'list'
    },
    'GET /workload-rules/:id': { scope: 'trusted-issuers:read', path: `/workload-rules/${workloadRule.id}` },
    'PATCH /workload-rules/:id': {
      scope: 'trusted-issuers:write', path: `/workload-rules/${workloadRule.id}`, body: { name: 'taken over' }
    },
    'DELETE /workload-rules/:id': { scope: 'trusted-issuers:write', path: `/workload-rules/${workloadRule.id}` },
    'DELETE /trusted-issuers/:id': { scope: 'trusted-issuers:write', path: `/trusted-issuers/${trustedIssuer.id}` },
    'POST /email-domains': {
      scope: 'identity-providers:write', path: '/email-domains', body: { organization, domain: 'new.example' }
    },
    'GET /email-domains': {
      scope: 'identity-providers:read', path: `/email-domains?organization=${organization}`, collection: 'list'
    },
    'GET /email-domains/:id': { scope: 'identity-providers:read', path: `/email-domains/${emailDomain.id}` },
    'DELETE /email-domains/:id': { scope: 'identity-providers:write', path: `/email-domains/${emailDomain.id}` },
    'POST /resources': {
      scope: 'resources:write',
      path: '/resources',
      body: { identifier: resource.identifier, organization, scopes: [] },
      collection: 'create'
    },
    'GET /resources': { scope: 'resources:read', path: '/resources', collection: 'list' },
    'GET /resources/:id': { scope: 'resources:read', path: `/resources/${encoded}` },
    'GET /resources/:id/refusals': { scope: 'resources:read', path: `/resources/${encoded}/refusals` },
    'PATCH /resources/:id': {
      scope: 'resources:write', path: `/resources/${resource.id}`, body: { name: 'taken over', scopes: [] }
    },
    'POST /resources/:id/revoke': { scope: 'resources:write', path: `/resources/${resource.id}/revoke` },
    'POST /clients': {
      scope: 'clients:write', path: '/clients', body: { organization, name: 'x', grants }, collection: 'create'
    },
    'GET /clients': { scope: 'clients:read', path: `/clients?organization=${organization}`, collection: 'list' },
    'GET /clients/:id': { scope: 'clients:read', path: `/clients/${client.clientId}` },
    'PATCH /clients/:id': {
      scope: 'clients:write', path: `/clients/${client.clientId}`, body: { name: 'taken over', grants: [] }
    },
    'POST /clients/:id/rotate-secret': {
      scope: 'clients:write', path: `/clients/${client.clientId}/rotate-secret`, body: { overlapSeconds: 0 }
    },
    'POST /clients/:id/disable': {
      scope: 'clients:write', path: `/clients/${client.clientId}/disable`, body: { reason: 'x' }
    },
    'POST /clients/:id/enable': { scope: 'clients:write', path: `/clients/${client.clientId}/enable` },
    'POST /clients/:id/revoke': {
      scope: 'clients:write', path: `/clients/${client.clientId}/revoke`, body: { reason: 'x' }
    },
    'POST /api-keys': {
      scope: 'api-keys:write',
      path: '/api-keys',
      body: { organization, resource: issuer, environment: 'live', name: 'x', scopes: ['invoices:read'] },
      collection: 'create'
    },
    'POST /api-keys/import': {
      scope: 'api-keys:write',
      path: '/api-keys/import',
      body: {
        organization,
        resource: mcpServer.identifier,
        environment: 'live',
        name: 'x',
        scopes: ['tools'],
        digest: digestOf(newSecret()),
        hint: '…x'
      },
      collection: 'create'
    },
    'GET /api-keys': { scope: 'api-keys:read', path: `/api-keys?organization=${organization}`, collection: 'list' },
    'POST /api-keys/find': { scope: 'api-keys:read', path: '/api-keys/find', body: { key: apiKey.key } },
    'GET /api-keys/:id': { scope: 'api-keys:read', path: `/api-keys/${apiKey.id}` },
    'PATCH /api-keys/:id': {
      scope: 'api-keys:write', path: `/api-keys/${apiKey.id}`, body: { name: 'taken over', allowlist: [] }
    },
    'GET /api-keys/:id/usage': { scope: 'usage:read', path: `/api-keys/${apiKey.id}/usage` },
    'GET /api-keys/:id/requests': { scope: 'audit:read', path: `/api-keys/${apiKey.id}/requests` },
    'GET /requests/:requestId/explanation': {
      scope: 'audit:read', path: `/requests/${refusedRequest}/explanation`
    },
    'POST /explain': {
      scope: 'audit:read', path: '/explain', body: { credential: apiKey.key, resource: mcpServer.identifier }
    },
    'POST /publishable-keys': {
      scope: 'publishable-keys:write',
      path: '/publishable-keys',
      body: { organization, resource: issuer, environment: 'live', name: 'x', scopes: ['invoices:read'] },
      collection: 'create'
    },
    'GET /publishable-keys': {
      scope: 'publishable-keys:read', path: `/publishable-keys?organization=${organization}`, collection: 'list'
    },
    'GET /publishable-keys/:id': { scope: 'publishable-keys:read', path: `/publishable-keys/${publishableKey.id}` },
    'PATCH /publishable-keys/:id': {
      scope: 'publishable-keys:write', path: `/publishable-keys/${publishableKey.id}`, body: { name: 'taken over' }
    },
    'POST /publishable-keys/:id/revoke': {
      scope: 'publishable-keys:write', path: `/publishable-keys/${publishableKey.id}/revoke`
    },
    'POST /webhook-tokens': {
      scope: 'webhook-tokens:write',
      path: '/webhook-tokens',
      body: { apiKey: apiKey.id, object: { type: 'templates', id: 'x' } },
      collection: 'create'
    },
    'GET /webhook-tokens': {
      scope: 'webhook-tokens:read', path: `/webhook-tokens?organization=${organization}`, collection: 'list'
    },
    'GET /webhook-tokens/:id': { scope: 'webhook-tokens:read', path: `/webhook-tokens/${webhookToken.id}` },
    'POST /webhook-tokens/:id/revoke': {
      scope: 'webhook-tokens:write', path: `/webhook-tokens/${webhookToken.id}/revoke`
    },
    'POST /api-keys/:id/rotate': {
      scope: 'api-keys:write', path: `/api-keys/${apiKey.id}/rotate`, body: { overlapSeconds: 0 }, collection: 'create'
    },
    'POST /api-keys/:id/disable': { scope: 'api-keys:write', path: `/api-keys/${apiKey.id}/disable` },
    'POST /api-keys/:id/enable': { scope: 'api-keys:write', path: `/api-keys/${apiKey.id}/enable` },
    'POST /api-keys/:id/revoke': { scope: 'api-keys:write', path: `/api-keys/${apiKey.id}/revoke` },
    'POST /registration-tokens': {
      scope: 'registration-tokens:write',
      path: '/registration-tokens',
      body: { organization, resource: issuer, scopes: ['invoices:read'] },
      collection: 'create'
    },
    'GET /registration-tokens': {
      scope: 'registration-tokens:read', path: `/registration-tokens?organization=${organization}`, collection: 'list'
    },
    'GET /registration-tokens/:id': {
      scope: 'registration-tokens:read', path: `/registration-tokens/${registrationToken.id}`
    },
    'PATCH /registration-tokens/:id': {
      scope: 'registration-tokens:write', path: `/registration-tokens/${registrationToken.id}`, body: { uses: 1000 }
    },
    'POST /registration-tokens/:id/revoke': {
      scope: 'registration-tokens:write', path: `/registration-tokens/${registrationToken.id}/revoke`
    },
    'POST /access-tokens': {
      scope: 'access-tokens:write',
      path: '/access-tokens',
      body: { organization, name: 'x', scopes: ['audit:read'] },
      collection: 'create'
    },
    'GET /access-tokens': {
      scope: 'access-tokens:read', path: `/access-tokens?organization=${organization}`, collection: 'list'
    },
    'GET /access-tokens/:id': { scope: 'access-tokens:read', path: `/access-tokens/${accessToken.id}` },
    'PATCH /access-tokens/:id': {
      scope: 'access-tokens:write', path: `/access-tokens/${accessToken.id}`, body: { name: 'taken over', scopes: [] }
    },
    'POST /access-tokens/:id/revoke': { scope: 'access-tokens:write', path: `/access-tokens/${accessToken.id}/revoke` },
    'GET /organizations/:id/mcp-registry/v0.1/servers': {
      scope: 'mcp-servers:read', path: `/organizations/${organization}/mcp-registry/v0.1/servers`
    },
    'GET /organizations/:id/mcp-registry/v0.1/servers/:name/versions': {
      scope: 'mcp-servers:read', path: `${registryPath}/versions`
    },
    'GET /organizations/:id/mcp-registry/v0.1/servers/:name/versions/:version': {
      scope: 'mcp-servers:read', path: `${registryPath}/versions/latest`
    },
    'POST /mcp-servers': {
      scope: 'mcp-servers:write',
      path: '/mcp-servers',
      body: { organization, identifier: `${mcpServer.identifier}/new`, scopes: [] },
      collection: 'create'
    },
    'GET /mcp-servers': {
      scope: 'mcp-servers:read', path: `/mcp-servers?organization=${organization}`, collection: 'list'
    },
    'GET /mcp-servers/:id': {
      scope: 'mcp-servers:read', path: `/mcp-servers/${encodeURIComponent(mcpServer.identifier)}`
    },
    'PATCH /mcp-servers/:id': {
      scope: 'mcp-servers:write', path: `/mcp-servers/${mcpServer.id}`, body: { name: 'taken over', scopes: [] }
    },
    'POST /mcp-servers/:id/revoke': { scope: 'mcp-servers:write', path: `/mcp-servers/${mcpServer.id}/revoke` },
    'POST /provider-keys': {
      scope: 'provider-keys:write',
      path: '/provider-keys',
      body: { organization, provider: 'another', key: 'sk-0123456789abcdef' },
      collection: 'create'
    },
    'GET /provider-keys': {
      scope: 'provider-keys:read', path: `/provider-keys?organization=${organization}`, collection: 'list'
    },
    'GET /provider-keys/:id': { scope: 'provider-keys:read', path: `/provider-keys/${providerKey.id}` },
    'PATCH /provider-keys/:id': {
      scope: 'provider-keys:write', path: `/provider-keys/${providerKey.id}`, body: { key: 'sk-fedcba9876543210' }
    },
    'DELETE /provider-keys/:id': { scope: 'provider-keys:write', path: `/provider-keys/${providerKey.id}` },
    'GET /budgets': { scope: 'budgets:read', path: `/budgets?organization=${organization}`, collection: 'list' },
    'GET /budgets/global': { scope: 'budgets:read', path: '/budgets/global' },
    'PUT /budgets/global': { scope: 'budgets:write', path: '/budgets/global', body: { day: null, month: null } },
    'DELETE /budgets/global': { scope: 'budgets:write', path: '/budgets/global' },
    'GET /budgets/accounts/:id': { scope: 'budgets:read', path: `/budgets/accounts/${member.id}` },
    'PUT /budgets/accounts/:id': {
      scope: 'budgets:write', path: `/budgets/accounts/${member.id}`, body: { day: null, month: null }
    },
    'DELETE /budgets/accounts/:id': { scope: 'budgets:write', path: `/budgets/accounts/${member.id}` },
    'GET /budgets/organizations/:id': { scope: 'budgets:read', path: `/budgets/organizations/${organization}` },
    'PUT /budgets/organizations/:id': {
      scope: 'budgets:write', path: `/budgets/organizations/${organization}`, body: { day: null, month: null }
    },
    'DELETE /budgets/organizations/:id': { scope: 'budgets:write', path: `/budgets/organizations/${organization}` },
    'GET /organizations/:id/virtual-key': {
      scope: 'api-keys:read', path: `/organizations/${organization}/virtual-key`
    },
    'POST /organizations/:id/virtual-key/revoke': {
      scope: 'api-keys:write', path: `/organizations/${organization}/virtual-key/revoke`
    },
    'POST /organizations/:id/virtual-key': {
      scope: 'api-keys:write',
      path: `/organizations/${organization}/virtual-key`,
      body: { resource: issuer, scopes: [] }
    },
    'GET /spend': { scope: 'spend:read', path: `/spend?organization=${organization}`, collection: 'list' },
    'GET /spend/sums': {
      scope: 'spend:read', path: `/spend/sums?by=day&organization=${organization}`, collection: 'list'
    },
    'GET /spend/reservations': {
      scope: 'spend:read', path: `/spend/reservations?organization=${organization}`, collection: 'list'
    },
    'GET /spend/reservations/:id': { scope: 'spend:read', path: `/spend/reservations/${reservation}` },
    'POST /skills': {
      scope: 'skills:write',
      path: `/skills?organization=${organization}&version=1.0.1`,
      body: skillArchive,
      collection: 'create'
    },
    'GET /skills': { scope: 'skills:read', path: `/skills?organization=${organization}`, collection: 'list' },
    'GET /skills/:id': { scope: 'skills:read', path: `/skills/${skill.id}` },
    'GET /skills/:id/archive': { scope: 'skills:read', path: `/skills/${skill.id}/archive` },
    'POST /skills/:id/yank': { scope: 'skills:write', path: `/skills/${skill.id}/yank`, body: { reason: 'x' } },
    'POST /third-party-sources': {
      scope: 'third-party-sources:write',
      path: '/third-party-sources',
      body: { organization, name: 'x', kind: 'skills', url: 'https://127.0.0.1/' },
      collection: 'create'
    },
    'GET /third-party-sources': {
      scope: 'third-party-sources:read', path: `/third-party-sources?organization=${organization}`, collection: 'list'
    },
    'GET /third-party-sources/:id': { scope: 'third-party-sources:read', path: `/third-party-sources/${source.id}` },
    'PATCH /third-party-sources/:id': {
      scope: 'third-party-sources:write', path: `/third-party-sources/${source.id}`, body: { name: 'taken over' }
    },
    'POST /third-party-sources/:id/refresh': {
      scope: 'third-party-sources:write', path: `/third-party-sources/${source.id}/refresh`
    },
    'GET /third-party-sources/:id/content': {
      scope: 'third-party-sources:read', path: `/third-party-sources/${source.id}/content`
    },
    'GET /signing-keys': { scope: 'signing-keys:read', path: '/signing-keys' },
    'GET /signing-keys/:id': { scope: 'signing-keys:read', path: '/signing-keys/x' },
    'POST /signing-keys/rotate': { scope: 'signing-keys:write', path: '/signing-keys/rotate' },
    'POST /signing-keys/:id/revoke': { scope: 'signing-keys:write', path: '/signing-keys/x/revoke' },
    'POST /organizations/:id/suspend': { scope: 'organizations:write', path: `/organizations/${organization}/suspend` },
    'POST /organizations/:id/resume': { scope: 'organizations:write', path: `/organizations/${organization}/resume` },
    'DELETE /organizations/:id': { scope: 'organizations:write', path: `/organizations/${organization}` },
    'DELETE /members/:id': { scope: 'members:write', path: `/members/${member.id}` },
    'DELETE /resources/:id': { scope: 'resources:write', path: `/resources/${encoded}` },
    'DELETE /clients/:id': { scope: 'clients:write', path: `/clients/${client.clientId}` },
    'DELETE /api-keys/:id': { scope: 'api-keys:write', path: `/api-keys/${apiKey.id}` },
    'DELETE /publishable-keys/:id': { scope: 'publishable-keys:write', path: `/publishable-keys/${publishableKey.id}` },
    'DELETE /webhook-tokens/:id': { scope: 'webhook-tokens:write', path: `/webhook-tokens/${webhookToken.id}` },
    'DELETE /registration-tokens/:id': {
      scope: 'registration-tokens:write', path: `/registration-tokens/${registrationToken.id}`
    },
    'DELETE /access-tokens/:id': { scope: 'access-tokens:write', path: `/access-tokens/${accessToken.id}` },
    'DELETE /third-party-sources/:id': {
      scope: 'third-party-sources:write', path: `/third-party-sources/${source.id}`
    },
    'DELETE /mcp-servers/:id': { scope: 'mcp-servers:write', path: `/mcp-servers/${mcpServer.id}` },
    'GET /usage/api-keys': { scope: 'usage:read', path: `/usage/api-keys?keys=${apiKey.id}`, collection: 'list' },
    'GET /audit/counts': {
      scope: 'audit:read', path: `/audit/counts?organization=${organization}`, collection: 'list'
    },
    'GET /clients/:id/usage': { scope: 'usage:read', path: `/clients/${client.clientId}/usage` },
    'GET /usage/tokens': {
      scope: 'usage:read', path: `/usage/tokens?organization=${organization}`, collection: 'list'
    },
    'GET /audit/export': {
      scope: 'audit:read', path: `/audit/export?organization=${organization}`, collection: 'list'
    },
    'GET /audit/head': { scope: 'audit:read', path: `/audit/head?organization=${organization}`, collection: 'list' },
    'GET /audit/verify': { scope: 'audit:read', path: '/audit/verify' },
    'POST /audit/verify': {
      scope: 'audit:read', path: '/audit/verify', body: { heads: [{ chain: organization, sequence: 1, hash: 'x' }] }
    },
    'POST /audit/prune': {
      scope: 'audit:write', path: '/audit/prune', body: { organization, before: '2020-01-01T00:00:00Z' }
    },
    'POST /audit/recover': { scope: 'audit:write', path: '/audit/recover', body: { organization } },
    'GET /health': { scope: 'server:read', path: '/health' },
    'GET /metrics': { scope: 'server:read', path: '/metrics' },
    'GET /replicas': { scope: 'replicas:read', path: '/replicas' },
    'GET /lost-changes': { scope: 'replicas:read', path: '/lost-changes' },
    'POST /lost-changes/:id/accept': { scope: 'replicas:write', path: '/lost-changes/lch_x/accept' },
    'POST /lost-changes/accept': { scope: 'replicas:write', path: '/lost-changes/accept' },
    'GET /audit': { scope: 'audit:read', path: `/audit?organization=${organization}`, collection: 'list' },
  }
}

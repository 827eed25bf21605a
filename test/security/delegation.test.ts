/**
 * No actor hands on more than it has: every operation that creates or changes something, by actors of every strength.
 * The operations are those of the API's document: one without a row fails.
 */
import { createHash } from 'node:crypto'
import { skillFile, zip } from '../support/archives.ts'
import tap from 'tap'
import { operationsOf } from '../support/openapi-document.ts'
import { createAccount, createPasskey } from '../support/people.ts'
import { startServer, type Answer, type Json, type TestServer } from '../support/test-server.ts'

/**
 * `managed`: a scope of the management API. `elsewhere`: an ordinary scope of a resource of the organization.
 * `reserved`: an API-key-only scope of it.
 */
type Authority = 'managed' | 'elsewhere' | 'reserved'
/**
 * `key`: an API key that no member bounds, with these scopes. `member`: a key with full access that is bound to a
 * member with them.
 */
type Form = 'key' | 'member'
const strengths = ['stronger', 'equal', 'weaker', 'elsewhere', 'allowlist', 'end', 'objects'] as const
type Strength = typeof strengths[number]
/**
 * `bound`: passes, and what is made is bound to the actor's member, who lacks what it names. Else the code of the
 * error.
 */
type Outcome = 'passes' | 'bound' | 'insufficient_permissions' | 'not_found'

/** One way in which an operation gives (or takes, or tells a secret of) an authority; one row of the table. */
interface Way {
  how?: string
  /** What is handed on. Null: nothing is, so the right to the operation is enough. */
  of: Authority | null
  by: Form
  /**
   * Makes what is changed, with the admin token; then the request that is sent. `read`: what must be as before when it
   * is refused.
   */
  make (world: World, scope: string): Promise<{ path: string, body?: Json, read?: string, elsewhere?: Json }>
  /** As the rule has it, unless given. */
  outcome?: Partial<Record<Strength, Outcome>> | Outcome
}

/** The rule. Restrictions bind what acts on the management API, and nothing else. */
function expected ({ of, outcome }: Way, strength: Strength): Outcome {
  if (typeof outcome === 'string' && strength !== 'elsewhere') return outcome
  const given = typeof outcome === 'string' ? undefined : outcome?.[strength]
  if (given !== undefined) return given
  if (strength === 'elsewhere') return 'not_found'
  if (of === null || strength === 'stronger' || strength === 'equal') return 'passes'
  return strength === 'weaker' || of === 'managed' ? 'insufficient_permissions' : 'passes'
}

const scopeOf: Record<Authority, string> = { managed: 'audit:read', elsewhere: 'tools:run', reserved: 'seal' }
const declared = [{ name: 'tools:run' }, { name: 'tools:read' }, { name: 'seal', keyOnly: true }]

async function worldOf (server: TestServer) {
  const { admin, createOrganization, createKey, issuer } = server
  const management = `${issuer}/api/v1`
  let count = 0
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status >= 300) throw new Error(`POST ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const tenant = async (name: string) => {
    const organization = (await createOrganization(name)).id
    const resource = await made(
      '/resources', { identifier: `https://${name}.test/api`, organization, scopes: declared }
    )
    return { organization, resource: resource.identifier as string }
  }
  const [own, other] = [await tenant('own'), await tenant('other')]
  const resourceFor = (scope: string) => scope === scopeOf.managed ? management : own.resource
  const number = () => ++count
  const mcpServer = (more: Json) => made(
    '/mcp-servers',
    { organization: own.organization, identifier: `https://mcp${number()}.test/mcp`, scopes: declared, ...more }
  )
  const keyFor = (scope: string, more: Json = {}) => made(
    '/api-keys',
    {
      organization: own.organization,
      resource: resourceFor(scope),
      environment: 'live',
      name: 'target',
      scopes: [scope],
      ...more,
    }
  )
  const clientFor = (scopes: string[], scope: string) => made(
    '/clients', { organization: own.organization, name: 'target', grants: [{ resource: resourceFor(scope), scopes }] }
  )
  const publishableKey = () => made(
    '/publishable-keys',
    {
      organization: own.organization,
      resource: own.resource,
      environment: 'live',
      name: 'target',
      scopes: [scopeOf.elsewhere],
    }
  )
  const targets = { keyFor, clientFor, mcpServer, publishableKey }
  return { server, management, own, other, made, number, resourceFor, ...targets, createKey, ...own }
}

type World = Awaited<ReturnType<typeof worldOf>>

const both = (
  of: readonly Authority[], by: readonly Form[], way: Omit<Way, 'of' | 'by'>
): Way[] => of.flatMap(each => by.map(form => ({ ...way, of: each, by: form })))

const memberWith = async ({ made, organization }: World, scopes: string[]) => await made(
  '/members', { organization, name: 'target', role: 'viewer', scopes }
)
const groupWith = async ({ made, organization }: World, scopes: string[]) => await made(
  '/groups', { organization, name: 'target', scopes }
)
const providerKeyWith = async ({ made, organization, number }: World) => {
  const { id } = await made('/provider-keys', { organization, provider: `p${number()}`, key: 'sk-0123456789abcdef' })
  return `/provider-keys/${id}`
}
/** There is one at a time. */
const virtualKeyRequest = async ({ server, organization }: World, resource: string, scope: string) => {
  const path = `/organizations/${organization}/virtual-key`
  await server.admin('POST', `${path}/revoke`)
  return { path, body: { resource, scopes: [scope] } as Json }
}
/** Who is viewed, changed or made a member of a group: what a member gains counts on every resource. */
const raising = (way: Omit<Way, 'of' | 'by'>): Way[] => [
  ...both(['managed'], ['key', 'member'], way), ...both(['elsewhere', 'reserved'], ['member'], way),
]
/** What makes something new hands on what is new: nobody's key gains by it. */
const whoever: Partial<Record<Strength, Outcome>> = { allowlist: 'passes', end: 'passes', objects: 'passes' }
/** What begins sessions of people: those have no restriction. */
const unrestricted: Partial<Record<Strength, Outcome>> = {
  allowlist: 'insufficient_permissions', end: 'insufficient_permissions', objects: 'insufficient_permissions'
}
/** An organization trusts a provider once. */
const distrust = async ({ server: { admin }, organization }: World) => {
  for (const { id } of (await admin('GET', `/trusted-providers?organization=${organization}`)).json.data) {
    await admin('DELETE', `/trusted-providers/${id}`)
  }
}
const trusting = async (world: World, groupMapping: Json[] = []) => {
  await distrust(world)
  return await world.made('/trusted-providers', { organization: world.organization, provider: 'up', groupMapping })
}
const ofWeb = [{ claim: '/sub', value: 'system:serviceaccount:prod:web' }]
const issuerOf = async ({ made, organization, number }: World) => await made('/trusted-issuers', {
  organization, name: 'target', issuer: `https://cluster${number()}.example`
})
const ruleFor = async (world: World, scope: string, scopes: string[]) => await world.made('/workload-rules', {
  issuer: (await issuerOf(world)).id, name: 'target', claims: ofWeb, resource: world.resourceFor(scope), scopes
})
/** What lasts, and what no member bounds: a client, a registration token. */
const lasting = (way: Omit<Way, 'of' | 'by'>): Way[] => [
  ...both(['managed'], ['key'], way), ...both(['managed'], ['member'], { ...way, outcome: 'insufficient_permissions' }),
  ...both(['elsewhere'], ['member'], way),
]

/** Hands nothing on: the right to the operation is enough, for a key of the same organization. */
const plain = (make: Way['make'], outcome?: Way['outcome']): Way[] => (['key', 'member'] as const).map(
  by => ({ of: null, by, make, ...(outcome && { outcome }) })
)
const skillArchive: Json = zip([{ name: 'SKILL.md', content: skillFile() }])
const publishedSkill = async ({ made, organization, number }: World): Promise<Json> =>
  await made(`/skills?organization=${organization}&version=1.0.${number()}`, skillArchive)
const source = { name: 'x', kind: 'skills', url: 'https://127.0.0.1/' }
/** Ends a credential or a resource, which gives nothing. */
const ending = (name: string, target: (world: World) => Promise<string>): Record<string, Way[]> => ({
  [`POST /${name}/{id}/revoke`]: plain(async world => ({ path: `/${name}/${await target(world)}/revoke` })),
  [`DELETE /${name}/{id}`]: plain(async world => ({ path: `/${name}/${await target(world)}` })),
})
/** Enables a key that is disabled. */
const enabling: Way['make'] = async (world, scope) => {
  const { id } = await world.keyFor(scope)
  await world.server.admin('POST', `/api-keys/${id}/disable`)
  return { path: `/api-keys/${id}/enable`, read: `/api-keys/${id}` }
}
/** Is the deployment's: no credential of an organization does it. */
const deploymentOnly = (make: Way['make']): Way[] => plain(
  make, Object.fromEntries(strengths.map(strength => [strength, 'insufficient_permissions']))
)
/** Known, and never asked. */
const identityProvider = {
  LATCHKEY_OIDC_UP_ISSUER: 'https://idp.example',
  LATCHKEY_OIDC_UP_CLIENT_ID: 'latchkey',
  LATCHKEY_OIDC_UP_CLIENT_SECRET: 'not sent in these tests',
}
const policy = { name: 'target', effect: 'deny', conditions: { scopes: ['nothing:read'] } }

/**
 * What there is to be told of each operation that changes something: the ways in which it hands on, or why it cannot.
 */
const operations: Record<string, readonly Way[] | string> = {
  'POST /members': raising(
    {
      outcome: whoever,
      make: async ({ organization }, scope) => (
        { path: '/members', body: { organization, name: 'x', role: 'viewer', scopes: [scope] } }
      ),
    }
  )
    .map(
      way => ({ ...way, outcome: { ...whoever, equal: 'insufficient_permissions' } })
    ), // A role counts too, and who has one scope has no role.
  'PATCH /members/{id}': raising({
    make: async (world, scope) => {
      const { id } = await memberWith(world, [])
      return { path: `/members/${id}`, body: { scopes: [scope] }, read: `/members/${id}` }
    },
  }),
  'DELETE /members/{id}/passkeys/{passkey}': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const { id } = await memberWith(world, [scope])
      const passkey = await createPasskey(world.server, id)
      return { path: `/members/${id}/passkeys/${passkey.id}`, read: `/members/${id}/passkeys` }
    },
  }),
  'DELETE /members/{id}/identities/{identity}': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const { id } = await memberWith(world, [scope])
      const account = await createAccount(world.server, id, 'https://up.example')
      return { path: `/members/${id}/identities/${account.id}`, read: `/members/${id}/identities` }
    },
  }),
  'POST /members/{id}/remove': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const { id } = await memberWith(world, [scope])
      return { path: `/members/${id}/remove`, read: `/members/${id}` }
    },
  }),
  'DELETE /members/{id}': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const { id } = await memberWith(world, [scope])
      return { path: `/members/${id}`, read: `/members/${id}` }
    },
  }),
  'POST /groups': raising(
    {
      outcome: whoever,
      make: async ({ organization }, scope) => (
        { path: '/groups', body: { organization, name: 'x', scopes: [scope] } }
      ),
    }
  ),
  'PATCH /groups/{id}': [
    ...raising({
      make: async (world, scope) => {
        const { id } = await groupWith(world, [])
        return { path: `/groups/${id}`, body: { scopes: [scope] }, read: `/groups/${id}` }
      },
    }),
    ...raising({
      how: 'takes it from',
      outcome: whoever,
      make: async (world, scope) => {
        const { id } = await groupWith(world, [scope])
        return { path: `/groups/${id}`, body: { scopes: [] }, read: `/groups/${id}` }
      },
    }),
  ],
  'DELETE /groups/{id}': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const { id } = await groupWith(world, [scope])
      return { path: `/groups/${id}`, read: `/groups/${id}` }
    },
  }),
  'PUT /groups/{id}/members/{memberId}': raising({
    make: async (world, scope) => {
      const [{ id }, member] = [await groupWith(world, [scope]), await memberWith(world, [])]
      return { path: `/groups/${id}/members/${member.id}`, read: `/groups/${id}/members` }
    },
  }),
  'DELETE /groups/{id}/members/{memberId}': raising({
    how: 'takes it from',
    outcome: whoever,
    make: async (world, scope) => {
      const [{ id }, member] = [await groupWith(world, [scope]), await memberWith(world, [])]
      await world.server.admin('PUT', `/groups/${id}/members/${member.id}`)
      return { path: `/groups/${id}/members/${member.id}`, read: `/groups/${id}/members` }
    },
  }),
  'POST /invitations': [
    ...raising({
      how: 'gives by a group',
      // A role counts too; and the session that it begins has no restriction.
      outcome: { ...unrestricted, equal: 'insufficient_permissions' },
      make: async (world, scope) => {
        const { id } = await groupWith(world, [scope])
        const { organization, number } = world
        const email = `new${number()}@acme.example`
        return { path: '/invitations', body: { organization, email, role: 'viewer', groups: [id] } }
      },
    }),
    ...raising({
      how: 'lets sign in a member with',
      outcome: unrestricted,
      make: async (world, scope) => {
        const { organization, number } = world
        const { id } = await world.made('/members', {
          organization, name: 'target', role: 'viewer', scopes: [scope], email: `old${number()}@acme.example`
        })
        return { path: '/invitations', body: { organization, member: id } }
      },
    }),
  ],
  ...ending('invitations', async ({ made, organization, number }) => (
    (await made('/invitations', { organization, email: `x${number()}@acme.example`, role: 'viewer' })).id
  )),
  'POST /trusted-providers': raising({
    how: 'maps',
    make: async (world, scope) => {
      await distrust(world)
      const { id: group } = await groupWith(world, [scope])
      const { organization } = world
      return {
        path: '/trusted-providers', body: { organization, provider: 'up', groupMapping: [{ value: 'x', group }] }
      }
    },
  }),
  'PATCH /trusted-providers/{id}': [
    ...raising({
      how: 'maps',
      make: async (world, scope) => {
        const { id } = await trusting(world)
        const { id: group } = await groupWith(world, [scope])
        const path = `/trusted-providers/${id}`
        return { path, body: { groupMapping: [{ value: 'x', group }] }, read: path }
      },
    }),
    ...raising({
      how: 'takes from a mapping',
      make: async (world, scope) => {
        const { id: group } = await groupWith(world, [scope])
        const path = `/trusted-providers/${(await trusting(world, [{ value: 'x', group }])).id}`
        return { path, body: { groupMapping: [] }, read: path }
      },
    }),
  ],
  'DELETE /trusted-providers/{id}': raising({
    how: 'ends a mapping of',
    make: async (world, scope) => {
      const { id: group } = await groupWith(world, [scope])
      const path = `/trusted-providers/${(await trusting(world, [{ value: 'x', group }])).id}`
      return { path, read: path }
    },
  }),
  'POST /trusted-providers/{id}/try-mapping': plain(async world => (
    { path: `/trusted-providers/${(await trusting(world)).id}/try-mapping`, body: { claims: {} } }
  )),
  'POST /trusted-issuers': plain(async ({ organization, number }) => (
    { path: '/trusted-issuers', body: { organization, name: 'x', issuer: `https://cluster${number()}.example` } }
  )),
  'PATCH /trusted-issuers/{id}': lasting({
    how: 'lets other keys vouch for',
    make: async (world, scope) => {
      const { issuer } = await ruleFor(world, scope, [scope])
      const path = `/trusted-issuers/${issuer}`
      return { path, body: { maxAge: 600 }, read: path }
    },
  }),
  'DELETE /trusted-issuers/{id}': plain(async world => ({ path: `/trusted-issuers/${(await issuerOf(world)).id}` })),
  'POST /trusted-issuers/try': plain(async world => {
    const { clientId: client } = await world.clientFor([], scopeOf.elsewhere)
    return { path: '/trusted-issuers/try', body: { assertion: 'a.b.c', client } }
  }),
  'POST /workload-rules': lasting({
    make: async (world, scope) => {
      const { id: issuer } = await issuerOf(world)
      return {
        path: '/workload-rules',
        body: { issuer, name: 'x', claims: ofWeb, resource: world.resourceFor(scope), scopes: [scope] }
      }
    },
  }),
  'PATCH /workload-rules/{id}': [
    ...lasting({
      make: async (world, scope) => {
        const path = `/workload-rules/${(await ruleFor(world, scope, [])).id}`
        return { path, body: { scopes: [scope] }, read: path }
      },
    }),
    ...lasting({
      how: 'lets other workloads have',
      make: async (world, scope) => {
        const path = `/workload-rules/${(await ruleFor(world, scope, [scope])).id}`
        return { path, body: { claims: [{ claim: '/sub', value: 'another' }] }, read: path }
      },
    }),
  ],
  'DELETE /workload-rules/{id}': plain(async world => (
    { path: `/workload-rules/${(await ruleFor(world, scopeOf.elsewhere, [])).id}` }
  )),
  'POST /email-domains': deploymentOnly(async ({ organization, number }) => (
    { path: '/email-domains', body: { organization, domain: `d${number()}.example` } }
  )),
  'DELETE /email-domains/{id}': deploymentOnly(async ({ made, organization, number }) => {
    const path = `/email-domains/${(await made('/email-domains', { organization, domain: `d${number()}.example` })).id}`
    return { path, read: path }
  }),
  // An approval lets members allow a client what they may do themselves.
  'POST /client-approvals': plain(async ({ organization, number }) => (
    { path: '/client-approvals', body: { organization, client: `https://c${number()}.example/client.json` } }
  )),
  'DELETE /client-approvals/{id}': plain(async ({ made, organization, number }) => {
    const body = { organization, client: `https://c${number()}.example/client.json` }
    return { path: `/client-approvals/${(await made('/client-approvals', body)).id}` }
  }),
  'POST /organizations/{id}/admit-clients': plain(async ({ organization }) => (
    { path: `/organizations/${organization}/admit-clients`, body: { unverified: 'allow' } }
  )),
  'POST /organizations/{id}/require-provider': plain(async ({ organization }) => (
    { path: `/organizations/${organization}/require-provider`, body: { required: false } }
  )),
  'POST /clients': lasting(
    {
      make: async ({ organization, resourceFor }, scope) => (
        {
          path: '/clients',
          body: { organization, name: 'x', grants: [{ resource: resourceFor(scope), scopes: [scope] }] },
        }
      ),
    }
  ),
  'PATCH /clients/{id}': [
    ...lasting({
      make: async (world, scope) => {
        const { clientId } = await world.clientFor([], scope)
        return {
          path: `/clients/${clientId}`,
          body: { grants: [{ resource: world.resourceFor(scope), scopes: [scope] }] },
          read: `/clients/${clientId}`,
        }
      },
    }),
    ...lasting({
      how: 'says from where it is used',
      make: async (world, scope) => {
        const { clientId } = await world.clientFor([scope], scope)
        return { path: `/clients/${clientId}`, body: { allowlist: ['192.0.2.1'] }, read: `/clients/${clientId}` }
      },
    }),
  ],
  'POST /clients/{id}/rotate-secret': lasting({
    how: 'is told the secret of',
    make: async (world, scope) => {
      const { clientId } = await world.clientFor([scope], scope)
      return { path: `/clients/${clientId}/rotate-secret`, body: { overlapSeconds: 0 }, read: `/clients/${clientId}` }
    },
  }),
  'POST /clients/{id}/disable': plain(async world => {
    const { clientId } = await world.clientFor([scopeOf.managed], scopeOf.managed)
    return { path: `/clients/${clientId}/disable` }
  }),
  'POST /clients/{id}/enable': lasting({
    how: 'gives back to',
    make: async (world, scope) => {
      const { clientId } = await world.clientFor([scope], scope)
      await world.server.admin('POST', `/clients/${clientId}/disable`)
      return { path: `/clients/${clientId}/enable`, read: `/clients/${clientId}` }
    },
  }),
  'POST /api-keys': [
    ...both(
      ['managed'], ['key', 'member'],
      {
        make: async ({ organization, management }, scope) => (
          {
            path: '/api-keys',
            body: { organization, resource: management, environment: 'live', name: 'x', scopes: [scope] },
          }
        ),
      }
    ),
    ...both(['elsewhere', 'reserved'], ['member'], {
      outcome: { weaker: 'bound' },
      make: async ({ organization, resource }, scope) => (
        { path: '/api-keys', body: { organization, resource, environment: 'live', name: 'x', scopes: [scope] } }
      ),
    }),
    ...both(['elsewhere', 'reserved'], ['member'], {
      how: 'in nobody\'s name',
      outcome: 'insufficient_permissions',
      make: async ({ organization, resource }, scope) => (
        {
          path: '/api-keys',
          body: { organization, resource, environment: 'live', name: 'x', scopes: [scope], creator: null },
        }
      ),
    }),
  ],
  'POST /api-keys/import': both(['elsewhere', 'reserved'], ['member'], {
    how: 'in nobody\'s name',
    outcome: 'insufficient_permissions',
    make: async ({ organization, resource, number }, scope) => ({
      path: '/api-keys/import',
      body: {
        organization,
        resource,
        environment: 'live',
        name: 'x',
        scopes: [scope],
        creator: null,
        hint: '…',
        digest: createHash('sha256').update(`imported ${number()}`).digest('hex'),
      },
    }),
  }),
  'PATCH /api-keys/{id}': [
    ...both(['managed'], ['key'], {
      make: async (world, scope) => {
        const { id } = await world.keyFor(scope, { scopes: ['server:read'] })
        return { path: `/api-keys/${id}`, body: { scopes: [scope] }, read: `/api-keys/${id}` }
      },
      outcome: { equal: 'insufficient_permissions' }, // Besides it may not what the key may already.
    }),
    ...both(['managed', 'elsewhere', 'reserved'], ['member'], {
      how: 'of one that no member bounds',
      outcome: 'insufficient_permissions',
      make: async (world, scope) => {
        const { id } = await world.keyFor(scope)
        return { path: `/api-keys/${id}`, body: { expiresAt: '2097-01-01T00:00:00Z' }, read: `/api-keys/${id}` }
      },
    }),
    ...both(['managed'], ['key'], {
      how: 'says from where it is used',
      make: async (world, scope) => {
        const { id } = await world.keyFor(scope)
        return { path: `/api-keys/${id}`, body: { allowlist: [] }, read: `/api-keys/${id}` }
      },
    }),
  ],
  'POST /api-keys/{id}/disable': plain(async world => (
    { path: `/api-keys/${(await world.keyFor(scopeOf.managed)).id}/disable` }
  )),
  'POST /api-keys/{id}/enable': [
    ...both(['managed'], ['key'], { how: 'gives back to', make: enabling }),
    ...both(['managed', 'elsewhere', 'reserved'], ['member'], {
      how: 'gives back to one that no member bounds', outcome: 'insufficient_permissions', make: enabling
    }),
  ],
  'POST /api-keys/{id}/rotate': [
    ...both(['managed'], ['key'], {
      how: 'is told the secret of',
      make: async (world, scope) => {
        const { id } = await world.keyFor(scope)
        return { path: `/api-keys/${id}/rotate`, body: { overlapSeconds: 60 }, read: `/api-keys/${id}` }
      },
    }),
    ...both(['managed', 'elsewhere', 'reserved'], ['member'], {
      how: 'is told the secret of one that no member bounds',
      outcome: 'insufficient_permissions',
      make: async (world, scope) => {
        const { id } = await world.keyFor(scope)
        return { path: `/api-keys/${id}/rotate`, body: { overlapSeconds: 60 }, read: `/api-keys/${id}` }
      },
    }),
  ],
  'POST /publishable-keys': both(['elsewhere'], ['member'], {
    make: async ({ organization, resource }, scope) => (
      { path: '/publishable-keys', body: { organization, resource, environment: 'live', name: 'x', scopes: [scope] } }
    ),
  }),
  'PATCH /publishable-keys/{id}': plain(async world => {
    const { id } = await world.publishableKey()
    return { path: `/publishable-keys/${id}`, body: { name: 'y' }, read: `/publishable-keys/${id}` }
  }),
  'POST /webhook-tokens': [
    ...both(['managed'], ['key'], {
      how: 'in the name of a key',
      make: async (world, scope) => (
        {
          path: '/webhook-tokens',
          body: { apiKey: (await world.keyFor(scope)).id, object: { type: 'templates', id: '1' } },
        }
      ),
    }),
    ...both(['elsewhere', 'reserved'], ['member'], {
      how: 'in the name of a key that no member bounds',
      outcome: 'insufficient_permissions',
      make: async (world, scope) => (
        {
          path: '/webhook-tokens',
          body: { apiKey: (await world.keyFor(scope)).id, object: { type: 'templates', id: '1' } },
        }
      ),
    }),
  ],
  'POST /registration-tokens': [
    ...lasting(
      {
        make: async ({ organization, resourceFor }, scope) => (
          { path: '/registration-tokens', body: { organization, resource: resourceFor(scope), scopes: [scope] } }
        ),
      }
    ),
    ...both(['elsewhere'], ['member'], {
      how: 'without a resource, when an MCP server gives it by default',
      make: async (world, scope) => {
        await world.mcpServer({ defaultScopes: [scope] })
        return { path: '/registration-tokens', body: { organization: world.organization } }
      },
    }),
    ...both(['elsewhere'], ['member'], {
      how: 'without scopes, when its MCP server gives it by default',
      make: async (world, scope) => (
        {
          path: '/registration-tokens',
          body: {
            organization: world.organization, resource: (await world.mcpServer({ defaultScopes: [scope] })).identifier,
          },
        }
      ),
    }),
  ],
  'PATCH /registration-tokens/{id}': [
    ...lasting({
      how: 'prolongs',
      make: async ({ made, organization, resourceFor }, scope) => {
        const { id } = await made(
          '/registration-tokens', { organization, resource: resourceFor(scope), scopes: [scope], uses: 1 }
        )
        return { path: `/registration-tokens/${id}`, body: { uses: 5 }, read: `/registration-tokens/${id}` }
      },
    }),
    ...both(['elsewhere'], ['member'], {
      how: 'prolongs one without a resource',
      make: async (world, scope) => {
        await world.mcpServer({ defaultScopes: [scope] })
        const { id } = await world.made('/registration-tokens', { organization: world.organization, uses: 1 })
        return { path: `/registration-tokens/${id}`, body: { expiresAt: null }, read: `/registration-tokens/${id}` }
      },
    }),
  ],
  'POST /access-tokens': both(
    ['managed'], ['key', 'member'],
    {
      make: async ({ organization }, scope) => (
        { path: '/access-tokens', body: { organization, name: 'x', scopes: [scope] } }
      ),
    }
  ),
  'PATCH /access-tokens/{id}': [
    ...both(['managed'], ['key'], {
      make: async ({ made, organization }, scope) => {
        const { id } = await made(
          '/access-tokens', { organization, name: 'target', scopes: [scope], allowlist: ['192.0.2.1'] }
        )
        return { path: `/access-tokens/${id}`, body: { allowlist: [] }, read: `/access-tokens/${id}` }
      },
    }),
    ...both(['managed'], ['member'], {
      how: 'of one that no member bounds',
      outcome: 'insufficient_permissions',
      make: async ({ made, organization }, scope) => {
        const { id } = await made(
          '/access-tokens', { organization, name: 'target', scopes: [scope], allowlist: ['192.0.2.1'] }
        )
        return { path: `/access-tokens/${id}`, body: { scopes: [scope] }, read: `/access-tokens/${id}` }
      },
    }),
  ],
  'POST /resources': plain(async ({ organization, number }) => (
    { path: '/resources', body: { organization, identifier: `https://new${number()}.test`, scopes: declared } }
  )),
  'PATCH /resources/{id}': [
    ...both(['reserved'], ['member'], {
      how: 'opens to everybody\'s patterns',
      make: async ({ made, organization, number }, scope) => {
        const { id } = await made(
          '/resources', { identifier: `https://opened${number()}.test`, organization, scopes: declared }
        )
        // Who is to have it by name was named on another resource.
        return {
          path: `/resources/${id}`,
          body: { scopes: declared.map(each => each.name === scope ? { name: scope } : each) },
          read: `/resources/${id}`,
        }
      },
      outcome: 'insufficient_permissions',
    }),
    ...both(['reserved'], ['member'], {
      how: 'opens to everybody\'s patterns, of one that its member was named for',
      make: async (world, scope) => {
        const { admin } = world.server
        await admin('PATCH', `/resources/${encodeURIComponent(world.resource)}`, { scopes: declared })
        return {
          path: `/resources/${encodeURIComponent(world.resource)}`,
          body: { scopes: declared.map(each => each.name === scope ? { name: scope } : each) },
          read: `/resources/${encodeURIComponent(world.resource)}`,
        }
      },
    }),
  ],
  'POST /mcp-servers': both(['elsewhere'], ['member'], {
    how: 'by default',
    make: async ({ organization, number }, scope) => (
      {
        path: '/mcp-servers',
        body: { organization, identifier: `https://new${number()}.test/mcp`, scopes: declared, defaultScopes: [scope] },
      }
    ),
  }),
  'PATCH /mcp-servers/{id}': [
    ...both(['elsewhere'], ['member'], {
      how: 'by default',
      make: async (world, scope) => {
        const { id } = await world.mcpServer({})
        return { path: `/mcp-servers/${id}`, body: { defaultScopes: [scope] }, read: `/mcp-servers/${id}` }
      },
    }),
    ...both(['elsewhere'], ['member'], {
      how: 'by default, with its declaration',
      make: async (world, scope) => {
        const { id } = await world.mcpServer({ scopes: [] })
        return {
          path: `/mcp-servers/${id}`,
          body: { scopes: [{ name: scope }], defaultScopes: [scope] },
          read: `/mcp-servers/${id}`,
        }
      },
    }),
  ],
  // Skills and sources are shown, and give nothing.
  'POST /skills': plain(async ({ organization, number }) => (
    { path: `/skills?organization=${organization}&version=1.0.${number()}`, body: skillArchive }
  )),
  'POST /skills/{id}/yank': plain(async world => {
    const { id } = await publishedSkill(world)
    return { path: `/skills/${id}/yank`, body: {}, read: `/audit?subject=${id}` }
  }),
  'POST /third-party-sources': plain(async ({ organization }) => (
    { path: '/third-party-sources', body: { ...source, organization } }
  )),
  'PATCH /third-party-sources/{id}': plain(async ({ made, organization }) => {
    const { id } = await made('/third-party-sources', { ...source, organization })
    return { path: `/third-party-sources/${id}`, body: { name: 'y' }, read: `/third-party-sources/${id}` }
  }),
  'POST /third-party-sources/{id}/refresh': plain(async ({ made, organization }) => {
    const { id } = await made('/third-party-sources', { ...source, organization })
    return { path: `/third-party-sources/${id}/refresh`, read: `/third-party-sources/${id}` }
  }),
  'DELETE /third-party-sources/{id}': plain(async ({ made, organization }) => {
    const { id } = await made('/third-party-sources', { ...source, organization })
    return { path: `/third-party-sources/${id}`, read: `/third-party-sources/${id}` }
  }),
  // Policies take away; policies:write is the right to lift each of the organization.
  'POST /policies': plain(async ({ organization }) => ({ path: '/policies', body: { organization, ...policy } })),
  'PATCH /policies/{id}': plain(async ({ made, organization }) => {
    const { id } = await made('/policies', { organization, ...policy })
    return { path: `/policies/${id}`, body: { name: 'y' }, read: `/policies/${id}` }
  }),
  'DELETE /policies/{id}': plain(async ({ made, organization }) => {
    const { id } = await made('/policies', { organization, ...policy })
    return { path: `/policies/${id}`, read: `/policies/${id}` }
  }),
  'PATCH /organizations/{id}': plain(async ({ organization }) => (
    { path: `/organizations/${organization}`, body: { name: 'own' }, read: `/organizations/${organization}` }
  )),
  ...ending('clients', async world => (await world.clientFor([scopeOf.managed], scopeOf.managed)).clientId),
  ...ending('api-keys', async world => (await world.keyFor(scopeOf.managed)).id),
  ...ending('publishable-keys', async world => (await world.publishableKey()).id),
  ...ending('webhook-tokens', async world => {
    const { id } = await world.keyFor(scopeOf.managed)
    return (await world.made('/webhook-tokens', { apiKey: id, object: { type: 'templates', id: '1' } })).id
  }),
  ...ending('registration-tokens', async ({ made, organization }) => (
    (await made('/registration-tokens', { organization, name: 'target' })).id
  )),
  ...ending('access-tokens', async ({ made, organization }) => (
    (await made('/access-tokens', { organization, name: 'target', scopes: [scopeOf.managed] })).id
  )),
  ...ending('resources', async ({ made, organization, number }) => (
    (await made('/resources', { organization, identifier: `https://end${number()}.test`, scopes: declared })).id
  )),
  ...ending('mcp-servers', async world => (await world.mcpServer({})).id),
  'POST /organizations': deploymentOnly(async () => ({ path: '/organizations', body: { name: 'x' } })),
  'POST /organization-templates': deploymentOnly(async () => (
    { path: '/organization-templates', body: { name: 'x' } }
  )),
  'DELETE /organization-templates/{id}': deploymentOnly(async ({ made }) => {
    const { id } = await made('/organization-templates', { name: 'x' })
    return { path: `/organization-templates/${id}`, read: `/organization-templates/${id}` }
  }),
  'POST /portal/organizations': 'takes a scope that only the deployment gives: test/people/partners.test.ts',
  'POST /portal/members/{id}/sign-in-links':
    'takes a scope that only the deployment gives: test/people/partners.test.ts',
  'DELETE /organizations/{id}': deploymentOnly(async ({ organization }) => (
    { path: `/organizations/${organization}`, read: `/organizations/${organization}` }
  )),
  'POST /organizations/{id}/suspend': deploymentOnly(async ({ organization }) => (
    { path: `/organizations/${organization}/suspend`, read: `/organizations/${organization}` }
  )),
  'POST /organizations/{id}/resume': deploymentOnly(async ({ organization }) => (
    { path: `/organizations/${organization}/resume`, read: `/organizations/${organization}` }
  )),
  'POST /organizations/{id}/credits': deploymentOnly(async ({ organization }) => (
    { path: `/organizations/${organization}/credits`, body: { environment: 'live', amount: 1, reason: 'x' } }
  )),
  // Owners and admins make them, by their role: test/people/links.test.ts.
  'POST /members/{id}/sign-in-links': plain(
    async world => ({ path: `/members/${(await memberWith(world, [])).id}/sign-in-links` }), 'insufficient_permissions'
  ),
  'POST /provider-keys': plain(async ({ organization, number }) => (
    { path: '/provider-keys', body: { organization, provider: `p${number()}`, key: 'sk-0123456789abcdef' } }
  )),
  'PATCH /provider-keys/{id}': plain(async world => {
    const path = await providerKeyWith(world)
    return { path, body: { key: 'sk-fedcba9876543210' }, read: path }
  }),
  'DELETE /provider-keys/{id}': plain(async world => {
    const path = await providerKeyWith(world)
    return { path, read: path }
  }),
  ...Object.fromEntries(['global', 'accounts/acc_1', 'organizations/'].flatMap(holder => {
    const path = ({ organization }: World) => `/budgets/${holder}${holder.endsWith('/') ? organization : ''}`
    const operation = `/budgets/${holder.replace(/(?<=\/).*$/, '{id}')}`
    return [
      [`PUT ${operation}`, deploymentOnly(async world => ({ path: path(world), body: { day: 1, month: 1 } }))],
      [`DELETE ${operation}`, deploymentOnly(async world => ({ path: path(world) }))]
    ]
  })),
  'POST /organizations/{id}/virtual-key': [
    ...both(['managed'], ['key', 'member'], {
      make: async (world, scope) => await virtualKeyRequest(world, world.management, scope)
    }),
    ...both(['elsewhere', 'reserved'], ['member'], {
      outcome: { weaker: 'bound' },
      make: async (world, scope) => await virtualKeyRequest(world, world.resource, scope)
    })
  ],
  'POST /organizations/{id}/virtual-key/revoke': plain(async world => {
    const { path, body } = await virtualKeyRequest(world, world.resource, scopeOf.elsewhere)
    await world.made(path, body)
    return { path: `${path}/revoke` }
  }),
  ...Object.fromEntries([
    'POST /spend/reservations',
    'POST /spend/reservations/{id}/settle',
    'POST /spend/reservations/{id}/release',
    'POST /provider-keys/{id}/lease'
  ].map(operation => [operation, 'takes clients of the deployment alone, with a scope of their own: test/decision'])),
  'POST /signing-keys/rotate': deploymentOnly(async () => (
    { path: '/signing-keys/rotate', body: {}, read: '/signing-keys' }
  )),
  'POST /signing-keys/{id}/revoke': deploymentOnly(async ({ server }) => {
    const { data: [{ id }] } = (await server.admin('GET', '/signing-keys')).json
    return { path: `/signing-keys/${id}/revoke`, body: {}, read: '/signing-keys' }
  }),
  'PATCH /authorizations/{id}': deploymentOnly(async () => (
    { path: '/authorizations/aut_none', body: { callsPerMinute: 1 } }
  )),
  'POST /audit/prune': deploymentOnly(async ({ organization }) => (
    { path: '/audit/prune', body: { organization, before: '2020-01-01T00:00:00Z' } }
  )),
  'POST /audit/verify': deploymentOnly(async ({ organization }) => (
    { path: '/audit/verify', body: { heads: [{ chain: organization, sequence: 1, hash: 'x' }] } }
  )),
  'POST /audit/recover': deploymentOnly(async ({ organization }) => (
    { path: '/audit/recover', body: { organization } }
  )),
  'POST /effective-access/repair': deploymentOnly(async () => ({ path: '/effective-access/repair', body: {} })),
  'POST /lost-changes/{id}/accept': deploymentOnly(async () => ({ path: '/lost-changes/none/accept', body: {} })),
  'POST /lost-changes/accept': deploymentOnly(async () => ({ path: '/lost-changes/accept', body: {} })),
  ...Object.fromEntries([
    'POST /auth/token',
    'POST /oauth/authorize',
    'POST /oauth/par',
    'POST /oauth/introspect',
    'POST /oauth/userinfo',
    'POST /oauth/revoke',
    'POST /oauth/register',
    'PUT /oauth/register/{clientId}',
    'DELETE /oauth/register/{clientId}',
    'POST /auth/session',
    'POST /auth/backchannel-logout'
  ].map(operation => [operation, 'takes no credential of the management API: it gives what was given before'])),
  ...Object.fromEntries([
    'POST /auth/link',
    'POST /auth/logout',
    'POST /auth/logout-everywhere',
    'POST /auth/organization',
    'POST /auth/passkeys',
    'POST /auth/passkeys/options',
    'POST /auth/passkeys/sign-in',
    'POST /auth/passkeys/sign-in/options',
    'POST /auth/passkeys/{id}/name',
    'POST /auth/passkeys/{id}/remove',
    'POST /auth/identities',
    'POST /auth/identities/{id}/remove',
    'DELETE /auth/identities/{id}',
    'POST /auth/consent/{uid}',
    'POST /auth/applications/{id}/end',
    'POST /auth/applications/connections/{id}/end',
    'DELETE /auth/authorizations/{id}',
    'DELETE /auth/consents/{id}',
    'DELETE /auth/sessions/{id}'
  ].map(operation => [operation, 'takes sessions of people alone, and begins or ends their own: test/people'])),
  'POST /api-keys/find': 'reads, and hands nothing on',
  'POST /idempotency-keys/forget': 'deletes an answer of its own actor',
  'POST /explain': 'reads, and hands nothing on',
  ...Object.fromEntries([
    'POST /authorizations/end-all',
    'POST /authorizations/{id}/revoke',
    'DELETE /authorizations/{id}',
    'DELETE /consents/{id}'
  ].map(operation => [operation, 'ends what a member has allowed, and hands nothing on']))
}

/** What the actor needs to be let in by the route at all. */
function rightFor (operation: Json): string[] {
  return operation.security.find((each: Json) => 'apiKey' in each)?.apiKey ?? []
}

tap.test('Y2, CD-09: what an operation hands on, its actor has', async t => {
  const server = await startServer({ environment: identityProvider })
  t.teardown(server.close)
  const { admin, createKey, withKey } = server
  const document = (await server.send({ path: '/api/v1/openapi.json' })).json
  // Decisions for other processes take a client's secret, and change nothing that could be handed on.
  const isDecision = (path: string): boolean => /^\/api\/v1\/(verify$|guard\/|forward-auth\/)/.test(path)
  const changes = operationsOf(document).filter(({ method, path }) => method !== 'GET' && !isDecision(path)).map(
    operation => ({ ...operation, named: `${operation.method} ${operation.path.replace('/api/v1', '')}` })
  )
  t.strictSame(
    changes.map(({ named }) => named).filter(named => operations[named] === undefined), [],
    'every operation that changes something is told of in the table'
  )
  t.strictSame(
    Object.keys(operations).filter(named => !changes.some(each => each.named === named)), [],
    'and the table has no others'
  )
  const world = await worldOf(server)
  const { own, other, management } = world

  const everything = (
    form: Form, of: Authority | null
  ) => form === 'member' && of === 'reserved' ? ['*', scopeOf.reserved] : ['*']
  const actors = new Map<string, ReturnType<typeof newActor>>()
  /** A key of the management API for one way of an operation. */
  const actor = (right: string[], { of, by }: Way, strength: Strength) => {
    const name = JSON.stringify([right, of, by, strength])
    const known = actors.get(name) ?? newActor(right, { of, by }, strength)
    actors.set(name, known)
    return known
  }
  const newActor = async (
    right: string[], { of, by: form }: Pick<Way, 'of' | 'by'>, strength: Strength
  ): Promise<(method: string, path: string, body?: Json) => Promise<Answer>> => {
    const organization = strength === 'elsewhere' ? other.organization : own.organization
    const held = of === null ? [] : [scopeOf[of]]
    const scopes = strength === 'weaker' ? right : strength === 'equal' ? [...right, ...held] : everything(form, of)
    const restriction = {
      allowlist: { allowlist: ['127.0.0.0/8'] },
      end: { expiresAt: '2098-01-01T00:00:00Z' },
      objects: { objects: { projects: ['prj_1'] } },
    }[strength as 'allowlist'] ?? {}
    const creator = form === 'key'
      ? {}
      : { creator: (await world.made('/members', { organization, name: 'actor', role: 'viewer', scopes })).id }
    // Objects are custom access's alone.
    const access = form === 'key' || strength === 'objects'
      ? { scopes: form === 'key' ? scopes : ['*'] }
      : { access: 'full', scopes: undefined }
    const { key } = await createKey({ organization, resource: management, ...access, ...creator, ...restriction })
    return async (method, path, body) => await withKey(key, `/api/v1${path}`, { method, ...(body && { body }) })
  }

  for (const operation of changes) {
    const ways = operations[operation.named]
    if (!Array.isArray(ways)) continue
    const right = rightFor(operation)
    for (const way of ways as Way[]) {
      const scope = scopeOf[way.of ?? 'managed']
      for (const strength of strengths) {
        const title = `${operation.named} ${way.how ?? 'gives'}: ${way.of ?? 'nothing'}, ${way.by}, ${strength}`
        const call = await actor(right, way, strength)
        const { path, body, read } = await way.make(world, scope)
        const before = read === undefined ? null : (await admin('GET', read)).json
        const answer = await call(operation.method, path, body)
        const outcome = expected(way, strength)
        if (outcome === 'passes' || outcome === 'bound') {
          t.ok(answer.status < 300, `${title}: done, not ${answer.status} ${answer.text.slice(0, 200)}`)
        } else {
          t.equal(answer.json.code, outcome.toUpperCase(), `${title}: ${answer.status} ${answer.text.slice(0, 200)}`)
          if (read !== undefined) t.strictSame((await admin('GET', read)).json, before, `${title}: nothing has changed`)
        }
        if (outcome === 'bound') {
          t.notOk(
            (await withKey(answer.json.key, '/api/v1/principal')).json.scopes.includes(scope),
          `${title}: it may not do it`
          )
        }
        // Default scopes are those of every MCP server there is.
        if (/mcp|registration/.test(path)) {
          for (
            const { id } of (await admin('GET', `/mcp-servers?organization=${own.organization}&status=active`)).json
              .data
          ) await admin('DELETE', `/mcp-servers/${id}`)
        }
      }
    }
  }
})

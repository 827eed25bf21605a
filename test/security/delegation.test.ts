/**
 * An actor can delegate only the authority that it holds: every operation of the API that can give authority, by actors
 * of every strength. The list of operations comes from the document: an operation without an entry here fails.
 */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { operationsOf } from '../support/openapi-document.ts'
import { startServer, type Answer, type Json, type TestServer } from '../support/test-server.ts'

/**
 * `managed`: a scope of the management API.
 * `elsewhere`: an ordinary scope of a resource of the organization.
 * `reserved`: an API-key-only scope of it.
 */
type Authority = 'managed' | 'elsewhere' | 'reserved'
/**
 * `key`: an API key without a member, with these scopes.
 * `member`: a key with full access, bound to a member with these scopes.
 */
type Form = 'key' | 'member'
const strengths = ['stronger', 'equal', 'weaker', 'elsewhere', 'allowlist', 'end', 'objects'] as const
type Strength = typeof strengths[number]
/** `bound`: the new credential is bound to the actor's member, who lacks the scope that it names. */
type Outcome = 'yes' | 'no' | 'bound'

/** One way in which an operation gives or takes an authority, or reveals a secret of it. */
interface Way {
  how?: string
  of: Authority
  by: Form
  /**
   * Creates the record to change, with the admin token; then the request to send. `read`: the path of the state that a
   * refusal must not change.
   */
  make (world: World, scope: string): Promise<{ path: string, body?: Json, read?: string, elsewhere?: Json }>
  /** By the rule, unless given. */
  outcome?: Partial<Record<Strength, Outcome>> | Outcome
}

/** The rule. Restrictions limit authority over the management API, and no other. */
function expected ({ of, outcome }: Way, strength: Strength): Outcome {
  if (typeof outcome === 'string') return strength === 'elsewhere' ? 'no' : outcome
  const given = outcome?.[strength]
  if (given !== undefined) return given
  if (strength === 'stronger' || strength === 'equal') return 'yes'
  return strength === 'weaker' || strength === 'elsewhere' || of === 'managed' ? 'no' : 'yes'
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
  return { server, management, own, other, made, number, resourceFor, keyFor, clientFor, mcpServer, createKey, ...own }
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
/** Views, changes or adds to a group a member: a gain of a member counts on every resource. */
const raising = (way: Omit<Way, 'of' | 'by'>): Way[] => [
  ...both(['managed'], ['key', 'member'], way), ...both(['elsewhere', 'reserved'], ['member'], way),
]
/** A new record delegates its own authority alone: no existing key gains by it. */
const whoever: Partial<Record<Strength, Outcome>> = { allowlist: 'yes', end: 'yes', objects: 'yes' }
/** A durable credential without a member: a client, a registration token. */
const lasting = (way: Omit<Way, 'of' | 'by'>): Way[] => [
  ...both(['managed'], ['key'], way), ...both(['managed'], ['member'], { ...way, outcome: 'no' }),
  ...both(['elsewhere'], ['member'], way),
]

/** Each operation that changes something: its ways to delegate, or the reason why it cannot. */
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
      way => ({ ...way, outcome: { ...whoever, equal: 'no' } })
    ), // A role counts too, and a creator with a single scope has no role.
  'PATCH /members/{id}': raising({
    make: async (world, scope) => {
      const { id } = await memberWith(world, [])
      return { path: `/members/${id}`, body: { scopes: [scope] }, read: `/members/${id}` }
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
      outcome: 'no',
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
    outcome: 'no',
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
      outcome: { equal: 'no' }, // The actor lacks the scopes that the key already has.
    }),
    ...both(['managed', 'elsewhere', 'reserved'], ['member'], {
      how: 'of one that no member bounds',
      outcome: 'no',
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
      outcome: 'no',
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
  'PATCH /publishable-keys/{id}': 'renames',
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
      outcome: 'no',
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
      outcome: 'no',
      make: async ({ made, organization }, scope) => {
        const { id } = await made(
          '/access-tokens', { organization, name: 'target', scopes: [scope], allowlist: ['192.0.2.1'] }
        )
        return { path: `/access-tokens/${id}`, body: { scopes: [scope] }, read: `/access-tokens/${id}` }
      },
    }),
  ],
  'POST /resources': 'declares scopes that nothing has yet',
  'PATCH /resources/{id}': [
    ...both(['reserved'], ['member'], {
      how: 'opens to everybody\'s patterns',
      make: async ({ made, organization, number }, scope) => {
        const { id } = await made(
          '/resources', { identifier: `https://opened${number()}.test`, organization, scopes: declared }
        )
        // The patterns that gain the scope were granted on another resource.
        return {
          path: `/resources/${id}`,
          body: { scopes: declared.map(each => each.name === scope ? { name: scope } : each) },
          read: `/resources/${id}`,
        }
      },
      outcome: { equal: 'no', stronger: 'no', allowlist: 'no', end: 'no', objects: 'no' },
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
  'POST /policies': 'policies take away; policies:write is the power to lift each of the organization',
  'PATCH /policies/{id}': 'policies take away; policies:write is the power to lift each of the organization',
  'DELETE /policies/{id}': 'policies take away; policies:write is the power to lift each of the organization',
  'PATCH /organizations/{id}': 'a name is all that an organization says of itself; tenants.test.ts shows it',
  ...Object.fromEntries([
    'POST /clients/{id}/revoke',
    'DELETE /clients/{id}',
    'POST /api-keys/{id}/revoke',
    'DELETE /api-keys/{id}',
    'POST /publishable-keys/{id}/revoke',
    'DELETE /publishable-keys/{id}',
    'POST /webhook-tokens/{id}/revoke',
    'DELETE /webhook-tokens/{id}',
    'POST /registration-tokens/{id}/revoke',
    'DELETE /registration-tokens/{id}',
    'POST /access-tokens/{id}/revoke',
    'DELETE /access-tokens/{id}',
    'POST /resources/{id}/revoke',
    'DELETE /resources/{id}',
    'POST /mcp-servers/{id}/revoke',
    'DELETE /mcp-servers/{id}'
  ].map(operation => [operation, 'ends a credential or a resource: that gives nothing'])),
  ...Object.fromEntries([
    'POST /organizations', 'DELETE /organizations/{id}', 'POST /organizations/{id}/suspend',
    'POST /organizations/{id}/resume', 'POST /organizations/{id}/credits',
    'POST /signing-keys/rotate', 'POST /signing-keys/{id}/revoke', 'POST /audit/prune', 'POST /audit/verify',
    'POST /audit/recover', 'POST /effective-access/repair',
    'POST /lost-changes/{id}/accept', 'POST /lost-changes/accept',
  ].map(operation => [operation, 'the deployment\'s alone; tenants.test.ts shows it'])),
  ...Object.fromEntries([
    'POST /auth/token',
    'POST /oauth/authorize',
    'POST /oauth/introspect',
    'POST /oauth/revoke',
    'POST /oauth/register',
    'PUT /oauth/register/{clientId}',
    'DELETE /oauth/register/{clientId}',
    'POST /auth/session'
  ].map(operation => [operation, 'takes no credential of the management API: it gives what was given before']))
}

/** The scopes that the route itself requires. */
function rightFor (operation: Json): string[] {
  return operation.security.find((each: Json) => 'apiKey' in each)?.apiKey ?? []
}

tap.test('Y2, CD-09: what an operation hands on, its actor has', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, createKey, withKey } = server
  const document = (await server.send({ path: '/api/v1/openapi.json' })).json
  const changes = operationsOf(document).filter(({ method }) => method !== 'GET').map(
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
    form: Form, of: Authority
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
    const scopes = strength === 'weaker' ? right : strength === 'equal' ? [...right, scopeOf[of]] : everything(form, of)
    const restriction = {
      allowlist: { allowlist: ['127.0.0.0/8'] },
      end: { expiresAt: '2098-01-01T00:00:00Z' },
      objects: { objects: { projects: ['prj_1'] } },
    }[strength as 'allowlist'] ?? {}
    const creator = form === 'key'
      ? {}
      : { creator: (await world.made('/members', { organization, name: 'actor', role: 'viewer', scopes })).id }
    // Only custom access can have objects.
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
      const scope = scopeOf[way.of]
      for (const strength of strengths) {
        const title = `${operation.named} ${way.how ?? 'gives'}: ${way.of}, ${way.by}, ${strength}`
        const call = await actor(right, way, strength)
        const { path, body, read } = await way.make(world, scope)
        const before = read === undefined ? null : (await admin('GET', read)).json
        const answer = await call(operation.method, path, body)
        const outcome = expected(way, strength)
        if (outcome === 'no') {
          // A record of another organization is answered like a missing one.
          t.ok(
            [403, 404, ...(strength === 'elsewhere' ? [400] : [])].includes(answer.status),
            `${title}: refused, not ${answer.status} ${answer.text.slice(0, 200)}`
          )
          if (strength !== 'elsewhere') t.equal(answer.json.code, 'INSUFFICIENT_PERMISSIONS', title)
          if (read !== undefined) t.strictSame((await admin('GET', read)).json, before, `${title}: nothing has changed`)
        } else {
          t.ok(answer.status < 300, `${title}: done, not ${answer.status} ${answer.text.slice(0, 200)}`)
        }
        if (outcome === 'bound') {
          t.notOk(
            (await withKey(answer.json.key, '/api/v1/principal')).json.scopes.includes(scope),
          `${title}: it may not do it`
          )
        }
        // Default scopes are those of all MCP servers.
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

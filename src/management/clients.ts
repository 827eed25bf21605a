import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { clientAuthMethods, createClient, getClient, revokeClient, rotateClientSecret, updateClient, type Client } from '../domain/client.ts'
import type { Operation, Store } from '../domain/store.ts'
import { created, ended, type CreationDependencies } from './creation.ts'
import { given, operationOf, organizationFilter, organizationOf, resourceIdOf } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { revision } from './preconditions.ts'
import { resourceNames } from './resource-names.ts'
import { Allowlist, exactly, Id, IdParams, isRevoked, Name, PageQuerystring, Reason, RevocationStatus, Rotation, ScopeNames } from './schemas.ts'

const read = { scopes: ['clients:read'] }
const write = { scopes: ['clients:write'] }

const Grants = Type.Array(exactly({ resource: Id, scopes: ScopeNames }), { maxItems: 50, description: 'The first is the default resource.' })
const Introspects = Type.Array(Id, { maxItems: 50, description: 'Resources whose credentials it may introspect.' })
const Jwks = exactly({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { minItems: 1, maxItems: 10 }) })

const NewClient = exactly({
  organization: Type.Optional(Id),
  name: Name,
  grants: Grants,
  allowlist: Type.Optional(Allowlist),
  introspects: Type.Optional(Introspects),
  tokenEndpointAuthMethod: Type.Optional(Type.Enum([...clientAuthMethods])),
  jwks: Type.Optional(Jwks),
})
const ClientChange = exactly({
  name: Type.Optional(Name),
  grants: Type.Optional(Grants),
  allowlist: Type.Optional(Allowlist),
  introspects: Type.Optional(Introspects),
  organization: Type.Optional(Id),
})
const ClientQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  origin: Type.Optional(Type.Enum(['operator', 'registered'])),
  status: Type.Optional(RevocationStatus),
  resource: Type.Optional(Id),
})

export function clientRoutes (dependencies: CreationDependencies): FastifyPluginAsyncTypebox {
  const wire = async ({ store }: Operation, client: Client) => wireClient(client, await identifiers(store, [client]))
  return async app => {
    app.post('/clients', { config: write, schema: { body: NewClient } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      const { organization, ...input } = request.body
      const { client, secret } = await createClient(operation, { ...input, organizationId: organizationOf(operation, organization) })
      return { ...await wire(operation, client), ...(secret === null ? {} : { clientSecret: secret }) }
    }))

    app.get('/clients', { config: read, schema: { querystring: ClientQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, name, origin, status, resource } = request.query
      const page = await operation.store.clients.page(query, {
        ...organizationFilter(operation, organization), ...given({ name, origin, revoked: isRevoked(status), resourceId: await resourceIdOf(operation, resource) }),
      })
      const names = await identifiers(operation.store, page.items)
      return wirePage(query, page, client => wireClient(client, names))
    })

    app.get('/clients/:id', { config: read, schema: { params: IdParams } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await getClient(operation, request.params.id))
    })

    app.patch('/clients/:id', { config: write, schema: { params: IdParams, body: ClientChange } }, async request => {
      const operation = operationOf(dependencies, request)
      const { organization, ...change } = request.body
      return await wire(operation, await updateClient(operation, request.params.id, {
        ...change, ...(organization === undefined ? {} : { organizationId: organization }),
      }))
    })

    app.post('/clients/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await revokeClient(operation, request.params.id, request.body?.reason ?? null))
    })

    app.delete('/clients/:id', { config: write, schema: { summary: 'Revoke a client', params: IdParams, response: { 204: Type.Null() } } }, async (request, reply) =>
      await ended(reply, revokeClient(operationOf(dependencies, request), request.params.id, null)))

    app.post('/clients/:id/rotate-secret', { config: write, schema: { params: IdParams, body: Rotation } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      const { client, secret } = await rotateClientSecret(operation, request.params.id, request.body.overlapSeconds)
      return { ...await wire(operation, client), clientSecret: secret }
    }, 200))
  }
}

async function identifiers (store: Store, clients: readonly Client[]): Promise<ReadonlyMap<string, string>> {
  return await resourceNames(store, clients.flatMap(client => [...client.grants.map(grant => grant.resourceId), ...client.introspects]))
}

function wireClient (client: Client, names: ReadonlyMap<string, string>) {
  return {
    [revision]: client.revision,
    clientId: client.id,
    organization: client.organizationId,
    name: client.name,
    origin: client.origin,
    tokenEndpointAuthMethod: client.metadata.token_endpoint_auth_method,
    grants: client.grants.map(({ resourceId, scopes }) => ({ resource: names.get(resourceId) ?? resourceId, scopes })),
    allowlist: client.allowlist,
    introspects: client.introspects.map(id => names.get(id) ?? id),
    generation: client.generation,
    secrets: client.secrets.map(({ id, hint, createdAt, expiresAt }) => ({ id, hint, createdAt, expiresAt })),
    createdAt: client.createdAt,
    lastUsedAt: client.lastUsedAt,
    revokedAt: client.revokedAt,
    revokedReason: client.revokedReason,
  }
}

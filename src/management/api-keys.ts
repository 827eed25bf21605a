import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createApiKey, getApiKey, revokeApiKey, updateApiKey, type ApiKey } from '../domain/api-key.ts'
import type { Store } from '../domain/store.ts'
import { operationOf, organizationFilter, organizationOf, readInstant, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { Allowlist, exactly, Id, IdParams, Instant, Name, OrganizationQuerystring, Reason, ScopeNames } from './schemas.ts'

const read = { scopes: ['api-keys:read'] }
const write = { scopes: ['api-keys:write'] }

const ExpiresAt = Type.Optional(Type.Union([Instant, Type.Null()]))
const NewKey = exactly({
  organization: Type.Optional(Id),
  resource: Id,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  scopes: ScopeNames,
  allowlist: Type.Optional(Allowlist),
  expiresAt: ExpiresAt,
})
const KeyChange = exactly({ name: Type.Optional(Name), scopes: Type.Optional(ScopeNames), allowlist: Type.Optional(Allowlist), expiresAt: ExpiresAt })

export function apiKeyRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (key: ApiKey) => wireKey(key, await identifierOf(dependencies.store, key.resourceId))
  return async app => {
    app.post('/api-keys', { config: write, schema: { body: NewKey } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, expiresAt, ...input } = request.body
      const { key, text } = await createApiKey(operation, {
        ...input, organizationId: organizationOf(operation, organization), expiresAt: readInstant(expiresAt) ?? null,
      })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(key), key: text })
    })

    app.get('/api-keys', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.apiKeys.page(query, organizationFilter(operation, request.query.organization))
      const names = new Map<string, string>()
      for (const id of new Set(page.items.map(key => key.resourceId))) names.set(id, await identifierOf(operation.store, id))
      return wirePage(query, page, key => wireKey(key, names.get(key.resourceId)!))
    })

    app.get('/api-keys/:id', { config: read, schema: { params: IdParams } }, async request =>
      await wire(await getApiKey(operationOf(dependencies, request), request.params.id)))

    app.patch('/api-keys/:id', { config: write, schema: { params: IdParams, body: KeyChange } }, async request => {
      const { expiresAt, ...change } = request.body
      const instant = readInstant(expiresAt)
      return await wire(await updateApiKey(operationOf(dependencies, request), request.params.id, {
        ...change, ...(instant === undefined ? {} : { expiresAt: instant }),
      }))
    })

    app.post('/api-keys/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      await wire(await revokeApiKey(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

async function identifierOf (store: Store, resourceId: string): Promise<string> {
  return (await store.resources.get(resourceId))?.identifier ?? resourceId
}

function wireKey (key: ApiKey, resource: string) {
  const { id, hint, organizationId, environment, name, scopes, allowlist, createdBy, createdAt, expiresAt, revokedAt, revokedReason, lastUsedAt } = key
  return { id, hint, organization: organizationId, resource, environment, name, scopes, allowlist, createdBy, createdAt, expiresAt, revokedAt, revokedReason, lastUsedAt }
}

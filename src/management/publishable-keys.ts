import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createPublishableKey, getPublishableKey, revokePublishableKey, type PublishableKey } from '../domain/publishable-key.ts'
import { operationOf, organizationFilter, organizationOf, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import { exactly, Id, IdParams, Name, OrganizationQuerystring, Reason, ScopeNames } from './schemas.ts'

const read = { scopes: ['publishable-keys:read'] }
const write = { scopes: ['publishable-keys:write'] }

const NewKey = exactly({
  organization: Type.Optional(Id),
  resource: Id,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  scopes: ScopeNames,
})

export function publishableKeyRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (key: PublishableKey) => wireKey(key, await resourceNames(dependencies.store, [key.resourceId]))
  return async app => {
    app.post('/publishable-keys', { config: write, schema: { body: NewKey } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, ...input } = request.body
      const { key, signingKey } = await createPublishableKey(operation, { ...input, organizationId: organizationOf(operation, organization) })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(key), signingKey })
    })

    app.get('/publishable-keys', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.publishableKeys.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.map(key => key.resourceId))
      return wirePage(query, page, key => wireKey(key, names))
    })

    app.get('/publishable-keys/:id', { config: read, schema: { params: IdParams } }, async request =>
      await wire(await getPublishableKey(operationOf(dependencies, request), request.params.id)))

    app.post('/publishable-keys/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      await wire(await revokePublishableKey(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

function wireKey ({ id, publishable, organizationId, resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }: PublishableKey, names: ReadonlyMap<string, string>) {
  return { id, publishableKey: publishable, organization: organizationId, resource: names.get(resourceId), environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }
}

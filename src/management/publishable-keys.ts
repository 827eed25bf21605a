import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createPublishableKey, getPublishableKey, revokePublishableKey, type PublishableKey } from '../domain/publishable-key.ts'
import { operationOf, organizationFilter, organizationOf, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
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
  return async app => {
    app.post('/publishable-keys', { config: write, schema: { body: NewKey } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, ...input } = request.body
      const { key, signingKey } = await createPublishableKey(operation, { ...input, organizationId: organizationOf(operation, organization) })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...wireKey(key), signingKey })
    })

    app.get('/publishable-keys', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      return wirePage(query, await operation.store.publishableKeys.page(query, organizationFilter(operation, request.query.organization)), wireKey)
    })

    app.get('/publishable-keys/:id', { config: read, schema: { params: IdParams } }, async request =>
      wireKey(await getPublishableKey(operationOf(dependencies, request), request.params.id)))

    app.post('/publishable-keys/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      wireKey(await revokePublishableKey(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

function wireKey ({ id, publishable, organizationId, resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }: PublishableKey) {
  return { id, publishableKey: publishable, organization: organizationId, resource: resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }
}

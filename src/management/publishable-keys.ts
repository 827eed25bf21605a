import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createPublishableKey, getPublishableKey, revokePublishableKey, updatePublishableKey, type PublishableKey } from '../domain/publishable-key.ts'
import type { Operation } from '../domain/store.ts'
import { created, ended, type CreationDependencies } from './creation.ts'
import { given, operationOf, organizationFilter, organizationOf, resourceIdOf } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { revision } from './preconditions.ts'
import { resourceNames } from './resource-names.ts'
import { exactly, Id, IdParams, isRevoked, Name, PageQuerystring, Reason, RevocationStatus, ScopeNames } from './schemas.ts'

const read = { scopes: ['publishable-keys:read'] }
const write = { scopes: ['publishable-keys:write'] }

const NewKey = exactly({
  organization: Type.Optional(Id),
  resource: Id,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  scopes: ScopeNames,
})
const KeyQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  environment: Type.Optional(Type.Enum(['live', 'test'])),
  status: Type.Optional(RevocationStatus),
  resource: Type.Optional(Id),
})

export function publishableKeyRoutes (dependencies: CreationDependencies): FastifyPluginAsyncTypebox {
  const wire = async ({ store }: Operation, key: PublishableKey) => wireKey(key, await resourceNames(store, [key.resourceId]))
  return async app => {
    app.post('/publishable-keys', { config: write, schema: { body: NewKey } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      const { organization, ...input } = request.body
      const { key, signingKey } = await createPublishableKey(operation, { ...input, organizationId: organizationOf(operation, organization) })
      return { ...await wire(operation, key), signingKey }
    }))

    app.get('/publishable-keys', { config: read, schema: { querystring: KeyQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, name, environment, status, resource } = request.query
      const page = await operation.store.publishableKeys.page(query, {
        ...organizationFilter(operation, organization), ...given({ name, environment, revoked: isRevoked(status), resourceId: await resourceIdOf(operation, resource) }),
      })
      const names = await resourceNames(operation.store, page.items.map(key => key.resourceId))
      return wirePage(query, page, key => wireKey(key, names))
    })

    app.get('/publishable-keys/:id', { config: read, schema: { params: IdParams } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await getPublishableKey(operation, request.params.id))
    })

    app.post('/publishable-keys/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await revokePublishableKey(operation, request.params.id, request.body?.reason ?? null))
    })

    app.patch('/publishable-keys/:id', { config: write, schema: { summary: 'Rename a publishable key', params: IdParams, body: exactly({ name: Type.Optional(Name) }) } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await updatePublishableKey(operation, request.params.id, request.body))
    })

    app.delete('/publishable-keys/:id', { config: write, schema: { summary: 'Revoke a publishable key', params: IdParams, response: { 204: Type.Null() } } }, async (request, reply) =>
      await ended(reply, revokePublishableKey(operationOf(dependencies, request), request.params.id, null)))
  }
}

function wireKey ({ id, publishable, organizationId, resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt, revision: shown }: PublishableKey, names: ReadonlyMap<string, string>) {
  return { [revision]: shown, id, publishableKey: publishable, organization: organizationId, resource: names.get(resourceId), environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }
}

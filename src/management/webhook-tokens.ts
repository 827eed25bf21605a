import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createWebhookToken, getWebhookToken, revokeWebhookToken, type WebhookToken } from '../domain/webhook-token.ts'
import type { Operation } from '../domain/store.ts'
import { created, ended, type CreationDependencies } from './creation.ts'
import { given, operationOf, organizationFilter, resourceIdOf } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { revision } from './preconditions.ts'
import { resourceNames } from './resource-names.ts'
import { exactly, Id, IdParams, isRevoked, ObjectId, ObjectType, PageQuerystring, Reason, RevocationStatus } from './schemas.ts'

const read = { scopes: ['webhook-tokens:read'] }
const write = { scopes: ['webhook-tokens:write'] }

const TokenQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  apiKey: Type.Optional(Id),
  status: Type.Optional(RevocationStatus),
  resource: Type.Optional(Id),
})
const NewToken = exactly({ apiKey: Id, object: exactly({ type: ObjectType, id: ObjectId }) })

export function webhookTokenRoutes (dependencies: CreationDependencies): FastifyPluginAsyncTypebox {
  const wire = async ({ store }: Operation, token: WebhookToken) => wireToken(token, await resourceNames(store, [token.resourceId]))
  return async app => {
    app.post('/webhook-tokens', { config: write, schema: { body: NewToken } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      const { apiKey, object } = request.body
      const { token, text } = await createWebhookToken(operation, { apiKeyId: apiKey, object })
      return { ...await wire(operation, token), token: text }
    }))

    app.get('/webhook-tokens', { config: read, schema: { querystring: TokenQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, apiKey, status, resource } = request.query
      const page = await operation.store.webhookTokens.page(query, {
        ...organizationFilter(operation, organization), ...given({ apiKeyId: apiKey, revoked: isRevoked(status), resourceId: await resourceIdOf(operation, resource) }),
      })
      const names = await resourceNames(operation.store, page.items.map(token => token.resourceId))
      return wirePage(query, page, token => wireToken(token, names))
    })

    app.get('/webhook-tokens/:id', { config: read, schema: { params: IdParams } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await getWebhookToken(operation, request.params.id))
    })

    app.post('/webhook-tokens/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request => {
      const operation = operationOf(dependencies, request)
      return await wire(operation, await revokeWebhookToken(operation, request.params.id, request.body?.reason ?? null))
    })

    app.delete('/webhook-tokens/:id', { config: write, schema: { summary: 'Revoke a webhook token', params: IdParams, response: { 204: Type.Null() } } }, async (request, reply) =>
      await ended(reply, revokeWebhookToken(operationOf(dependencies, request), request.params.id, null)))
  }
}

function wireToken ({ id, hint, organizationId, resourceId, apiKeyId, object, createdBy, createdAt, revokedAt, revision: shown }: WebhookToken, names: ReadonlyMap<string, string>) {
  return { [revision]: shown, id, hint, organization: organizationId, resource: names.get(resourceId), apiKey: apiKeyId, object, createdBy, createdAt, revokedAt }
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { createWebhookToken, getWebhookToken, revokeWebhookToken, type WebhookToken } from '../domain/webhook-token.ts'
import { operationOf, organizationFilter, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import { exactly, Id, IdParams, ObjectId, ObjectType, OrganizationQuerystring, Reason } from './schemas.ts'

const read = { scopes: ['webhook-tokens:read'] }
const write = { scopes: ['webhook-tokens:write'] }

const NewToken = exactly({ apiKey: Id, object: exactly({ type: ObjectType, id: ObjectId }) })

export function webhookTokenRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (token: WebhookToken) => wireToken(token, await resourceNames(dependencies.store, [token.resourceId]))
  return async app => {
    app.post('/webhook-tokens', { config: write, schema: { body: NewToken } }, async (request, reply) => {
      const { apiKey, object } = request.body
      const { token, text } = await createWebhookToken(operationOf(dependencies, request), { apiKeyId: apiKey, object })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(token), token: text })
    })

    app.get('/webhook-tokens', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.webhookTokens.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.map(token => token.resourceId))
      return wirePage(query, page, token => wireToken(token, names))
    })

    app.get('/webhook-tokens/:id', { config: read, schema: { params: IdParams } }, async request =>
      await wire(await getWebhookToken(operationOf(dependencies, request), request.params.id)))

    app.post('/webhook-tokens/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      await wire(await revokeWebhookToken(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

function wireToken ({ id, hint, organizationId, resourceId, apiKeyId, object, createdBy, createdAt, revokedAt }: WebhookToken, names: ReadonlyMap<string, string>) {
  return { id, hint, organization: organizationId, resource: names.get(resourceId), apiKey: apiKeyId, object, createdBy, createdAt, revokedAt }
}

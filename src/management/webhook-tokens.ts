import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createWebhookToken, getWebhookToken, revokeWebhookToken, type WebhookToken } from '../domain/webhook-token.ts'
import { operationOf, organizationFilter, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import { as, exactly, Id, IdParams, Moment, nullable, ObjectId, ObjectType, OrganizationId, OrganizationQuerystring, pageOf, Reason, shownOnce } from './schemas.ts'

const read = { scopes: ['webhook-tokens:read'] }
const write = { scopes: ['webhook-tokens:write'] }

const NewToken = exactly({ apiKey: as(Id, 'key_2bNfD7hXk9mQpRsTuVwYzA'), object: exactly({ type: ObjectType, id: ObjectId }) })

export function webhookTokenRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (token: WebhookToken) => wireToken(token, await resourceNames(dependencies.store, [token.resourceId]))
  return async app => {
    app.post('/webhook-tokens', { config: { ...write, failures: ['not_found', 'credential_revoked', 'credential_superseded', 'organization_not_active'] }, schema: { summary: 'Create a webhook token', description: 'Bound to one object that the key may touch; what stands in a URL can do nothing else.', body: NewToken, response: { 201: WebhookTokenWithText } } }, async (request, reply) => {
      const { apiKey, object } = request.body
      const { token, text } = await createWebhookToken(operationOf(dependencies, request), { apiKeyId: apiKey, object })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(token), token: text })
    })

    app.get('/webhook-tokens', { config: read, schema: { summary: 'List webhook tokens', querystring: OrganizationQuerystring, response: { 200: pageOf(WireToken) } } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.webhookTokens.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.map(token => token.resourceId))
      return wirePage(query, page, token => wireToken(token, names))
    })

    app.get('/webhook-tokens/:id', { config: read, schema: { summary: 'Read a webhook token', params: IdParams, response: { 200: WireToken } } }, async request =>
      await wire(await getWebhookToken(operationOf(dependencies, request), request.params.id)))

    app.post('/webhook-tokens/:id/revoke', { config: write, schema: { summary: 'Revoke a webhook token', params: IdParams, body: Reason, response: { 200: WireToken } } }, async request =>
      await wire(await revokeWebhookToken(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

const webhookToken = {
  id: as(Type.String(), 'wht_3dFgHjKlMnPqRsTuVwXyZb'),
  hint: as(Type.String(), '…7hJk'),
  organization: OrganizationId,
  resource: as(Type.String(), 'https://api.acme.test'),
  apiKey: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  object: Type.Object({ type: ObjectType, id: ObjectId }),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
  revokedAt: nullable(Moment),
}
const WireToken = Type.Object(webhookToken, { title: 'WebhookToken' })
const WebhookTokenWithText = Type.Object({ ...webhookToken, token: shownOnce('whk_…') }, { title: 'WebhookTokenWithText' })

function wireToken ({ id, hint, organizationId, resourceId, apiKeyId, object, createdBy, createdAt, revokedAt }: WebhookToken, names: ReadonlyMap<string, string>) {
  return { id, hint, organization: organizationId, resource: names.get(resourceId) ?? resourceId, apiKey: apiKeyId, object, createdBy, createdAt, revokedAt }
}

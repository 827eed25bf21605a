/** Webhook tokens, each bound to one object of an API key. */
import type { Repositories } from '../../domain/store.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  createWebhookToken, getWebhookToken, revokeWebhookToken, type WebhookToken
} from '../../domain/credentials/webhook-token.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, resourceIdOf } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourceNames } from '../conventions/resource-names.ts'
import {
  as, exactly, Id, IdParams, isRevoked, listQuerystring, Moment, nullable, ObjectId, ObjectType, OrganizationId,
  ownPage, pageOf, Reason, RevocationStatus, shownOnce
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['webhook-tokens:read'] }
const writeAccess = { scopes: ['webhook-tokens:write'] }

const TokenQuerystring = exactly({
  ...listQuerystring({
    records: 'webhook tokens', found: 'the visible part of the token, or of the id of its object', sorts: ['newest']
  }),
  organization: Type.Optional(Id),
  apiKey: Type.Optional(Id),
  status: Type.Optional(RevocationStatus),
  resource: Type.Optional(Id)
})
const NewToken = exactly({
  apiKey: as(Id, 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  object: exactly({ type: ObjectType, id: ObjectId })
})

export const webhookTokenRoutes = routes<CreationDependencies>(
  createWebhookTokenRoute, listWebhookTokensRoute, getWebhookTokenRoute, revokeWebhookTokenRoute,
  deleteWebhookTokenRoute
)

function createWebhookTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/webhook-tokens', {
    config: {
      ...writeAccess,
      failures: [
        'not_found', 'organization_not_active', 'unknown_resource', 'credential_revoked',
        'credential_disabled', 'credential_superseded',
        'credential_expired'
      ]
    },
    schema: {
      summary: 'Create a webhook token',
      description: 'Bound to one object of the API key: a secret in a URL should reach nothing else.',
      body: NewToken,
      response: { 201: WebhookTokenWithText },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { apiKey, object } = request.body
    const { token, text } = await createWebhookToken(operation, { apiKeyId: apiKey, object })
    return { ...await tokenAnswer(operation, token), token: text }
  }))
}

function listWebhookTokensRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/webhook-tokens', {
    config: readAccess,
    schema: {
      summary: 'List webhook tokens',
      description: ownPage,
      querystring: TokenQuerystring,
      response: { 200: pageOf(WireToken) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, apiKey, status, resource } = request.query
    const page = await operation.store.webhookTokens.page(query, {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({
        apiKeyId: apiKey, revoked: isRevoked(status), resourceId: await resourceIdOf(operation, resource)
      })
    })
    const names = await resourceNames(operation.store, page.items.map(token => token.resourceId))
    return wireList(query, page, token => wireToken(token, names))
  })
}

function getWebhookTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/webhook-tokens/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a webhook token',
      description: 'Includes a hint of the token, never the token itself.',
      params: IdParams,
      response: { 200: WireToken },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await tokenAnswer(operation, await getWebhookToken(operation, request.params.id))
  })
}

function revokeWebhookTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/webhook-tokens/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a webhook token',
      description: 'Takes effect on the next request. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireToken },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await tokenAnswer(
      operation, await revokeWebhookToken(operation, request.params.id, request.body?.reason ?? null)
    )
  })
}

function deleteWebhookTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/webhook-tokens/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a webhook token',
      description: 'Same as `revoke` without a reason; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeWebhookToken(operationOf(dependencies, request), request.params.id, null)))
}

async function tokenAnswer ({ store }: Operation<Repositories>, token: WebhookToken) {
  return wireToken(token, await resourceNames(store, [token.resourceId]))
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
const WebhookTokenWithText = Type.Object({ ...webhookToken, token: shownOnce('whk_…') }, {
  title: 'WebhookTokenWithText'
})

function wireToken (
  { id, hint, organizationId, resourceId, apiKeyId, object, createdBy, createdAt, revokedAt, revision: shown }:
  WebhookToken,
  names: ReadonlyMap<string, string>
) {
  return {
    [revision]: shown,
    id,
    hint,
    organization: organizationId,
    resource: names.get(resourceId) ?? resourceId,
    apiKey: apiKeyId,
    object,
    createdBy,
    createdAt,
    revokedAt
  }
}

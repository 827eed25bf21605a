/** The virtual key of an organization: the API key by which it calls AI models through a gateway. */
import { Type } from '../../http/typebox-lite.ts'
import { statusOf, keyStatuses, type ApiKey } from '../../domain/credentials/api-key.ts'
import { versionOf, type Operation } from '../../domain/core/operation.ts'
import { getBudget } from '../../domain/spending/budget.ts'
import { createVirtualKey, getVirtualKey, revokeVirtualKey } from '../../domain/spending/virtual-key.ts'
import type { Repositories } from '../../domain/store.ts'
import { created, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { revision } from '../conventions/etags.ts'
import { operationOf, readInstant } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  Allowlist, as, exactly, IdParams, Instant, Moment, Name, nullable, OrganizationId, Reason, ResourceName, ScopeNames,
  shownOnce
} from '../conventions/schemas.ts'
import { WireBudgetState, wireBudgetState } from '../schemas/budget.ts'

const readAccess = { scopes: ['api-keys:read'] }
const writeAccess = { scopes: ['api-keys:write'] }

const NewVirtualKey = exactly({
  resource: ResourceName,
  name: Type.Optional(Name),
  environment: Type.Optional(Type.With(Type.Enum(['live', 'test']), { description: '`live` unless given.' })),
  scopes: Type.Optional(ScopeNames),
  allowlist: Type.Optional(Allowlist),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
})
const shown = {
  id: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  organization: OrganizationId,
  hint: as(Type.String(), 'oc_live_…4f2a'),
  status: Type.Enum([...keyStatuses]),
  createdAt: Moment,
  lastUsedAt: nullable(Moment),
  budget: WireBudgetState,
}
const WireVirtualKey = Type.Object(shown, { title: 'VirtualKey' })
const WireNewVirtualKey = Type.Object({ ...shown, key: shownOnce('oc_live_…') }, { title: 'NewVirtualKey' })

export const virtualKeyRoutes = routes<CreationDependencies>(
  getVirtualKeyRoute, createVirtualKeyRoute, revokeVirtualKeyRoute
)

function getVirtualKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/organizations/:id/virtual-key', {
    config: readAccess,
    schema: {
      summary: 'Read the virtual key of an organization',
      description: 'The API key by which it calls AI models, with the budget of the organization; never the key ' +
        'itself.',
      operationId: 'getVirtualKey',
      tags: ['budgets'],
      params: IdParams,
      response: { 200: WireVirtualKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await wireVirtualKey(operation, await getVirtualKey(operation, request.params.id))
  })
}

function createVirtualKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/organizations/:id/virtual-key', {
    config: {
      ...writeAccess,
      appends: true,
      failures: [
        'not_found', 'organization_not_active', 'conflict', 'unknown_resource', 'unknown_scope', 'invalid_allowlist',
        'invalid_expiry'
      ]
    },
    schema: {
      summary: 'Create the virtual key of an organization',
      description: 'An API key for the gateway\'s resource. While it works, there is no second one: rotate or ' +
        'revoke it.',
      operationId: 'createVirtualKey',
      tags: ['budgets'],
      params: IdParams,
      body: NewVirtualKey,
      response: { 201: WireNewVirtualKey },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { name = 'virtual key', environment = 'live', expiresAt, ...input } = request.body
    const { key, text } = await createVirtualKey(operation, {
      ...input, name, environment, organizationId: request.params.id, expiresAt: readInstant(expiresAt) ?? null
    })
    return { ...await wireVirtualKey(operation, key), key: text }
  }))
}

function revokeVirtualKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/organizations/:id/virtual-key/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke the virtual key of an organization',
      description: 'The next call with it is refused. Idempotent.',
      operationId: 'revokeVirtualKey',
      tags: ['budgets'],
      params: IdParams,
      body: Reason,
      response: { 200: WireVirtualKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const key = await revokeVirtualKey(operation, request.params.id, request.body?.reason ?? null)
    return await wireVirtualKey(operation, key)
  })
}

async function wireVirtualKey (operation: Operation<Repositories>, key: ApiKey) {
  const { id, organizationId, hint, createdAt, lastUsedAt } = key
  const budget = await getBudget(operation, { kind: 'organization', id: organizationId })
  return {
    [revision]: versionOf(key),
    id,
    organization: organizationId,
    hint,
    status: statusOf(key, operation.clock()),
    createdAt,
    lastUsedAt,
    budget: wireBudgetState(budget)
  }
}

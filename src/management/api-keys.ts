import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import {
  accessLevels, createApiKey, getApiKey, importApiKey, keyStatuses, revokeApiKey, rotateApiKey, statusOf, updateApiKey,
  type ApiKey, type ApiKeyInput,
} from '../domain/api-key.ts'
import { namesLimits, type Limits } from '../domain/limits.ts'
import type { Operation, Store } from '../domain/store.ts'
import { operationOf, organizationFilter, organizationOf, readInstant, requireDeployment, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { Allowlist, exactly, Hint, Id, IdParams, Instant, limits, Name, Objects, PageQuerystring, Reason, Rotation, ScopeNames } from './schemas.ts'

const read = { scopes: ['api-keys:read'] }
const write = { scopes: ['api-keys:write'] }

const changeable = {
  organizations: Type.Optional(Type.Array(Id, { maxItems: 100, description: 'The organizations whose data it reaches, besides the one that it belongs to.' })),
  access: Type.Optional(Type.Enum([...accessLevels])),
  scopes: Type.Optional(ScopeNames),
  objects: Type.Optional(Objects),
  allowlist: Type.Optional(Allowlist),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
  ...limits,
}
const made = {
  ...changeable,
  organization: Type.Optional(Id),
  resource: Id,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  creator: Type.Optional(Type.Union([Id, Type.Null()], { description: 'The member it never does more than.' })),
}
const NewKey = exactly(made)
const ImportedKey = exactly({
  ...made,
  digest: Type.String({ maxLength: 64, description: 'SHA-256 of the key, hex or base64url.' }),
  hint: Hint,
})
const KeyChange = exactly({ ...changeable, name: Type.Optional(Name) })
const KeyQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  status: Type.Optional(Type.Enum([...keyStatuses])),
  name: Type.Optional(Name),
})

export function apiKeyRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const { store, clock } = dependencies
  const wire = async (key: ApiKey) => wireKey(key, await identifierOf(store, key.resourceId), clock())
  return async app => {
    app.post('/api-keys', { config: write, schema: { body: NewKey } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { key, text } = await createApiKey(operation, readKey(operation, request.body))
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(key), key: text })
    })

    app.post('/api-keys/import', { config: write, schema: { body: ImportedKey } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { digest, hint, ...input } = request.body
      return await reply.code(201).send(await wire(await importApiKey(operation, { ...readKey(operation, input), digest, hint })))
    })

    app.get('/api-keys', { config: read, schema: { querystring: KeyQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, name, status } = request.query
      const now = clock()
      const page = await operation.store.apiKeys.page(query, {
        ...organizationFilter(operation, organization),
        ...(name === undefined ? {} : { name }),
        ...(status === undefined ? {} : { status: { is: status, at: now } }),
      })
      const names = new Map<string, string>()
      for (const id of new Set(page.items.map(key => key.resourceId))) names.set(id, await identifierOf(operation.store, id))
      return wirePage(query, page, key => wireKey(key, names.get(key.resourceId)!, now))
    })

    app.get('/api-keys/:id', { config: read, schema: { params: IdParams } }, async request =>
      await wire(await getApiKey(operationOf(dependencies, request), request.params.id)))

    app.patch('/api-keys/:id', { config: write, schema: { params: IdParams, body: KeyChange } }, async request => {
      const operation = operationOf(dependencies, request)
      requireMayLimit(operation, request.body)
      const { expiresAt, ...change } = request.body
      const instant = readInstant(expiresAt)
      return await wire(await updateApiKey(operation, request.params.id, { ...change, ...(instant === undefined ? {} : { expiresAt: instant }) }))
    })

    app.post('/api-keys/:id/rotate', { config: write, schema: { params: IdParams, body: Rotation } }, async (request, reply) => {
      const { key, text } = await rotateApiKey(operationOf(dependencies, request), request.params.id, request.body.overlapSeconds)
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(key), key: text })
    })

    app.post('/api-keys/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      await wire(await revokeApiKey(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

function readKey (operation: Operation, body: Static<typeof NewKey>): ApiKeyInput {
  requireMayLimit(operation, body)
  const { organization, creator, expiresAt, ...input } = body
  return { ...input, organizationId: organizationOf(operation, organization), ...(creator === undefined ? {} : { creatorId: creator }), expiresAt: readInstant(expiresAt) ?? null }
}

/** What a key may take is a matter of the plan: who is limited by it does not set it (Y2). @throws Failure `insufficient_permissions`. */
function requireMayLimit (operation: Operation, given: Partial<Limits>): void {
  if (namesLimits(given)) requireDeployment(operation, 'Setting the limits of a key')
}

async function identifierOf (store: Store, resourceId: string): Promise<string> {
  return (await store.resources.get(resourceId))?.identifier ?? resourceId
}

function wireKey (key: ApiKey, resource: string, now: Date) {
  return {
    id: key.id,
    hint: key.hint,
    status: statusOf(key, now),
    organization: key.organizationId,
    organizations: key.organizations,
    resource,
    environment: key.environment,
    name: key.name,
    access: key.access,
    scopes: key.scopes,
    objects: key.objects,
    allowlist: key.allowlist,
    callsPerMonth: key.callsPerMonth,
    creditsPerMonth: key.creditsPerMonth,
    callsPerMinute: key.callsPerMinute,
    createdBy: key.createdBy,
    creator: key.creatorId,
    imported: key.imported,
    rotatedFrom: key.rotatedFrom,
    rotatedTo: key.rotatedTo,
    createdAt: key.createdAt,
    expiresAt: key.expiresAt,
    revokedAt: key.revokedAt,
    revokedReason: key.revokedReason,
    lastUsedAt: key.lastUsedAt,
  }
}

/** API keys: created or imported, changed, rotated and revoked. */
import type { Repositories } from '../../domain/store.ts'
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { findApiKey, getApiKey, type ApiKey } from '../../domain/credentials/api-key.ts'
import { rotateApiKey, revokeApiKey, updateApiKey } from '../../domain/credentials/api-key-change.ts'
import { importApiKey, createApiKey, type ApiKeyInput } from '../../domain/credentials/api-key-creation.ts'
import { disableApiKey, enableApiKey } from '../../domain/disabling/disable-key.ts'
import { namesLimits, type Limits } from '../../domain/tenancy/limits.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import {
  definedMembers, operationOf, organizationFilter, readInstant, requireDeployment, resourceIdOf
} from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { resourcesById } from '../conventions/resource-names.ts'
import { IdParams, ownPage, pageOf, Reason, Rotation } from '../conventions/schemas.ts'
import {
  ApiKeyWithText, ImportedKey, KeyChange, KeyQuerystring, KeyText, ListedKey, NewKey, WireKey, wireKey
} from '../schemas/api-keys.ts'

const readAccess = { scopes: ['api-keys:read'] }
const writeAccess = { scopes: ['api-keys:write'] }

/** Failures of setting the authority of a key. */
const authorityFailures: readonly FailureCode[] = [
  'not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'invalid_allowlist', 'invalid_expiry',
  'feature_not_included'
]
/** Failures of changing a key that has ended, or is disabled. */
const endedFailures: readonly FailureCode[] = [
  'credential_disabled', 'credential_revoked', 'credential_superseded', 'credential_expired'
]

export const apiKeyRoutes = routes<CreationDependencies>(
  createApiKeyRoute, importApiKeyRoute, listApiKeysRoute, findApiKeyRoute, getApiKeyRoute, updateApiKeyRoute,
  rotateApiKeyRoute, disableApiKeyRoute, enableApiKeyRoute, revokeApiKeyRoute, deleteApiKeyRoute
)

function createApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys', {
    config: { ...writeAccess, failures: authorityFailures },
    schema: {
      summary: 'Create an API key',
      description: 'Only this answer contains the key.',
      body: NewKey,
      response: { 201: ApiKeyWithText },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { key, text } = await createApiKey(operation, readKey(operation, request.body))
    return { ...await keyAnswer(operation, key), key: text }
  }))
}

function importApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/import', {
    config: { ...writeAccess, failures: [...authorityFailures, 'conflict'] },
    schema: {
      summary: 'Import a key that was made elsewhere',
      description: 'By its SHA-256: its holder keeps using the same key.',
      body: ImportedKey,
      response: { 201: WireKey },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { digest, hint, ...input } = request.body
    return await keyAnswer(operation, await importApiKey(operation, { ...readKey(operation, input), digest, hint }))
  }))
}

function listApiKeysRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/api-keys', {
    config: { ...readAccess, failures: ['invalid_expiry'] },
    schema: {
      summary: 'List API keys',
      description: ownPage,
      querystring: KeyQuerystring,
      response: { 200: pageOf(ListedKey) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, status, environment, resource, creator, externalId } = request.query
    const now = dependencies.clock()
    const listed = await operation.store.apiKeys.page({ ...query, names: request.query.names === true }, {
      ...organizationFilter(operation, organization),
      ...sought(request.query, 'POST it to api-keys/find'),
      ...definedMembers({
        name,
        environment,
        resourceId: await resourceIdOf(operation, resource),
        creatorId: creator,
        externalId,
        unusedSince: readInstant(request.query.unusedSince, 'unusedSince') ?? undefined,
        expiresBefore: readInstant(request.query.expiresBefore, 'expiresBefore') ?? undefined
      }),
      ...(status === undefined ? {} : { status: { is: status, at: now } }),
    })
    const resources = await resourcesById(operation.store, listed.items.map(key => key.resourceId))
    return wireList(query, listed, ({ creatorName, ...key }) => ({
      ...wireKey(key, resources, now), ...(creatorName === undefined ? {} : { creatorName })
    }))
  })
}

function getApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/api-keys/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an API key',
      description: 'Includes a hint of the key, never the key itself.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await getApiKey(operation, request.params.id))
  })
}

function findApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/find', {
    config: { ...readAccess, appends: true, failures: ['not_found'] },
    schema: {
      summary: 'Find an API key by its text',
      description: 'For people that hold a key and do not know which one it is. The text is digested and forgotten.',
      body: KeyText,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await findApiKey(operation, request.body.key))
  })
}

function updateApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/api-keys/:id', {
    config: { ...writeAccess, failures: [...authorityFailures, ...endedFailures] },
    schema: {
      summary: 'Change an API key',
      description:
        'Takes effect on the next request. Limits apply to its rotation chain, so also to the keys that it replaced.',
      params: IdParams,
      body: KeyChange,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireMayLimit(operation, request.body)
    const { expiresAt, ...change } = request.body
    const instant = readInstant(expiresAt)
    return await keyAnswer(
      operation,
      await updateApiKey(operation, request.params.id, {
        ...change, ...(instant === undefined ? {} : { expiresAt: instant })
      })
    )
  })
}

function rotateApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/:id/rotate', {
    config: { ...writeAccess, failures: [...authorityFailures, ...endedFailures] },
    schema: {
      summary: 'Replace an API key',
      description:
        'By a new key with the same properties. The old key stays valid for `overlapSeconds`; 0 ends it at once, for ' +
          'emergencies. Only this answer contains the key.',
      params: IdParams,
      body: Rotation,
      response: { 201: ApiKeyWithText },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { key, text } = await rotateApiKey(operation, request.params.id, request.body.overlapSeconds)
    return { ...await keyAnswer(operation, key), key: text }
  }))
}

function disableApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/:id/disable', {
    config: { ...writeAccess, failures: ['credential_revoked'] },
    schema: {
      summary: 'Disable an API key',
      description:
        'Refused from the next request on, until it is enabled. Its webhook tokens, and the sign-in links and ' +
          'sessions that it vouched for, end for good. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await disableApiKey(operation, request.params.id, request.body?.reason ?? null))
  })
}

function enableApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/:id/enable', {
    config: { ...writeAccess, failures: ['credential_revoked', 'unknown_resource'] },
    schema: {
      summary: 'Enable a disabled API key',
      description: 'The same key works again. Requires what a change of its scopes requires. Idempotent.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await enableApiKey(operation, request.params.id))
  })
}

function revokeApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke an API key',
      description: 'Takes effect on the next request. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await revokeApiKey(operation, request.params.id, request.body?.reason ?? null))
  })
}

function deleteApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/api-keys/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke an API key',
      description: 'Same as `revoke` without a reason; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeApiKey(operationOf(dependencies, request), request.params.id, null)))
}

async function keyAnswer ({ store, clock }: Operation<Repositories>, key: ApiKey) {
  return wireKey(key, await resourcesById(store, [key.resourceId]), clock())
}

function readKey (operation: Operation<Repositories>, body: Static<typeof NewKey>): ApiKeyInput {
  requireMayLimit(operation, body)
  const { organization, creator, expiresAt, ...input } = body
  return {
    ...input,
    organizationId: organization,
    ...(creator === undefined ? {} : { creatorId: creator }),
    expiresAt: readInstant(expiresAt) ?? null
  }
}

/**
 * Limits belong to the plan: an organization cannot set the limits of its own keys (Y2). @throws Failure
 * `insufficient_permissions`.
 */
function requireMayLimit (operation: Operation<Repositories>, given: Partial<Limits>): void {
  if (namesLimits(given)) requireDeployment(operation, 'Setting the limits of a key')
}

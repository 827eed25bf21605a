import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import {
  accessLevels, getApiKey, keyStatuses, statusOf,
  type ApiKey,
} from '../../domain/credentials/api-key.ts'
import { rotateApiKey, revokeApiKey, updateApiKey } from '../../domain/credentials/api-key-change.ts'
import { importApiKey, createApiKey, type ApiKeyInput } from '../../domain/credentials/api-key-creation.ts'
import { namesLimits, type Limits } from '../../domain/tenancy/limits.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import {
  definedMembers, operationOf, organizationFilter, readInstant, requireDeployment, resourceIdOf
} from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import {
  Allowlist, as, exactly, GivenObjects, GivenScopes, Hint, Id, IdParams, Instant, limits, ownPage, Moment, Name,
  nullable, Objects, OrganizationId, Owner, pageOf, PageQuerystring, Reason, ResourceName, Rotation, ScopeNames,
  shownOnce, Texts,
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['api-keys:read'] }
const writeAccess = { scopes: ['api-keys:write'] }

const changeable = {
  organizations: Type.Optional(
    Type.Array(Id, {
      maxItems: 100, description: 'The organizations whose data it reaches, besides the one that it belongs to.'
    })
  ),
  access: Type.Optional(Type.Enum([...accessLevels])),
  scopes: Type.Optional(ScopeNames),
  objects: Type.Optional(Objects),
  allowlist: Type.Optional(Allowlist),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
  ...limits,
}
const newKeyMembers = {
  ...changeable,
  organization: Owner,
  resource: ResourceName,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  creator: Type.Optional(Type.Union([Id, Type.Null()], { description: 'The member it never does more than.' })),
}
const NewKey = exactly(newKeyMembers)
const ImportedKey = exactly({
  ...newKeyMembers,
  digest: as(
    Type.String({
      pattern: '^([0-9A-Fa-f]{64}|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$',
      description: 'SHA-256 of the key: 64 hex digits, or 43 base64url characters.'
    }),
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
  ),
  hint: Hint
})
const KeyChange = exactly({ ...changeable, name: Type.Optional(Name) })
const KeyQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  status: Type.Optional(Type.Enum([...keyStatuses])),
  name: Type.Optional(Name),
  environment: Type.Optional(Type.Enum(['live', 'test'])),
  resource: Type.Optional(Id),
  creator: Type.Optional(Id),
})

/** What giving a key its authority can fail at. */
const authorityFailures: readonly FailureCode[] = [
  'not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'invalid_allowlist', 'invalid_expiry',
  'feature_not_included'
]
/** What a key that has ended can fail at. */
const endedFailures: readonly FailureCode[] = ['credential_revoked', 'credential_superseded', 'credential_expired']

export const apiKeyRoutes = routes<CreationDependencies>(
  createApiKeyRoute, importApiKeyRoute, listApiKeysRoute, getApiKeyRoute, updateApiKeyRoute, rotateApiKeyRoute,
  revokeApiKeyRoute, deleteApiKeyRoute
)

function createApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys', {
    config: { ...writeAccess, failures: authorityFailures },
    schema: {
      summary: 'Create an API key',
      description: 'The key is in this answer and in no other.',
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
      summary: 'Take over a key that was made elsewhere',
      description: 'By its SHA-256, so that its holder need not change anything.',
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
    config: readAccess,
    schema: {
      summary: 'List API keys',
      description: ownPage,
      querystring: KeyQuerystring,
      response: { 200: pageOf(WireKey) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, name, status, environment, resource, creator } = request.query
    const now = dependencies.clock()
    const page = await operation.store.apiKeys.page(query, {
      ...organizationFilter(operation, organization),
      ...definedMembers({ name, environment, resourceId: await resourceIdOf(operation, resource), creatorId: creator }),
      ...(status === undefined ? {} : { status: { is: status, at: now } }),
    })
    const resources = await resourcesById(operation.store, page.items.map(key => key.resourceId))
    return wirePage(query, page, key => wireKey(key, resources, now))
  })
}

function getApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/api-keys/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an API key',
      description: 'With a hint of the key, never the key.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await getApiKey(operation, request.params.id))
  })
}

function updateApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/api-keys/:id', {
    config: { ...writeAccess, failures: [...authorityFailures, ...endedFailures] },
    schema: {
      summary: 'Change an API key',
      description:
        'True from the next request on. Limits are those of its chain: they bind what it replaced as well.',
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
        'By a new one with the same properties; the old one works for `overlapSeconds` more, and 0 is the ' +
          'emergency. The key is in this answer and in no other.',
      params: IdParams,
      body: Rotation,
      response: { 201: ApiKeyWithText },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { key, text } = await rotateApiKey(operation, request.params.id, request.body.overlapSeconds)
    return { ...await keyAnswer(operation, key), key: text }
  }))
}

function revokeApiKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/api-keys/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke an API key',
      description: 'Refused from the next request on. Doing it twice changes nothing.',
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
      description: 'As `revoke` without a reason; nothing is left to answer.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeApiKey(operationOf(dependencies, request), request.params.id, null)))
}

async function keyAnswer ({ store, clock }: Operation, key: ApiKey) {
  return wireKey(key, await resourcesById(store, [key.resourceId]), clock())
}

function readKey (operation: Operation, body: Static<typeof NewKey>): ApiKeyInput {
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
 * What a key may take is a matter of the plan: who is limited by it does not set it (Y2). @throws Failure
 * `insufficient_permissions`.
 */
function requireMayLimit (operation: Operation, given: Partial<Limits>): void {
  if (namesLimits(given)) requireDeployment(operation, 'Setting the limits of a key')
}

const apiKey = {
  id: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  hint: as(Type.String({ description: 'What people may see of the key.' }), 'lb_live_…Xq3f'),
  status: Type.Enum([...keyStatuses]),
  organization: OrganizationId,
  organizations: Texts,
  resource: as(Type.String(), 'https://api.acme.test'),
  environment: Type.Enum(['live', 'test']),
  name: as(Type.String(), 'ci'),
  access: Type.Enum([...accessLevels]),
  scopes: GivenScopes,
  objects: GivenObjects,
  allowlist: Texts,
  callsPerMonth: nullable(Type.Integer()),
  creditsPerMonth: nullable(Type.Integer()),
  callsPerMinute: nullable(Type.Integer()),
  createdBy: as(Type.String(), 'admin'),
  creator: nullable(Type.String()),
  imported: Type.Boolean(),
  rotatedFrom: nullable(Type.String()),
  rotatedTo: nullable(Type.String()),
  createdAt: Moment,
  expiresAt: nullable(Moment),
  revokedAt: nullable(Moment),
  revokedReason: nullable(Type.String()),
  lastUsedAt: nullable(Moment),
}
const WireKey = Type.Object(apiKey, { title: 'ApiKey' })
const ApiKeyWithText = Type.Object({ ...apiKey, key: shownOnce('lb_live_…') }, { title: 'ApiKeyWithText' })

function wireKey (key: ApiKey, resources: ResourcesById, now: Date) {
  const { resource, scopes } = wireScopes(resources, key.resourceId, key.scopes)
  return {
    [revision]: key.revision,
    id: key.id,
    hint: key.hint,
    status: statusOf(key, now),
    organization: key.organizationId,
    organizations: key.organizations,
    resource,
    environment: key.environment,
    name: key.name,
    access: key.access,
    scopes,
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

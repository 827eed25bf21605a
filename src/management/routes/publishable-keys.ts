/** Publishable keys, whose signing keys start sessions of end users. */
import { namedListOrders } from '../../domain/core/list.ts'
import type { Repositories } from '../../domain/store.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  createPublishableKey, getPublishableKey, revokePublishableKey, updatePublishableKey, type PrivateSigningKey,
  type PublishableKey
} from '../../domain/credentials/publishable-key.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, resourceIdOf } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import {
  as, exactly, GivenScopes, Id, IdParams, isRevoked, listQuerystring, Moment, Name, nullable, OrganizationId, Owner,
  ownPage, pageOf, Reason, ResourceName, RevocationStatus, ScopeNames, shownOnce
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['publishable-keys:read'] }
const writeAccess = { scopes: ['publishable-keys:write'] }

const NewKey = exactly({
  organization: Owner,
  resource: ResourceName,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  scopes: ScopeNames,
})
const KeyQuerystring = exactly({
  ...listQuerystring({ records: 'publishable keys', found: 'the name, or of the key', sorts: namedListOrders }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  environment: Type.Optional(Type.Enum(['live', 'test'])),
  status: Type.Optional(RevocationStatus),
  resource: Type.Optional(Id),
})

export const publishableKeyRoutes = routes<CreationDependencies>(
  createPublishableKeyRoute, listPublishableKeysRoute, getPublishableKeyRoute, revokePublishableKeyRoute,
  updatePublishableKeyRoute, deletePublishableKeyRoute
)

function createPublishableKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/publishable-keys', {
    config: {
      ...writeAccess,
      failures: [
        'not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'scope_api_key_only',
        'feature_not_included'
      ]
    },
    schema: {
      summary: 'Create a publishable key',
      description: 'Includes the private key that signs assertions for the session endpoint.',
      body: NewKey,
      response: { 201: PublishableKeyWithSigningKey },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    const { key, signingKey } = await createPublishableKey(operation, { ...input, organizationId: organization })
    return { ...await keyAnswer(operation, key), signingKey }
  }))
}

function listPublishableKeysRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/publishable-keys', {
    config: readAccess,
    schema: {
      summary: 'List publishable keys',
      description: ownPage,
      querystring: KeyQuerystring,
      response: { 200: pageOf(WireKey) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, environment, status, resource } = request.query
    const page = await operation.store.publishableKeys.page(query, {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({
        name, environment, revoked: isRevoked(status), resourceId: await resourceIdOf(operation, resource)
      })
    })
    const resources = await resourcesById(operation.store, page.items.map(key => key.resourceId))
    return wireList(query, page, key => wireKey(key, resources))
  })
}

function getPublishableKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/publishable-keys/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a publishable key',
      description: 'Includes the public half of its signing key.',
      params: IdParams,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await getPublishableKey(operation, request.params.id))
  })
}

function revokePublishableKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/publishable-keys/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a publishable key',
      description: 'Revokes its sessions too.',
      params: IdParams,
      body: Reason,
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(
      operation, await revokePublishableKey(operation, request.params.id, request.body?.reason ?? null)
    )
  })
}

function updatePublishableKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/publishable-keys/:id', {
    config: { ...writeAccess, failures: ['credential_revoked'] },
    schema: {
      summary: 'Rename a publishable key',
      description: 'Only the name can be changed.',
      params: IdParams,
      body: exactly({ name: Type.Optional(Name) }),
      response: { 200: WireKey },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await keyAnswer(operation, await updatePublishableKey(operation, request.params.id, request.body))
  })
}

function deletePublishableKeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/publishable-keys/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a publishable key',
      description: 'Same as `revoke` without a reason; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokePublishableKey(operationOf(dependencies, request), request.params.id, null)))
}

async function keyAnswer ({ store }: Operation<Repositories>, key: PublishableKey) {
  return wireKey(key, await resourcesById(store, [key.resourceId]))
}

const publicJwk = Type.Object({
  kty: as(Type.String(), 'EC'),
  crv: as(Type.String(), 'P-256'),
  x: Type.String(),
  y: Type.String(),
  kid: Type.String(),
  alg: as(Type.String(), 'ES256'),
  use: as(Type.String(), 'sig')
})
const publishableKey = {
  id: as(Type.String(), 'pbk_8cGjKmNpQsTvWyZaBdEfHi'),
  publishableKey: as(Type.String(), 'ck_pub_live_1a2b3c4d5e6f'),
  organization: OrganizationId,
  resource: as(Type.String(), 'https://api.acme.test'),
  environment: Type.Enum(['live', 'test']),
  name: as(Type.String(), 'website'),
  scopes: GivenScopes,
  publicJwk: Type.Unsafe<PublishableKey['publicJwk']>(publicJwk),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
  revokedAt: nullable(Moment),
}
const WireKey = Type.Object(publishableKey, { title: 'PublishableKey' })
const PublishableKeyWithSigningKey = Type.Object({
  ...publishableKey,
  signingKey: Type.Unsafe<PrivateSigningKey>(
    Type.Object({
      pem: shownOnce('-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n'),
      jwk: Type.Object({ ...publicJwk.properties, d: Type.String() })
    })
  )
}, { title: 'PublishableKeyWithSigningKey' })

function wireKey (
  {
    id, publishable, organizationId, resourceId, environment, name, scopes: kept, publicJwk, createdBy, createdAt,
    revokedAt, revision: shown,
  }: PublishableKey,
  resources: ResourcesById
) {
  const { resource, scopes } = wireScopes(resources, resourceId, kept)
  return {
    [revision]: shown,
    id,
    publishableKey: publishable,
    organization: organizationId,
    resource,
    environment,
    name,
    scopes,
    publicJwk,
    createdBy,
    createdAt,
    revokedAt,
  }
}

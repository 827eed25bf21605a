/** OAuth clients: created or claimed, changed, and their secrets rotated. */
import { Type } from '../../http/typebox-lite.ts'
import {
  getClient, idTokenAlgorithmOf, statusOfClient, type Client
} from '../../domain/credentials/client.ts'
import { revokeClient } from '../../domain/authorizations/revoke-client.ts'
import { rotateClientSecret, updateClient, createClient } from '../../domain/credentials/client-change.ts'
import { disableClient, enableClient } from '../../domain/disabling/disable-client.ts'
import { redirectUrisOf } from '../../domain/client-metadata/description.ts'
import type { ApplicationType, PrivateSchemes } from '../../domain/client-metadata/redirect-uri.ts'
import type { Store, Repositories } from '../../domain/store.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, resourceIdOf } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  ClientChange, ClientQuerystring, ClientWithSecret, CreatedClient, NewClient, WireClient
} from '../schemas/clients.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import { IdParams, ownPage, pageOf, Reason, Rotation } from '../conventions/schemas.ts'

const readAccess = { scopes: ['clients:read'] }
const writeAccess = { scopes: ['clients:write'] }

/** Failures of setting grants and allowlist. */
const authorityFailures: readonly FailureCode[] = [
  'not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'scope_api_key_only', 'invalid_allowlist'
]

/** `privateSchemes`: those without a dot that redirect URIs may have. */
export interface ClientDependencies extends CreationDependencies { privateSchemes: PrivateSchemes }

export const clientRoutes = routes<ClientDependencies>(
  createClientRoute, listClientsRoute, getClientRoute, updateClientRoute, disableClientRoute, enableClientRoute,
  revokeClientRoute, deleteClientRoute, rotateClientSecretRoute
)

function createClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.post('/clients', {
    config: { ...writeAccess, failures: authorityFailures },
    schema: {
      summary: 'Create a client',
      description: 'Only this answer contains the secret; a client with `private_key_jwt` or `none` has none.',
      body: NewClient,
      response: { 201: CreatedClient },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    const { client, secret } = await createClient(
      operation, { ...input, organizationId: organization }, dependencies.privateSchemes
    )
    return { ...await clientAnswer(operation, client), ...(secret === null ? {} : { clientSecret: secret }) }
  }))
}

function listClientsRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.get('/clients', {
    config: readAccess,
    schema: {
      summary: 'List clients',
      description: ownPage,
      querystring: ClientQuerystring,
      response: { 200: pageOf(WireClient) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, creator, origin, status, resource, externalId } = request.query
    const listed = await operation.store.clients.page(query, {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({
        name,
        origin,
        creatorId: creator,
        status,
        externalId,
        resourceId: await resourceIdOf(operation, resource),
      })
    })
    const resources = await resourcesOf(operation.store, listed.items)
    return wireList(query, listed, client => wireClient(client, resources))
  })
}

function getClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.get('/clients/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a client',
      description: 'Includes hints of its secrets, never a secret itself.',
      params: IdParams,
      response: { 200: WireClient },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await clientAnswer(operation, await getClient(operation, request.params.id))
  })
}

function updateClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.patch('/clients/:id', {
    config: {
      ...writeAccess, failures: [...authorityFailures, 'credential_disabled', 'credential_revoked', 'conflict']
    },
    schema: {
      summary: 'Change a client',
      description: 'A change of grants, grant types or allowlist revokes every token of the client.',
      params: IdParams,
      body: ClientChange,
      response: { 200: WireClient },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { organization, ...change } = request.body
    return await clientAnswer(operation, await updateClient(operation, request.params.id, {
      ...change, ...(organization === undefined ? {} : { organizationId: organization }),
    }, dependencies.privateSchemes))
  })
}

function disableClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.post('/clients/:id/disable', {
    config: { ...writeAccess, failures: ['credential_revoked'] },
    schema: {
      summary: 'Disable a client',
      description:
        'Refused from the next request on, until it is enabled. Its tokens, and what members have allowed it, end ' +
          'for good. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireClient },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const reason = request.body?.reason ?? null
    return await clientAnswer(operation, await disableClient(operation, request.params.id, reason))
  })
}

function enableClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.post('/clients/:id/enable', {
    config: { ...writeAccess, failures: ['credential_revoked'] },
    schema: {
      summary: 'Enable a disabled client',
      description:
        'It authenticates as before, and gets new tokens. Requires all that it is granted, as a new secret does. ' +
          'Idempotent.',
      params: IdParams,
      response: { 200: WireClient },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await clientAnswer(operation, await enableClient(operation, request.params.id))
  })
}

function revokeClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.post('/clients/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a client',
      description: 'Revokes its tokens at once. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireClient },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await clientAnswer(operation, await revokeClient(operation, request.params.id, request.body?.reason ?? null))
  })
}

function deleteClientRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.delete('/clients/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a client',
      description: 'Same as `revoke` without a reason; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeClient(operationOf(dependencies, request), request.params.id, null)))
}

function rotateClientSecretRoute (app: RouteContext, dependencies: ClientDependencies): void {
  app.post('/clients/:id/rotate-secret', {
    config: { ...writeAccess, repeatable: true, failures: ['credential_disabled', 'credential_revoked', 'conflict'] },
    schema: {
      summary: 'Give a client a new secret',
      description:
        'The previous secret stays valid for `overlapSeconds`. Only this answer contains the new one.',
      params: IdParams,
      body: Rotation,
      response: { 200: ClientWithSecret },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { client, secret } = await rotateClientSecret(operation, request.params.id, request.body.overlapSeconds)
    return { ...await clientAnswer(operation, client), clientSecret: secret }
  }, 200))
}

async function clientAnswer ({ store }: Operation<Repositories>, client: Client) {
  return wireClient(client, await resourcesOf(store, [client]))
}

async function resourcesOf (store: Store, clients: readonly Client[]): Promise<ResourcesById> {
  return await resourcesById(
    store, clients.flatMap(client => [...client.grants.map(grant => grant.resourceId), ...client.introspects])
  )
}

function wireClient (client: Client, resources: ResourcesById) {
  return {
    [revision]: client.revision,
    clientId: client.id,
    organization: client.organizationId,
    status: statusOfClient(client),
    name: client.name,
    origin: client.origin,
    tokenEndpointAuthMethod: client.metadata.token_endpoint_auth_method,
    redirectUris: redirectUrisOf(client.metadata),
    grantTypes: client.metadata.grant_types,
    applicationType: (client.metadata.application_type as ApplicationType | undefined) ?? null,
    grants: client.grants.map(({ resourceId, scopes }) => wireScopes(resources, resourceId, scopes)),
    allowlist: client.allowlist,
    introspects: client.introspects.map(id => resources.get(id)?.identifier ?? id),
    assertionProfile: client.assertionProfile,
    pkceRequired: client.pkceRequired,
    idTokenSignedResponseAlg: idTokenAlgorithmOf(client),
    generation: client.generation,
    secrets: client.secrets.map(({ id, hint, createdAt, expiresAt }) => ({ id, hint, createdAt, expiresAt })),
    creator: client.creatorId,
    createdAt: client.createdAt,
    lastUsedAt: client.lastUsedAt,
    revokedAt: client.revokedAt,
    revokedReason: client.revokedReason,
    disabledAt: client.disabledAt,
    disabledReason: client.disabledReason,
    metadata: client.annotations,
    externalId: client.externalId,
  }
}

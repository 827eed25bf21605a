import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { createPublishableKey, getPublishableKey, revokePublishableKey, type PrivateSigningKey, type PublishableKey } from '../domain/publishable-key.ts'
import { operationOf, organizationFilter, organizationOf, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import { as, exactly, GivenScopes, IdParams, Moment, Name, nullable, OrganizationId, OrganizationQuerystring, pageOf, Reason, ResourceName, ScopeNames, shownOnce } from './schemas.ts'

const read = { scopes: ['publishable-keys:read'] }
const write = { scopes: ['publishable-keys:write'] }

const NewKey = exactly({
  organization: Type.Optional(OrganizationId),
  resource: ResourceName,
  environment: Type.Enum(['live', 'test']),
  name: Name,
  scopes: ScopeNames,
})

export function publishableKeyRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (key: PublishableKey) => wireKey(key, await resourceNames(dependencies.store, [key.resourceId]))
  return async app => {
    app.post('/publishable-keys', { config: { ...write, failures: ['not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'scope_api_key_only', 'feature_not_included'] }, schema: { summary: 'Create a publishable key', description: 'With the private key that signs assertions for the session endpoint.', body: NewKey, response: { 201: PublishableKeyWithSigningKey } } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, ...input } = request.body
      const { key, signingKey } = await createPublishableKey(operation, { ...input, organizationId: organizationOf(operation, organization) })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(key), signingKey })
    })

    app.get('/publishable-keys', { config: read, schema: { summary: 'List publishable keys', querystring: OrganizationQuerystring, response: { 200: pageOf(WireKey) } } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.publishableKeys.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.map(key => key.resourceId))
      return wirePage(query, page, key => wireKey(key, names))
    })

    app.get('/publishable-keys/:id', { config: read, schema: { summary: 'Read a publishable key', params: IdParams, response: { 200: WireKey } } }, async request =>
      await wire(await getPublishableKey(operationOf(dependencies, request), request.params.id)))

    app.post('/publishable-keys/:id/revoke', { config: write, schema: { summary: 'Revoke a publishable key', description: 'Its sessions end with it.', params: IdParams, body: Reason, response: { 200: WireKey } } }, async request =>
      await wire(await revokePublishableKey(operationOf(dependencies, request), request.params.id, request.body?.reason ?? null)))
  }
}

const publicJwk = Type.Object({
  kty: as(Type.String(), 'EC'), crv: as(Type.String(), 'P-256'), x: Type.String(), y: Type.String(), kid: Type.String(), alg: as(Type.String(), 'ES256'), use: as(Type.String(), 'sig'),
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
const PublishableKeyWithSigningKey = Type.Object({ ...publishableKey, signingKey: Type.Unsafe<PrivateSigningKey>(Type.Object({ pem: shownOnce('-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n'), jwk: Type.Object({ ...publicJwk.properties, d: Type.String() }) })) }, { title: 'PublishableKeyWithSigningKey' })

function wireKey ({ id, publishable, organizationId, resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }: PublishableKey, names: ReadonlyMap<string, string>) {
  return { id, publishableKey: publishable, organization: organizationId, resource: names.get(resourceId) ?? resourceId, environment, name, scopes, publicJwk, createdBy, createdAt, revokedAt }
}

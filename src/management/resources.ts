import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { createResource, getResource, revokeResource, updateResource, type Resource } from '../domain/resource.ts'
import type { Scope } from '../domain/scope.ts'
import { errorStyleNames, styles, type ErrorStyleName, type Style } from '../domain/style.ts'
import { created, ended, type CreationDependencies } from './creation.ts'
import { given, operationOf } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { revision } from './preconditions.ts'
import { exactly, Id, IdParams, isRevoked, Name, PageQuerystring, Reason, RevocationStatus } from './schemas.ts'

const read = { scopes: ['resources:read'] }
const write = { scopes: ['resources:write'] }

export const WireScope = exactly({
  name: Type.String({ maxLength: 128 }),
  keyOnly: Type.Optional(Type.Boolean()),
  description: Type.Optional(Type.Union([Name, Type.Null()])),
})
const changeable = {
  name: Type.Optional(Name),
  style: Type.Optional(Type.Enum([...errorStyleNames])),
  keyPrefix: Type.Optional(Type.String({ maxLength: 16 })),
}
export const Scopes = Type.Array(WireScope, { maxItems: 200 })
const NewResource = exactly({ ...changeable, identifier: Type.String({ maxLength: 512 }), organization: Type.Optional(Id), scopes: Scopes })
const ResourceChange = exactly({ ...changeable, scopes: Type.Optional(Scopes) })

const ResourceQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  identifier: Type.Optional(Id),
  status: Type.Optional(RevocationStatus),
})

/** A resource is named by its id or, URL-encoded, by its identifier. */
export function resourceRoutes (dependencies: CreationDependencies): FastifyPluginAsyncTypebox {
  return async app => {
    app.post('/resources', { config: write, schema: { body: NewResource } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      const { organization, scopes, style, keyPrefix, ...rest } = request.body
      const resource = await createResource(operation, {
        ...rest, organizationId: organization ?? null, scopes: scopes.map(readScope), style: readStyle(styles.ledgerbee, style, keyPrefix),
      })
      return wireResource(resource)
    }))

    app.get('/resources', { config: read, schema: { querystring: ResourceQuerystring } }, async request => {
      const { actor, store } = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, name, identifier, status } = request.query
      const filter = given({ visibleTo: actor.organizationId ?? undefined, organizationId: organization, name, identifier, revoked: isRevoked(status) })
      return wirePage(query, await store.resources.page(query, filter), wireResource)
    })

    app.get('/resources/:id', { config: read, schema: { params: IdParams } }, async request =>
      wireResource(await getResource(operationOf(dependencies, request), request.params.id)))

    app.patch('/resources/:id', { config: write, schema: { params: IdParams, body: ResourceChange } }, async request => {
      const operation = operationOf(dependencies, request)
      const { name, scopes, style, keyPrefix } = request.body
      const before = await getResource(operation, request.params.id)
      return wireResource(await updateResource(operation, before.id, {
        ...(name === undefined ? {} : { name }),
        ...(scopes === undefined ? {} : { scopes: scopes.map(readScope) }),
        ...(style === undefined && keyPrefix === undefined ? {} : { style: readStyle(before.style, style, keyPrefix) }),
      }))
    })

    app.post('/resources/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      wireResource(await revokeResource(operationOf(dependencies, request), request.params.id)))

    app.delete('/resources/:id', { config: write, schema: { summary: 'Revoke a resource', params: IdParams, response: { 204: Type.Null() } } }, async (request, reply) =>
      await ended(reply, revokeResource(operationOf(dependencies, request), request.params.id)))
  }
}

export function readScope ({ name, keyOnly = false, description = null }: Static<typeof WireScope>): Scope {
  return { name, keyOnly, description }
}

function readStyle (before: Style, name: ErrorStyleName | undefined, keyPrefix: string | undefined): Style {
  const style = name === undefined ? before : styles[name]
  return keyPrefix === undefined ? style : { ...style, keyPrefix }
}

function wireResource ({ id, identifier, name, organizationId, scopes, style, tokenLifetime, createdAt, revokedAt, revision: shown }: Resource) {
  return { [revision]: shown, id, identifier, name, organization: organizationId, scopes, style: style.errors, keyPrefix: style.keyPrefix, tokenLifetime, createdAt, revokedAt }
}

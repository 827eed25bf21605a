import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { signingAlgorithms, type SigningKeys } from '../../domain/tokens/signing-key.ts'
import {
  getResource,
  type Resource
} from '../../domain/resources/resource.ts'
import { isDeclarable, createResource, type ResourceInput } from '../../domain/declaration/resource-declaration.ts'
import { revokeResource, updateResource, getChangeableResource } from '../../domain/declaration/resource-change.ts'
import type { Scope } from '../../domain/resources/scope.ts'
import { errorStyleNames, styles, type ErrorStyleName, type Style } from '../../domain/resources/style.ts'
import { createdAfter, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { given, operationOf } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Id, IdParams, isRevoked, list, Moment, Name, nullable, OrganizationId, pageOf, PageQuerystring, Reason,
  RevocationStatus
} from '../conventions/schemas.ts'

const read = { scopes: ['resources:read'] }
const write = { scopes: ['resources:write'] }

const NewScope = exactly({
  name: as(
    Type.String({
      pattern: '^[!#-\\[\\]-~]{1,128}$',
      description: 'Visible ASCII without quotation mark and backslash (RFC 6749 §3.3).'
    }),
    'invoices:read'
  ),
  keyOnly: Type.Optional(Type.Boolean()),
  description: Type.Optional(Type.Union([Name, Type.Null()])),
})
const changeable = {
  name: Type.Optional(Name),
  style: Type.Optional(Type.Enum([...errorStyleNames])),
  keyPrefix: Type.Optional(
    Type.String({ pattern: '^[a-z][a-z0-9]{0,15}$', description: 'What its API keys begin with.' })
  ),
  signingAlgorithm: Type.Optional(
    Type.With(Type.Enum([...signingAlgorithms]), { description: 'What its access tokens are signed by.' })
  )
}
export const NewScopes = Type.Array(NewScope, { maxItems: 200 })
const NewResource = exactly({
  ...changeable,
  identifier: as(Type.String({ maxLength: 512 }), 'https://api.acme.test'),
  organization: Type.Optional(OrganizationId),
  scopes: NewScopes
})
const ResourceChange = exactly({ ...changeable, scopes: Type.Optional(NewScopes) })

const ResourceQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  identifier: Type.Optional(Id),
  status: Type.Optional(RevocationStatus),
})

/** A resource is named by its id or, URL-encoded, by its identifier. */
export function resourceRoutes (
  dependencies: CreationDependencies & { signingKeys: SigningKeys }
): FastifyPluginAsyncTypebox {
  const { signingKeys } = dependencies
  return async app => {
    app.post('/resources', {
      config: { ...write, failures: ['not_found', 'organization_not_active', 'conflict'] },
      schema: {
        summary: 'Declare a resource',
        description: 'A protected API: its identifier, its scopes, and how its keys and errors look.',
        body: NewResource,
        response: { 201: WireResource },
      },
    }, async (request, reply) => {
      const { signingAlgorithm } = request.body
      return await createdAfter(dependencies, request, reply, async operation => {
        // A refused creation makes no key. A new resource has no verifiers yet, so no cache lacks the key that signs at
        // once.
        if (signingAlgorithm !== undefined && await isDeclarable(operation, inputOf(request.body))) {
          await signingKeys.provide(operation, signingAlgorithm, true)
        }
      }, async operation => wireResource(await createResource(operation, inputOf(request.body))))
    })

    app.get('/resources', {
      config: read,
      schema: {
        summary: 'List resources',
        description: 'A page, newest first. Those of the deployment are there for every organization.',
        querystring: ResourceQuerystring,
        response: { 200: pageOf(WireResource) },
      },
    }, async request => {
      const { actor, store } = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, name, identifier, status } = request.query
      const filter = given({
        visibleTo: actor.organizationId ?? undefined,
        organizationId: organization,
        name,
        identifier,
        revoked: isRevoked(status)
      })
      return wirePage(query, await store.resources.page(query, filter), wireResource)
    })

    app.get('/resources/:id', {
      config: read,
      schema: {
        summary: 'Read a resource',
        description: 'By its id or, URL-encoded, by its identifier.',
        params: IdParams,
        response: { 200: WireResource },
      },
    }, async request =>
      wireResource(await getResource(operationOf(dependencies, request), request.params.id)))

    app.patch('/resources/:id', {
      config: { ...write, failures: ['conflict'] },
      schema: {
        summary: 'Change a resource',
        description:
          'A scope that is left out is taken from every credential that has it, for good: declared anew, it is ' +
            'another one. Another signing algorithm holds once its key has been published for five minutes; tokens ' +
            'of before stay good.',
        params: IdParams,
        body: ResourceChange,
        response: { 200: WireResource },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      const { name, scopes, style, keyPrefix, signingAlgorithm } = request.body
      const before = await getChangeableResource(operation, request.params.id)
      if (signingAlgorithm !== undefined) await signingKeys.provide(operation, signingAlgorithm, false)
      return wireResource(await updateResource(operation, before.id, {
        ...(name === undefined ? {} : { name }),
        ...(signingAlgorithm === undefined ? {} : { signingAlgorithm }),
        ...(scopes === undefined ? {} : { scopes: scopes.map(readScope) }),
        ...(style === undefined && keyPrefix === undefined ? {} : { style: readStyle(before.style, style, keyPrefix) }),
      }))
    })

    app.post('/resources/:id/revoke', {
      config: write,
      schema: {
        summary: 'Revoke a resource',
        description: 'No credential for it passes any more. Doing it twice changes nothing.',
        params: IdParams,
        body: Reason,
        response: { 200: WireResource },
      },
    }, async request =>
      wireResource(await revokeResource(operationOf(dependencies, request), request.params.id)))

    app.delete('/resources/:id', {
      config: write,
      schema: {
        summary: 'Revoke a resource',
        description: 'As `revoke` without a reason; nothing is left to answer.',
        params: IdParams,
        response: { 204: Type.Null() },
      },
    }, async (request, reply) =>
      await ended(reply, revokeResource(operationOf(dependencies, request), request.params.id)))
  }
}

export function readScope ({ name, keyOnly = false, description = null }: Static<typeof NewScope>): Scope {
  return { name, keyOnly, description }
}

function readStyle (before: Style, name: ErrorStyleName | undefined, keyPrefix: string | undefined): Style {
  const style = name === undefined ? before : styles[name]
  return keyPrefix === undefined ? style : { ...style, keyPrefix }
}

/** What a resource declares, in answers. */
export const DeclaredScopes = list(
  Type.Object({
    name: as(Type.String(), 'invoices:read'), keyOnly: Type.Boolean(), description: nullable(Type.String())
  })
)
const WireResource = Type.Object({
  id: as(Type.String(), 'res_krcP3gFsOzRniAsjnDnqaT'),
  identifier: as(Type.String(), 'https://api.acme.test'),
  name: as(Type.String(), 'api.acme.test'),
  organization: Type.Union([OrganizationId, Type.Null()], { description: 'Null: it belongs to the deployment.' }),
  scopes: DeclaredScopes,
  style: Type.Enum([...errorStyleNames]),
  keyPrefix: as(Type.String(), 'lb'),
  tokenLifetime: as(Type.Integer({ description: 'Seconds that an access token for it lives.' }), 3_600),
  signingAlgorithm: Type.Enum([...signingAlgorithms]),
  createdAt: Moment,
  revokedAt: nullable(Moment),
}, { title: 'Resource' })

function inputOf ({ organization, scopes, style, keyPrefix, ...rest }: Static<typeof NewResource>): ResourceInput {
  return {
    ...rest,
    organizationId: organization ?? null,
    scopes: scopes.map(readScope),
    style: readStyle(styles.ledgerbee, style, keyPrefix)
  }
}

export function wireScope ({ name, keyOnly, description }: Scope): Scope {
  return { name, keyOnly, description }
}

function wireResource (
  {
    id,
    identifier,
    name,
    organizationId,
    scopes,
    style,
    tokenLifetime,
    signingAlgorithm,
    createdAt,
    revokedAt,
    revision: shown
  }: Resource
) {
  return {
    [revision]: shown,
    id,
    identifier,
    name,
    organization: organizationId,
    scopes: scopes.map(wireScope),
    style: style.errors,
    keyPrefix: style.keyPrefix,
    tokenLifetime,
    signingAlgorithm,
    createdAt,
    revokedAt,
  }
}

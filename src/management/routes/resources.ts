/** Protected APIs. A path names one by its id or, URL-encoded, by its identifier. */
import { namedListOrders } from '../../domain/core/list.ts'
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import { signingAlgorithms, type SigningKeys } from '../../domain/tokens/signing-key.ts'
import { getResource, resourceKinds, type Resource } from '../../domain/resources/resource.ts'
import { checkDeclaration, createResource, type ResourceInput } from '../../domain/declaration/resource-declaration.ts'
import { revokeResource, updateResource, getChangeableResource } from '../../domain/declaration/resource-change.ts'
import { errorStyleNames, styles, type ErrorStyleName, type Style } from '../../domain/resources/style.ts'
import { createdAfter, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Id, IdParams, isRevoked, listQuerystring, Moment, Name, nullable, OrganizationId, pageOf, Reason,
  RevocationStatus
} from '../conventions/schemas.ts'
import { RefusalExamples, refusalExamples } from '../schemas/refusal-examples.ts'
import { DeclaredScopes, NewScopes, readScope, wireScope } from '../schemas/declared-scopes.ts'

const readAccess = { scopes: ['resources:read'] }
const writeAccess = { scopes: ['resources:write'] }

const MostCredits = as(
  Type.Integer({ description: 'The most credits that one call may cost by `POST /api/v1/verify`. Default: 0.' }), 0
)
const changeable = {
  name: Type.Optional(Name),
  style: Type.Optional(Type.Enum([...errorStyleNames])),
  keyPrefix: Type.Optional(
    Type.String({ pattern: '^[a-z][a-z0-9]{0,15}$', description: 'The prefix of its API keys.' })
  ),
  signingAlgorithm: Type.Optional(
    Type.With(Type.Enum([...signingAlgorithms]), { description: 'The algorithm that signs its access tokens.' })
  ),
  mostCredits: Type.Optional(Type.With(MostCredits, { minimum: 0, maximum: 2_147_483_647 }))
}
const NewResource = exactly({
  ...changeable,
  identifier: as(Type.String({ maxLength: 512 }), 'https://api.acme.test'),
  organization: Type.Optional(OrganizationId),
  scopes: NewScopes
})
const ResourceChange = exactly({ ...changeable, scopes: Type.Optional(NewScopes) })

const ResourceQuerystring = exactly({
  ...listQuerystring({ records: 'resources', found: 'the name, or of the identifier', sorts: namedListOrders }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  identifier: Type.Optional(Id),
  status: Type.Optional(RevocationStatus),
  kind: Type.Optional(Type.Enum([...resourceKinds], { description: 'Of an API, or of an MCP server.' })),
})

interface Dependencies extends CreationDependencies { signingKeys: SigningKeys, issuer: string }

export const resourceRoutes = routes<Dependencies>(
  createResourceRoute, listResourcesRoute, getResourceRoute, listRefusalsRoute, updateResourceRoute,
  revokeResourceRoute, deleteResourceRoute
)

function createResourceRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/resources', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Declare a resource',
      description: 'A protected API: its identifier, its scopes, and the style of its keys and errors.',
      body: NewResource,
      response: { 201: WireResource },
    },
  }, async (request, reply) => {
    const { signingAlgorithm } = request.body
    return await createdAfter(dependencies, request, reply, async operation => {
      if (signingAlgorithm === undefined) return
      // A refused creation makes no key. The key may sign at once: no verifier of a new resource has cached a key set.
      await checkDeclaration(operation, inputOf(request.body))
      await dependencies.signingKeys.provide(operation, signingAlgorithm, true)
    }, async operation => wireResource(await createResource(operation, inputOf(request.body))))
  })
}

function listResourcesRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/resources', {
    config: readAccess,
    schema: {
      summary: 'List resources',
      description: 'A page, newest first. Every organization sees the resources of the deployment.',
      querystring: ResourceQuerystring,
      response: { 200: pageOf(WireResource) },
    },
  }, async request => {
    const { actor, store } = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, identifier, status, kind } = request.query
    const filter = {
      ...sought(request.query),
      ...definedMembers({
        visibleTo: actor.organizationId ?? undefined,
        organizationId: organization,
        name,
        identifier,
        kind,
        revoked: isRevoked(status)
      })
    }
    return wireList(query, await store.resources.page(query, filter), wireResource)
  })
}

function getResourceRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/resources/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a resource',
      description: 'By its id or, URL-encoded, by its identifier.',
      params: IdParams,
      response: { 200: WireResource },
    },
  }, async request =>
    wireResource(await getResource(operationOf(dependencies, request), request.params.id)))
}

function listRefusalsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/resources/:id/refusals', {
    config: readAccess,
    schema: {
      summary: 'List what refusals of a resource look like',
      description: 'As its guards answer them, in its style: status, headers and body.',
      operationId: 'listResourceRefusals',
      params: IdParams,
      response: { 200: RefusalExamples },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const resource = await getResource(operation, request.params.id)
    const occasion = { path: '/example', now: operation.clock(), requestId: request.id }
    return { data: refusalExamples(resource, occasion, dependencies.issuer) }
  })
}

function updateResourceRoute (app: RouteContext, dependencies: Dependencies): void {
  app.patch('/resources/:id', {
    config: { ...writeAccess, failures: ['conflict'] },
    schema: {
      summary: 'Change a resource',
      description:
        'An omitted scope is removed from every credential for good, even if it is declared again. A new signing ' +
          'algorithm applies after its key has been published for five minutes; earlier tokens stay valid.',
      params: IdParams,
      body: ResourceChange,
      response: { 200: WireResource },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { name, scopes, style, keyPrefix, signingAlgorithm, mostCredits } = request.body
    const before = await getChangeableResource(operation, request.params.id)
    if (signingAlgorithm !== undefined) await dependencies.signingKeys.provide(operation, signingAlgorithm, false)
    return wireResource(await updateResource(operation, before.id, {
      ...(name === undefined ? {} : { name }),
      ...(signingAlgorithm === undefined ? {} : { signingAlgorithm }),
      ...(mostCredits === undefined ? {} : { mostCredits }),
      ...(scopes === undefined ? {} : { scopes: scopes.map(readScope) }),
      ...(style === undefined && keyPrefix === undefined ? {} : { style: readStyle(before.style, style, keyPrefix) }),
    }))
  })
}

function revokeResourceRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/resources/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a resource',
      description: 'Refuses every credential for it. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireResource },
    },
  }, async request =>
    wireResource(await revokeResource(operationOf(dependencies, request), request.params.id)))
}

function deleteResourceRoute (app: RouteContext, dependencies: Dependencies): void {
  app.delete('/resources/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a resource',
      description: 'Same as `revoke` without a reason; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeResource(operationOf(dependencies, request), request.params.id)))
}

function readStyle (before: Style, name: ErrorStyleName | undefined, keyPrefix: string | undefined): Style {
  const style = name === undefined ? before : styles[name]
  return keyPrefix === undefined ? style : { ...style, keyPrefix }
}

export const WireResource = Type.Object({
  id: as(Type.String(), 'res_krcP3gFsOzRniAsjnDnqaT'),
  identifier: as(Type.String(), 'https://api.acme.test'),
  name: as(Type.String(), 'api.acme.test'),
  organization: Type.Union([OrganizationId, Type.Null()], { description: 'Null: it belongs to the deployment.' }),
  scopes: DeclaredScopes,
  style: Type.Enum([...errorStyleNames]),
  keyPrefix: as(Type.String(), 'lb'),
  tokenLifetime: as(Type.Integer({ description: 'Lifetime of its access tokens, in seconds.' }), 3_600),
  signingAlgorithm: Type.Enum([...signingAlgorithms]),
  mostCredits: MostCredits,
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
    mostCredits,
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
    mostCredits,
    createdAt,
    revokedAt,
  }
}

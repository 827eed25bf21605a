/** What members have allowed clients: administrators see it and end it, and so does each member for themselves. */
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import {
  endAuthorization, endClient, endConsent, getAuthorization, getConsent
} from '../../domain/authorizations/end.ts'
import { limitAuthorization } from '../../domain/authorizations/limit.ts'
import type { AuthorizationFilter } from '../../domain/authorizations/authorization.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { Repositories } from '../../domain/store.ts'
import { requireVisibleOrganization } from '../../domain/tenancy/organization.ts'
import { ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import {
  definedMembers, operationOf, organizationFilter, requireDeployment, resourceIdOf
} from '../conventions/operation.ts'
import { listQuery, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  exactly, Id, IdParams, limits, ownPage, pageOf, PageQuerystring, Reason, Total
} from '../conventions/schemas.ts'
import {
  authorizationAs, AuthorizationStatus, consentAs, namesFor, wireAuthorization, WireAuthorization, wireConsent,
  WireConsent
} from '../schemas/authorizations.ts'

const readAccess = { scopes: ['authorizations:read'] }
const writeAccess = { scopes: ['authorizations:write'] }
/** Those of people about themselves: they take a session of a person, and nothing else. */
const ofPerson = { scopes: [], person: true }
const tags = ['sign-in']

const OwnMembers = { ...PageQuerystring, client: Type.Optional(Id), resource: Type.Optional(Id), total: Total }
const Members = { ...OwnMembers, organization: Type.Optional(Id), member: Type.Optional(Id) }
const status = Type.Optional(AuthorizationStatus)

type AnyRequest = FastifyRequest<any>
interface Asked {
  organization?: string
  member?: string
  client?: string
  resource?: string
  limit?: number
  cursor?: string
  total?: boolean
}
type Status = Static<typeof AuthorizationStatus>

export const authorizationRoutes = routes<CreationDependencies>(
  listAuthorizationsRoute, getAuthorizationRoute, limitAuthorizationRoute, endAuthorizationRoute,
  deleteAuthorizationRoute, endClientRoute, listConsentsRoute, getConsentRoute, deleteConsentRoute,
  listOwnAuthorizationsRoute,
  endOwnAuthorizationRoute, listOwnConsentsRoute, endOwnConsentRoute
)

function listAuthorizationsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/authorizations', {
    config: readAccess,
    schema: {
      summary: 'List authorizations',
      description: `${ownPage} One for each installation of a client to which a member has allowed something.`,
      querystring: exactly({ ...Members, status }),
      response: { 200: pageOf(WireAuthorization) },
    },
  }, async request => await authorizationsPage(dependencies, request, request.query))
}

function getAuthorizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/authorizations/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an authorization',
      description: 'What a member has allowed one installation of a client, and whether it still holds.',
      params: IdParams,
      response: { 200: WireAuthorization },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await wireAuthorization(operation, await getAuthorization(operation, request.params.id))
  })
}

function limitAuthorizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/authorizations/:id', {
    config: { ...writeAccess, failures: ['credential_revoked'] },
    schema: {
      summary: 'Limit an authorization',
      description: 'The calls of all its tokens together, from the next request on. Requires a deployment-wide ' +
        'credential. The limits of its organization hold beside them.',
      operationId: 'updateAuthorization',
      params: IdParams,
      body: exactly(limits),
      response: { 200: WireAuthorization },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    // As those of keys, they belong to the plan (Y2).
    requireDeployment(operation, 'Setting the limits of an authorization')
    return await wireAuthorization(operation, await limitAuthorization(operation, request.params.id, request.body))
  })
}

function endAuthorizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/authorizations/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'End an authorization',
      description: 'Every token of this installation is refused from the next request on, by every server. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireAuthorization },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await wireAuthorization(operation, await endAuthorization(operation, request.params.id))
  })
}

function deleteAuthorizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/authorizations/:id', {
    config: writeAccess,
    schema: {
      summary: 'End an authorization',
      description: 'Same as `revoke`; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, endAuthorization(operationOf(dependencies, request), request.params.id)))
}

function endClientRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/authorizations/end-all', {
    config: writeAccess,
    schema: {
      summary: 'End all that members have allowed a client',
      description: 'Every token by which the client acts for a member of the organization is refused from the next ' +
        'request on, by every server, and it has to ask each member again. Idempotent: a client that nothing is ' +
        'allowed to is none. A deployment-wide credential that names no organization ends it for all.',
      operationId: 'endAuthorizationsOfClient',
      body: exactly({ client: Id, organization: Type.Optional(Id) }),
      response: { 200: Type.Object({ authorizations: Type.Integer(), consents: Type.Integer() }, { title: 'Ended' }) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { client, organization = null } = request.body
    if (organization !== null) {
      requireVisibleOrganization(
        operation.actor, await operation.store.organizations.get(organization), organization
      )
    }
    return await endClient(operation, client, organization)
  })
}

function listConsentsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/consents', {
    config: readAccess,
    schema: {
      summary: 'List consents',
      description: `${ownPage} What members have ever allowed a client at a resource, so that it is not asked again.`,
      querystring: exactly(Members),
      response: { 200: pageOf(WireConsent) },
    },
  }, async request => await consentsPage(dependencies, request, request.query))
}

function getConsentRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/consents/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a consent',
      description: 'What a member has ever allowed a client at a resource.',
      params: IdParams,
      response: { 200: WireConsent },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await wireConsent(operation, await getConsent(operation, request.params.id))
  })
}

function deleteConsentRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/consents/:id', {
    config: writeAccess,
    schema: {
      summary: 'End a consent',
      description: 'Ends every authorization under it, and the client has to ask again.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => await ended(reply, endConsent(operationOf(dependencies, request), request.params.id)))
}

function listOwnAuthorizationsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/auth/authorizations', {
    config: ofPerson,
    schema: {
      summary: 'List what this member has allowed',
      description: 'One for each installation of a client, newest first.',
      operationId: 'listOwnAuthorizations',
      tags,
      querystring: exactly({ ...OwnMembers, status }),
      response: { 200: pageOf(WireAuthorization) },
    },
  }, async request =>
    await authorizationsPage(dependencies, request, { ...request.query, member: memberOf(request) }))
}

function endOwnAuthorizationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/auth/authorizations/:id', {
    config: { ...ofPerson, appends: true },
    schema: {
      summary: 'End what this member has allowed to one installation of a client',
      description: 'Its tokens are refused from the next request on, by every server.',
      operationId: 'endOwnAuthorization',
      tags,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => await ended(
    reply, endAuthorization(operationOf(dependencies, request), request.params.id, memberOf(request))
  ))
}

function listOwnConsentsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/auth/consents', {
    config: ofPerson,
    schema: {
      summary: 'List the clients to which this member has allowed something',
      description: 'One for each client and resource, newest first.',
      operationId: 'listOwnConsents',
      tags,
      querystring: exactly(OwnMembers),
      response: { 200: pageOf(WireConsent) },
    },
  }, async request => await consentsPage(dependencies, request, { ...request.query, member: memberOf(request) }))
}

function endOwnConsentRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/auth/consents/:id', {
    config: { ...ofPerson, appends: true },
    schema: {
      summary: 'End all that this member has allowed a client at a resource',
      description: 'The tokens of every installation are refused from the next request on, and the client asks again.',
      operationId: 'endOwnConsent',
      tags,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, endConsent(operationOf(dependencies, request), request.params.id, memberOf(request))))
}

/** The guard lets people alone through to these routes. */
function memberOf ({ personSession }: AnyRequest): string {
  return personSession!.memberId
}

async function filterOf (operation: Operation<Repositories>, { organization, member, client, resource }: Asked) {
  return {
    ...organizationFilter(operation, organization),
    ...definedMembers({ memberId: member, clientId: client, resourceId: await resourceIdOf(operation, resource) })
  }
}

function withStatus (status: Status | undefined, at: Date): Pick<AuthorizationFilter, 'over' | 'ended'> {
  if (status === undefined) return {}
  if (status === 'ended') return { ended: true }
  return status === 'active' ? { over: { is: false, at } } : { ended: false, over: { is: true, at } }
}

async function authorizationsPage (
  dependencies: CreationDependencies, request: AnyRequest, asked: Asked & { status?: Status }
) {
  const operation = operationOf(dependencies, request)
  const { authorizations } = operation.store
  const now = dependencies.clock()
  const filter = { ...await filterOf(operation, asked), ...withStatus(asked.status, now) }
  const query = listQuery(asked)
  const listed = {
    ...await authorizations.page(query, filter), total: query.counts ? await authorizations.count(filter) : null
  }
  const names = await namesFor(operation, listed.items)
  return wireList(query, listed, each => authorizationAs(each, names, now))
}

async function consentsPage (dependencies: CreationDependencies, request: AnyRequest, asked: Asked) {
  const operation = operationOf(dependencies, request)
  const { consents } = operation.store
  const filter = await filterOf(operation, asked)
  const query = listQuery(asked)
  const listed = { ...await consents.page(query, filter), total: query.counts ? await consents.count(filter) : null }
  const names = await namesFor(operation, listed.items)
  return wireList(query, listed, each => consentAs(each, names))
}

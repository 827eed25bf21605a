/** Access tokens of the management API, made by an operator for automation (OC-08). */
import { Type } from '../../http/typebox-lite.ts'
import {
  createManagementToken,
  getManagementToken,
  managementTokenStatuses,
  revokeManagementToken,
  statusOfManagementToken,
  updateManagementToken,
  type ManagementToken
} from '../../domain/credentials/management-token.ts'
import { namesOf } from '../../domain/resources/scope.ts'
import type { FailureCode } from '../../base/errors.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, readInstant } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  Allowlist, as, exactly, GivenScopes, Id, IdParams, Instant, ownPage, Moment, Name, nullable, OrganizationId, pageOf,
  PageQuerystring, Reason, ScopeNames, shownOnce, Texts,
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['access-tokens:read'] }
const writeAccess = { scopes: ['access-tokens:write'] }

const changeable = { allowlist: Type.Optional(Allowlist), expiresAt: Type.Optional(nullable(Instant)) }
const ManagementScopes = as(ScopeNames, ['clients:read'])
const NewToken = exactly({
  ...changeable,
  organization: Type.Optional(Type.Union([OrganizationId, Type.Null()], {
    description: 'The organization that it is confined to; the caller\'s own if omitted. Null: the whole deployment, ' +
      'which requires a deployment-wide credential.'
  })),
  name: Name,
  scopes: ManagementScopes,
  creator: Type.Optional(Type.Union([Id, Type.Null()], { description: 'The member whose permissions bound it.' })),
})
const TokenChange = exactly({ ...changeable, name: Type.Optional(Name), scopes: Type.Optional(ManagementScopes) })
const TokenQuerystring = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  creator: Type.Optional(Id),
  status: Type.Optional(Type.Enum([...managementTokenStatuses])),
})
const wireMembers = {
  id: as(Type.String(), 'mat_1nPqRsTuVwXyZaBcDeFgHi'),
  hint: as(Type.String({ description: 'Its last four characters.' }), '…3fGh'),
  status: Type.Enum([...managementTokenStatuses]),
  organization: Type.Union([OrganizationId, Type.Null()], { description: 'Null: the whole deployment.' }),
  name: as(Type.String(), 'automation'),
  scopes: as(GivenScopes, ['clients:read']),
  allowlist: Texts,
  createdBy: as(Type.String(), 'admin'),
  creator: nullable(Type.String()),
  createdAt: Moment,
  expiresAt: nullable(Moment),
  revokedAt: nullable(Moment),
  revokedReason: nullable(Type.String()),
  lastUsedAt: nullable(Moment),
}
const WireToken = Type.Object(wireMembers, { title: 'ManagementToken' })
const ManagementTokenWithText = Type.Object({ ...wireMembers, token: shownOnce('lkmat_…') }, {
  title: 'ManagementTokenWithText'
})

/** Failures of setting the authority of a token. */
const authorityFailures: readonly FailureCode[] = ['unknown_scope', 'invalid_allowlist', 'invalid_expiry']

export const accessTokenRoutes = routes<CreationDependencies>(
  createAccessTokenRoute, listAccessTokensRoute, getAccessTokenRoute, updateAccessTokenRoute, deleteAccessTokenRoute,
  revokeAccessTokenRoute
)

function createAccessTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/access-tokens', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', ...authorityFailures] },
    schema: {
      summary: 'Create an access token for automation',
      description: 'Only this answer contains the token.',
      body: NewToken,
      response: { 201: ManagementTokenWithText },
    },
  }, async (request, reply) =>
    await created(dependencies, request, reply, async operation => {
      const { organization, creator, expiresAt, ...input } = request.body
      const { token, text } = await createManagementToken(operation, {
        ...input,
        organizationId: organization === undefined ? operation.actor.organizationId : organization,
        ...(creator === undefined ? {} : { creatorId: creator }),
        expiresAt: readInstant(expiresAt) ?? null,
      })
      return { ...wireToken(token, dependencies.clock()), token: text }
    }))
}

function listAccessTokensRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/access-tokens', {
    config: readAccess,
    schema: {
      summary: 'List access tokens',
      description: ownPage,
      querystring: TokenQuerystring,
      response: { 200: pageOf(WireToken) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, name, creator, status } = request.query
    const now = dependencies.clock()
    const page = await operation.store.managementTokens.page(query, {
      ...organizationFilter(operation, organization),
      ...definedMembers({ name, creatorId: creator }),
      ...(status === undefined ? {} : { status: { is: status, at: now } })
    })
    return wirePage(query, page, token => wireToken(token, now))
  })
}

function getAccessTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/access-tokens/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an access token',
      description: 'Includes a hint of the token, never the token itself.',
      params: IdParams,
      response: { 200: WireToken },
    },
  }, async request =>
    wireToken(await getManagementToken(operationOf(dependencies, request), request.params.id), dependencies.clock()))
}

function updateAccessTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/access-tokens/:id', {
    config: { ...writeAccess, failures: ['credential_revoked', 'credential_expired', ...authorityFailures] },
    schema: {
      summary: 'Change an access token',
      description: 'Takes effect on the next request.',
      params: IdParams,
      body: TokenChange,
      response: { 200: WireToken },
    },
  }, async request => {
    const { expiresAt, ...change } = request.body
    const token = await updateManagementToken(operationOf(dependencies, request), request.params.id, {
      ...change, ...definedMembers({ expiresAt: readInstant(expiresAt) })
    })
    return wireToken(token, dependencies.clock())
  })
}

function deleteAccessTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete(
    '/access-tokens/:id',
    {
      config: writeAccess,
      schema: {
        summary: 'Revoke an access token',
        description: 'Same as `revoke` without a reason; the answer is empty.',
        params: IdParams,
        response: { 204: Type.Null() }
      }
    },
    async (request, reply) =>
      await ended(reply, revokeManagementToken(operationOf(dependencies, request), request.params.id, null))
  )
}

function revokeAccessTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post(
    '/access-tokens/:id/revoke',
    {
      config: writeAccess,
      schema: {
        summary: 'Revoke an access token',
        description: 'Takes effect on the next request. Idempotent.',
        params: IdParams,
        body: Reason,
        response: { 200: WireToken }
      }
    },
    async request =>
      wireToken(
        await revokeManagementToken(
          operationOf(dependencies, request), request.params.id, request.body?.reason ?? null
        ),
        dependencies.clock()
      )
  )
}

function wireToken (token: ManagementToken, now: Date) {
  return {
    [revision]: token.revision,
    id: token.id,
    hint: token.hint,
    status: statusOfManagementToken(token, now),
    organization: token.organizationId,
    name: token.name,
    scopes: namesOf(token.scopes),
    allowlist: token.allowlist,
    createdBy: token.createdBy,
    creator: token.creatorId,
    createdAt: token.createdAt,
    expiresAt: token.expiresAt,
    revokedAt: token.revokedAt,
    revokedReason: token.revokedReason,
    lastUsedAt: token.lastUsedAt,
  }
}

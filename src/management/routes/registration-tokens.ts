/** Registration tokens, which clients register with (RFC 7591). */
import type { Repositories } from '../../domain/store.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  createRegistrationToken,
  getRegistrationToken,
  registrationTokenStatuses,
  revokeRegistrationToken,
  updateRegistrationToken,
  type RegistrationToken
} from '../../domain/credentials/registration-token.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, readInstant, resourceIdOf } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { resourcesById, wireScopes, type ResourcesById } from '../conventions/resource-names.ts'
import {
  Allowlist, as, exactly, GivenScopes, Id, IdParams, Instant, listQuerystring, Moment, Name, nullable, OrganizationId,
  Owner, ownPage, pageOf, Reason, ResourceName, ScopeNames, shownOnce, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['registration-tokens:read'] }
const writeAccess = { scopes: ['registration-tokens:write'] }

const limits = {
  uses: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()])),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
}
const NewToken = exactly({
  organization: Owner,
  name: Type.Optional(Name),
  resource: Type.Optional(ResourceName),
  scopes: Type.Optional(ScopeNames),
  allowlist: Type.Optional(Allowlist),
  ...limits,
})
const TokenQuerystring = exactly({
  ...listQuerystring({
    records: 'registration tokens',
    found: 'the name, or of the visible part of the token',
    sorts: ['newest', 'name', 'expiresAt']
  }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  status: Type.Optional(Type.Enum([...registrationTokenStatuses])),
  resource: Type.Optional(Id),
})
const TokenChange = exactly({ name: Type.Optional(Name), ...limits })

export const registrationTokenRoutes = routes<CreationDependencies>(
  createRegistrationTokenRoute, listRegistrationTokensRoute, getRegistrationTokenRoute, updateRegistrationTokenRoute,
  revokeRegistrationTokenRoute, deleteRegistrationTokenRoute
)

function createRegistrationTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/registration-tokens', {
    config: {
      ...writeAccess,
      failures: [
        'not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'scope_api_key_only',
        'invalid_allowlist', 'invalid_expiry'
      ]
    },
    schema: {
      summary: 'Create a registration token',
      description: 'Clients that register with it belong to its organization and get its scopes.',
      body: NewToken,
      response: { 201: RegistrationTokenWithText },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, expiresAt, name = 'registration token', ...input } = request.body
    const { token, secret } = await createRegistrationToken(operation, {
      ...input, name, organizationId: organization, expiresAt: readInstant(expiresAt) ?? null,
    })
    return { ...await tokenAnswer(operation, token), token: secret }
  }))
}

function listRegistrationTokensRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/registration-tokens', {
    config: readAccess,
    schema: {
      summary: 'List registration tokens',
      description: ownPage,
      querystring: TokenQuerystring,
      response: { 200: pageOf(WireToken) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, status, resource } = request.query
    const page = await operation.store.registrationTokens.page(query, {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({ name, resourceId: await resourceIdOf(operation, resource) }),
      ...(status === undefined ? {} : { status: { is: status, at: dependencies.clock() } }),
    })
    const resources = await resourcesById(operation.store, page.items.flatMap(token => token.resourceId ?? []))
    return wireList(query, page, token => wireToken(token, resources))
  })
}

function getRegistrationTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/registration-tokens/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a registration token',
      description: 'Includes a hint of the token, never the token itself.',
      params: IdParams,
      response: { 200: WireToken },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await tokenAnswer(operation, await getRegistrationToken(operation, request.params.id))
  })
}

function updateRegistrationTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/registration-tokens/:id', {
    config: { ...writeAccess, failures: ['credential_revoked', 'invalid_expiry'] },
    schema: {
      summary: 'Change a registration token',
      description: 'Clients that registered with it do not change.',
      params: IdParams,
      body: TokenChange,
      response: { 200: WireToken },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const { expiresAt, ...change } = request.body
    const instant = readInstant(expiresAt)
    return await tokenAnswer(operation, await updateRegistrationToken(operation, request.params.id, {
      ...change, ...(instant === undefined ? {} : { expiresAt: instant }),
    }))
  })
}

function revokeRegistrationTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/registration-tokens/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a registration token',
      description:
        'Registers no further client; clients that registered with it stay. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireToken },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    return await tokenAnswer(operation, await revokeRegistrationToken(operation, request.params.id))
  })
}

function deleteRegistrationTokenRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/registration-tokens/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke a registration token',
      description: 'Same as `revoke`; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeRegistrationToken(operationOf(dependencies, request), request.params.id)))
}

async function tokenAnswer ({ store }: Operation<Repositories>, token: RegistrationToken) {
  return wireToken(token, await resourcesById(store, token.resourceId === null ? [] : [token.resourceId]))
}

const registrationToken = {
  id: as(Type.String(), 'rgt_6eHkMoQrStUvXyZaBcDfGi'),
  hint: as(Type.String(), '…9QwE'),
  organization: OrganizationId,
  name: as(Type.String(), 'agents'),
  resource: nullable(ResourceName),
  scopes: GivenScopes,
  allowlist: Texts,
  usesLeft: Type.Union([as(Type.Integer(), 1), Type.Null()], { description: 'Null: no limit.' }),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
  expiresAt: nullable(Moment),
  revokedAt: nullable(Moment),
}
const WireToken = Type.Object(registrationToken, { title: 'RegistrationToken' })
const RegistrationTokenWithText = Type.Object({ ...registrationToken, token: shownOnce('lkrt_…') }, {
  title: 'RegistrationTokenWithText'
})

function wireToken (
  {
    id, hint, organizationId, name, resourceId, scopes, allowlist, usesLeft, createdBy, createdAt, expiresAt, revokedAt,
    revision: shown,
  }: RegistrationToken,
  resources: ResourcesById
) {
  return {
    [revision]: shown,
    id,
    hint,
    organization: organizationId,
    name,
    ...(resourceId === null ? { resource: null, scopes: [] } : wireScopes(resources, resourceId, scopes)),
    allowlist,
    usesLeft,
    createdBy,
    createdAt,
    expiresAt,
    revokedAt,
  }
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import {
  createRegistrationToken, getRegistrationToken, revokeRegistrationToken, updateRegistrationToken, type RegistrationToken,
} from '../domain/registration-token.ts'
import { operationOf, organizationFilter, organizationOf, readInstant, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import {
  Allowlist, as, exactly, GivenScopes, IdParams, Instant, Moment, Name, nullable, OrganizationId, OrganizationQuerystring, pageOf, Reason, ResourceName, ScopeNames, shownOnce, Texts,
} from './schemas.ts'

const read = { scopes: ['registration-tokens:read'] }
const write = { scopes: ['registration-tokens:write'] }

const limits = {
  uses: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()])),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
}
const NewToken = exactly({
  organization: Type.Optional(OrganizationId),
  name: Type.Optional(Name),
  resource: Type.Optional(ResourceName),
  scopes: Type.Optional(ScopeNames),
  allowlist: Type.Optional(Allowlist),
  ...limits,
})
const TokenChange = exactly({ name: Type.Optional(Name), ...limits })

export function registrationTokenRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (token: RegistrationToken) => wireToken(token, await resourceNames(dependencies.store, token.resourceId === null ? [] : [token.resourceId]))
  return async app => {
    app.post('/registration-tokens', { config: { ...write, failures: ['not_found', 'organization_not_active', 'unknown_resource', 'unknown_scope', 'scope_api_key_only', 'invalid_allowlist', 'invalid_expiry'] }, schema: { summary: 'Create a registration token', description: 'Clients that register with it belong to its organization and get its scopes.', body: NewToken, response: { 201: RegistrationTokenWithText } } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, expiresAt, name = 'registration token', ...input } = request.body
      const { token, secret } = await createRegistrationToken(operation, {
        ...input, name, organizationId: organizationOf(operation, organization), expiresAt: readInstant(expiresAt) ?? null,
      })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(token), token: secret })
    })

    app.get('/registration-tokens', { config: read, schema: { summary: 'List registration tokens', querystring: OrganizationQuerystring, response: { 200: pageOf(WireToken) } } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.registrationTokens.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.flatMap(token => token.resourceId ?? []))
      return wirePage(query, page, token => wireToken(token, names))
    })

    app.get('/registration-tokens/:id', { config: read, schema: { summary: 'Read a registration token', params: IdParams, response: { 200: WireToken } } }, async request =>
      await wire(await getRegistrationToken(operationOf(dependencies, request), request.params.id)))

    app.patch('/registration-tokens/:id', { config: { ...write, failures: ['credential_revoked', 'invalid_expiry'] }, schema: { summary: 'Change a registration token', params: IdParams, body: TokenChange, response: { 200: WireToken } } }, async request => {
      const { expiresAt, ...change } = request.body
      const instant = readInstant(expiresAt)
      return await wire(await updateRegistrationToken(operationOf(dependencies, request), request.params.id, {
        ...change, ...(instant === undefined ? {} : { expiresAt: instant }),
      }))
    })

    app.post('/registration-tokens/:id/revoke', { config: write, schema: { summary: 'Revoke a registration token', params: IdParams, body: Reason, response: { 200: WireToken } } }, async request =>
      await wire(await revokeRegistrationToken(operationOf(dependencies, request), request.params.id)))
  }
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
const RegistrationTokenWithText = Type.Object({ ...registrationToken, token: shownOnce('lkrt_…') }, { title: 'RegistrationTokenWithText' })

function wireToken ({ id, hint, organizationId, name, resourceId, scopes, allowlist, usesLeft, createdBy, createdAt, expiresAt, revokedAt }: RegistrationToken, names: ReadonlyMap<string, string>) {
  return { id, hint, organization: organizationId, name, resource: resourceId === null ? null : names.get(resourceId) ?? resourceId, scopes, allowlist, usesLeft, createdBy, createdAt, expiresAt, revokedAt }
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import {
  createRegistrationToken, getRegistrationToken, revokeRegistrationToken, updateRegistrationToken, type RegistrationToken,
} from '../domain/registration-token.ts'
import { operationOf, organizationFilter, organizationOf, readInstant, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { resourceNames } from './resource-names.ts'
import { Allowlist, exactly, Id, IdParams, Instant, Name, OrganizationQuerystring, Reason, ScopeNames } from './schemas.ts'

const read = { scopes: ['registration-tokens:read'] }
const write = { scopes: ['registration-tokens:write'] }

const limits = {
  uses: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()])),
  expiresAt: Type.Optional(Type.Union([Instant, Type.Null()])),
}
const NewToken = exactly({
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  resource: Type.Optional(Id),
  scopes: Type.Optional(ScopeNames),
  allowlist: Type.Optional(Allowlist),
  ...limits,
})
const TokenChange = exactly({ name: Type.Optional(Name), ...limits })

export function registrationTokenRoutes (dependencies: ManagementDependencies): FastifyPluginAsyncTypebox {
  const wire = async (token: RegistrationToken) => wireToken(token, await resourceNames(dependencies.store, token.resourceId === null ? [] : [token.resourceId]))
  return async app => {
    app.post('/registration-tokens', { config: write, schema: { body: NewToken } }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const { organization, expiresAt, name = 'registration token', ...input } = request.body
      const { token, secret } = await createRegistrationToken(operation, {
        ...input, name, organizationId: organizationOf(operation, organization), expiresAt: readInstant(expiresAt) ?? null,
      })
      return await reply.code(201).header('cache-control', 'no-store').send({ ...await wire(token), token: secret })
    })

    app.get('/registration-tokens', { config: read, schema: { querystring: OrganizationQuerystring } }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const page = await operation.store.registrationTokens.page(query, organizationFilter(operation, request.query.organization))
      const names = await resourceNames(operation.store, page.items.flatMap(token => token.resourceId ?? []))
      return wirePage(query, page, token => wireToken(token, names))
    })

    app.get('/registration-tokens/:id', { config: read, schema: { params: IdParams } }, async request =>
      await wire(await getRegistrationToken(operationOf(dependencies, request), request.params.id)))

    app.patch('/registration-tokens/:id', { config: write, schema: { params: IdParams, body: TokenChange } }, async request => {
      const { expiresAt, ...change } = request.body
      const instant = readInstant(expiresAt)
      return await wire(await updateRegistrationToken(operationOf(dependencies, request), request.params.id, {
        ...change, ...(instant === undefined ? {} : { expiresAt: instant }),
      }))
    })

    app.post('/registration-tokens/:id/revoke', { config: write, schema: { params: IdParams, body: Reason } }, async request =>
      await wire(await revokeRegistrationToken(operationOf(dependencies, request), request.params.id)))
  }
}

function wireToken ({ id, hint, organizationId, name, resourceId, scopes, allowlist, usesLeft, createdBy, createdAt, expiresAt, revokedAt }: RegistrationToken, names: ReadonlyMap<string, string>) {
  return { id, hint, organization: organizationId, name, resource: resourceId === null ? null : names.get(resourceId) ?? resourceId, scopes, allowlist, usesLeft, createdBy, createdAt, expiresAt, revokedAt }
}

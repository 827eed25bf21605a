/** Usage of keys and of authorizations. docs/usage.md says which numbers may lag, and by how much. */
import type { FastifyRequest } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import type { Meter } from '../../domain/metering/meter.ts'
import type { TokenMeter, TokenUsage } from '../../domain/tokens/issuance-meter.ts'
import type { DayRange, UsageOfKey } from '../../domain/metering/usage-meter.ts'
import {
  greatestKeys, tokensOfClient, usageOfAuthorization, usageOfKey, usageOfKeys, usageOfOrganization, type UsageReport
} from '../../domain/metering/usage-report.ts'
import { Failure } from '../../base/errors.ts'
import type { CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter, readInstant } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Instant, Moment, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'
import {
  ADay, aboutRange, AuthorizationUsage, ClientUsage, counts, Days, KeysRange, KeyUsage, Range, UsageOfKeys
} from '../schemas/usage.ts'

const readUsage = { scopes: ['usage:read'] }

const OrganizationUsage = Type.Object({
  organization: OrganizationId,
  from: ADay,
  to: ADay,
  live: Type.Object({ ...counts, days: Days }),
  test: Type.Object({ ...counts, days: Days }),
}, { title: 'OrganizationUsage' })

const TokenQuery = exactly({
  ...PageQuerystring,
  organization: Type.Optional(Id),
  client: Type.Optional(Id),
  from: Type.Optional(Instant),
  until: Type.Optional(Instant)
})
const IssuedTokens = Type.Object({
  client: as(
    Type.String({ description: 'A client, or the publishable key of a session.' }), 'cli_SMFY997Oo6f1bZteLcSAnl'
  ),
  organization: nullable(OrganizationId),
  minute: Type.With(Moment, { description: 'Start of the minute, UTC.' }),
  tokens: as(Type.Integer(), 42),
}, { title: 'TokenUsage' })

interface Dependencies extends CreationDependencies { meter: Meter, tokens: TokenMeter }

export const usageRoutes = routes<Dependencies>(
  getApiKeyUsageRoute, getUsageOfApiKeysRoute, getAuthorizationUsageRoute, getOwnAuthorizationUsageRoute,
  getClientUsageRoute, listTokenUsageRoute, getOrganizationUsageRoute
)

function getApiKeyUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/api-keys/:id/usage', {
    config: readUsage,
    schema: {
      summary: 'Read the usage of a key by day',
      description: aboutRange,
      tags: ['usage'],
      params: IdParams,
      querystring: Range,
      response: { 200: KeyUsage },
    },
  }, async request => {
    // Includes everything this server counted; the last second of other servers may be missing.
    await dependencies.meter.flush()
    return wireKeyUsage(
      await usageOfKey(operationOf(dependencies, request), request.params.id, request.query)
    )
  })
}

function wireKeyUsage ({ key, usage }: { key: UsageOfKey['key'], usage: UsageReport }) {
  const { id: apiKey, organizationId: organization, environment, lastUsedAt } = key
  return { apiKey, organization, environment, lastUsedAt, ...usage }
}

function getUsageOfApiKeysRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/usage/api-keys', {
    config: readUsage,
    schema: {
      summary: 'Read the usage of several keys by day',
      description: `Of at most ${greatestKeys} keys, in any order. Unknown ones are left out. ${aboutRange}`,
      operationId: 'getUsageOfApiKeys',
      querystring: KeysRange,
      response: { 200: UsageOfKeys },
    },
  }, async request => {
    const { keys: ids, ...asked } = request.query
    if (ids === undefined) {
      throw new Failure('invalid_request', {
        message: 'keys is missing: name the keys, with commas between their ids.', details: { field: 'keys' }
      })
    }
    await dependencies.meter.flush()
    const keys = await usageOfKeys(operationOf(dependencies, request), ids.split(','), asked)
    return { data: keys.map(wireKeyUsage) }
  })
}

function getAuthorizationUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/authorizations/:id/usage', {
    config: { scopes: ['authorizations:read'] },
    schema: {
      summary: 'Read the usage of an authorization by day',
      description: `The calls of all its tokens. ${aboutRange}`,
      tags: ['usage'],
      params: IdParams,
      querystring: Range,
      response: { 200: AuthorizationUsage },
    },
  }, async request => await authorizationUsage(dependencies, request, { ...request.params, ...request.query }))
}

function getOwnAuthorizationUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/auth/authorizations/:id/usage', {
    config: { scopes: [], person: true },
    schema: {
      summary: 'Read the usage of what this member has allowed, by day',
      description: `The calls of one installation of a client. ${aboutRange}`,
      operationId: 'getOwnAuthorizationUsage',
      tags: ['sign-in'],
      params: IdParams,
      querystring: Range,
      response: { 200: AuthorizationUsage },
    },
    // The guard lets people alone through to this route.
  }, async request => await authorizationUsage(
    dependencies, request, { ...request.params, ...request.query }, request.personSession!.memberId
  ))
}

async function authorizationUsage (
  dependencies: Dependencies,
  request: FastifyRequest<any>,
  { id, ...range }: { id: string } & Partial<DayRange>,
  memberId: string | null = null
) {
  await dependencies.meter.flush()
  const operation = operationOf(dependencies, request)
  const { authorization, usage } = await usageOfAuthorization(operation, id, range, memberId)
  const { organizationId: organization, lastUsedAt } = authorization
  return { authorization: id, organization, environment: 'live' as const, lastUsedAt, ...usage }
}

function getClientUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/clients/:id/usage', {
    config: readUsage,
    schema: {
      summary: 'Read how many tokens a client got, by day',
      description: aboutRange,
      tags: ['usage'],
      params: IdParams,
      querystring: Range,
      response: { 200: ClientUsage },
    },
  }, async request => {
    await dependencies.tokens.flush()
    const { client, range, days } = await tokensOfClient(
      operationOf(dependencies, request), request.params.id, request.query
    )
    const tokens = days.reduce((sum, each) => sum + each.tokens, 0)
    return { client: client.id, organization: client.organizationId, ...range, tokens, days }
  })
}

function listTokenUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/usage/tokens', {
    config: { ...readUsage, failures: ['invalid_expiry'] },
    schema: {
      summary: 'List numbers of issued access tokens',
      description: 'By client and minute, newest first.',
      operationId: 'listTokenUsage',
      querystring: TokenQuery,
      response: { 200: pageOf(IssuedTokens) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, client, from, until } = request.query
    const [since, end] = [readInstant(from, 'from'), readInstant(until, 'until')]
    const filter = {
      ...organizationFilter(operation, organization),
      ...(client ? { clientId: client } : {}),
      ...(since ? { from: since } : {}),
      ...(end ? { until: end } : {})
    }
    await dependencies.tokens.flush()
    const { items, hasMore } = await operation.store.tokenUsage.page(query, filter)
    // The cursor of this page is a minute and a client.
    return wirePage(query, {
      hasMore, items: items.map(usage => ({ ...usage, id: usage.clientId, createdAt: usage.minute }))
    }, wireTokens)
  })
}

function getOrganizationUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/organizations/:id/usage', {
    config: readUsage,
    schema: {
      summary: 'Read the usage of an organization by day',
      description:
        `Separately for live and test keys; the calls of clients that act for members are live. ${aboutRange}`,
      tags: ['usage'],
      params: IdParams,
      querystring: Range,
      response: { 200: OrganizationUsage },
    },
  }, async request => {
    await dependencies.meter.flush()
    return {
      organization: request.params.id,
      ...await usageOfOrganization(operationOf(dependencies, request), request.params.id, request.query)
    }
  })
}

function wireTokens ({ clientId, organizationId, minute, tokens }: TokenUsage) {
  return { client: clientId, organization: organizationId, minute, tokens }
}

/** What keys did and what organizations have to spend. docs/usage.md says which of the numbers may lag, and by how much. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { balancesOf, environments, grantCredits, greatestCredits, type CreditEntry } from '../domain/credit.ts'
import type { Meter } from '../domain/meter.ts'
import { getOrganization } from '../domain/organization.ts'
import type { TokenMeter, TokenUsage } from '../domain/token-usage.ts'
import { usageOfKey, usageOfOrganization } from '../domain/usage-meter.ts'
import { created, type CreationDependencies } from './creation.ts'
import { operationOf, organizationFilter, readInstant, requireDeployment } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Id, IdParams, Instant, Name, PageQuerystring } from './schemas.ts'

const readUsage = { scopes: ['usage:read'] }
const readCredits = { scopes: ['credits:read'] }
const writeCredits = { scopes: ['credits:write'] }

const Day = Type.Optional(Type.String({ maxLength: 10, description: 'A day, UTC: 2027-01-31.' }))
const Range = exactly({ from: Day, to: Day })
const Environment = Type.Enum([...environments])
const Grant = exactly({ environment: Environment, amount: Type.Integer({ minimum: 1, maximum: greatestCredits }), reason: Name })

const TokenQuery = exactly({ ...PageQuerystring, organization: Type.Optional(Id), client: Type.Optional(Id), from: Type.Optional(Instant), until: Type.Optional(Instant) })
const Nullable = Type.Union([Type.String(), Type.Null()])
const Tokens = Type.Object({
  data: Type.Array(Type.Object({ client: Type.String(), organization: Nullable, minute: Type.String(), tokens: Type.Integer() })),
  pagination: Type.Object({ limit: Type.Integer(), hasMore: Type.Boolean(), nextCursor: Type.Optional(Type.String()) }),
})

export function usageRoutes (dependencies: CreationDependencies & { meter: Meter, tokens: TokenMeter }): FastifyPluginAsyncTypebox {
  const { meter, tokens } = dependencies
  return async app => {
    app.get('/api-keys/:id/usage', { config: readUsage, schema: { params: IdParams, querystring: Range } }, async request => {
      // What this server counted is in the answer; what another one counted in the last second may not be.
      await meter.flush()
      const { key, range, today, days } = await usageOfKey(operationOf(dependencies, request), request.params.id, request.query)
      return {
        apiKey: key.id,
        organization: key.organizationId,
        environment: key.environment,
        ...range,
        lastUsedAt: key.lastUsedAt,
        calls: sum(days.map(({ calls }) => calls)),
        credits: sum(days.map(({ credits }) => credits)),
        callsToday: days.find(({ day }) => day === today)?.calls ?? 0,
        days,
      }
    })

    app.get('/usage/tokens', {
      config: readUsage, schema: { summary: 'Access tokens that were issued, by client and minute, newest first', tags: ['Usage'], querystring: TokenQuery, response: { 200: Tokens } }
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organization, client, from, until } = request.query
      const [since, end] = [readInstant(from), readInstant(until)]
      const filter = { ...organizationFilter(operation, organization), ...(client ? { clientId: client } : {}), ...(since ? { from: since } : {}), ...(end ? { until: end } : {}) }
      await tokens.flush()
      const { items, hasMore } = await operation.store.tokenUsage.page(query, filter)
      // A page is continued behind a minute and a client.
      return wirePage(query, { hasMore, items: items.map(usage => ({ ...usage, id: usage.clientId, createdAt: usage.minute })) }, wireTokens)
    })

    app.get('/organizations/:id/usage', { config: readUsage, schema: { params: IdParams, querystring: Range } }, async request => {
      await meter.flush()
      return { organization: request.params.id, ...await usageOfOrganization(operationOf(dependencies, request), request.params.id, request.query) }
    })

    app.get('/organizations/:id/credits', { config: readCredits, schema: { params: IdParams } }, async request =>
      ({ organization: request.params.id, ...await balancesOf(operationOf(dependencies, request), request.params.id) }))

    app.post('/organizations/:id/credits', { config: writeCredits, schema: { params: IdParams, body: Grant } }, async (request, reply) => await created(dependencies, request, reply, async operation => {
      requireDeployment(operation, 'Granting credits')
      return wireEntry(await grantCredits(operation, { organizationId: request.params.id, ...request.body }))
    }))

    app.get('/organizations/:id/credits/entries', {
      config: readCredits, schema: { params: IdParams, querystring: exactly({ ...PageQuerystring, environment: Type.Optional(Environment) }) }
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { id: organizationId } = await getOrganization(operation, request.params.id)
      const { environment } = request.query
      return wirePage(query, await operation.store.credits.page(query, { organizationId, ...(environment === undefined ? {} : { environment }) }), wireEntry)
    })
  }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function wireTokens ({ clientId, organizationId, minute, tokens }: TokenUsage) {
  return { client: clientId, organization: organizationId, minute: minute.toISOString(), tokens }
}

function wireEntry ({ id, organizationId, environment, apiKeyId, amount, balance, reason, createdAt }: CreditEntry) {
  return { id, organization: organizationId, environment, apiKey: apiKeyId, amount, balance, reason, createdAt }
}

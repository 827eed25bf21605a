/** Usage of keys, and credits of organizations. docs/usage.md says which numbers may lag, and by how much. */
import { Type } from '../../http/typebox-lite.ts'
import {
  balancesOf, environments, grantCredits, greatestCredits, type CreditEntry
} from '../../domain/metering/credit.ts'
import type { Meter } from '../../domain/metering/meter.ts'
import { getOrganization } from '../../domain/tenancy/organization.ts'
import type { TokenMeter, TokenUsage } from '../../domain/tokens/issuance-meter.ts'
import { usageOfOrganization, usageOfKey } from '../../domain/metering/usage-report.ts'
import { created, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter, readInstant, requireDeployment } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Instant, Moment, Name, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

const readUsage = { scopes: ['usage:read'] }
const readCredits = { scopes: ['credits:read'] }
const writeCredits = { scopes: ['credits:write'] }

const Day = Type.Optional(Type.String({ maxLength: 10, format: 'date', description: 'A day, UTC: 2027-01-31.' }))
const Range = exactly({ from: Day, to: Day })
const Environment = Type.Enum([...environments])
const Grant = exactly({
  environment: Environment,
  amount: as(Type.Integer({ minimum: 1, maximum: greatestCredits }), 1_000),
  reason: as(Name, 'invoice 2027-001')
})

const ADay = as(Type.String({ format: 'date', description: 'A day, UTC.' }), '2027-01-31')
const counts = {
  calls: as(Type.Integer(), 42), credits: as(Type.Integer({ description: 'Spent minus refunded.' }), 12)
}
const KeyUsage = Type.Object({
  apiKey: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  organization: OrganizationId,
  environment: Environment,
  from: ADay,
  to: ADay,
  lastUsedAt: nullable(Moment),
  ...counts,
  callsToday: as(Type.Integer(), 42),
  days: Type.Array(Type.Object({ day: ADay, ...counts }), { description: 'Days without calls are omitted.' })
}, { title: 'KeyUsage' })
const OrganizationUsage = Type.Object({
  organization: OrganizationId, from: ADay, to: ADay, live: Type.Object(counts), test: Type.Object(counts),
}, { title: 'OrganizationUsage' })
const Balances = Type.Object({
  organization: OrganizationId, live: as(Type.Integer(), 1_000), test: as(Type.Integer(), 0)
}, { title: 'Balances' })

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
  getApiKeyUsageRoute, listTokenUsageRoute, getOrganizationUsageRoute, getOrganizationCreditsRoute, grantCreditsRoute,
  listCreditEntriesRoute
)

function getApiKeyUsageRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/api-keys/:id/usage', {
    config: readUsage,
    schema: {
      summary: 'Read the usage of a key by day',
      description: 'Days are UTC. Default range: the current month; at most 366 days.',
      tags: ['usage'],
      params: IdParams,
      querystring: Range,
      response: { 200: KeyUsage },
    },
  }, async request => {
    // Includes everything this server counted; the last second of other servers may be missing.
    await dependencies.meter.flush()
    const { key, range, today, days } = await usageOfKey(
      operationOf(dependencies, request), request.params.id, request.query
    )
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
      summary: 'Read the usage of an organization',
      description:
        'Separately for live and test keys. Days are UTC. Default range: the current month; at most 366 days.',
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

function getOrganizationCreditsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/organizations/:id/credits', {
    config: readCredits,
    schema: {
      summary: 'Read the credit balances of an organization',
      description: 'Separately for live and test.',
      tags: ['credits'],
      params: IdParams,
      response: { 200: Balances },
    },
  }, async request =>
    ({ organization: request.params.id, ...await balancesOf(operationOf(dependencies, request), request.params.id) }))
}

function grantCreditsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/organizations/:id/credits', {
    config: { ...writeCredits, appends: true },
    schema: {
      summary: 'Grant credits',
      description: 'Requires a deployment-wide credential.',
      tags: ['credits'],
      operationId: 'grantCredits',
      params: IdParams,
      body: Grant,
      response: { 201: Entry },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    requireDeployment(operation, 'Granting credits')
    return wireEntry(await grantCredits(operation, { organizationId: request.params.id, ...request.body }))
  }))
}

function listCreditEntriesRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/organizations/:id/credits/entries', {
    config: readCredits,
    schema: {
      summary: 'List credits granted, spent and refunded',
      description: 'A page, newest first, with the balance after each entry.',
      tags: ['credits'],
      operationId: 'listCreditEntries',
      params: IdParams,
      querystring: exactly({ ...PageQuerystring, environment: Type.Optional(Environment) }),
      response: { 200: pageOf(Entry) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { id: organizationId } = await getOrganization(operation, request.params.id)
    const { environment } = request.query
    return wirePage(
      query,
      await operation.store.credits.page(query, {
        organizationId, ...(environment === undefined ? {} : { environment })
      }),
      wireEntry
    )
  })
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function wireTokens ({ clientId, organizationId, minute, tokens }: TokenUsage) {
  return { client: clientId, organization: organizationId, minute, tokens }
}

const Entry = Type.Object({
  id: as(Type.String(), 'crd_4fGhJkLmNpQrStUvWxYzAb'),
  organization: OrganizationId,
  environment: Environment,
  apiKey: Type.Union([Type.String(), Type.Null()], {
    description: 'The key that spent; null: granted by an operator.'
  }),
  amount: as(Type.Integer({ description: 'Negative: spent.' }), 1_000),
  balance: as(Type.Integer({ description: 'Balance of the account after this entry.' }), 1_000),
  reason: as(Type.String(), 'invoice 2027-001'),
  createdAt: Moment,
}, { title: 'CreditEntry' })

function wireEntry ({ id, organizationId, environment, apiKeyId, amount, balance, reason, createdAt }: CreditEntry) {
  return { id, organization: organizationId, environment, apiKey: apiKeyId, amount, balance, reason, createdAt }
}

/** Credits of organizations: balances, grants, and what was spent. */
import { Type } from '../../http/typebox-lite.ts'
import {
  balancesOf, environments, grantCredits, greatestCredits, type CreditEntry
} from '../../domain/metering/credit.ts'
import { getOrganization } from '../../domain/tenancy/organization.ts'
import { created, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, requireDeployment } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, IdParams, Moment, Name, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

const readCredits = { scopes: ['credits:read'] }
const writeCredits = { scopes: ['credits:write'] }

const Environment = Type.Enum([...environments])
const Grant = exactly({
  environment: Environment,
  amount: as(Type.Integer({ minimum: 1, maximum: greatestCredits }), 1_000),
  reason: as(Name, 'invoice 2027-001')
})
const Balances = Type.Object({
  organization: OrganizationId, live: as(Type.Integer(), 1_000), test: as(Type.Integer(), 0)
}, { title: 'Balances' })
const Entry = Type.Object({
  id: as(Type.String(), 'crd_4fGhJkLmNpQrStUvWxYzAb'),
  organization: OrganizationId,
  environment: Environment,
  apiKey: nullable(Type.String({ description: 'The key that spent; null: none did.' })),
  authorization: nullable(Type.String({
    description: 'What a member has allowed the client that spent; null: none did. Both null: granted by an operator.'
  })),
  amount: as(Type.Integer({ description: 'Negative: spent.' }), 1_000),
  balance: as(Type.Integer({ description: 'Balance of the account after this entry.' }), 1_000),
  reason: as(Type.String(), 'invoice 2027-001'),
  createdAt: Moment,
}, { title: 'CreditEntry' })

export const creditRoutes = routes<CreationDependencies>(
  getOrganizationCreditsRoute, grantCreditsRoute, listCreditEntriesRoute
)

function getOrganizationCreditsRoute (app: RouteContext, dependencies: CreationDependencies): void {
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

function grantCreditsRoute (app: RouteContext, dependencies: CreationDependencies): void {
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

function listCreditEntriesRoute (app: RouteContext, dependencies: CreationDependencies): void {
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

function wireEntry (entry: CreditEntry) {
  const { id, organizationId, environment, consumerId, amount, balance, reason, createdAt } = entry
  const isOfMember = consumerId?.startsWith('aut_') === true
  return {
    id,
    organization: organizationId,
    environment,
    apiKey: isOfMember ? null : consumerId,
    authorization: isOfMember ? consumerId : null,
    amount,
    balance,
    reason,
    createdAt,
  }
}

/** AI budgets of the deployment, of accounts and of organizations, and what was spent. */
import type { FastifyRequest } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import {
  budgetKinds, getBudget, greatestAmount, globalHolder, removeBudget, setBudget, type Budget, type Holder
} from '../../domain/spending/budget.ts'
import { ended } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, type ManagementDependencies } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, exactly, Id, IdParams, Moment, nullable, pageOf, PageQuerystring } from '../conventions/schemas.ts'
import { holderMembers, WireBudgetState, wireBudgetState, wireHolder } from '../schemas/budget.ts'

const readAccess = { scopes: ['budgets:read'] }
const writeAccess = { scopes: ['budgets:write'], changes: true }

/** The three ways to name a holder, and how their routes speak of it. */
const holders = [
  {
    path: '/budgets/global',
    params: exactly({}),
    name: 'GlobalBudget',
    of: 'the deployment',
    holder: () => globalHolder
  },
  {
    path: '/budgets/accounts/:id',
    params: exactly({
      id: as(Type.String({
        minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$'
      }), 'mem_3kPq8RsTuVwXyZ0aBcDeFg')
    }),
    name: 'AccountBudget',
    of: 'an account',
    holder: (request: FastifyRequest): Holder => ({ kind: 'account', id: (request.params as { id: string }).id })
  },
  {
    path: '/budgets/organizations/:id',
    params: IdParams,
    name: 'OrganizationBudget',
    of: 'an organization',
    holder: (request: FastifyRequest): Holder => ({ kind: 'organization', id: (request.params as { id: string }).id })
  }
] as const

const Amount = nullable(as(Type.Integer({ minimum: 0, maximum: greatestAmount }), 50_000_000))
const Limits = exactly({
  day: Type.With(Amount, { description: 'Micro-dollars in a day, UTC; null: unlimited.' }),
  month: Type.With(Amount, { description: 'Micro-dollars in a calendar month, UTC; null: unlimited.' })
})
const WireBudget = Type.Object({
  id: as(Type.String(), 'bdg_8nLd4wEfG5yKtQ0rXc2sVb'),
  ...holderMembers,
  day: nullable(Type.Integer()),
  month: nullable(Type.Integer()),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'Budget' })

export const budgetRoutes = routes<ManagementDependencies>(
  listBudgetsRoute, getBudgetRoutes, setBudgetRoutes, removeBudgetRoutes
)

function listBudgetsRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/budgets', {
    config: readAccess,
    schema: {
      summary: 'List the budgets that are set',
      description: 'A page, newest first: the budget of the caller\'s organization, or all for a deployment-wide ' +
        'credential.',
      querystring: exactly({
        ...PageQuerystring, kind: Type.Optional(Type.Enum([...budgetKinds])), organization: Type.Optional(Id)
      }),
      response: { 200: pageOf(WireBudget) },
    },
  }, async request => {
    const { store, actor } = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { kind, organization } = request.query
    const owner = actor.organizationId ?? organization
    const filter = owner === undefined
      ? definedMembers({ kind })
      : { kind: kind === undefined || kind === 'organization' ? 'organization' as const : kind, holder: owner }
    const isOther = owner !== undefined && filter.kind !== 'organization'
    const page = isOther ? { items: [], hasMore: false } : await store.budgets.page(query, filter)
    return wirePage(query, page, wireBudget)
  })
}

function getBudgetRoutes (app: RouteContext, dependencies: ManagementDependencies): void {
  for (const { path, params, name, of, holder } of holders) {
    app.get(path, {
      config: readAccess,
      schema: {
        summary: `Read the budget of ${of}`,
        description: 'With what is spent and reserved in the present day and month.',
        operationId: `get${name}`,
        tags: ['budgets'],
        params,
        response: { 200: WireBudgetState },
      },
    }, async request => wireBudgetState(await getBudget(operationOf(dependencies, request), holder(request))))
  }
}

function setBudgetRoutes (app: RouteContext, dependencies: ManagementDependencies): void {
  for (const { path, params, name, of, holder } of holders) {
    app.put(path, {
      config: writeAccess,
      schema: {
        summary: `Set the budget of ${of}`,
        description: 'Requires a deployment-wide credential. Holds for the next reservation; what was reserved ' +
          'before is settled all the same.',
        operationId: `set${name}`,
        tags: ['budgets'],
        params,
        body: Limits,
        response: { 200: WireBudgetState },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      return wireBudgetState(await setBudget(operation, holder(request), request.body))
    })
  }
}

function removeBudgetRoutes (app: RouteContext, dependencies: ManagementDependencies): void {
  for (const { path, params, name, of, holder } of holders) {
    app.delete(path, {
      config: { ...writeAccess, failures: ['not_found'] },
      schema: {
        summary: `Remove the budget of ${of}`,
        description: 'Requires a deployment-wide credential. Nothing is limited then.',
        operationId: `remove${name}`,
        tags: ['budgets'],
        params,
        response: { 204: Type.Null() },
      },
    }, async (request, reply) =>
      await ended(reply, removeBudget(operationOf(dependencies, request), holder(request))))
  }
}

function wireBudget ({ id, kind, holder, day, month, createdBy, createdAt }: Budget) {
  return { id, ...wireHolder({ kind, id: holder }), day, month, createdBy, createdAt }
}

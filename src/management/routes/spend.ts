/** What was spent on AI models: by day, model, credential and organization, and the reservations behind it. */
import { Type } from '../../http/typebox-lite.ts'
import { requireVisible } from '../../domain/core/operation.ts'
import {
  groupings, reservationStatuses, type SpendFilter, type SpendLine, type SpendSum
} from '../../domain/spending/reservation.ts'
import {
  definedMembers, operationOf, organizationFilter, type ManagementDependencies
} from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, list, Moment, OrganizationId, ownPage, pageOf, PageQuerystring
} from '../conventions/schemas.ts'
import { WireReservation, wireReservation } from '../schemas/reservation.ts'

const readAccess = { scopes: ['spend:read'] }

/** Groups of one answer, at most. */
const mostGroups = 500

const Day = as(Type.String({ maxLength: 10, format: 'date' }), '2026-12-01')
const filters = {
  organization: Type.Optional(Id),
  credential: Type.Optional(Type.With(Id, { description: 'The id of an API key, or of the client of a token.' })),
  model: Type.Optional(as(Type.String({ minLength: 1, maxLength: 128 }), 'gpt-5')),
  from: Type.Optional(Type.With(Day, { description: 'The first day, UTC.' })),
  to: Type.Optional(Type.With(Day, { description: 'The last day, UTC.' })),
}
const counted = {
  amount: as(Type.Integer({ description: 'Micro-dollars.' }), 1_250_000),
  calls: as(Type.Integer(), 96),
  inputTokens: as(Type.Integer(), 120_000),
  outputTokens: as(Type.Integer(), 48_000),
}
const Line = Type.Object({
  id: as(Type.String(), 'spl_8nLd4wEfG5yKtQ0rXc2sVb'),
  organization: OrganizationId,
  day: Day,
  credential: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  model: as(Type.String(), 'gpt-5'),
  ...counted,
  createdAt: Moment,
}, { title: 'SpendLine' })
const Sum = Type.Object({ name: as(Type.String(), '2026-12-01'), ...counted }, { title: 'SpendSum' })

export const spendReportRoutes = routes<ManagementDependencies>(
  listSpendRoute, sumSpendRoute, listReservationsRoute, getReservationRoute
)

function listSpendRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/spend', {
    config: readAccess,
    schema: {
      summary: 'List what was spent on AI models',
      description: `By day, organization, credential and model. ${ownPage}`,
      querystring: exactly({ ...PageQuerystring, ...filters }),
      response: { 200: pageOf(Line) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const filter = spendFilter(operation, request.query)
    return wirePage(query, await operation.store.spendLines.page(query, filter), wireLine)
  })
}

function sumSpendRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/spend/sums', {
    config: readAccess,
    schema: {
      summary: 'Add up what was spent on AI models',
      description: 'By day (newest first), or by model, credential or organization (the most expensive first); at ' +
        `most ${mostGroups} groups. ` +
        'Of the caller\'s organization, or of all for a deployment-wide credential.',
      querystring: exactly({ by: Type.Enum([...groupings]), ...filters }),
      response: { 200: Type.Object({ data: list(Sum) }) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const filter = spendFilter(operation, request.query)
    const sums: SpendSum[] = await operation.store.spendLines.sums(request.query.by, filter, mostGroups)
    return { data: sums }
  })
}

function listReservationsRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/spend/reservations', {
    config: readAccess,
    schema: {
      summary: 'List reservations of AI calls',
      description: `With \`status=unsettled\` those that nothing settled in time. ${ownPage}`,
      querystring: exactly({
        ...PageQuerystring,
        organization: filters.organization,
        credential: filters.credential,
        model: filters.model,
        status: Type.Optional(Type.Enum([...reservationStatuses]))
      }),
      response: { 200: pageOf(WireReservation) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const { organization, credential, model, status } = request.query
    const filter = {
      ...organizationFilter(operation, organization), ...definedMembers({ credentialId: credential, model, status })
    }
    return wirePage(query, await operation.store.reservations.page(query, filter), wireReservation)
  })
}

function getReservationRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/spend/reservations/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a reservation of an AI call',
      description: 'With its estimate, and what was charged.',
      params: IdParams,
      response: { 200: WireReservation },
    },
  }, async request => {
    const { store, actor } = operationOf(dependencies, request)
    const { id } = request.params
    return wireReservation(requireVisible(actor, await store.reservations.get(id), 'reservation', id))
  })
}

function spendFilter (
  operation: Parameters<typeof organizationFilter>[0],
  { organization, credential, model, from, to }:
  { organization?: string, credential?: string, model?: string, from?: string, to?: string }
): SpendFilter {
  return {
    ...organizationFilter(operation, organization), ...definedMembers({ credentialId: credential, model, from, to })
  }
}

function wireLine (line: SpendLine) {
  const { id, organizationId, day, credentialId, model, amount, calls, inputTokens, outputTokens, createdAt } = line
  return {
    id,
    organization: organizationId,
    day,
    credential: credentialId,
    model,
    amount,
    calls,
    inputTokens,
    outputTokens,
    createdAt
  }
}

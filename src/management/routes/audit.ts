/** The audit log as a list of events. An organization's administrator sees the events of that organization. */
import type { Repositories } from '../../domain/store.ts'
import { Readable } from 'node:stream'
import { Type } from '../../http/typebox-lite.ts'
import type { ChainedEvent } from '../../domain/audit/chain.ts'
import { exportAudit } from '../../domain/audit/export.ts'
import { auditEventTypes, typesNamed, unreadableType, type AuditEvent } from '../../domain/audit/event.ts'
import type { AuditFilter } from '../../domain/audit/log.ts'
import { dayOf } from '../../domain/core/calendar.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { greatestRange, requireRange } from '../../domain/metering/usage-report.ts'
import { Failure } from '../../base/errors.ts'
import {
  Digest, Chain, as, exactly, Id, Instant, Moment, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'
import { operationOf, organizationFilter, readInstant, type ManagementDependencies } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'

const readAccess = { scopes: ['audit:read'] }

const filters = {
  organization: Type.Optional(Id),
  actor: Type.Optional(Id),
  type: Type.Optional(
    Type.String({
      pattern: '^[a-z_]+\\.[a-z_]*$',
      maxLength: 64,
      description: 'A type of event, such as `api_key.revoked`, or a prefix, such as `api_key.`.'
    })
  ),
  subject: Type.Optional(Id),
  from: Type.Optional(Instant),
  until: Type.Optional(Instant),
}
const Query = exactly({
  ...PageQuerystring,
  ...filters,
  names: Type.Optional(Type.Boolean({ default: false, description: 'Whether to add the names of actor and subject.' }))
})
const ExportQuery = exactly(filters)

const text = Type.String()
const eventMembers = {
  id: as(text, 'evt_7gHjKlMnPqRsTuVwXyZbCd'),
  createdAt: Moment,
  type: Type.Enum([...auditEventTypes, unreadableType], {
    description:
      '`unreadable`: the stored row was altered and cannot be parsed; its other members are unknown.'
  }),
  actor: as(Type.String({ description: '`admin`, `system`, or the id of a credential.' }), 'admin'),
  organization: nullable(OrganizationId),
  subject: nullable(
    as(Type.String({ description: 'The id of the record that was changed or refused.' }), 'cli_SMFY997Oo6f1bZteLcSAnl')
  ),
  address: nullable(as(text, '203.0.113.7')),
  requestId: nullable(text),
  detail: Type.Record(Type.String(), Type.Unknown()),
}
const NameThen = Type.Optional(nullable(Type.String({
  description: 'Present where `names=true` asks for it. Null: the record has no name, is gone, or belongs to another ' +
    'organization.'
})))
const Event = Type.Object({ ...eventMembers, actorName: NameThen, subjectName: NameThen }, { title: 'AuditEvent' })

const Count = Type.Object({
  day: as(Type.String({ format: 'date' }), '2027-01-31'),
  type: as(Type.String(), 'api_key.created'),
  count: as(Type.Integer(), 3),
}, { title: 'AuditCount' })

const Row = Type.Object({
  ...eventMembers,
  chain: Chain,
  sequence: as(Type.Integer({ minimum: 1, description: 'Its position in the chain, from 1, without gaps.' }), 42),
  previous: Type.With(Digest, { description: '`hash` of the row before; empty in the first.' }),
  hash: Digest,
  mac: Type.String({ description: 'HMAC of `hash`.' }),
  key: Type.String({ description: 'The id of the key of `mac`; empty: the row predates the chain.' }),
}, { title: 'AuditRow' })

export const auditRoutes = routes<ManagementDependencies>(
  listAuditEventsRoute, countAuditEventsRoute, exportAuditLogRoute
)

function listAuditEventsRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/audit', {
    config: { ...readAccess, failures: ['invalid_expiry'] },
    schema: {
      summary: 'List audit events',
      description: 'Newest first.',
      operationId: 'listAuditEvents',
      querystring: Query,
      response: { 200: pageOf(Event) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = pageQuery(request.query)
    const page = await operation.store.audit.page(query, filterOf(operation, request.query))
    if (request.query.names !== true) return wirePage(query, page, wireEvent)
    const ids = new Set(page.items.flatMap(({ actor, subject }) => subject === null ? [actor] : [actor, subject]))
    const names = await operation.store.names.of([...ids], operation.actor.organizationId)
    const nameOf = (id: string | null) => id === null ? null : names.get(id) ?? null
    return wirePage(query, page, event => ({
      ...wireEvent(event), actorName: nameOf(event.actor), subjectName: nameOf(event.subject)
    }))
  })
}

function countAuditEventsRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/audit/counts', {
    config: { ...readAccess, failures: ['invalid_expiry'] },
    schema: {
      summary: 'Count audit events by day and type',
      description: 'Days are UTC, the oldest first; those without events are omitted. Default range: the last ' +
        `30 days; at most ${greatestRange}.`,
      operationId: 'countAuditEvents',
      querystring: ExportQuery,
      response: { 200: Type.Object({ data: Type.Array(Count) }) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const filter = filterOf(operation, request.query)
    const until = filter.until ?? dependencies.clock()
    const from = filter.from ?? new Date(until.getTime() - 30 * 86_400_000)
    requireRange({ from: dayOf(from), to: dayOf(until) }, until)
    return { data: await operation.store.audit.counts({ ...filter, from, until }) }
  })
}

function exportAuditLogRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/audit/export', {
    config: { ...readAccess, failures: ['invalid_expiry'] },
    exposeHeadRoute: false,
    schema: {
      summary: 'Export audit events',
      description: 'Streams every row that matches the filters, without Content-Length.',
      operationId: 'exportAuditLog',
      querystring: ExportQuery,
      response: {
        200: {
          description: 'NDJSON: one row per line, chain by chain, oldest first.',
          content: { 'application/x-ndjson': { schema: Type.Unsafe<Readable>(Row) } }
        }
      }
    }
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    const rows = exportAudit(operation, filterOf(operation, request.query))
    return await reply.type('application/x-ndjson; charset=utf-8').send(
      Readable.from(lines(rows), { objectMode: false })
    )
  })
}

interface Filters {
  organization?: string, actor?: string, type?: string, subject?: string, from?: string, until?: string
}

/** @throws Failure `invalid_request` for an unknown type. */
function filterOf (
  operation: Operation<Repositories>, { organization, actor, type, subject, from, until }: Filters
): AuditFilter {
  const types = type === undefined ? undefined : typesNamed(type)
  if (types === null) {
    throw new Failure('invalid_request', { message: `There is no event type ${type}.`, details: { field: 'type' } })
  }
  const [since, end] = [readInstant(from, 'from'), readInstant(until, 'until')]
  return {
    ...organizationFilter(operation, organization),
    ...(actor === undefined ? {} : { actor }),
    ...(types === undefined ? {} : { types }),
    ...(subject === undefined ? {} : { subject }),
    ...(since ? { from: since } : {}),
    ...(end ? { until: end } : {}),
  }
}

/** One line per row, written in batches: a million rows must not be a million writes. */
async function * lines (batches: AsyncIterable<ChainedEvent[]>): AsyncGenerator<string> {
  for await (const rows of batches) yield rows.map(row => `${JSON.stringify(wireRow(row))}\n`).join('')
}

function wireEvent ({ id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: AuditEvent) {
  return { id, createdAt, type, actor, organization: organizationId, subject, address, requestId, detail }
}

function wireRow ({ chain, sequence, previous, hash, mac, key, ...event }: ChainedEvent) {
  return { ...wireEvent(event), chain, sequence, previous, hash, mac, key }
}

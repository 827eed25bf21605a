/** The audit log: read, exported, verified, shortened. An organization's administrator has its own rows and its own chain. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { ChainedEvent, ChainHead, ChainKeys } from '../domain/audit-chain.ts'
import { exportAudit } from '../domain/audit-export.ts'
import { pruneAudit } from '../domain/audit-keeping.ts'
import { compareHead, verifyMore, type VerifiedPlace } from '../domain/audit-verification.ts'
import { typesNamed, type AuditEvent, type AuditFilter } from '../domain/audit.ts'
import type { Operation } from '../domain/store.ts'
import { Failure } from '../errors.ts'
import { operationOf, organizationFilter, readInstant, requireDeployment, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Id, Instant, PageQuerystring } from './schemas.ts'

const readAudit = { scopes: ['audit:read'] }
const writeAudit = { scopes: ['audit:write'] }
const tags = ['Audit']

const filters = {
  organization: Type.Optional(Id),
  actor: Type.Optional(Id),
  type: Type.Optional(Type.String({ pattern: '^[a-z_]+\\.[a-z_]*$', maxLength: 64, description: 'A type of event, `api_key.revoked`, or all that begin alike, `api_key.`.' })),
  subject: Type.Optional(Id),
  from: Type.Optional(Instant),
  until: Type.Optional(Instant),
}
const Query = exactly({ ...PageQuerystring, ...filters })
const ExportQuery = exactly(filters)

const text = Type.String()
const Nullable = Type.Union([Type.String(), Type.Null()])
const eventMembers = {
  id: text,
  createdAt: text,
  type: text,
  actor: text,
  organization: Nullable,
  subject: Nullable,
  address: Nullable,
  requestId: Nullable,
  detail: Type.Record(Type.String(), Type.Unknown()),
}
const Pagination = Type.Object({ limit: Type.Integer(), hasMore: Type.Boolean(), nextCursor: Type.Optional(text) })
const Events = Type.Object({ data: Type.Array(Type.Object(eventMembers)), pagination: Pagination })

const Sequence = Type.Integer({ minimum: 0, description: 'The number of the newest row.' })
const Digest = Type.String({ maxLength: 64, pattern: '^[\\w-]*$' })
const Head = Type.Object({ chain: text, sequence: Sequence, hash: Digest, pruned: Type.Integer(), createdAt: text })
const Heads = Type.Object({ data: Type.Array(Head), pagination: Pagination })
const KnownHeads = exactly({ heads: Type.Array(exactly({ chain: Id, sequence: Sequence, hash: Digest }), { minItems: 1, maxItems: 200 }) })

const Fault = Type.Object({ chain: text, sequence: Type.Integer(), id: Nullable, problem: text, message: text })
const Verified = Type.Object({
  checked: Type.Integer({ description: 'Rows or heads that were looked at.' }),
  fault: Type.Union([Fault, Type.Null()], { description: 'The first thing that is wrong.' }),
  nextCursor: Type.Optional(Type.String({ description: 'Where to go on. Without it everything was looked at, or a fault was found.' })),
})

const Prune = exactly({ organization: Type.Union([Id, Type.Null()], { description: 'Whose rows; null: the deployment\'s own.' }), before: Instant })
const Pruned = Type.Object({ organization: Nullable, rows: Type.Integer(), through: Type.Integer() })

export interface AuditDependencies extends ManagementDependencies { auditKeys: ChainKeys }

export function auditRoutes (dependencies: AuditDependencies): FastifyPluginAsyncTypebox {
  const verification = { audit: dependencies.store.audit, keys: dependencies.auditKeys }
  return async app => {
    app.get('/audit', {
      config: readAudit,
      schema: { summary: 'What happened, newest first', tags, querystring: Query, response: { 200: Events } },
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      return wirePage(query, await operation.store.audit.page(query, filterOf(operation, request.query)), wireEvent)
    })

    app.get('/audit/export', {
      config: readAudit,
      exposeHeadRoute: false,
      schema: { summary: 'What happened, as NDJSON, chain by chain and each oldest first', tags, querystring: ExportQuery, produces: ['application/x-ndjson'] },
    }, async (request, reply) => {
      const operation = operationOf(dependencies, request)
      const rows = exportAudit(operation, filterOf(operation, request.query))
      return await reply.type('application/x-ndjson; charset=utf-8').header('cache-control', 'no-store').send(Readable.from(lines(rows), { objectMode: false }))
    })

    app.get('/audit/head', {
      config: readAudit,
      schema: { summary: 'The newest row of each chain, to be kept elsewhere', tags, querystring: exactly({ ...PageQuerystring, organization: Type.Optional(Id) }), response: { 200: Heads } },
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organizationId: chain } = organizationFilter(operation, request.query.organization)
      return wirePage(query, await operation.store.audit.heads(query, chain === undefined ? {} : { chain }), wireHead)
    })

    app.get('/audit/verify', {
      config: readAudit,
      schema: { summary: 'Verify some thousand rows', tags, querystring: exactly({ cursor: Type.Optional(Type.String({ maxLength: 1_024 })) }), response: { 200: Verified } },
    }, async request => {
      requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
      const { cursor } = request.query
      const { checked, fault, next } = await verifyMore(verification, cursor === undefined ? null : readPlace(cursor))
      return { checked, fault, ...(next === null ? {} : { nextCursor: Buffer.from(JSON.stringify(next)).toString('base64url') }) }
    })

    app.post('/audit/verify', {
      config: readAudit,
      schema: { summary: 'Compare with heads that were kept elsewhere', tags, body: KnownHeads, response: { 200: Verified } },
    }, async request => {
      requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
      let checked = 0
      for (const head of request.body.heads) {
        checked++
        const fault = await compareHead(verification, head)
        if (fault !== null) return { checked, fault }
      }
      return { checked, fault: null }
    })

    app.post('/audit/prune', {
      config: writeAudit,
      schema: { summary: 'Remove old rows of a chain, and add one that says so', tags, body: Prune, response: { 200: Pruned } },
    }, async request => {
      const operation = operationOf(dependencies, request)
      requireDeployment(operation, 'Removing audit rows')
      const { organization, before } = request.body
      const { rows, through } = await pruneAudit(operation, organization, readInstant(before)!)
      return { organization, rows, through }
    })
  }
}

interface Filters { organization?: string, actor?: string, type?: string, subject?: string, from?: string, until?: string }

/** @throws Failure `invalid_request` for a type that there is not. */
function filterOf (operation: Operation, { organization, actor, type, subject, from, until }: Filters): AuditFilter {
  const types = type === undefined ? undefined : typesNamed(type)
  if (types === null) throw new Failure('invalid_request', { message: `There is no type of event ${type}.`, details: { field: 'querystring.type' } })
  const [since, end] = [readInstant(from), readInstant(until)]
  return {
    ...organizationFilter(operation, organization),
    ...(actor === undefined ? {} : { actor }),
    ...(types === undefined ? {} : { types }),
    ...(subject === undefined ? {} : { subject }),
    ...(since ? { from: since } : {}),
    ...(end ? { until: end } : {}),
  }
}

/** A line for each row; the rows of a batch together, so that a million rows are not a million writes. */
async function * lines (batches: AsyncIterable<ChainedEvent[]>): AsyncGenerator<string> {
  for await (const rows of batches) yield rows.map(row => `${JSON.stringify(wireRow(row))}\n`).join('')
}

function wireEvent ({ id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: AuditEvent) {
  return { id, createdAt: createdAt.toISOString(), type, actor, organization: organizationId, subject, address, requestId, detail }
}

function wireRow ({ chain, sequence, previous, hash, mac, key, ...event }: ChainedEvent) {
  return { ...wireEvent(event), chain, sequence, previous, hash, mac, key }
}

function wireHead ({ id, sequence, hash, pruned, createdAt }: ChainHead) {
  return { chain: id, sequence, hash, pruned, createdAt: createdAt.toISOString() }
}

/** A forged one leads astray only whoever forged it: the faults that it may name are not there at the next start. */
function readPlace (cursor: string): VerifiedPlace {
  try {
    const { chain, sequence, hash, older, unproved } = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Record<string, unknown>
    const isWhole = [sequence, unproved].every(number => Number.isSafeInteger(number) && number as number >= 0)
    const isText = [chain, hash, older ?? ''].every(each => typeof each === 'string' && /^[\w-]{0,64}$/.test(each))
    if (isWhole && isText) return { chain, sequence, hash, older: older ?? null, unproved } as VerifiedPlace
  } catch {
    // Not ours: answered below.
  }
  throw new Failure('invalid_request', { message: 'This cursor was not given out by this route; start again without one.', details: { field: 'cursor' } })
}

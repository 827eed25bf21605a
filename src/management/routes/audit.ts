/**
 * The audit log: read, exported, verified, shortened, recovered. An organization's administrator has its own rows and
 * its own chain.
 */
import type { Repositories } from '../../domain/store.ts'
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '../../http/typebox-lite.ts'
import type { ChainedEvent, ChainHead, ChainKeys } from '../../domain/audit/chain.ts'
import { exportAudit } from '../../domain/audit/export.ts'
import { pruneAudit, recoverAudit } from '../../domain/audit/retention.ts'
import { compareHead, verifyMore } from '../../domain/audit/verification.ts'
import type { RecoveredBreak, VerifiedPlace } from '../../domain/audit/chain-fault.ts'
import { auditEventTypes, typesNamed, unreadableType, type AuditEvent } from '../../domain/audit/event.ts'
import type { AuditFilter } from '../../domain/audit/log.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { Failure } from '../../base/errors.ts'
import {
  operationOf, organizationFilter, readInstant, requireDeployment, type ManagementDependencies
} from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import {
  as, cursor, exactly, Id, Instant, Moment, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

const readAudit = { scopes: ['audit:read'] }
const writeAudit = { scopes: ['audit:write'] }

const filters = {
  organization: Type.Optional(Id),
  actor: Type.Optional(Id),
  type: Type.Optional(
    Type.String({
      pattern: '^[a-z_]+\\.[a-z_]*$',
      maxLength: 64,
      description: 'A type of event, `api_key.revoked`, or all that begin alike, `api_key.`.'
    })
  ),
  subject: Type.Optional(Id),
  from: Type.Optional(Instant),
  until: Type.Optional(Instant),
}
const Query = exactly({ ...PageQuerystring, ...filters })
const ExportQuery = exactly(filters)

const text = Type.String()
const eventMembers = {
  id: as(text, 'evt_7gHjKlMnPqRsTuVwXyZbCd'),
  createdAt: Moment,
  type: Type.Enum([...auditEventTypes, unreadableType], {
    description:
      '`unreadable`: somebody made a row of the database something that is no row; nothing else of it is known.'
  }),
  actor: as(Type.String({ description: '`admin`, `system`, or the id of a credential.' }), 'admin'),
  organization: nullable(OrganizationId),
  subject: nullable(
    as(Type.String({ description: 'The id of what was changed or refused.' }), 'cli_SMFY997Oo6f1bZteLcSAnl')
  ),
  address: nullable(as(text, '203.0.113.7')),
  requestId: nullable(text),
  detail: Type.Record(Type.String(), Type.Unknown()),
}
const Event = Type.Object(eventMembers, { title: 'AuditEvent' })

const Sequence = as(Type.Integer({ minimum: 0, description: 'The number of the newest row.' }), 42)
const Digest = as(
  Type.String({
    maxLength: 64, pattern: '^[A-Za-z0-9_-]*$', description: 'SHA-256, base64url; empty where there is no row.'
  }),
  'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'
)
const Chain = as(
  Type.String({ minLength: 1, maxLength: 512, description: 'The id of an organization, or `deployment`.' }),
  'deployment'
)
const Row = Type.Object({
  ...eventMembers,
  chain: Chain,
  sequence: as(Type.Integer({ minimum: 1, description: 'Its place in the chain, from 1, without gaps.' }), 42),
  previous: Type.With(Digest, { description: '`hash` of the row before; empty in the first.' }),
  hash: Digest,
  mac: Type.String({ description: 'HMAC of `hash`.' }),
  key: Type.String({ description: 'The name of the key that `mac` is under; empty: the row is older than the chain.' }),
}, { title: 'AuditRow' })
const Head = Type.Object({
  chain: Chain,
  sequence: Sequence,
  hash: Digest,
  pruned: Type.Integer({ description: 'Rows up to this one were removed.' }),
  createdAt: Moment
}, { title: 'AuditHead' })
const KnownHeads = exactly({
  heads: Type.Array(exactly({ chain: Chain, sequence: Sequence, hash: Digest }), { minItems: 1, maxItems: 200 })
})

const Fault = Type.Object(
  { chain: Chain, sequence: Type.Integer(), id: nullable(text), problem: text, message: text }, { title: 'AuditFault' }
)
const Break = Type.Object({
  chain: Chain,
  sequence: as(
    Type.Integer({
      description: 'The number of the row that records it. Those before it prove nothing but what they were then.'
    }),
    43
  ),
  id: as(text, 'evt_7gHjKlMnPqRsTuVwXyZbCd'),
  createdAt: Moment,
  message: text,
}, { title: 'AuditBreak' })
const Verified = Type.Object({
  checked: as(Type.Integer({ description: 'Rows or heads that were looked at.' }), 42),
  fault: Type.Union([Fault, Type.Null()], { description: 'The first thing that is wrong.' }),
  recovered: Type.Array(Break, { description: 'What was wrong earlier, and is recorded.' }),
  nextCursor: Type.Optional(
    Type.String({ description: 'Where to go on. Without it everything was looked at, or a fault was found.' })
  )
}, { title: 'AuditVerification' })

const Whose = Type.Union([OrganizationId, Type.Null()], { description: 'Whose rows; null: the deployment\'s own.' })
const Prune = exactly({ organization: Whose, before: Instant })
const Pruned = Type.Object({
  organization: nullable(OrganizationId),
  rows: Type.Integer(),
  through: Type.Integer({ description: 'The number of the last row that was removed, now or before.' }),
  more: Type.Boolean({ description: 'There are more, for which there was no time: ask again.' }),
}, { title: 'PrunedAudit' })
/** Milliseconds that an answer is worth waiting for; what is left to remove is for the next request. */
const pruningPatience = 10_000

const Recover = exactly({ organization: Whose })
const Recovered = Type.Object({
  organization: nullable(OrganizationId),
  fault: Fault,
  rows: as(Type.Integer({ description: 'Rows that are closed off.' }), 42),
  sequence: as(Type.Integer({ description: 'The number of the row that says so.' }), 43),
}, { title: 'RecoveredAudit' })

export interface AuditDependencies extends ManagementDependencies { auditKeys: ChainKeys }

export function auditRoutes (dependencies: AuditDependencies): FastifyPluginAsyncTypebox {
  const verification = { audit: dependencies.store.audit, keys: dependencies.auditKeys }
  return async app => {
    app.get('/audit', {
      config: { ...readAudit, failures: ['invalid_expiry'] },
      schema: {
        summary: 'List what happened',
        description: 'Newest first.',
        operationId: 'listAuditEvents',
        querystring: Query,
        response: { 200: pageOf(Event) },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      return wirePage(query, await operation.store.audit.page(query, filterOf(operation, request.query)), wireEvent)
    })

    app.get('/audit/export', {
      config: { ...readAudit, failures: ['invalid_expiry'] },
      exposeHeadRoute: false,
      schema: {
        summary: 'Export what happened',
        description: 'All rows that the filters let pass, as they come: the answer has no length beforehand.',
        operationId: 'exportAuditLog',
        querystring: ExportQuery,
        response: {
          200: {
            description: 'NDJSON: a row on each line, chain by chain and each oldest first.',
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

    app.get('/audit/head', {
      config: readAudit,
      schema: {
        summary: 'The newest row of each chain',
        description: 'To be kept elsewhere.',
        operationId: 'listAuditHeads',
        querystring: exactly({ ...PageQuerystring, organization: Type.Optional(Id) }),
        response: { 200: pageOf(Head) },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      const query = pageQuery(request.query)
      const { organizationId: chain } = organizationFilter(operation, request.query.organization)
      return wirePage(query, await operation.store.audit.heads(query, chain === undefined ? {} : { chain }), wireHead)
    })

    app.get('/audit/verify', {
      config: readAudit,
      schema: {
        summary: 'Verify some thousand rows',
        description: 'Takes a credential for the whole deployment.',
        operationId: 'verifyAuditLog',
        querystring: exactly({ cursor: cursor(1_024, '`nextCursor` of the answer before.') }),
        response: { 200: Verified },
      },
    }, async request => {
      requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
      const { cursor: place } = request.query
      const { checked, fault, recovered, next } = await verifyMore(
        verification, place === undefined ? null : readPlace(place)
      )
      return {
        checked,
        fault,
        recovered: recovered.map(wireBreak),
        ...(next === null ? {} : { nextCursor: Buffer.from(JSON.stringify(next)).toString('base64url') })
      }
    })

    app.post('/audit/verify', {
      config: readAudit,
      schema: {
        summary: 'Compare with heads that were kept elsewhere',
        description: 'Takes a credential for the whole deployment.',
        operationId: 'compareAuditHeads',
        body: KnownHeads,
        response: { 200: Verified },
      },
    }, async request => {
      requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
      let checked = 0
      for (const head of request.body.heads) {
        checked++
        const fault = await compareHead(verification, head)
        if (fault !== null) return { checked, fault, recovered: [] }
      }
      return { checked, fault: null, recovered: [] }
    })

    app.post('/audit/prune', {
      config: { ...writeAudit, failures: ['not_found', 'invalid_expiry'] },
      schema: {
        summary: 'Remove old rows of a chain',
        description: 'And add one that says so. Takes a credential for the whole deployment.',
        operationId: 'pruneAuditLog',
        body: Prune,
        response: { 200: Pruned },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      requireDeployment(operation, 'Removing audit rows')
      const { organization, before } = request.body
      const { rows, through, more } = await pruneAudit(
        operation, dependencies.auditKeys, organization, readInstant(before, 'before')!, pruningPatience
      )
      return { organization, rows, through, more }
    })

    app.post('/audit/recover', {
      config: { ...writeAudit, failures: ['not_found', 'conflict'] },
      schema: {
        summary: 'Close off a chain that is broken',
        description:
          'A row says what is wrong with it, and the chain goes on behind that row. Takes a credential for the whole ' +
            'deployment.',
        operationId: 'recoverAuditLog',
        body: Recover,
        response: { 200: Recovered },
      },
    }, async request => {
      const operation = operationOf(dependencies, request)
      requireDeployment(operation, 'Recovering an audit chain')
      const { organization } = request.body
      const { fault, rows, sequence } = await recoverAudit(operation, dependencies.auditKeys, organization)
      return { organization, fault, rows, sequence }
    })
  }
}

interface Filters {
  organization?: string, actor?: string, type?: string, subject?: string, from?: string, until?: string
}

/** @throws Failure `invalid_request` for a type that there is not. */
function filterOf (
  operation: Operation<Repositories>, { organization, actor, type, subject, from, until }: Filters
): AuditFilter {
  const types = type === undefined ? undefined : typesNamed(type)
  if (types === null) {
    throw new Failure('invalid_request', { message: `There is no type of event ${type}.`, details: { field: 'type' } })
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

/** A line for each row; the rows of a batch together, so that a million rows are not a million writes. */
async function * lines (batches: AsyncIterable<ChainedEvent[]>): AsyncGenerator<string> {
  for await (const rows of batches) yield rows.map(row => `${JSON.stringify(wireRow(row))}\n`).join('')
}

function wireEvent ({ id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: AuditEvent) {
  return { id, createdAt, type, actor, organization: organizationId, subject, address, requestId, detail }
}

function wireRow ({ chain, sequence, previous, hash, mac, key, ...event }: ChainedEvent) {
  return { ...wireEvent(event), chain, sequence, previous, hash, mac, key }
}

function wireHead ({ id, sequence, hash, pruned, createdAt }: ChainHead) {
  return { chain: id, sequence, hash, pruned, createdAt }
}

function wireBreak ({ chain, sequence, id, createdAt, message }: RecoveredBreak) {
  return { chain, sequence, id, createdAt, message }
}

/** A forged one leads astray only whoever forged it: the faults that it may name are not there at the next start. */
function readPlace (cursor: string): VerifiedPlace {
  try {
    const { chain, sequence, hash, kept, pin, unproved } = JSON.parse(
      Buffer.from(cursor, 'base64url').toString()
    ) as Record<string, unknown>
    const isWhole = [sequence, pin, unproved].every(number => Number.isSafeInteger(number) && number as number >= 0)
    const isText = [chain, hash].every(each => typeof each === 'string' && /^[\w-]{0,64}$/.test(each))
    if (isWhole && isText && typeof kept === 'boolean') {
      return { chain, sequence, hash, kept, pin, unproved } as VerifiedPlace
    }
  } catch {
    // Not ours: answered below.
  }
  throw new Failure('invalid_request', {
    message: 'This cursor was not given out by this route; start again without one.', details: { field: 'cursor' }
  })
}

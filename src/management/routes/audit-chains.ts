/**
 * The chains that the audit log is kept in: their heads, verification, pruning and recovery. Each organization has a
 * chain, and the deployment has one.
 */
import { Type } from '../../http/typebox-lite.ts'
import type { ChainHead, ChainKeys } from '../../domain/audit/chain.ts'
import { pruneAudit, recoverAudit } from '../../domain/audit/retention.ts'
import type { RecoveredBreak, VerifiedPlace } from '../../domain/audit/chain-fault.ts'
import { compareHead, verifyMore } from '../../domain/audit/verification.ts'
import {
  Digest, Chain, as, cursor, exactly, Id, Instant, Moment, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'
import {
  operationOf, organizationFilter, readInstant, requireDeployment, type ManagementDependencies
} from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'

const readAccess = { scopes: ['audit:read'] }
const writeAccess = { scopes: ['audit:write'] }

const text = Type.String()
const Sequence = as(Type.Integer({ minimum: 0, description: 'The number of the newest row.' }), 42)
const Head = Type.Object({
  chain: Chain,
  sequence: Sequence,
  hash: Digest,
  pruned: Type.Integer({ description: 'Rows up to this number were removed.' }),
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
      description: 'The number of the row that records it. The rows before it only prove their state at that time.'
    }),
    43
  ),
  id: as(text, 'evt_7gHjKlMnPqRsTuVwXyZbCd'),
  createdAt: Moment,
  message: text,
}, { title: 'AuditBreak' })
const Verified = Type.Object({
  checked: as(Type.Integer({ description: 'Number of rows or heads that were checked.' }), 42),
  fault: Type.Union([Fault, Type.Null()], { description: 'The first fault; null: none.' }),
  recovered: Type.Array(Break, { description: 'Faults that were recovered earlier.' }),
  nextCursor: Type.Optional(
    Type.String({ description: 'Where to continue. Absent: everything was checked, or a fault was found.' })
  )
}, { title: 'AuditVerification' })

const Whose = Type.Union([OrganizationId, Type.Null()], {
  description: 'The organization of the chain; null: the ' +
  'chain of the deployment.'
})
const Prune = exactly({ organization: Whose, before: Instant })
const Pruned = Type.Object({
  organization: nullable(OrganizationId),
  rows: Type.Integer(),
  through: Type.Integer({ description: 'The number of the last row removed, by this or an earlier request.' }),
  more: Type.Boolean({ description: 'More rows remain: repeat the request.' }),
}, { title: 'PrunedAudit' })
/** Milliseconds that one request prunes for; the next request removes the rest. */
const pruningPatience = 10_000

const Recover = exactly({ organization: Whose })
const Recovered = Type.Object({
  organization: nullable(OrganizationId),
  fault: Fault,
  rows: as(Type.Integer({ description: 'Number of rows that were closed off.' }), 42),
  sequence: as(Type.Integer({ description: 'The number of the row that records it.' }), 43),
}, { title: 'RecoveredAudit' })

export interface AuditDependencies extends ManagementDependencies { auditKeys: ChainKeys }

export const auditChainRoutes = routes<AuditDependencies>(
  listAuditHeadsRoute, verifyAuditLogRoute, compareAuditHeadsRoute, pruneAuditLogRoute, recoverAuditLogRoute
)

function listAuditHeadsRoute (app: RouteContext, dependencies: AuditDependencies): void {
  app.get('/audit/head', {
    config: readAccess,
    schema: {
      summary: 'List the newest row of each chain',
      description: 'Store them outside of the server, to compare with later.',
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
}

function verifyAuditLogRoute (app: RouteContext, dependencies: AuditDependencies): void {
  app.get('/audit/verify', {
    config: readAccess,
    schema: {
      summary: 'Verify the next thousands of rows',
      description: 'Requires a deployment-wide credential.',
      operationId: 'verifyAuditLog',
      querystring: exactly({ cursor: cursor(1_024, '`nextCursor` of the previous answer.') }),
      response: { 200: Verified },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
    const { cursor: place } = request.query
    const { checked, fault, recovered, next } = await verifyMore(
      verificationOf(dependencies), place === undefined ? null : readPlace(place)
    )
    return {
      checked,
      fault,
      recovered: recovered.map(wireBreak),
      ...(next === null ? {} : { nextCursor: Buffer.from(JSON.stringify(next)).toString('base64url') })
    }
  })
}

function compareAuditHeadsRoute (app: RouteContext, dependencies: AuditDependencies): void {
  app.post('/audit/verify', {
    config: readAccess,
    schema: {
      summary: 'Compare the chains with stored heads',
      description: 'Requires a deployment-wide credential.',
      operationId: 'compareAuditHeads',
      body: KnownHeads,
      response: { 200: Verified },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Verifying the audit log')
    let checked = 0
    for (const head of request.body.heads) {
      checked++
      const fault = await compareHead(verificationOf(dependencies), head)
      if (fault !== null) return { checked, fault, recovered: [] }
    }
    return { checked, fault: null, recovered: [] }
  })
}

function pruneAuditLogRoute (app: RouteContext, dependencies: AuditDependencies): void {
  app.post('/audit/prune', {
    config: { ...writeAccess, failures: ['not_found', 'invalid_expiry'] },
    schema: {
      summary: 'Remove old rows of a chain',
      description: 'Adds a row that records it. Requires a deployment-wide credential.',
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
}

function recoverAuditLogRoute (app: RouteContext, dependencies: AuditDependencies): void {
  app.post('/audit/recover', {
    config: { ...writeAccess, failures: ['not_found', 'conflict'] },
    schema: {
      summary: 'Recover a broken chain',
      description:
        'Adds a row that records the fault; the chain continues after it. Requires a deployment-wide credential.',
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

function verificationOf ({ store, auditKeys }: AuditDependencies) {
  return { audit: store.audit, keys: auditKeys }
}

function wireHead ({ id, sequence, hash, pruned, createdAt }: ChainHead) {
  return { chain: id, sequence, hash, pruned, createdAt }
}

function wireBreak ({ chain, sequence, id, createdAt, message }: RecoveredBreak) {
  return { chain, sequence, id, createdAt, message }
}

/** A cursor of this route: `markCursors` refuses any other. */
function readPlace (cursor: string): VerifiedPlace {
  return JSON.parse(Buffer.from(cursor, 'base64url').toString()) as VerifiedPlace
}

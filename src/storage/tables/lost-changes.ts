/** The changes that a failover lost, and the decisions about them. */
import type {
  DatabaseHistory, LostChange, LostChangeRepository, LostKind, LostState
} from '../../domain/maintenance/lost-change.ts'
import type { Change, ChangeReport } from '../cache/changes.ts'
import type { Columns } from '../rows/columns.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { joinLock } from '../rows/advisory-locks.ts'
import { pageOf, toPage, type Row } from '../rows/rows.ts'

export function lostChangeRepository (queries: Queries, note: ChangeReport): LostChangeRepository {
  const { lostChange: table } = queries
  return {
    async insert (change) {
      const { id, entryId, kind, subject, organizationId, changedAt, createdAt } = change
      const { decision, decidedAt, decidedBy } = columns(change)
      // The first server that notices it inserts it; the others wait for its transaction, and insert nothing.
      const added = await queries.$executeRaw`
        INSERT INTO "LostChange" (
          "id", "entryId", "kind", "subject", "organizationId",
          "changedAt", "createdAt", "decision", "decidedAt", "decidedBy"
        ) VALUES (
          ${id}, ${entryId}, ${kind}, ${subject}, ${organizationId},
          ${changedAt}, ${createdAt}, ${decision}, ${decidedAt}, ${decidedBy}
        )
        ON CONFLICT ("entryId", "kind", "subject") DO NOTHING`
      note({ of: 'lostChanges', refused: { kind, subject } })
      return added > 0
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async accept (id, decidedAt, decidedBy) {
      await table.update({ where: { id }, data: { decision: 'accepted', decidedAt, decidedBy } })
      note({ of: 'lostChanges' })
    },
    async acceptAll (decidedAt, decidedBy) {
      const data = { decision: 'accepted', decidedAt, decidedBy }
      const { count } = await table.updateMany({ where: { decision: null }, data })
      note({ of: 'lostChanges' })
      return count
    },
    async page (query, { state }) {
      const { where, ...page } = pageOf(query)
      const narrowed = state === undefined ? {} : { decision: decisionOf(state) }
      return toPage(await table.findMany({ ...page, where: { AND: [where, narrowed] } }), query, read)
    },
    follow: (replicaId, history) => follow(queries, replicaId, history),
  }
}

async function follow (
  queries: Queries, replicaId: string, { system, timeline }: DatabaseHistory
): Promise<DatabaseHistory | null> {
  // One at a time, so that one of several servers that start on another history is the first.
  await queries.$queryRaw`SELECT pg_advisory_xact_lock(${joinLock})::text`
  const { replica: table } = queries
  // Includes this server's row: joining on an unknown history leaves the former one there.
  const before = await table.findFirst({
    where: { timeline: { not: null } }, orderBy: { seenAt: 'desc' }, select: { system: true, timeline: true },
  })
  const known = await table.findFirst({ where: { system, timeline }, select: { id: true } })
  await table.updateMany({ where: { id: replicaId }, data: { system, timeline } })
  return timeline === null || known !== null ? null : before
}

/** In a transaction that made `changes`, decides the lost changes of the credentials that it revoked. */
export async function settleRevoked (queries: Queries, changes: readonly Change[], note: ChangeReport): Promise<void> {
  const revoked = await revokedBy(queries, changes)
  let settled = 0
  for (const [kind, subjects] of Object.entries(revoked)) {
    if (subjects.length === 0) continue
    const where = { decision: null, kind, subject: { in: subjects } }
    const data = { decision: 'revoked', decidedAt: new Date() }
    const { count } = await queries.lostChange.updateMany({ where, data })
    settled += count
  }
  if (settled > 0) note({ of: 'lostChanges' })
}

/** The subjects of the changes that are revoked. */
async function revokedBy (queries: Queries, changes: readonly Change[]): Promise<Partial<Record<LostKind, string[]>>> {
  const ended = { revokedAt: { not: null } }
  const select = { id: true }
  const named = (of: 'client' | 'publishableKey' | 'registrationToken') => ({
    ...ended, id: { in: idsIn(changes, of) }
  })
  const digests = changes.flatMap(change =>
    change.of === 'apiKey' ? [{ digest: change.digest, resourceId: change.resourceId }] : []
  )
  const keys = await queries.apiKey.findMany({ where: { ...ended, OR: digests }, select })
  const clients = await queries.client.findMany({ where: named('client'), select })
  const publishable = await queries.publishableKey.findMany({ where: named('publishableKey'), select })
  const registration = await queries.registrationToken.findMany({ where: named('registrationToken'), select })
  const tokens = changes.filter(change => change.of === 'managementToken').map(({ digest }) => digest)
  const management = await queries.managementToken.findMany({ where: { ...ended, digest: { in: tokens } }, select })
  const hooks = changes.flatMap(change => change.of === 'webhookTokens' ? change.ids ?? [] : [])
  const webhooks = await queries.webhookToken.findMany({ where: { ...ended, id: { in: hooks } }, select })
  return {
    api_key: idsOf(keys),
    client: idsOf(clients),
    publishable_key: idsOf(publishable),
    registration_token: idsOf(registration),
    management_token: idsOf(management),
    webhook_token: idsOf(webhooks),
    access_token: changes.flatMap(change => change.of === 'revokedToken' ? [change.jti] : []),
  }
}

function idsIn (changes: readonly Change[], of: 'client' | 'publishableKey' | 'registrationToken'): string[] {
  return changes.flatMap(change => change.of === of ? [change.id] : [])
}

function idsOf (rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}

/** The subject that an undecided row refuses. */
export function readRefused (row: Row, { text }: Columns): { id: string, kind: LostKind, subject: string } {
  return { id: text(row.id), kind: text(row.kind) as LostKind, subject: text(row.subject) }
}

/** The column for a state: NULL while undecided. */
function decisionOf (state: LostState): string | null {
  return state === 'undecided' ? null : state
}

function columns ({ state, ...change }: LostChange) {
  return { ...change, decision: decisionOf(state) }
}

function read ({ decision, kind, ...row }: Prisma.LostChangeGetPayload<object>): LostChange {
  return { ...row, kind: kind as LostKind, state: (decision ?? 'undecided') as LostState }
}

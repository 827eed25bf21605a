/** The last requests of each credential. */
import { join, sqltag as sql } from '@prisma/client/runtime/client'
import type { LoggedRequest, RequestLogRepository, RequestSubject } from '../../domain/metering/request-log.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'

/** The party of requests for which no credential was found. */
const none = 'none'

export function requestLogRepository (queries: Queries): RequestLogRepository {
  const { loggedRequest: table } = queries
  return {
    async add (requests) {
      if (requests.length === 0) return
      await queries.$executeRaw`
        INSERT INTO "LoggedRequest" ("id", "createdAt", "requestId", "party", "organizationId", "resourceId",
          "resourceOwner", "route", "status", "refused", "reason", "block")
        VALUES ${join(requests.map(tuple))}`
    },
    async of (subject, visibleTo, limit) {
      const visible = visibleTo === null ? {} : { OR: [{ organizationId: visibleTo }, { resourceOwner: visibleTo }] }
      const rows = await table.findMany({
        where: { AND: [conditionOf(subject), visible] }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take: limit
      })
      return rows.map(read)
    },
    async trim ({ credentialId, refused, kept }) {
      const where = { party: credentialId ?? none, refused }
      const [last] = await table.findMany({
        where, orderBy: { createdAt: 'desc' }, skip: kept - 1, take: 1, select: { createdAt: true }
      })
      if (last !== undefined) await table.deleteMany({ where: { ...where, createdAt: { lt: last.createdAt } } })
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { createdAt: { lt: before } }, limit })).count
    },
  }
}

function conditionOf (subject: RequestSubject): Prisma.LoggedRequestWhereInput {
  return 'credentialId' in subject ? { party: subject.credentialId } : subject
}

function read ({ party, refused: _, ...row }: Prisma.LoggedRequestGetPayload<object>): LoggedRequest {
  return { ...row, credentialId: party === none ? null : party }
}

/** A row of VALUES. */
function tuple (row: LoggedRequest) {
  const { id, createdAt, requestId, credentialId, organizationId, resourceId, resourceOwner } = row
  const { route, status, reason, block } = row
  return sql`(${id}, ${createdAt}, ${requestId}, ${credentialId ?? none}, ${organizationId}, ${resourceId},
    ${resourceOwner}, ${route}, ${status}, ${reason !== null}, ${reason}, ${block})`
}

/** Sessions of people. */
import type { SessionEnd } from '../../domain/members/member-sessions.ts'
import type { PersonSession, PersonSessionRepository } from '../../domain/people/person-session.ts'
import type { Queries } from '../engine/prisma.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import { json, touch, type Row } from '../rows/rows.ts'

export function personSessionRepository (queries: Queries): PersonSessionRepository {
  const { personSession: table } = queries
  return {
    async insert (session) {
      await table.create({ data: { ...session, amr: json(session.amr) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && readPersonSession(row, prismaColumns)
    },
    async byDigest (digest) {
      const row = await table.findUnique({ where: { digest } })
      return row && readPersonSession(row, prismaColumns)
    },
    async ofMember (memberId, now) {
      const rows = await table.findMany({
        where: { memberId, endedAt: null, expiresAt: { gt: now } }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }]
      })
      return rows.map(row => readPersonSession(row, prismaColumns))
    },
    async end (id, endedAt, endedReason) {
      return (await table.updateMany({ where: { id, endedAt: null }, data: { endedAt, endedReason } })).count === 1
    },
    async endOfMember (memberId, endedAt, endedReason) {
      return (await table.updateMany({ where: { memberId, endedAt: null }, data: { endedAt, endedReason } })).count
    },
    async ofProvider ({ provider, subject, providerSession }) {
      const rows = await table.findMany({
        where: {
          endedAt: null,
          identity: { provider, ...(subject !== null && { subject }) },
          ...(providerSession !== null && { providerSession }),
        }
      })
      return rows.map(row => readPersonSession(row, prismaColumns))
    },
    async endOfProvider (organizationId, provider, endedAt, endedReason) {
      const where = { endedAt: null, provider, member: { organizationId } }
      return (await table.updateMany({ where, data: { endedAt, endedReason } })).count
    },
    async endVouchedBy (keyIds, endedAt, endedReason) {
      const where = { endedAt: null, vouchedBy: { in: [...keyIds] } }
      return (await table.updateMany({ where, data: { endedAt, endedReason } })).count
    },
    touch: usage => touch(queries, 'PersonSession', usage),
    async prune (before, limit) {
      return (await table.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count
    },
  }
}

export function readPersonSession (row: Row, { text, json, instant, flag }: Columns): PersonSession {
  return {
    id: text(row.id),
    digest: text(row.digest),
    memberId: text(row.memberId),
    identityId: orNull(text, row.identityId),
    amr: json(row.amr) as string[],
    provider: orNull(text, row.provider),
    providerSession: orNull(text, row.providerSession),
    vouchedBy: orNull(text, row.vouchedBy),
    authenticatedAt: instant(row.authenticatedAt),
    authTimeKnown: flag(row.authTimeKnown),
    createdAt: instant(row.createdAt),
    lastUsedAt: instant(row.lastUsedAt),
    expiresAt: instant(row.expiresAt),
    endedAt: orNull(instant, row.endedAt),
    endedReason: orNull(text, row.endedReason) as SessionEnd | null,
  }
}

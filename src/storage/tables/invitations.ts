/** Invitations of people to organizations. */
import { sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import type { Invitation, InvitationRepository, InvitationStatus } from '../../domain/providers/invitation.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone } from '../rows/rows.ts'
import { equal, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

export function invitationRepository (queries: Queries): InvitationRepository {
  const { invitation: table } = queries
  return {
    async insert (invitation) {
      await table.create({ data: { ...invitation, groups: json(invitation.groups) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, createdAt: __, ...invitation } = after
      const { revision } = await table.update({
        where: { id }, data: { ...invitation, groups: json(invitation.groups), ...nextRevision }, select: revisionAlone
      })
      return { ...after, revision }
    },
    async openFor (normalEmail, now) {
      const rows = await table.findMany({
        where: { normalEmail, ...openAt(now) }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }]
      })
      return rows.map(read)
    },
    async accept (id, memberId, now) {
      const { count } = await table.updateMany({
        where: { id, ...openAt(now) }, data: { acceptedAt: now, memberId, ...nextRevision }
      })
      return count === 1
    },
    async page (query, { status, normalEmail, ...sought }) {
      const narrowing = narrowedBy(sought, ['email'], {
        within: equal({ normalEmail }), among: status === undefined ? [] : [withStatus(status.is, status.at)]
      })
      return await listedRecords(queries, 'Invitation', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    },
    async prune (before, limit) {
      const over = { lt: before }
      const where = { OR: [{ expiresAt: over }, { acceptedAt: over }, { revokedAt: over }] }
      return (await table.deleteMany({ where, limit })).count
    },
  }
}

function openAt (now: Date): Prisma.InvitationWhereInput {
  return { acceptedAt: null, revokedAt: null, expiresAt: { gt: now } }
}

function withStatus (status: InvitationStatus, at: Date): Sql {
  switch (status) {
    case 'accepted': return sql`"acceptedAt" IS NOT NULL`
    case 'revoked': return sql`"acceptedAt" IS NULL AND "revokedAt" IS NOT NULL`
    case 'expired': return sql`"acceptedAt" IS NULL AND "revokedAt" IS NULL AND "expiresAt" <= ${at}`
    case 'open': return sql`"acceptedAt" IS NULL AND "revokedAt" IS NULL AND "expiresAt" > ${at}`
  }
}

function read (row: Prisma.InvitationGetPayload<object>): Invitation {
  return { ...row, role: row.role as Invitation['role'], groups: row.groups as string[] }
}

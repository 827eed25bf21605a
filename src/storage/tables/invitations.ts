/** Invitations of people to organizations. */
import type { Invitation, InvitationRepository, InvitationStatus } from '../../domain/providers/invitation.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function invitationRepository ({ invitation: table }: Queries): InvitationRepository {
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
        where: { normalEmail, ...withStatus('open', now) }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }]
      })
      return rows.map(read)
    },
    async accept (id, memberId, now) {
      const { count } = await table.updateMany({
        where: { id, ...withStatus('open', now) }, data: { acceptedAt: now, memberId, ...nextRevision }
      })
      return count === 1
    },
    async page (query, { status, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = status === undefined ? {} : withStatus(status.is, status.at)
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, narrowed] } }), query, read)
    },
    async prune (before, limit) {
      const over = { lt: before }
      const where = { OR: [{ expiresAt: over }, { acceptedAt: over }, { revokedAt: over }] }
      return (await table.deleteMany({ where, limit })).count
    },
  }
}

function withStatus (status: InvitationStatus, at: Date): Prisma.InvitationWhereInput {
  switch (status) {
    case 'accepted': return { acceptedAt: { not: null } }
    case 'revoked': return { acceptedAt: null, revokedAt: { not: null } }
    case 'expired': return { acceptedAt: null, revokedAt: null, expiresAt: { lte: at } }
    case 'open': return { acceptedAt: null, revokedAt: null, expiresAt: { gt: at } }
  }
}

function read (row: Prisma.InvitationGetPayload<object>): Invitation {
  return { ...row, role: row.role as Invitation['role'], groups: row.groups as string[] }
}

/** Groups and their members. */
import type { Group, GroupRepository } from '../../domain/access/group.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function groupRepository (
  { group: table, groupMember: memberships }: Queries, note: ChangeReport
): GroupRepository {
  return {
    async insert (group) {
      await table.create({ data: { ...group, scopes: json(group.scopes) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId, createdAt: _, ...group } = after
      const { revision } = await table.update({
        where: { id }, data: { ...group, scopes: json(group.scopes), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'members', organizationId })
      return { ...after, revision }
    },
    async remove (id) {
      await memberships.deleteMany({ where: { groupId: id } })
      const { organizationId } = await table.delete({ where: { id }, select: { organizationId: true } })
      note({ of: 'members', organizationId })
    },
    async addMember (groupId, memberId) {
      await memberships.upsert({
        where: { groupId_memberId: { groupId, memberId } }, create: { groupId, memberId }, update: {}
      })
      note({ of: 'member', id: memberId })
    },
    async removeMember (groupId, memberId) {
      await memberships.deleteMany({ where: { groupId, memberId } })
      note({ of: 'member', id: memberId })
    },
    async page (query, { organizationId, memberId }) {
      const { where, ...page } = pageOf(query)
      const narrowed = memberId === undefined ? {} : { members: { some: { memberId } } }
      return toPage(
        await table.findMany({ ...page, where: { AND: [where, { organizationId }, narrowed] } }), query, read
      )
    }
  }
}

function read (row: Prisma.GroupGetPayload<object>): Group {
  return { ...row, scopes: row.scopes as string[] }
}

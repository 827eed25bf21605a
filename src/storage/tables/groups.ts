/** Groups and their members. */
import type { Group, GroupRepository } from '../../domain/access/group.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

/** The source of memberships that no mapping gave. */
const byHand = ''

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
      const key = { groupId, memberId, source: byHand }
      await memberships.upsert({ where: { groupId_memberId_source: key }, create: key, update: {} })
      note({ of: 'member', id: memberId })
    },
    async removeMember (groupId, memberId) {
      await memberships.deleteMany({ where: { groupId, memberId } })
      note({ of: 'member', id: memberId })
    },
    async hasByHand (groupId, memberId) {
      return await memberships.count({ where: { groupId, memberId, source: byHand } }) > 0
    },
    async setMapped (memberId, source, groupIds) {
      const before = (await memberships.findMany({ where: { memberId, source } })).map(({ groupId }) => groupId)
      const added = groupIds.filter(id => !before.includes(id))
      const removed = before.filter(id => !groupIds.includes(id))
      if (added.length === 0 && removed.length === 0) return { added, removed }
      await memberships.deleteMany({ where: { memberId, source, groupId: { in: removed } } })
      await memberships.createMany({ data: added.map(groupId => ({ groupId, memberId, source })) })
      note({ of: 'member', id: memberId })
      return { added, removed }
    },
    async endMapping (source, organizationId) {
      const { count } = await memberships.deleteMany({ where: { source } })
      if (count > 0) note({ of: 'members', organizationId })
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

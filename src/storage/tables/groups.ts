/** Groups and their members. */
import { sqltag as sql } from '@prisma/client/runtime/client'
import type { Group, GroupRepository } from '../../domain/access/group.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone } from '../rows/rows.ts'
import { listedRecords, narrowedBy } from '../rows/sorted-page.ts'

/** The source of memberships that no mapping gave. */
const byHand = ''

export function groupRepository (queries: Queries, note: ChangeReport): GroupRepository {
  const { group: table, groupMember: memberships } = queries
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
    async page (query, { memberId, ...sought }) {
      const narrowing = narrowedBy(sought, ['name'], {
        within: memberId === undefined
          ? []
          : [sql`"id" IN (SELECT "groupId" FROM "GroupMember" WHERE "memberId" = ${memberId})`]
      })
      return await listedRecords(queries, 'Group', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    }
  }
}

function read (row: Prisma.GroupGetPayload<object>): Group {
  return { ...row, scopes: row.scopes as string[] }
}

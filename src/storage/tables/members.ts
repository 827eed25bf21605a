/** Members of organizations. */
import type { Member, MemberRepository } from '../../domain/members/permissions.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { DbNull, type Prisma, type Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function memberRepository ({ member: table }: Queries, note: ChangeReport): MemberRepository {
  return {
    async insert (member) {
      const { groups: _, ...columns } = member
      await table.create({ data: { ...columns, scopes: scopesColumn(member) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: withGroups })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, createdAt: __, groups: ___, ...member } = after
      const { revision } = await table.update({
        where: { id }, data: { ...member, scopes: scopesColumn(member), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'member', id })
      return { ...after, revision }
    },
    async page (query, { removed, groupId, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = removed === undefined ? {} : { removedAt: removed ? { not: null } : null }
      const inGroup = groupId === undefined ? {} : { groups: { some: { groupId } } }
      return toPage(
        await table.findMany({ ...page, include: withGroups, where: { AND: [where, exactly, narrowed, inGroup] } }),
        query, read
      )
    }
  }
}

function scopesColumn ({ scopes }: Pick<Member, 'scopes'>) {
  return scopes === null ? DbNull : json(scopes)
}

const withGroups = { groups: { include: { group: true }, orderBy: { groupId: 'asc' } } } as const

function read (row: Prisma.MemberGetPayload<{ include: typeof withGroups }>): Member {
  const groups = row.groups.map(({ group }) => ({ id: group.id, scopes: group.scopes as string[] }))
  return { ...row, role: row.role as Member['role'], scopes: row.scopes as string[] | null, groups }
}

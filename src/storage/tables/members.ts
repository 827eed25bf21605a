/** Members of organizations. */
import { normalEmail } from '../../domain/members/email.ts'
import type { Member, MemberRepository } from '../../domain/members/permissions.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { DbNull, type Prisma, type Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function memberRepository ({ member: table }: Queries, note: ChangeReport): MemberRepository {
  return {
    async insert (member) {
      const { groups: _, ...columns } = member
      await table.create({ data: { ...columns, ...derivedColumns(member) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: withGroups })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, createdAt: __, groups: ___, ...member } = after
      const { revision } = await table.update({
        where: { id }, data: { ...member, ...derivedColumns(after), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'member', id })
      return { ...after, revision }
    },
    async page (query, { removed, groupId, email, formerEmail, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = removed === undefined ? {} : { removedAt: removed ? { not: null } : null }
      const reached = email === undefined ? {} : { normalEmail: normalEmail(email) }
      const left = formerEmail === undefined ? {} : { formerEmail: normalEmail(formerEmail) }
      const inGroup = groupId === undefined ? {} : { groups: { some: { groupId } } }
      const matching = { AND: [where, exactly, narrowed, reached, left, inGroup] }
      return toPage(await table.findMany({ ...page, include: withGroups, where: matching }), query, read)
    }
  }
}

/** A removed member gives its e-mail up: another one may have it. */
function derivedColumns ({ scopes, email, removedAt }: Member) {
  const normal = email && normalEmail(email)
  return {
    scopes: scopes === null ? DbNull : json(scopes),
    normalEmail: removedAt === null ? normal : null,
    formerEmail: removedAt === null ? null : normal,
  }
}

const withGroups = { groups: { include: { group: true }, orderBy: { groupId: 'asc' } } } as const

function read (
  { normalEmail: _, formerEmail: __, ...row }: Prisma.MemberGetPayload<{ include: typeof withGroups }>
): Member {
  // A group is there once for each reason that the member has to be in it.
  const once = new Map(row.groups.map(({ group }) => [group.id, { id: group.id, scopes: group.scopes as string[] }]))
  const groups = [...once.values()]
  return { ...row, role: row.role as Member['role'], scopes: row.scopes as string[] | null, groups }
}

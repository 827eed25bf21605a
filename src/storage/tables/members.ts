/** Members of organizations. */
import { sqltag as sql } from '@prisma/client/runtime/client'
import { normalEmail } from '../../domain/members/email.ts'
import type { Member, MemberFilter, MemberRepository } from '../../domain/members/permissions.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { DbNull, type Prisma, type Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone } from '../rows/rows.ts'
import { equal, flagged, happened, listedRecords, narrowedBy, type Narrowing } from '../rows/sorted-page.ts'

export function memberRepository (queries: Queries, note: ChangeReport): MemberRepository {
  const { member: table } = queries
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
    page: async (query, filter) => await listedRecords(queries, 'Member', narrowingOf(filter), query, async ids =>
      (await table.findMany({ where: { id: { in: ids } }, include: withGroups })).map(read))
  }
}

function narrowingOf (
  { removed, groupId, email, formerEmail, operator, name, role, ...sought }: MemberFilter
): Narrowing {
  const normal = (address: string | undefined) => address === undefined ? undefined : normalEmail(address)
  return narrowedBy(sought, ['name', 'email'], {
    within: [
      ...equal({ normalEmail: normal(email), formerEmail: normal(formerEmail) }),
      ...(groupId === undefined
        ? []
        : [sql`"id" IN (SELECT "memberId" FROM "GroupMember" WHERE "groupId" = ${groupId})`])
    ],
    among: [...equal({ name, role }), ...flagged('operator', operator), ...happened('removedAt', removed)]
  })
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

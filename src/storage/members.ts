import type { Member, MemberRepository } from '../domain/member.ts'
import type { Note } from './changes.ts'
import { DbNull, type Prisma, type Queries } from './prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from './rows.ts'

export function memberRepository ({ member: table }: Queries, note: Note): MemberRepository {
  return {
    async insert (member) {
      await table.create({ data: { ...member, scopes: scopesColumn(member) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, createdAt: __, ...member } = after
      const { revision } = await table.update({ where: { id }, data: { ...member, scopes: scopesColumn(member), ...nextRevision }, select: revisionAlone })
      note({ of: 'member', id })
      return { ...after, revision }
    },
    async page (query, { removed, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = removed === undefined ? {} : { removedAt: removed ? { not: null } : null }
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, narrowed] } }), query, read)
    },
  }
}

function scopesColumn ({ scopes }: Pick<Member, 'scopes'>) {
  return scopes === null ? DbNull : json(scopes)
}

function read (row: Prisma.MemberGetPayload<object>): Member {
  return { ...row, role: row.role as Member['role'], scopes: row.scopes as string[] | null }
}

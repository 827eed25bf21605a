import type { Member, MemberRepository } from '../domain/member.ts'
import type { Note } from './changes.ts'
import { DbNull, type Prisma, type Queries } from './prisma.ts'
import { json, pageOf, toPage } from './rows.ts'

export function memberRepository ({ member: table }: Queries, note: Note): MemberRepository {
  return {
    async insert (member) {
      await table.create({ data: { ...member, scopes: scopesColumn(member) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update ({ id, organizationId: _, createdAt: __, ...member }) {
      await table.update({ where: { id }, data: { ...member, scopes: scopesColumn(member) } })
      note({ of: 'member', id })
    },
    async page (query, { organizationId }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { organizationId }] } }), query, read)
    },
  }
}

function scopesColumn ({ scopes }: Pick<Member, 'scopes'>) {
  return scopes === null ? DbNull : json(scopes)
}

function read (row: Prisma.MemberGetPayload<object>): Member {
  return { ...row, role: row.role as Member['role'], scopes: row.scopes as string[] | null }
}

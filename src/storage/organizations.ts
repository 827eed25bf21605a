import type { Organization, OrganizationRepository } from '../domain/organization.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, pageOf, toPage } from './rows.ts'

export function organizationRepository ({ organization: table }: Queries, note: Note): OrganizationRepository {
  return {
    async insert (organization) {
      await table.create({ data: { ...organization, features: json(organization.features) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update ({ id, createdAt: _, ...organization }) {
      await table.update({ where: { id }, data: { ...organization, features: json(organization.features) } })
      note({ of: 'organization', id })
    },
    async page (query, { id }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { id }] } }), query, read)
    },
  }
}

function read (row: Prisma.OrganizationGetPayload<object>): Organization {
  return { ...row, status: row.status as Organization['status'], features: row.features as string[] }
}

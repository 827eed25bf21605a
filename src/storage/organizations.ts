import type { Organization, OrganizationRepository } from '../domain/organization.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from './rows.ts'

export function organizationRepository ({ organization: table }: Queries, note: Note): OrganizationRepository {
  return {
    async insert (organization) {
      await table.create({ data: { ...organization, features: json(organization.features) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, createdAt: _, ...organization } = after
      const { revision } = await table.update({ where: { id }, data: { ...organization, features: json(organization.features), ...nextRevision }, select: revisionAlone })
      note({ of: 'organization', id })
      return { ...after, revision }
    },
    async page (query, { id, name, status }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { id, name, status }] } }), query, read)
    },
  }
}

function read (row: Prisma.OrganizationGetPayload<object>): Organization {
  return { ...row, status: row.status as Organization['status'], features: row.features as string[] }
}

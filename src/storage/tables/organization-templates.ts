/** Templates of organizations. */
import type {
  OrganizationTemplate, OrganizationTemplateRepository
} from '../../domain/tenancy/organization-template.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, pageOf, toPage } from '../rows/rows.ts'

export function organizationTemplateRepository (
  { organizationTemplate: table }: Queries
): OrganizationTemplateRepository {
  return {
    async insert (template) {
      await table.create({ data: { ...template, features: json(template.features) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async remove (id) {
      await table.deleteMany({ where: { id } })
    },
    async page (query) {
      return toPage(await table.findMany(pageOf(query)), query, read)
    },
  }
}

function read (row: Prisma.OrganizationTemplateGetPayload<object>): OrganizationTemplate {
  return { ...row, features: row.features as string[] }
}

/** E-mail domains of organizations. */
import type { EmailDomainRepository } from '../../domain/providers/email-domain.ts'
import type { Queries } from '../engine/prisma.ts'
import { pageOf, toPage } from '../rows/rows.ts'

export function emailDomainRepository ({ emailDomain: table }: Queries): EmailDomainRepository {
  return {
    async insert (domain) {
      await table.create({ data: domain })
    },
    async get (id) {
      return await table.findUnique({ where: { id } })
    },
    async byDomain (domain) {
      return await table.findUnique({ where: { domain } })
    },
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, row => row)
    },
  }
}

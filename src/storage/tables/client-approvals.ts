/** Unverified clients that administrators have approved. */
import type { ClientApprovalRepository } from '../../domain/authorizations/client-approval.ts'
import type { Queries } from '../engine/prisma.ts'
import { pageOf, toPage } from '../rows/rows.ts'

export function clientApprovalRepository ({ clientApproval: table }: Queries): ClientApprovalRepository {
  return {
    async insert (approval) {
      await table.create({ data: approval })
    },
    get: id => table.findUnique({ where: { id } }),
    ofPair: (organizationId, clientId) =>
      table.findUnique({ where: { organizationId_clientId: { organizationId, clientId } } }),
    ofClients: (organizationId, clientIds) =>
      table.findMany({ where: { organizationId, clientId: { in: [...clientIds] } } }),
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, row => row)
    },
  }
}

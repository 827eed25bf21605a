/** Providers of sign-ins that organizations trust. */
import type { GroupRule, TrustedProvider, TrustedProviderRepository } from '../../domain/people/provider-trust.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function trustedProviderRepository ({ trustedProvider: table }: Queries): TrustedProviderRepository {
  return {
    async insert (trusted) {
      await table.create({ data: { ...trusted, groupMapping: json(trusted.groupMapping) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async ofPair (organizationId, provider) {
      const row = await table.findUnique({ where: { organizationId_provider: { organizationId, provider } } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, provider: __, createdAt: ___, ...trusted } = after
      const { revision } = await table.update({
        where: { id },
        data: { ...trusted, groupMapping: json(trusted.groupMapping), ...nextRevision },
        select: revisionAlone
      })
      return { ...after, revision }
    },
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, read)
    },
  }
}

function read (row: Prisma.TrustedProviderGetPayload<object>): TrustedProvider {
  return {
    ...row, joinsAs: row.joinsAs as TrustedProvider['joinsAs'], groupMapping: row.groupMapping as unknown as GroupRule[]
  }
}

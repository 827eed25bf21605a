/** Provider keys, with their texts sealed. */
import type { ProviderKeyRepository } from '../../domain/spending/provider-key.ts'
import type { Queries } from '../engine/prisma.ts'
import { nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function providerKeyRepository ({ providerKey: table }: Queries): ProviderKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: key })
    },
    async get (id) {
      return await table.findUnique({ where: { id } })
    },
    async of (organizationId, provider) {
      // Not by the unique index: in it two keys of the deployment would differ.
      return await table.findFirst({ where: { organizationId, provider } })
    },
    async update (after) {
      const { id, sealedKey, fingerprint, hint, replacedAt } = after
      const { revision } = await table.update({
        where: { id }, data: { sealedKey, fingerprint, hint, replacedAt, ...nextRevision }, select: revisionAlone
      })
      return { ...after, revision }
    },
    async reseal ({ id, from, to }) {
      return (await table.updateMany({ where: { id, sealedKey: from }, data: { sealedKey: to } })).count === 1
    },
    async touch (id, lastLeasedAt) {
      await table.updateMany({ where: { id }, data: { lastLeasedAt } })
    },
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, row => row)
    },
    async some () {
      return await table.findFirst({ select: { id: true } }) !== null
    },
  }
}

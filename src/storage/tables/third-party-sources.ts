/** Third-party sources, with what they answered in a table of its own. */
import type { ThirdPartySource, ThirdPartySourceRepository } from '../../domain/registries/third-party-source.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function thirdPartySourceRepository (
  { thirdPartySource: table, thirdPartyDocument: documents }: Queries
): ThirdPartySourceRepository {
  return {
    async insert (source) {
      await table.create({ data: { ...source, headerNames: json(source.headerNames) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId: _, kind: __, createdAt: ___, ...source } = after
      const { revision } = await table.update({
        where: { id },
        data: { ...source, headerNames: json(source.headerNames), ...nextRevision },
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
    async documentOf (sourceId) {
      const row = await documents.findUnique({ where: { sourceId } })
      return row && { content: row.content, etag: row.etag }
    },
    async recordFetch ({ id, askedAt, status, error, fetchedAt }, document) {
      await table.update({ where: { id }, data: { askedAt, status, error, fetchedAt }, select: revisionAlone })
      if (document === null) return
      await documents.upsert({
        where: { sourceId: id }, create: { sourceId: id, ...document }, update: document, select: { sourceId: true }
      })
    },
    async forgetDocument (sourceId) {
      await documents.deleteMany({ where: { sourceId } })
    },
    async sealedByOthers (secretId, after) {
      const where = { id: { gt: after }, sealedHeaders: { not: null }, sealedBy: { not: secretId } }
      return (await table.findMany({ where, orderBy: { id: 'asc' }, take: 200 })).map(read)
    },
    async reseal ({ id, from, to, sealedBy }) {
      const { count } = await table.updateMany({
        where: { id, sealedHeaders: from }, data: { sealedHeaders: to, sealedBy }
      })
      return count === 1
    },
  }
}

function read (row: Prisma.ThirdPartySourceGetPayload<object>): ThirdPartySource {
  return { ...row, kind: row.kind as ThirdPartySource['kind'], headerNames: row.headerNames as unknown as string[] }
}

/** Publishable keys. */
import type { JWK } from 'jose'
import type { PublishableKey, PublishableKeyRepository } from '../../domain/credentials/publishable-key.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, revokedAs, toPage } from '../rows/rows.ts'

export function publishableKeyRepository (
  { publishableKey: table }: Queries, note: ChangeReport
): PublishableKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: columns(key) })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byPublishable (publishable) {
      const row = await table.findUnique({ where: { publishable } })
      return row && read(row)
    },
    async update (after) {
      const { id, publishable: _, createdAt: __, ...key } = after
      const { revision } = await table.update({
        where: { id }, data: { ...columns(key), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'publishableKey', id })
      return { ...after, revision }
    },
    async page (query, { revoked, ...exactly }) {
      const { where, ...page } = pageOf(query)
      return toPage(
        await table.findMany({ ...page, where: { AND: [where, exactly, revokedAs(revoked)] } }), query, read
      )
    }
  }
}

function columns<T extends Pick<PublishableKey, 'publicJwk' | 'scopes'>> (key: T) {
  return { ...key, publicJwk: json(key.publicJwk), scopes: json(key.scopes) }
}

function read (row: Prisma.PublishableKeyGetPayload<object>): PublishableKey {
  return {
    ...row,
    environment: row.environment as PublishableKey['environment'],
    publicJwk: row.publicJwk as JWK,
    scopes: row.scopes as string[]
  }
}

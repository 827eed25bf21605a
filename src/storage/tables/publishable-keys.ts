/** Publishable keys. */
import type { JWK } from 'jose'
import type { PublishableKey, PublishableKeyRepository } from '../../domain/credentials/publishable-key.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone } from '../rows/rows.ts'
import { equal, happened, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

export function publishableKeyRepository (queries: Queries, note: ChangeReport): PublishableKeyRepository {
  const { publishableKey: table } = queries
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
    async page (query, { revoked, name, environment, resourceId, ...sought }) {
      const among = [...equal({ name, environment, resourceId }), ...happened('revokedAt', revoked)]
      const narrowing = narrowedBy(sought, ['name', 'publishable'], { among })
      return await listedRecords(queries, 'PublishableKey', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
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

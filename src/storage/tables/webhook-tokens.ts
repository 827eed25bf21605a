/** Webhook tokens, each for one object. */
import type { WebhookToken, WebhookTokenRepository } from '../../domain/credentials/webhook-token.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { nextRevision, revisionAlone } from '../rows/rows.ts'
import { equal, happened, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

/** The number of tokens that a change names, at most: of more it names none. */
const maxNamed = 1_000

export function webhookTokenRepository (queries: Queries, note: ChangeReport): WebhookTokenRepository {
  const { webhookToken: table } = queries
  return {
    async insert (token) {
      await table.create({ data: columns(token) })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byDigest (digest) {
      const row = await table.findUnique({ where: { digest } })
      return row && read(row)
    },
    async update (after) {
      const { id, digest: _, createdAt: __, ...token } = after
      const { revision } = await table.update({
        where: { id }, data: { ...columns(token), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'webhookTokens', ids: [id] })
      return { ...after, revision }
    },
    async handOver (fromApiKeyId, toApiKeyId) {
      const where = { apiKeyId: fromApiKeyId }
      const ids = (await table.findMany({ where, select: { id: true } })).map(({ id }) => id)
      await table.updateMany({ where, data: { apiKeyId: toApiKeyId, ...nextRevision } })
      if (ids.length > 0) note({ of: 'webhookTokens', ...(ids.length > maxNamed ? {} : { ids }) })
    },
    async revokeOfKey (apiKeyId, revokedAt) {
      const where = { apiKeyId, revokedAt: null }
      const ids = (await table.findMany({ where, select: { id: true } })).map(({ id }) => id)
      await table.updateMany({ where, data: { revokedAt, ...nextRevision } })
      if (ids.length > 0) note({ of: 'webhookTokens', ...(ids.length > maxNamed ? {} : { ids }) })
      return ids.length
    },
    async page (query, { revoked, apiKeyId, resourceId, ...sought }) {
      const narrowing = narrowedBy(sought, ['hint', 'objectId'], {
        within: equal({ apiKeyId }), among: [...equal({ resourceId }), ...happened('revokedAt', revoked)]
      })
      return await listedRecords(queries, 'WebhookToken', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    }
  }
}

function columns<T extends Pick<WebhookToken, 'object'>> ({ object, ...token }: T) {
  return { ...token, objectType: object.type, objectId: object.id }
}

function read ({ objectType, objectId, ...row }: Prisma.WebhookTokenGetPayload<object>): WebhookToken {
  return { ...row, object: { type: objectType, id: objectId } }
}

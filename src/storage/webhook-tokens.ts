import type { WebhookToken, WebhookTokenRepository } from '../domain/webhook-token.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { pageOf, toPage } from './rows.ts'

export function webhookTokenRepository ({ webhookToken: table }: Queries, note: Note): WebhookTokenRepository {
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
    async update ({ id, digest: _, createdAt: __, ...token }) {
      await table.update({ where: { id }, data: columns(token) })
      note({ of: 'webhookTokens' })
    },
    async handOver (fromApiKeyId, toApiKeyId) {
      const { count } = await table.updateMany({ where: { apiKeyId: fromApiKeyId }, data: { apiKeyId: toApiKeyId } })
      if (count > 0) note({ of: 'webhookTokens' })
    },
    async page (query, { organizationId }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { organizationId }] } }), query, read)
    },
  }
}

function columns<T extends Pick<WebhookToken, 'object'>> ({ object, ...token }: T) {
  return { ...token, objectType: object.type, objectId: object.id }
}

function read ({ objectType, objectId, ...row }: Prisma.WebhookTokenGetPayload<object>): WebhookToken {
  return { ...row, object: { type: objectType, id: objectId } }
}

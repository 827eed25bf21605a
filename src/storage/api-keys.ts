import type { ApiKey, ApiKeyRepository } from '../domain/api-key.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { bySecond, json, pageOf, toPage } from './rows.ts'

export function apiKeyRepository ({ apiKey: table }: Queries, note: Note): ApiKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: { ...key, scopes: json(key.scopes), allowlist: json(key.allowlist) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byDigest (digest) {
      const row = await table.findUnique({ where: { digest } })
      return row && read(row)
    },
    async update ({ id, digest, createdAt: _, ...key }) {
      await table.update({ where: { id }, data: { ...key, scopes: json(key.scopes), allowlist: json(key.allowlist) } })
      note({ of: 'apiKey', digest })
    },
    async touch (usage) {
      for (const { at, ids } of bySecond(usage)) {
        await table.updateMany({ where: { id: { in: ids }, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: at } }] }, data: { lastUsedAt: at } })
      }
    },
    async page (query, { organizationId }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { organizationId }] } }), query, read)
    },
  }
}

function read (row: Prisma.ApiKeyGetPayload<object>): ApiKey {
  return {
    ...row,
    environment: row.environment as ApiKey['environment'],
    scopes: row.scopes as string[],
    allowlist: row.allowlist as string[],
  }
}

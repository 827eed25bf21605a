import type { ApiKey, ApiKeyRepository, KeyStatus } from '../domain/api-key.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { bySecond, json, nextRevision, pageOf, revisionAlone, toPage } from './rows.ts'

export function apiKeyRepository ({ apiKey: table }: Queries, note: Note): ApiKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: columns(key) })
      if (key.imported) note({ of: 'importedKey', digest: key.digest })
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
      const { id, digest, createdAt: _, ...key } = after
      const { revision } = await table.update({ where: { id }, data: { ...columns(key), ...nextRevision }, select: revisionAlone })
      note({ of: 'apiKey', digest })
      return { ...after, revision }
    },
    async touch (usage) {
      for (const { at, ids } of bySecond(usage)) {
        await table.updateMany({ where: { id: { in: ids }, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: at } }] }, data: { lastUsedAt: at } })
      }
    },
    async inOverlap (chainId, now) {
      const rows = await table.findMany({ where: { chainId, rotatedTo: { not: null }, revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] } })
      return rows.map(read)
    },
    async lineage (chainId) {
      const rows = await table.findMany({ where: { chainId }, select: { id: true, rotatedFrom: true } })
      return new Map(rows.map(({ id, rotatedFrom }) => [id, rotatedFrom]))
    },
    async page (query, { status, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = status === undefined ? {} : withStatus(status.is, status.at)
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, narrowed] } }), query, read)
    },
  }
}

/** The digest of every key that was made elsewhere. */
export async function importedDigests ({ apiKey: table }: Queries): Promise<string[]> {
  return (await table.findMany({ where: { imported: true }, select: { digest: true } })).map(({ digest }) => digest)
}

/** `statusOf` as a condition. */
function withStatus (status: KeyStatus, at: Date): Prisma.ApiKeyWhereInput {
  switch (status) {
    case 'revoked': return { revokedAt: { not: null } }
    case 'rotated': return { revokedAt: null, rotatedTo: { not: null } }
    case 'expired': return { revokedAt: null, rotatedTo: null, expiresAt: { lte: at } }
    case 'active': return { revokedAt: null, rotatedTo: null, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }
  }
}

function columns<T extends Pick<ApiKey, 'organizations' | 'scopes' | 'objects' | 'allowlist'>> (key: T) {
  return { ...key, organizations: json(key.organizations), scopes: json(key.scopes), objects: json(key.objects), allowlist: json(key.allowlist) }
}

function read (row: Prisma.ApiKeyGetPayload<object>): ApiKey {
  const organizations = row.organizations as string[]
  return {
    ...row,
    // Keys from before they could have several name none: theirs is the one that they belong to.
    organizations: organizations.length === 0 ? [row.organizationId] : organizations,
    environment: row.environment as ApiKey['environment'],
    access: row.access as ApiKey['access'],
    scopes: row.scopes as string[],
    objects: row.objects as ApiKey['objects'],
    allowlist: row.allowlist as string[],
  }
}

/** API keys, generated and imported. */
import type { ApiKey, ApiKeyRepository, KeyStatus } from '../../domain/credentials/api-key.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage, touch, type Row } from '../rows/rows.ts'

export function apiKeyRepository (queries: Queries, note: ChangeReport): ApiKeyRepository {
  const { apiKey: table } = queries
  return {
    async insert (key) {
      const { digest, resourceId, imported } = key
      const data = columns(key)
      if (!imported) {
        await table.create({ data, select: revisionAlone })
        return
      }
      const { resource } = await table.create({ data, select: { resource: { select: { organizationId: true } } } })
      note({ of: 'importedKey', digest, resourceId, shared: resource.organizationId === null })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byDigest (digest, resourceId) {
      const row = await table.findUnique({ where: { digest_resourceId: { digest, resourceId } } })
      return row && read(row)
    },
    async isImported (digest, { organizationId, resourceIds }) {
      const visible = [
        { resourceId: { in: [...resourceIds] } }, ...(organizationId === null ? [] : [{ organizationId }])
      ]
      return await table.findFirst({ where: { digest, imported: true, OR: visible }, select: { id: true } }) !== null
    },
    async update (after) {
      const { id, digest, createdAt: _, ...key } = after
      const { revision } = await table.update({
        where: { id }, data: { ...columns(key), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'apiKey', digest, resourceId: key.resourceId })
      return { ...after, revision }
    },
    touch: usage => touch(queries, 'ApiKey', usage),
    async inOverlap (chainId, now) {
      const rows = await table.findMany({
        where: {
          chainId, rotatedTo: { not: null }, revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }]
        }
      })
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
  return {
    ...key,
    organizations: json(key.organizations),
    scopes: json(key.scopes),
    objects: json(key.objects),
    allowlist: json(key.allowlist)
  }
}

/** Reads each column once. */
export function readApiKey (row: Row, { text, common, json, instant, flag }: Columns): ApiKey {
  const id = text(row.id)
  const organizationId = common(row.organizationId)
  const organizations = json(row.organizations) as string[]
  return {
    id,
    digest: text(row.digest),
    hint: text(row.hint),
    organizationId,
    // Older keys name none: they act for the organization that they belong to.
    organizations: organizations.length === 0 ? [organizationId] : organizations,
    resourceId: common(row.resourceId),
    environment: common(row.environment) as ApiKey['environment'],
    name: text(row.name),
    access: common(row.access) as ApiKey['access'],
    scopes: json(row.scopes) as string[],
    objects: json(row.objects) as ApiKey['objects'],
    allowlist: json(row.allowlist) as string[],
    callsPerMonth: row.callsPerMonth as number | null,
    creditsPerMonth: row.creditsPerMonth as number | null,
    callsPerMinute: row.callsPerMinute as number | null,
    createdBy: common(row.createdBy),
    creatorId: orNull(common, row.creatorId),
    imported: flag(row.imported),
    chainId: row.chainId === id ? id : text(row.chainId),
    rotatedFrom: orNull(text, row.rotatedFrom),
    rotatedTo: orNull(text, row.rotatedTo),
    createdAt: instant(row.createdAt),
    expiresAt: orNull(instant, row.expiresAt),
    revokedAt: orNull(instant, row.revokedAt),
    revokedReason: orNull(text, row.revokedReason),
    lastUsedAt: orNull(instant, row.lastUsedAt),
    revision: row.revision as number,
  }
}

function read (row: Row): ApiKey {
  return readApiKey(row, prismaColumns)
}

/** API keys, generated and imported. */
import { sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import type { ApiKey, ApiKeyFilter, ApiKeyRepository, KeyStatus } from '../../domain/credentials/api-key.ts'
import type { Position } from '../../domain/core/page.ts'
import type { Role } from '../../domain/members/roles.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, touch, type Row } from '../rows/rows.ts'
import { equal, listedRows, narrowedBy, type Narrowing } from '../rows/sorted-page.ts'

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
    async ofDigest (digest) {
      return (await table.findMany({ where: { digest } })).map(read)
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
    async page (query, filter) {
      const columns = query.names === true ? sql`*, ${nameOfCreator} AS "creatorName"` : sql`*`
      const listed = await listedRows<ListedRow>(queries, 'ApiKey', columns, narrowingOf(filter), query)
      return {
        ...listed,
        items: listed.items.map(({ creatorName, ...row }) =>
          ({ ...read(row), ...(creatorName === undefined ? {} : { creatorName }) }))
      }
    }
  }
}

type ListedRow = Row & Position & { creatorName?: string | null }

const nameOfCreator = sql`(SELECT "name" FROM "Member" WHERE "Member"."id" = "ApiKey"."creatorId")`

function narrowingOf (
  { status, unusedSince, expiresBefore, name, environment, resourceId, creatorId, externalId, ...sought }: ApiKeyFilter
): Narrowing {
  return narrowedBy(sought, ['name', 'hint'], {
    within: equal({ creatorId, externalId }),
    among: [
      ...equal({ name, environment, resourceId }),
      ...(status === undefined ? [] : [withStatus(status.is, status.at)]),
      ...(unusedSince === undefined
        ? []
        : [sql`"createdAt" < ${unusedSince} AND ("lastUsedAt" IS NULL OR "lastUsedAt" < ${unusedSince})`]),
      ...(expiresBefore === undefined ? [] : [sql`"expiresAt" < ${expiresBefore}`]),
    ]
  })
}

/** `statusOf` as a condition. */
function withStatus (status: KeyStatus, at: Date): Sql {
  const lasts = sql`("expiresAt" IS NULL OR "expiresAt" > ${at})`
  switch (status) {
    case 'revoked': return sql`"revokedAt" IS NOT NULL`
    case 'disabled': return sql`"revokedAt" IS NULL AND "disabledAt" IS NOT NULL AND ${lasts}`
    case 'rotated':
      return sql`"revokedAt" IS NULL AND "rotatedTo" IS NOT NULL AND ("disabledAt" IS NULL OR "expiresAt" <= ${at})`
    case 'expired': return sql`"revokedAt" IS NULL AND "rotatedTo" IS NULL AND "expiresAt" <= ${at}`
    case 'active': return sql`"revokedAt" IS NULL AND "disabledAt" IS NULL AND "rotatedTo" IS NULL AND ${lasts}`
  }
}

type OwnColumns = 'annotations' | 'organizations' | 'scopes' | 'objects' | 'allowlist' | 'portal'

function columns<T extends Pick<ApiKey, OwnColumns>> ({ portal, ...key }: T) {
  return {
    ...key,
    portalTemplateId: portal?.templateId ?? null,
    portalCeiling: portal?.ceiling ?? null,
    annotations: json(key.annotations),
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
    vouchedBy: orNull(text, row.vouchedBy),
    portal: row.portalCeiling === null
      ? null
      : { templateId: orNull(text, row.portalTemplateId), ceiling: common(row.portalCeiling) as Role },
    imported: flag(row.imported),
    chainId: row.chainId === id ? id : text(row.chainId),
    rotatedFrom: orNull(text, row.rotatedFrom),
    rotatedTo: orNull(text, row.rotatedTo),
    createdAt: instant(row.createdAt),
    expiresAt: orNull(instant, row.expiresAt),
    revokedAt: orNull(instant, row.revokedAt),
    revokedReason: orNull(text, row.revokedReason),
    disabledAt: orNull(instant, row.disabledAt),
    disabledReason: orNull(text, row.disabledReason),
    annotations: json(row.annotations) as ApiKey['annotations'],
    externalId: orNull(text, row.externalId),
    lastUsedAt: orNull(instant, row.lastUsedAt),
    revision: row.revision as number,
  }
}

function read (row: Row): ApiKey {
  return readApiKey(row, prismaColumns)
}

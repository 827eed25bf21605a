/** Organizations, the tenants. */
import type { Organization, OrganizationRepository } from '../../domain/tenancy/organization.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, type Row } from '../rows/rows.ts'
import { equal, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

export function organizationRepository (queries: Queries, note: ChangeReport): OrganizationRepository {
  const { organization: table } = queries
  return {
    async insert (organization) {
      await table.create({ data: { ...organization, features: json(organization.features) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, createdAt: _, ...organization } = after
      const { revision } = await table.update({
        where: { id },
        data: { ...organization, features: json(organization.features), ...nextRevision },
        select: revisionAlone
      })
      note({ of: 'organization', id })
      return { ...after, revision }
    },
    async page (query, { id, name, status, ...sought }) {
      const narrowing = narrowedBy(sought, ['name', 'id'], { within: equal({ id }), among: equal({ name, status }) })
      return await listedRecords(queries, 'Organization', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    },
  }
}

/** Reads each column once. */
export function readOrganization (row: Row, { text, json, instant, flag }: Columns): Organization {
  return {
    id: text(row.id),
    name: text(row.name),
    status: text(row.status) as Organization['status'],
    features: json(row.features) as string[],
    callsPerMonth: row.callsPerMonth as number | null,
    creditsPerMonth: row.creditsPerMonth as number | null,
    callsPerMinute: row.callsPerMinute as number | null,
    createdAt: instant(row.createdAt),
    suspendedAt: orNull(instant, row.suspendedAt),
    deletedAt: orNull(instant, row.deletedAt),
    requiresProvider: flag(row.requiresProvider),
    unverifiedClients: text(row.unverifiedClients) as Organization['unverifiedClients'],
    revision: row.revision as number,
  }
}

function read (row: Row): Organization {
  return readOrganization(row, prismaColumns)
}

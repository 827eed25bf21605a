/** Policies of organizations and of the deployment. */
import { effects, readConditions, type Policy, type PolicyRepository } from '../../domain/policy/policy.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, type Row } from '../rows/rows.ts'
import { equal, flagged, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

export function policyRepository (queries: Queries, note: ChangeReport): PolicyRepository {
  const { policy: table } = queries
  return {
    async insert (policy) {
      await table.create({ data: { ...policy, conditions: json(policy.conditions) } })
      note({ of: 'policies', organizationId: policy.organizationId })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async update (after) {
      const { id, organizationId, createdBy: _, createdAt: __, conditions, ...policy } = after
      // Leaves unreadable conditions unchanged.
      const readable = conditions === null ? {} : { conditions: json(conditions) }
      const { revision } = await table.update({
        where: { id }, data: { ...policy, ...readable, ...nextRevision }, select: revisionAlone
      })
      note({ of: 'policies', organizationId })
      return { ...after, revision }
    },
    async remove ({ id, organizationId }) {
      await table.delete({ where: { id } })
      note({ of: 'policies', organizationId })
    },
    async of (organizationId) {
      const rows = await table.findMany({ where: { organizationId }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
      return rows.map(read)
    },
    async page (query, { effect, enabled, ...sought }) {
      const among = [...equal({ effect }), ...flagged('enabled', enabled)]
      return await listedRecords(queries, 'Policy', narrowedBy(sought, ['name'], { among }), query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    },
  }
}

/** Reads each column once. A policy with an effect that this version does not know is unreadable, and denies. */
export function readPolicy (row: Row, { text, json, instant, flag }: Columns): Policy {
  const known = effects.find(effect => effect === row.effect)
  return {
    id: text(row.id),
    organizationId: orNull(text, row.organizationId),
    name: text(row.name),
    description: orNull(text, row.description),
    effect: known ?? 'deny',
    enabled: flag(row.enabled),
    conditions: known === undefined ? null : readConditions(json(row.conditions)),
    createdBy: text(row.createdBy),
    createdAt: instant(row.createdAt),
    updatedAt: instant(row.updatedAt),
    revision: row.revision as number,
  }
}

function read (row: Row): Policy {
  return readPolicy(row, prismaColumns)
}

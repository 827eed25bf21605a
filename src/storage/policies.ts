import { effects, readConditions, type Policy, type PolicyRepository } from '../domain/policy.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from './rows.ts'

export function policyRepository ({ policy: table }: Queries, note: Note): PolicyRepository {
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
      // What cannot be read is left as it is.
      const readable = conditions === null ? {} : { conditions: json(conditions) }
      const { revision } = await table.update({ where: { id }, data: { ...policy, ...readable, ...nextRevision }, select: revisionAlone })
      note({ of: 'policies', organizationId })
      return { ...after, revision }
    },
    async remove ({ id, organizationId }) {
      await table.delete({ where: { id } })
      note({ of: 'policies', organizationId })
    },
    async of (organizationId) {
      return (await table.findMany({ where: { organizationId }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })).map(read)
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, read)
    },
  }
}

/** An effect that is not known here makes the whole of it unreadable: then it denies. */
function read (row: Prisma.PolicyGetPayload<object>): Policy {
  const known = effects.find(effect => effect === row.effect)
  return { ...row, effect: known ?? 'deny', conditions: known === undefined ? null : readConditions(row.conditions) }
}

/** Trusted issuers of workloads. */
import type { TrustedIssuer, TrustedIssuerRepository } from '../../domain/workloads/trusted-issuer.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'
import { readTrustedIssuer, readWorkloadRule } from '../rows/workload-trust.ts'

export function trustedIssuerRepository (
  { trustedIssuer: table, workloadRule: rules }: Queries, note: ChangeReport
): TrustedIssuerRepository {
  const oldestFirst = [{ createdAt: 'asc' as const }, { id: 'asc' as const }]
  return {
    async insert (issuer) {
      await table.create({ data: columns(issuer) })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && readTrustedIssuer(row)
    },
    async named (names, profile, owners) {
      if (names.length === 0) return []
      const rows = await table.findMany({
        where: { issuer: { in: [...names] }, profile, ...(owners === 'any' ? {} : { OR: ofOwners(owners) }) },
        ...(owners === 'any' ? { take: 20 } : {}),
        orderBy: oldestFirst,
        include: { rules: { orderBy: oldestFirst } }
      })
      return rows.map(({ rules, ...row }) => ({ issuer: readTrustedIssuer(row), rules: rules.map(readWorkloadRule) }))
    },
    async anyOf (profile) {
      return await table.findFirst({ where: { profile }, select: { id: true } }) !== null
    },
    async update (after) {
      const { id, organizationId: _, createdBy: __, createdAt: ___, ...issuer } = columns(after)
      const { revision } = await table.update({
        where: { id }, data: { ...issuer, ...nextRevision }, select: revisionAlone
      })
      note({ of: 'trustedIssuers', ids: await idsOf(id) })
      return { ...after, revision }
    },
    async remove ({ id }) {
      const ids = await idsOf(id)
      await table.delete({ where: { id } })
      note({ of: 'trustedIssuers', ids })
    },
    count: filter => table.count({ where: filter }),
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, readTrustedIssuer)
    },
  }

  /** Whose tokens follow from an issuer: it, and its rules. */
  async function idsOf (issuerId: string): Promise<string[]> {
    const found = await rules.findMany({ where: { issuerId }, select: { id: true } })
    return [issuerId, ...found.map(({ id }) => id)]
  }
}

function columns (issuer: TrustedIssuer) {
  const { keys, audiences, algorithms, anchors } = issuer
  return {
    ...issuer, keys: json(keys), audiences: json(audiences), algorithms: json(algorithms), anchors: json(anchors)
  }
}

function ofOwners (owners: readonly (string | null)[]) {
  const organizations = { organizationId: { in: owners.filter(owner => owner !== null) } }
  return owners.includes(null) ? [organizations, { organizationId: null }] : [organizations]
}

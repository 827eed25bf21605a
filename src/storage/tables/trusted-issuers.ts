/** Trusted issuers of workloads, with the reviews of their tokens in a table of its own. */
import type { TrustedIssuer, TrustedIssuerRepository } from '../../domain/workloads/trusted-issuer.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'
import { readTrustedIssuer, readWorkloadRule, wholeIssuer } from '../rows/workload-trust.ts'

export function trustedIssuerRepository (
  { trustedIssuer: table, tokenReview: reviews, workloadRule: rules }: Queries, note: ChangeReport
): TrustedIssuerRepository {
  const oldestFirst = [{ createdAt: 'asc' as const }, { id: 'asc' as const }]
  return {
    async insert (issuer) {
      await table.create({ data: columns(issuer) })
      await keepReview(issuer)
    },
    async get (id) {
      const row = await table.findUnique({ where: { id }, include: wholeIssuer })
      return row && readTrustedIssuer(row)
    },
    async named (names, profile, owners) {
      if (names.length === 0) return []
      const rows = await table.findMany({
        where: { issuer: { in: [...names] }, profile, ...(owners === 'any' ? {} : { OR: ofOwners(owners) }) },
        ...(owners === 'any' ? { take: 20 } : {}),
        orderBy: oldestFirst,
        include: { ...wholeIssuer, rules: { orderBy: oldestFirst } }
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
      await keepReview(after)
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
      return toPage(
        await table.findMany({ ...page, where: { AND: [where, filter] }, include: wholeIssuer }), query,
        readTrustedIssuer
      )
    },
    async sealedByOthers (secretId, after) {
      const where = { id: { gt: after }, tokenReview: { sealedBy: { not: secretId } } }
      const rows = await table.findMany({ where, orderBy: { id: 'asc' }, take: 200, include: wholeIssuer })
      return rows.map(readTrustedIssuer)
    },
    async reseal ({ id, from, to, sealedBy }) {
      const { count } = await reviews.updateMany({
        where: { issuerId: id, sealedToken: from }, data: { sealedToken: to, sealedBy }
      })
      return count === 1
    },
  }

  async function keepReview ({ id: issuerId, tokenReview }: TrustedIssuer): Promise<void> {
    if (tokenReview === null) await reviews.deleteMany({ where: { issuerId } })
    else await reviews.upsert({ where: { issuerId }, create: { issuerId, ...tokenReview }, update: tokenReview })
  }

  /** Whose tokens follow from an issuer: it, and its rules. */
  async function idsOf (issuerId: string): Promise<string[]> {
    const found = await rules.findMany({ where: { issuerId }, select: { id: true } })
    return [issuerId, ...found.map(({ id }) => id)]
  }
}

function columns ({ tokenReview: _, ...issuer }: TrustedIssuer) {
  const { keys, audiences, algorithms, anchors } = issuer
  return {
    ...issuer, keys: json(keys), audiences: json(audiences), algorithms: json(algorithms), anchors: json(anchors)
  }
}

function ofOwners (owners: readonly (string | null)[]) {
  const organizations = { organizationId: { in: owners.filter(owner => owner !== null) } }
  return owners.includes(null) ? [organizations, { organizationId: null }] : [organizations]
}

/** Rules of trusted issuers. */
import type { WorkloadRule, WorkloadRuleRepository } from '../../domain/workloads/trusted-issuer.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'
import { readTrustedIssuer, readWorkloadRule, wholeIssuer } from '../rows/workload-trust.ts'

export function workloadRuleRepository (
  { workloadRule: table, trustedIssuer: issuers }: Queries, note: ChangeReport
): WorkloadRuleRepository {
  return {
    async insert (rule) {
      await table.create({ data: columns(rule) })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && readWorkloadRule(row)
    },
    async update (after) {
      const { id, issuerId: _, organizationId: __, createdBy: ___, createdAt: ____, ...rule } = columns(after)
      const { revision } = await table.update({
        where: { id }, data: { ...rule, ...nextRevision }, select: revisionAlone
      })
      note({ of: 'trustedIssuers', ids: [id] })
      return { ...after, revision }
    },
    async remove ({ id }) {
      await table.delete({ where: { id } })
      note({ of: 'trustedIssuers', ids: [id] })
    },
    count: issuerId => table.count({ where: { issuerId } }),
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, readWorkloadRule)
    },
    async trust (id) {
      const row = await table.findUnique({ where: { id }, include: { issuer: { include: wholeIssuer } } })
      if (row !== null) {
        const { issuer, ...rule } = row
        return { id, issuer: readTrustedIssuer(issuer), rule: readWorkloadRule(rule) }
      }
      const issuer = await issuers.findUnique({ where: { id, profile: 'id-jag' }, include: wholeIssuer })
      return issuer && { id, issuer: readTrustedIssuer(issuer), rule: null }
    },
  }
}

function columns (rule: WorkloadRule) {
  return { ...rule, claims: json(rule.claims), scopes: json(rule.scopes) }
}

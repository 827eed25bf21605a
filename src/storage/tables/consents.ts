/** What members have ever allowed clients, so that they are not asked again. */
import { mostCounted, totalOf } from '../../domain/core/list.ts'
import { mostNamed } from '../../domain/authorizations/authorization.ts'
import type { Consent, ConsentRepository } from '../../domain/authorizations/consent.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, newestFirst, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function consentRepository ({ consent: table }: Queries): ConsentRepository {
  return {
    async insert (consent) {
      await table.create({ data: { ...consent, ...scopesOf(consent) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async about ({ memberId, clientId, resourceId }) {
      const row = await table.findUnique({
        where: { memberId_clientId_resourceId: { memberId, clientId, resourceId } }
      })
      return row && read(row)
    },
    async update (after) {
      const { id, clientForm, updatedAt } = after
      const data = { clientForm, updatedAt, ...scopesOf(after), ...nextRevision }
      const { revision } = await table.update({ where: { id }, data, select: revisionAlone })
      return { ...after, revision }
    },
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async removeAll ({ clientIds, ...organization }) {
      const where = { ...organization, clientId: { in: [...clientIds] } }
      const named = await table.findMany({ where, orderBy: newestFirst, take: mostNamed })
      return { count: (await table.deleteMany({ where })).count, named: named.map(read) }
    },
    async clientsOf (organizationId) {
      const groups = await table.groupBy({ by: ['clientId'], where: { organizationId }, orderBy: { clientId: 'asc' } })
      return groups.map(({ clientId }) => clientId)
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, read)
    },
    count: async filter => totalOf(await table.count({ where: filter, take: mostCounted + 1 })),
  }
}

function scopesOf ({ scopes, identityScopes }: Consent) {
  return { scopes: json(scopes), identityScopes: json(identityScopes) }
}

function read (row: Prisma.ConsentGetPayload<object>): Consent {
  return { ...row, scopes: row.scopes as string[], identityScopes: row.identityScopes as string[] }
}

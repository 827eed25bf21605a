/** Identities of people, and the members that they stand for. */
import type { IdentityRepository } from '../../domain/people/identity.ts'
import type { Queries } from '../engine/prisma.ts'

export function identityRepository ({ identity: table, identityMember: members }: Queries): IdentityRepository {
  return {
    async insert (identity) {
      await table.create({ data: identity })
    },
    async get (id) {
      return await table.findUnique({ where: { id } })
    },
    async bySubject (provider, subject) {
      return await table.findUnique({ where: { provider_subject: { provider, subject } } })
    },
    async ofMember (memberId) {
      return await table.findMany({
        where: { members: { some: { memberId } } }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }]
      })
    },
    async link (link) {
      await members.create({ data: link })
    },
    async unlink (identityId, organizationId) {
      await members.deleteMany({ where: { identityId, organizationId } })
    },
    async members (identityId) {
      return await members.findMany({
        where: { identityId }, orderBy: [{ createdAt: 'asc' }, { organizationId: 'asc' }]
      })
    },
  }
}

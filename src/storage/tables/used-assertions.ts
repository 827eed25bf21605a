import type { UsedAssertions } from '../../domain/core/used-assertions.ts'
import type { Queries } from '../engine/prisma.ts'

export function usedAssertions (queries: Queries): UsedAssertions {
  return {
    async remember (id, expiresAt) {
      // Not a look-up and a write: of two that race, the database lets one through. And not an error for the other,
      // which on PostgreSQL would end the transaction around it.
      return await queries
        .$executeRaw`INSERT INTO "UsedAssertion" ("id", "expiresAt") VALUES (${id}, ${expiresAt}) ON CONFLICT DO NOTHING` ===
        1
    },
    async prune (before, limit) {
      return (await queries.usedAssertion.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count
    },
  }
}

/** Client assertions that were used, so that none is used twice. */
import type { UsedAssertions } from '../../domain/core/used-assertions.ts'
import type { Queries } from '../engine/prisma.ts'

export function usedAssertions (queries: Queries): UsedAssertions {
  return {
    async remember (id, expiresAt) {
      // One statement: of two that race, the database inserts one. Without an error for the other, which on PostgreSQL
      // would end its transaction.
      const inserted = await queries.$executeRaw`
        INSERT INTO "UsedAssertion" ("id", "expiresAt") VALUES (${id}, ${expiresAt}) ON CONFLICT DO NOTHING`
      return inserted === 1
    },
    async prune (before, limit) {
      return (await queries.usedAssertion.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count
    },
  }
}

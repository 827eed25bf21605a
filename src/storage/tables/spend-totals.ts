/** What holders of budgets have spent and reserved, by period. */
import { greatestAmount, type SpendTotalRepository } from '../../domain/spending/budget.ts'
import type { Queries } from '../engine/prisma.ts'

/** Each change is one statement, so that nothing can change between its condition and its write. */
export function spendTotalRepository (queries: Queries): SpendTotalRepository {
  const { spendTotal: table } = queries
  return {
    async get ({ holder: { kind, id: holder }, period }) {
      const row = await table.findUnique({ where: { kind_holder_period: { kind, holder, period } } })
      return { spent: Number(row?.spent ?? 0), reserved: Number(row?.reserved ?? 0) }
    },
    async reserve ({ holder: { kind, id }, period }, amount, limit) {
      if (amount > limit) return false
      const rows = await queries.$queryRaw<unknown[]>`
        INSERT INTO "SpendTotal" ("kind", "holder", "period", "spent", "reserved")
        VALUES (${kind}, ${id}, ${period}, 0, ${BigInt(amount)})
        ON CONFLICT ("kind", "holder", "period") DO UPDATE
        SET "reserved" = "SpendTotal"."reserved" + excluded."reserved"
        WHERE "SpendTotal"."spent" + "SpendTotal"."reserved" <= ${BigInt(limit - amount)}
        RETURNING "period"`
      return rows.length === 1
    },
    async add ({ holder: { kind, id: holder }, period }, { spent, reserved }) {
      const { count } = await table.updateMany({
        where: { kind, holder, period, spent: { lte: greatestAmount - Math.max(0, spent) } },
        data: { spent: { increment: spent }, reserved: { increment: reserved } }
      })
      return count === 1
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { period: { lt: before } }, limit })).count
    },
  }
}

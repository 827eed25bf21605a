import type { AllowanceRepository } from '../domain/allowance.ts'
import type { Queries } from './prisma.ts'

/** Every take is one statement, so that nothing can come between its condition and its write. */
export function allowanceRepository (queries: Queries): AllowanceRepository {
  const { allowance: table } = queries
  return {
    async taken (holder, month) {
      const row = await table.findUnique({ where: { holder_month: { holder, month } } })
      return { calls: Number(row?.calls ?? 0), credits: Number(row?.credits ?? 0) }
    },
    async takeCalls (holder, month, calls, quota) {
      if (calls > quota) return null
      const rows = await queries.$queryRaw<{ calls: bigint }[]>`
        INSERT INTO "Allowance" ("holder", "month", "calls", "credits") VALUES (${holder}, ${month}, ${BigInt(calls)}, 0)
        ON CONFLICT ("holder", "month") DO UPDATE SET "calls" = "Allowance"."calls" + excluded."calls"
        WHERE "Allowance"."calls" <= ${BigInt(quota - calls)}
        RETURNING "calls"`
      return rows[0] === undefined ? null : Number(rows[0].calls)
    },
    async giveBackCalls (holder, month, calls) {
      await table.updateMany({ where: { holder, month, calls: { gte: calls } }, data: { calls: { decrement: calls } } })
    },
    async takeCredits (holder, month, credits, quota) {
      const most = quota ?? Number.MAX_SAFE_INTEGER
      if (credits > most) return null
      const rows = await queries.$queryRaw<{ credits: bigint }[]>`
        INSERT INTO "Allowance" ("holder", "month", "calls", "credits") VALUES (${holder}, ${month}, 0, ${BigInt(credits)})
        ON CONFLICT ("holder", "month") DO UPDATE SET "credits" = "Allowance"."credits" + excluded."credits"
        WHERE "Allowance"."credits" <= ${BigInt(most - credits)}
        RETURNING "credits"`
      return rows[0] === undefined ? null : Number(rows[0].credits)
    },
    async giveBackCredits (holder, month, credits) {
      await table.updateMany({ where: { holder, month, credits: { gte: credits } }, data: { credits: { decrement: credits } } })
    },
    async prune (before) {
      return (await table.deleteMany({ where: { month: { lt: before } } })).count
    },
  }
}

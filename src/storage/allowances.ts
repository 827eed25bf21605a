import type { AllowanceRepository } from '../domain/allowance.ts'
import type { Queries } from './prisma.ts'

/** Every take is one statement, so that nothing can come between its condition and its write. */
export function allowanceRepository (queries: Queries): AllowanceRepository {
  const { keyAllowance: table } = queries
  return {
    async taken (apiKeyId, month) {
      const row = await table.findUnique({ where: { apiKeyId_month: { apiKeyId, month } } })
      return { calls: Number(row?.calls ?? 0), credits: Number(row?.credits ?? 0) }
    },
    async takeCalls (keyId, month, calls, quota) {
      if (calls > quota) return null
      const rows = await queries.$queryRaw<{ calls: bigint }[]>`
        INSERT INTO "KeyAllowance" ("apiKeyId", "month", "calls", "credits") VALUES (${keyId}, ${month}, ${BigInt(calls)}, 0)
        ON CONFLICT ("apiKeyId", "month") DO UPDATE SET "calls" = "KeyAllowance"."calls" + excluded."calls"
        WHERE "KeyAllowance"."calls" <= ${BigInt(quota - calls)}
        RETURNING "calls"`
      return rows[0] === undefined ? null : Number(rows[0].calls)
    },
    async giveBackCalls (apiKeyId, month, calls) {
      await table.updateMany({ where: { apiKeyId, month, calls: { gte: calls } }, data: { calls: { decrement: calls } } })
    },
    async takeCredits (keyId, month, credits, quota) {
      const most = quota ?? Number.MAX_SAFE_INTEGER
      if (credits > most) return null
      const rows = await queries.$queryRaw<{ credits: bigint }[]>`
        INSERT INTO "KeyAllowance" ("apiKeyId", "month", "calls", "credits") VALUES (${keyId}, ${month}, 0, ${BigInt(credits)})
        ON CONFLICT ("apiKeyId", "month") DO UPDATE SET "credits" = "KeyAllowance"."credits" + excluded."credits"
        WHERE "KeyAllowance"."credits" <= ${BigInt(most - credits)}
        RETURNING "credits"`
      return rows[0] === undefined ? null : Number(rows[0].credits)
    },
    async giveBackCredits (apiKeyId, month, credits) {
      await table.updateMany({ where: { apiKeyId, month, credits: { gte: credits } }, data: { credits: { decrement: credits } } })
    },
    async prune (before) {
      return (await table.deleteMany({ where: { month: { lt: before } } })).count
    },
  }
}

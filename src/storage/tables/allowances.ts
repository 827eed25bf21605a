/** The calls and credits that were taken from each month's quota. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { join, sqltag as sql } from '@prisma/client/runtime/client'
import type { AllowanceRepository, GivenBack } from '../../domain/metering/quota-lease.ts'
import type { Queries } from '../engine/prisma.ts'

/** Each take is one statement, so that nothing can change between its condition and its write. */
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
        INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
        VALUES (${holder}, ${month}, ${BigInt(calls)}, 0)
        ON CONFLICT ("holder", "month") DO UPDATE SET "calls" = "Allowance"."calls" + excluded."calls"
        WHERE "Allowance"."calls" <= ${BigInt(quota - calls)}
        RETURNING "calls"`
      return rows[0] === undefined ? null : Number(rows[0].calls)
    },
    async giveBackCalls (given) {
      // Not one UPDATE: it locks rows in any order, so that two servers could deadlock.
      for (const [i, rows] of inChunks(summed(given)).entries()) {
        if (i > 0) await nextTurn()
        await queries.$executeRaw`
          INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
          SELECT held."holder", held."month", -given.column3, 0
          FROM (VALUES ${join(rows.map(tuple))}) AS given
          JOIN "Allowance" AS held ON held."holder" = given.column1 AND held."month" = given.column2
          WHERE held."calls" >= given.column3 ORDER BY held."holder", held."month"
          ON CONFLICT ("holder", "month") DO UPDATE SET "calls" = "Allowance"."calls" + excluded."calls"
          WHERE "Allowance"."calls" + excluded."calls" >= 0`
      }
    },
    async takeCredits (holder, month, credits, quota) {
      const limit = quota ?? Number.MAX_SAFE_INTEGER
      if (credits > limit) return null
      const rows = await queries.$queryRaw<{ credits: bigint }[]>`
        INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
        VALUES (${holder}, ${month}, 0, ${BigInt(credits)})
        ON CONFLICT ("holder", "month") DO UPDATE SET "credits" = "Allowance"."credits" + excluded."credits"
        WHERE "Allowance"."credits" <= ${BigInt(limit - credits)}
        RETURNING "credits"`
      return rows[0] === undefined ? null : Number(rows[0].credits)
    },
    async giveBackCredits (holder, month, credits) {
      await table.updateMany({
        where: { holder, month, credits: { gte: credits } }, data: { credits: { decrement: credits } }
      })
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { month: { lt: before } }, limit })).count
    },
  }
}

/** One row for each holder and month: a statement may update each row once. */
function summed (given: readonly GivenBack[]): GivenBack[] {
  const sums = new Map<string, GivenBack>()
  for (const { holder, month, calls } of given) {
    const name = `${month} ${holder}`
    sums.set(name, { holder, month, calls: calls + (sums.get(name)?.calls ?? 0) })
  }
  return [...sums.values()]
}

/** A row of VALUES, whose columns have only the types that they are cast to. */
function tuple ({ holder, month, calls }: GivenBack) {
  return sql`(CAST(${holder} AS TEXT), CAST(${month} AS TEXT), CAST(${BigInt(calls)} AS BIGINT))`
}

/** Rows in one statement. */
const chunk = 500

function inChunks (rows: GivenBack[]): GivenBack[][] {
  return Array.from({ length: Math.ceil(rows.length / chunk) }, (_, i) => rows.slice(i * chunk, (i + 1) * chunk))
}

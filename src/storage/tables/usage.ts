/** Calls and credits, by API key and day. */
import { join, sqltag as sql } from '@prisma/client/runtime/client'
import type { DayUsage, UsageRepository } from '../../domain/metering/key-usage-meter.ts'
import type { Queries } from '../engine/prisma.ts'

export function usageRepository (queries: Queries): UsageRepository {
  return {
    async add (usage) {
      if (usage.length === 0) return
      await queries.$executeRaw`
        INSERT INTO "KeyUsage" ("apiKeyId", "day", "calls", "credits") VALUES ${join(summed(usage).map(tuple))}
        ON CONFLICT ("apiKeyId", "day") DO UPDATE
        SET "calls" = "KeyUsage"."calls" + excluded."calls", "credits" = "KeyUsage"."credits" + excluded."credits"`
    },
    async ofKey (apiKeyId, { from, to }) {
      const rows = await queries.keyUsage.findMany({
        where: { apiKeyId, day: { gte: from, lte: to } }, orderBy: { day: 'asc' }
      })
      return rows.map(({ day, calls, credits }) => ({ day, calls: Number(calls), credits: Number(credits) }))
    },
    async ofOrganization (organizationId, { from, to }) {
      const sums = await queries.$queryRaw<{ environment: string, calls: bigint, credits: bigint }[]>`
        SELECT "ApiKey"."environment",
          CAST(SUM("KeyUsage"."calls") AS BIGINT) AS "calls",
          CAST(SUM("KeyUsage"."credits") AS BIGINT) AS "credits"
        FROM "KeyUsage" JOIN "ApiKey" ON "ApiKey"."id" = "KeyUsage"."apiKeyId"
        WHERE "ApiKey"."organizationId" = ${organizationId} AND "KeyUsage"."day" BETWEEN ${from} AND ${to}
        GROUP BY "ApiKey"."environment"`
      const sumOf = (environment: string) => {
        const sum = sums.find(each => each.environment === environment)
        return { calls: Number(sum?.calls ?? 0), credits: Number(sum?.credits ?? 0) }
      }
      return { live: sumOf('live'), test: sumOf('test') }
    },
    async prune (before, limit) {
      return (await queries.keyUsage.deleteMany({ where: { day: { lt: before } }, limit })).count
    },
  }
}

/**
 * One row for each key and day, since a statement may update each row once; in the same order on every server, so that
 * two never deadlock.
 */
function summed (usage: readonly DayUsage[]): DayUsage[] {
  const sums = new Map<string, DayUsage>()
  for (const { keyId, day, calls, credits } of usage) {
    const name = `${keyId} ${day}`
    const before = sums.get(name)
    sums.set(name, { keyId, day, calls: calls + (before?.calls ?? 0), credits: credits + (before?.credits ?? 0) })
  }
  return [...sums].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row)
}

/** A row of VALUES. */
function tuple ({ keyId, day, calls, credits }: DayUsage) {
  return sql`(${keyId}, ${day}, ${BigInt(calls)}, ${BigInt(credits)})`
}

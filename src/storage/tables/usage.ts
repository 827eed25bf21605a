/** Calls and credits, by consumer and day. */
import { empty, join, sqltag as sql } from '@prisma/client/runtime/client'
import type { DayUsage, UsageOfKey, UsageRepository } from '../../domain/metering/usage-meter.ts'
import type { Queries } from '../engine/prisma.ts'

/** Consumers that one statement asks about, at most. */
const consumersAtOnce = 500

type KeyDay =
  & UsageOfKey['key']
  & ({ day: string, calls: bigint, credits: bigint } | { day: null, calls: null, credits: null })

/** The rows of one key: one for each day, or one without a day. */
function ofKey (rows: readonly KeyDay[]): UsageOfKey {
  const { id, organizationId, environment, lastUsedAt } = rows[0]!
  const days = rows.flatMap(({ day, calls, credits }) =>
    day === null ? [] : [{ day, calls: Number(calls), credits: Number(credits) }])
  return { key: { id, organizationId, environment, lastUsedAt }, days }
}

export function usageRepository (queries: Queries): UsageRepository {
  return {
    async add (usage) {
      if (usage.length === 0) return
      await queries.$executeRaw`
        INSERT INTO "KeyUsage" ("apiKeyId", "day", "calls", "credits") VALUES ${join(summed(usage).map(tuple))}
        ON CONFLICT ("apiKeyId", "day") DO UPDATE
        SET "calls" = "KeyUsage"."calls" + excluded."calls", "credits" = "KeyUsage"."credits" + excluded."credits"`
    },
    async of (consumerId, { from, to }) {
      const rows = await queries.keyUsage.findMany({
        where: { consumerId, day: { gte: from, lte: to } }, orderBy: { day: 'asc' }
      })
      return rows.map(({ day, calls, credits }) => ({ day, calls: Number(calls), credits: Number(credits) }))
    },
    async ofKeys (ids, organizationId, { from, to }) {
      if (ids.length === 0) return []
      const own = organizationId === null ? empty : sql`AND "ApiKey"."organizationId" = ${organizationId}`
      const rows = await queries.$queryRaw<KeyDay[]>`
        SELECT "ApiKey"."id", "ApiKey"."organizationId", "ApiKey"."environment", "ApiKey"."lastUsedAt",
          "KeyUsage"."day", "KeyUsage"."calls", "KeyUsage"."credits"
        FROM "ApiKey" LEFT JOIN "KeyUsage"
          ON "KeyUsage"."apiKeyId" = "ApiKey"."id" AND "KeyUsage"."day" >= ${from} AND "KeyUsage"."day" <= ${to}
        WHERE "ApiKey"."id" IN (${join([...ids])}) ${own}
        ORDER BY "ApiKey"."id", "KeyUsage"."day"`
      return [...Map.groupBy(rows, ({ id }) => id).values()].map(ofKey)
    },
    async callsOf (consumerIds, { from, to }) {
      let calls = 0
      for (let i = 0; i < consumerIds.length; i += consumersAtOnce) {
        const where = { consumerId: { in: consumerIds.slice(i, i + consumersAtOnce) }, day: { gte: from, lte: to } }
        calls += Number((await queries.keyUsage.aggregate({ where, _sum: { calls: true } }))._sum.calls ?? 0)
      }
      return calls
    },
    async ofOrganization (organizationId, { from, to }) {
      const rows = await queries.$queryRaw<{ environment: string, day: string, calls: bigint, credits: bigint }[]>`
        SELECT "Consumer"."environment", "KeyUsage"."day",
          CAST(SUM("KeyUsage"."calls") AS BIGINT) AS "calls",
          CAST(SUM("KeyUsage"."credits") AS BIGINT) AS "credits"
        FROM "KeyUsage" JOIN (
          SELECT "id", "environment" FROM "ApiKey" WHERE "organizationId" = ${organizationId}
          UNION ALL SELECT "id", 'live' FROM "Authorization" WHERE "organizationId" = ${organizationId}
        ) "Consumer" ON "Consumer"."id" = "KeyUsage"."apiKeyId"
        WHERE "KeyUsage"."day" BETWEEN ${from} AND ${to}
        GROUP BY "Consumer"."environment", "KeyUsage"."day" ORDER BY "KeyUsage"."day"`
      const daysOf = (environment: string) => rows.filter(each => each.environment === environment)
        .map(({ day, calls, credits }) => ({ day, calls: Number(calls), credits: Number(credits) }))
      return { live: daysOf('live'), test: daysOf('test') }
    },
    async prune (before, limit) {
      return (await queries.keyUsage.deleteMany({ where: { day: { lt: before } }, limit })).count
    },
  }
}

/**
 * One row for each consumer and day, since a statement may update each row once; in the same order on every server, so
 * that two never deadlock.
 */
function summed (usage: readonly DayUsage[]): DayUsage[] {
  const sums = new Map<string, DayUsage>()
  for (const { consumerId, day, calls, credits } of usage) {
    const name = `${consumerId} ${day}`
    const before = sums.get(name)
    sums.set(name, {
      consumerId, day, calls: calls + (before?.calls ?? 0), credits: credits + (before?.credits ?? 0)
    })
  }
  return [...sums].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row)
}

/** A row of VALUES. */
function tuple ({ consumerId, day, calls, credits }: DayUsage) {
  return sql`(${consumerId}, ${day}, ${BigInt(calls)}, ${BigInt(credits)})`
}

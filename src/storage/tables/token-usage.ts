/** Tokens issued, by client and minute. */
import { join, sqltag as sql } from '@prisma/client/runtime/client'
import type { TokenUsage, TokenUsageRepository } from '../../domain/tokens/issuance-meter.ts'
import type { Queries } from '../engine/prisma.ts'
import { toPage } from '../rows/rows.ts'

export function tokenUsageRepository (queries: Queries): TokenUsageRepository {
  const { tokenUsage: table } = queries
  return {
    async add (usage) {
      if (usage.length === 0) return
      await queries.$executeRaw`
        INSERT INTO "TokenUsage" ("clientId", "minute", "organizationId", "tokens")
        VALUES ${join(inOneOrder(usage).map(tuple))}
        ON CONFLICT ("clientId", "minute") DO UPDATE SET "tokens" = "TokenUsage"."tokens" + excluded."tokens"`
    },
    async page (query, { organizationId, clientId, from, until }) {
      const { limit, after } = query
      // The first condition is implied by the second, but an index serves it.
      const behind = after === null
        ? {}
        : {
            minute: { lte: after.createdAt }, OR: [{ minute: { lt: after.createdAt } }, { clientId: { lt: after.id } }]
          }
      const rows = await table.findMany({
        take: limit + 1,
        orderBy: [{ minute: 'desc' }, { clientId: 'desc' }],
        where: { AND: [behind, { organizationId, clientId, minute: { gte: from, lt: until } }] },
      })
      return toPage(rows, query, row => ({ ...row, tokens: Number(row.tokens) }))
    },
    async byDay (clientId, { from, to }) {
      const end = new Date(new Date(to).getTime() + 86_400_000)
      // Both databases write instants as ISO 8601, which begins with the day.
      const rows = await queries.$queryRaw<{ day: string, tokens: bigint }[]>`
        SELECT SUBSTR(CAST("minute" AS TEXT), 1, 10) AS "day", CAST(SUM("tokens") AS BIGINT) AS "tokens"
        FROM "TokenUsage" WHERE "clientId" = ${clientId} AND "minute" >= ${new Date(from)} AND "minute" < ${end}
        GROUP BY 1 ORDER BY 1`
      return rows.map(({ day, tokens }) => ({ day, tokens: Number(tokens) }))
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { minute: { lt: before } }, limit })).count
    },
  }
}

/** The same order on every server, so that two never deadlock. */
function inOneOrder (usage: readonly TokenUsage[]): TokenUsage[] {
  return usage.toSorted((a, b) =>
    a.clientId < b.clientId ? -1 : a.clientId > b.clientId ? 1 : a.minute.getTime() - b.minute.getTime()
  )
}

/** A row of VALUES. */
function tuple ({ clientId, minute, organizationId, tokens }: TokenUsage) {
  return sql`(${clientId}, ${minute}, ${organizationId}, ${BigInt(tokens)})`
}

/** How many events there are, by day and type. */
import { join, sqltag as sql } from '@prisma/client/runtime/client'
import type { AuditCount, AuditFilter } from '../../../domain/audit/log.ts'
import type { Queries } from '../../engine/prisma.ts'
import { equal } from '../../rows/sorted-page.ts'

/** One row for each day, UTC, and type, the oldest day first. */
export async function eventCounts (
  queries: Queries, { types, from, until, ...exactly }: AuditFilter & { from: Date, until: Date }
): Promise<AuditCount[]> {
  const conditions = [
    sql`"createdAt" >= ${from} AND "createdAt" < ${until}`,
    ...equal({ ...exactly }),
    ...(types === undefined ? [] : [sql`"type" IN (${join([...types])})`]),
  ]
  // Both databases write instants as ISO 8601, which begins with the day.
  const rows = await queries.$queryRaw<{ day: string, type: string, count: bigint }[]>`
    SELECT SUBSTR(CAST("createdAt" AS TEXT), 1, 10) AS "day", "type", CAST(COUNT(*) AS BIGINT) AS "count"
    FROM "AuditEvent" WHERE ${join(conditions, ' AND ')} GROUP BY 1, 2 ORDER BY 1, 2`
  return rows.map(({ day, type, count }) => ({ day, type, count: Number(count) }))
}

/** Conventions of all tables: pages, revisions, JSON, and the time of last use. */
import { join, raw, sqltag as sql } from '@prisma/client/runtime/client'
import type { Page, PageQuery, Position } from '../../domain/core/page.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'

/** A row as read, by column names. */
export type Row = Readonly<Record<string, unknown>>

/** A value of the domain for a JSON column. Must not contain dates. */
export function json (value: unknown): Prisma.InputJsonValue {
  return value as Prisma.InputJsonValue
}

/** The order of pages. */
export const newestFirst = [{ createdAt: 'desc' as const }, { id: 'desc' as const }]

/** The condition on rows that follow one, newest first. */
export function isBefore ({ createdAt, id }: Position) {
  // The first condition is implied by the second, but an index serves it.
  return { createdAt: { lte: createdAt }, OR: [{ createdAt: { lt: createdAt } }, { id: { lt: id } }] }
}

/** Order and bounds of a page: newest first, and one row more than requested, which shows whether more follow. */
export function pageOf ({ limit, after }: PageQuery) {
  return { take: limit + 1, orderBy: newestFirst, where: after === null ? {} : isBefore(after) }
}

/** The condition on whether a row is revoked; undefined: either. */
export function revokedAs (revoked: boolean | undefined) {
  return revoked === undefined ? {} : { revokedAt: revoked ? { not: null } : null }
}

/** Part of each update: increments the row's revision, whatever it was when it was read. */
export const nextRevision = { revision: { increment: 1 } } as const

/** Selects the result of an update. */
export const revisionAlone = { revision: true } as const

/** The page of the rows that `pageOf` selected. */
export function toPage<Row, T> (rows: Row[], { limit }: PageQuery, read: (row: Row) => T): Page<T> {
  return { items: rows.slice(0, limit).map(read), hasMore: rows.length > limit }
}

/** Rows that one statement updates, at most. */
const rowsPerTouch = 100

/** Sets `lastUsedAt`, to the second and never backwards: one statement, however many different seconds there are. */
export async function touch (
  queries: Queries, table: 'ApiKey' | 'Authorization' | 'Client' | 'ManagementToken' | 'PersonSession',
  usage: ReadonlyMap<string, Date>
): Promise<void> {
  const used = Array.from(usage, ([id, instant]) => ({ id, second: Math.floor(instant.getTime() / 1000) }))
  for (let i = 0; i < used.length; i += rowsPerTouch) {
    const rows = used.slice(i, i + rowsPerTouch)
    const cases = Array.from(Map.groupBy(rows, ({ second }) => second), ([second, usedThen]) => {
      const at = new Date(second * 1000)
      return sql`WHEN "id" IN (${join(idsOf(usedThen))}) AND ("lastUsedAt" IS NULL OR "lastUsedAt" < ${at}) THEN ${at}`
    })
    await queries.$executeRaw`
      UPDATE ${raw(`"${table}"`)}
      SET "lastUsedAt" = CASE ${join(cases, ' ')} ELSE "lastUsedAt" END
      WHERE "id" IN (${join(idsOf(rows))})`
  }
}

function idsOf (rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}

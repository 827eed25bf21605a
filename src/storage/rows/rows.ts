/** What all rows have in common on their way in and out. */
import { join, raw, sqltag as sql } from '@prisma/client/runtime/client'
import type { Page, PageQuery } from '../../domain/core/page.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'

/** A row as it was read, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** A value of the domain for a column of JSON. Dates have no place in one. */
export function json (value: unknown): Prisma.InputJsonValue {
  return value as Prisma.InputJsonValue
}

/**
 * The order and the bounds of a page: newest first, and one row more than asked for, which tells whether more follow.
 */
export function pageOf ({ limit, after }: PageQuery) {
  return {
    take: limit + 1,
    orderBy: [{ createdAt: 'desc' as const }, { id: 'desc' as const }],
    // The first condition says nothing that the second does not, but an index serves it.
    where: after === null
      ? {}
      : { createdAt: { lte: after.createdAt }, OR: [{ createdAt: { lt: after.createdAt } }, { id: { lt: after.id } }] },
  }
}

/** A condition on whether a row was ended; undefined: both pass. */
export function revokedAs (revoked: boolean | undefined) {
  return revoked === undefined ? {} : { revokedAt: revoked ? { not: null } : null }
}

/** What an update sets besides: the row's revision is one more, whatever it was when somebody read it. */
export const nextRevision = { revision: { increment: 1 } } as const

/** What an update answers. */
export const revisionAlone = { revision: true } as const

/** A page of what `pageOf` found. */
export function toPage<Row, T> (rows: Row[], { limit }: PageQuery, read: (row: Row) => T): Page<T> {
  return { items: rows.slice(0, limit).map(read), hasMore: rows.length > limit }
}

/** How many rows one statement touches at most. */
const touchedAtOnce = 100

/** Sets when rows were last used, each to the second and none back: one statement, however many seconds there are. */
export async function touch (
  queries: Queries, table: 'ApiKey' | 'Client' | 'ManagementToken', usage: ReadonlyMap<string, Date>
): Promise<void> {
  const used = Array.from(usage, ([id, instant]) => ({ id, second: Math.floor(instant.getTime() / 1000) }))
  for (let i = 0; i < used.length; i += touchedAtOnce) {
    const rows = used.slice(i, i + touchedAtOnce)
    const cases = Array.from(Map.groupBy(rows, ({ second }) => second), ([second, those]) => {
      const at = new Date(second * 1000)
      return sql`WHEN "id" IN (${join(idsOf(those))}) AND ("lastUsedAt" IS NULL OR "lastUsedAt" < ${at}) THEN ${at}`
    })
    await queries.$executeRaw`UPDATE ${raw(`"${table}"`)} SET "lastUsedAt" = CASE ${
      join(cases, ' ')
    } ELSE "lastUsedAt" END WHERE "id" IN (${join(idsOf(rows))})`
  }
}

function idsOf (rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}

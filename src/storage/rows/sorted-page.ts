/** Pages and counts by conditions in SQL: what Prisma cannot say alike on both databases, such as a search. */
import { empty, join, raw, sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import type { ListQuery, ListOrder, Listed } from '../../domain/core/list.ts'
import type { Position } from '../../domain/core/page.ts'
import type { Queries } from '../engine/prisma.ts'

type Table = 'ApiKey' | 'Client'

/** For each order, what rows are compared by, and the direction. Rows that are equal in it are in the order of ids. */
const orders: Readonly<Record<ListOrder, { by: string, descends: boolean }>> = {
  newest: { by: '"createdAt"', descends: true },
  name: { by: 'LOWER("name")', descends: false },
  // Never used is longest ago.
  lastUsedAt: { by: 'COALESCE("lastUsedAt", \'0001-01-01\')', descends: true },
  // What never expires comes last.
  expiresAt: { by: 'COALESCE("expiresAt", \'9999-12-31\')', descends: false },
}

/**
 * The ids of the rows of a page, in its order, and how many rows the conditions match in all; null: not asked for.
 */
export async function listedIds (
  queries: Queries, table: Table, conditions: readonly Sql[], { after, limit, order, counts }: ListQuery
): Promise<Listed<string>> {
  const { by, descends } = orders[order]
  const where = (more: readonly Sql[]) => {
    const all = [...conditions, ...more]
    return all.length === 0 ? empty : sql`WHERE ${join(all, ' AND ')}`
  }
  const behind = after === null ? [] : [beyond(table, order, after)]
  const direction = descends ? 'DESC' : 'ASC'
  const rows = await queries.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM ${raw(`"${table}"`)} ${where(behind)}
    ORDER BY ${raw(`${by} ${direction}, "id" ${direction}`)} LIMIT ${limit + 1}`
  const total = counts ? await countOf(queries, table, where([])) : null
  return { items: rows.slice(0, limit).map(({ id }) => id), hasMore: rows.length > limit, total }
}

/** The condition to come after a row. Its first part is implied by the second, but an index serves it. */
function beyond (table: Table, order: ListOrder, { createdAt, id }: Position): Sql {
  const { by, descends } = orders[order]
  const [value, key, sign] = [
    order === 'newest' ? sql`${createdAt}` : sql`(SELECT ${raw(by)} FROM ${raw(`"${table}"`)} WHERE "id" = ${id})`,
    raw(by), raw(descends ? '<' : '>')
  ]
  return sql`${key} ${sign}= ${value} AND (${key} ${sign} ${value} OR "id" ${sign} ${id})`
}

async function countOf (queries: Queries, table: Table, where: Sql): Promise<number> {
  const [row] = await queries.$queryRaw<{ count: bigint }[]>`
    SELECT CAST(COUNT(*) AS BIGINT) AS "count" FROM ${raw(`"${table}"`)} ${where}`
  // A condition with NUL in it is asked of no database.
  return Number(row?.count ?? 0)
}

/** The condition that each of these columns has its value; undefined ones do not narrow. */
export function equal (values: Readonly<Record<string, string | undefined>>): Sql[] {
  return Object.entries(values).flatMap(([column, value]) =>
    value === undefined ? [] : [sql`${raw(`"${column}"`)} = ${value}`])
}

/** The condition that one of these columns contains a text, in whatever case its ASCII letters are. */
export function contains (columns: readonly string[], text: string): Sql {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  return sql`(${join(columns.map(column => sql`LOWER(${raw(`"${column}"`)}) LIKE ${pattern} ESCAPE '\\'`), ' OR ')})`
}

/** Records in the order of their ids. */
export function inOrderOf<T extends { id: string }> (ids: readonly string[], records: readonly T[]): T[] {
  const byId = new Map(records.map(record => [record.id, record]))
  return ids.flatMap(id => byId.get(id) ?? [])
}

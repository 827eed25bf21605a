/** Pages and counts by conditions in SQL: what Prisma cannot say alike on both databases, such as a search. */
import { empty, join, raw, sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import { Failure } from '../../base/errors.ts'
import {
  mostCounted, mostLookedThrough, totalOf, type Listed, type ListOrder, type ListQuery, type Sought, type Total
} from '../../domain/core/list.ts'
import type { Position } from '../../domain/core/page.ts'
import type { Queries } from '../engine/prisma.ts'

type Table =
  | 'ApiKey' | 'Client' | 'Group' | 'Invitation' | 'Member' | 'Organization' | 'Policy' | 'PublishableKey'
  | 'RegistrationToken' | 'Resource' | 'WebhookToken'

/** For each order, what rows are compared by, and the direction. Rows that are equal in it are in the order of ids. */
const orders: Readonly<Record<ListOrder, { by: string, descends: boolean }>> = {
  newest: { by: '"createdAt"', descends: true },
  name: { by: 'LOWER("name")', descends: false },
  // Never used is longest ago.
  lastUsedAt: { by: 'COALESCE("lastUsedAt", \'0001-01-01\')', descends: true },
  // What never expires comes last.
  expiresAt: { by: 'COALESCE("expiresAt", \'9999-12-31\')', descends: false },
}

/** Which rows are listed. */
export interface Narrowing {
  /** Conditions that an index serves: they say which rows a page looks at. */
  within: readonly Sql[]
  /** Conditions that are tried on each of these. */
  among: readonly Sql[]
}

/** The rows of a page, in its order, and how many there are in all. `columns`: of each row. */
export async function listedRows<Row extends Position> (
  queries: Queries, table: Table, columns: Sql, narrowing: Narrowing, query: ListQuery
): Promise<Listed<Row>> {
  const { after, limit, order = 'newest', counts = false, isBounded = false } = query
  if (isBounded && order !== 'newest') await requireFew(queries, table, narrowing)
  const behind = after === null ? [] : [beyond(table, order, after)]
  const rows = await queries.$queryRaw<(Row & { total?: bigint })[]>`
    SELECT ${columns}${counts ? sql`, ${countOf(table, narrowing, isBounded)} AS "total"` : empty}
    FROM ${lookedAt(table, narrowing, behind, isBounded && order === 'newest')}
    ORDER BY ${inOrder(order)} LIMIT ${limit + 1}`
  const page = { items: rows.slice(0, limit), hasMore: rows.length > limit }
  const next = page.hasMore || !isBounded || order !== 'newest'
    ? null
    : await lastLookedAt(queries, table, narrowing, behind)
  const total = counts ? await totalFor(queries, table, narrowing, query, rows) : null
  return next === null ? { ...page, total } : { ...page, hasMore: true, next, total }
}

/** As `listedRows`, of records that `read` reads by their ids. */
export async function listedRecords<T extends { id: string }> (
  queries: Queries, table: Table, narrowing: Narrowing, query: ListQuery, read: (ids: string[]) => Promise<T[]>
): Promise<Listed<T>> {
  const listed = await listedRows<Position>(queries, table, sql`"id", "createdAt"`, narrowing, query)
  const ids = listed.items.map(({ id }) => id)
  return { ...listed, items: ids.length === 0 ? [] : inOrderOf(ids, await read(ids)) }
}

/** The rows of a list, as a part of FROM and the conditions on them; `isBounded`: of the newest alone. */
function lookedAt (
  table: Table, { within, among }: Narrowing, behind: readonly Sql[], isBounded: boolean
): Sql {
  const name = raw(`"${table}"`)
  if (!isBounded || among.length === 0) return sql`${name} ${where([...within, ...among, ...behind])}`
  return sql`(
    SELECT * FROM ${name} ${where([...within, ...behind])} ORDER BY ${inOrder('newest')} LIMIT ${mostLookedThrough}
  ) AS ${name} ${where(among)}`
}

function inOrder (order: ListOrder): Sql {
  const { by, descends } = orders[order]
  const direction = descends ? 'DESC' : 'ASC'
  return raw(`${by} ${direction}, "id" ${direction}`)
}

/** The last row that a page looked at, if there may be others behind it; null: it looked at all. */
async function lastLookedAt (
  queries: Queries, table: Table, { within, among }: Narrowing, behind: readonly Sql[]
): Promise<Position | null> {
  if (among.length === 0) return null
  const [last] = await queries.$queryRaw<Position[]>`
    SELECT "id", "createdAt" FROM ${raw(`"${table}"`)} ${where([...within, ...behind])}
    ORDER BY ${inOrder('newest')} LIMIT 1 OFFSET ${mostLookedThrough - 1}`
  return last ?? null
}

/** @throws Failure `invalid_request` for more rows than are put into another order than the newest first. */
async function requireFew (queries: Queries, table: Table, { within }: Narrowing): Promise<void> {
  const more = await queries.$queryRaw<unknown[]>`
    SELECT "id" FROM ${raw(`"${table}"`)} ${where(within)}
    ORDER BY ${inOrder('newest')} LIMIT 1 OFFSET ${mostLookedThrough}`
  if (more.length === 0) return
  throw new Failure('invalid_request', {
    message: `There are more than ${mostLookedThrough.toLocaleString('en')}: so many come newest first only. ` +
      'Leave sort out, or name an organization, a creator or an external id, as far as this list takes them.',
    details: { field: 'sort' }
  })
}

function where (conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? empty : sql`WHERE ${join([...conditions], ' AND ')}`
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

/** The number of rows that match, as an expression: one more than `mostCounted` if there are more. */
function countOf (table: Table, narrowing: Narrowing, isBounded: boolean): Sql {
  return sql`(SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT 1 FROM ${lookedAt(table, narrowing, [], isBounded)} LIMIT ${mostCounted + 1}) AS "counted")`
}

async function totalFor (
  queries: Queries, table: Table, narrowing: Narrowing, { after, isBounded = false }: ListQuery,
  rows: readonly { total?: bigint }[]
): Promise<Total> {
  const counted = Number(rows[0]?.total ??
    (after === null ? 0 : await countAlone(queries, table, narrowing, isBounded)))
  const total = totalOf(counted)
  if (total.isAtLeast || !isBounded) return total
  return { ...total, isAtLeast: await lastLookedAt(queries, table, narrowing, []) !== null }
}

async function countAlone (queries: Queries, table: Table, narrowing: Narrowing, isBounded: boolean): Promise<bigint> {
  const [row] = await queries.$queryRaw<{ total: bigint }[]>`
    SELECT ${countOf(table, narrowing, isBounded)} AS "total"`
  // A condition with NUL in it is asked of no database.
  return row?.total ?? 0n
}

/** The condition that each of these columns has its value, null included; undefined ones do not narrow. */
export function equal (values: Readonly<Record<string, string | null | undefined>>): Sql[] {
  return Object.entries(values).flatMap(([column, value]) => {
    if (value === undefined) return []
    return value === null ? [sql`${raw(`"${column}"`)} IS NULL`] : [sql`${raw(`"${column}"`)} = ${value}`]
  })
}

/** The condition that a column is true, or false; undefined does not narrow. */
export function flagged (column: string, value: boolean | undefined): Sql[] {
  return value === undefined ? [] : [raw(value ? `"${column}"` : `NOT "${column}"`)]
}

/** The condition that an instant has been, or has not: revoked, removed; undefined does not narrow. */
export function happened (column: string, value: boolean | undefined): Sql[] {
  return value === undefined ? [] : [raw(`"${column}" IS ${value ? 'NOT NULL' : 'NULL'}`)]
}

/** What narrows each kind: the organization and ids are served by indexes, a text is searched for in these columns. */
export function narrowedBy (
  { organizationId, ids, search }: Sought & { organizationId?: string | null | undefined },
  columns: readonly string[], more: Partial<Narrowing> = {}
): Narrowing {
  return {
    within: [
      ...equal({ organizationId }),
      ...(ids === undefined ? [] : [ids.length === 0 ? sql`FALSE` : sql`"id" IN (${join([...ids])})`]),
      ...more.within ?? []
    ],
    among: [...more.among ?? [], ...(search === undefined ? [] : [contains(columns, search)])]
  }
}

/** The condition that one of these columns contains a text, in whatever case its ASCII letters are. */
function contains (columns: readonly string[], text: string): Sql {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  return sql`(${join(columns.map(column => sql`LOWER(${raw(`"${column}"`)}) LIKE ${pattern} ESCAPE '\\'`), ' OR ')})`
}

/** Records in the order of their ids. */
function inOrderOf<T extends { id: string }> (ids: readonly string[], records: readonly T[]): T[] {
  const byId = new Map(records.map(record => [record.id, record]))
  return ids.flatMap(id => byId.get(id) ?? [])
}

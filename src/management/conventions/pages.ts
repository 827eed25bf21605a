/** Collections on the wire: `{data, pagination: {limit, hasMore, nextCursor?}}`, by an opaque keyset cursor (OC-16). */
import type { Listed, ListOrder, ListQuery } from '../../domain/core/list.ts'
import { Failure } from '../../base/errors.ts'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import type { Page, PageQuery, Position } from '../../domain/core/page.ts'

export interface WirePage<T> {
  data: T[]
  pagination: { limit: number, hasMore: boolean, nextCursor?: string, total?: number }
}

/** Rows per page if the request has no `limit`. */
export const defaultLimit = 100
export const greatestLimit = 200

/** As `pageQuery`, in an order of choice. Absent: newest first, without a count. */
export function listQuery (
  { sort = 'newest', total = false, ...page }: { limit?: number, cursor?: string, sort?: ListOrder, total?: boolean }
): ListQuery {
  return { ...pageQuery(page), order: sort, counts: total }
}

/**
 * A text that is searched for. `remedy`: how else it is found, as the end of a sentence. @throws Failure
 * `invalid_request` for what looks like a secret: URLs are kept in logs and histories.
 */
export function searchedText (text: string | undefined, remedy: string): string | undefined {
  if (text === undefined || withoutAnySecrets(text) === text) return text
  throw new Failure('invalid_request', {
    message: `search looks like a secret, which does not belong into a URL; ${remedy}.`,
    details: { field: 'search' }
  })
}

/** As `wirePage`, with the count where it was asked for. */
export function wireList<T extends { id: string, createdAt: Date }, W> (
  query: ListQuery, listed: Listed<T>, wire: (item: T) => W
): WirePage<W> {
  const { data, pagination } = wirePage(query, listed, wire)
  return { data, pagination: { ...pagination, ...(listed.total === null ? {} : { total: listed.total }) } }
}

/** The page that a validated query requests. */
export function pageQuery ({ limit = defaultLimit, cursor }: { limit?: number, cursor?: string }): PageQuery {
  return { limit, after: cursor === undefined ? null : readCursor(cursor) }
}

export function wirePage<T extends { id: string, createdAt: Date }, W> (
  { limit }: PageQuery, page: Page<T>, wire: (item: T) => W
): WirePage<W> {
  const last = page.items.at(-1)
  return {
    data: page.items.map(wire),
    pagination: { limit, hasMore: page.hasMore, ...(page.hasMore && last ? { nextCursor: cursorAfter(last) } : {}) },
  }
}

function cursorAfter ({ id, createdAt }: { id: string, createdAt: Date }): string {
  return Buffer.from(JSON.stringify([createdAt.getTime(), id])).toString('base64url')
}

/** A cursor of this collection: `markCursors` refuses any other. */
function readCursor (cursor: string): Position {
  const [time, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [number, string]
  return { createdAt: new Date(time), id }
}

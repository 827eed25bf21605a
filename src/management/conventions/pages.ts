/** Collections on the wire: `{data, pagination: {limit, hasMore, nextCursor?}}`, by an opaque keyset cursor (OC-16). */
import type { Listed, ListOrder, ListQuery, Sought } from '../../domain/core/list.ts'
import { Failure } from '../../base/errors.ts'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import type { Page, PageQuery, Position } from '../../domain/core/page.ts'

export interface WirePage<T> {
  data: T[]
  pagination: {
    limit: number, hasMore: boolean, nextCursor?: string, total?: number, totalIsAtLeast?: true
  }
}

/** Rows per page if the request has no `limit`. */
export const defaultLimit = 100
export const greatestLimit = 200

/** As `pageQuery`, in an order of choice, of as many records as one answer may look at. */
export function listQuery (
  { sort = 'newest', total = false, ...page }: { limit?: number, cursor?: string, sort?: ListOrder, total?: boolean }
): ListQuery {
  return { ...pageQuery(page), order: sort, counts: total, isBounded: true }
}

/** What narrows the list of every kind. @throws as `searchedText`. */
export function sought (
  { search, ids }: { search?: string, ids?: string }, remedy = 'search for a part of a name'
): Sought {
  const text = searchedText(search, remedy)
  return { ...(text === undefined ? {} : { search: text }), ...(ids === undefined ? {} : { ids: ids.split(',') }) }
}

/**
 * A text that is searched for. `remedy`: how else it is found, as the end of a sentence. @throws Failure
 * `invalid_request` for what looks like a secret: URLs are kept in logs and histories.
 */
function searchedText (text: string | undefined, remedy: string): string | undefined {
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
  const { total } = listed
  if (total === null) return { data, pagination }
  const counted = { total: total.count, ...(total.isAtLeast ? { totalIsAtLeast: true as const } : {}) }
  return { data, pagination: { ...pagination, ...counted } }
}

/** The page that a validated query requests. */
export function pageQuery ({ limit = defaultLimit, cursor }: { limit?: number, cursor?: string }): PageQuery {
  return { limit, after: cursor === undefined ? null : readCursor(cursor) }
}

export function wirePage<T extends { id: string, createdAt: Date }, W> (
  { limit }: PageQuery, page: Page<T>, wire: (item: T) => W
): WirePage<W> {
  const last = page.next ?? page.items.at(-1)
  return {
    data: page.items.map(wire),
    pagination: { limit, hasMore: page.hasMore, ...(page.hasMore && last ? { nextCursor: cursorAfter(last) } : {}) },
  }
}

function cursorAfter ({ id, createdAt }: Position): string {
  return Buffer.from(JSON.stringify([createdAt.getTime(), id])).toString('base64url')
}

/** A cursor of this collection: `markCursors` refuses any other. */
function readCursor (cursor: string): Position {
  const [time, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [number, string]
  return { createdAt: new Date(time), id }
}

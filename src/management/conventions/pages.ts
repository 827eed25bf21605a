/** Collections on the wire: `{data, pagination: {limit, hasMore, nextCursor?}}`, by an opaque keyset cursor (OC-16). */
import type { Page, PageQuery, Position } from '../../domain/core/page.ts'
import { Failure } from '../../base/errors.ts'

export interface WirePage<T> {
  data: T[]
  pagination: { limit: number, hasMore: boolean, nextCursor?: string }
}

/** Rows per page if the request has no `limit`. */
export const defaultLimit = 100
export const greatestLimit = 200

/** The page that a validated query requests. @throws Failure `invalid_request` for a cursor that no page issued. */
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

function readCursor (cursor: string): Position {
  try {
    const [time, id, ...rest]: unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    // 8.64e15 ms is the last instant of a Date; no row is older than 1970, and PostgreSQL cannot parse every such
    // instant.
    if (
      Number.isSafeInteger(time) && time as number >= 0 && time as number <= 8.64e15 && typeof id === 'string' &&
      /^[\w-]{1,64}$/.test(id) && rest.length === 0
    ) {
      return { createdAt: new Date(time as number), id }
    }
  } catch {
    // Not a cursor of ours: refused below.
  }
  throw new Failure('invalid_request', {
    message: 'This cursor was not issued by this collection; start again without one.', details: { field: 'cursor' }
  })
}

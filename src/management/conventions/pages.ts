/** Collections on the wire: `{data, pagination: {limit, hasMore, nextCursor?}}`, by an opaque keyset cursor (OC-16). */
import type { Page, PageQuery, Position } from '../../domain/core/page.ts'

export interface WirePage<T> {
  data: T[]
  pagination: { limit: number, hasMore: boolean, nextCursor?: string }
}

/** Rows per page if the request has no `limit`. */
export const defaultLimit = 100
export const greatestLimit = 200

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

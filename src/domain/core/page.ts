/** Keyset pages: newest first, stable while rows are added. */

/** A page begins behind this row. */
export interface Position { createdAt: Date, id: string }

export interface PageQuery {
  /** 1 to 200. */
  limit: number
  /** Null: from the newest. */
  after: Position | null
}

export interface Page<T> {
  /** In descending order of (createdAt, id). */
  items: T[]
  hasMore: boolean
  /** Where the next page begins, if that is not behind the last item. */
  next?: Position
}

/** Every row of a collection behind `from`, read page by page; `from` null: from the newest. */
export async function * everyRow<T extends Position> (
  page: (query: PageQuery) => Promise<Page<T>>, from: Position | null = null
): AsyncGenerator<T> {
  for (let after = from; ;) {
    const { items, hasMore, next = items.at(-1)! } = await page({ limit: 200, after })
    yield * items
    if (!hasMore) return
    after = next
  }
}

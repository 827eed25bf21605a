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
}

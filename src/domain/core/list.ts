/** Lists for people: in an order that they choose, narrowed by a text, with the number of all that match. */
import type { Page, PageQuery } from './page.ts'

/** `newest`: by creation. `name`: from A. `lastUsedAt`: the latest first. `expiresAt`: the soonest first. */
export const listOrders = ['newest', 'name', 'lastUsedAt', 'expiresAt'] as const
export type ListOrder = typeof listOrders[number]

/** Orders of what does not expire. */
export const lastingListOrders = ['newest', 'name', 'lastUsedAt'] as const satisfies readonly ListOrder[]

/** Orders of what is neither used nor ends. */
export const namedListOrders = ['newest', 'name'] as const satisfies readonly ListOrder[]

export interface ListQuery extends PageQuery {
  /** Absent: newest first. */
  order?: ListOrder
  /** Whether to count all that match, up to `mostCounted`; absent: no. */
  counts?: boolean
  /**
   * Whether a page looks at no more than `mostLookedThrough` records. One that is narrowed may then have fewer rows
   * than asked for, and more behind `next`; and more records than that come newest first only. Absent: it looks at all.
   */
  isBounded?: boolean
}

/** Records that are counted, at most. */
export const mostCounted = 10_000

/** Records that one page looks at, at most: this takes a database some 50 ms, however many records there are. */
export const mostLookedThrough = 20_000

/** How many records match; `isAtLeast`: or more. */
export interface Total { count: number, isAtLeast: boolean }

/** What was counted, up to one more than `mostCounted`. */
export function totalOf (counted: number): Total {
  return { count: Math.min(counted, mostCounted), isAtLeast: counted > mostCounted }
}

/** A page, and how many records match in all; null: not asked for. */
export interface Listed<T> extends Page<T> { total: Total | null }

/** What narrows the list of every kind; an absent member does not. */
export interface Sought {
  /** A part of its name, or of what else its kind is known by, in whatever case its ASCII letters are. */
  search?: string
  /** Those with one of these ids. */
  ids?: readonly string[]
}

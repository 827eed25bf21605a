/** Lists for people: in an order that they choose, narrowed by a text, with the number of all that match. */
import type { Page, PageQuery } from './page.ts'

/** `newest`: by creation. `name`: from A. `lastUsedAt`: the latest first. `expiresAt`: the soonest first. */
export const listOrders = ['newest', 'name', 'lastUsedAt', 'expiresAt'] as const
export type ListOrder = typeof listOrders[number]

/** Orders of what does not expire. */
export const lastingListOrders = ['newest', 'name', 'lastUsedAt'] as const satisfies readonly ListOrder[]

export interface ListQuery extends PageQuery {
  order: ListOrder
  /** Whether to count all that match. */
  counts: boolean
}

/** A page, and how many records match in all; null: not asked for. */
export interface Listed<T> extends Page<T> { total: number | null }

/**
 * Values that are mostly at hand and now and then have to be fetched. A check that memory can answer is answered in the
 * same turn: going through promises all the way would cost more than the check itself.
 */
export type Awaitable<T> = T | Promise<T>

/** Applies `use` to a value now if it is at hand, else when it comes. */
export function whenKnown<T, U> (value: Awaitable<T>, use: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(use) : use(value)
}

/** As `whenKnown`, for two values that are fetched at the same time. */
export function whenBothKnown<A, B, U> (one: Awaitable<A>, other: Awaitable<B>, use: (one: A, other: B) => Awaitable<U>): Awaitable<U> {
  if (one instanceof Promise || other instanceof Promise) return Promise.all([one, other]).then(([a, b]) => use(a, b))
  return use(one, other)
}

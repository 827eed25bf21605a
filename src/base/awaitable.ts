/**
 * Values that are mostly at hand and now and then have to be fetched. A check that memory can answer is answered in the
 * same turn: going through promises all the way would cost more than the check itself.
 */
export type Awaitable<T> = T | Promise<T>

/**
 * Applies `use` to a value now if it is at hand, else when it comes. What else `use` needs can be handed through: a
 * function that encloses nothing need not be made anew for every request.
 */
export function whenKnown<T, U, C = undefined, D = undefined, E = undefined> (
  value: Awaitable<T>, use: (value: T, c: C, d: D, e: E) => Awaitable<U>, c?: C, d?: D, e?: E
): Awaitable<U> {
  return value instanceof Promise ? later(value, use, c as C, d as D, e as E) : use(value, c as C, d as D, e as E)
}

/** As `whenKnown`, for two values that are fetched at the same time. */
export function whenBothKnown<A, B, U, C = undefined, D = undefined, E = undefined> (
  one: Awaitable<A>, other: Awaitable<B>, use: (one: A, other: B, c: C, d: D, e: E) => Awaitable<U>, c?: C, d?: D, e?: E
): Awaitable<U> {
  if (!(one instanceof Promise || other instanceof Promise)) return use(one, other, c as C, d as D, e as E)
  return bothLater(one, other, use, c as C, d as D, e as E)
}

// Apart, so that what it encloses costs nothing where there is nothing to wait for.
function later<T, U, C, D, E> (
  value: Promise<T>, use: (value: T, c: C, d: D, e: E) => Awaitable<U>, c: C, d: D, e: E
): Promise<U> {
  return value.then(known => use(known, c, d, e))
}

function bothLater<A, B, U, C, D, E> (
  one: Awaitable<A>, other: Awaitable<B>, use: (one: A, other: B, c: C, d: D, e: E) => Awaitable<U>, c: C, d: D, e: E
): Promise<U> {
  return Promise.all([one, other]).then(([a, b]) => use(a, b, c, d, e))
}

/**
 * A value that is usually in memory and sometimes loaded. A check that memory can answer makes no promise: promises all
 * the way would cost more than the check itself.
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

// Apart, so that what it encloses costs nothing where there is nothing to wait for.
function later<T, U, C, D, E> (
  value: Promise<T>, use: (value: T, c: C, d: D, e: E) => Awaitable<U>, c: C, d: D, e: E
): Promise<U> {
  return value.then(known => use(known, c, d, e))
}

/** A value that is computed on first use and kept. An exception of `make` is not kept. */
export function once<T> (make: () => T): () => T {
  let made: { value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

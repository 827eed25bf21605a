/** What is made when it is first asked for, and kept. What `make` throws is not. */
export function once<T> (make: () => T): () => T {
  let made: { value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

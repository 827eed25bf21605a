/** Reloads of a cache, one at a time, so that the result of an earlier reload never replaces that of a later one. */

/** Runs `work` one at a time. Calls that wait share one run, which begins after all of them. */
export function serialReload<T> (work: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let waiting: Promise<T> | null = null
  return () => {
    if (waiting !== null) return waiting
    const next = last.catch(() => {}).then(() => {
      waiting = null
      return work()
    })
    last = waiting = next
    return next
  }
}

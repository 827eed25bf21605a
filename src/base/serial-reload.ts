/**
 * Reading again what memory holds, in turn: an answer that was asked for earlier never replaces one that was asked for
 * later.
 */

/** Runs `work` for each call, but once for all that come while they have to wait: it begins after each of them. */
export function oneAfterTheOther<T> (work: () => Promise<T>): () => Promise<T> {
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

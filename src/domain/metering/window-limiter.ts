/** Fixed-window counters in bounded memory: short-term limits of one process, or shared by several. */
import { lru } from '../../base/lru.ts'
import type { Clock } from '../../base/clock.ts'
import type { Share } from './shared-counters.ts'

export interface WindowLimit {
  /** The capacity of a window. */
  max: number
  windowSeconds: number
}

export interface WindowLimiter {
  /** Null: there is room. Else the whole seconds until there is, at least 1. */
  exhausted (key: string): number | null
  /** Counts one. */
  count (key: string): void
}

interface Window { ends: number, counted: number }

/**
 * Keeps at most `parties` counters, and evicts the least recently used. With `share`, counts of other servers are
 * added, and a window ends for all with the last: else each server's window would begin at another time, and counts of
 * an ending window would be lost to the beginning one.
 */
export function windowLimiter (
  { max, windowSeconds }: WindowLimit, clock: Clock, share?: Share, parties = 20_000
): WindowLimiter {
  const windows = lru<Window>(parties)
  const add = (key: string, n: number, now: number): Window => {
    let window = windows.get(key)
    if (window === undefined || window.ends <= now) {
      windows.set(key, window = { ends: now + windowSeconds * 1_000, counted: 0 })
    }
    window.counted += n
    return window
  }
  const tell = share?.((told, n, at) => {
    const now = at.getTime()
    const { ends, key } = readCounted(told)
    const known = windows.get(key)
    const window = add(key, n, now)
    // At most one window from now, whatever the other server's clock says; an ended window begins anew here.
    if (ends > now && (window !== known || ends > window.ends)) {
      window.ends = Math.min(ends, now + windowSeconds * 1_000)
    }
  })
  return {
    exhausted (key) {
      const window = windows.get(key)
      if (window === undefined || window.counted < max) return null
      const now = clock().getTime()
      if (window.ends <= now) return null
      return Math.max(1, Math.ceil((window.ends - now) / 1_000))
    },
    count (key) {
      const { ends } = add(key, 1, clock().getTime())
      tell?.(`${ends} ${key}`, 1)
    },
  }
}

/** A count carries the end of its window, in milliseconds. */
function readCounted (told: string): { ends: number, key: string } {
  const end = told.indexOf(' ')
  return { ends: Number(told.slice(0, end)), key: told.slice(end + 1) }
}

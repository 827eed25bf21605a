/** Counts in fixed windows of time, in bounded memory: short-term limits, of one process or, told to each other, of several. */
import { bounded } from '../bounded.ts'
import type { Clock } from '../clock.ts'
import type { Share } from './shared-counts.ts'

export interface WindowLimit {
  /** How many a window takes. */
  max: number
  windowSeconds: number
}

export interface WindowCounter {
  /** Null: there is room. Else the whole seconds until there is room again, at least 1. */
  exhausted (key: string): number | null
  /** Counts one. */
  count (key: string): void
}

/** Keeps at most `parties` counters; the ones that were not asked for the longest are forgotten first. With `share`, others count in it too. */
export function windowCounter ({ max, windowSeconds }: WindowLimit, clock: Clock, share?: Share, parties = 20_000): WindowCounter {
  const windows = bounded<{ ends: number, counted: number }>(parties)
  const add = (key: string, n: number, now: number) => {
    const window = windows.get(key)
    if (window !== undefined && window.ends > now) window.counted += n
    else windows.set(key, { ends: now + windowSeconds * 1_000, counted: n })
  }
  const tell = share?.((key, n, now) => { add(key, n, now.getTime()) })
  return {
    exhausted (key) {
      const window = windows.get(key)
      const now = clock().getTime()
      if (window === undefined || window.counted < max || window.ends <= now) return null
      return Math.max(1, Math.ceil((window.ends - now) / 1_000))
    },
    count (key) {
      add(key, 1, clock().getTime())
      tell?.(key, 1)
    },
  }
}

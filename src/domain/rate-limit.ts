import { LRUCache } from 'lru-cache'

/** What a caller is told of one of its limits. */
export interface RateLimitState {
  /** `minute`: calls in a minute; `month`: calls in a calendar month; `credits`: credits in a calendar month. */
  policy: 'minute' | 'month' | 'credits'
  quota: number
  windowSeconds: number
  /** As this server knows it: another one may have taken more meanwhile. */
  remaining: number
  /** Seconds until the quota is whole again; where nothing remains of a `minute`, until there is one, as `Retry-After` says. */
  resetSeconds: number
}

/** Short-term limits of one process, by token buckets. */
export interface RateLimiter {
  /**
   * Takes one call out of the bucket of `id`, which holds at most `perMinute` and fills evenly. `waitSeconds` null: taken;
   * else nothing was, and in so many seconds, at least 1, there is one.
   */
  take (id: string, perMinute: number, now: Date): { waitSeconds: number | null, state: RateLimitState }
  /** Puts one back that was taken. */
  giveBack (id: string, perMinute: number): void
}

const window = 60_000

/**
 * Keeps at most `buckets`, one number each; the ones that were not asked for the longest are forgotten first, which fills
 * them. The number is the instant at which the bucket is full (the "theoretical arrival time" of the generic cell rate
 * algorithm), so that nothing has to run while time goes by.
 */
export function rateLimiter (buckets = 50_000): RateLimiter {
  const fullAt = new LRUCache<string, number>({ max: buckets })
  return {
    take (id, perMinute, instant) {
      const now = instant.getTime()
      const interval = window / perMinute
      // Never further away than a whole window: a clock that steps back must not lock a key out.
      const full = Math.min(Math.max(fullAt.get(id) ?? now, now), now + window)
      // A thousandth of a millisecond for what fractions add up to.
      const wait = full + interval - (now + window) - 0.001
      if (wait > 0) return { waitSeconds: Math.ceil(wait / 1_000), state: stateOf(perMinute, full - now) }
      fullAt.set(id, full + interval)
      return { waitSeconds: null, state: stateOf(perMinute, full + interval - now) }
    },
    giveBack (id, perMinute) {
      const full = fullAt.get(id)
      if (full !== undefined) fullAt.set(id, full - window / perMinute)
    },
  }
}

function stateOf (perMinute: number, untilFull: number): RateLimitState {
  const interval = window / perMinute
  const remaining = Math.max(0, Math.floor((window - untilFull + 0.001) / interval))
  const untilMore = remaining === 0 ? untilFull + interval - window : untilFull
  return { policy: 'minute', quota: perMinute, windowSeconds: 60, remaining, resetSeconds: Math.ceil((untilMore - 0.001) / 1_000) }
}

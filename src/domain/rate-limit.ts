import { LRUCache } from 'lru-cache'

/**
 * `minute`: calls in a minute; `month`: calls in a calendar month; `credits`: credits in a calendar month. Each of a key,
 * or of all keys of its organization.
 */
export type Policy = `${'' | 'organization-'}${'minute' | 'month' | 'credits'}`

/** What a caller is told of one of its limits. */
export interface RateLimitState {
  policy: Policy
  quota: number
  windowSeconds: number
  /** As this server knows it: another one may have taken more meanwhile. */
  remaining: number
  /** Seconds until the quota is whole again; where nothing remains of a `minute`, until there is one, as `Retry-After` says. */
  resetSeconds: number
}

/** Short-term limits of one process, by leaky buckets. */
export interface RateLimiter {
  /**
   * Puts one call into the bucket of `id`, which holds at most `perMinute` (a whole number) and leaks evenly. `waitSeconds`
   * null: taken; else nothing was, and in so many seconds, at least 1, there is room.
   */
  take (id: string, perMinute: number, now: Date, policy?: Policy): { waitSeconds: number | null, state: RateLimitState }
  /** Takes one out again. */
  giveBack (id: string): void
}

/** A call in the unit that buckets count in: a bucket of n calls loses n units in a millisecond, so all is whole numbers. */
const call = 60_000

interface Bucket {
  /** What is in it, in units, at the instant `at`, in milliseconds. */
  used: number
  at: number
}

/** Keeps at most `buckets`; the ones that were not asked for the longest are forgotten first, which empties them. */
export function rateLimiter (buckets = 50_000): RateLimiter {
  const known = new LRUCache<string, Bucket>({ max: buckets })
  return {
    take (id, perMinute, now, policy = 'minute') {
      const bucket = known.get(id) ?? { used: 0, at: 0 }
      leak(bucket, perMinute, now.getTime())
      const excess = bucket.used + call - perMinute * call
      if (excess > 0) return { waitSeconds: secondsToLeak(excess, perMinute), state: stateOf(bucket, perMinute, policy) }
      bucket.used += call
      known.set(id, bucket)
      return { waitSeconds: null, state: stateOf(bucket, perMinute, policy) }
    },
    giveBack (id) {
      const bucket = known.get(id)
      if (bucket !== undefined) bucket.used = Math.max(0, bucket.used - call)
    },
  }
}

/** A clock that stepped back leaks nothing until it goes on; a quota that was lowered leaves no more in the bucket than it holds. */
function leak (bucket: Bucket, perMinute: number, now: number): void {
  const elapsed = Math.max(0, Math.min(now - bucket.at, call))
  bucket.used = Math.max(0, Math.min(bucket.used, perMinute * call) - elapsed * perMinute)
  bucket.at = now
}

function secondsToLeak (units: number, perMinute: number): number {
  return Math.ceil(Math.ceil(units / perMinute) / 1_000)
}

function stateOf ({ used }: Bucket, perMinute: number, policy: Policy): RateLimitState {
  const remaining = Math.floor((perMinute * call - used) / call)
  const resetSeconds = secondsToLeak(remaining === 0 ? used + call - perMinute * call : used, perMinute)
  return { policy, quota: perMinute, windowSeconds: 60, remaining, resetSeconds }
}

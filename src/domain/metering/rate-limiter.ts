import { lru } from '../../base/lru.ts'
import type { Share } from './shared-counters.ts'

/**
 * `minute`: calls in a minute; `month`: calls in a calendar month; `credits`: credits in a calendar month. Each of a
 * key, or of all keys of its organization.
 */
export type LimitName = `${'' | 'organization-'}${'minute' | 'month' | 'credits'}`

/** What a caller is told of one of its limits. */
export interface RateLimitState {
  policy: LimitName
  quota: number
  windowSeconds: number
  /** As this server knows it: another one may have taken more meanwhile. */
  remaining: number
  /**
   * Seconds until the quota is whole again; where nothing remains of a `minute`, until there is one, as `Retry-After`
   * says.
   */
  resetSeconds: number
}

/** Short-term limits by leaky buckets: of one process or, told to each other, of several. */
export interface RateLimiter {
  /**
   * Puts one call into the bucket of `id`, which holds at most `perMinute` (a whole number) and leaks evenly.
   * `waitSeconds` null: taken; else nothing was, and in so many seconds, at least 1, there is room.
   */
  take(
    id: string, perMinute: number, now: Date, policy?: LimitName
  ): { waitSeconds: number | null, state: RateLimitState }
  /** Takes one out again. */
  giveBack (id: string): void
}

/**
 * A call in the unit that buckets count in: a bucket of n calls loses n units in a millisecond, so all is whole
 * numbers.
 */
const call = 60_000

interface Bucket {
  /**
   * What is in it, in units, at the instant `at`, in milliseconds. More than it holds: several servers let it through
   * at once.
   */
  used: number
  at: number
  /** What it held then. */
  perMinute: number
}

/**
 * Keeps at most `buckets`, of 150 bytes each; the ones that were not asked for the longest are forgotten first, which
 * empties them: more than that should not be in use within a minute. With `share`, what other servers let through is in
 * them too.
 */
export function rateLimiter (share?: Share, buckets = 500_000): RateLimiter {
  const known = lru<Bucket>(buckets)
  const bucketOf = (id: string, perMinute: number, now: number): Bucket => {
    let bucket = known.get(id)
    if (bucket === undefined) known.set(id, bucket = { used: 0, at: now, perMinute })
    leak(bucket, perMinute, now)
    return bucket
  }
  const tell = share?.((key, n, now) => {
    const { id, perMinute } = readCounted(key)
    const bucket = bucketOf(id, perMinute, now.getTime())
    bucket.used = Math.max(0, bucket.used + n * call)
  })
  return {
    take (id, perMinute, now, policy = 'minute') {
      const bucket = bucketOf(id, perMinute, now.getTime())
      const excess = bucket.used + call - perMinute * call
      if (excess > 0) {
        return { waitSeconds: secondsToLeak(excess, perMinute), state: stateOf(bucket, perMinute, policy) }
      }
      bucket.used += call
      tell?.(`${perMinute} ${id}`, 1)
      return { waitSeconds: null, state: stateOf(bucket, perMinute, policy) }
    },
    giveBack (id) {
      const bucket = known.get(id)
      if (bucket === undefined) return
      bucket.used = Math.max(0, bucket.used - call)
      tell?.(`${bucket.perMinute} ${id}`, -1)
    },
  }
}

/** A server that has not seen the holder yet learns with the count what its bucket holds. */
function readCounted (key: string): { id: string, perMinute: number } {
  const end = key.indexOf(' ')
  return { perMinute: Math.max(1, Number(key.slice(0, end)) || 1), id: key.slice(end + 1) }
}

/** Milliseconds by which a call may come later than one that began after it. By more, the clock was set back. */
const disorder = 10_000

/**
 * What a bucket lost up to an instant it does not lose again for a call that began before. A clock that stepped back
 * leaks nothing until it goes on; a quota that was changed leaves no more in the bucket than it holds.
 */
function leak (bucket: Bucket, perMinute: number, now: number): void {
  if (bucket.perMinute !== perMinute) bucket.used = Math.min(bucket.used, perMinute * call)
  bucket.perMinute = perMinute
  bucket.used = Math.max(0, bucket.used - Math.max(0, now - bucket.at) * perMinute)
  if (now > bucket.at || now < bucket.at - disorder) bucket.at = now
}

function secondsToLeak (units: number, perMinute: number): number {
  return Math.ceil(Math.ceil(units / perMinute) / 1_000)
}

function stateOf ({ used }: Bucket, perMinute: number, policy: LimitName): RateLimitState {
  const remaining = Math.max(0, Math.floor((perMinute * call - used) / call))
  const resetSeconds = secondsToLeak(remaining === 0 ? used + call - perMinute * call : used, perMinute)
  return { policy, quota: perMinute, windowSeconds: 60, remaining, resetSeconds }
}

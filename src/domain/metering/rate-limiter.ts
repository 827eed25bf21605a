/** Calls per minute: leaky buckets in memory. */
import { lru } from '../../base/lru.ts'
import type { Share } from './shared-counters.ts'
import type { ToldCounts } from './told-counts.ts'

/**
 * `minute`: calls in a minute; `month`: calls in a calendar month; `credits`: credits in a calendar month. Each of a
 * consumer, or of all consumers of its organization.
 */
export type LimitName = `${'' | 'organization-'}${'minute' | 'month' | 'credits'}`

/** The state of a limit, as reported to the caller. */
export interface RateLimitState {
  policy: LimitName
  quota: number
  windowSeconds: number
  /** By this server's count: another one may have taken more meanwhile. */
  remaining: number
  /** Seconds until the full quota is available; for an exhausted `minute`, until one call is, as `Retry-After` says. */
  resetSeconds: number
}

/** Short-term limits by leaky buckets, of one process or shared by several. */
export interface RateLimiter {
  /**
   * Adds one call to the bucket of `id`, which holds at most `perMinute` (a whole number) and leaks evenly.
   * `waitSeconds` null: added; else the bucket is full, and has room after so many seconds, at least 1.
   */
  take(
    id: string, perMinute: number, now: Date, policy?: LimitName
  ): { waitSeconds: number | null, state: RateLimitState }
  /**
   * Adds calls that were admitted elsewhere: the bucket may hold up to twice its capacity, and owes until it leaked. No
   * report keeps a holder out for longer than a minute. `by`: the guard that reports them; null: none.
   */
  add (id: string, perMinute: number, calls: number, now: Date, by?: ToldCounts | null): void
  /** The calls in the bucket, in whole numbers, rounded up. */
  held (id: string, perMinute: number, now: Date): number
  /** Takes one call out of the bucket. */
  giveBack (id: string): void
}

/**
 * One call in the unit of the buckets: a bucket of n calls leaks n units in a millisecond, so all arithmetic is in
 * whole numbers.
 */
const call = 60_000

interface Bucket {
  /**
   * Its content in units at the instant `at`, in milliseconds. May exceed its capacity if several servers admitted
   * calls at once.
   */
  used: number
  at: number
  /** Its capacity then. */
  perMinute: number
}

/** Hears each count of a holder: by a guard in another process, or, for null, by this or another server. */
export type OnCounted = (id: string, calls: number, by: ToldCounts | null) => void

export interface RateLimiterOptions {
  /** Buckets that are kept at most. */
  buckets?: number
  /** As `share`, for calls that were added, whose number others cannot vouch for. */
  shareAdded?: Share | undefined
  onCounted?: OnCounted
}

/**
 * Keeps at most `buckets`, of 150 bytes each, and evicts the least recently used, which empties them: the number should
 * exceed the holders active within a minute. With `share`, calls on other servers are counted too.
 */
export function rateLimiter (
  share?: Share, { buckets = 500_000, shareAdded, onCounted = () => {} }: RateLimiterOptions = {}
): RateLimiter {
  const known = lru<Bucket>(buckets)
  const bucketOf = (id: string, perMinute: number, now: number): Bucket => {
    let bucket = known.get(id)
    if (bucket === undefined) known.set(id, bucket = { used: 0, at: now, perMinute })
    leak(bucket, perMinute, now)
    return bucket
  }
  const broadcast = share?.((key, n, now) => {
    const { id, perMinute } = readCounted(key)
    const bucket = bucketOf(id, perMinute, now.getTime())
    bucket.used = Math.max(0, bucket.used + n * call)
    onCounted(id, n, null)
  })
  const broadcastAdded = shareAdded?.((key, n, now) => {
    const { id, perMinute } = readCounted(key)
    owe(bucketOf(id, perMinute, now.getTime()), perMinute, Math.max(0, n))
    onCounted(id, Math.max(0, n), null)
  })
  const counted = (id: string, perMinute: number, calls: 1 | -1): void => {
    broadcast?.(`${perMinute} ${id}`, calls)
    onCounted(id, calls, null)
  }
  return {
    take (id, perMinute, now, policy = 'minute') {
      const bucket = bucketOf(id, perMinute, now.getTime())
      const excess = bucket.used + call - perMinute * call
      if (excess > 0) {
        return { waitSeconds: secondsToLeak(excess, perMinute), state: stateOf(bucket, perMinute, policy) }
      }
      bucket.used += call
      counted(id, perMinute, 1)
      return { waitSeconds: null, state: stateOf(bucket, perMinute, policy) }
    },
    add (id, perMinute, calls, now, by = null) {
      const added = Math.min(calls, 2 * perMinute)
      owe(bucketOf(id, perMinute, now.getTime()), perMinute, added)
      broadcastAdded?.(`${perMinute} ${id}`, added)
      onCounted(id, added, by)
    },
    held (id, perMinute, now) {
      return known.has(id) ? Math.ceil(bucketOf(id, perMinute, now.getTime()).used / call) : 0
    },
    giveBack (id) {
      const bucket = known.get(id)
      if (bucket === undefined) return
      bucket.used = Math.max(0, bucket.used - call)
      counted(id, bucket.perMinute, -1)
    },
  }
}

/** Adds calls up to twice the capacity. */
function owe (bucket: Bucket, perMinute: number, calls: number): void {
  bucket.used = Math.max(bucket.used, Math.min(bucket.used + calls * call, 2 * perMinute * call))
}

/** A count carries the capacity, so that a server without the bucket can create it. */
function readCounted (key: string): { id: string, perMinute: number } {
  const end = key.indexOf(' ')
  return { perMinute: Math.max(1, Number(key.slice(0, end)) || 1), id: key.slice(end + 1) }
}

/** Milliseconds by which calls may arrive out of order. A larger step back means that the clock was set back. */
const disorder = 10_000

/**
 * A leak up to an instant is not repeated for a call that began earlier. After the clock was set back, nothing leaks
 * until it advances; a lowered capacity also lowers the content.
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

/** The limits per minute of a consumer and its organization: taken together, or not at all. */
import { organizationHolder, type Consumer, type Limits } from '../tenancy/limits.ts'
import type { RateLimiter, RateLimitState } from './rate-limiter.ts'

/** A holder of limits: the consumer, a key or an authorization with all of its chain; then its organization. */
export interface Bound { holder: string, of: '' | 'organization-', limits: Readonly<Limits> }

/** The limits checked for a call so far, to report them, and how to undo them if the call is refused. */
export interface Taken { limits: RateLimitState[], giveBacks: (() => void)[] }

export function boundsOf (
  { consumer, organization }: { consumer: Readonly<Consumer>, organization: Readonly<Limits> }
): Bound[] {
  return [{ holder: consumer.chainId, of: '', limits: consumer }, {
    holder: organizationHolder(consumer), of: 'organization-', limits: organization
  }]
}

export function giveBack ({ giveBacks }: Taken): void {
  for (const giveBackOne of giveBacks) giveBackOne()
}

/** Takes one call out of each limit. Null: all buckets had room; else the seconds until the first full one has. */
export function takeMinutes (rates: RateLimiter, bounds: readonly Bound[], now: Date, taken: Taken): number | null {
  for (const { holder, of, limits: { callsPerMinute } } of bounds) {
    if (callsPerMinute === null) continue
    const { waitSeconds, state } = rates.take(holder, callsPerMinute, now, `${of}minute`)
    taken.limits.push(state)
    if (waitSeconds !== null) return waitSeconds
    taken.giveBacks.push(() => { rates.giveBack(holder) })
  }
  return null
}

/** Whether `takeMinutes` would find a full bucket. Takes nothing. */
export function isMinuteFull (rates: RateLimiter, bounds: readonly Bound[], now: Date): boolean {
  return bounds.some(({ holder, limits: { callsPerMinute } }) =>
    callsPerMinute !== null && rates.held(holder, callsPerMinute, now) >= callsPerMinute)
}

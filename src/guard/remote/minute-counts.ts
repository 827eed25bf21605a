/**
 * The limits per minute as one session of a guard counts them: its own calls, and those that its server says were
 * counted elsewhere.
 */
import type { Clock } from '../../base/clock.ts'
import { boundsOf, takeMinutes, type Taken } from '../../domain/metering/minute-limits.ts'
import { rateLimiter } from '../../domain/metering/rate-limiter.ts'
import type { Consumer, Limits } from '../../domain/tenancy/limits.ts'
import type { Totals } from '../../domain/metering/told-counts.ts'

/** `told`: the greatest total that the server named; `added`: the part of it that is in the bucket. */
interface Elsewhere { told: number, added: number, perMinute: number | null }

/** What has limits, and those of its organization. */
export interface Limited { consumer: Readonly<Consumer>, organization: Readonly<Limits> }

export class MinuteCounts {
  readonly #clock: Clock
  #rates = rateLimiter()
  #elsewhere = new Map<string, Elsewhere>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Takes one call out of each limit. Null: there was room; else the seconds until there is. */
  take (limited: Limited, now: Date, taken: Taken): number | null {
    return takeMinutes(this.#rates, boundsOf(limited), now, taken)
  }

  /** The session was handed an entry. Only from now on its limits are known, and a bucket can owe. */
  found (limited: Limited, totals: Totals): void {
    for (const { holder, limits: { callsPerMinute } } of boundsOf(limited)) {
      const known = this.#of(holder)
      known.perMinute = callsPerMinute
      this.#owe(holder, known, totals[holder] ?? 0)
    }
  }

  /** Owes what the totals have more than those before: nothing is added twice, in whatever order they come. */
  hear (totals: Totals): void {
    for (const [holder, total] of Object.entries(totals)) this.#owe(holder, this.#of(holder), total)
  }

  /** Another session begins: what its server has counted comes with the entries that it hands out. */
  clear (): void {
    this.#rates = rateLimiter()
    this.#elsewhere = new Map()
  }

  #of (holder: string): Elsewhere {
    let known = this.#elsewhere.get(holder)
    if (known === undefined) this.#elsewhere.set(holder, known = { told: 0, added: 0, perMinute: null })
    return known
  }

  #owe (holder: string, known: Elsewhere, total: number): void {
    known.told = Math.max(known.told, total)
    if (known.perMinute === null || known.told === known.added) return
    this.#rates.add(holder, known.perMinute, known.told - known.added, this.#clock())
    known.added = known.told
  }
}

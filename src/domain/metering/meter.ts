/**
 * What a call with an API key costs, in one question: rate, month's calls, credits, in this order, each of the key and
 * then of its organization.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import { repeatedly, type Background } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { newTelemetry } from '../../telemetry/telemetry.ts'
import { quotaLeases, monthState, type TakenCall } from './quota-lease.ts'
import type { ApiKey } from '../credentials/api-key.ts'
import { monthEnd, secondsUntil } from '../core/calendar.ts'
import { refundCredits } from './credit.ts'
import { organizationHolder, type Limits } from '../tenancy/limits.ts'
import { rateLimiter, type RateLimitState } from './rate-limiter.ts'
import { unshared, type SharedCounters } from './shared-counters.ts'
import { creditSpender } from './credit-spender.ts'
import { keyUsageMeter } from './key-usage-meter.ts'
import type { AllowancePort } from './quota-lease.ts'
import type { UsagePort } from './key-usage-meter.ts'
import type { CreditPort } from './credit.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { Transactional } from '../core/operation.ts'

/** A call that passed every other check. */
export interface MeteredCall {
  key: ApiKey
  /** The limits of the key's own organization. */
  organization: Readonly<Limits>
  /**
   * What the route costs, in whole credits; 0: nothing. The key's own organization pays, from the account of its
   * environment.
   */
  credits: number
  now: Date
}

/**
 * "No" is a value. `limits`: the state of every limit of the key and its organization that was looked at. `spending`:
 * the entry that took the credits, by which they can be refunded; null: none were taken. `retryAfterSeconds` null:
 * waiting does not help.
 */
export type MeterVerdict = { ok: true, spending: string | null, limits: readonly RateLimitState[] } | Refused

interface Refused {
  ok: false
  reason: 'rate_limited' | 'quota_exceeded' | 'insufficient_credits'
  retryAfterSeconds: number | null
  limits: readonly RateLimitState[]
}

/** The one place where a call is counted. */
export interface Meter {
  /**
   * Takes what the call costs, all of it or nothing, and counts it as usage only when it is admitted. Answers in the
   * same turn unless credits or another block of the month's calls have to be taken in the database. Throws Failure
   * `storage_unavailable` when they cannot be: never guesses.
   */
  admit (call: MeteredCall): Awaitable<MeterVerdict>
  /** Gives the credits of a spending back, because the call failed by our own fault. Doing it twice changes nothing. */
  refund (spending: string, reason: string): Promise<void>
  /** Writes the usage counted so far. */
  flush (): Promise<void>
  /** Begins to give back the calls that were taken ahead for holders that have become idle. */
  start (): void
  /**
   * Writes the rest, trying again until `until`, by `performance.now()`, gives back what was taken ahead, and stops.
   * Returns how many calls are lost to the count.
   */
  stop (until?: number): Promise<number>
}

const unlimited: MeterVerdict = { ok: true, spending: null, limits: [] }

/**
 * Whose limits a call is counted against: of the key, which has them with all that it was rotated from and to, then of
 * its organization.
 */
interface Bound { holder: string, of: '' | 'organization-', limits: Readonly<Limits> }

/** What was taken for a call so far, to be told, and to be given back should it be refused in the end. */
interface Taken { limits: RateLimitState[], giveBacks: (() => void)[] }

function boundsOf ({ key, organization }: MeteredCall): Bound[] {
  return [{ holder: key.chainId, of: '', limits: key }, {
    holder: organizationHolder(key), of: 'organization-', limits: organization
  }]
}

function hasNone ({ callsPerMinute, callsPerMonth }: Readonly<Limits>): boolean {
  return callsPerMinute === null && callsPerMonth === null
}

function giveBack ({ giveBacks }: Taken): void {
  for (const each of giveBacks) each()
}

function refuse (taken: Taken, reason: Refused['reason'], retryAfterSeconds: number | null): Refused {
  giveBack(taken)
  return { ok: false, reason, retryAfterSeconds, limits: taken.limits }
}

/**
 * Keeps the counts of one process, those of a minute shared with other servers by `counts`. What fails behind the
 * requests' backs goes to `background`. Call `stop` before the store is closed.
 */
export function meter (
  store: Transactional<AllowancePort & ApiKeyPort & CreditPort & UsagePort>,
  clock: Clock,
  counts: SharedCounters = unshared,
  background: Background = newTelemetry().background
): Meter {
  const rates = rateLimiter(counts.of('calls'))
  const calls = quotaLeases(store.allowances, undefined, undefined, background.report('allowances'))
  const usage = keyUsageMeter(rows => store.usage.add(rows), undefined, background.report('calls'))
  const credits = creditSpender(store)
  const idle = repeatedly(10_000, calls.giveBackIdle, background.report('allowances'))

  const admitted = ({ key, now }: MeteredCall, { limits }: Taken, spending: string | null): MeterVerdict => {
    usage.count(key.id, now)
    return { ok: true, spending, limits }
  }

  /** Null: all buckets had room. */
  const takeMinutes = (bounds: readonly Bound[], now: Date, taken: Taken): Refused | null => {
    for (const { holder, of, limits: { callsPerMinute } } of bounds) {
      if (callsPerMinute === null) continue
      const { waitSeconds, state } = rates.take(holder, callsPerMinute, now, `${of}minute`)
      taken.limits.push(state)
      if (waitSeconds !== null) return refuse(taken, 'rate_limited', waitSeconds)
      taken.giveBacks.push(() => { rates.giveBack(holder) })
    }
    return null
  }

  /** One bound after the other, and the credits at the end. */
  const takeMonths = (call: MeteredCall, [bound, ...rest]: readonly Bound[], taken: Taken): Awaitable<MeterVerdict> => {
    if (bound === undefined) return call.credits === 0 ? admitted(call, taken, null) : charge(call, taken)
    const { holder, of, limits: { callsPerMonth } } = bound
    if (callsPerMonth === null) return takeMonths(call, rest, taken)
    const month = calls.take(holder, callsPerMonth, call.now, `${of}month`)
    return month instanceof Promise
      ? takeMonthsLater(call, month, rest, taken)
      : takeRest(call, month, rest, taken)
  }

  /** As `takeRest`, once another block of the month was taken in the database. */
  const takeMonthsLater = async (
    call: MeteredCall, month: Promise<TakenCall>, rest: readonly Bound[], taken: Taken
  ): Promise<MeterVerdict> => await takeRest(call, await month, rest, taken)

  const takeRest = (
    call: MeteredCall, month: TakenCall, rest: readonly Bound[], taken: Taken
  ): Awaitable<MeterVerdict> => {
    taken.limits.push(month.state)
    if (!month.taken) return refuse(taken, 'quota_exceeded', month.state.resetSeconds)
    taken.giveBacks.push(month.giveBack)
    return takeMonths(call, rest, taken)
  }

  const charge = async (call: MeteredCall, taken: Taken): Promise<MeterVerdict> => {
    const { key, organization, now } = call
    const { id, verdict } = await credits.spend({ key, organization, credits: call.credits, now })
    const { spentThisMonth } = verdict
    if (key.creditsPerMonth !== null) {
      taken.limits.push(monthState('credits', key.creditsPerMonth, key.creditsPerMonth - spentThisMonth.key!, now))
    }
    if (organization.creditsPerMonth !== null) {
      taken.limits.push(
        monthState(
          'organization-credits', organization.creditsPerMonth,
          organization.creditsPerMonth - spentThisMonth.organization!, now
        )
      )
    }
    if (verdict.ok) return admitted(call, taken, id)
    return refuse(taken, verdict.reason, verdict.reason === 'quota_exceeded' ? secondsUntil(monthEnd(now), now) : null)
  }

  return {
    admit (call) {
      const { key, organization, credits: cost, now } = call
      if (cost === 0 && hasNone(key) && hasNone(organization)) {
        usage.count(key.id, now)
        return unlimited
      }
      const bounds = boundsOf(call)
      const taken: Taken = { limits: [], giveBacks: [] }
      const refused = takeMinutes(bounds, now, taken)
      if (refused !== null) return refused
      const verdict = takeMonths(call, bounds, taken)
      if (!(verdict instanceof Promise)) return verdict
      return verdict.catch((error: unknown) => {
        giveBack(taken)
        throw error
      })
    },
    refund: (spending, reason) => refundCredits({ store, clock }, spending, reason),
    flush: usage.flush,
    start: idle.start,
    async stop (until) {
      await idle.stop()
      await credits.drain()
      await calls.stop()
      return await usage.stop(until)
    },
  }
}

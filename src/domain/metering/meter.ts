/**
 * The cost of a call, checked in order: rate, month's calls, credits; each of the consumer, then of its organization. A
 * consumer is an API key, or what a member has allowed a client.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import { repeatedly, type Background } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { newTelemetry } from '../../telemetry/telemetry.ts'
import { quotaLeases, monthState, type TakenCall } from './quota-lease.ts'
import { monthEnd, secondsUntil } from '../core/calendar.ts'
import { reasonAgainstSpending, refundCredits } from './credit.ts'
import type { Consumer, Limits } from '../tenancy/limits.ts'
import { boundsOf, giveBack, isMinuteFull, takeMinutes, type Bound, type Taken } from './minute-limits.ts'
import { rateLimiter, type RateLimitState } from './rate-limiter.ts'
import { unshared, type SharedCounters } from './shared-counters.ts'
import { CountFollowers, type ToldCounts, type Totals } from './told-counts.ts'
import { creditSpender } from './credit-spender.ts'
import { usageMeter } from './usage-meter.ts'
import type { AllowancePort } from './quota-lease.ts'
import type { UsagePort } from './usage-meter.ts'
import type { CreditPort } from './credit.ts'
import type { AuthorizationPort } from '../authorizations/authorization.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { Transactional } from '../core/operation.ts'

/** A call that passed every other check. */
export interface MeteredCall {
  consumer: Readonly<Consumer>
  /** The limits of the consumer's own organization. */
  organization: Readonly<Limits>
  /**
   * The route's cost in whole credits; 0: free. Charged to the account of the consumer's organization in the consumer's
   * environment.
   */
  credits: number
  now: Date
}

/** The holders of the limits of a call. */
export type Holders = Pick<MeteredCall, 'consumer' | 'organization' | 'now'>

/** Calls that a guard admitted where only the limits per minute were known. `by`: what that guard is told itself. */
export interface CallsElsewhere extends Holders { calls: number, day: string, by: ToldCounts }

/**
 * A refusal is a value. `limits`: the state of every limit of the consumer and its organization that was checked.
 * `spending`: the entry that took the credits, for a refund; null: none were taken. `retryAfterSeconds` null: a retry
 * does not help.
 */
export type MeterVerdict = { ok: true, spending: string | null, limits: readonly RateLimitState[] } | Refused

export type LimitReason = 'rate_limited' | 'quota_exceeded' | 'insufficient_credits'

interface Refused {
  ok: false
  reason: LimitReason
  retryAfterSeconds: number | null
  limits: readonly RateLimitState[]
}

/** Counts calls; the only place that does. */
export interface Meter {
  /**
   * Takes the cost of a call, all or nothing, and counts it as usage only if it is admitted. Synchronous unless
   * credits, or another block of the month's calls, have to be taken in the database. Throws Failure
   * `storage_unavailable` if that fails: it never guesses.
   */
  admit (call: MeteredCall): Awaitable<MeterVerdict>
  /**
   * The reason for which `admit` would refuse a call now; null: it would admit it. Counts and takes nothing, and asks
   * the database where `admit` might answer from memory. Throws Failure `storage_unavailable`.
   */
  reasonAgainst (call: MeteredCall): Promise<LimitReason | null>
  /** Counts calls that a guard in another process admitted on a day: 'YYYY-MM-DD', UTC. */
  countElsewhere (calls: CallsElsewhere): void
  /**
   * Tells a guard in another process from now on what is counted in a minute for a consumer and its organization; of
   * each limit, the total that it is told first.
   */
  follow (told: ToldCounts, holders: Holders): Totals
  /** Refunds a spending, because the call failed by the server's fault. Idempotent. */
  refund (spending: string, reason: string): Promise<void>
  /** Writes the usage counted so far. */
  flush (): Promise<void>
  /** Starts returning calls that were taken ahead for idle holders. */
  start (): void
  /**
   * Writes the rest, with retries until `until`, by `performance.now()`, returns calls that were taken ahead, and
   * stops. Returns the number of calls that were not counted.
   */
  stop (until?: number): Promise<number>
}

const unlimited: MeterVerdict = { ok: true, spending: null, limits: [] }

function hasNone ({ callsPerMinute, callsPerMonth }: Readonly<Limits>): boolean {
  return callsPerMinute === null && callsPerMonth === null
}

function refuse (taken: Taken, reason: Refused['reason'], retryAfterSeconds: number | null): Refused {
  giveBack(taken)
  return { ok: false, reason, retryAfterSeconds, limits: taken.limits }
}

/**
 * The meter of one process; `counts` shares the counts of a minute with other servers. Background errors go to
 * `background`. Call `stop` before the store is closed.
 */
export function meter (
  store: Transactional<AllowancePort & ApiKeyPort & AuthorizationPort & CreditPort & UsagePort>,
  clock: Clock,
  counts: SharedCounters = unshared,
  background: Background = newTelemetry().background
): Meter {
  const followers = new CountFollowers()
  const rates = rateLimiter(counts.of('calls'), {
    shareAdded: counts.of('calls at guards'), onCounted: (holder, n, by) => { followers.count(holder, n, by) }
  })
  const calls = quotaLeases(store.allowances, undefined, undefined, background.report('allowances'))
  const usage = usageMeter(rows => store.usage.add(rows), undefined, background.report('calls'))
  const credits = creditSpender(store)
  const idle = repeatedly(10_000, calls.giveBackIdle, background.report('allowances'))

  const admitted = ({ consumer, now }: MeteredCall, { limits }: Taken, spending: string | null): MeterVerdict => {
    usage.count(consumer.id, now)
    return { ok: true, spending, limits }
  }

  /** One bound after the other, then the credits. */
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
    const { consumer, organization, now } = call
    const { id, verdict } = await credits.spend({ consumer, organization, credits: call.credits, now })
    const { spentThisMonth } = verdict
    const { creditsPerMonth } = consumer
    if (creditsPerMonth !== null) {
      taken.limits.push(monthState('credits', creditsPerMonth, creditsPerMonth - spentThisMonth.consumer!, now))
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
      const { consumer, organization, credits: cost, now } = call
      if (cost === 0 && hasNone(consumer) && hasNone(organization)) {
        usage.count(consumer.id, now)
        return unlimited
      }
      const bounds = boundsOf(call)
      const taken: Taken = { limits: [], giveBacks: [] }
      const waitSeconds = takeMinutes(rates, bounds, now, taken)
      if (waitSeconds !== null) return refuse(taken, 'rate_limited', waitSeconds)
      const verdict = takeMonths(call, bounds, taken)
      if (!(verdict instanceof Promise)) return verdict
      return verdict.catch((error: unknown) => {
        giveBack(taken)
        throw error
      })
    },
    async reasonAgainst (call) {
      const bounds = boundsOf(call)
      if (isMinuteFull(rates, bounds, call.now)) return 'rate_limited'
      for (const { holder, limits: { callsPerMonth } } of bounds) {
        if (callsPerMonth !== null && !await calls.hasLeft(holder, callsPerMonth, call.now)) return 'quota_exceeded'
      }
      return call.credits === 0 ? null : await reasonAgainstSpending(store, call)
    },
    countElsewhere ({ consumer, organization, calls: count, day, now, by }) {
      usage.add(consumer.id, day, count)
      for (const { holder, limits: { callsPerMinute } } of boundsOf({ consumer, organization })) {
        if (callsPerMinute !== null) rates.add(holder, callsPerMinute, count, now, by)
      }
    },
    follow: (told, { consumer, organization, now }) => Object.fromEntries(
      boundsOf({ consumer, organization }).flatMap(({ holder, limits: { callsPerMinute } }) => callsPerMinute === null
        ? []
        : [[holder, told.follow(followers, holder, () => rates.held(holder, callsPerMinute, now))]])
    ),
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

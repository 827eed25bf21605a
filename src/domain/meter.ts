/** What a call with an API key costs, in one question: its rate, its month's calls, its credits, in this order. */
import { whenKnown, type Awaitable } from '../awaitable.ts'
import type { Clock } from '../clock.ts'
import { callAllowance, monthState, type TakenCall } from './allowance.ts'
import type { ApiKey } from './api-key.ts'
import { monthEnd, secondsUntil } from './calendar.ts'
import { refundCredits } from './credit.ts'
import { rateLimiter, type RateLimitState } from './rate-limit.ts'
import { spender } from './spending.ts'
import type { Store } from './store.ts'
import { usageMeter } from './usage-meter.ts'

/** A call that passed every other check. */
export interface MeteredCall {
  key: ApiKey
  /** What the route costs, in whole credits; 0: nothing. The key's own organization pays, from the account of its environment. */
  credits: number
  now: Date
}

/**
 * "No" is a value. `limits`: the state of every limit that the key has and that was looked at. `spending`: the entry that
 * took the credits, by which they can be refunded; null: none were taken. `retryAfterSeconds` null: waiting does not help.
 */
export type MeterVerdict =
  | { ok: true, spending: string | null, limits: readonly RateLimitState[] }
  | { ok: false, reason: 'rate_limited' | 'quota_exceeded' | 'insufficient_credits', retryAfterSeconds: number | null, limits: readonly RateLimitState[] }

/** The one place where a call is counted. */
export interface Meter {
  /**
   * Takes what the call costs, all of it or nothing, and counts it as usage only when it is admitted. Answers in the same
   * turn unless credits or another block of the month's calls have to be taken in the database.
   * Throws Failure `storage_unavailable` when they cannot be: never guesses.
   */
  admit (call: MeteredCall): Awaitable<MeterVerdict>
  /** Gives the credits of a spending back, because the call failed by our own fault. Doing it twice changes nothing. */
  refund (spending: string, reason: string): Promise<void>
  /** Writes the usage counted so far. */
  flush (): Promise<void>
  /** Writes the rest, gives back what was taken ahead, and stops. */
  close (): Promise<void>
}

const unlimited: MeterVerdict = { ok: true, spending: null, limits: [] }

/** Keeps the counts of one process. Call `close` before the store is closed. */
export function meter (store: Store, clock: Clock): Meter {
  const rates = rateLimiter()
  const calls = callAllowance(store.allowances)
  const usage = usageMeter(rows => store.usage.add(rows))
  const credits = spender(store)
  const idle = setInterval(() => { calls.giveBackIdle().catch(() => {}) }, 10_000).unref()

  const admitted = ({ key, now }: MeteredCall, limits: readonly RateLimitState[], spending: string | null): MeterVerdict => {
    usage.count(key.id, now)
    return { ok: true, spending, limits }
  }

  /** The last step: what is taken by now is given back should the credits not be to be had. */
  const charge = async (call: MeteredCall, limits: readonly RateLimitState[], giveBack: () => void): Promise<MeterVerdict> => {
    const { key, now } = call
    try {
      const { id, verdict } = await credits.spend({ key, credits: call.credits, now })
      const all = key.creditsPerMonth === null ? limits : [...limits, monthState('credits', key.creditsPerMonth, key.creditsPerMonth - verdict.spentThisMonth, now)]
      if (verdict.ok) return admitted(call, all, id)
      giveBack()
      return { ok: false, reason: verdict.reason, retryAfterSeconds: verdict.reason === 'quota_exceeded' ? secondsUntil(monthEnd(now), now) : null, limits: all }
    } catch (error) {
      giveBack()
      throw error
    }
  }

  const afterMonth = (call: MeteredCall, rate: RateLimitState[], giveBackRate: () => void, month: TakenCall | null): Awaitable<MeterVerdict> => {
    const limits = month === null ? rate : [...rate, month.state]
    if (month !== null && !month.taken) {
      giveBackRate()
      return { ok: false, reason: 'quota_exceeded', retryAfterSeconds: month.state.resetSeconds, limits }
    }
    if (call.credits === 0) return admitted(call, limits, null)
    return charge(call, limits, () => { giveBackRate(); month?.giveBack() })
  }

  return {
    admit (call) {
      const { key: { id, callsPerMinute, callsPerMonth }, credits: cost, now } = call
      if (callsPerMinute === null && callsPerMonth === null && cost === 0) {
        usage.count(id, now)
        return unlimited
      }
      const rate = callsPerMinute === null ? null : rates.take(id, callsPerMinute, now)
      const states = rate === null ? [] : [rate.state]
      if (rate !== null && rate.waitSeconds !== null) return { ok: false, reason: 'rate_limited', retryAfterSeconds: rate.waitSeconds, limits: states }
      const giveBackRate = () => { if (rate !== null) rates.giveBack(id) }
      if (callsPerMonth === null) return afterMonth(call, states, giveBackRate, null)
      return whenKnown(calls.take(id, callsPerMonth, now), month => afterMonth(call, states, giveBackRate, month))
    },
    refund: (spending, reason) => refundCredits({ store, clock }, spending, reason),
    flush: usage.flush,
    async close () {
      clearInterval(idle)
      await credits.settled()
      await calls.close()
      await usage.flush()
    },
  }
}

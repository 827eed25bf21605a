/**
 * Calls in a calendar month, UTC. The database counts the calls taken, never more than the quota; a process takes
 * blocks ahead and spends them from memory. So the quota is an exact upper bound under races and crashes: a crashed
 * process loses the unspent calls of its blocks, at most one block for each holder.
 */
import { warn, type Report } from '../../telemetry/background.ts'
import { lru } from '../../base/lru.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { monthEnd, monthOf, monthStart, secondsUntil } from '../core/calendar.ts'
import type { LimitName, RateLimitState } from './rate-limiter.ts'

/** A holder of limits is the chain of a key or an authorization, or an organization in one environment. */
export interface AllowanceRepository {
  /** The calls and credits that a holder has taken in a month. */
  taken (holder: string, month: string): Promise<{ calls: number, credits: number }>
  /**
   * Takes calls if the quota allows, safely against concurrent calls; returns the total after. Null: the quota would be
   * exceeded.
   */
  takeCalls (holder: string, month: string, calls: number, quota: number): Promise<number | null>
  /** Returns calls of several holders at once; never more than a holder has taken. */
  giveBackCalls (given: readonly GivenBack[]): Promise<void>
  /** As `takeCalls`, for credits; quota null: unlimited. */
  takeCredits (holder: string, month: string, credits: number, quota: number | null): Promise<number | null>
  giveBackCredits (holder: string, month: string, credits: number): Promise<void>
  /** Deletes at most `limit` rows of months before this one; returns how many. */
  prune (before: string, limit: number): Promise<number>
}

export interface AllowancePort { allowances: AllowanceRepository }

/** Calls of a holder's month that were taken and not spent. */
export interface GivenBack { holder: string, month: string, calls: number }

/** The result of taking a call from a month's quota. */
export interface TakenCall {
  taken: boolean
  state: RateLimitState
  /** Undoes it: the call is not admitted after all. */
  giveBack (): void
}

export interface QuotaLeases {
  /** Takes a call from the holder's month at `now`. Synchronous while the block in memory lasts. */
  take (holder: string, callsPerMonth: number, now: Date, policy?: LimitName): Awaitable<TakenCall>
  /**
   * Whether `take` would find a call in the holder's month. Takes none, and asks the database unless the block in
   * memory has some. Calls that other servers took ahead count as taken, as they do for `take`.
   */
  hasLeft (holder: string, callsPerMonth: number, now: Date): Promise<boolean>
  /** Returns to the database the calls taken ahead for holders that were idle for `idleSeconds`. */
  giveBackIdle (): Promise<void>
  /** Returns all of them. */
  stop (): Promise<void>
}

/** The block of a holder's month, in memory. */
interface Block {
  readonly holder: string
  readonly month: string
  readonly quota: number
  /** Taken in the database, not spent yet. */
  left: number
  /** The month's total over all servers, when this one last took calls. */
  taken: number
  /** When the database had no calls left, in milliseconds; null: it had. */
  emptyAt: number | null
  taking: Promise<void> | null
}

/** Calls taken ahead, at most. */
const greatestBlock = 100

/** Milliseconds until an exhausted month is asked about again: another server may have returned calls. */
const askAgain = 1_000

const idleSeconds = 10

/** A tenth of the remaining calls, so that near the end no server holds calls that another one needs. */
export function blockSize (left: number): number {
  return Math.max(1, Math.min(greatestBlock, Math.floor(left / 10)))
}

/**
 * The highest total that may result from taking a block: the block then was at most a tenth of the remaining calls,
 * even if the known total was outdated.
 */
function mostAfter (size: number, quota: number): number {
  return size === 1 ? quota : quota - 9 * size
}

/**
 * Keeps at most `holders` months in memory. `uptime` is a monotonic clock in milliseconds: idle time must not depend on
 * the calendar.
 */
export function quotaLeases (
  allowances: Pick<AllowanceRepository, 'taken' | 'takeCalls' | 'giveBackCalls'>,
  holders = 50_000,
  uptime = () => performance.now(),
  report: Report = warn
): QuotaLeases {
  const giving = new Set<Promise<void>>()
  let surplus: GivenBack[] = []
  const giveSurplus = async () => {
    const returned = surplus
    surplus = []
    await allowances.giveBackCalls(returned)
  }
  const giveBack = (block: Block) => {
    const { holder, month, left } = block
    if (left === 0) return
    block.left = 0
    surplus.push({ holder, month, calls: left })
    if (surplus.length > 1) return
    // Together with everything returned in this turn: at a stop there may be tens of thousands. Calls that cannot be
    // returned are lost to the month, as after a crash: too few calls, never too many.
    const done = Promise.resolve().then(giveSurplus).catch(report).finally(() => { giving.delete(done) })
    giving.add(done)
  }
  const blocks = lru<Block>(holders, {
    ttl: idleSeconds * 1_000, ttlResolution: 0, updateAgeOnGet: true, perf: { now: uptime }, dispose: giveBack
  })

  // The key includes the quota: units of an old quota are not spent under a new one.
  const nameOf = (holder: string, quota: number, month: string) => `${month} ${quota} ${holder}`
  const blockOf = (holder: string, quota: number, month: string): Block => {
    const name = nameOf(holder, quota, month)
    const known = blocks.get(name)
    if (known !== undefined) return known
    const block: Block = { holder, month, quota, left: 0, taken: 0, emptyAt: null, taking: null }
    blocks.set(name, block)
    return block
  }

  const takeMore = async (block: Block, now: Date) => {
    const { holder, month, quota } = block
    const ask = async () => { block.taken = (await allowances.taken(holder, month)).calls }
    if (block.taken >= quota) await ask()
    // First by the known total, or 0: mostly there is room, and no query is needed.
    for (; block.taken < quota; await ask()) {
      const size = blockSize(quota - block.taken)
      const after = await allowances.takeCalls(holder, month, size, mostAfter(size, quota))
      if (after === null) continue
      block.taken = after
      block.left += size
      block.emptyAt = null
      return
    }
    block.emptyAt = now.getTime()
  }

  const decide = (block: Block, now: Date, policy: LimitName): Awaitable<TakenCall> => {
    if (block.left > 0) {
      block.left--
      return { taken: true, state: stateOf(block, now, policy), giveBack: () => { block.left++ } }
    }
    if (block.emptyAt !== null && Math.abs(now.getTime() - block.emptyAt) < askAgain) {
      return { taken: false, state: stateOf(block, now, policy), giveBack () {} }
    }
    block.taking ??= takeMore(block, now).finally(() => {
      block.taking = null
    })
    return block.taking.then(() => decide(block, now, policy))
  }

  return {
    take: (holder, callsPerMonth, now, policy = 'month') =>
      decide(blockOf(holder, callsPerMonth, monthOf(now)), now, policy),
    async hasLeft (holder, callsPerMonth, now) {
      const month = monthOf(now)
      // Without a use of it: a look must not keep calls from going back.
      const left = blocks.peek(nameOf(holder, callsPerMonth, month))?.left ?? 0
      return left > 0 || (await allowances.taken(holder, month)).calls < callsPerMonth
    },
    async giveBackIdle () {
      blocks.purgeStale()
      await Promise.all(giving)
    },
    async stop () {
      await Promise.all(Array.from(blocks.values(), ({ taking }) => taking?.catch(() => {})))
      blocks.clear()
      await Promise.all(giving)
    },
  }
}

function stateOf ({ quota, taken, left }: Block, now: Date, policy: LimitName): RateLimitState {
  return monthState(policy, quota, quota - taken + left, now)
}

/** The state of a limit that resets with the month after `now`, UTC. */
export function monthState (policy: LimitName, quota: number, remaining: number, now: Date): RateLimitState {
  const end = monthEnd(now)
  return {
    policy,
    quota,
    windowSeconds: (end.getTime() - monthStart(now).getTime()) / 1_000,
    remaining: Math.max(0, remaining),
    resetSeconds: secondsUntil(end, now)
  }
}

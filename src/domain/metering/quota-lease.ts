/**
 * Calls in a calendar month, UTC. The database counts what was taken, and never more than the quota; a process takes
 * blocks of it ahead and hands them out from memory. So the quota is an exact upper bound, whatever races or crashes:
 * what a crashed process had taken and not handed out is lost, at most one block for each holder.
 */
import { warn, type Report } from '../../telemetry/background.ts'
import { lru } from '../../base/lru.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { monthEnd, monthOf, monthStart, secondsUntil } from '../core/calendar.ts'
import type { LimitName, RateLimitState } from './rate-limiter.ts'

/** A holder is the chain of a key, or an organization in one environment: whoever a limit is counted for. */
export interface AllowanceRepository {
  /** What a holder has taken of a month's allowance. */
  taken (holder: string, month: string): Promise<{ calls: number, credits: number }>
  /**
   * Takes so many calls as long as the quota is not passed, whoever else takes at the same time; returns what is taken
   * after. Null: it would have been passed.
   */
  takeCalls (holder: string, month: string, calls: number, quota: number): Promise<number | null>
  /** Puts calls back, those of many holders at once; more than a holder has taken are not put back. */
  giveBackCalls (given: readonly GivenBack[]): Promise<void>
  /** As `takeCalls`, for credits; quota null: unlimited. */
  takeCredits (holder: string, month: string, credits: number, quota: number | null): Promise<number | null>
  giveBackCredits (holder: string, month: string, credits: number): Promise<void>
  /** Forgets the months before this one, at most so many rows; returns how many those were. */
  prune (before: string, limit: number): Promise<number>
}

export interface AllowancePort { allowances: AllowanceRepository }

/** Calls of a holder's month that were taken and not handed out. */
export interface GivenBack { holder: string, month: string, calls: number }

/** A call that was taken out of a month's allowance, or was not to be had. */
export interface TakenCall {
  taken: boolean
  state: RateLimitState
  /** Puts it back: the call is not admitted after all. */
  giveBack (): void
}

export interface QuotaLeases {
  /** Takes a call of the holder's month of `now`. Answered in the same turn while the block in memory lasts. */
  take (holder: string, callsPerMonth: number, now: Date, policy?: LimitName): Awaitable<TakenCall>
  /** Gives back to the database what was taken ahead for holders that were not used for `idleSeconds`. */
  giveBackIdle (): Promise<void>
  /** Gives back all of it. */
  stop (): Promise<void>
}

/** What is in memory of a holder's month. */
interface Block {
  readonly holder: string
  readonly month: string
  readonly quota: number
  /** Taken in the database, not handed out yet. */
  left: number
  /** What was taken of the month, by all servers, when this one last took. */
  taken: number
  /** When the database had nothing left, in milliseconds; null: it had. */
  emptyAt: number | null
  taking: Promise<void> | null
}

/** How many calls are taken ahead at most. */
const greatestBlock = 100

/**
 * A month without calls left is asked about again after this many milliseconds: another server may have given some
 * back.
 */
const askAgain = 1_000

const idleSeconds = 10

/** A tenth of what is left, so that towards the end no server sits on calls that another one needs. */
export function blockSize (left: number): number {
  return Math.max(1, Math.min(greatestBlock, Math.floor(left / 10)))
}

/**
 * What may be taken after a block was: so much that it was no more than a tenth of what was left, whatever was thought
 * to be.
 */
function mostAfter (size: number, quota: number): number {
  return size === 1 ? quota : quota - 9 * size
}

/**
 * Keeps at most `holders` months in memory. `uptime` is milliseconds that only go forward: how long a holder was idle
 * has nothing to do with the calendar.
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
    const given = surplus
    surplus = []
    await allowances.giveBackCalls(given)
  }
  const giveBack = (block: Block) => {
    const { holder, month, left } = block
    if (left === 0) return
    block.left = 0
    surplus.push({ holder, month, calls: left })
    if (surplus.length > 1) return
    // Together with all that is given back in this turn: at the end there may be tens of thousands.
    // What cannot be given back is lost to the month, as by a crash: too few, never too many.
    const done = Promise.resolve().then(giveSurplus).catch(report).finally(() => { giving.delete(done) })
    giving.add(done)
  }
  const blocks = lru<Block>(holders, {
    ttl: idleSeconds * 1_000, ttlResolution: 0, updateAgeOnGet: true, perf: { now: uptime }, dispose: giveBack
  })

  const blockOf = (holder: string, quota: number, month: string): Block => {
    // With the quota in it: units of a quota that was changed are not handed out under another.
    const name = `${month} ${quota} ${holder}`
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
    // At first by what is known, or as if nothing were taken: mostly there is room enough, and no need to ask.
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

/** The state of a limit that begins anew with the month after `now`, UTC. */
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

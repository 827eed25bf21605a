/** Meter of usage: calls of each consumer by day, UTC, counted in memory, written in the background. */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { dayAround } from '../core/calendar.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'
import { writtenAtOnce } from './last-used.ts'

/** The usage of a consumer on a day. */
export interface DayUsage {
  consumerId: string
  /** 'YYYY-MM-DD', UTC */
  day: string
  calls: number
  /** Spent, less refunded. */
  credits: number
}

/** Days from `from` to `to`, inclusive: 'YYYY-MM-DD', UTC. */
export interface DayRange { from: string, to: string }

/** A key, as far as a report tells it, and its days with usage. */
export interface UsageOfKey {
  key: { id: string, organizationId: string, environment: Environment, lastUsedAt: Date | null }
  days: Omit<DayUsage, 'consumerId'>[]
}

export interface UsageRepository {
  /**
   * Adds to the stored counts, all or nothing; rows may repeat a consumer and day. At most `writtenInOneStatement`
   * rows.
   */
  add (usage: readonly DayUsage[]): Promise<void>
  /** The days with usage, oldest first. */
  of (consumerId: string, range: DayRange): Promise<Omit<DayUsage, 'consumerId'>[]>
  /**
   * The days with usage of each of these keys, oldest first: of those that exist, in an organization, if it is not
   * null.
   */
  ofKeys (ids: readonly string[], organizationId: string | null, range: DayRange): Promise<UsageOfKey[]>
  /** The calls of some consumers together. */
  callsOf (consumerIds: readonly string[], range: DayRange): Promise<number>
  /** Of all consumers that the organization has or had, oldest day first: calls for people count as live. */
  ofOrganization(
    organizationId: string, range: DayRange
  ): Promise<Record<Environment, Omit<DayUsage, 'consumerId'>[]>>
  /** Deletes at most `limit` rows of days before this one; returns how many. */
  prune (before: string, limit: number): Promise<number>
}

export interface UsagePort { usage: UsageRepository }

export interface UsageMeter {
  /** Counts a call of the consumer on the day of `now`. Costs one write to memory. */
  count (consumerId: string, now: Date): void
  /** Counts calls of the consumer on a day: 'YYYY-MM-DD', UTC. */
  add (consumerId: string, day: string, calls: number): void
  /** Writes the counts. Counts that cannot be written are kept for the next batch. */
  flush (): Promise<void>
  /**
   * Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of lost calls.
   */
  stop (until?: number): Promise<number>
}

/** By consumer, in objects: a count is then added without a second look-up. */
type Counts = Map<string, { calls: number }>

/** Writes once in `intervalMs`, more often only while more consumers wait than one batch writes. */
export function usageMeter (
  write: UsageRepository['add'], intervalMs = 1_000, report: Report = warn
): UsageMeter {
  const counted = new Map<string, Counts>()
  let today = { starts: 0, ends: 0, day: '', counts: new Map() as Counts }

  const countsOf = (day: string): Counts => {
    const known = counted.get(day)
    if (known !== undefined) return known
    const counts: Counts = new Map()
    counted.set(day, counts)
    return counts
  }
  const add = (counts: Counts, consumerId: string, calls: number) => {
    const known = counts.get(consumerId)
    if (known === undefined) counts.set(consumerId, { calls })
    else known.calls += calls
  }
  const writeFirst = async (most: number) => {
    const usage: DayUsage[] = []
    for (const [day, counts] of counted) {
      for (const [consumerId, { calls }] of takeFirst(counts, most - usage.length)) {
        usage.push({ consumerId, day, calls, credits: 0 })
      }
      if (counts.size === 0 && counts !== today.counts) counted.delete(day)
    }
    try {
      await write(usage)
    } catch (error) {
      for (const { consumerId, day, calls } of usage) add(countsOf(day), consumerId, calls)
      throw error
    }
  }
  const size = () => [...counted.values()].reduce((sum, counts) => sum + counts.size, 0)
  const { schedule, flush, stop } = batchWriter({ size, write: writeFirst }, intervalMs, writtenAtOnce, report)
  return {
    count (consumerId, now) {
      const time = now.getTime()
      if (time < today.starts || time >= today.ends) {
        const around = dayAround(now)
        today = { ...around, counts: countsOf(around.day) }
      }
      add(today.counts, consumerId, 1)
      schedule()
    },
    add (consumerId, day, calls) {
      add(countsOf(day), consumerId, calls)
      schedule()
    },
    flush,
    async stop (until) {
      await stop(until)
      return [...counted.values()].flatMap(counts => [...counts.values()]).reduce((sum, { calls }) => sum + calls, 0)
    },
  }
}

/** Meter of key usage: calls by day, UTC, counted in memory, written in the background. */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { dayAround } from '../core/calendar.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'
import { writtenAtOnce } from './last-used.ts'

/** The usage of a key on a day. */
export interface DayUsage {
  keyId: string
  /** 'YYYY-MM-DD', UTC */
  day: string
  calls: number
  /** Spent, less refunded. */
  credits: number
}

/** Days from `from` to `to`, inclusive: 'YYYY-MM-DD', UTC. */
export interface DayRange { from: string, to: string }

export interface UsageRepository {
  /** Adds to the stored counts, all or nothing; rows may repeat a key and day. At most `writtenInOneStatement` rows. */
  add (usage: readonly DayUsage[]): Promise<void>
  /** The days with usage, oldest first. */
  ofKey (keyId: string, range: DayRange): Promise<Omit<DayUsage, 'keyId'>[]>
  /** Of all keys that the organization has or had. */
  ofOrganization(
    organizationId: string, range: DayRange
  ): Promise<Record<Environment, { calls: number, credits: number }>>
  /** Deletes at most `limit` rows of days before this one; returns how many. */
  prune (before: string, limit: number): Promise<number>
}

export interface UsagePort { usage: UsageRepository }

export interface KeyUsageMeter {
  /** Counts a call of the key on the day of `now`. Costs one write to memory. */
  count (keyId: string, now: Date): void
  /** Counts calls of the key on a day: 'YYYY-MM-DD', UTC. */
  add (keyId: string, day: string, calls: number): void
  /** Writes the counts. Counts that cannot be written are kept for the next batch. */
  flush (): Promise<void>
  /**
   * Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of lost calls.
   */
  stop (until?: number): Promise<number>
}

/** Writes once in `intervalMs`, more often only while more keys wait than one batch writes. */
export function keyUsageMeter (
  write: UsageRepository['add'], intervalMs = 1_000, report: Report = warn
): KeyUsageMeter {
  const counted = new Map<string, Map<string, number>>()
  let today = { starts: 0, ends: 0, day: '' }

  const keysOf = (day: string): Map<string, number> => {
    const known = counted.get(day)
    if (known !== undefined) return known
    const keys = new Map<string, number>()
    counted.set(day, keys)
    return keys
  }
  const add = (day: string, keyId: string, calls: number) => {
    const keys = keysOf(day)
    keys.set(keyId, (keys.get(keyId) ?? 0) + calls)
  }
  const writeFirst = async (most: number) => {
    const usage: DayUsage[] = []
    for (const [day, keys] of counted) {
      for (const [keyId, calls] of takeFirst(keys, most - usage.length)) usage.push({ keyId, day, calls, credits: 0 })
      if (keys.size === 0) counted.delete(day)
    }
    try {
      await write(usage)
    } catch (error) {
      for (const { keyId, day, calls } of usage) add(day, keyId, calls)
      throw error
    }
  }
  const size = () => [...counted.values()].reduce((sum, keys) => sum + keys.size, 0)
  const { schedule, flush, stop } = batchWriter({ size, write: writeFirst }, intervalMs, writtenAtOnce, report)
  return {
    count (keyId, now) {
      const time = now.getTime()
      if (time < today.starts || time >= today.ends) today = dayAround(now)
      add(today.day, keyId, 1)
      schedule()
    },
    add (keyId, day, calls) {
      add(day, keyId, calls)
      schedule()
    },
    flush,
    async stop (until) {
      await stop(until)
      return [...counted.values()].flatMap(keys => [...keys.values()]).reduce((sum, calls) => sum + calls, 0)
    },
  }
}

/** Calls of keys by day, UTC: counted in memory, written behind the requests' backs. */
import { warn, type Report } from '../../telemetry/background.ts'
import { Failure } from '../../base/errors.ts'
import type { Environment } from '../../secrets/secrets.ts'
import { getApiKey, type ApiKey } from '../credentials/api-key.ts'
import { dayOf, monthStart } from '../core/calendar.ts'
import { getOrganization } from '../tenancy/organization.ts'
import type { Operation } from '../core/operation.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'
import { writtenAtOnce } from './last-used.ts'

/** What a key did on a day. */
export interface DayUsage {
  keyId: string
  /** 'YYYY-MM-DD', UTC */
  day: string
  calls: number
  /** What it spent, less what was refunded. */
  credits: number
}

/** Days from `from` to `to`, both included: 'YYYY-MM-DD', UTC. */
export interface DayRange { from: string, to: string }

export interface UsageRepository {
  /**
   * Adds to what is counted, all of it or nothing; rows may repeat a key and day. At most `writtenInOneStatement` of
   * them.
   */
  add (usage: readonly DayUsage[]): Promise<void>
  /** The days on which there was something, oldest first. */
  ofKey (keyId: string, range: DayRange): Promise<Omit<DayUsage, 'keyId'>[]>
  /** Of all keys that an organization has or had. */
  ofOrganization(
    organizationId: string, range: DayRange
  ): Promise<Record<Environment, { calls: number, credits: number }>>
  /** Forgets the days before this one, at most so many rows; returns how many those were. */
  prune (before: string, limit: number): Promise<number>
}

export interface KeyUsageMeter {
  /** Counts a call of the key on the day of `now`. Costs one write to memory. */
  count (keyId: string, now: Date): void
  /** Writes what was counted. What cannot be written stays counted for the next time. */
  flush (): Promise<void>
  /** Writes the rest and stops, trying again until `until`, by `performance.now()`. Returns how many calls are lost. */
  close (until?: number): Promise<number>
}

/** Writes once in `intervalMs`, more often only while more keys wait than are written at a time. */
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
  const { schedule, flush, close } = batchWriter({ size, write: writeFirst }, intervalMs, writtenAtOnce, report)
  return {
    count (keyId, now) {
      const time = now.getTime()
      if (time < today.starts || time >= today.ends) today = dayAround(now)
      add(today.day, keyId, 1)
      schedule()
    },
    flush,
    async close (until) {
      await close(until)
      return [...counted.values()].flatMap(keys => [...keys.values()]).reduce((sum, calls) => sum + calls, 0)
    },
  }
}

function dayAround (now: Date): { starts: number, ends: number, day: string } {
  const day = dayOf(now)
  const starts = Date.parse(day)
  return { starts, ends: starts + 86_400_000, day }
}

/** The most days that one question is about. */
const greatestRange = 366

/** What a key did, by day; days on which it did nothing are left out. The range is this month unless it is given. */
export async function usageOfKey (
  operation: Operation, id: string, asked: Partial<DayRange> = {}
): Promise<{ key: ApiKey, range: DayRange, today: string, days: Omit<DayUsage, 'keyId'>[] }> {
  const now = operation.clock()
  const range = requireRange(asked, now)
  const key = await getApiKey(operation, id)
  return { key, range, today: dayOf(now), days: await operation.store.usage.ofKey(id, range) }
}

/**
 * What the keys of an organization did, its live and its test ones apart. The range is this month unless it is given.
 */
export async function usageOfOrganization (
  operation: Operation, id: string, asked: Partial<DayRange> = {}
): Promise<DayRange & Record<Environment, { calls: number, credits: number }>> {
  const range = requireRange(asked, operation.clock())
  await getOrganization(operation, id)
  return { ...range, ...await operation.store.usage.ofOrganization(id, range) }
}

/**
 * @throws Failure `invalid_request` for what is no day, a range that ends before it begins or is longer than 366 days.
 */
function requireRange ({ from, to }: Partial<DayRange>, now: Date): DayRange {
  const range = { from: from ?? dayOf(monthStart(to === undefined ? now : requireDay('to', to))), to: to ?? dayOf(now) }
  const days = (requireDay('to', range.to).getTime() - requireDay('from', range.from).getTime()) / 86_400_000 + 1
  if (days >= 1 && days <= greatestRange) return range
  throw new Failure('invalid_request', {
    message: `from and to are a range of 1 to ${greatestRange} days; this one has ${days}.`, details: { field: 'from' }
  })
}

function requireDay (field: 'from' | 'to', text: string): Date {
  const instant = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? text : NaN)
  if (!Number.isNaN(instant.getTime()) && dayOf(instant) === text) return instant
  throw new Failure('invalid_request', { message: `${field} must be a day, as in 2027-01-31.`, details: { field } })
}

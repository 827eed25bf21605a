/** Calls of keys by day, UTC: counted in memory, written behind the requests' backs. */
import { dayOf } from './calendar.ts'
import type { Environment } from '../secrets.ts'

/** What a key did on a day. */
export interface DayUsage {
  keyId: string
  /** 'YYYY-MM-DD', UTC */
  day: string
  calls: number
  /** What it spent, less what was refunded. */
  credits: number
}

/** Days from `from` to `to`, both included: 'YYYY-MM-DD'. */
export interface DayRange { from: string, to: string }

export interface UsageRepository {
  /** Adds to what is counted; rows may repeat a key and day. */
  add (usage: readonly DayUsage[]): Promise<void>
  /** The days on which there was something, oldest first. */
  ofKey (keyId: string, range: DayRange): Promise<Omit<DayUsage, 'keyId'>[]>
  /** Of all keys that an organization has or had. */
  ofOrganization (organizationId: string, range: DayRange): Promise<Record<Environment, { calls: number, credits: number }>>
}

export interface UsageMeter {
  /** Counts a call of the key on the day of `now`. Costs one write to memory. */
  count (keyId: string, now: Date): void
  /** Writes what was counted. What cannot be written stays counted for the next time. */
  flush (): Promise<void>
}

/** Writes at most once in `intervalMs`, one statement for some hundred keys. */
export function usageMeter (add: UsageRepository['add'], intervalMs = 1_000): UsageMeter {
  let counted = new Map<string, Map<string, number>>()
  let today = { starts: 0, ends: 0, day: '' }
  let timer: NodeJS.Timeout | null = null
  let writing = Promise.resolve()

  const callsOn = (day: string): Map<string, number> => {
    const calls = counted.get(day) ?? new Map<string, number>()
    counted.set(day, calls)
    return calls
  }
  const write = async () => {
    const usage = [...counted].flatMap(([day, calls]) => Array.from(calls, ([keyId, n]) => ({ keyId, day, calls: n, credits: 0 })))
    if (usage.length === 0) return
    counted = new Map()
    try {
      await add(usage)
    } catch {
      for (const { keyId, day, calls } of usage) callsOn(day).set(keyId, (callsOn(day).get(keyId) ?? 0) + calls)
      timer ??= setTimeout(flush, intervalMs).unref()
    }
  }
  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    writing = writing.then(write)
    await writing
  }
  return {
    count (keyId, now) {
      const time = now.getTime()
      if (time < today.starts || time >= today.ends) today = dayAround(now)
      const calls = callsOn(today.day)
      calls.set(keyId, (calls.get(keyId) ?? 0) + 1)
      timer ??= setTimeout(flush, intervalMs).unref()
    },
    flush,
  }
}

function dayAround (now: Date): { starts: number, ends: number, day: string } {
  const day = dayOf(now)
  const starts = Date.parse(day)
  return { starts, ends: starts + 86_400_000, day }
}

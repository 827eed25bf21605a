/** When credentials were last used: counted in memory, written behind the requests' backs. */
import type { Clock } from '../clock.ts'

export interface UsageLog {
  /** Notes that the credential with this id was used at `now`, by the clock unless it is given. Costs one write to memory. */
  note (id: string, now?: Date): void
  /** Writes what was noted. What cannot be written stays noted for the next time. */
  flush (): Promise<void>
  /** Writes the rest and stops. */
  close (): Promise<void>
}

/**
 * How many are written at a time, and in how many parts of an interval there is a turn where more are waiting: the longest noted
 * first. So a million keys in use cost their server no more of its time than some hundred, and no request waits for long.
 */
export const writtenAtOnce = 50
export const turns = 10

/** Keeps the usage of one kind of credential; `touch` is its repository's. Writes once in `intervalMs`, more often only while more wait than are written at a time. */
export function usageLog (touch: (usage: ReadonlyMap<string, Date>) => Promise<void>, clock: Clock, intervalMs = 1_000): UsageLog {
  const noted = new Map<string, number>()
  let timer: NodeJS.Timeout | null = null
  let writing = Promise.resolve()

  const write = async (most: number) => {
    const usage = takeFirst(noted, most)
    if (usage.length === 0) return
    // Those that had to wait were used at any time meanwhile, and one statement writes one instant.
    const unit = noted.size < writtenAtOnce * turns ? 1 : 60_000
    try {
      await touch(new Map(usage.map(([id, at]) => [id, new Date(Math.floor(at / unit) * unit)])))
    } catch {
      // Coarse by promise: what was noted meanwhile is newer and wins.
      for (const [id, at] of usage) if (!noted.has(id)) noted.set(id, at)
    }
  }
  const schedule = (ms = intervalMs) => { timer ??= setTimeout(() => { flush(writtenAtOnce).catch(() => {}) }, ms).unref() }
  const flush = async (most: number): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    writing = writing.then(() => write(most))
    await writing
    if (noted.size > 0 && most !== Infinity) schedule(intervalMs / turns)
  }
  return {
    note (id, now = clock()) {
      noted.set(id, now.getTime())
      if (timer === null) schedule()
    },
    flush: () => flush(Infinity),
    close: () => flush(Infinity),
  }
}

/** Takes up to so many entries out of a map, those that are in it the longest. */
export function takeFirst<V> (map: Map<string, V>, most: number): [string, V][] {
  const taken: [string, V][] = []
  for (const entry of map) {
    if (taken.length >= most) break
    taken.push(entry)
    map.delete(entry[0])
  }
  return taken
}

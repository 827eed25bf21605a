/** When credentials were last used: counted in memory, written behind the requests' backs. */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'

export interface LastUsedRecorder {
  /**
   * Notes that the credential with this id was used at `now`, by the clock unless it is given. Costs one write to
   * memory.
   */
  touch (id: string, now?: Date): void
  /** Writes what was noted. What cannot be written stays noted for the next time. */
  flush (): Promise<void>
  /**
   * Writes the rest and stops, trying again until `until`, by `performance.now()`. Returns of how many credentials the
   * last use is lost.
   */
  stop (until?: number): Promise<number>
}

/**
 * How many are written at a time. So a million keys in use cost their server no more of its time than some hundred, and
 * no request waits for long.
 */
export const writtenAtOnce = 50

/** Keeps the usage of one kind of credential; `touch` is its repository's. */
export function lastUsedRecorder (
  touch: (usage: ReadonlyMap<string, Date>) => Promise<void>, clock: Clock, intervalMs = 1_000, report: Report = warn
): LastUsedRecorder {
  // In boxes: a time is too long to be kept without one, and whoever is noted again while they wait gets no new one.
  const noted = new Map<string, { at: number }>()

  const write = async (most: number) => {
    const usage = takeFirst(noted, most)
    try {
      await touch(new Map(usage.map(([id, { at }]) => [id, new Date(at)])))
    } catch (error) {
      // Coarse by promise: what was noted meanwhile is newer and wins.
      for (const [id, box] of usage) if (!noted.has(id)) noted.set(id, box)
      throw error
    }
  }
  const { schedule, flush, stop } = batchWriter({ size: () => noted.size, write }, intervalMs, writtenAtOnce, report)
  return {
    touch (id, now = clock()) {
      const waiting = noted.get(id)
      if (waiting === undefined) noted.set(id, { at: now.getTime() })
      else waiting.at = now.getTime()
      schedule()
    },
    flush,
    async stop (until) {
      await stop(until)
      return noted.size
    },
  }
}

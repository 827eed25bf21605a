/** Last use of credentials: noted in memory, written in the background. */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'

export interface LastUsedRecorder {
  /** Notes a use of the credential with this id at `now`; absent: by the clock. Costs one write to memory. */
  touch (id: string, now?: Date): void
  /** Writes the notes. Notes that cannot be written are kept for the next batch. */
  flush (): Promise<void>
  /**
   * Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of credentials
   * whose last use is lost.
   */
  stop (until?: number): Promise<number>
}

/**
 * Entries in one batch. So a million keys in use take no more of the server's time than some hundred, and no request
 * waits for long.
 */
export const writtenAtOnce = 50

/** A recorder for one kind of credential; `touch` is its repository's. */
export function lastUsedRecorder (
  touch: (usage: ReadonlyMap<string, Date>) => Promise<void>, clock: Clock, intervalMs = 1_000, report: Report = warn
): LastUsedRecorder {
  // In objects: a time does not fit into a small integer and would be boxed anew at every use.
  const noted = new Map<string, { at: number }>()

  const write = async (most: number) => {
    const usage = takeFirst(noted, most)
    try {
      await touch(new Map(usage.map(([id, { at }]) => [id, new Date(at)])))
    } catch (error) {
      // The value is approximate: a note made meanwhile is newer and wins.
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

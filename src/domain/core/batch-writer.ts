/**
 * Write-behind batching: entries in memory are written in the background, one batch at a time, with a pause before
 * each.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { attempt, warn, type Report } from '../../telemetry/background.ts'

/**
 * Entries in one statement, at most. A failed batch is put back, so it must be one statement, which writes all or
 * nothing. SQLite takes at most 32,766 parameters in one, PostgreSQL 65,535.
 */
export const writtenInOneStatement = 500

/** The entries to write. */
export interface PendingWrites {
  /** The number of waiting entries. */
  size (): number
  /** Writes at most `most` entries, the oldest first, all or nothing. If it rejects, they wait again. */
  write (most: number): Promise<void>
}

export interface BatchWriter {
  /** Ensures that a batch is due. Costs the check of a flag if one is. */
  schedule (): void
  /** Writes all waiting entries, after the present batch. Entries that fail are left to later batches. */
  flush (): Promise<void>
  /**
   * Writes all waiting entries, and stops. Retries failures until `until`, by `performance.now()`; entries left then
   * stay waiting.
   */
  stop (until?: number): Promise<void>
}

/** Milliseconds between two of the last attempts. */
export const pauseBetweenLastAttempts = 100

/** Batches in one interval, at most, under load. */
const batchesInInterval = 10

/**
 * A batch has up to `atOnce` entries. The next one follows after `intervalMs`, also after a failure; sooner while more
 * entries wait than one batch writes. So each write is short, and their number is bounded. Errors of `write` go to
 * `report`.
 */
export function batchWriter (
  { size, write }: PendingWrites, intervalMs: number, atOnce = Infinity, report: Report = warn
): BatchWriter {
  let timer: NodeJS.Timeout | undefined
  let due = false
  let closed = false
  let last = Promise.resolve()

  const writeBatch = async (most: number) => {
    clearTimeout(timer)
    due = true
    let failed = false
    // Only entries that wait now; later ones are left to the next batch.
    for (let left = Math.min(most, size()); left > 0 && !failed; left = Math.min(left, size())) {
      const atOnce = Math.min(most, writtenInOneStatement)
      await attempt(() => write(atOnce), error => {
        failed = true
        report(error)
      })
      left -= atOnce
      if (left > 0) await nextTurn()
    }
    due = false
    if (size() === 0) return
    scheduleIn(failed ? intervalMs : intervalMs / Math.min(batchesInInterval, Math.ceil(size() / atOnce) || 1))
  }
  const runBatch = async (most: number): Promise<void> => {
    last = last.then(() => writeBatch(most))
    await last
  }
  const scheduleIn = (ms: number) => {
    if (closed) return
    due = true
    timer = setTimeout(runBatch, ms, atOnce).unref()
  }
  return {
    schedule () { if (!due) scheduleIn(intervalMs) },
    flush: () => runBatch(Infinity),
    async stop (until = -Infinity) {
      closed = true
      await runBatch(Infinity)
      while (size() > 0 && performance.now() < until) {
        await pause(pauseBetweenLastAttempts)
        await runBatch(Infinity)
      }
    },
  }
}

/** Takes at most `most` entries out of a map, the oldest first. */
export function takeFirst<V> (map: Map<string, V>, most: number): [string, V][] {
  const taken: [string, V][] = []
  for (const entry of map) {
    if (taken.length >= most) break
    taken.push(entry)
    map.delete(entry[0])
  }
  return taken
}

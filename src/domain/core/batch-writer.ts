/**
 * What waits in memory is written behind the requests' backs, in turns: one after the other, with a pause before each.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { attempt, warn, type Report } from '../../telemetry/background.ts'

/**
 * How many are written at a time at most: what fails is put back, and so has to be one statement, of which nothing is
 * written then. SQLite takes at most 32,766 parameters in one, PostgreSQL 65,535.
 */
export const writtenInOneStatement = 500

/** What there is to write. */
export interface PendingWrites {
  /** How many wait. */
  size (): number
  /** Writes up to so many of them, those that wait the longest: all or nothing. What it rejects for waits again. */
  write (most: number): Promise<void>
}

export interface BatchWriter {
  /** Sees to it that there will be a turn. Costs a look at a flag while one is due. */
  schedule (): void
  /** Writes all that waits, after the turn that is under way. What cannot be written is left to the turns after. */
  flush (): Promise<void>
  /**
   * Writes all that waits, and takes no turns from then on. Where it fails, it is tried again until the instant
   * `until`, by
   * `performance.now()`; what is left then stays waiting.
   */
  stop (until?: number): Promise<void>
}

/** Milliseconds between two attempts to write the last of it. */
export const pauseBetweenLastAttempts = 100

/** How many turns fit into an interval, where so much waits. */
const turnsInInterval = 10

/**
 * A turn writes up to `atOnce`. The next is `intervalMs` later, also when this one failed; sooner where more wait than
 * one turn writes. So whoever writes does it for a short time, and as often as it takes, within bounds. What `write`
 * rejects with goes to `report`.
 */
export function batchWriter (
  { size, write }: PendingWrites, intervalMs: number, atOnce = Infinity, report: Report = warn
): BatchWriter {
  let timer: NodeJS.Timeout | undefined
  let due = false
  let closed = false
  let last = Promise.resolve()

  const take = async (most: number) => {
    clearTimeout(timer)
    due = true
    let failed = false
    // No more than what waits now, whatever comes meanwhile.
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
    if (size() > 0) askIn(failed ? intervalMs : intervalMs / Math.min(turnsInInterval, Math.ceil(size() / atOnce) || 1))
  }
  const turn = async (most: number): Promise<void> => {
    last = last.then(() => take(most))
    await last
  }
  const askIn = (ms: number) => {
    if (closed) return
    due = true
    timer = setTimeout(turn, ms, atOnce).unref()
  }
  return {
    schedule () { if (!due) askIn(intervalMs) },
    flush: () => turn(Infinity),
    async stop (until = -Infinity) {
      closed = true
      await turn(Infinity)
      while (size() > 0 && performance.now() < until) {
        await pause(pauseBetweenLastAttempts)
        await turn(Infinity)
      }
    },
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

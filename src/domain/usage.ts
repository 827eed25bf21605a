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

/** Keeps the usage of one kind of credential; `touch` is its repository's. Writes at most once in `intervalMs`. */
export function usageLog (touch: (usage: ReadonlyMap<string, Date>) => Promise<void>, clock: Clock, intervalMs = 1_000): UsageLog {
  let noted = new Map<string, Date>()
  let timer: NodeJS.Timeout | null = null
  let writing = Promise.resolve()

  const write = async () => {
    if (noted.size === 0) return
    const usage = noted
    noted = new Map()
    try {
      await touch(usage)
    } catch {
      // Coarse by promise: what was noted meanwhile is newer and wins.
      noted = new Map([...usage, ...noted])
    }
  }
  const flush = () => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    writing = writing.then(write)
    return writing
  }
  return {
    note (id, now = clock()) {
      noted.set(id, now)
      timer ??= setTimeout(flush, intervalMs).unref()
    },
    flush,
    close: flush,
  }
}

/**
 * Counters shared between servers: each server broadcasts its counts, and the others add them half a second later.
 * Calls that were admitted meanwhile stay counted, so a limit may be exceeded for a moment and holds in the long run.
 */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { batchWriter } from '../core/batch-writer.ts'

/** The other servers on the same database. */
export interface Peers {
  /** The longest message, in bytes. */
  readonly longest: number
  /**
   * Broadcasts to all of them.
   * @throws Failure `storage_unavailable`.
   */
  broadcast (message: string): Promise<void>
  /** From now on `listener` receives the broadcasts of others, as long as this server is connected. */
  onBroadcast (listener: (message: string) => void): void
}

/** Adds counts made elsewhere; a negative one was taken back. */
export type Merge = (key: string, n: number, now: Date) => void

/** Shares one kind of count; the returned function is to be called with each local count. */
export type Share = (merge: Merge) => (key: string, n: number) => void

export interface SharedCounters {
  /** The share of the counts that every server calls `name`; undefined: there are no other servers. */
  of (name: string): Share | undefined
  /** Broadcasts the remaining counts. */
  stop (): Promise<void>
}

/** For a single server. */
export const unshared: SharedCounters = { of: () => undefined, stop: async () => {} }

/** So many waiting keys are broadcast at once. */
const manyKeys = 5_000

/** Keys beyond this number are dropped during a broadcast: an attacker can make up any number of them. */
const mostKeys = 10_000

/** `[name, key, n]`, as sent. */
type Count = [string, string, number]

/** Broadcasts the counts once in `intervalMs`, or sooner if they have many keys. */
export function sharedCounters (peers: Peers, clock: Clock, intervalMs = 500, report: Report = warn): SharedCounters {
  const merges = new Map<string, Merge>()
  let unsent = new Map<string, Count>()
  let isFull = false

  peers.onBroadcast(message => {
    const now = clock()
    for (const [name, key, n] of readMessage(message)) merges.get(name)?.(key, n, now)
  })

  const note = (name: string, key: string, n: number) => {
    const known = unsent.get(`${name} ${key}`)
    if (known !== undefined) known[2] += n
    else if (unsent.size < mostKeys) unsent.set(`${name} ${key}`, [name, key, n])
    if (unsent.size < manyKeys) schedule()
    else if (!isFull) broadcastNow()
  }
  const broadcastAll = async () => {
    const counts = [...unsent.values()].filter(([, , n]) => n !== 0)
    unsent = new Map()
    // Counts that cannot be sent are dropped: sent later, they would count as calls of that time.
    for (const message of inMessages(counts, peers.longest)) await peers.broadcast(message).catch(report)
  }
  const { schedule, flush, stop } = batchWriter(
    { size: () => unsent.size, write: broadcastAll }, intervalMs, Infinity, report
  )
  const broadcastNow = () => {
    isFull = true
    flush().finally(() => { isFull = false })
  }

  return {
    of: name => merge => {
      merges.set(name, merge)
      return (key, n) => { note(name, key, n) }
    },
    stop: () => stop(),
  }
}

/** JSON texts of at most `longest` bytes. A longer single count is left out: no key of this server's is so long. */
function inMessages (counts: readonly Count[], longest: number): string[] {
  const messages: string[] = []
  let message = ''
  for (const text of counts.map(count => JSON.stringify(count))) {
    if (Buffer.byteLength(message) + Buffer.byteLength(text) + 3 > longest) {
      if (message !== '') messages.push(`[${message}]`)
      message = ''
    }
    if (Buffer.byteLength(text) + 2 <= longest) message += message === '' ? text : `,${text}`
  }
  return message === '' ? messages : [...messages, `[${message}]`]
}

/** Empty for an unreadable message: a server of another version may use another form. */
function readMessage (message: string): Count[] {
  try {
    const read: unknown = JSON.parse(message)
    return Array.isArray(read) ? read.filter(isCount) : []
  } catch {
    return []
  }
}

function isCount (value: unknown): value is Count {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string' &&
    Number.isSafeInteger(value[2])
}

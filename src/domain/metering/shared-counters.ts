/**
 * Limits that each server counts for itself, made one: what was counted here is told to the other servers, and what
 * they counted is counted here too, half a second later. What was let through meanwhile stays counted, so a limit may
 * be passed for a moment and is held in the long run.
 */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import { batchWriter } from '../core/batch-writer.ts'

/** The other servers on the same database. */
export interface Peers {
  /** The longest text that can be told at once, in bytes. */
  readonly longest: number
  /** Tells all of them. @throws Failure `storage_unavailable`. */
  broadcast (news: string): Promise<void>
  /** From now on `ear` is told what others tell, while this server can hear them at all. */
  onBroadcast (ear: (news: string) => void): void
}

/** Counts that were made elsewhere, to be added; fewer than none: they were taken back. */
export type Merge = (key: string, n: number, now: Date) => void

/** Begins to share one kind of count; what it returns is to be called with each that is made here. */
export type Share = (absorb: Merge) => (key: string, n: number) => void

export interface SharedCounters {
  /** The counts that every server calls `name`; undefined: there are no other servers. */
  of (name: string): Share | undefined
  /** Tells what has not been told. */
  stop (): Promise<void>
}

/** Where one server is all there is. */
export const unshared: SharedCounters = { of: () => undefined, stop: async () => {} }

/** When so many keys wait they are told at once. */
const manyKeys = 5_000

/** More keys than that are not remembered while others are being told: an attacker can make up any number of them. */
const mostKeys = 10_000

/** `[name, key, n]`, as it travels. */
type Count = [string, string, number]

/** Tells what was counted once in `intervalMs`, or sooner where it is about many keys. */
export function sharedCounters (peers: Peers, clock: Clock, intervalMs = 500, report: Report = warn): SharedCounters {
  const absorbing = new Map<string, Merge>()
  let untold = new Map<string, Count>()
  let isFull = false

  peers.onBroadcast(news => {
    const now = clock()
    for (const [name, key, n] of readNews(news)) absorbing.get(name)?.(key, n, now)
  })

  const note = (name: string, key: string, n: number) => {
    const known = untold.get(`${name} ${key}`)
    if (known !== undefined) known[2] += n
    else if (untold.size < mostKeys) untold.set(`${name} ${key}`, [name, key, n])
    if (untold.size < manyKeys) schedule()
    else if (!isFull) tellAtOnce()
  }
  const tellAll = async () => {
    const counts = [...untold.values()].filter(([, , n]) => n !== 0)
    untold = new Map()
    // What cannot be told is forgotten: told later, it would be counted as if it had been let through then.
    for (const news of inPieces(counts, peers.longest)) await peers.broadcast(news).catch(report)
  }
  const { schedule, flush, stop } = batchWriter(
    { size: () => untold.size, write: tellAll }, intervalMs, Infinity, report
  )
  const tellAtOnce = () => {
    isFull = true
    flush().finally(() => { isFull = false })
  }

  return {
    of: name => absorb => {
      absorbing.set(name, absorb)
      return (key, n) => { note(name, key, n) }
    },
    stop: () => stop(),
  }
}

/** JSON texts of at most so many bytes. A count that is longer by itself is left out: no key of ours is. */
function inPieces (counts: readonly Count[], longest: number): string[] {
  const pieces: string[] = []
  let piece = ''
  for (const text of counts.map(count => JSON.stringify(count))) {
    if (Buffer.byteLength(piece) + Buffer.byteLength(text) + 3 > longest) {
      if (piece !== '') pieces.push(`[${piece}]`)
      piece = ''
    }
    if (Buffer.byteLength(text) + 2 <= longest) piece += piece === '' ? text : `,${text}`
  }
  return piece === '' ? pieces : [...pieces, `[${piece}]`]
}

/** Nothing where it is none: a server of another version may speak otherwise. */
function readNews (news: string): Count[] {
  try {
    const read: unknown = JSON.parse(news)
    return Array.isArray(read) ? read.filter(isCount) : []
  } catch {
    return []
  }
}

function isCount (value: unknown): value is Count {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string' &&
    Number.isSafeInteger(value[2])
}

/**
 * What happens too often for a row each: refusals, and uses of the admin token. The audit log has enough to see an
 * attack and who is behind it, never so much that the log is the attack. The first is written at once; what the same
 * party does again within a minute is counted, and a later row says how many it stands for besides itself. So the
 * totals are true: the rows, and the sum of what they say was omitted.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { addressBlock } from '../../base/ip-address.ts'
import { attempt, warn, type Report } from '../../telemetry/background.ts'
import { lru } from '../../base/lru.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEvent } from './event.ts'
import { type AuditLog } from './log.ts'
import { pauseBetweenLastAttempts } from '../core/batch-writer.ts'

export const sampledTypes = [
  'client.refused', 'credential.refused', 'credential.reuse_detected', 'introspection.refused', 'admin_token.used'
] as const

export interface RefusalEntry {
  type: typeof sampledTypes[number]
  /** The precise reason; never holds a secret. Null: it was no refusal. */
  reason: string | null
  /** The id of a credential that exists; null when it is not known: what a stranger made up is no subject. */
  subject: string | null
  organizationId: string | null
  address: string | null
  requestId: string | null
  detail?: Record<string, unknown>
}

export interface RefusalLog {
  /** Returns at once and never throws; the row is written behind the request's back. */
  record (refusal: RefusalEntry): void
  /** Resolves when everything recorded so far is written or given up; what is only counted stays counted. */
  flush (): Promise<void>
  /**
   * Writes what was only counted, too, trying again until `until`, by `performance.now()`. Returns how many entries are
   * lost.
   */
  stop (until?: number): Promise<number>
}

export interface RefusalLimits {
  /** How many refused parties are kept in mind. */
  parties: number
  /** How many rows of a type a minute may have, whoever is refused. */
  rowsPerMinute: number
  /** How many rows may wait for a slow database. */
  waiting: number
}

const defaults: RefusalLimits = { parties: 10_000, rowsPerMinute: 600, waiting: 1_000 }

/** The reason of the row that counts what had no room for a row of its own, whoever it was about. */
export const tooMany = 'too_many_to_write'

type Sampled = RefusalEntry['type']

/**
 * A row as it will be written, but for its time and for how much it stands for: what cannot become one is found out
 * when it is recorded.
 */
interface Row { party: string, event: AuditEvent & { type: Sampled } }

interface Seen { row: Row, minute: number, omitted: number }

/** Keeps the rows of one process: at most one per party, reason and minute. */
export function refusalLog (
  store: { audit: Pick<AuditLog, 'append'> }, clock: Clock, limits: RefusalLimits = defaults, report: Report = warn
): RefusalLog {
  const lost = new Map<Sampled, number>()
  const lose = (type: Sampled, count: number) => {
    if (count > 0) lost.set(type, (lost.get(type) ?? 0) + count)
  }
  const seen = lru<Seen>(limits.parties, {
    dispose: ({ row, omitted }, _key, why) => {
      if (why === 'evict') lose(row.event.type, omitted)
    }
  })
  const waiting: { event: AuditEvent & { type: Sampled }, count: number }[] = []
  const written = new Map<Sampled, { minute: number, rows: number }>()
  let writing = Promise.resolve()
  let busy = false
  let timer: NodeJS.Timeout | null = null
  let swept = 0
  let closed = false

  const write = async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      const { event, count } = row
      // A database that cannot be reached must not turn a refusal into a failure: the row is given up, and counted.
      await attempt(() => store.audit.append(event), error => {
        lose(event.type, count)
        report(error)
      })
    }
    busy = false
    if (lost.size > 0) sweepLater()
  }
  const enqueue = ({ event }: Row, now: Date, omitted: number) => {
    const detail = omitted > 0 ? { ...event.detail, omitted } : event.detail
    waiting.push({ event: { ...event, id: newId('evt'), createdAt: now, detail }, count: omitted + 1 })
    if (busy) return
    busy = true
    writing = new Promise<void>(resolve => setImmediate(resolve)).then(write)
  }
  const hasRoom = (type: Sampled, minute: number): boolean => {
    let rows = written.get(type)
    if (rows?.minute !== minute) written.set(type, rows = { minute, rows: 0 })
    if (rows.rows >= limits.rowsPerMinute || waiting.length >= limits.waiting) return false
    rows.rows++
    return true
  }
  /**
   * Writes what was counted of parties that are silent since, and what had no room. One of what was counted becomes the
   * row.
   */
  const sweep = (now: Date, silentBefore: number) => {
    const minute = minuteOf(now)
    swept = minute
    for (const { row, omitted, minute: last } of seen.values()) {
      if (omitted === 0 || last >= silentBefore) continue
      seen.delete(row.party)
      if (hasRoom(row.event.type, minute)) enqueue(row, now, omitted - 1)
      else lose(row.event.type, omitted)
    }
    for (const [type, count] of [...lost]) {
      lost.delete(type)
      enqueue(
        rowOf({ type, reason: tooMany, subject: null, organizationId: null, address: null, requestId: null }, now), now,
        count - 1
      )
    }
  }
  const sweepLater = () => {
    if (closed) return
    timer ??= setTimeout(() => {
      timer = null
      attempt(() => {
        const now = clock()
        sweep(now, minuteOf(now) - 1)
      }, report)
      if (lost.size > 0 || [...seen.values()].some(({ omitted }) => omitted > 0)) sweepLater()
    }, 60_000).unref()
  }
  const sample = (entry: RefusalEntry, now: Date) => {
    const minute = minuteOf(now)
    const party = partyOf(entry)
    const before = seen.get(party)
    if (before?.minute === minute) {
      before.omitted++
      sweepLater()
    } else if (hasRoom(entry.type, minute)) {
      const row = rowOf(entry, now, party)
      seen.set(party, { row, minute, omitted: 0 })
      enqueue(row, now, before?.omitted ?? 0)
    } else {
      lose(entry.type, 1)
      sweepLater()
    }
    if (minute > swept) sweep(now, minute - 1)
  }
  const writeAll = async () => {
    sweep(clock(), Infinity)
    await writing
  }

  return {
    record (entry) {
      try {
        sample(entry, clock())
      } catch (error) {
        // What cannot become a row is counted all the same.
        lose(entry.type, 1)
        sweepLater()
        report(error)
      }
    },
    flush: () => writing,
    async stop (until = -Infinity) {
      closed = true
      if (timer !== null) clearTimeout(timer)
      await writing
      await writeAll()
      while (lost.size > 0 && performance.now() < until) {
        await pause(pauseBetweenLastAttempts)
        await writeAll()
      }
      return [...lost.values()].reduce((sum, count) => sum + count, 0)
    },
  }
}

function minuteOf (now: Date): number {
  return Math.floor(now.getTime() / 60_000)
}

/** Who uses the admin token is told apart by address: it is one credential for everybody who has it. */
function partyOf ({ type, subject, address, reason }: RefusalEntry): string {
  const block = address === null ? null : addressBlock(address)
  return JSON.stringify([type, reason, type === 'admin_token.used' ? block : subject ?? block])
}

function rowOf (
  { type, reason, subject, organizationId, address, requestId, detail }: RefusalEntry, now: Date, party = ''
): Row {
  const actor = {
    id: subject ?? 'anonymous', organizationId, scopes: [], creator: null, restrictions: null, address, requestId
  }
  const event = auditEvent(actor, now, type, {
    organizationId, subject, detail: { ...(reason === null ? {} : { reason }), ...detail }
  })
  return { party, event: { ...event, type } }
}

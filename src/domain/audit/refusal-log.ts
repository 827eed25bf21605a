/**
 * Audit rows of frequent events: refusals, and uses of the admin token. The log shows an attack and its origin without
 * becoming an attack on storage itself. The first event is written at once; repetitions by the same party within a
 * minute are counted, and a later row holds their number as `omitted`. So the totals are exact: the rows, plus the sum
 * of what they omitted.
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
  'client.refused', 'credential.refused', 'credential.reuse_detected', 'introspection.refused', 'admin_token.used',
  'sign_in_link.refused', 'sign_in.refused', 'passkey.refused', 'authorization.refresh_repeated', 'workload.admitted',
  'workload.refused'
] as const

export interface RefusalEntry {
  type: typeof sampledTypes[number]
  /** The precise reason; never holds a secret. Null: not a refusal. */
  reason: string | null
  /** The id of an existing credential; null: unknown. An id that a caller made up is not a subject. */
  subject: string | null
  organizationId: string | null
  address: string | null
  requestId: string | null
  detail?: Record<string, unknown>
  /** Tells apart those that share a subject, such as the workloads of one rule; absent: the subject does. */
  party?: string
}

export interface RefusalLog {
  /** Returns at once and never throws; the row is written in the background. */
  record (refusal: RefusalEntry): void
  /** Resolves when every recorded entry is written or given up; counted entries stay counted. */
  flush (): Promise<void>
  /**
   * Writes counted entries too, and retries until `until`, by `performance.now()`. Returns the number of lost entries.
   */
  stop (until?: number): Promise<number>
}

export interface RefusalLimits {
  /** Refused parties in memory, at most. */
  parties: number
  /** Rows of a type in a minute, at most, over all parties. */
  rowsPerMinute: number
  /** Rows in the queue for a slow database, at most. */
  waiting: number
}

const defaults: RefusalLimits = { parties: 10_000, rowsPerMinute: 600, waiting: 1_000 }

/** The reason of a row that counts entries without room for a row of their own, of any party. */
export const tooMany = 'too_many_to_write'

type Sampled = RefusalEntry['type']

/**
 * A row without its time and its count. Built when it is recorded, so that an entry that cannot become a row is found
 * then.
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
      // A failed write must not turn a refusal into a failure: the row is given up, and counted.
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
   * Writes the counts of parties without a newer entry, and those without room. One counted entry becomes the row
   * itself.
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
      // The row of the count names the last request, which has no row of its own.
      before.row = rowOf(entry, now, party)
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
        // An entry that cannot become a row is counted as well.
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

/** Uses of the admin token are told apart by address: all its holders share one credential. */
function partyOf ({ type, subject, address, reason, party }: RefusalEntry): string {
  const block = address === null ? null : addressBlock(address)
  if (party !== undefined) return JSON.stringify([type, reason, subject, party])
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

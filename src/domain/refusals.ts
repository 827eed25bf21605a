/**
 * Refusals in the audit log: enough to see an attack and who is behind it, never so many that the log is the attack. Who
 * is refused again for the same reason within a minute is counted, not written; the next row says how many were left out.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { addressBlock } from '../address.ts'
import { auditEvent, type AuditEvent, type AuditLog } from './audit.ts'

export interface RefusalEntry {
  type: 'client.refused' | 'credential.refused'
  /** The precise reason; never holds a secret. */
  reason: string
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
  /** Resolves when everything recorded so far is written or given up. */
  flush (): Promise<void>
}

export interface RefusalLimits {
  /** How many refused parties are kept in mind. */
  parties: number
  /** How many rows a minute may have, whoever is refused. */
  rowsPerMinute: number
  /** How many rows may wait for a slow database. */
  waiting: number
}

const defaults: RefusalLimits = { parties: 10_000, rowsPerMinute: 600, waiting: 1_000 }

interface Seen { minute: number, omitted: number }

/** Keeps the refusal rows of one process: at most one per party, reason and minute. */
export function refusalLog (store: { audit: AuditLog }, clock: Clock, limits: RefusalLimits = defaults): RefusalLog {
  const seen = new LRUCache<string, Seen>({ max: limits.parties })
  const waiting: AuditEvent[] = []
  let written = { minute: 0, rows: 0 }
  let writing = Promise.resolve()
  let busy = false

  const write = async () => {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      // A database that cannot be reached must not turn a refusal into a failure: the row is given up.
      await store.audit.append(event).catch(() => {})
    }
    busy = false
  }

  return {
    record (refusal) {
      const now = clock()
      const minute = Math.floor(now.getTime() / 60_000)
      const key = partyOf(refusal)
      const before = seen.get(key)
      if (before?.minute === minute) {
        before.omitted++
        return
      }
      if (written.minute !== minute) written = { minute, rows: 0 }
      if (written.rows >= limits.rowsPerMinute || waiting.length >= limits.waiting) return
      written.rows++
      seen.set(key, { minute, omitted: 0 })
      waiting.push(rowOf(refusal, now, before?.omitted ?? 0))
      if (busy) return
      busy = true
      writing = new Promise<void>(resolve => setImmediate(resolve)).then(write)
    },
    flush: () => writing,
  }
}

function partyOf ({ type, subject, address, reason }: RefusalEntry): string {
  return JSON.stringify([type, reason, subject ?? (address === null ? null : addressBlock(address))])
}

function rowOf ({ type, reason, subject, organizationId, address, requestId, detail }: RefusalEntry, now: Date, omitted: number): AuditEvent {
  const actor = { id: subject ?? 'anonymous', organizationId, scopes: [], creator: null, address, requestId }
  return auditEvent(actor, now, type, { organizationId, subject, detail: { reason, ...(omitted > 0 ? { omitted } : {}), ...detail } })
}

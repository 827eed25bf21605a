/** Reads audit events, also when rows were edited by hand and are unreadable. */
import { deploymentChain, type ChainedEvent } from '../../../domain/audit/chain.ts'
import { unreadableType, type AuditEvent } from '../../../domain/audit/event.ts'
import type { Page, PageQuery } from '../../../domain/core/page.ts'
import type { Prisma, Queries } from '../../engine/prisma.ts'
import { toPage } from '../../rows/rows.ts'
import { unlessUnreadable } from './unreadable.ts'

type EventRow = Prisma.AuditEventGetPayload<object>

/** A page of events, in spite of rows that were edited by hand and are unreadable. */
export async function eventPage (
  queries: Queries, which: Prisma.AuditEventFindManyArgs, query: PageQuery
): Promise<Page<AuditEvent>> {
  const rows = await unlessUnreadable(() => queries.auditEvent.findMany(which))
  return rows === null || !rows.every(isReadable)
    ? await pageAmongUnreadable(queries, which, query)
    : toPage(rows, query, readEvent)
}

/**
 * As `eventPage`, row by row. A row without a time has no place in the order of cursors: it is shown beside the rows
 * that have one, beyond `limit`, and never last on a page that another follows.
 */
async function pageAmongUnreadable (
  { auditEvent: table }: Queries, which: Prisma.AuditEventFindManyArgs, { limit }: PageQuery
): Promise<Page<AuditEvent>> {
  const items: AuditEvent[] = []
  let [timed, end] = [0, 0]
  for (let skip = 0; ; skip += limit) {
    const places = await table.findMany({
      ...which, skip, take: limit, select: { id: true, chain: true, sequence: true }
    })
    for (const { id, chain, sequence } of places) {
      const row = await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id } }))
      const createdAt = row?.createdAt ??
        (await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id }, select: { createdAt: true } })))
          ?.createdAt
      const hasTime = createdAt !== undefined && isInstant(createdAt)
      if (hasTime && timed === limit) return { items: items.slice(0, end), hasMore: true }
      items.push(
        row !== null && isReadable(row)
          ? readEvent(row)
          : { ...unreadable(id, chain, Number(sequence)), ...(hasTime ? { createdAt } : {}) }
      )
      if (hasTime) [timed, end] = [timed + 1, items.length]
    }
    if (places.length < limit) return { items, hasMore: false }
  }
}

function isReadable ({ createdAt, detail }: EventRow): boolean {
  return isInstant(createdAt) && typeof detail === 'object' && detail !== null && !Array.isArray(detail)
}

function isInstant (time: Date): boolean {
  return !Number.isNaN(time.getTime())
}

function readEvent (
  { chain: _, sequence: _s, previous: _p, hash: _h, mac: _m, key: _k, ...row }: EventRow
): AuditEvent {
  return { ...row, type: row.type as AuditEvent['type'], detail: row.detail as Record<string, unknown> }
}

function readChained (row: EventRow): ChainedEvent {
  const { chain, sequence, previous, hash, mac, key } = row
  if (!isReadable(row)) return unreadable(row.id, chain, Number(sequence))
  return { ...readEvent(row), chain, sequence: Number(sequence), previous, hash, mac, key }
}

/** Rows of a chain. SQLite stores any value in a column: an unreadable row keeps its id, chain and number. */
export async function chainedRows (
  { auditEvent: table }: Queries, which: Prisma.AuditEventFindManyArgs
): Promise<ChainedEvent[]> {
  const found = await unlessUnreadable(() => table.findMany(which))
  if (found !== null) return found.map(readChained)
  const rows: ChainedEvent[] = []
  const places = await table.findMany({ ...which, select: { id: true, chain: true, sequence: true } })
  for (const { id, chain, sequence } of places) {
    const row = await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id } }))
    rows.push(row === null ? unreadable(id, chain, Number(sequence)) : readChained(row))
  }
  return rows
}

/** Stands for an unreadable row. Its hash is invalid, so verification finds it edited. */
function unreadable (id: string, chain: string, sequence: number): ChainedEvent {
  const unknown = {
    type: unreadableType as AuditEvent['type'], actor: '', subject: null, address: null, requestId: null, detail: {}
  }
  const organizationId = chain === deploymentChain ? null : chain
  const unsealed = { previous: '', hash: 'unreadable', mac: '', key: '' }
  return { id, createdAt: new Date(0), organizationId, ...unknown, chain, sequence, ...unsealed }
}

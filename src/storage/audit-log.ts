import { chainOf, deploymentChain, link, sealHead, type ChainedEvent, type ChainHead, type ChainKeys } from '../domain/audit-chain.ts'
import { auditEvent, systemActor, unreadableType, type AuditEvent, type AuditFilter, type AuditLog } from '../domain/audit.ts'
import type { Page, PageQuery } from '../domain/page.ts'
import { Failure } from '../errors.ts'
import { prismaColumns, type Columns } from './columns.ts'
import { asFailure, isUniqueViolation } from './failures.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, pageOf, toPage, type Row } from './rows.ts'

/** `append` and `prune` take a transaction: a row and the head of its chain are written together. */
export function auditLog (queries: Queries, keys: ChainKeys): AuditLog {
  const { auditEvent: table, auditChain: chains } = queries
  const append = async (event: AuditEvent): Promise<void> => {
    const head = await takeHead(queries, chainOf(event), event.createdAt)
    const { hash, ...row } = link(event, head.sequence, head.hash, keys)
    await insertRow(queries, { ...row, hash })
    await writeSeal(queries, sealHead({ ...head, hash }, keys))
    // So that a chain that is gone altogether is missed.
    if (head.sequence === 1 && head.id !== deploymentChain) {
      await append(auditEvent(systemActor, event.createdAt, 'audit.chain_opened', { organizationId: null, subject: head.id }))
    }
  }
  return {
    append,
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return await eventPage(queries, { ...page, where: { AND: [where, conditionsOf(filter)] } }, query)
    },
    async chained ({ chain, sequence }, limit, filter) {
      return await chainedRows(queries, { take: limit, orderBy: { sequence: 'asc' }, where: { AND: [{ chain, sequence: { gt: BigInt(sequence) } }, conditionsOf(filter)] } })
    },
    async head (id) {
      const row = await chains.findUnique({ where: { id } })
      return row && readHead(row)
    },
    async heads (query, { chain }) {
      const { where, ...page } = pageOf(query)
      return toPage(await chains.findMany({ ...page, where: { AND: [where, chain === undefined ? {} : { id: chain }] } }), query, readHead)
    },
    async withoutHead (ids) {
      const found = new Set((await chains.findMany({ where: { id: { in: [...ids] } }, select: { id: true } })).map(({ id }) => id))
      return ids.filter(id => !found.has(id))
    },
    async nextChain (after) {
      const [next] = await queries.$queryRaw<{ id: string | null }[]>`
        SELECT MIN("id") AS "id" FROM (
          SELECT MIN("id") AS "id" FROM "AuditChain" WHERE "id" > ${after}
          UNION ALL SELECT MIN("chain") AS "id" FROM "AuditEvent" WHERE "chain" > ${after}
        ) AS "next"`
      return next?.id ?? null
    },
    async headsNotUnder (key, limit) {
      return (await chains.findMany({ where: { NOT: { key } }, orderBy: { id: 'asc' }, take: limit })).map(readHead)
    },
    async reseal ({ id, sequence, mac: before }, { mac, key }) {
      await chains.updateMany({ where: { id, sequence: BigInt(sequence), mac: before }, data: { mac, key } })
    },
    async firstSince (chain, before) {
      const row = await table.findFirst({ where: { chain, createdAt: { gte: before } }, orderBy: { sequence: 'asc' }, select: { sequence: true } })
      return row && Number(row.sequence)
    },
    async prune (id, through, prunedHash) {
      const row = await chains.update({ where: { id }, data: { pruned: BigInt(through), prunedHash } })
      await writeSeal(queries, sealHead(readHead(row), keys))
      await table.deleteMany({ where: { chain: id, sequence: { lte: BigInt(through) } } })
    },
  }
}

/** The head of a chain, moved on by one and held until the transaction ends: on PostgreSQL whoever else adds to the chain waits, or runs again. */
async function takeHead (queries: Queries, id: string, createdAt: Date): Promise<Omit<ChainHead, 'mac' | 'key'>> {
  const [head] = await queries.$queryRaw<{ createdAt: Date, sequence: bigint, hash: string, pruned: bigint, prunedHash: string }[]>`
    INSERT INTO "AuditChain" ("id", "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash")
    VALUES (${id}, ${createdAt}, 1, '', '', '', 0, '')
    ON CONFLICT ("id") DO UPDATE SET "sequence" = "AuditChain"."sequence" + 1
    RETURNING "createdAt", "sequence", "hash", "pruned", "prunedHash"`
  const { sequence, pruned, ...rest } = head!
  return { ...rest, id, sequence: Number(sequence), pruned: Number(pruned) }
}

async function insertRow ({ auditEvent: table }: Queries, row: ChainedEvent): Promise<void> {
  try {
    await table.createMany({ data: [{ ...row, sequence: BigInt(row.sequence), detail: json(row.detail) }] })
  } catch (error) {
    if (!isTaken(error)) throw error
    throw new Failure('internal', { detail: `the head of the audit chain ${row.chain} was altered: row ${row.sequence} exists already. Run latchkey audit verify.`, cause: error })
  }
}

function isTaken (error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof Failure && error.code === 'conflict')
}

async function writeSeal ({ auditChain: chains }: Queries, { id, hash, mac, key }: ChainHead): Promise<void> {
  await chains.updateMany({ where: { id }, data: { hash, mac, key } })
}

function conditionsOf ({ organizationId, actor, type, types, subject, from, until }: AuditFilter): Prisma.AuditEventWhereInput {
  return {
    organizationId,
    actor,
    subject,
    type: types === undefined ? type : { in: [...types], equals: type },
    createdAt: { gte: from, lt: until },
  }
}

type EventRow = Prisma.AuditEventGetPayload<object>

/** A page of events; a row that somebody made unreadable by hand keeps nobody from the others. */
async function eventPage (queries: Queries, which: Prisma.AuditEventFindManyArgs, query: PageQuery): Promise<Page<AuditEvent>> {
  const rows = await unlessUnreadable(() => queries.auditEvent.findMany(which))
  return rows === null || !rows.every(isReadable) ? await pageAmongUnreadable(queries, which, query) : toPage(rows, query, readEvent)
}

/**
 * As `eventPage`, row by row. What has no time has no place in the order that cursors go by: it is shown beside the rows
 * that have one, over and above `limit`, and never last on a page that another follows.
 */
async function pageAmongUnreadable ({ auditEvent: table }: Queries, which: Prisma.AuditEventFindManyArgs, { limit }: PageQuery): Promise<Page<AuditEvent>> {
  const items: AuditEvent[] = []
  let [timed, end] = [0, 0]
  for (let skip = 0; ; skip += limit) {
    const places = await table.findMany({ ...which, skip, take: limit, select: { id: true, chain: true, sequence: true } })
    for (const { id, chain, sequence } of places) {
      const row = await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id } }))
      const createdAt = row?.createdAt ?? (await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id }, select: { createdAt: true } })))?.createdAt
      const hasTime = createdAt !== undefined && isInstant(createdAt)
      if (hasTime && timed === limit) return { items: items.slice(0, end), hasMore: true }
      items.push(row !== null && isReadable(row) ? readEvent(row) : { ...unreadable(id, chain, Number(sequence)), ...(hasTime ? { createdAt } : {}) })
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

/** What `read` finds; null: something that it found is no value of its column. */
async function unlessUnreadable<T> (read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (asFailure(error) instanceof Failure) throw error
    return null
  }
}

function readEvent ({ chain: _, sequence: _s, previous: _p, hash: _h, mac: _m, key: _k, ...row }: EventRow): AuditEvent {
  return { ...row, type: row.type as AuditEvent['type'], detail: row.detail as Record<string, unknown> }
}

function readChained (row: EventRow): ChainedEvent {
  const { chain, sequence, previous, hash, mac, key } = row
  if (!isReadable(row)) return unreadable(row.id, chain, Number(sequence))
  return { ...readEvent(row), chain, sequence: Number(sequence), previous, hash, mac, key }
}

/** SQLite keeps whatever is written into a column by hand: one row that is no row any more must not hide which one it is. */
async function chainedRows ({ auditEvent: table }: Queries, which: Prisma.AuditEventFindManyArgs): Promise<ChainedEvent[]> {
  const found = await unlessUnreadable(() => table.findMany(which))
  if (found !== null) return found.map(readChained)
  const rows: ChainedEvent[] = []
  for (const { id, chain, sequence } of await table.findMany({ ...which, select: { id: true, chain: true, sequence: true } })) {
    const row = await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id } }))
    rows.push(row === null ? unreadable(id, chain, Number(sequence)) : readChained(row))
  }
  return rows
}

/** What stands for a row that cannot be read. Its hash is no hash: verification finds it edited. */
function unreadable (id: string, chain: string, sequence: number): ChainedEvent {
  const unknown = { type: unreadableType as AuditEvent['type'], actor: '', subject: null, address: null, requestId: null, detail: {} }
  const organizationId = chain === deploymentChain ? null : chain
  return { id, createdAt: new Date(0), organizationId, ...unknown, chain, sequence, previous: '', hash: 'unreadable', mac: '', key: '' }
}

/** The record of a row, each of its columns once. */
export function readChainHead (row: Row, { text, instant }: Columns): ChainHead {
  return {
    id: text(row.id),
    createdAt: instant(row.createdAt),
    sequence: Number(row.sequence),
    hash: text(row.hash),
    mac: text(row.mac),
    key: text(row.key),
    pruned: Number(row.pruned),
    prunedHash: text(row.prunedHash),
  }
}

function readHead (row: Row): ChainHead {
  return readChainHead(row, prismaColumns)
}

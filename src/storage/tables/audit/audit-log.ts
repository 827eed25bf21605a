import {
  brokenChain, chainOf, deploymentChain, isSealed, link, sealHead, type ChainedEvent, type ChainHead, type ChainKeys
} from '../../../domain/audit/chain.ts'
import { auditEvent, unreadableType, type AuditEvent } from '../../../domain/audit/event.ts'
import type { AuditFilter, AuditLog } from '../../../domain/audit/log.ts'
import { systemActor } from '../../../domain/core/actor.ts'
import type { Page, PageQuery } from '../../../domain/core/page.ts'
import { Failure } from '../../../base/errors.ts'
import { prismaColumns, type Columns } from '../../rows/columns.ts'
import { asFailure, isSerializationConflict, isUniqueViolation } from '../../engine/failures.ts'
import type { Prisma, Queries } from '../../engine/prisma.ts'
import { json, pageOf, toPage, type Row } from '../../rows/rows.ts'

/** The keys of the storages of this process that take a deployment's chain that is not there to be gone. */
const expecting = new WeakSet<ChainKeys>()

/** How many rows about one subject are looked at: of the types that are asked for there are a few. */
const mostAbout = 1_000

/**
 * `append`, `resume`, `holdHead` and `prune` take a transaction: a row and the head of its chain are written together.
 */
export function auditLog (queries: Queries, keys: ChainKeys): AuditLog {
  const { auditEvent: table, auditChain: chains } = queries
  const append = async (event: AuditEvent): Promise<void> => {
    const { mac, key, ...before } = await takeHead(queries, chainOf(event), event.createdAt)
    const opens = before.sequence === 0 && before.hash + mac + key === ''
    if (opens) await requireNew(before.id)
    else requireSealed({ ...before, mac, key }, keys)
    const { sequence, hash, ...row } = link(event, before.sequence + 1, before.hash, keys)
    await insertRow(queries, { ...row, sequence, hash })
    await writeSeal(queries, sealHead({ ...before, sequence, hash }, keys))
    // So that a chain that is gone altogether is missed.
    if (opens && before.id !== deploymentChain) {
      await append(
        auditEvent(systemActor, event.createdAt, 'audit.chain_opened', { organizationId: null, subject: before.id })
      )
    }
  }
  /** @throws Failure `audit_chain_broken` for a chain that there was before. */
  const requireNew = async (chain: string): Promise<void> => {
    if (chain === deploymentChain) {
      if (expecting.has(keys)) throw brokenChain(chain, 'its head is gone')
      return
    }
    const [opened] = await log.about(deploymentChain, chain, ['audit.chain_opened'])
    if (opened !== undefined) {
      throw brokenChain(
        chain, `its head is gone, and row ${opened.sequence} of the chain ${deploymentChain} says that it was opened`
      )
    }
  }
  const log: AuditLog = {
    append,
    async resume (event, sequence, previous) {
      const { hash, ...row } = link(event, sequence, previous, keys)
      await insertRow(queries, { ...row, hash })
      const { id, createdAt, ...head } = sealHead({
        id: row.chain, createdAt: event.createdAt, sequence, hash, pruned: 0, prunedHash: '', kept: ''
      }, keys)
      const columns = { ...head, sequence: BigInt(sequence), pruned: 0n }
      await chains.upsert({ where: { id }, create: { id, createdAt, ...columns }, update: columns })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return await eventPage(queries, { ...page, where: { AND: [where, conditionsOf(filter)] } }, query)
    },
    async chained ({ chain, sequence }, limit, filter) {
      return await chainedRows(queries, {
        take: limit,
        orderBy: { sequence: 'asc' },
        where: { AND: [{ chain, sequence: { gt: BigInt(sequence) } }, conditionsOf(filter)] }
      })
    },
    async about (chain, subject, types) {
      // Without the chain: there is an index for the subject, and a chain may be long.
      const rows = await chainedRows(queries, {
        take: mostAbout, orderBy: { createdAt: 'desc' }, where: conditionsOf({ subject, types })
      })
      return rows.filter(row => row.chain === chain).sort((one, other) => one.sequence - other.sequence)
    },
    async head (id) {
      const found = await unlessUnreadable(() => chains.findMany({ where: { id } }))
      // Its seal is none: verification finds it altered.
      if (found === null) {
        return {
          id,
          createdAt: new Date(0),
          sequence: 0,
          hash: 'unreadable',
          mac: '',
          key: keys[0]!.id,
          pruned: 0,
          prunedHash: '',
          kept: ''
        }
      }
      return found[0] === undefined ? null : readHead(found[0])
    },
    async holdHead (id) {
      await chains.updateMany({ where: { id }, data: { sequence: { increment: 0n } } })
      return await log.head(id)
    },
    async heads (query, { chain }) {
      const { where, ...page } = pageOf(query)
      const which = { ...page, where: { AND: [where, chain === undefined ? {} : { id: chain }] } }
      const found = await unlessUnreadable(() => chains.findMany(which))
      if (found !== null) return toPage(found, query, readHead)
      const each = await chains.findMany({ ...which, select: { id: true } })
      return toPage(await Promise.all(each.map(async ({ id }) => (await log.head(id))!)), query, head => head)
    },
    async withoutHead (ids) {
      const found = new Set(
        (await chains.findMany({ where: { id: { in: [...ids] } }, select: { id: true } })).map(({ id }) => id)
      )
      return ids.filter(id => !found.has(id))
    },
    async unplaced (chain) {
      const [found] = chain === ''
        ? await queries.$queryRaw<
          { id: string }[]
        >`SELECT "id" FROM "AuditEvent" WHERE "chain" = '' OR "chain" IS NULL LIMIT 1`
        : await queries.$queryRaw<
          { id: string }[]
        >`SELECT "id" FROM "AuditEvent" WHERE "chain" = ${chain} AND ("sequence" < 1 OR "sequence" IS NULL) LIMIT 1`
      return found?.id ?? null
    },
    async nextChain (after) {
      const [next] = await queries.$queryRaw<{ id: string | null }[]>`
        SELECT MIN("id") AS "id" FROM (
          SELECT MIN("id") AS "id" FROM "AuditChain" WHERE "id" > ${after}
          UNION ALL SELECT MIN("chain") AS "id" FROM "AuditEvent" WHERE "chain" > ${after}
        ) AS "next"`
      return next?.id ?? null
    },
    async isNew () {
      const [found] = await queries.$queryRaw<{ id: string }[]>`
        SELECT "id" FROM "AuditChain" UNION ALL SELECT "id" FROM "AuditEvent" UNION ALL SELECT "kid" AS "id" FROM "SigningKey"
        UNION ALL SELECT "id" FROM "Organization" UNION ALL SELECT "id" FROM "Client" LIMIT 1`
      return found === undefined
    },
    expectChain () {
      expecting.add(keys)
    },
    async headsNotUnder (key, limit) {
      return (await chains.findMany({ where: { NOT: { key } }, orderBy: { id: 'asc' }, take: limit })).map(readHead)
    },
    async reseal ({ id, sequence, mac: before }, { mac, key }) {
      await chains.updateMany({ where: { id, sequence: BigInt(sequence), mac: before }, data: { mac, key } })
    },
    async prune ({ id, pruned: from }, head, staying) {
      const { pruned, prunedHash, kept, mac, key } = sealHead(head, keys)
      await chains.updateMany({ where: { id }, data: { pruned: BigInt(pruned), prunedHash, kept, mac, key } })
      await table.deleteMany({
        where: { chain: id, sequence: { gt: BigInt(from), lte: BigInt(pruned) }, type: { notIn: [...staying] } }
      })
    }
  }
  return log
}

/**
 * The head of a chain as it was, held until the transaction ends: on PostgreSQL whoever else adds to the chain waits,
 * or runs again. Its number is taken by then. One that there was not has no rows, hash and seal.
 */
async function takeHead (queries: Queries, id: string, createdAt: Date): Promise<ChainHead> {
  const [head] = await queries.$queryRaw<
    (Omit<ChainHead, 'id' | 'sequence' | 'pruned'> & { sequence: bigint, pruned: bigint })[]
  >`
    INSERT INTO "AuditChain" ("id", "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash", "kept")
    VALUES (${id}, ${createdAt}, 1, '', '', '', 0, '', '')
    ON CONFLICT ("id") DO UPDATE SET "sequence" = "AuditChain"."sequence" + 1
    RETURNING "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash", "kept"`.catch(error => {
      // SQLite keeps whatever is written into a column by hand: what is to be a number is none.
      throw error instanceof SyntaxError ? brokenChain(id, 'its head was altered') : error
    })
  const { sequence, pruned, ...rest } = head!
  return { ...rest, id, sequence: Number(sequence) - 1, pruned: Number(pruned) }
}

/** Going on from a head that somebody altered would seal what they did. @throws Failure `audit_chain_broken`. */
function requireSealed (head: ChainHead, keys: ChainKeys): void {
  switch (isSealed(head, keys)) {
    case false:
      throw brokenChain(head.id, 'its head was altered')
    case null:
      throw brokenChain(
        head.id,
        head.key === ''
          ? 'its rows are older than the chain and were not closed off'
          : 'its head is sealed under a secret that is not in LATCHKEY_SECRET'
      )
  }
}

async function insertRow ({ auditEvent: table }: Queries, row: ChainedEvent): Promise<void> {
  try {
    await table.createMany({ data: [{ ...row, sequence: BigInt(row.sequence), detail: json(row.detail) }] })
  } catch (error) {
    if (!isTaken(error)) throw error
    throw brokenChain(row.chain, `row ${row.sequence} is there already`)
  }
}

function isTaken (error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof Failure && error.code === 'conflict')
}

async function writeSeal ({ auditChain: chains }: Queries, { id, hash, mac, key }: ChainHead): Promise<void> {
  await chains.updateMany({ where: { id }, data: { hash, mac, key } })
}

function conditionsOf (
  { organizationId, actor, type, types, subject, from, until }: AuditFilter
): Prisma.AuditEventWhereInput {
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
async function eventPage (
  queries: Queries, which: Prisma.AuditEventFindManyArgs, query: PageQuery
): Promise<Page<AuditEvent>> {
  const rows = await unlessUnreadable(() => queries.auditEvent.findMany(which))
  return rows === null || !rows.every(isReadable)
    ? await pageAmongUnreadable(queries, which, query)
    : toPage(rows, query, readEvent)
}

/**
 * As `eventPage`, row by row. What has no time has no place in the order that cursors go by: it is shown beside the
 * rows that have one, over and above `limit`, and never last on a page that another follows.
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

/** What `read` finds; null: something that it found is no value of its column. */
async function unlessUnreadable<T> (read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (isSerializationConflict(error) || asFailure(error) instanceof Failure) throw error
    return null
  }
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

/**
 * SQLite keeps whatever is written into a column by hand: one row that is no row any more must not hide which one it
 * is.
 */
async function chainedRows (
  { auditEvent: table }: Queries, which: Prisma.AuditEventFindManyArgs
): Promise<ChainedEvent[]> {
  const found = await unlessUnreadable(() => table.findMany(which))
  if (found !== null) return found.map(readChained)
  const rows: ChainedEvent[] = []
  for (
    const { id, chain, sequence } of await table.findMany({
      ...which, select: { id: true, chain: true, sequence: true }
    })
  ) {
    const row = await unlessUnreadable(() => table.findUniqueOrThrow({ where: { id } }))
    rows.push(row === null ? unreadable(id, chain, Number(sequence)) : readChained(row))
  }
  return rows
}

/** What stands for a row that cannot be read. Its hash is no hash: verification finds it edited. */
function unreadable (id: string, chain: string, sequence: number): ChainedEvent {
  const unknown = {
    type: unreadableType as AuditEvent['type'], actor: '', subject: null, address: null, requestId: null, detail: {}
  }
  const organizationId = chain === deploymentChain ? null : chain
  return {
    id,
    createdAt: new Date(0),
    organizationId,
    ...unknown,
    chain,
    sequence,
    previous: '',
    hash: 'unreadable',
    mac: '',
    key: ''
  }
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
    kept: text(row.kept),
  }
}

function readHead (row: Row): ChainHead {
  return readChainHead(row, prismaColumns)
}

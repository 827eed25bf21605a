/** The audit log: events in chains, and a sealed head for each chain. */
import { Failure } from '../../../base/errors.ts'
import {
  brokenChain, chainOf, deploymentChain, link, sealHead, type ChainedEvent, type ChainKeys
} from '../../../domain/audit/chain.ts'
import { auditEvent, type AuditEvent } from '../../../domain/audit/event.ts'
import type { AuditFilter, AuditLog } from '../../../domain/audit/log.ts'
import { systemActor } from '../../../domain/core/actor.ts'
import { isUniqueViolation } from '../../engine/failures.ts'
import type { Prisma, Queries } from '../../engine/prisma.ts'
import { json, pageOf, toPage } from '../../rows/rows.ts'
import { readHead, requireSealed, takeHead, unreadableHead, writeSeal } from './chain-heads.ts'
import { eventCounts } from './event-counts.ts'
import { chainedRows, eventPage } from './event-rows.ts'
import { unlessUnreadable } from './unreadable.ts'

/** The keys of this process's storages for which a missing chain of the deployment means a deleted one. */
const expecting = new WeakSet<ChainKeys>()

/** Rows about one subject, at most: there are few of the requested types. */
const mostAbout = 1_000

/** `append`, `resume`, `holdHead` and `prune` need a transaction: a row and the head of its chain change together. */
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
    // Recorded in the deployment's chain, so that the deletion of a whole chain is found.
    if (opens && before.id !== deploymentChain) {
      await append(
        auditEvent(systemActor, event.createdAt, 'audit.chain_opened', { organizationId: null, subject: before.id })
      )
    }
  }
  /** @throws Failure `audit_chain_broken` for a chain that existed before. */
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
    counts: async filter => await eventCounts(queries, filter),
    async chained ({ chain, sequence }, limit, filter) {
      return await chainedRows(queries, {
        take: limit,
        orderBy: { sequence: 'asc' },
        where: { AND: [{ chain, sequence: { gt: BigInt(sequence) } }, conditionsOf(filter)] }
      })
    },
    async about (chain, subject, types) {
      // Not by chain: the subject has an index, and a chain may be long.
      const rows = await chainedRows(queries, {
        take: mostAbout, orderBy: { createdAt: 'desc' }, where: conditionsOf({ subject, types })
      })
      return rows.filter(row => row.chain === chain).sort((one, other) => one.sequence - other.sequence)
    },
    async head (id) {
      const found = await unlessUnreadable(() => chains.findMany({ where: { id } }))
      if (found === null) return unreadableHead(id, keys[0]!.id)
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
        ? await queries.$queryRaw<{ id: string }[]>`
          SELECT "id" FROM "AuditEvent" WHERE "chain" = '' OR "chain" IS NULL LIMIT 1`
        : await queries.$queryRaw<{ id: string }[]>`
          SELECT "id" FROM "AuditEvent" WHERE "chain" = ${chain} AND ("sequence" < 1 OR "sequence" IS NULL) LIMIT 1`
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
        SELECT "id" FROM "AuditChain"
        UNION ALL SELECT "id" FROM "AuditEvent"
        UNION ALL SELECT "kid" AS "id" FROM "SigningKey"
        UNION ALL SELECT "id" FROM "Organization"
        UNION ALL SELECT "id" FROM "Client" LIMIT 1`
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

function conditionsOf (
  { organizationId, actor, type, types, subject, requestId, address, from, until }: AuditFilter
): Prisma.AuditEventWhereInput {
  return {
    organizationId,
    actor,
    subject,
    requestId,
    address,
    type: types === undefined ? type : { in: [...types], equals: type },
    createdAt: { gte: from, lt: until },
  }
}

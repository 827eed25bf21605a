/** The heads of audit chains: each seals the rows of its chain. */
import { brokenChain, isSealed, type ChainHead, type ChainKeys } from '../../../domain/audit/chain.ts'
import type { Queries } from '../../engine/prisma.ts'
import { prismaColumns, type Columns } from '../../rows/columns.ts'
import type { Row } from '../../rows/rows.ts'

type HeadRow = Omit<ChainHead, 'id' | 'sequence' | 'pruned'> & { sequence: bigint, pruned: bigint }

/**
 * Locks the head of a chain until the transaction ends, takes its next number, and returns the head as it was. On
 * PostgreSQL other writers of the chain wait, or retry. A new chain has neither rows nor hash nor seal.
 */
export async function takeHead (queries: Queries, id: string, createdAt: Date): Promise<ChainHead> {
  const [head] = await queries.$queryRaw<HeadRow[]>`
    INSERT INTO "AuditChain" ("id", "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash", "kept")
    VALUES (${id}, ${createdAt}, 1, '', '', '', 0, '', '')
    ON CONFLICT ("id") DO UPDATE SET "sequence" = "AuditChain"."sequence" + 1
    RETURNING "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash", "kept"`.catch(error => {
      // SQLite stores any text in a column of numbers: the head was edited by hand.
      throw error instanceof SyntaxError ? brokenChain(id, 'its head was altered') : error
    })
  const { sequence, pruned, ...rest } = head!
  return { ...rest, id, sequence: Number(sequence) - 1, pruned: Number(pruned) }
}

/** Continuing from an altered head would seal the alteration. @throws Failure `audit_chain_broken`. */
export function requireSealed (head: ChainHead, keys: ChainKeys): void {
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

export async function writeSeal ({ auditChain: chains }: Queries, { id, hash, mac, key }: ChainHead): Promise<void> {
  await chains.updateMany({ where: { id }, data: { hash, mac, key } })
}

/** Stands for an unreadable head. It has no seal, so verification finds it altered. */
export function unreadableHead (id: string, key: string): ChainHead {
  return {
    id, createdAt: new Date(0), sequence: 0, hash: 'unreadable', mac: '', key, pruned: 0, prunedHash: '', kept: ''
  }
}

/** Reads each column once. */
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

export function readHead (row: Row): ChainHead {
  return readChainHead(row, prismaColumns)
}

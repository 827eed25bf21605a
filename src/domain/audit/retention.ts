/** The life of audit chains: opened at the start of a server, shortened by retention, closed off after a fault. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import {
  brokenChain, deploymentChain, foundDigest, isOf, isSealed, keptTypes, sealHead, type ChainHead, type ChainKeys
} from './chain.ts'
import { auditEvent } from './event.ts'
import type { AuditLog } from './log.ts'
import { systemActor } from '../core/actor.ts'
import { isBegun, verifyChain } from './verification.ts'
import { placeBehindRetention, followRows, headProblem } from './chain-walk.ts'
import type { VerifiedPlace, ChainFault } from './chain-fault.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from './log.ts'
import type { Transactional } from '../core/operation.ts'

/** Rows that are read or removed at once; other work runs in between. */
const batch = 500

/**
 * Prepares every chain for a server with these keys. Heads under another key are sealed under the first, and the other
 * keys are recorded, so that a rotated secret need not be kept. A chain that this deployment did not write stays as it
 * is: `latchkey audit verify` names it.
 */
export async function openChains (store: Transactional<AuditPort>, clock: Clock, keys: ChainKeys): Promise<void> {
  await isBegun(store.audit)
  for (;;) {
    const heads = await store.audit.headsNotUnder(keys[0]!.id, batch)
    const changed = await Promise.all(heads.map(head => resealHead(store, head, keys)))
    if (!changed.includes(true) || heads.length < batch) break
  }
  for (const { id } of keys.slice(1)) await recordKey(store, clock, id).catch(unlessBroken)
}

/** A broken chain does not prevent a start: checks work without it, and the operator needs the server to recover it. */
function unlessBroken (error: unknown): void {
  if (!(error instanceof Failure && error.code === 'audit_chain_broken')) throw error
}

async function resealHead (store: Transactional<AuditPort>, head: ChainHead, keys: ChainKeys): Promise<boolean> {
  if (isSealed(head, keys) !== true) return false
  await store.audit.reseal(head, sealHead(head, keys))
  return true
}

/** Records, once, that rows may be sealed under the key of this name: its secret may be gone later. */
async function recordKey (store: Transactional<AuditPort>, clock: Clock, name: string): Promise<void> {
  const isRecorded = async ({ about }: AuditLog) =>
    (await about(deploymentChain, name, ['audit.key_recorded'])).length > 0
  if (await isRecorded(store.audit)) return
  await store.transaction(async tx => {
    if (!await isRecorded(tx.audit)) {
      await tx.audit.append(
        auditEvent(systemActor, clock(), 'audit.key_recorded', { organizationId: null, subject: name })
      )
    }
  })
}

/**
 * Closes off the rows that are older than the chains: a row in each chain holds their digest, so that later changes to
 * them are found. Only for the process that has just applied the migration which added the chains: rows without hash
 * and seal that appear later were stripped of them.
 */
export async function closeOffOlderRows (store: Transactional<AuditPort>, clock: Clock): Promise<void> {
  const chains: string[] = []
  for (let chain = await store.audit.nextChain(''); chain !== null; chain = await store.audit.nextChain(chain)) {
    chains.push(chain)
  }
  // The deployment's chain first: closing off another one adds a row to it, which is not one of the older rows.
  for (const chain of [deploymentChain, ...chains.filter(chain => chain !== deploymentChain)]) {
    await closeOff(store, clock, chain)
  }
}

async function closeOff ({ audit, transaction }: Transactional<AuditPort>, clock: Clock, chain: string): Promise<void> {
  const { rows, digest, sequence } = await findRows(audit, chain)
  await transaction(async tx => {
    const head = await tx.audit.holdHead(chain)
    if (head?.key !== '' || head.sequence !== sequence) return
    const organizationId = chain === deploymentChain ? null : chain
    await tx.audit.resume(
      auditEvent(systemActor, clock(), 'audit.chain_closed_off', {
        organizationId, subject: chain, detail: { rows, digest }
      }),
      sequence + 1,
      ''
    )
    if (organizationId !== null) {
      await tx.audit.append(
        auditEvent(systemActor, clock(), 'audit.chain_opened', { organizationId: null, subject: chain })
      )
    }
  })
}

/** The rows of a chain as found, up to the last of them. */
interface Found { rows: number, digest: string, sequence: number, hash: string }

/** Adds to `before` the rows of a chain behind it. */
async function findRows (
  audit: AuditLog, chain: string, before: Found = { rows: 0, digest: '', sequence: 0, hash: '' }
): Promise<Found> {
  let found = before
  for (;;) {
    const rows = await audit.chained({ chain, sequence: found.sequence }, batch, {})
    const last = rows.at(-1)
    if (last === undefined) return found
    found = {
      rows: found.rows + rows.length,
      digest: rows.reduce(foundDigest, found.digest),
      sequence: last.sequence,
      hash: last.hash
    }
    await nextTurn()
  }
}

/** The fault that was found, and the number of the row that records it. */
export interface Recovered { chain: string, fault: ChainFault, rows: number, sequence: number }

/**
 * Closes off a broken chain, so that it continues and later events can be verified. A row records the fault and the
 * digest of the rows found; `verify` continues to name it, and the earlier rows prove nothing any more.
 * `organizationId` null: the deployment's chain.
 * @throws Failure `not_found`; `conflict` for a chain without a fault.
 */
export async function recoverAudit (
  { store, clock, actor }: Operation<AuditPort>, keys: ChainKeys, organizationId: string | null
): Promise<Recovered> {
  const chain = organizationId ?? deploymentChain
  const fault = await verifyChain({ audit: store.audit, keys }, chain)
  if (fault === null && await store.audit.head(chain) === null) throw noSuchChain(chain)
  if (fault === null) {
    throw new Failure('conflict', { message: `The audit chain ${chain} is whole; nothing to recover.` })
  }
  if (fault.problem === 'unplaced') {
    throw new Failure('conflict', {
      message: `${fault.message} No chain can continue from it; remove that row from the database first.`
    })
  }
  if (fault.chain !== chain) {
    throw new Failure('conflict', {
      message: `The audit chain ${fault.chain} must be recovered first. ${fault.message}`
    })
  }
  const before = await findRows(store.audit, chain)
  return await store.transaction(async tx => {
    const head = await tx.audit.holdHead(chain)
    const { rows, digest, sequence: last, hash } = await findRows(tx.audit, chain, before)
    // A number that the sealed head records is not used again.
    const sequence = Math.max(last, head !== null && isSealed(head, keys) === true ? head.sequence : 0) + 1
    if (!Number.isSafeInteger(sequence)) {
      throw new Failure('conflict', {
        message:
          `The audit chain ${chain} has a row with the number ${last}, the last possible one; remove that row from ` +
            'the database first.'
      })
    }
    const { id, problem, message } = fault
    const detail = {
      problem,
      row: fault.sequence,
      event: id,
      message,
      rows,
      digest,
      head: head && { sequence: head.sequence, hash: head.hash, pruned: head.pruned, key: head.key }
    }
    await tx.audit.resume(
      auditEvent(actor, clock(), 'audit.chain_recovered', { organizationId, subject: chain, detail }), sequence, hash
    )
    // Recorded in the deployment's chain too, so that removing the row together with its chain leaves a trace.
    if (organizationId !== null) {
      await tx.audit.append(
        auditEvent(actor, clock(), 'audit.chain_recovered', {
          organizationId: null, subject: chain, detail: { problem, sequence }
        })
      )
    }
    return { chain, fault, rows, sequence }
  })
}

function noSuchChain (chain: string): Failure {
  return new Failure('not_found', { message: `There is no audit chain ${JSON.stringify(chain.slice(0, 64))}.` })
}

/** The result of retention: the count of removed rows of a chain, and the number of the last one. */
export interface Pruned {
  chain: string
  rows: number
  through: number
  /** Whether more such rows remain, for lack of time. */
  more: boolean
}

/**
 * Removes the rows of a chain that are older than `before`, up to the first that is not, and adds a row that records
 * the removal and keeps the chain whole. Rows of `keptTypes` stay. Works in small batches, and starts no batch after
 * about `patience` milliseconds. `organizationId` null: the deployment's.
 * @throws Failure `invalid_request` for a future instant; `not_found`; `audit_chain_broken` if the rows to remove are
 * not as written: they are the evidence.
 */
export async function pruneAudit (
  operation: Operation<AuditPort>, keys: ChainKeys, organizationId: string | null, before: Date, patience = Infinity
): Promise<Pruned> {
  const { store, clock, actor } = operation
  const now = clock()
  if (before > now) {
    throw new Failure('invalid_request', { message: 'before must not be in the future.', details: { field: 'before' } })
  }
  const chain = organizationId ?? deploymentChain
  const head = await store.audit.head(chain)
  if (head === null) throw noSuchChain(chain)
  requireWhole(chain, headFault(head, keys))
  const { place: { sequence: through, hash }, rows, more } = await measureOld(store.audit, keys, head, before, patience)
  if (rows > 0) {
    await store.transaction(tx =>
      tx.audit.append(
        auditEvent(actor, now, 'audit.pruned', {
          organizationId, subject: chain, detail: { rows, through, hash, before }
        })
      )
    )
    while (!await pruneBatch(store, keys, chain, through)) await nextTurn()
  }
  return { chain, rows, through: rows > 0 ? through : head.pruned, more }
}

/**
 * Verifies the rows of a chain that are older than `before`, and counts those to remove. Half of `patience` is left for
 * removing them.
 */
async function measureOld (
  audit: AuditLog, keys: ChainKeys, head: ChainHead, before: Date, patience: number
): Promise<{ place: VerifiedPlace, rows: number, more: boolean }> {
  const began = performance.now()
  let place = await placeBehindRetention(audit, head)
  for (let rows = 0; ;) {
    const found = await audit.chained(place, batch, {})
    const newer = found.findIndex(({ createdAt }) => createdAt >= before)
    const old = newer === -1 ? found : found.slice(0, newer)
    const followed = await followRows({ audit, keys }, head, place, old)
    requireWhole(head.id, followed.fault)
    place = followed.place
    rows += old.filter(row => !isOf(keptTypes, row)).length
    if (old.length < batch) return { place, rows, more: false }
    if (rows > 0 && performance.now() - began > patience / 2) return { place, rows, more: true }
    await nextTurn()
  }
}

/** Removes a batch of the rows up to `through`. Returns whether none is left. */
async function pruneBatch (
  store: Transactional<AuditPort>, keys: ChainKeys, chain: string, through: number
): Promise<boolean> {
  return await store.transaction(async tx => {
    const head = await tx.audit.holdHead(chain)
    if (head === null) throw brokenChain(chain, 'its head is gone')
    requireWhole(chain, headFault(head, keys))
    // A concurrent retention was faster.
    if (head.pruned >= through) return true
    const from = await placeBehindRetention(tx.audit, head)
    const rows = (await tx.audit.chained(from, batch, {})).filter(({ sequence }) => sequence <= through)
    const { fault, place } = await followRows({ audit: tx.audit, keys }, head, from, rows)
    requireWhole(chain, fault)
    if (rows.length === 0) throw brokenChain(chain, `row ${from.sequence + 1} is missing`)
    const kept = rows.filter(row => isOf(keptTypes, row)).reduce(foundDigest, head.kept)
    await tx.audit.prune(head, { ...head, pruned: place.sequence, prunedHash: place.hash, kept }, keptTypes)
    return place.sequence >= through
  }, 'read committed')
}

function headFault (head: ChainHead, keys: ChainKeys): Pick<ChainFault, 'message'> | null {
  return headProblem(head, keys) === null ? null : { message: 'its head is not sealed by this deployment' }
}

/** @throws Failure `audit_chain_broken`. */
function requireWhole (chain: string, fault: Pick<ChainFault, 'message'> | null): void {
  if (fault !== null) throw brokenChain(chain, fault.message)
}

/** The walk along one audit chain: checks each row against its place. */
import {
  broken, fault, going, type ChainFault, type RecoveredBreak, type VerifiedPlace, type VerificationStep
} from './chain-fault.ts'
import {
  deploymentChain, foundDigest, hashOf, isOf, isSealed, pinningTypes, type ChainedEvent, type ChainHead, type ChainKeys
} from './chain.ts'
import type { AuditLog } from './log.ts'

export async function enterNext (verification: Verification, after: string): Promise<VerificationStep> {
  const chain = await verification.audit.nextChain(after)
  return chain === null ? going(null) : await enterChain(verification, chain)
}

export async function enterChain ({ audit, keys }: Verification, chain: string): Promise<VerificationStep> {
  const unplaced = await unplacedProblem(audit, chain)
  if (unplaced !== null) return unplaced
  const head = await audit.head(chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, chain))
  const problem = headProblem(head, keys) ?? await openingProblem(audit, chain)
  return problem === null
    ? going(await firstPlace(audit, head))
    : broken(0, fault(chain, head.sequence, await idAt(audit, head), problem))
}

/**
 * The walk follows rows from 1 on, chain by chain. A row with another number or chain would be listed and never
 * verified.
 */
export async function unplacedProblem (audit: AuditLog, chain: string): Promise<VerificationStep | null> {
  const id = await audit.unplaced(chain)
  return id === null ? null : broken(0, fault(chain, 0, id, 'unplaced'))
}

/**
 * Faults of a chain by the deployment's chain, which records its opening, and its recovery. After a recovery of the
 * deployment's chain itself such records may be missing.
 */
export async function openingProblem (audit: AuditLog, chain: string): Promise<ChainFault['problem'] | null> {
  if (chain === deploymentChain) return null
  const beginnings = await audit.about(deploymentChain, chain, ['audit.chain_opened', 'audit.chain_recovered'])
  const count = beginnings.length -
    Math.max(0, beginnings.findLastIndex(({ type }) => type === 'audit.chain_recovered'))
  if (count > 0) return count === 1 ? null : 'opened_again'
  return (await audit.about(deploymentChain, deploymentChain, ['audit.chain_recovered'])).length > 0
    ? null
    : 'never_opened'
}

export async function firstPlace (audit: AuditLog, head: ChainHead): Promise<VerifiedPlace> {
  if (head.pruned === 0) return await placeBehindRetention(audit, head)
  return { chain: head.id, sequence: 0, hash: '', kept: true, pin: 0, unproved: head.pruned }
}

/** As `verifyStep`, within a chain: neither a fault nor a next place means that the chain is whole. */
export async function stepInChain (
  verification: Verification, place: VerifiedPlace, limit: number): Promise<VerificationStep> {
  const { audit, keys } = verification
  const head = await audit.head(place.chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, place.chain))
  const problem = headProblem(head, keys)
  if (problem !== null) return broken(0, fault(place.chain, head.sequence, await idAt(audit, head), problem))
  // Retention went on since the previous step.
  if (place.kept ? head.pruned !== place.unproved : head.pruned > place.sequence) {
    return going(await firstPlace(audit, head))
  }
  // One row more than are followed: it may repeat the number of the last one.
  const found = await audit.chained(place, limit + 1, {})
  const again = found.find(({ sequence }, i) => sequence === found[i - 1]?.sequence)
  if (again !== undefined) return broken(0, fault(place.chain, again.sequence, again.id, 'unplaced'))
  const rows = found.slice(0, limit)
  const { checked, fault: first, recovered, next } = place.kept
    ? await stepAmongKept(audit, head, place, rows, limit)
    : await stepAmongRows(verification, head, place, rows)
  const gone = first === null ? await missingChain(audit, rows) : null
  return gone === null ? { checked, fault: first, recovered, next } : { ...broken(checked, gone), recovered }
}

export async function stepAmongKept (
  audit: AuditLog, head: ChainHead, place: VerifiedPlace, found: readonly ChainedEvent[], limit: number
): Promise<VerificationStep> {
  const rows = found.filter(({ sequence }) => sequence <= head.pruned)
  const hash = rows.reduce(foundDigest, place.hash)
  const recovered = rows.flatMap(breakOf)
  if (rows.length === limit) {
    return { ...going({ ...place, sequence: rows.at(-1)!.sequence, hash }), checked: rows.length, recovered }
  }
  if (hash !== head.kept) return { ...broken(rows.length, fault(head.id, head.pruned, null, 'kept_edited')), recovered }
  return { ...going(await placeBehindRetention(audit, head)), checked: rows.length, recovered }
}

export async function stepAmongRows (
  verification: Verification, head: ChainHead, from: VerifiedPlace, rows: readonly ChainedEvent[]
): Promise<VerificationStep> {
  if (rows.length === 0) return await leaveChain(verification.audit, head, from)
  const { fault, place } = await followRows(verification, head, from, rows)
  // Records of recovery before a pin prove nothing.
  const recovered = rows.filter(({ sequence }) => sequence <= place.sequence && sequence >= from.pin).flatMap(breakOf)
  return { checked: rows.length, fault, recovered, next: fault === null ? place : null }
}

/** The end of a chain: the last row must be the one that its head names. */
export async function leaveChain (audit: AuditLog, head: ChainHead, place: VerifiedPlace): Promise<VerificationStep> {
  const { chain, sequence, hash, unproved } = place
  if (head.sequence > sequence) {
    // Rows added since are present; removed rows are not.
    const [row] = await audit.chained({ chain, sequence }, 1, {})
    return row === undefined ? broken(0, fault(chain, sequence + 1, null, 'cut')) : going(place)
  }
  if (head.sequence < sequence) {
    return broken(
      0, fault(chain, head.sequence + 1, await idAt(audit, { id: chain, sequence: head.sequence + 1 }), 'beyond_head')
    )
  }
  if (head.hash !== hash) return broken(0, fault(chain, sequence, await idAt(audit, head), 'head_edited'))
  if (unproved > 0) {
    return broken(
      0, fault(chain, unproved + 1, await idAt(audit, { id: chain, sequence: unproved + 1 }), 'no_checkpoint')
    )
  }
  return going(null)
}

export function rowProblem (
  place: VerifiedPlace,
  row: ChainedEvent,
  keys: ChainKeys,
  recorded: ReadonlySet<string>
): ChainFault['problem'] | null {
  const { sequence, hash, pin } = place
  if (pin === 0 ? row.sequence !== sequence + 1 : row.sequence > pin) return 'missing'
  if (row.sequence < pin) return null
  if (hashOf(row) !== row.hash) return 'edited'
  const sealed = isSealed(row, keys)
  if (sealed === false) return 'forged'
  if (sealed === null && !recorded.has(row.key)) return 'key_unknown'
  if (pin === 0) return row.previous === hash ? null : 'moved'
  return isOf(pinningTypes, row) && row.detail.digest === hash ? null : 'pinned_edited'
}

export function missingBehind ({ sequence, pin }: VerifiedPlace): number {
  return pin === 0 ? sequence + 1 : pin
}

export function behind (
  { chain, hash, kept, pin, unproved }: VerifiedPlace,
  row: ChainedEvent,
  { pruned, prunedHash }: ChainHead
): VerifiedPlace {
  if (row.sequence < pin) return { chain, sequence: row.sequence, hash: foundDigest(hash, row), kept, pin, unproved }
  const { through, hash: last } = row.detail
  // Retention removes rows in batches, and writes its row before the first batch.
  const proves = row.type === 'audit.pruned' && typeof through === 'number' &&
    (through > pruned || (through === pruned && last === prunedHash))
  return { chain, sequence: row.sequence, hash: row.hash, kept, pin: 0, unproved: proves ? 0 : unproved }
}

/** Of the keys that seal rows and are not configured, those that the deployment's chain records. */
export async function recordedKeys (
  { audit, keys }: Verification, rows: readonly ChainedEvent[]): Promise<ReadonlySet<string>> {
  const names = new Set(rows.map(({ key }) => key).filter(name => name !== '' && !keys.some(({ id }) => id === name)))
  const recorded = new Set<string>()
  for (const name of names) {
    if ((await audit.about(deploymentChain, name, ['audit.key_recorded'])).length > 0) recorded.add(name)
  }
  return recorded
}

export function breakOf ({ chain, sequence, id, createdAt, type, subject, detail }: ChainedEvent): RecoveredBreak[] {
  if (type !== 'audit.chain_recovered' || subject !== chain) return []
  return [{ chain, sequence, id, createdAt, message: String(detail.message) }]
}

/** A chain that a row records as opened, and that has no head. */
export async function missingChain (audit: AuditLog, rows: readonly ChainedEvent[]): Promise<ChainFault | null> {
  const opened = rows.filter(({ type, subject }) => type === 'audit.chain_opened' && subject !== null).map((
    { subject }
  ) => subject!)
  const [gone] = opened.length === 0 ? [] : await audit.withoutHead(opened)
  return gone === undefined ? null : await faultWithoutHead(audit, gone)
}

export async function faultWithoutHead (audit: AuditLog, chain: string): Promise<ChainFault> {
  const [row] = await audit.chained({ chain, sequence: 0 }, 1, {})
  return row === undefined ? fault(chain, 1, null, 'chain_gone') : fault(chain, row.sequence, row.id, 'no_head')
}

export async function idAt (
  audit: AuditLog, { id: chain, sequence }: Pick<ChainHead, 'id' | 'sequence'>
): Promise<string | null> {
  const [row] = await audit.chained({ chain, sequence: sequence - 1 }, 1, {})
  return row?.sequence === sequence ? row.id : null
}

/** The fault of a chain's head itself; null: none. */
export function headProblem (head: ChainHead, keys: ChainKeys): ChainFault['problem'] | null {
  if (head.key === '') return 'not_closed_off'
  const sealed = isSealed(head, keys)
  // The head proves every row before it, so only its own key must be configured.
  if (sealed === null) return 'head_key_unknown'
  return sealed ? null : 'head_edited'
}

/** The inputs of a verification. */
export interface Verification { audit: AuditLog; keys: ChainKeys }

/** An exported head. */
export interface KnownHead { chain: string; sequence: number; hash: string }

/** Follows rows from a place behind retention to the last row, or to the first fault. */
export async function followRows (
  { audit, keys }: Verification, head: ChainHead, from: VerifiedPlace, rows: readonly ChainedEvent[]
): Promise<{ fault: ChainFault | null; place: VerifiedPlace } > {
  const recorded = await recordedKeys({ audit, keys }, rows)
  let place = from
  for (const row of rows) {
    const problem = rowProblem(place, row, keys, recorded)
    if (problem === 'missing') return { fault: fault(place.chain, missingBehind(place), null, 'missing'), place }
    if (problem !== null) return { fault: fault(place.chain, row.sequence, row.id, problem), place }
    place = behind(place, row, head)
  }
  return { fault: null, place }
}

/** The place where following the rows of a chain begins: behind the rows that retention removed. */
export async function placeBehindRetention (
  audit: AuditLog, { id, pruned, prunedHash }: ChainHead
): Promise<VerifiedPlace> {
  const pins = (await audit.about(id, id, pinningTypes)).filter(({ sequence }) => sequence > pruned)
  return {
    chain: id, sequence: pruned, hash: prunedHash, kept: false, pin: pins.at(-1)?.sequence ?? 0, unproved: pruned
  }
}

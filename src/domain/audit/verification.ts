/**
 * Verifying the audit log: every chain from its first row to its head, in steps of bounded size, while rows are added.
 * The head of a chain is sealed, and proves every row before it by their hashes. Found are rows that were changed,
 * removed, put elsewhere or made up, chains that were cut or are gone. What the database alone cannot tell, that
 * somebody put back an older state of it that was sealed, a head from outside tells.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  deploymentChain, foundDigest, hashOf, isOf, isSealed, pinningTypes, type ChainedEvent, type ChainHead, type ChainKeys
} from './chain.ts'
import type { AuditLog } from './log.ts'

/** What is wrong, and where: the first thing that is. */
export interface ChainFault {
  chain: string
  /** The number of the row at fault. */
  sequence: number
  /** The id of the row; null: it is not there. */
  id: string | null
  problem: keyof typeof problems
  /** For people. */
  message: string
}

const problems = {
  edited: 'does not say what it said when it was written',
  forged: 'is not sealed by this deployment',
  key_unknown:
    'is sealed under a key that is neither in LATCHKEY_SECRET nor recorded as one that was; if a secret that is gone ' +
      'made it, list that one behind the present one and start the server once',
  moved: 'does not follow the row before it',
  missing: 'is not there',
  cut: 'is not there: the end of the chain was cut off',
  beyond_head: 'is behind the end of the chain, whose head was set back',
  no_head: 'belongs to a chain whose head is not there',
  head_edited: 'is not what the head of the chain says, or the head was altered',
  head_key_unknown:
    'is the end of a chain whose head is sealed under a secret that is not in LATCHKEY_SECRET; list that one behind ' +
      'the present one and start the server',
  not_closed_off:
    'is the end of a chain without hashes and seals: they were taken away, or the server was killed in the middle of ' +
      'the migration that gives them',
  pinned_edited: 'holds the digest of the rows before it, and they are not what they were',
  kept_edited:
    'is the last one that retention removed, and of those before it the ones that stay are not what they were',
  no_checkpoint: 'is the first one that is left, and no row says that retention removed those before it',
  chain_gone: 'is gone, with the whole chain',
  unplaced:
    'has no place that a row can have: its chain has no name, its number is below 1, or another row has the same',
  opened_again:
    'is the end of a chain that the chain of the deployment says was opened more than once: it was taken away and ' +
      'begun anew',
  never_opened:
    'is the end of a chain of which no row in the chain of the deployment says that it was opened: rows there were ' +
      'taken away',
  rewritten: 'is not the one that the given head names'
} as const

/** A break that was found earlier: an operator had it recorded, and the chain went on. */
export interface RecoveredBreak {
  chain: string
  /** The number of the row that records it: those before it prove nothing but what they were then. */
  sequence: number
  id: string
  createdAt: Date
  /** What was wrong, for people. */
  message: string
}

/** What is known about the chain at a place in it. */
export interface VerifiedPlace {
  chain: string
  sequence: number
  /**
   * The hash of the row there. Among rows that retention left, and in front of the row at `pin`: the digest of those so
   * far.
   */
  hash: string
  /** Whether the place is among rows that retention left. */
  kept: boolean
  /** The number of the row that pins those before it by a digest; 0: there is none ahead. */
  pin: number
  /**
   * The number up to which retention removed rows, as long as the row that says so was not met; 0: nothing to be met.
   */
  unproved: number
}

export interface VerificationStep {
  /** Rows that were looked at in this step. */
  checked: number
  fault: ChainFault | null
  /** Breaks of which the records were met in this step. */
  recovered: RecoveredBreak[]
  /** Where the next step begins; null: everything was looked at, or a fault was found. */
  next: VerifiedPlace | null
}

/** A head as it was exported. */
export interface KnownHead { chain: string, sequence: number, hash: string }

/** What verification reads with. */
export interface Verification { audit: AuditLog, keys: ChainKeys }

/**
 * The next step of a verification, of `limit` rows at most; `place` null: the first. Without a fault and without a next
 * place, the log is whole.
 */
export async function verifyStep (
  verification: Verification, place: VerifiedPlace | null, limit: number
): Promise<VerificationStep> {
  if (place === null) {
    return await deploymentProblem(verification) ?? await unplacedProblem(verification.audit, '') ??
      await enterNext(verification, '')
  }
  const step = await stepInChain(verification, place, limit)
  return step.fault !== null || step.next !== null
    ? step
    : { ...await enterNext(verification, place.chain), checked: step.checked, recovered: step.recovered }
}

/** As many steps as some thousand rows take, or as many chains: a bounded piece of work either way. */
export async function verifyMore (verification: Verification, place: VerifiedPlace | null): Promise<VerificationStep> {
  let step = await verifyStep(verification, place, 1_000)
  const recovered = [...step.recovered]
  for (let checked = step.checked, i = 0; ; i++) {
    if (step.next === null || checked >= 4_000 || i === 200) return { ...step, checked, recovered }
    // On SQLite reading takes no turn of the event loop by itself.
    await nextTurn()
    step = await verifyStep(verification, step.next, 1_000)
    checked += step.checked
    recovered.push(...step.recovered)
  }
}

/** What is wrong with one chain; null: nothing, or there never was such a chain. */
export async function verifyChain (verification: Verification, chain: string): Promise<ChainFault | null> {
  const { audit } = verification
  if (await audit.head(chain) === null) {
    const [row] = await audit.chained({ chain, sequence: 0 }, 1, {})
    const wasThere = chain === deploymentChain
      ? await isBegun(audit)
      : (await audit.about(deploymentChain, chain, ['audit.chain_opened'])).length > 0
    return row !== undefined || wasThere ? await faultWithoutHead(audit, chain) : null
  }
  let step = await enterChain(verification, chain)
  while (step.next !== null) {
    step = await stepInChain(verification, step.next, 1_000)
    await nextTurn()
  }
  return step.fault
}

/** What stands against a head that was exported earlier; null: the chain still holds the row that it names. */
export async function compareHead (
  { audit, keys }: Verification, { chain, sequence, hash }: KnownHead
): Promise<ChainFault | null> {
  const head = await audit.head(chain)
  if (head === null) return fault(chain, sequence, null, 'chain_gone')
  const problem = headProblem(head, keys)
  if (problem !== null) return fault(chain, head.sequence, await idAt(audit, head), problem)
  if (head.sequence < sequence) return fault(chain, head.sequence + 1, null, 'cut')
  if (head.pruned > sequence) return null
  if (head.pruned === sequence) {
    return head.prunedHash === hash || (await placeBehindRetention(audit, head)).pin > 0
      ? null
      : fault(chain, sequence, null, 'rewritten')
  }
  const [row] = await audit.chained({ chain, sequence: sequence - 1 }, 1, {})
  if (row?.sequence !== sequence) return fault(chain, sequence, null, 'missing')
  if (row.hash !== hash) return fault(chain, sequence, row.id, 'rewritten')
  return hashOf(row) === hash ? null : fault(chain, sequence, row.id, 'edited')
}

/**
 * Whether the deployment has a chain, or must have had one, as something is kept in the database that is recorded. From
 * then on this process opens no chain of the deployment any more.
 */
export async function isBegun (audit: AuditLog): Promise<boolean> {
  // Chains go by their names, and organizations come later: a start that finds all in order needs this one read.
  const [first] = await audit.headsNotUnder('', 1)
  if (first?.id !== deploymentChain && await audit.isNew()) return false
  audit.expectChain()
  return true
}

/** Where following the rows of a chain begins: behind those that retention removed. */
export async function placeBehindRetention (
  audit: AuditLog, { id, pruned, prunedHash }: ChainHead
): Promise<VerifiedPlace> {
  const pins = (await audit.about(id, id, pinningTypes)).filter(({ sequence }) => sequence > pruned)
  return {
    chain: id, sequence: pruned, hash: prunedHash, kept: false, pin: pins.at(-1)?.sequence ?? 0, unproved: pruned
  }
}

/** Follows rows from a place behind retention to the last of them, or to the first that is at fault. */
export async function followRows (
  { audit, keys }: Verification, head: ChainHead, from: VerifiedPlace, rows: readonly ChainedEvent[]
): Promise<{ fault: ChainFault | null, place: VerifiedPlace }> {
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

/** What is wrong with the head of a chain itself. */
export function headProblem (head: ChainHead, keys: ChainKeys): ChainFault['problem'] | null {
  if (head.key === '') return 'not_closed_off'
  const sealed = isSealed(head, keys)
  // The head proves every row before it, so its own key is the one that has to be at hand.
  if (sealed === null) return 'head_key_unknown'
  return sealed ? null : 'head_edited'
}

async function deploymentProblem ({ audit }: Verification): Promise<VerificationStep | null> {
  if (await audit.head(deploymentChain) !== null || !await isBegun(audit)) return null
  return broken(0, await faultWithoutHead(audit, deploymentChain))
}

async function enterNext (verification: Verification, after: string): Promise<VerificationStep> {
  const chain = await verification.audit.nextChain(after)
  return chain === null ? going(null) : await enterChain(verification, chain)
}

async function enterChain ({ audit, keys }: Verification, chain: string): Promise<VerificationStep> {
  const unplaced = await unplacedProblem(audit, chain)
  if (unplaced !== null) return unplaced
  const head = await audit.head(chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, chain))
  const problem = headProblem(head, keys) ?? await openingProblem(audit, chain)
  return problem === null
    ? going(await firstPlace(audit, head))
    : broken(0, fault(chain, head.sequence, await idAt(audit, head), problem))
}

/** Rows are followed from 1 on, chain by chain: what stands elsewhere would be listed, and never looked at. */
async function unplacedProblem (audit: AuditLog, chain: string): Promise<VerificationStep | null> {
  const id = await audit.unplaced(chain)
  return id === null ? null : broken(0, fault(chain, 0, id, 'unplaced'))
}

/**
 * What the chain of the deployment says against another one: that was opened once, or recovered since. Where that chain
 * was recovered itself, rows that said so may be gone.
 */
async function openingProblem (audit: AuditLog, chain: string): Promise<ChainFault['problem'] | null> {
  if (chain === deploymentChain) return null
  const beginnings = await audit.about(deploymentChain, chain, ['audit.chain_opened', 'audit.chain_recovered'])
  const count = beginnings.length -
    Math.max(0, beginnings.findLastIndex(({ type }) => type === 'audit.chain_recovered'))
  if (count > 0) return count === 1 ? null : 'opened_again'
  return (await audit.about(deploymentChain, deploymentChain, ['audit.chain_recovered'])).length > 0
    ? null
    : 'never_opened'
}

async function firstPlace (audit: AuditLog, head: ChainHead): Promise<VerifiedPlace> {
  if (head.pruned === 0) return await placeBehindRetention(audit, head)
  return { chain: head.id, sequence: 0, hash: '', kept: true, pin: 0, unproved: head.pruned }
}

/** As `verifyStep`, within a chain: without a fault and without a next place, this one is whole. */
async function stepInChain (
  verification: Verification, place: VerifiedPlace, limit: number
): Promise<VerificationStep> {
  const { audit, keys } = verification
  const head = await audit.head(place.chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, place.chain))
  const problem = headProblem(head, keys)
  if (problem !== null) return broken(0, fault(place.chain, head.sequence, await idAt(audit, head), problem))
  // Retention went on meanwhile.
  if (place.kept ? head.pruned !== place.unproved : head.pruned > place.sequence) {
    return going(await firstPlace(audit, head))
  }
  // One more than are followed: it may have the number of the last of these.
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

async function stepAmongKept (
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

async function stepAmongRows (
  verification: Verification, head: ChainHead, from: VerifiedPlace, rows: readonly ChainedEvent[]
): Promise<VerificationStep> {
  if (rows.length === 0) return await leaveChain(verification.audit, head, from)
  const { fault, place } = await followRows(verification, head, from, rows)
  // What is said in front of a pin proves nothing.
  const recovered = rows.filter(({ sequence }) => sequence <= place.sequence && sequence >= from.pin).flatMap(breakOf)
  return { checked: rows.length, fault, recovered, next: fault === null ? place : null }
}

/** The end of a chain: the last row has to be the one that its head names. */
async function leaveChain (audit: AuditLog, head: ChainHead, place: VerifiedPlace): Promise<VerificationStep> {
  const { chain, sequence, hash, unproved } = place
  if (head.sequence > sequence) {
    // Rows that were added meanwhile are there; rows that were removed are not.
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

function rowProblem (
  place: VerifiedPlace, row: ChainedEvent, keys: ChainKeys, recorded: ReadonlySet<string>
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

function missingBehind ({ sequence, pin }: VerifiedPlace): number {
  return pin === 0 ? sequence + 1 : pin
}

function behind (
  { chain, hash, kept, pin, unproved }: VerifiedPlace, row: ChainedEvent, { pruned, prunedHash }: ChainHead
): VerifiedPlace {
  if (row.sequence < pin) return { chain, sequence: row.sequence, hash: foundDigest(hash, row), kept, pin, unproved }
  const { through, hash: last } = row.detail
  // Rows go in batches: the row that says up to which is there before the first of them.
  const proves = row.type === 'audit.pruned' && typeof through === 'number' &&
    (through > pruned || (through === pruned && last === prunedHash))
  return { chain, sequence: row.sequence, hash: row.hash, kept, pin: 0, unproved: proves ? 0 : unproved }
}

/**
 * Of the keys that rows are sealed under and that are not at hand, the ones that the deployment's chain says there
 * were.
 */
async function recordedKeys (
  { audit, keys }: Verification, rows: readonly ChainedEvent[]
): Promise<ReadonlySet<string>> {
  const names = new Set(rows.map(({ key }) => key).filter(name => name !== '' && !keys.some(({ id }) => id === name)))
  const recorded = new Set<string>()
  for (const name of names) {
    if ((await audit.about(deploymentChain, name, ['audit.key_recorded'])).length > 0) recorded.add(name)
  }
  return recorded
}

function breakOf ({ chain, sequence, id, createdAt, type, subject, detail }: ChainedEvent): RecoveredBreak[] {
  if (type !== 'audit.chain_recovered' || subject !== chain) return []
  return [{ chain, sequence, id, createdAt, message: String(detail.message) }]
}

/** A chain that a row says was opened, and that has no head any more. */
async function missingChain (audit: AuditLog, rows: readonly ChainedEvent[]): Promise<ChainFault | null> {
  const opened = rows.filter(({ type, subject }) => type === 'audit.chain_opened' && subject !== null).map((
    { subject }
  ) => subject!)
  const [gone] = opened.length === 0 ? [] : await audit.withoutHead(opened)
  return gone === undefined ? null : await faultWithoutHead(audit, gone)
}

async function faultWithoutHead (audit: AuditLog, chain: string): Promise<ChainFault> {
  const [row] = await audit.chained({ chain, sequence: 0 }, 1, {})
  return row === undefined ? fault(chain, 1, null, 'chain_gone') : fault(chain, row.sequence, row.id, 'no_head')
}

async function idAt (
  audit: AuditLog, { id: chain, sequence }: Pick<ChainHead, 'id' | 'sequence'>
): Promise<string | null> {
  const [row] = await audit.chained({ chain, sequence: sequence - 1 }, 1, {})
  return row?.sequence === sequence ? row.id : null
}

function going (next: VerifiedPlace | null): VerificationStep {
  return { checked: 0, fault: null, recovered: [], next }
}

function broken (checked: number, fault: ChainFault): VerificationStep {
  return { checked, fault, recovered: [], next: null }
}

function fault (chain: string, sequence: number, id: string | null, problem: ChainFault['problem']): ChainFault {
  return {
    chain,
    sequence,
    id,
    problem,
    message: `Row ${sequence} of the chain ${chain}${id === null ? '' : ` (${id})`} ${problems[problem]}.`
  }
}

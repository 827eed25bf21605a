/**
 * Verifying the audit log: every chain from its first row to its head, in steps of bounded size, while rows are added. Found
 * are rows that were changed, removed, put elsewhere or made up, chains that were cut or are gone. What the database alone
 * cannot tell, that all of a chain's end was removed by somebody who kept an old head, a head from outside tells.
 */
import { hashOf, isSealed, olderDigest, type ChainedEvent, type ChainHead, type ChainKeys } from './audit-chain.ts'
import type { AuditLog } from './audit.ts'

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
  moved: 'does not follow the row before it',
  missing: 'is not there',
  cut: 'is not there: the end of the chain was cut off',
  beyond_head: 'is behind the end of the chain, whose head was set back',
  no_head: 'belongs to a chain whose head is not there',
  head_edited: 'is not what the head of the chain says, or the head was altered',
  head_key_unknown: 'is the end of a chain whose head is sealed under a secret that is not in LATCHKEY_SECRET; list that one behind the present one and start the server',
  not_closed_off: 'is older than the chain, which no server has closed off since: start the server once',
  older_edited: 'closes off rows that are older than the chain, and one of them was changed',
  no_checkpoint: 'is the first one that is left, and no row says that retention removed those before it',
  chain_gone: 'is gone, with the whole chain',
  rewritten: 'is not the one that the given head names',
} as const

/** What is known about the chain at a place in it. */
export interface VerifiedPlace {
  chain: string
  sequence: number
  hash: string
  /** The digest of the rows that are older than the chain; null: there is none of them, or they are closed off. */
  older: string | null
  /** The number up to which retention removed rows, as long as the row that says so was not met; 0: nothing to be met. */
  unproved: number
}

export interface VerificationStep {
  /** Rows that were looked at in this step. */
  checked: number
  fault: ChainFault | null
  /** Where the next step begins; null: everything was looked at, or a fault was found. */
  next: VerifiedPlace | null
}

/** A head as it was exported. */
export interface KnownHead { chain: string, sequence: number, hash: string }

/** What verification reads with. */
export interface Verification { audit: AuditLog, keys: ChainKeys }

/** The next step of a verification, of `limit` rows at most; `place` null: the first. Without a fault and without a next place, the log is whole. */
export async function verifyStep (verification: Verification, place: VerifiedPlace | null, limit: number): Promise<VerificationStep> {
  const { audit } = verification
  if (place === null) return await enterChain(verification, '')
  const head = await audit.head(place.chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, place.chain))
  const from = head.pruned > place.sequence ? firstPlace(head) : place
  const rows = await audit.chained(from, limit, {})
  const { fault, place: reached } = followRows(verification, head, from, rows)
  const gone = fault === null ? await missingChain(audit, rows) : null
  if (fault !== null || gone !== null) return broken(rows.length, fault ?? gone!)
  if (rows.length > 0) return { checked: rows.length, fault: null, next: reached }
  return await leaveChain(verification, from)
}

/** As many steps as some thousand rows take, or as many chains: a bounded piece of work either way. */
export async function verifyMore (verification: Verification, place: VerifiedPlace | null): Promise<VerificationStep> {
  let step = await verifyStep(verification, place, 1_000)
  for (let checked = step.checked, i = 0; ; i++) {
    if (step.next === null || checked >= 4_000 || i === 200) return { ...step, checked }
    step = await verifyStep(verification, step.next, 1_000)
    checked += step.checked
  }
}

/** What stands against a head that was exported earlier; null: the chain still holds the row that it names. */
export async function compareHead ({ audit }: Verification, { chain, sequence, hash }: KnownHead): Promise<ChainFault | null> {
  const head = await audit.head(chain)
  if (head === null) return fault(chain, sequence, null, 'chain_gone')
  if (head.sequence < sequence) return fault(chain, head.sequence + 1, null, 'cut')
  if (head.pruned > sequence) return null
  const [row] = head.pruned === sequence ? [{ id: null, hash: head.prunedHash, sequence }] : await audit.chained({ chain, sequence: sequence - 1 }, 1, {})
  if (row?.sequence !== sequence) return fault(chain, sequence, null, 'missing')
  return row.hash === hash ? null : fault(chain, sequence, row.id, 'rewritten')
}

async function enterChain (verification: Verification, after: string): Promise<VerificationStep> {
  const { audit, keys } = verification
  const chain = await audit.nextChain(after)
  if (chain === null) return { checked: 0, fault: null, next: null }
  const head = await audit.head(chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, chain))
  const problem = headProblem(head, keys)
  if (problem !== null) return broken(0, fault(chain, head.sequence, await idAt(audit, head), problem))
  return { checked: 0, fault: null, next: firstPlace(head) }
}

function firstPlace ({ id, pruned, prunedHash }: ChainHead): VerifiedPlace {
  return { chain: id, sequence: pruned, hash: prunedHash, older: pruned === 0 ? '' : null, unproved: pruned }
}

function headProblem (head: ChainHead, keys: ChainKeys): ChainFault['problem'] | null {
  if (head.key === '') return 'not_closed_off'
  const sealed = isSealed(head, keys)
  // The head proves every row before it, so its own key is the one that has to be at hand.
  if (sealed === null) return 'head_key_unknown'
  return sealed ? null : 'head_edited'
}

/** The end of a chain: the last row has to be the one that its head names. */
async function leaveChain (verification: Verification, { chain, sequence, hash, unproved }: VerifiedPlace): Promise<VerificationStep> {
  const { audit, keys } = verification
  const head = await audit.head(chain)
  if (head === null) return broken(0, await faultWithoutHead(audit, chain))
  const problem = headProblem(head, keys)
  if (problem !== null) return broken(0, fault(chain, head.sequence, await idAt(audit, head), problem))
  if (head.sequence > sequence) {
    // Rows that were added meanwhile are there; rows that were removed are not.
    const [row] = await audit.chained({ chain, sequence }, 1, {})
    if (row === undefined && head.pruned <= sequence) return broken(0, fault(chain, sequence + 1, null, 'cut'))
    return { checked: 0, fault: null, next: { chain, sequence, hash, older: null, unproved } }
  }
  if (head.sequence < sequence) return broken(0, fault(chain, head.sequence + 1, await idAt(audit, { id: chain, sequence: head.sequence + 1 }), 'beyond_head'))
  if (head.hash !== hash) return broken(0, fault(chain, sequence, await idAt(audit, head), 'head_edited'))
  if (unproved > 0) return broken(0, fault(chain, unproved + 1, await idAt(audit, { id: chain, sequence: unproved + 1 }), 'no_checkpoint'))
  return await enterChain(verification, chain)
}

/** Follows rows from a place to the last of them, or to the first that is at fault. */
function followRows ({ keys }: Verification, head: ChainHead, from: VerifiedPlace, rows: readonly ChainedEvent[]): { fault: ChainFault | null, place: VerifiedPlace } {
  let place = from
  for (const row of rows) {
    const problem = rowProblem(place, row, keys)
    if (problem === 'missing') return { fault: fault(place.chain, place.sequence + 1, null, 'missing'), place }
    if (problem !== null) return { fault: fault(place.chain, row.sequence, row.id, problem), place }
    place = behind(place, row, head)
  }
  return { fault: null, place }
}

function rowProblem ({ sequence, hash, older }: VerifiedPlace, row: ChainedEvent, keys: ChainKeys): ChainFault['problem'] | null {
  if (row.sequence !== sequence + 1) return 'missing'
  if (isOlder(older, row)) return null
  if (hashOf(row) !== row.hash) return 'edited'
  // Under a key that is gone: the rows behind it prove it.
  if (isSealed(row, keys) === false) return 'forged'
  if (row.previous !== hash) return 'moved'
  const closesOff = older !== null && older !== ''
  if (!closesOff) return null
  return row.type === 'audit.chain_closed_off' && row.detail.rows === sequence && row.detail.digest === older ? null : 'older_edited'
}

/** Whether a row is one of those before the chain began: only at its front can there be any. */
function isOlder (older: string | null, { key, hash, mac, previous }: ChainedEvent): boolean {
  return older !== null && key === '' && hash === '' && mac === '' && previous === ''
}

function behind ({ chain, older, unproved }: VerifiedPlace, row: ChainedEvent, { pruned, prunedHash }: ChainHead): VerifiedPlace {
  const isStillOlder = isOlder(older, row)
  const proves = row.type === 'audit.pruned' && row.detail.through === pruned && row.detail.hash === prunedHash
  return { chain, sequence: row.sequence, hash: row.hash, older: isStillOlder ? olderDigest(older!, row) : null, unproved: proves ? 0 : unproved }
}

/** A chain that a row says was opened, and that has no head any more. */
async function missingChain (audit: AuditLog, rows: readonly ChainedEvent[]): Promise<ChainFault | null> {
  const opened = rows.filter(({ type, subject }) => type === 'audit.chain_opened' && subject !== null).map(({ subject }) => subject!)
  const [gone] = opened.length === 0 ? [] : await audit.withoutHead(opened)
  return gone === undefined ? null : await faultWithoutHead(audit, gone)
}

async function faultWithoutHead (audit: AuditLog, chain: string): Promise<ChainFault> {
  const [row] = await audit.chained({ chain, sequence: 0 }, 1, {})
  return row === undefined ? fault(chain, 1, null, 'chain_gone') : fault(chain, row.sequence, row.id, 'no_head')
}

async function idAt (audit: AuditLog, { id: chain, sequence }: Pick<ChainHead, 'id' | 'sequence'>): Promise<string | null> {
  const [row] = await audit.chained({ chain, sequence: sequence - 1 }, 1, {})
  return row?.sequence === sequence ? row.id : null
}

function broken (checked: number, fault: ChainFault): VerificationStep {
  return { checked, fault, next: null }
}

function fault (chain: string, sequence: number, id: string | null, problem: ChainFault['problem']): ChainFault {
  return { chain, sequence, id, problem, message: `Row ${sequence} of the chain ${chain}${id === null ? '' : ` (${id})`} ${problems[problem]}.` }
}

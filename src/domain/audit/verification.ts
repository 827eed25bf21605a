/**
 * Verification of the audit log: every chain from its first row to its head, in steps of bounded size, while rows are
 * added. It finds changed, removed, moved and forged rows, and cut or missing chains. It cannot find the restoration of
 * an older, sealed state of the database from the database alone; comparison with an exported head does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { deploymentChain, hashOf } from './chain.ts'
import type { AuditLog } from './log.ts'
import { broken, fault, type VerificationStep, type ChainFault, type VerifiedPlace } from './chain-fault.ts'
import {
  enterChain,
  enterNext,
  faultWithoutHead,
  headProblem,
  idAt,
  type KnownHead,
  placeBehindRetention,
  stepInChain,
  unplacedProblem,
  type Verification
} from './chain-walk.ts'

/**
 * The next step of a verification, of at most `limit` rows; `place` null: the first step. Neither a fault nor a next
 * place means that the log is whole.
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

/** Steps for some thousand rows, or as many chains: bounded work either way. */
export async function verifyMore (verification: Verification, place: VerifiedPlace | null): Promise<VerificationStep> {
  let step = await verifyStep(verification, place, 1_000)
  const recovered = [...step.recovered]
  for (let checked = step.checked, i = 0; ; i++) {
    if (step.next === null || checked >= 4_000 || i === 200) return { ...step, checked, recovered }
    // On SQLite, reading does not yield to the event loop.
    await nextTurn()
    step = await verifyStep(verification, step.next, 1_000)
    checked += step.checked
    recovered.push(...step.recovered)
  }
}

/** The fault of one chain; null: none, or no such chain ever existed. */
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

/** The fault of a chain against an exported head; null: the chain still holds the row that it names. */
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
 * Whether the deployment's chain exists, or must have existed because the database holds audited records. After that
 * this process opens no new chain of the deployment.
 */
export async function isBegun (audit: AuditLog): Promise<boolean> {
  // Chains are ordered by name, and organizations follow: a start without a fault needs this one read.
  const [first] = await audit.headsNotUnder('', 1)
  if (first?.id !== deploymentChain && await audit.isNew()) return false
  audit.expectChain()
  return true
}

async function deploymentProblem ({ audit }: Verification): Promise<VerificationStep | null> {
  if (await audit.head(deploymentChain) !== null || !await isBegun(audit)) return null
  return broken(0, await faultWithoutHead(audit, deploymentChain))
}

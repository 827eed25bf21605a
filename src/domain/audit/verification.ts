/**
 * Verifying the audit log: every chain from its first row to its head, in steps of bounded size, while rows are added.
 * The head of a chain is sealed, and proves every row before it by their hashes. Found are rows that were changed,
 * removed, put elsewhere or made up, chains that were cut or are gone. What the database alone cannot tell, that
 * somebody put back an older state of it that was sealed, a head from outside tells.
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

async function deploymentProblem ({ audit }: Verification): Promise<VerificationStep | null> {
  if (await audit.head(deploymentChain) !== null || !await isBegun(audit)) return null
  return broken(0, await faultWithoutHead(audit, deploymentChain))
}

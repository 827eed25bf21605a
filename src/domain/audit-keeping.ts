/** What happens to audit chains besides that rows are added: they are opened at the start of a server, and retention shortens them. */
import type { Clock } from '../clock.ts'
import { Failure } from '../errors.ts'
import { deploymentChain, isSealed, olderDigest, sealHead, type ChainHead, type ChainKeys } from './audit-chain.ts'
import { auditEvent, systemActor } from './audit.ts'
import type { Operation, Repositories, Store } from './store.ts'

const batch = 200

/**
 * Brings every chain to what a server with these keys needs. Rows that are older than the chains are closed off: a row
 * holds their number and digest, so that from now on a change of them is found. Heads under another key get a seal under
 * the first, so that a secret that was rotated away need not be kept for them.
 */
export async function openChains (store: Store, clock: Clock, keys: ChainKeys): Promise<void> {
  for (;;) {
    const heads = (await store.audit.headsNotUnder(keys[0]!.id, batch))
    const open = (head: ChainHead) => head.key === '' ? closeOff(store, clock, head.id) : resealHead(store, head, keys)
    // The deployment's first: closing another one off adds a row to it, which is none of the older ones.
    const first = await Promise.all(heads.filter(({ id }) => id === deploymentChain).map(open))
    const changed = [...first, ...await Promise.all(heads.filter(({ id }) => id !== deploymentChain).map(open))]
    // What is left is not sealed by any key of ours: `latchkey audit verify` says so, the start does not depend on it.
    if (!changed.includes(true) || heads.length < batch) return
  }
}

async function closeOff (store: Store, clock: Clock, chain: string): Promise<boolean> {
  await store.transaction(async tx => {
    const head = await tx.audit.head(chain)
    if (head === null || head.key !== '') return
    const organizationId = chain === deploymentChain ? null : chain
    const detail = { rows: head.sequence, digest: await digestOfOlder(tx, chain) }
    await tx.audit.append(auditEvent(systemActor, clock(), 'audit.chain_closed_off', { organizationId, subject: chain, detail }))
    if (organizationId !== null) await tx.audit.append(auditEvent(systemActor, clock(), 'audit.chain_opened', { organizationId: null, subject: chain }))
  })
  return true
}

async function digestOfOlder (tx: Repositories, chain: string): Promise<string> {
  let digest = ''
  let sequence = 0
  for (;;) {
    const rows = await tx.audit.chained({ chain, sequence }, batch, {})
    for (const row of rows) digest = olderDigest(digest, row)
    if (rows.length < batch) return digest
    sequence = rows.at(-1)!.sequence
  }
}

async function resealHead (store: Store, head: ChainHead, keys: ChainKeys): Promise<boolean> {
  if (isSealed(head, keys) !== true) return false
  await store.audit.reseal(head, sealHead(head, keys))
  return true
}

/** What retention did: how many rows of a chain are gone, and the number of the last one. */
export interface Pruned { chain: string, rows: number, through: number }

/**
 * Removes the rows of a chain that are older than `before`, up to the first that is not, and adds one that says so: with it the
 * chain stays whole. `organizationId` null: the deployment's. @throws Failure `invalid_request` for a future instant, `not_found`.
 */
export async function pruneAudit ({ store, clock, actor }: Operation, organizationId: string | null, before: Date): Promise<Pruned> {
  const now = clock()
  if (before > now) throw new Failure('invalid_request', { message: 'before must not be in the future.', details: { field: 'before' } })
  const chain = organizationId ?? deploymentChain
  return await store.transaction(async tx => {
    const head = await tx.audit.head(chain)
    if (head === null) throw new Failure('not_found', { message: `There is no audit chain ${JSON.stringify(chain.slice(0, 64))}.` })
    const through = (await tx.audit.firstSince(chain, before) ?? head.sequence + 1) - 1
    const last = through <= head.pruned ? undefined : (await tx.audit.chained({ chain, sequence: through - 1 }, 1, {}))[0]
    // Rows that are older than the chain go together with the one that closes them off, or not at all.
    if (last === undefined || last.key === '') return { chain, rows: 0, through: head.pruned }
    const rows = through - head.pruned
    await tx.audit.append(auditEvent(actor, now, 'audit.pruned', { organizationId, subject: chain, detail: { rows, through, hash: last.hash, before } }))
    await tx.audit.prune(chain, through, last.hash)
    return { chain, rows, through }
  })
}

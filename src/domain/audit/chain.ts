/**
 * The audit log as hash chains. Each row holds its number and the hash of the row before it, and is sealed under a key
 * that is not in the database. Each organization has its own chain, so that its numbers reveal nothing of others; the
 * deployment has one. The head of a chain is sealed too and proves every row: a server appends only to a head with a
 * valid seal.
 */
import { Failure } from '../../base/errors.ts'
import { macOf, type MacKey } from '../../secrets/authentication-code.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import type { AuditEvent, AuditEventType } from './event.ts'

/** The chain of the deployment's own events. */
export const deploymentChain = 'deployment'

/** A row at its place in a chain. */
export interface ChainedEvent extends AuditEvent {
  chain: string
  /** From 1, without gaps. */
  sequence: number
  /** `hash` of the row before; empty: the first. */
  previous: string
  /** SHA-256 of the canonical form, base64url. */
  hash: string
  /** HMAC of `hash`. */
  mac: string
  /** The name of the key of `mac`; empty: the row is older than the chain, and has neither hash nor seal. */
  key: string
}

/** The head of a chain: its newest row, and the extent of retention. */
export interface ChainHead {
  /** The chain. */
  id: string
  createdAt: Date
  sequence: number
  hash: string
  mac: string
  /** Empty: the rows are older than the chain, and not closed off yet. */
  key: string
  /** Retention removed rows up to this one. */
  pruned: number
  /** The hash of the last removed row; before a row that pins the earlier ones, the digest so far. */
  prunedHash: string
  /** The digest of the kept rows among them, in their order; empty: none is kept. */
  kept: string
}

/** A head without its seal. */
export type UnsealedHead = Omit<ChainHead, 'mac' | 'key'>

/** Types of rows that pin all earlier rows of their chain by a digest, because those do not prove themselves. */
export const pinningTypes = [
  'audit.chain_closed_off', 'audit.chain_recovered'
] as const satisfies readonly AuditEventType[]

/** Types of rows that retention keeps: they record chains, faults and keys. */
export const keptTypes = [
  'audit.chain_opened', 'audit.chain_recovered', 'audit.key_recorded'
] as const satisfies readonly AuditEventType[]

/** The keys of the chains: the first key seals, all of them verify. */
export type ChainKeys = readonly MacKey[]

/** The chain that a row belongs to. */
export function chainOf ({ organizationId }: AuditEvent): string {
  return organizationId ?? deploymentChain
}

/** The row as the next one of its chain, after the row with the hash `previous`. */
export function link (event: AuditEvent, sequence: number, previous: string, keys: ChainKeys): ChainedEvent {
  const placed = { ...event, chain: chainOf(event), sequence, previous }
  const hash = hashOf(placed)
  return { ...placed, hash, mac: macOf(hash, keys[0]!), key: keys[0]!.id }
}

/** The head, sealed under the first key. */
export function sealHead (head: UnsealedHead, keys: ChainKeys): ChainHead {
  return { ...head, mac: macOf(canonicalHead(head), keys[0]!), key: keys[0]!.id }
}

/** The hash of a row's canonical form, equal on both databases: neither keeps the order of members in `detail`. */
export function hashOf (
  { chain, sequence, previous, id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: Omit<
    ChainedEvent,
    'hash' | 'mac' | 'key'
  >
): string {
  return digestOf(JSON.stringify([
    'latchkey audit row v1',
    chain,
    sequence,
    previous,
    id,
    createdAt.toISOString(),
    type,
    actor,
    organizationId,
    subject,
    address,
    requestId,
    inOrder(detail)
  ]))
}

/** Whether the seal of a row or a head is valid; null: its key is not configured. */
export function isSealed (
  sealed: { hash: string, mac: string, key: string } | ChainHead, keys: ChainKeys
): boolean | null {
  const key = keys.find(({ id }) => id === sealed.key)
  if (key === undefined) return null
  return sameDigest(macOf('pruned' in sealed ? canonicalHead(sealed) : sealed.hash, key), sealed.mac)
}

/** The digest of rows as found, valid or not: of the earlier ones, and of this one. */
export function foundDigest (before: string, row: ChainedEvent): string {
  const { hash, mac, key } = row
  // Leaves out the fields that a row older than the chain lacks: existing digests were made without them.
  return digestOf(JSON.stringify([before, hashOf(row), ...(hash + mac + key === '' ? [] : [hash, mac, key])]))
}

/** Whether a row is of one of these types. */
export function isOf (types: readonly AuditEventType[], { type }: Pick<AuditEvent, 'type'>): boolean {
  return (types as readonly string[]).includes(type)
}

/** The refusal of a change that cannot be audited, because its chain is not in the state that this deployment wrote. */
export function brokenChain (chain: string, problem: string): Failure {
  const recover = `latchkey audit recover ${chain === deploymentChain ? '--deployment' : `--org ${chain}`}`
  return new Failure('audit_chain_broken', {
    message:
      `The audit chain ${chain} is broken: ${problem}. Changes that it has to record are refused until an operator ` +
        `has verified it (latchkey audit verify) and closed it off (${recover}).`,
    details: { chain },
    detail: `the audit chain ${chain} is broken: ${problem}; run latchkey audit verify, then ${recover}`,
  })
}

function canonicalHead ({ id, sequence, hash, pruned, prunedHash, kept }: UnsealedHead): string {
  const before = [id, sequence, hash, pruned, prunedHash]
  return JSON.stringify(
    kept === '' ? ['latchkey audit head v1', ...before] : ['latchkey audit head v2', ...before, kept]
  )
}

/** The members of every object sorted by name. */
function inOrder (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  // As a list of pairs: an object would put names that look like numbers first.
  return {
    members: Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, member]) => [name, inOrder(member)])
  }
}

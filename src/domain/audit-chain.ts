/**
 * Audit rows as a chain: each says which number it is and what the row before it was, and is sealed under a key that is not
 * in the database. There is a chain for each organization, so that its numbers tell nothing of anybody else, and one for
 * what belongs to the deployment. The head of a chain is sealed too: without the key nobody can shorten a chain.
 */
import { digestOf, macOf, sameDigest, type MacKey } from '../secrets.ts'
import type { AuditEvent } from './audit.ts'

/** The chain of what belongs to no organization. */
export const deploymentChain = 'deployment'

/** A row in its place. */
export interface ChainedEvent extends AuditEvent {
  chain: string
  /** From 1, without gaps. */
  sequence: number
  /** `hash` of the row before; empty in the first. */
  previous: string
  /** SHA-256 of the canonical form, base64url. */
  hash: string
  /** HMAC of `hash`. */
  mac: string
  /** The name of the key that `mac` is under; empty: the row is older than the chain, and has neither hash nor seal. */
  key: string
}

/** The newest row of a chain. */
export interface ChainHead {
  /** The chain. */
  id: string
  createdAt: Date
  sequence: number
  hash: string
  mac: string
  /** Empty: the rows are older than the chain, and no server has closed them off yet. */
  key: string
  /** Rows up to this one were removed by retention. */
  pruned: number
  /** The hash of the last one that was. */
  prunedHash: string
}

/** What seals and verifies chains: the first key seals, all of them verify. */
export type ChainKeys = readonly MacKey[]

/** The chain that a row belongs to. */
export function chainOf ({ organizationId }: AuditEvent): string {
  return organizationId ?? deploymentChain
}

/** The row as the next one of its chain, behind the row whose hash is `previous`. */
export function link (event: AuditEvent, sequence: number, previous: string, keys: ChainKeys): ChainedEvent {
  const placed = { ...event, chain: chainOf(event), sequence, previous }
  const hash = hashOf(placed)
  return { ...placed, hash, mac: macOf(hash, keys[0]!), key: keys[0]!.id }
}

/** The head with a seal under the first key. */
export function sealHead (head: Omit<ChainHead, 'mac' | 'key'>, keys: ChainKeys): ChainHead {
  return { ...head, mac: macOf(canonicalHead(head), keys[0]!), key: keys[0]!.id }
}

/** What a row says, in one form for both databases: neither keeps the order of the members of `detail`. */
export function hashOf ({ chain, sequence, previous, id, createdAt, type, actor, organizationId, subject, address, requestId, detail }: Omit<ChainedEvent, 'hash' | 'mac' | 'key'>): string {
  return digestOf(JSON.stringify([
    'latchkey audit row v1', chain, sequence, previous, id, createdAt.toISOString(), type, actor, organizationId, subject, address, requestId, inOrder(detail),
  ]))
}

/** Whether the seal of a row or a head is right; null: it is under a key that is not at hand. */
export function isSealed (sealed: { hash: string, mac: string, key: string } | ChainHead, keys: ChainKeys): boolean | null {
  const key = keys.find(({ id }) => id === sealed.key)
  if (key === undefined) return null
  return sameDigest(macOf('pruned' in sealed ? canonicalHead(sealed) : sealed.hash, key), sealed.mac)
}

/** The digest of rows that are older than the chain: of those before, and this one. */
export function olderDigest (before: string, row: ChainedEvent): string {
  return digestOf(JSON.stringify([before, hashOf(row)]))
}

function canonicalHead ({ id, sequence, hash, pruned, prunedHash }: Omit<ChainHead, 'mac' | 'key'>): string {
  return JSON.stringify(['latchkey audit head v1', id, sequence, hash, pruned, prunedHash])
}

/** The members of every object sorted by name. */
function inOrder (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  // Names and values as a list: an object would put names that look like numbers first.
  return { members: Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, member]) => [name, inOrder(member)]) }
}

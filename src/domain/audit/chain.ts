/**
 * Audit rows as a chain: each says which number it is and what the row before it was, and is sealed under a key that is
 * not in the database. There is a chain for each organization, so that its numbers tell nothing of anybody else, and
 * one for what belongs to the deployment. The head of a chain is sealed too, and is what proves every row: a server
 * goes on from a head only if its seal is right.
 */
import { Failure } from '../../base/errors.ts'
import { macOf, type MacKey } from '../../secrets/authentication-code.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import type { AuditEvent, AuditEventType } from './event.ts'

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
  /** The hash of the last one that was; in front of a row that pins those before it, their digest so far. */
  prunedHash: string
  /** The digest of the rows among them that stay, in their order; empty: none does. */
  kept: string
}

/** A head before its seal. */
export type UnsealedHead = Omit<ChainHead, 'mac' | 'key'>

/**
 * Rows that pin all rows before them in their chain by a digest of what was found, as those do not prove themselves.
 */
export const pinningTypes = [
  'audit.chain_closed_off', 'audit.chain_recovered'
] as const satisfies readonly AuditEventType[]

/** Rows that retention leaves: which chains there are, what was wrong with one, which keys there were. */
export const keptTypes = [
  'audit.chain_opened', 'audit.chain_recovered', 'audit.key_recorded'
] as const satisfies readonly AuditEventType[]

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
export function sealHead (head: UnsealedHead, keys: ChainKeys): ChainHead {
  return { ...head, mac: macOf(canonicalHead(head), keys[0]!), key: keys[0]!.id }
}

/** What a row says, in one form for both databases: neither keeps the order of the members of `detail`. */
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

/** Whether the seal of a row or a head is right; null: it is under a key that is not at hand. */
export function isSealed (
  sealed: { hash: string, mac: string, key: string } | ChainHead, keys: ChainKeys
): boolean | null {
  const key = keys.find(({ id }) => id === sealed.key)
  if (key === undefined) return null
  return sameDigest(macOf('pruned' in sealed ? canonicalHead(sealed) : sealed.hash, key), sealed.mac)
}

/** The digest of rows as they are found, whatever they claim: of those before, and this one. */
export function foundDigest (before: string, row: ChainedEvent): string {
  const { hash, mac, key } = row
  // What a row that is older than the chain has not is left out: such digests are older than this one.
  return digestOf(JSON.stringify([before, hashOf(row), ...(hash + mac + key === '' ? [] : [hash, mac, key])]))
}

/** Whether a row is of one of these types. */
export function isOf (types: readonly AuditEventType[], { type }: Pick<AuditEvent, 'type'>): boolean {
  return (types as readonly string[]).includes(type)
}

/** What a change is refused with that cannot be recorded, because its chain is not what this deployment wrote. */
export function brokenChain (chain: string, problem: string): Failure {
  const recover = `latchkey audit recover ${chain === deploymentChain ? '--deployment' : `--org ${chain}`}`
  return new Failure('audit_chain_broken', {
    message:
      `The audit chain ${chain} is broken: ${problem}. What has to be recorded in it is refused until an operator ` +
        `has looked at it (latchkey audit verify) and closed it off (${recover}).`,
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
  // Names and values as a list: an object would put names that look like numbers first.
  return {
    members: Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, member]) => [name, inOrder(member)])
  }
}

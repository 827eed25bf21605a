/** What happened, for the operator: one row per change, written in the transaction that made the change. */
import { newId } from '../../secrets/secrets.ts'
import { inPlainText } from '../../base/plain-text.ts'
import type { ChainedEvent, ChainHead, UnsealedHead } from './chain.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { Restrictions } from '../members/delegation.ts'

/**
 * The member that a credential was made for, and what they may do at the moment, as patterns of scopes on every
 * resource.
 */
export interface Creator { id: string, permissions: readonly string[] }

/** Who acts, from where, in which request. */
export interface Actor {
  /** `admin` for the admin token, `system` for the server itself, else the id of the credential. */
  id: string
  /** The organization the actor is confined to; null: the whole deployment is theirs to see. */
  organizationId: string | null
  /** What it may do on the management API, and so the most it may hand on there; null: everything. */
  scopes: readonly string[] | null
  /** The member that bounds it: the keys it makes are bound to them too. Null: none does. */
  creator: Creator | null
  /** What binds it besides, and so what it makes for the management API; null: nothing. */
  restrictions: Restrictions | null
  /**
   * The client's address as seen through trusted proxies, `unknown` where it could not be told; null when there was no
   * request.
   */
  address: string | null
  requestId: string | null
}

/** The server acting on its own behalf: seeding, reaping, rotating. */
export const systemActor: Actor = {
  id: 'system', organizationId: null, scopes: null, creator: null, restrictions: null, address: null, requestId: null
}

export const auditEventTypes = [
  'organization.created',
  'organization.updated',
  'organization.suspended',
  'organization.resumed',
  'organization.deleted',
  'resource.created',
  'resource.updated',
  'resource.revoked',
  'client.created',
  'client.registered',
  'client.updated',
  'client.revoked',
  'client.reaped',
  'client.secret_rotated',
  'member.created',
  'member.updated',
  'member.removed',
  'group.created',
  'group.updated',
  'group.deleted',
  'group.member_added',
  'group.member_removed',
  'policy.created',
  'policy.updated',
  'policy.deleted',
  'effective_access.repaired',
  'api_key.created',
  'api_key.imported',
  'api_key.updated',
  'api_key.rotated',
  'api_key.revoked',
  'publishable_key.created',
  'publishable_key.updated',
  'publishable_key.revoked',
  'webhook_token.created',
  'webhook_token.revoked',
  'credits.granted',
  'registration_token.created',
  'registration_token.updated',
  'registration_token.revoked',
  'registration_token.spent',
  'registration_token.exhausted',
  'access_token.created',
  'access_token.updated',
  'access_token.revoked',
  'token.revoked',
  'signing_key.created',
  'signing_key.published',
  'signing_key.rotated',
  'signing_key.retired',
  'signing_key.revoked',
  'signing_key.resealed',
  'signing_key.removed',
  'admin_token.used',
  'credential.refused',
  'credential.reuse_detected',
  'client.refused',
  'introspection.refused',
  'database.lost_changes',
  'database.maybe_lost_changes',
  'lost_change.accepted',
  'audit.chain_opened',
  'audit.chain_closed_off',
  'audit.chain_recovered',
  'audit.key_recorded',
  'audit.pruned'
] as const
export type AuditEventType = typeof auditEventTypes[number]

/** What stands for the type of a row that somebody made unreadable in the database: nothing else of it is known. */
export const unreadableType = 'unreadable'

export interface AuditEvent {
  id: string
  createdAt: Date
  type: AuditEventType | typeof unreadableType
  actor: string
  organizationId: string | null
  /** The id of what was changed or refused; null when it is not known. */
  subject: string | null
  address: string | null
  requestId: string | null
  /** Never holds a secret. */
  detail: Record<string, unknown>
}

/** Which rows are wanted; what is left out does not narrow them. */
export interface AuditFilter {
  organizationId?: string
  actor?: string
  type?: AuditEventType
  /** One of these. */
  types?: readonly AuditEventType[]
  subject?: string
  /** From this instant on. */
  from?: Date
  /** Before this instant. */
  until?: Date
}

/** A place in a chain: the row with this number; 0 is before the first. */
export interface ChainPlace { chain: string, sequence: number }

/** The storage that this concept needs. Rows are only ever added, but for what retention takes away. */
export interface AuditLog {
  /**
   * Adds the row to the end of its chain, and opens the chain with it if there was none. In a transaction, it is there
   * if the transaction is kept; nobody else adds to that chain meanwhile. @throws Failure `audit_chain_broken` for a
   * chain whose head is not sealed by this deployment, and for one that is gone.
   */
  append (event: AuditEvent): Promise<void>
  /**
   * Adds the row with this number, whatever its chain is like, which goes on from it: nothing before it is proved by
   * its head any more.
   */
  resume (event: AuditEvent, sequence: number, previous: string): Promise<void>
  page (query: PageQuery, filter: AuditFilter): Promise<Page<AuditEvent>>
  /** Rows of a chain behind a place, oldest first. */
  chained (after: ChainPlace, limit: number, filter: AuditFilter): Promise<ChainedEvent[]>
  /** Rows of these types about a subject in a chain, by their numbers; few. */
  about (chain: string, subject: string, types: readonly AuditEventType[]): Promise<ChainedEvent[]>
  head (chain: string): Promise<ChainHead | null>
  /** As `head`; in a transaction, nobody else adds to that chain until it ends. */
  holdHead (chain: string): Promise<ChainHead | null>
  heads (query: PageQuery, filter: { chain?: string }): Promise<Page<ChainHead>>
  /** Of these chains, the ones without a head. */
  withoutHead (chains: readonly string[]): Promise<string[]>
  /**
   * The id of a row of the chain that has no number from 1 on; of the chain '', of a row that is in none. Null: there
   * is no such row.
   */
  unplaced (chain: string): Promise<string | null>
  /**
   * The first chain behind this one in the order of their names, known by its head or by its rows; behind '' is the
   * first of all.
   */
  nextChain (after: string): Promise<string | null>
  /** Whether nothing that is audited was ever kept in this database. */
  isNew (): Promise<boolean>
  /** From now on `append` takes a chain of the deployment that is not there to be gone, in this process. */
  expectChain (): void
  /** Heads that are not sealed under the key of this name. At most `limit`. */
  headsNotUnder (key: string, limit: number): Promise<ChainHead[]>
  /** Gives a head another seal, if it is still the one that was read. */
  reseal (before: ChainHead, after: ChainHead): Promise<void>
  /**
   * Removes the rows of a chain between what was pruned before and what `head` says is now, but those of the types that
   * stay. In a transaction that holds the head.
   */
  prune (before: ChainHead, head: UnsealedHead, staying: readonly AuditEventType[]): Promise<void>
}

/** The types that a filter names: one, or all that begin with `api_key.`, say. Null: there is none. */
export function typesNamed (text: string): AuditEventType[] | null {
  const named = auditEventTypes.filter(type => text.endsWith('.') ? type.startsWith(text) : type === text)
  return named.length === 0 ? null : named
}

/** A row about `actor`, who did `type` to `subject`, at `at`. What strangers could have chosen is put in plain text. */
export function auditEvent (
  actor: Actor, at: Date, type: AuditEventType,
  about: { organizationId: string | null, subject: string | null, detail?: Record<string, unknown> }
): AuditEvent {
  return {
    id: newId('evt'),
    createdAt: at,
    type,
    actor: actor.id,
    organizationId: about.organizationId,
    subject: about.subject === null ? null : inPlainText(about.subject),
    address: actor.address === null ? null : inPlainText(actor.address),
    requestId: actor.requestId,
    detail: plain(JSON.parse(JSON.stringify(about.detail ?? {}))) as Record<string, unknown>,
  }
}

function plain (value: unknown): unknown {
  if (typeof value === 'string') return inPlainText(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [inPlainText(name), plain(member)]))
}

/** What happened, for the operator: one row per change, written in the transaction that made the change. */
import { newId } from '../secrets.ts'
import type { Page, PageQuery } from './page.ts'

/** The member that a credential was made for, and what they may do at the moment, as patterns of scopes on every resource. */
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
  /** The client's address as seen through trusted proxies; null when there was no request. */
  address: string | null
  requestId: string | null
}

/** The server acting on its own behalf: seeding, reaping, rotating. */
export const systemActor: Actor = { id: 'system', organizationId: null, scopes: null, creator: null, address: null, requestId: null }

export const auditEventTypes = [
  'organization.created', 'organization.updated', 'organization.suspended', 'organization.resumed',
  'resource.created', 'resource.updated', 'resource.revoked',
  'client.created', 'client.registered', 'client.updated', 'client.revoked', 'client.reaped',
  'client.secret_rotated',
  'member.created', 'member.updated', 'member.removed',
  'api_key.created', 'api_key.imported', 'api_key.updated', 'api_key.rotated', 'api_key.revoked',
  'publishable_key.created', 'publishable_key.revoked', 'webhook_token.created', 'webhook_token.revoked',
  'credits.granted',
  'registration_token.created', 'registration_token.updated', 'registration_token.revoked',
  'token.revoked', 'signing_key.created',
  'credential.refused', 'client.refused',
] as const
export type AuditEventType = typeof auditEventTypes[number]

export interface AuditEvent {
  id: string
  createdAt: Date
  type: AuditEventType
  actor: string
  organizationId: string | null
  /** The id of what was changed or refused; null when it is not known. */
  subject: string | null
  address: string | null
  requestId: string | null
  /** Never holds a secret. */
  detail: Record<string, unknown>
}

/** The storage that this concept needs. Rows are only ever added. */
export interface AuditLog {
  append (event: AuditEvent): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string, type?: AuditEventType, subject?: string }): Promise<Page<AuditEvent>>
}

/** A row about `actor`, who did `type` to `subject`, at `at`. */
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
    subject: about.subject,
    address: actor.address,
    requestId: actor.requestId,
    detail: about.detail ?? {},
  }
}

/** An audit event: one row per change, written in the transaction of the change. */
import { newId } from '../../secrets/random.ts'
import { inPlainText } from '../../base/plain-text.ts'
import type { Actor } from '../core/actor.ts'

export const auditEventTypes = [
  'organization.created',
  'organization.updated',
  'organization.suspended',
  'organization.resumed',
  'organization.deleted',
  'organization_template.created',
  'organization_template.deleted',
  'resource.created',
  'resource.updated',
  'resource.revoked',
  'client.created',
  'client.registered',
  'client.updated',
  'client.disabled',
  'client.enabled',
  'client.revoked',
  'client.reaped',
  'client.secret_rotated',
  'member.created',
  'member.updated',
  'member.removed',
  'identity.linked',
  'identity.unlinked',
  'trusted_provider.created',
  'trusted_provider.updated',
  'trusted_provider.removed',
  'trusted_issuer.created',
  'trusted_issuer.updated',
  'trusted_issuer.deleted',
  'workload_rule.created',
  'workload_rule.updated',
  'workload_rule.deleted',
  'workload.admitted',
  'workload.refused',
  'email_domain.created',
  'email_domain.removed',
  'invitation.created',
  'invitation.accepted',
  'invitation.revoked',
  'sign_in.refused',
  'person_session.created',
  'person_session.ended',
  'sign_in_link.created',
  'sign_in_link.used',
  'sign_in_link.refused',
  'consent.given',
  'consent.ended',
  'authorization.created',
  'authorization.ended',
  'authorization.updated',
  'client_approval.created',
  'client_approval.removed',
  'authorization.refresh_repeated',
  'passkey.added',
  'passkey.renamed',
  'passkey.removed',
  'passkey.used',
  'passkey.refused',
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
  'api_key.disabled',
  'api_key.enabled',
  'api_key.revoked',
  'publishable_key.created',
  'publishable_key.updated',
  'publishable_key.revoked',
  'webhook_token.created',
  'webhook_token.revoked',
  'skill.published',
  'skill.yanked',
  'third_party_source.created',
  'third_party_source.updated',
  'third_party_source.fetched',
  'third_party_source.removed',
  'credits.granted',
  'budget.set',
  'budget.removed',
  'spend_reservation.unsettled',
  'spend_reservation.forced',
  'provider_key.created',
  'provider_key.replaced',
  'provider_key.removed',
  'provider_key.leased',
  'provider_key.resealed',
  'virtual_key.created',
  'virtual_key.revoked',
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

/** Stands for the type of a row that was made unreadable in the database: the rest of it is unknown. */
export const unreadableType = 'unreadable'

export interface AuditEvent {
  id: string
  createdAt: Date
  type: AuditEventType | typeof unreadableType
  actor: string
  organizationId: string | null
  /** The id of the changed record or refused credential; null: unknown. */
  subject: string | null
  address: string | null
  requestId: string | null
  /** Never holds a secret. */
  detail: Record<string, unknown>
}

/** The types that a filter matches: one, or all with a prefix such as `api_key.`. Null: no type matches. */
export function typesNamed (text: string): AuditEventType[] | null {
  const named = auditEventTypes.filter(type => text.endsWith('.') ? type.startsWith(text) : type === text)
  return named.length === 0 ? null : named
}

/** An audit row: `actor` did `type` to a subject at `at`. Texts that strangers may have chosen become plain text. */
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

/**
 * The first part of the verdict: what speaks against a credential by itself, wherever it is used. Pure, as all of it:
 * found → state → organization and its plan → address.
 */
import { isAllowed } from '../../base/ip-address.ts'
import { actsForMember, isForMember } from '../authorizations/allow.ts'
import { mayTouch, planLacks } from '../credentials/api-key.ts'
import type { Client } from '../credentials/client.ts'
import { reasonAgainstPublishableKey } from '../credentials/publishable-key.ts'
import { reasonAgainstVoucher } from '../credentials/voucher.ts'
import type { WebhookToken } from '../credentials/webhook-token.ts'
import { isSessionOver } from '../people/session-lifetime.ts'
import { reasonAgainstOrganization } from '../tenancy/organization.ts'
import { isExpired, isFromTheFuture } from '../tokens/access-token.ts'
import { actsForOrganization, revisionOf } from '../workloads/trusted-issuer.ts'
import {
  refusal, type CredentialFacts, type KeyFacts, type KeyTokenFacts, type ManagementTokenFacts, type PersonFacts,
  type SessionFacts, type TokenFacts, type WebhookFacts, type WorkloadTokenFacts
} from './facts.ts'
import type { Presentation, Reason, Refusal } from './principal.ts'

/** Judges a credential by itself, wherever it is used: up to its address. Null: nothing speaks against it. */
export function judgeCredential (facts: CredentialFacts, presentation: Presentation): Refusal | null {
  switch (facts.kind) {
    case 'not_found': return facts.refusal
    case 'api_key': return refusalOfKey(facts, reasonAgainstKey(facts, presentation))
    case 'access_token': return refusalOfClaims(facts.claims, reasonAgainstToken(facts, presentation))
    case 'key_token': return refusalOfClaims(facts.claims, reasonAgainstKeyToken(facts, presentation))
    case 'workload_token': return refusalOfClaims(facts.claims, reasonAgainstWorkload(facts, presentation))
    case 'management_token': {
      const reason = reasonAgainstManagementToken(facts, presentation)
      return reason && refusal(reason, 'access_token', facts.token.id, facts.token.organizationId)
    }
    case 'session': return refusalOfClaims(facts.claims, reasonAgainstSession(facts, presentation))
    case 'webhook_token': return judgeWebhookToken(facts, presentation)
    case 'person': {
      const reason = reasonAgainstPerson(facts, presentation)
      return reason && refusal(reason, 'person_session', facts.session.id, facts.member?.organizationId ?? null)
    }
    case 'admin_token': return null
  }
}

function refusalOfKey ({ key }: KeyFacts, reason: Reason | null): Refusal | null {
  return reason && refusal(reason, 'api_key', key.id, key.organizationId)
}

function reasonAgainstKey (facts: KeyFacts, presentation: Presentation): Reason | null {
  const { key, resource: own, organization, voucher } = facts
  const { resource, now } = presentation
  if (own === null || own.revokedAt !== null || (resource !== null && resource.id !== own.id)) return 'wrong_resource'
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= now) return key.rotatedTo === null ? 'expired' : 'rotated'
  if (key.disabledAt !== null) return 'disabled'
  const against = (key.vouchedBy === null ? null : reasonAgainstVoucher(voucher, now)) ??
    reasonAgainstOrganization(organization)
  if (against !== null) return against
  if (planLacks(key, own, organization)) return 'feature_missing'
  return isFromAllowed(key, presentation) ? null : 'address_not_allowed'
}

/** Whether a credential may be used from where it was presented; the address is read only if it matters. */
function isFromAllowed ({ allowlist }: { allowlist: readonly string[] }, presentation: Presentation): boolean {
  return allowlist.length === 0 || presentation.leavesAllowlist === true || isAllowed(presentation.address, allowlist)
}

/** A token that claims to come from the future says nothing that could be believed, not even whose it is. */
function refusalOfClaims (
  claims: { client_id: string, org_id?: string, sub?: string, gnt?: string }, reason: Reason | null
): Refusal | null {
  if (reason === null) return null
  if (reason === 'malformed') return refusal(reason, 'access_token')
  const { client_id: clientId, org_id: organizationId = null, sub, gnt } = claims
  if (gnt === undefined || sub === undefined) return refusal(reason, 'access_token', clientId, organizationId)
  return { ...refusal(reason, 'access_token', sub, organizationId), actingFor: { clientId, authorizationId: gnt } }
}

/** What speaks against the claims of a token themselves, before anything is looked up. */
export function reasonAgainstClaims (
  claims: { aud: string, iat: number, nbf?: number, exp: number }, { resource, now }: Presentation
): Reason | null {
  if (isFromTheFuture(claims, now)) return 'malformed'
  if (resource !== null && resource.identifier !== claims.aud) return 'wrong_resource'
  return isExpired(claims, now) ? 'expired' : null
}

function reasonAgainstToken (facts: TokenFacts, presentation: Presentation): Reason | null {
  const { claims, client, isRevoked, resource, organization } = facts
  const reason = reasonAgainstClaims(claims, presentation)
  if (reason !== null) return reason
  if (client === null || client.revokedAt !== null || isRevoked) return 'revoked'
  if (client.disabledAt !== null) return 'disabled'
  if (client.generation !== claims.gen) return 'superseded'
  if (claims.gnt !== undefined && !isAuthorized(facts, client)) return 'revoked'
  if (resource === null || resource.revokedAt !== null) return 'wrong_resource'
  const { member } = facts
  if (member !== null && !isForMember(resource, member)) return 'wrong_resource'
  const against = (member ?? client).organizationId === null ? null : reasonAgainstOrganization(organization)
  if (against !== null) return against
  return isFromAllowed(client, presentation) ? null : 'address_not_allowed'
}

/** A token ends with the key that it was exchanged for, which is judged as it is now. */
function reasonAgainstKeyToken (
  { claims, keyFacts, isRevoked, resource }: KeyTokenFacts, presentation: Presentation
): Reason | null {
  const reason = reasonAgainstClaims(claims, presentation)
  if (reason !== null) return reason
  if (keyFacts === null || isRevoked) return 'revoked'
  const against = reasonAgainstKey(keyFacts, presentation)
  if (against !== null) return against
  // The resource was renamed after the token was made: it is not what the token is for any more.
  return resource!.identifier === claims.aud ? null : 'wrong_resource'
}

/** A token ends with the rule, the issuer or the client that it follows from, and with each change of them. */
function reasonAgainstWorkload (facts: WorkloadTokenFacts, presentation: Presentation): Reason | null {
  const { claims, trust, client, isRevoked, resource, organization } = facts
  const reason = reasonAgainstClaims(claims, presentation)
  if (reason !== null) return reason
  if (trust === null || isRevoked) return 'revoked'
  if (revisionOf(trust) !== claims.trust_rev) return 'superseded'
  if (claims.gen !== undefined) {
    if (client === null || client.revokedAt !== null) return 'revoked'
    if (client.disabledAt !== null) return 'disabled'
    if (client.generation !== claims.gen) return 'superseded'
  }
  if (resource === null || resource.revokedAt !== null || resource.identifier !== claims.aud) return 'wrong_resource'
  const against = actsForOrganization(trust, client) === null ? null : reasonAgainstOrganization(organization)
  if (against !== null) return against
  return client === null || isFromAllowed(client, presentation) ? null : 'address_not_allowed'
}

/** Whether the member for whom a client acts still allows it: the token ends with them, and with the authorization. */
function isAuthorized ({ claims, authorization, member }: TokenFacts, client: Pick<Client, 'organizationId'>): boolean {
  return authorization !== null && authorization.endedAt === null &&
    authorization.memberId === claims.sub && authorization.clientId === claims.client_id &&
    member !== null && member.removedAt === null && actsForMember(client, member)
}

function reasonAgainstManagementToken (facts: ManagementTokenFacts, presentation: Presentation): Reason | null {
  const { token, resource: own, organization } = facts
  const { resource, now } = presentation
  if (own === null || (resource !== null && resource.id !== own.id)) return 'wrong_resource'
  if (token.revokedAt !== null) return 'revoked'
  if (token.expiresAt !== null && token.expiresAt <= now) return 'expired'
  const against = token.organizationId === null ? null : reasonAgainstOrganization(organization)
  if (against !== null) return against
  return isFromAllowed(token, presentation) ? null : 'address_not_allowed'
}

/** A session ends with its member, and with the key that vouched for it. */
function reasonAgainstPerson (facts: PersonFacts, presentation: Presentation): Reason | null {
  const { session, idle, member, voucher, resource: own, organization } = facts
  const { resource, now } = presentation
  if (own === null || own.revokedAt !== null || (resource !== null && resource.id !== own.id)) return 'wrong_resource'
  if (session.endedAt !== null || member === null || member.removedAt !== null) return 'revoked'
  const against = session.vouchedBy === null ? null : reasonAgainstVoucher(voucher, now)
  if (against !== null) return against
  if (isSessionOver(session, { idle }, now)) return 'expired'
  // What an organization protects is for its own people.
  if (own.organizationId !== null && own.organizationId !== member.organizationId) return 'wrong_resource'
  return reasonAgainstOrganization(organization)
}

function reasonAgainstSession (facts: SessionFacts, presentation: Presentation): Reason | null {
  const { claims, key, isRevoked, resource, organization } = facts
  const reason = reasonAgainstClaims(claims, presentation)
  if (reason !== null) return reason
  if (key === null || isRevoked) return 'revoked'
  const against = reasonAgainstPublishableKey(key, resource, organization)
  if (against !== null) return against
  // The resource was renamed after the token was made: it is not what the token is for any more.
  return resource!.identifier === claims.aud ? null : 'wrong_resource'
}

/**
 * A webhook's token is refused for itself, or with its key. The key's allowlist does not count: it says from where the
 * key itself may come, and webhooks come from other servers.
 */
function judgeWebhookToken ({ token, keyFacts }: WebhookFacts, presentation: Presentation): Refusal | null {
  const reason = reasonAgainstWebhookToken(token, presentation) ?? (keyFacts === null ? 'revoked' : null)
  if (reason !== null) return refusal(reason, 'api_key', token.id, token.organizationId)
  const against = reasonAgainstKey(keyFacts!, fromAnywhere(presentation))
  if (against !== null) return refusalOfKey(keyFacts!, against)
  return mayTouch(keyFacts!.key, token.object.type, token.object.id)
    ? null
    : refusal('object_not_allowed', 'api_key', token.id, token.organizationId)
}

/** What speaks against a webhook's token itself, before its key is looked up. */
export function reasonAgainstWebhookToken (
  { resourceId, revokedAt, object }: WebhookToken, { resource, webhookType }: Presentation
): Reason | null {
  if (resource !== null && resource.id !== resourceId) return 'wrong_resource'
  if (revokedAt !== null) return 'revoked'
  return object.type === webhookType ? null : 'object_not_allowed'
}

/** As presented, with no allowlist to apply. */
export function fromAnywhere ({ resource, now }: Presentation): Presentation {
  return { resource, now, address: null, leavesAllowlist: true }
}

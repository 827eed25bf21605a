/** API keys that are disabled, and enabled again. What a disabled key stood for besides itself ends for good. */
import { change, load } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import type { Operation } from '../core/operation.ts'
import { apiKeys, predecessorsOf, requireNotRevoked } from '../credentials/api-key-change.ts'
import { about, delegationOf, type ApiKey, type ApiKeyPort } from '../credentials/api-key.ts'
import { requireSameVoucher } from '../credentials/voucher.ts'
import type { WebhookTokenPort } from '../credentials/webhook-token.ts'
import { requireCredentialChangeable, requireDeployment, requireRestrictionsWithin } from '../members/delegation.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { PersonSessionPort } from '../people/person-session.ts'
import type { SignInLinkPort } from '../people/sign-in-link.ts'
import { requireUsableResource, type ResourcePort } from '../resources/resource.ts'

type EndingPorts = ApiKeyPort & PersonSessionPort & SignInLinkPort & WebhookTokenPort

/**
 * Disables a key: refused from the next request on, until it is enabled. Each key of a rotation chain is disabled by
 * itself. Idempotent. @throws Failure `not_found`, `credential_revoked`.
 */
export async function disableApiKey (
  operation: Operation<AuditPort & EndingPorts>, id: string, reason: string | null
): Promise<ApiKey> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = await load(operation, tx, apiKeys, id)
    requireNotRevoked(before)
    if (before.disabledAt !== null) return before
    const ended = await endTokens(tx, before, now)
    const after = await tx.apiKeys.update({ ...before, disabledAt: now, disabledReason: reason })
    await tx.audit.append(auditEvent(actor, now, 'api_key.disabled', about(after, ended)))
    return after
  })
}

/**
 * Ends the tokens of a key: its webhooks' tokens, and the sign-in links and sessions that it, or a key that it
 * replaced, vouched for. Links first: one that is used at the same time waits for its row, or makes this wait.
 */
async function endTokens (tx: EndingPorts, key: ApiKey, now: Date): Promise<Record<string, number>> {
  const vouchers = [key.id, ...await predecessorsOf(tx, key)]
  return {
    linksEnded: await tx.signInLinks.endVouchedBy(vouchers, now),
    sessionsEnded: await tx.personSessions.endVouchedBy(vouchers, now, 'key-disabled'),
    webhookTokensRevoked: await tx.webhookTokens.revokeOfKey(key.id, now),
  }
}

/**
 * Enables a disabled key: the same text works again, with what it could do before. Idempotent. The actor gives that
 * anew, so it needs what a change of the key needs.
 * @throws Failure `not_found`, `credential_revoked`, `unknown_resource`, `insufficient_permissions`.
 */
export async function enableApiKey (
  operation: Operation<ApiKeyPort & AuditPort & MemberPort & ResourcePort>, id: string
): Promise<ApiKey> {
  return await change(operation, apiKeys, id, 'api_key.enabled', async (before, _now, tx) => {
    requireNotRevoked(before)
    if (before.disabledAt === null) return before
    await requireGivable(tx, operation.actor, before)
    return { ...before, disabledAt: null, disabledReason: null }
  })
}

async function requireGivable (tx: MemberPort & ResourcePort, actor: Actor, key: ApiKey): Promise<void> {
  if (!key.organizations.every(id => id === actor.organizationId)) {
    requireDeployment(
      actor, `The API key ${key.id} reaches organizations besides ${actor.organizationId}: enabling it takes the ` +
        'admin token.'
    )
  }
  requireSameVoucher(actor, key)
  const resource = await requireUsableResource(tx, key.organizationId, key.resourceId)
  const delegation = delegationOf(key, resource)
  await requireCredentialChangeable(tx, actor, resource, delegation)
  requireRestrictionsWithin(actor, resource, delegation)
}

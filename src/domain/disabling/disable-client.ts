/** OAuth clients that are disabled, and enabled again. The tokens and authorizations of before do not come back. */
import { change, load } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { AuthorizationPort } from '../authorizations/authorization.ts'
import type { Operation } from '../core/operation.ts'
import { clients, requireNotRevoked } from '../credentials/client-change.ts'
import { about, nextGeneration, type Client, type ClientPort } from '../credentials/client.ts'
import { requireGrantsHeld } from '../members/delegation.ts'
import type { ResourcePort } from '../resources/resource.ts'

/**
 * Disables a client: refused from the next request on, until it is enabled. Its access tokens, and what members have
 * allowed it with its codes and refresh tokens, end for good; its secrets and keys are those of before. Idempotent.
 * @throws Failure `not_found`, `credential_revoked`.
 */
export async function disableClient (
  operation: Operation<AuditPort & AuthorizationPort & ClientPort>, id: string, reason: string | null
): Promise<Client> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = await load(operation, tx, clients, id)
    requireNotRevoked(before)
    if (before.disabledAt !== null) return before
    const { count: authorizationsEnded } = await tx.authorizations.endAll({ clientIds: [id] }, now, 'client-disabled')
    const after = await tx.clients.update(nextGeneration({ ...before, disabledAt: now, disabledReason: reason }))
    await tx.audit.append(auditEvent(actor, now, 'client.disabled', about(after, { reason, authorizationsEnded })))
    return after
  })
}

/**
 * Enables a disabled client: it authenticates as before, and gets new tokens. Idempotent. The actor gives what the
 * client was granted anew, so it needs all of that, as for a new secret.
 * @throws Failure `not_found`, `credential_revoked`, `insufficient_permissions`.
 */
export async function enableClient (
  operation: Operation<AuditPort & ClientPort & ResourcePort>, id: string
): Promise<Client> {
  return await change(operation, clients, id, 'client.enabled', async (before, _now, tx) => {
    requireNotRevoked(before)
    if (before.disabledAt === null) return before
    await requireGrantsHeld(tx, operation.actor, before)
    return { ...before, disabledAt: null, disabledReason: null }
  })
}

/** The end of a client: with it ends what members have allowed it. */
import { change } from '../audit/change.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import { clients } from '../credentials/client-change.ts'
import { nextGeneration, type Client, type ClientPort } from '../credentials/client.ts'
import type { AuthorizationPort } from './authorization.ts'
import type { AuthorizationStepPort } from './authorization-step.ts'
import type { ConsentPort } from './consent.ts'

type Ports = AuditPort & AuthorizationPort & AuthorizationStepPort & ClientPort & ConsentPort

/**
 * Revokes a client and its outstanding tokens at once (LB-11), with the authorizations and consents of members, which
 * are listed as what they are. Doing it twice changes nothing.
 */
export async function revokeClient (operation: Operation<Ports>, id: string, reason: string | null): Promise<Client> {
  return await change<Client, Ports>(operation, clients, id, 'client.revoked', async (before, now, tx) => {
    if (before.revokedAt !== null) return before
    const set = { clientIds: [id] }
    await tx.authorizations.endAll(set, now, 'client-revoked')
    await tx.authorizationSteps.removeOfEnded(set)
    await tx.consents.removeAll(set)
    return nextGeneration({ ...before, revokedAt: now, revokedReason: reason })
  }, { reason })
}

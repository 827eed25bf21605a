/** What a rule hands on: the client, the resource and the scopes that its author holds, and none that is key-only. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import { requireOwnRecord } from '../core/own-records.ts'
import { requireVisible } from '../core/operation.ts'
import type { Client, ClientPort } from '../credentials/client.ts'
import { refuse, requireDelegable, requireRestrictionsWithin, scopesBeyond } from '../members/delegation.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { WorkloadRule } from './trusted-issuer.ts'

/**
 * The client of a rule, as far as the actor may hand it on; null: the rule has none. A client that was deleted
 * meanwhile hands on nothing. @throws Failure `not_found`, `insufficient_permissions`.
 */
export async function requireClientHeld (
  tx: ClientPort, actor: Actor, { clientId, organizationId }: Pick<WorkloadRule, 'clientId' | 'organizationId'>
): Promise<Client | null> {
  if (clientId === null) return null
  const client = requireVisible(actor, await tx.clients.get(clientId), 'client', clientId)
  if (organizationId !== null && client.organizationId !== organizationId) {
    throw new Failure('not_found', { message: `${organizationId} has no client ${JSON.stringify(clientId)}.` })
  }
  if (scopesBeyond(actor, ['clients:write']).length > 0) {
    refuse('A rule that leads to a client is as good as a secret of it, so it takes clients:write.', {
      requiredScopes: ['clients:write']
    })
  }
  requireOwnRecord(actor, 'clients:write', client.creatorId, `The client ${clientId}`)
  return client
}

/** The actor could give as much by itself: it sets who gets this. @throws Failure `insufficient_permissions`. */
export async function requireRuleHeld (
  tx: ClientPort & ResourcePort, actor: Actor, rule: WorkloadRule
): Promise<void> {
  const client = rule.clientId === null || await tx.clients.get(rule.clientId) === null
    ? null
    : await requireClientHeld(tx, actor, rule)
  const resource = await tx.resources.get(rule.resourceId)
  if (resource === null) return
  requireDelegable(actor, resource, rule.scopes)
  if (rule.scopes.length > 0) {
    requireRestrictionsWithin(actor, resource, { allowlist: client?.allowlist ?? [], expiresAt: null })
  }
}

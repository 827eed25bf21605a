/** How policies change: planned against the present state, weighed by what they would take, then written. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import {
  about, invalid, mostPolicies, type PlannedPolicy, type Policy, type PolicyPlan, requireConditions, type Effect,
  type PolicyConditions
} from '../policy/policy.ts'
import type { Repositories } from '../store.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { requireStillAdministered } from './policy-impact.ts'

export interface PolicyInput {
  /** Null: the deployment's. */
  organizationId: string | null
  name: string
  description?: string | null
  effect: Effect
  enabled?: boolean
  /** Resources by id or identifier. */
  conditions?: PolicyConditions
}

/**
 * @throws Failure `not_found`, `organization_not_active`, `unknown_resource`, `invalid_allowlist`, `invalid_request`,
 * `conflict` for one too many.
 */
export function planCreation ({ clock, actor }: Operation, input: PolicyInput): PolicyPlan {
  const { organizationId } = input
  return async (repositories) => {
    if (organizationId !== null) await requireActiveOrganization(repositories, actor, organizationId)
    if ((await repositories.policies.of(organizationId)).length >= mostPolicies) {
      throw new Failure('conflict', {
        message:
          `There are ${mostPolicies} policies already, and all of them are weighed at every request; put several ` +
          'into one.'
      })
    }
    const now = clock()
    const after: Policy = {
      id: newId('pol'),
      organizationId,
      name: input.name,
      description: input.description ?? null,
      effect: input.effect,
      enabled: input.enabled ?? true,
      conditions: await requireConditions(repositories, actor, organizationId, input.conditions ?? {}),
      createdBy: actor.id,
      createdAt: now,
      updatedAt: now,
      revision: 1,
    }
    return { before: null, after }
  }
}

export type PolicyChange = Partial<Pick<Policy, 'name' | 'description' | 'effect' | 'enabled'>> & {
  conditions?: PolicyConditions
}

/** The conditions given replace all there are. @throws Failure as `planCreation`. */
export function planUpdate (operation: Operation, id: string, change: PolicyChange): PolicyPlan {
  const { clock, actor } = operation
  return async (repositories) => {
    const before = requireVisible(actor, await repositories.policies.get(id), 'policy', id)
    requireExpected(operation, before)
    if (before.conditions === null && (change.conditions === undefined || change.effect === undefined)) {
      throw invalid(
        'conditions',
        `What is stored of the policy ${id} cannot be read here, so it denies everything: give effect and ` +
        'conditions, or delete it.'
      )
    }
    const conditions = change.conditions === undefined
      ? before.conditions
      : await requireConditions(repositories, actor, before.organizationId, change.conditions)
    return { before, after: { ...before, ...change, conditions, updatedAt: clock() } }
  }
}

/** @throws Failure `not_found`. */
export function planDeletion (operation: Operation, id: string): PolicyPlan {
  return async (repositories) => {
    const before = requireVisible(operation.actor, await repositories.policies.get(id), 'policy', id)
    requireExpected(operation, before)
    return { before, after: null }
  }
}

/**
 * Makes a change; true from the next request on. Returns the policy as it is after, or was before it was deleted.
 * @throws Failure `would_lock_out`, unless `force`: then the audit log says so.
 */
export async function changePolicy (
  { store, clock, actor }: Operation, plan: PolicyPlan, force: boolean
): Promise<Policy> {
  return await store.transaction(async (tx) => {
    const planned = await plan(tx)
    const forced = await requireStillAdministered(tx, planned, clock(), force)
    const kept = await write(tx, planned)
    await tx.audit.append(auditEvent(actor, clock(), typeOf(planned), about(planned, forced ? { forced } : {})))
    return kept
  })
}

export async function write ({ policies }: Repositories, { before, after }: PlannedPolicy): Promise<Policy> {
  if (after !== null && before !== null) return await policies.update(after)
  if (after === null) await policies.remove(before!)
  else await policies.insert(after)
  return (after ?? before)!
}

export function typeOf ({ before, after }: PlannedPolicy): AuditEventType {
  if (before === null) return 'policy.created'
  return after === null ? 'policy.deleted' : 'policy.updated'
}

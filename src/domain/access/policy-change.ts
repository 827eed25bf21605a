/** How policies change: planned against the present state, weighed by what they would take, then written. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import {
  auditDetail, invalid, mostPolicies, type Policy, type Effect, type PolicyConditions, type PolicyPort, unique, type
  PlannedPolicy, type PolicyPlan
} from '../policy/policy.ts'
import {
  requireActiveOrganization, requireVisibleOrganization, type OrganizationPort
} from '../tenancy/organization.ts'
import { requireStillAdministered } from './policy-impact.ts'
import type { GroupPort } from './group.ts'
import { requireUsableResource, type ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { ClientPort } from '../credentials/client.ts'
import type { ManagementTokenPort } from '../credentials/management-token.ts'
import type { PublishableKeyPort } from '../credentials/publishable-key.ts'
import type { WebhookTokenPort } from '../credentials/webhook-token.ts'
import type { MemberPort } from '../members/permissions.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import type { Actor } from '../core/actor.ts'
import { problemOfWindow } from '../policy/time-window.ts'
import { requireScopePatterns } from '../resources/scope.ts'

/** What planning reads. */
type PlanPorts = GroupPort & OrganizationPort & PolicyPort & ResourcePort

/** What the operations of this file read and write. */
type Ports =
  & ApiKeyPort
  & AuditPort
  & ClientPort
  & GroupPort
  & ManagementTokenPort
  & MemberPort
  & OrganizationPort
  & PolicyPort
  & PublishableKeyPort
  & ResourcePort
  & WebhookTokenPort

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
export function planCreation ({ clock, actor }: Operation<PlanPorts>, input: PolicyInput): PolicyPlan<PlanPorts> {
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
export function planUpdate (operation: Operation<PlanPorts>, id: string, change: PolicyChange): PolicyPlan<PlanPorts> {
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
export function planDeletion (operation: Operation<PolicyPort>, id: string): PolicyPlan<PolicyPort> {
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
  { store, clock, actor }: Operation<Ports>, plan: PolicyPlan<Ports>, force: boolean
): Promise<Policy> {
  return await store.transaction(async (tx) => {
    const planned = await plan(tx)
    const forced = await requireStillAdministered(tx, planned, actor, clock(), force)
    const kept = await write(tx, planned)
    await tx.audit.append(auditEvent(actor, clock(), typeOf(planned), auditDetail(planned, forced ? { forced } : {})))
    return kept
  })
}

export async function write ({ policies }: PolicyPort, { before, after }: PlannedPolicy): Promise<Policy> {
  if (after !== null && before !== null) return await policies.update(after)
  if (after === null) await policies.remove(before!)
  else await policies.insert(after)
  return (after ?? before)!
}

export function typeOf ({ before, after }: PlannedPolicy): AuditEventType {
  if (before === null) return 'policy.created'
  return after === null ? 'policy.deleted' : 'policy.updated'
}

/** Conditions in canonical spelling, about what is there and may be named. */
export async function requireConditions (
  repositories: GroupPort & OrganizationPort & ResourcePort,
  actor: Actor,
  organizationId: string | null,
  given: PolicyConditions
): Promise<PolicyConditions> {
  for (const [name, value] of Object.entries(given)) {
    if (Array.isArray(value) && value.length === 0) {
      throw invalid(
        `conditions.${name}`, `${name} is empty and would hold for nobody; leave it out where everybody is meant.`
      )
    }
  }
  const { organizations, groups, kinds, resources, scopes, addresses, times } = given
  const problem = times === undefined ? null : problemOfWindow(times)
  if (problem !== null) throw invalid('conditions.times', `${problem}.`)
  if (organizations !== undefined && organizationId !== null) {
    throw invalid('conditions.organizations', `The policy binds ${organizationId} alone; leave organizations out.`)
  }
  for (const id of organizations ?? []) requireVisibleOrganization(actor, await repositories.organizations.get(id), id)
  for (const id of groups ?? []) await requireGroup(repositories, organizationId, id)
  return {
    ...(organizations && { organizations: unique(organizations) }),
    ...(groups && { groups: unique(groups) }),
    ...(kinds && { kinds: unique(kinds) }),
    ...(resources && { resources: await resourceIds(repositories, organizationId, resources) }),
    ...(scopes && { scopes: unique(requireScopePatterns(scopes, 'conditions.scopes')) }),
    ...(addresses && { addresses: readAllowlist(addresses, 'conditions.addresses') }),
    ...(times && { times }),
  }
}

export async function requireGroup ({ groups }: GroupPort, organizationId: string | null, id: string): Promise<void> {
  requireVisible({ organizationId }, await groups.get(id), 'group', id)
}

/** A policy of the deployment may name an organization's resource. */
export async function resourceIds (
  repositories: ResourcePort, organizationId: string | null, names: readonly string[]
): Promise<string[]> {
  const ids: string[] = []
  for (const name of names) {
    const named = organizationId === null
      ? await repositories.resources.get(name) ?? await repositories.resources.byIdentifier(name)
      : null
    ids.push(named?.id ?? (await requireUsableResource(repositories, organizationId, name)).id)
  }
  return unique(ids)
}

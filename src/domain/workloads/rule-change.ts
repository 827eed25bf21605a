/** Rules of trusted issuers: made, changed and deleted by actors that hold what the rules give. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { change, remove, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import type { Client, ClientPort } from '../credentials/client.ts'
import { requireUsableResource, type Resource, type ResourcePort } from '../resources/resource.ts'
import { grantableNow, namesOf, requireGrantable } from '../resources/scope.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { requireConditions, type ClaimCondition } from './claim-match.ts'
import { requireClientHeld, requireRuleHeld } from './rule-delegation.ts'
import type { TrustedIssuer, TrustedIssuerPort, WorkloadRule, WorkloadRulePort } from './trusted-issuer.ts'

type Ports = AuditPort & ClientPort & OrganizationPort & ResourcePort & TrustedIssuerPort & WorkloadRulePort

/** The most rules of one issuer. */
export const mostRules = 200

export interface RuleSettings {
  name?: string
  claims?: readonly ClaimCondition[]
  /** By id or identifier. */
  resource?: string
  scopes?: readonly string[]
}

export interface RuleInput extends Required<RuleSettings> {
  issuerId: string
  /** The client that workloads act as; null: they act as themselves. */
  clientId: string | null
  /** Of the deployment's issuers: for which organization they act as themselves. */
  forOrganizationId?: string | null
}

/**
 * Adds a rule to an issuer. @throws Failure `invalid_request`, `not_found`, `unknown_resource`, `unknown_scope`,
 * `scope_api_key_only`, `conflict` for one more than `mostRules`, `insufficient_permissions`.
 */
export async function addRule (
  { store, clock, actor }: Operation<Ports>, input: RuleInput
): Promise<WorkloadRule> {
  return await store.transaction(async tx => {
    const issuer = requireVisible(actor, await tx.trustedIssuers.get(input.issuerId), 'trusted issuer', input.issuerId)
    requireRoomFor(issuer, await tx.workloadRules.count(issuer.id))
    const { organizationId } = issuer
    const forOrganizationId = await actsFor(tx, actor, issuer, input)
    const target = { organizationId, clientId: input.clientId, forOrganizationId }
    const client = await requireClientHeld(tx, actor, target)
    const { resource, scopes } = await given(tx, client?.organizationId ?? forOrganizationId, client, input)
    const rule: WorkloadRule = {
      id: newId('twr'),
      issuerId: issuer.id,
      ...target,
      name: input.name,
      claims: requireConditions(input.claims, issuer.anchors),
      resourceId: resource.id,
      scopes,
      createdBy: actor.id,
      createdAt: clock(),
      revision: 1,
    }
    await requireRuleHeld(tx, actor, rule)
    await tx.workloadRules.insert(rule)
    await tx.audit.append(auditEvent(actor, rule.createdAt, 'workload_rule.created', about(rule)))
    return rule
  })
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getRule ({ store, actor }: Operation<WorkloadRulePort>, id: string): Promise<WorkloadRule> {
  return requireVisible(actor, await store.workloadRules.get(id), 'workload rule', id)
}

/** Changes a rule; tokens that it gave end. @throws Failure as `addRule`. */
export async function updateRule (
  operation: Operation<Ports>, id: string, settings: RuleSettings
): Promise<WorkloadRule> {
  const { actor } = operation
  return await change(operation, workloadRules, id, 'workload_rule.updated', async (before, _now, tx) => {
    // Also what it gave before: the actor says which workloads get it.
    await requireRuleHeld(tx, actor, before)
    const issuer = await tx.trustedIssuers.get(before.issuerId)
    const client = await requireClientHeld(tx, actor, before)
    const { resource, scopes } = settings.resource === undefined && settings.scopes === undefined
      ? { resource: { id: before.resourceId }, scopes: before.scopes }
      : await given(tx, client?.organizationId ?? before.forOrganizationId, client, {
        resource: settings.resource ?? before.resourceId, scopes: settings.scopes ?? namesOf(before.scopes)
      })
    const after: WorkloadRule = {
      ...before,
      name: settings.name ?? before.name,
      claims: settings.claims === undefined ? before.claims : requireConditions(settings.claims, issuer!.anchors),
      resourceId: resource.id,
      scopes,
    }
    await requireRuleHeld(tx, actor, after)
    return after
  })
}

/** Deletes a rule: the tokens that it gave are refused from the next request on. @throws Failure `not_found`. */
export async function removeRule (operation: Operation<Ports>, id: string): Promise<WorkloadRule> {
  return await remove(operation, workloadRules, id, 'workload_rule.deleted', async (tx, rule) => {
    await tx.workloadRules.remove(rule)
  })
}

const workloadRules: RecordKind<WorkloadRule, WorkloadRulePort> = {
  name: 'workload rule',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.workloadRules.get(id),
  update: (tx, after) => tx.workloadRules.update(after),
  about,
}

function requireRoomFor ({ id, profile }: TrustedIssuer, count: number): void {
  if (profile === 'id-jag') {
    throw new Failure('invalid_request', {
      message: `The issuer ${id} is trusted for ID-JAG: its assertions name their client, so it has no rules.`
    })
  }
  if (count >= mostRules) {
    throw new Failure('conflict', { message: `The issuer ${id} has ${mostRules} rules already; delete one first.` })
  }
}

/** The organization that workloads act for as themselves; null: they act as a client. */
async function actsFor (
  tx: Ports, actor: Actor, { organizationId }: TrustedIssuer, { clientId, forOrganizationId = null }: RuleInput
): Promise<string | null> {
  const chosen = forOrganizationId ?? (clientId === null ? organizationId : null)
  if ((clientId === null) === (chosen === null)) {
    throw new Failure('invalid_request', {
      message: 'A rule leads to a client, or to an organization for which workloads act as themselves: send one.',
      details: { field: 'client' }
    })
  }
  if (chosen === null) return null
  if (organizationId !== null && chosen !== organizationId) {
    throw new Failure('not_found', { message: `There is no organization ${JSON.stringify(chosen)}.` })
  }
  return (await requireActiveOrganization(tx, actor, chosen)).id
}

/** The resource and the references of scopes, of which a client has each. */
async function given (
  tx: ResourcePort, organizationId: string | null, client: Client | null, named: Pick<RuleInput, 'resource' | 'scopes'>
): Promise<{ resource: Resource, scopes: string[] }> {
  const resource = await requireUsableResource(tx, organizationId, named.resource)
  const scopes = requireGrantable(named.scopes, resource.scopes, resource.identifier)
  const held = client?.grants.find(({ resourceId }) => resourceId === resource.id)?.scopes
  const missing = client === null
    ? []
    : grantableNow(scopes.filter(scope => held?.includes(scope) !== true), resource.scopes)
  if (client === null || (held !== undefined && missing.length === 0)) return { resource, scopes }
  throw new Failure('invalid_request', {
    message: held === undefined
      ? `The client ${client.id} has no grant for ${resource.identifier}.`
      : `The client ${client.id} lacks the scope ${missing.join(' ')} of ${resource.identifier}.`,
    details: { field: 'scopes', scopes: missing }
  })
}

function about (rule: WorkloadRule) {
  const { id, organizationId, issuerId, name, claims, clientId, forOrganizationId, resourceId, scopes } = rule
  return {
    organizationId,
    subject: id,
    detail: { issuer: issuerId, name, claims, clientId, forOrganizationId, resourceId, scopes: namesOf(scopes) }
  }
}

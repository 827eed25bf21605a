/** Groups of members (OC-07): a member has, besides its own permissions, those of its groups. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { keepingAdministrator } from '../members/lock-out.ts'
import { keptScopes } from '../members/member.ts'
import { requireDeployment } from '../members/delegation.ts'
import { requireGainHeld, requireRaiseHeld } from '../members/member-delegation.ts'
import { mayAll, permissionsOf, type Member } from '../members/permissions.ts'
import { noPermissions, onEveryResource, together } from '../members/roles.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { change, load, type RecordKind } from '../audit/change.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { undoing } from './own-lock-out.ts'
import { keepingPoliciesChangeable } from './policy-impact.ts'
import type { Policy } from '../policy/policy.ts'
import { covers, namesOf } from '../resources/scope.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { PolicyPort } from '../policy/policy.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { ClientPort } from '../credentials/client.ts'
import type { ManagementTokenPort } from '../credentials/management-token.ts'
import type { PublishableKeyPort } from '../credentials/publishable-key.ts'
import type { WebhookTokenPort } from '../credentials/webhook-token.ts'

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

/**
 * Members of an organization who may do what the group may, besides what they may themselves. It is looked at whenever
 * a key of theirs is used: joining and leaving are true from the next request on.
 */
export interface Group extends Revised {
  /** `grp_…` */
  id: string
  organizationId: string
  name: string
  description: string | null
  /** References and patterns of scopes, on every resource of the organization. */
  scopes: readonly string[]
  createdAt: Date
}

export interface GroupRepository {
  insert (group: Group): Promise<void>
  get (id: string): Promise<Group | null>
  /** Replaces everything but id, organizationId and createdAt; returns it with its next revision. */
  update (group: Group): Promise<Group>
  /** Removes it, and everybody from it. */
  remove (id: string): Promise<void>
  /** By hand: no mapping takes it away. Doing it twice changes nothing. */
  addMember (id: string, memberId: string): Promise<void>
  /** Whether a member is in a group by hand. */
  hasByHand (id: string, memberId: string): Promise<boolean>
  /** Gives a member these groups, and no others, by the mapping `source`; what others gave it keeps. */
  setMapped (
    memberId: string, source: string, groupIds: readonly string[]
  ): Promise<{ added: readonly string[], removed: readonly string[] }>
  /** Takes everything that a mapping gave in an organization. */
  endMapping (source: string, organizationId: string): Promise<void>
  /** For every reason. */
  removeMember (id: string, memberId: string): Promise<void>
  /** With `memberId`: the groups that this member is in. */
  page (query: ListQuery, filter: Sought & { organizationId?: string, memberId?: string }): Promise<Listed<Group>>
}

export interface GroupPort { groups: GroupRepository }

export interface GroupInput {
  organizationId: string, name: string, description?: string | null, scopes: readonly string[]
}

/**
 * @throws Failure `not_found`, `organization_not_active`, `insufficient_permissions`, `invalid_request` for a text that
 * is no pattern.
 */
export async function createGroup (
  { store, clock, actor }: Operation<AuditPort & GroupPort & OrganizationPort & ResourcePort>, input: GroupInput
): Promise<Group> {
  const named: Group = {
    id: newId('grp'),
    organizationId: input.organizationId,
    name: input.name,
    description: input.description ?? null,
    scopes: input.scopes,
    createdAt: clock(),
    revision: 1,
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const group = { ...named, scopes: await keptScopes(tx, named.organizationId, named.scopes) }
    await requireGainHeld(tx, actor, group.organizationId, noPermissions, onEveryResource(group.scopes))
    await tx.groups.insert(group)
    await tx.audit.append(auditEvent(actor, group.createdAt, 'group.created', about(group)))
    return group
  })
}

/** @throws Failure `not_found`, also for a group of another organization. */
export async function getGroup ({ store, actor }: Operation<GroupPort>, id: string): Promise<Group> {
  return requireVisible(actor, await store.groups.get(id), 'group', id)
}

export interface GroupChange { name?: string, description?: string | null, scopes?: readonly string[] }

/**
 * Changes a group; what the keys of its members may do follows with the next request.
 * @throws Failure `insufficient_permissions` for scopes, before or after, that the actor has not itself;
 * `would_lock_out` for the last administrator's.
 */
export async function updateGroup (operation: Operation<Ports>, id: string, given: GroupChange): Promise<Group> {
  const { actor } = operation
  const kind: RecordKind<Group, Ports> = {
    ...groups,
    update: (tx, after, before) =>
      keepingAdministered(operation, tx, before, given.scopes !== undefined, () => tx.groups.update(after)),
  }
  return await change(operation, kind, id, 'group.updated', async (before, _now, tx) => {
    const scopes = given.scopes === undefined
      ? before.scopes
      : await keptScopes(tx, before.organizationId, given.scopes)
    const [had, has] = [onEveryResource(before.scopes), onEveryResource(scopes)]
    await requireRaiseHeld(tx, actor, before.organizationId, had, has)
    // What members lose, the actor has as well.
    await requireGainHeld(tx, actor, before.organizationId, has, had)
    return {
      ...before,
      name: given.name ?? before.name,
      description: given.description === undefined ? before.description : given.description,
      scopes,
    }
  })
}

/**
 * Removes a group; its members keep what they may themselves.
 * @throws Failure `conflict` for a group that a policy names: the policy would then bind other members, or none;
 * `insufficient_permissions`, `would_lock_out`.
 */
export async function deleteGroup (operation: Operation<Ports>, id: string): Promise<Group> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const group = await load(operation, tx, groups, id)
    await requireUnnamed(tx, actor, group)
    await requireGainHeld(tx, actor, group.organizationId, noPermissions, onEveryResource(group.scopes))
    await keepingAdministered(operation, tx, group, true, () => tx.groups.remove(id))
    await tx.audit.append(auditEvent(actor, clock(), 'group.deleted', about(group)))
    return group
  })
}

/**
 * Adds a member of the same organization. Doing it twice changes nothing. @throws Failure `insufficient_permissions`,
 * `not_found`, `credential_revoked`.
 */
export async function addToGroup (operation: Operation<Ports>, id: string, memberId: string): Promise<Group> {
  return await changeMembership(operation, id, memberId, 'group.member_added', async (tx, group, member) => {
    if (member.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${memberId} was removed; create them anew.` })
    }
    // A mapping may have given it, and may take it back: by hand it stays.
    if (await tx.groups.hasByHand(group.id, member.id)) return false
    await requireGroupPolicies(tx, operation.actor, group)
    const permissions = permissionsOf(member)
    await requireRaiseHeld(
      tx, operation.actor, group.organizationId, permissions, together([permissions, onEveryResource(group.scopes)])
    )
    await keepingAdministered(operation, tx, group, true, () => tx.groups.addMember(group.id, member.id))
    return true
  })
}

/**
 * Takes a member out of a group. Doing it twice changes nothing. @throws Failure `insufficient_permissions`,
 * `not_found`, `would_lock_out`.
 */
export async function removeFromGroup (operation: Operation<Ports>, id: string, memberId: string): Promise<Group> {
  return await changeMembership(operation, id, memberId, 'group.member_removed', async (tx, group, member) => {
    if (!isIn(member, group)) return false
    await requireGroupPolicies(tx, operation.actor, group)
    await requireGainHeld(
      tx, operation.actor, group.organizationId, noPermissions, onEveryResource(group.scopes)
    )
    await keepingAdministered(operation, tx, group, true, () => tx.groups.removeMember(group.id, member.id))
    return true
  })
}

/** How groups are found, kept and audited. */
const groups: RecordKind<Group, GroupPort> = {
  name: 'group',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.groups.get(id),
  update: (tx, after) => tx.groups.update(after),
  about,
}

async function changeMembership (
  operation: Operation<Ports>, id: string, memberId: string, type: AuditEventType,
  change: (tx: Ports, group: Group, member: Member) => Promise<boolean>
): Promise<Group> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const group = await load(operation, tx, groups, id)
    const found = requireVisible(actor, await tx.members.get(memberId), 'member', memberId)
    const member = requireVisible(group, found, 'member', memberId)
    if (await change(tx, group, member)) {
      await tx.audit.append(
        auditEvent(actor, clock(), type, {
          organizationId: group.organizationId, subject: group.id, detail: { name: group.name, member: member.id }
        })
      )
    }
    return group
  })
}

function isIn ({ groups }: Member, { id }: Group): boolean {
  return groups.some(group => group.id === id)
}

async function policiesNaming (tx: PolicyPort, { id, organizationId }: Group): Promise<Policy[]> {
  const policies = [...await tx.policies.of(organizationId), ...await tx.policies.of(null)]
  return policies.filter(({ conditions }) => conditions?.groups?.includes(id))
}

/**
 * Membership of a group that a policy names requires the permission to change that policy: otherwise a credential would
 * shake off a policy by leaving its group. @throws Failure `insufficient_permissions`.
 */
export async function requireGroupPolicies (tx: PolicyPort, actor: Actor, group: Group): Promise<void> {
  if (actor.scopes === null) return
  const naming = (await policiesNaming(tx, group)).filter(({ enabled }) => enabled)
  if (naming.some(policy => policy.organizationId === null)) {
    requireDeployment(
      actor,
      `A policy of the deployment names the group ${group.id}; only the deployment's operators change its members.`
    )
  }
  if (naming.length === 0 || actor.scopes.includes('policies:write')) return
  throw new Failure('insufficient_permissions', {
    message: `The group ${group.id} is named in policies (${
      naming.map(({ id }) => id).join(', ')
    }); changing its members takes policies:write.`,
    details: { requiredScopes: ['policies:write'] }
  })
}

/**
 * Changes a group or its members, and keeps an administrator and changeable policies in the organization. Permissions
 * that the change adds are checked by the caller. @throws Failure `would_lock_out`.
 */
async function keepingAdministered<T> (
  { actor, clock }: Operation<Ports>, tx: Ports, group: Group, takes: boolean, change: () => Promise<T>
): Promise<T> {
  const { organizationId, scopes } = group
  if (!takes || actor.scopes === null) return await change()
  const lifts = namesOf(scopes).some(pattern => covers(pattern, undoing))
  const decides = lifts || (await policiesNaming(tx, group)).length > 0
  return await keepingAdministrator(
    tx, actor, organizationId, mayAll(scopes),
    () => decides ? keepingPoliciesChangeable(tx, organizationId, clock(), change) : change()
  )
}

async function requireUnnamed (tx: PolicyPort, actor: Actor, group: Group): Promise<void> {
  const { id } = group
  const naming = await policiesNaming(tx, group)
  if (naming.length === 0) return
  const own = naming.filter(policy => actor.organizationId === null || policy.organizationId !== null).map(policy =>
    policy.id
  )
  throw new Failure('conflict', {
    message: `The group ${id} is named by ${
      own.length === 0 ? 'a policy of the deployment' : own.join(', ')
    }; change that first.`,
    details: { policies: own }
  })
}

function about ({ id, organizationId, name, description, scopes }: Group) {
  return { organizationId, subject: id, detail: { name, description, scopes: namesOf(scopes) } }
}

/** Changes of members: creation, update, removal; the last administrator stays. */
import { change, type RecordKind } from '../audit/change.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { everyRow } from '../core/page.ts'
import { requireGainHeld, requireMemberHeld, requireRaiseHeld, requireRoleHeld } from './delegation.ts'
import { namesOf, readsAsPattern, referenceOf, requireScopePatterns } from '../resources/scope.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { mayAll, type Member, permissionsOf, type Role } from './permissions.ts'
import { declaredFor } from '../resources/declared-scopes.ts'
import type { MemberPort } from './permissions.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'

export interface MemberInput { organizationId: string, name: string, role: Role, scopes?: readonly string[] | null }

/**
 * @throws Failure `not_found`, `organization_not_active`, `invalid_request` for a text that is no pattern,
 * `insufficient_permissions` for a role or scopes that the actor has not itself.
 */
export async function createMember (
  { store, clock, actor }: Operation<AuditPort & MemberPort & OrganizationPort & ResourcePort>, input: MemberInput
): Promise<Member> {
  const named: Member = {
    id: newId('mem'),
    organizationId: input.organizationId,
    name: input.name,
    role: input.role,
    scopes: input.scopes ?? null,
    groups: [],
    createdAt: clock(),
    removedAt: null,
    revision: 1
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const member = { ...named, scopes: named.scopes && await keptScopes(tx, named.organizationId, named.scopes) }
    await requireGainHeld(tx, actor, member.organizationId, [], permissionsOf(member))
    await requireRoleHeld(tx, actor, member)
    await tx.members.insert(member)
    await tx.audit.append(auditEvent(actor, member.createdAt, 'member.created', about(member)))
    return member
  })
}

/** @throws Failure `not_found`, also for a member of another organization. */
export async function getMember ({ store, actor }: Operation<MemberPort>, id: string): Promise<Member> {
  return requireVisible(actor, await store.members.get(id), 'member', id)
}

/**
 * Changes a member. Its keys have the new permissions from the next request on.
 * @throws Failure `insufficient_permissions` for a member that has, before or after, scopes which the actor lacks;
 * `would_lock_out` for the last administrator.
 */
export async function updateMember (
  operation: Operation<AuditPort & MemberPort & ResourcePort>,
  id: string,
  given: { name?: string, role?: Role, scopes?: readonly string[] | null }
): Promise<Member> {
  return await change(operation, members, id, 'member.updated', async (before, _now, tx) => {
    if (before.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${id} was removed; create them anew.` })
    }
    const after: Member = {
      ...before,
      name: given.name ?? before.name,
      role: given.role ?? before.role,
      scopes: given.scopes === undefined
        ? before.scopes
        : given.scopes && await keptScopes(tx, before.organizationId, given.scopes)
    }
    await requireRaiseHeld(tx, operation.actor, before.organizationId, permissionsOf(before), permissionsOf(after))
    if (after.role !== before.role) await requireRoleHeld(tx, operation.actor, after)
    return after
  })
}

/**
 * Removes a member: their keys may do nothing from the next request on. Idempotent.
 * @throws Failure `insufficient_permissions` for a member that has scopes which the actor lacks; `would_lock_out` for
 * the last administrator.
 */
export async function removeMember (
  operation: Operation<AuditPort & MemberPort & ResourcePort>, id: string
): Promise<Member> {
  return await change(
    operation, members, id, 'member.removed',
    async (before, now) => before.removedAt === null ? { ...before, removedAt: now } : before
  )
}

/** How members are found, kept and audited. */
const members: RecordKind<Member, AuditPort & MemberPort & ResourcePort> = {
  name: 'member',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.members.get(id),
  async update (tx, after, before, actor) {
    await requireMemberHeld(tx, actor, before)
    const takes = mayAll(permissionsOf(before)) && !mayAll(permissionsOf(after))
    return await keepingAdministrator(tx, actor, before.organizationId, takes, () => tx.members.update(after))
  },
  about,
}

/**
 * Makes a change that takes, if `takes`, permissions of an administrator from a member. The last administrator of an
 * organization stays one, unless the admin token or the server itself makes the change.
 * @throws Failure `would_lock_out`.
 */
export async function keepingAdministrator<T> (
  tx: MemberPort, actor: Actor, organizationId: string, takes: boolean, change: () => Promise<T>
): Promise<T> {
  const guarded = takes && actor.scopes !== null && await hasAdministrator(tx, organizationId)
  const changed = await change()
  if (!guarded || await hasAdministrator(tx, organizationId)) return changed
  throw new Failure('would_lock_out', {
    message:
      `This would leave ${organizationId} without a member who may do everything. Make another one first; the ` +
        'deployment\'s admin token can do it all the same.',
    details: { organization: organizationId }
  })
}

async function hasAdministrator (tx: MemberPort, organizationId: string): Promise<boolean> {
  for await (const member of everyRow(query => tx.members.page(query, { organizationId, removed: false }))) {
    if (mayAll(permissionsOf(member))) return true
  }
  return false
}

/**
 * The references that a member or a group keeps for names and patterns. A name becomes the references that it has now
 * on every resource of the organization. A name that no resource declares yet stays a name: an ordinary scope declared
 * later is found by it, an API-key-only scope is not.
 * @throws Failure `invalid_request`.
 */
export async function keptScopes (
  tx: ResourcePort, organizationId: string, patterns: readonly string[]
): Promise<string[]> {
  const given = requireScopePatterns(patterns)
  const declared = given.every(readsAsPattern) ? [] : await declaredFor(tx, organizationId)
  return [...new Set(given.flatMap(each => {
    const references = readsAsPattern(each) ? [] : declared.filter(({ name }) => name === each).map(referenceOf)
    return references.length === 0 ? [each] : references
  }))]
}

function about (member: Member) {
  const { name, role, scopes } = member
  return {
    organizationId: member.organizationId,
    subject: member.id,
    detail: { name, role, scopes: scopes && namesOf(scopes) },
  }
}

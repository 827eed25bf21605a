import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/secrets.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import { type Actor } from '../core/actor.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { managementResourceId, requireScopesHeld, type Resource } from '../resources/resource.ts'
import { requireRestrictionsWithin } from './delegation.ts'
import {
  expand, isScopePattern, namesOf, patternsBeyond, readsAsPattern, referenceOf, type Scope
} from '../resources/scope.ts'
import { type Repositories } from '../store.ts'
import { requireVisible } from '../core/operation.ts'
import { requireExpected } from '../core/operation.ts'
import { type Revised } from '../core/operation.ts'
import { type Operation } from '../core/operation.ts'

export const roles = ['owner', 'admin', 'member', 'viewer'] as const
export type Role = typeof roles[number]

/** What a role may do on every resource of its organization, as patterns of scopes. */
const rolePatterns: Readonly<Record<Role, readonly string[]>> = {
  owner: ['*'],
  admin: ['*'],
  member: ['*:read', '*:write'],
  viewer: ['*:read'],
}

/** A person of an organization. A key that they made never does more than they may at the moment it is used (CD-09). */
export interface Member extends Revised {
  /** `mem_…` */
  id: string
  organizationId: string
  name: string
  role: Role
  /** References and patterns of scopes that stand instead of the role's; null: the role's. */
  scopes: readonly string[] | null
  /** The groups that they are in, and what these add. */
  groups: readonly MemberGroup[]
  createdAt: Date
  removedAt: Date | null
}

/** What a member has from a group. */
export interface MemberGroup { id: string, scopes: readonly string[] }

export interface MemberRepository {
  insert (member: Member): Promise<void>
  get (id: string): Promise<Member | null>
  /** Replaces everything but id, organizationId, createdAt and groups; returns it with its next revision. */
  update(member: Member): Promise<Member>
  page(
    query: PageQuery,
    filter: { organizationId?: string, groupId?: string, name?: string, role?: Role, removed?: boolean }
  ): Promise<Page<Member>>
}

/** The patterns of what a member may do now, by themselves and by their groups; a removed member may do nothing. */
export function permissionsOf (member: Member): readonly string[] {
  return member.removedAt === null ? [...ownPermissionsOf(member), ...member.groups.flatMap(group => group.scopes)] : []
}

/** The groups of what is bound to a member, or to none; null: that member is not there, so they cannot be told. */
export function groupsOf ({ creatorId }: { creatorId: string | null }, creator: Member | null): string[] | null {
  if (creatorId === null) return []
  return creator === null ? null : creator.groups.map(group => group.id)
}

/** The patterns of what a member may do whatever groups they are in. */
export function ownPermissionsOf ({ role, scopes }: Member): readonly string[] {
  return scopes ?? rolePatterns[role]
}

export interface MemberInput { organizationId: string, name: string, role: Role, scopes?: readonly string[] | null }

/**
 * @throws Failure `not_found`, `organization_not_active`, `invalid_request` for a text that is no pattern,
 * `insufficient_permissions` for a role or scopes that the actor has not itself.
 */
export async function createMember ({ store, clock, actor }: Operation, input: MemberInput): Promise<Member> {
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
    await requireOwnRole(tx, actor, member)
    await tx.members.insert(member)
    await tx.audit.append(auditEvent(actor, member.createdAt, 'member.created', about(member)))
    return member
  })
}

/** @throws Failure `not_found`, also for a member of another organization. */
export async function getMember ({ store, actor }: Operation, id: string): Promise<Member> {
  return requireVisible(actor, await store.members.get(id), 'member', id)
}

/**
 * Changes a member; what their keys may do follows with the next request.
 * @throws Failure `insufficient_permissions` for who may do what the actor may not, before or after; `would_lock_out`
 * for the last administrator.
 */
export async function updateMember (
  operation: Operation, id: string, change: { name?: string, role?: Role, scopes?: readonly string[] | null }
): Promise<Member> {
  return await changeMember(operation, id, 'member.updated', async (before, _now, tx) => {
    if (before.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${id} was removed; create them anew.` })
    }
    const after: Member = {
      ...before,
      name: change.name ?? before.name,
      role: change.role ?? before.role,
      scopes: change.scopes === undefined
        ? before.scopes
        : change.scopes && await keptScopes(tx, before.organizationId, change.scopes)
    }
    await requireGainHeld(tx, operation.actor, before.organizationId, permissionsOf(before), permissionsOf(after))
    await requireRaisedUnrestricted(tx, operation.actor, permissionsOf(before), permissionsOf(after))
    if (after.role !== before.role) await requireOwnRole(tx, operation.actor, after)
    return after
  })
}

/**
 * Removes a member: their keys may do nothing from the next request on. Doing it twice changes nothing.
 * @throws Failure `insufficient_permissions` for who may do what the actor may not; `would_lock_out` for the last
 * administrator.
 */
export async function removeMember (operation: Operation, id: string): Promise<Member> {
  return await changeMember(
    operation, id, 'member.removed',
    async (before, now) => before.removedAt === null ? { ...before, removedAt: now } : before
  )
}

async function changeMember (
  operation: Operation,
  id: string,
  type: AuditEventType,
  change: (before: Member, now: Date, tx: Repositories) => Promise<Member>
): Promise<Member> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = requireVisible(actor, await tx.members.get(id), 'member', id)
    requireExpected(operation, before)
    const after = await change(before, now, tx)
    if (after === before) return before
    await requireNotAbove(tx, actor, before)
    const kept = await keepingAdministrator(
      tx, actor, before.organizationId, mayAll(permissionsOf(before)) && !mayAll(permissionsOf(after)),
      () => tx.members.update(after)
    )
    await tx.audit.append(auditEvent(actor, now, type, about(after)))
    return kept
  })
}

/**
 * What members gain, the keys that they made gain: on the management API only by who has it, and nowhere by a key of a
 * member who has it not. `had` and `has` are references and patterns. @throws Failure `insufficient_permissions`.
 */
export async function requireGainHeld (
  tx: Repositories, actor: Actor, organizationId: string, had: readonly string[], has: readonly string[]
): Promise<void> {
  const resource = await tx.resources.get(managementResourceId)
  const before = resource === null ? [] : expand(had, resource.scopes)
  if (resource !== null) {
    requireScopesHeld(
      actor, resource, expand(has, resource.scopes).filter(scope => !before.includes(scope))
    )
  }
  await requireWithinCreator(tx, actor, organizationId, had, has)
}

/**
 * The keys that members have made already gain what the members gain on the management API, and are bound by nothing
 * that binds the actor: a credential would shake off its own allowlist and its own end by raising a member whose key it
 * has too.
 * @throws Failure `insufficient_permissions` for an actor that is restricted at all.
 */
export async function requireRaisedUnrestricted (
  tx: Repositories, actor: Actor, had: readonly string[], has: readonly string[]
): Promise<void> {
  const resource = await tx.resources.get(managementResourceId)
  if (resource === null) return
  const before = expand(had, resource.scopes)
  if (expand(has, resource.scopes).every(scope => before.includes(scope))) return
  requireRestrictionsWithin(actor, resource, { allowlist: [], expiresAt: null })
}

/**
 * Nobody changes or removes a member who may do what they may not themselves. @throws Failure
 * `insufficient_permissions`.
 */
async function requireNotAbove (tx: Repositories, actor: Actor, member: Member): Promise<void> {
  const permissions = permissionsOf(member)
  const resource = await tx.resources.get(managementResourceId)
  const managed = resource === null || actor.scopes === null
    ? []
    : expand(permissions, resource.scopes).filter(scope => !actor.scopes!.includes(scope))
  const elsewhere = actor.creator === null
    ? []
    : patternsBeyond(actor.creator.permissions, permissions, await keyOnlyScopes(tx, member.organizationId))
  const missing = namesOf([...managed, ...elsewhere])
  if (missing.length === 0) return
  throw new Failure('insufficient_permissions', {
    message:
      `The member ${member.id} may do what your credential may not; who changes or removes them has to hold as much.`,
    details: { requiredScopes: missing }
  })
}

/** Whether whoever has these patterns may do everything: an administrator. */
export function mayAll (permissions: readonly string[]): boolean {
  return permissions.includes('*')
}

/**
 * Makes a change that takes somebody what administrators have, if `takes`. The last administrator of an organization
 * stays one, unless the admin token or the server itself makes the change. @throws Failure `would_lock_out`.
 */
export async function keepingAdministrator<T> (
  tx: Repositories, actor: Actor, organizationId: string, takes: boolean, change: () => Promise<T>
): Promise<T> {
  const guarded = takes && actor.scopes !== null && await hasAdministrator(tx, organizationId)
  const changed = await change()
  if (!guarded || await hasAdministrator(tx, organizationId)) return changed
  throw new Failure('would_lock_out', {
    message:
      `After this ${organizationId} would have no member who may do everything. Make another one first; the ` +
        'deployment\'s admin token can do it all the same.',
    details: { organization: organizationId }
  })
}

async function hasAdministrator (tx: Repositories, organizationId: string): Promise<boolean> {
  for (let after: PageQuery['after'] = null; ;) {
    const { items, hasMore } = await tx.members.page({ limit: 200, after }, { organizationId, removed: false })
    if (items.some(member => mayAll(permissionsOf(member)))) return true
    if (!hasMore) return false
    after = items.at(-1)!
  }
}

/**
 * A role is given by who has all that it stands for, also where other scopes stand instead of it for now. @throws
 * Failure `insufficient_permissions`.
 */
async function requireOwnRole (tx: Repositories, actor: Actor, { organizationId, role }: Member): Promise<void> {
  await requireGainHeld(tx, actor, organizationId, [], rolePatterns[role])
}

/**
 * A key that a member made raises nobody above that member, on no resource. @throws Failure `insufficient_permissions`.
 */
async function requireWithinCreator (
  tx: Repositories, actor: Actor, organizationId: string, had: readonly string[], has: readonly string[]
): Promise<void> {
  if (actor.creator === null) return
  const keyOnly = await keyOnlyScopes(tx, organizationId)
  const missing = patternsBeyond(actor.creator.permissions, patternsBeyond(had, has, keyOnly), keyOnly)
  if (missing.length === 0) return
  throw new Failure('insufficient_permissions', {
    message: `The member ${actor.creator.id} that your credential is bound to has not ${
      namesOf(missing).join(' ')
    } and cannot hand it on.`,
    details: { requiredScopes: namesOf(missing) }
  })
}

/** The references of the API-key-only scopes of every resource that an organization's keys can be made for. */
async function keyOnlyScopes (tx: Repositories, organizationId: string): Promise<Set<string>> {
  return new Set((await declaredFor(tx, organizationId)).filter(({ keyOnly }) => keyOnly).map(referenceOf))
}

/** Every scope of every resource that an organization's keys can be made for. */
async function declaredFor (tx: Repositories, organizationId: string): Promise<Scope[]> {
  const declared: Scope[] = []
  for (let after: PageQuery['after'] = null; ;) {
    const { items, hasMore } = await tx.resources.page({ limit: 200, after }, { visibleTo: organizationId })
    declared.push(...items.flatMap(({ scopes }) => scopes))
    if (!hasMore) return declared
    after = items.at(-1)!
  }
}

/**
 * What a member or a group keeps of names and patterns: of a name what it stands for now on any resource of the
 * organization. One that nothing declares yet stays a name, which an ordinary scope that is declared later goes by, and
 * an API-key-only one does not.
 * @throws Failure `invalid_request`.
 */
export async function keptScopes (
  tx: Repositories, organizationId: string, patterns: readonly string[]
): Promise<string[]> {
  const given = requireScopePatterns(patterns)
  const declared = given.every(readsAsPattern) ? [] : await declaredFor(tx, organizationId)
  return [...new Set(given.flatMap(each => {
    const references = readsAsPattern(each) ? [] : declared.filter(({ name }) => name === each).map(referenceOf)
    return references.length === 0 ? [each] : references
  }))]
}

/** @throws Failure `invalid_request` naming the first text that is neither a scope nor a pattern of scopes. */
export function requireScopePatterns (patterns: readonly string[], field = 'scopes'): readonly string[] {
  const wrong = patterns.find(pattern => !isScopePattern(pattern))
  if (wrong === undefined) return patterns
  throw new Failure('invalid_request', {
    message: `${
      JSON.stringify(wrong.slice(0, 64))
    } is neither a scope nor a pattern of scopes: invoices:read, invoices:*, *:read or *.`,
    details: { field }
  })
}

function about (member: Member) {
  const { name, role, scopes } = member
  return {
    organizationId: member.organizationId,
    subject: member.id,
    detail: { name, role, scopes: scopes && namesOf(scopes) },
  }
}

/**
 * A member's credential is told no secret but such as are bound to that member: through another's the member would keep
 * what they lose, and gain what the other gains (CD-09). @throws Failure `insufficient_permissions`.
 */
export function requireSameMember ({ creator }: Actor, creatorId: string | null): void {
  if (creator === null || creatorId === creator.id) return
  throw new Failure('insufficient_permissions', {
    message:
      `Your credential is bound to the member ${creator.id}, and so are the keys and access tokens that it makes or ` +
        'rotates.',
    details: { creator: creator.id }
  })
}

/**
 * A member's credential changes nothing that a stronger member, or none, vouches for. @throws Failure
 * `insufficient_permissions`.
 */
export async function requireNotStrongerMember (
  tx: Repositories, { creator }: Actor, resource: Resource, creatorId: string | null
): Promise<void> {
  if (creator === null || creatorId === creator.id) return
  const other = creatorId === null ? null : await tx.members.get(creatorId)
  const keyOnly = new Set(resource.scopes.filter(scope => scope.keyOnly).map(referenceOf))
  if (other !== null && patternsBeyond(creator.permissions, permissionsOf(other), keyOnly).length === 0) return
  throw new Failure('insufficient_permissions', {
    message:
      `Your credential is bound to the member ${creator.id}: the keys and access tokens that it changes are bound to ` +
        'them, or to a member who may do no more.',
    details: { creator: creator.id }
  })
}

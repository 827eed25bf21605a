/** Changes of members: creation, update, removal. */
import { change, type RecordKind } from '../audit/change.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { operatorsId, requireActiveOrganization } from '../tenancy/organization.ts'
import { normalEmail, requireEmail } from './email.ts'
import { keepingOffices } from './lock-out.ts'
import {
  requireGainHeld, requireMemberHeld, requireOperatorHeld, requireRaiseHeld, requireRoleHeld
} from './member-delegation.ts'
import { namesOf, readsAsPattern, referenceOf, requireScopePatterns } from '../resources/scope.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { permissionsOf, type Member } from './permissions.ts'
import { noPermissions, type Role } from './roles.ts'
import { declaredFor } from '../resources/declared-scopes.ts'
import type { MemberSessionPort } from './member-sessions.ts'
import type { MemberPort } from './permissions.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'

export interface MemberInput {
  organizationId: string
  name: string
  role: Role
  email?: string | null
  scopes?: readonly string[] | null
  operator?: boolean
}

/**
 * @throws Failure `not_found`, `organization_not_active`, `invalid_request` for a text that is no pattern or no e-mail,
 * and for an operator outside of the organization of the operators, `conflict` for an e-mail that another member has,
 * `insufficient_permissions` for a role or scopes that the actor has not itself.
 */
export async function createMember (
  { store, clock, actor }: Operation<AuditPort & MemberPort & OrganizationPort & ResourcePort>, input: MemberInput
): Promise<Member> {
  const named: Member = {
    id: newId('mem'),
    organizationId: input.organizationId,
    name: input.name,
    email: input.email == null ? null : requireEmail(input.email),
    role: input.role,
    scopes: input.scopes ?? null,
    operator: input.operator ?? false,
    groups: [],
    createdAt: clock(),
    removedAt: null,
    revision: 1
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const member = { ...named, scopes: named.scopes && await keptScopes(tx, named.organizationId, named.scopes) }
    await requireGainHeld(tx, actor, member.organizationId, noPermissions, permissionsOf(member))
    await requireRoleHeld(tx, actor, member)
    if (member.operator) await requireMayOperate(tx, actor, member)
    await requireFreeEmail(tx, member)
    await tx.members.insert(member)
    await tx.audit.append(auditEvent(actor, member.createdAt, 'member.created', aboutMember(member)))
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
  operation: Operation<AuditPort & MemberPort & MemberSessionPort & ResourcePort>,
  id: string,
  given: Partial<Omit<MemberInput, 'organizationId'>>
): Promise<Member> {
  return await change(operation, members, id, 'member.updated', async (before, now, tx) => {
    if (before.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${id} was removed; create them anew.` })
    }
    const after: Member = {
      ...before,
      name: given.name ?? before.name,
      email: given.email === undefined ? before.email : given.email && requireEmail(given.email),
      role: given.role ?? before.role,
      operator: given.operator ?? before.operator,
      scopes: given.scopes === undefined
        ? before.scopes
        : given.scopes && await keptScopes(tx, before.organizationId, given.scopes)
    }
    await requireRaiseHeld(tx, operation.actor, before.organizationId, permissionsOf(before), permissionsOf(after))
    if (after.role !== before.role) await requireRoleHeld(tx, operation.actor, after)
    if (after.operator && !before.operator) await requireMayOperate(tx, operation.actor, after)
    if (after.email !== before.email) await requireFreeEmail(tx, after)
    await endSessionsOfChanged(tx, before, after, now)
    return after
  })
}

/**
 * Removes a member: their keys may do nothing from the next request on. Idempotent.
 * @throws Failure `insufficient_permissions` for a member that has scopes which the actor lacks; `would_lock_out` for
 * the last administrator.
 */
export async function removeMember (
  operation: Operation<AuditPort & MemberPort & MemberSessionPort & ResourcePort>, id: string
): Promise<Member> {
  return await change(operation, members, id, 'member.removed', async (before, now, tx) => {
    if (before.removedAt !== null) return before
    await tx.personSessions.endOfMember(id, now, 'member-removed')
    return { ...before, removedAt: now }
  })
}

/** Another role, or other scopes in its place, end the member's sessions: pages show what holds now. */
async function endSessionsOfChanged (
  tx: MemberSessionPort, before: Member, after: Member, now: Date
): Promise<void> {
  const isSame = after.role === before.role && after.operator === before.operator &&
    JSON.stringify(after.scopes) === JSON.stringify(before.scopes)
  if (!isSame) await tx.personSessions.endOfMember(before.id, now, 'member-changed')
}

/** How members are found, kept and audited. */
const members: RecordKind<Member, AuditPort & MemberPort & ResourcePort> = {
  name: 'member',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.members.get(id),
  async update (tx, after, before, actor) {
    await requireMemberHeld(tx, actor, before)
    return await keepingOffices(tx, actor, before, after, () => tx.members.update(after))
  },
  about: aboutMember,
}

/** @throws Failure `invalid_request` outside of the organization of the operators; `insufficient_permissions`. */
async function requireMayOperate (tx: ResourcePort, actor: Actor, { organizationId }: Member): Promise<void> {
  if (organizationId !== operatorsId) {
    throw new Failure('invalid_request', {
      message: `Operators are members of the organization ${operatorsId}; create the member there.`,
      details: { field: 'operator', organization: operatorsId }
    })
  }
  await requireOperatorHeld(tx, actor)
}

/** @throws Failure `conflict` for an e-mail that another member of the organization has. */
async function requireFreeEmail (tx: MemberPort, { id, organizationId, email }: Member): Promise<void> {
  if (email === null) return
  const { items } = await tx.members.page({ limit: 1, after: null }, { organizationId, email })
  const holder = items.find(member => member.id !== id)
  if (holder === undefined) return
  throw new Failure('conflict', {
    message: `The member ${holder.id} of ${organizationId} has the e-mail ${normalEmail(email)}; an e-mail is that ` +
      'of one member.',
    details: { field: 'email', member: holder.id }
  })
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

/** The subject of an audit row about a member. */
export function aboutMember (member: Member) {
  const { name, email, role, scopes, operator } = member
  return {
    organizationId: member.organizationId,
    subject: member.id,
    detail: { name, email, role, scopes: scopes && namesOf(scopes), operator },
  }
}

/**
 * The rule that no actor hands on more than it has, for members: their permissions, roles, ownership, and acting for
 * the deployment. Every function throws Failure `insufficient_permissions`.
 */
import type { Actor, Permissions } from '../core/actor.ts'
import { keyOnlyScopes } from '../resources/declared-scopes.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { expand, namesOf, patternsBeyond } from '../resources/scope.ts'
import { refuse, refuseMissing, requireDeployment, requireRestrictionsWithin, scopesBeyond } from './delegation.ts'
import { isOwner, permissionsOf, type Member } from './permissions.ts'
import { noPermissions, rolePermissions, type Role } from './roles.ts'

/**
 * Permissions of members before and after a change: their keys gain the difference. On the management API the actor has
 * each, and elsewhere the actor's member does.
 */
export async function requireGainHeld (
  tx: ResourcePort, actor: Actor, organizationId: string, had: Permissions, has: Permissions
): Promise<void> {
  const { managed, elsewhere } = await gainBeyond(tx, actor, organizationId, had, has)
  refuseMissing(managed)
  refuseMissing(elsewhere, actor.creator)
}

/**
 * As `requireGainHeld`, where keys of the members exist already. Those have none of the actor's restrictions: a
 * restricted actor could raise a member of which it has a key, so it raises none on the management API.
 */
export async function requireRaiseHeld (
  tx: ResourcePort, actor: Actor, organizationId: string, had: Permissions, has: Permissions
): Promise<void> {
  await requireGainHeld(tx, actor, organizationId, had, has)
  const { onAll, onOwn } = await gainOf(tx, had, has)
  if (onAll.length + onOwn.length > 0) requireUnrestricted(actor)
}

/** A role: the actor has all that it stands for, also while other scopes replace it; an owner makes owners. */
export async function requireRoleHeld (
  tx: ResourcePort, actor: Actor, { organizationId, role }: { organizationId: string, role: Role }
): Promise<void> {
  await requireGainHeld(tx, actor, organizationId, noPermissions, rolePermissions[role])
  if (role === 'owner') requireOwnership(actor, 'Only an owner makes another member an owner')
}

/** A member that the actor changes or removes: the actor has all that the member may do; an owner changes owners. */
export async function requireMemberHeld (tx: ResourcePort, actor: Actor, member: Member): Promise<void> {
  if (member.operator) {
    requireDeployment(
      actor,
      `The member ${member.id} is an operator of the deployment: changing or removing them takes another operator, ` +
        'or the admin token.'
    )
  }
  if (isOwner(member)) requireOwnership(actor, `The member ${member.id} is an owner; only an owner changes owners`)
  const { managed, elsewhere } = await gainBeyond(
    tx, actor, member.organizationId, noPermissions, permissionsOf(member)
  )
  const missing = namesOf([...managed, ...elsewhere])
  if (missing.length === 0) return
  refuse(
    `The member ${member.id} has scopes that your credential lacks, so it cannot change or remove them.`,
    { requiredScopes: missing }
  )
}

/**
 * A member becomes an operator, and acts for the whole deployment from its next sign-in on: the actor does so, has
 * every scope of the management API, and none of its restrictions is shaken off.
 */
export async function requireOperatorHeld (tx: ResourcePort, actor: Actor): Promise<void> {
  requireDeployment(
    actor,
    'Only the admin token, another credential of the whole deployment, or an operator makes a member an operator.'
  )
  refuseMissing(scopesBeyond(actor, (await gainOf(tx, noPermissions, rolePermissions.owner)).onAll))
  requireUnrestricted(actor)
}

/** An actor that no member bounds has ownership by its scopes: `requireGainHeld` asks for all of them. */
function requireOwnership ({ creator }: Actor, rule: string): void {
  if (creator === null || creator.isOwner) return
  refuse(`${rule}; the member ${creator.id} that your credential is bound to is none.`, { creator: creator.id })
}

function requireUnrestricted (actor: Actor): void {
  requireRestrictionsWithin(actor, { id: managementResourceId }, { allowlist: [], expiresAt: null })
}

/** Names of the scopes of the management API that members gain by a change: for all records, and for own ones alone. */
async function gainOf (
  tx: ResourcePort, had: Permissions, has: Permissions
): Promise<{ onAll: string[], onOwn: string[] }> {
  const resource = await tx.resources.get(managementResourceId)
  if (resource === null) return { onAll: [], onOwn: [] }
  const gained = (before: readonly string[], after: readonly string[]) => {
    const names = expand(before, resource.scopes)
    return expand(after, resource.scopes).filter(scope => !names.includes(scope))
  }
  const onAll = gained(had.managed, has.managed)
  return { onAll, onOwn: gained([...had.managed, ...had.own, ...onAll], has.own) }
}

/** What members gain by a change and the actor lacks: on the management API, and what its member lacks anywhere. */
async function gainBeyond (
  tx: ResourcePort, actor: Actor, organizationId: string, had: Permissions, has: Permissions
): Promise<{ managed: string[], elsewhere: string[] }> {
  const { onAll, onOwn } = await gainOf(tx, had, has)
  const { creator } = actor
  const limited = creator === null ? [] : onAll.filter(scope => creator.own.includes(scope))
  const managed = [...new Set([...scopesBeyond(actor, [...onAll, ...onOwn]), ...limited])]
  if (creator === null) return { managed, elsewhere: [] }
  const keyOnly = await keyOnlyScopes(tx, organizationId)
  const beyond = patternsBeyond(had.elsewhere, has.elsewhere, keyOnly)
  return { managed, elsewhere: patternsBeyond(creator.permissions.elsewhere, beyond, keyOnly) }
}

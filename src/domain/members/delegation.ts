/** What binds a credential besides its scopes: from where, until when and on which objects it works. */
import { isAllowlistWithin } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor, Restrictions } from '../core/actor.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { expand, grantableNow, namesOf, patternsBeyond, referenceOf } from '../resources/scope.ts'
import { keyOnlyScopes } from '../resources/declared-scopes.ts'
import { type Member, permissionsOf, rolePatterns } from './permissions.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { MemberPort } from './permissions.ts'

/**
 * What acts on the management API is bound at least like the credential that makes it, changes it or is told its
 * secret: otherwise a credential would shake off its own allowlist and its own end. Credentials for other resources are
 * what the organization manages; they are bound as whoever makes them says. @throws Failure `insufficient_permissions`.
 */
export function requireRestrictionsWithin ({ restrictions }: Actor, resource: Resource, given: Restrictions): void {
  if (restrictions === null || resource.id !== managementResourceId) return
  const { allowlist, expiresAt, objects = {} } = restrictions
  if (!isAllowlistWithin(given.allowlist, allowlist)) {
    refuse(`works from ${allowlist.join(', ')} alone`, 'from no other address', {
      field: 'allowlist', allowlist: [...allowlist]
    })
  }
  if (expiresAt !== null && (given.expiresAt === null || given.expiresAt > expiresAt)) {
    refuse(`ends at ${expiresAt.toISOString()}`, 'no longer', {
      field: 'expiresAt', expiresAt: expiresAt.toISOString()
    })
  }
  const wider = Object.keys(objects).find(type => !isPartOf(given.objects?.[type], objects[type]!))
  if (wider !== undefined) {
    refuse(`is restricted to some ${wider}`, 'on no others', { field: 'objects', objects: { [wider]: objects[wider] } })
  }
}

function isPartOf (ids: readonly string[] | undefined, bound: readonly string[]): boolean {
  return ids !== undefined && ids.every(id => bound.includes(id))
}

function refuse (is: string, how: string, details: Record<string, unknown>): never {
  throw new Failure('insufficient_permissions', {
    message:
      `Your credential ${is}; itself, and what it makes, changes, raises or rotates for the management API, works ` +
        `${how}.`,
    details
  })
}

/**
 * What members gain, the keys that they made gain: on the management API only by who has it, and nowhere by a key of a
 * member who has it not. `had` and `has` are references and patterns. @throws Failure `insufficient_permissions`.
 */
export async function requireGainHeld (
  tx: ResourcePort, actor: Actor, organizationId: string, had: readonly string[], has: readonly string[]
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
 * Nobody changes or removes a member who may do what they may not themselves. @throws Failure
 * `insufficient_permissions`.
 */
export async function requireNotAbove (tx: ResourcePort, actor: Actor, member: Member): Promise<void> {
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

/**
 * A role is given by who has all that it stands for, also where other scopes stand instead of it for now. @throws
 * Failure `insufficient_permissions`.
 */
export async function requireOwnRole (tx: ResourcePort, actor: Actor, { organizationId, role }: Member): Promise<void> {
  await requireGainHeld(tx, actor, organizationId, [], rolePatterns[role])
}

/**
 * A key that a member made raises nobody above that member, on no resource. @throws Failure `insufficient_permissions`.
 */
export async function requireWithinCreator (
  tx: ResourcePort, actor: Actor, organizationId: string, had: readonly string[], has: readonly string[]
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
  tx: MemberPort, { creator }: Actor, resource: Resource, creatorId: string | null
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

/**
 * The keys that members have made already gain what the members gain on the management API, and are bound by nothing
 * that binds the actor: a credential would shake off its own allowlist and its own end by raising a member whose key it
 * has too.
 * @throws Failure `insufficient_permissions` for an actor that is restricted at all.
 */
export async function requireRaisedUnrestricted (
  tx: ResourcePort, actor: Actor, had: readonly string[], has: readonly string[]
): Promise<void> {
  const resource = await tx.resources.get(managementResourceId)
  if (resource === null) return
  const before = expand(had, resource.scopes)
  if (expand(has, resource.scopes).every(scope => before.includes(scope))) return
  requireRestrictionsWithin(actor, resource, { allowlist: [], expiresAt: null })
}

/** On the management API nobody hands on more than they have. @throws Failure `insufficient_permissions`. */
export function requireScopesHeld (
  actor: Actor, resource: Pick<Resource, 'id'>, scopes: readonly string[]
): readonly string[] {
  const missing = actor.scopes === null || resource.id !== managementResourceId
    ? []
    : scopes.filter(name => !actor.scopes!.includes(name))
  if (missing.length === 0) return scopes
  throw new Failure('insufficient_permissions', {
    message: `Your credential has not the scope ${missing.join(' ')} itself and cannot hand it on.`,
    details: { requiredScopes: missing }
  })
}

/**
 * What a credential is to have, by its references, that is bound to no member: on the management API nobody hands on
 * more than they have, and on no other does a member's key hand on more than the member has. What may manage could then
 * make keys that are nobody's, so a member's key gives that to keys alone, which are bound (CD-09). @throws Failure
 * `insufficient_permissions`.
 */
export function requireDelegable (
  actor: Actor, resource: Pick<Resource, 'id' | 'scopes'>, scopes: readonly string[]
): readonly string[] {
  requireScopesHeld(actor, resource, grantableNow(scopes, resource.scopes))
  if (actor.creator === null || scopes.length === 0) return scopes
  if (resource.id === managementResourceId) {
    throw new Failure('insufficient_permissions', {
      message:
        `Your credential is bound to the member ${actor.creator.id}: for the management API it makes API keys and ` +
        'access tokens alone, which are bound to them too.',
      details: { requiredScopes: namesOf(scopes) }
    })
  }
  const permitted = expand(actor.creator.permissions, resource.scopes)
  const missing = grantableNow(scopes, resource.scopes).filter(name => !permitted.includes(name))
  if (missing.length === 0) return scopes
  throw new Failure('insufficient_permissions', {
    message: `The member ${actor.creator.id} that your credential is bound to has not the scope ${
      missing.join(' ')
    } and cannot hand it on.`,
    details: { requiredScopes: missing }
  })
}

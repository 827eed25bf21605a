/**
 * The rule that no actor hands on more than it has, for credentials: scopes, restrictions, grants. Every function
 * throws Failure `insufficient_permissions`. The same for members: member-delegation.ts.
 */
import { isAllowlistWithin } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor, Creator, Restrictions } from '../core/actor.ts'
import { managementResourceId, type Resource, type ResourcePort } from '../resources/resource.ts'
import { hasPortalScope } from '../resources/portal-scopes.ts'
import {
  expand, grantableNow, namesOf, patternsBeyond, referenceOf, requireDeclaredPatterns, type Scope
} from '../resources/scope.ts'
import { isOwner, permissionsOf, type Member, type MemberPort } from './permissions.ts'

/** What a credential hands on to its holder on its resource. */
export interface Delegation extends Restrictions {
  /** Names. */
  scopes: readonly string[]
  /** The member that bounds it; null: none. */
  creatorId: string | null
}

/** What OAuth clients hand on to their holders, until they are changed. */
export interface GrantDelegation {
  grants: readonly { resourceId: string, scopes: readonly string[] }[]
  /** Empty: from everywhere. */
  allowlist: readonly string[]
}

/**
 * Names of scopes on the management API: the actor has each. Scopes of other resources pass. Partners' scopes are the
 * deployment's to give, to change and to hand out: a partner's key makes no other.
 */
export function requireScopesHeld (
  actor: Actor, resource: Pick<Resource, 'id'>, scopes: readonly string[]
): readonly string[] {
  if (resource.id !== managementResourceId) return scopes
  if (hasPortalScope(scopes)) {
    requireDeployment(
      actor,
      'Keys with portal-provision or portal-sso-mint are made, changed and rotated with the admin token, or by an ' +
        'operator of the deployment.'
    )
  }
  refuseMissing(scopesBeyond(actor, scopes))
  return scopes
}

/**
 * What lets a person in, a sign-in link or an invitation, is made by people, keys and access tokens of the management
 * API: the session of the person would go on after a client was revoked, or a rule of workloads deleted.
 */
export function requireMayLetIn ({ isClient = false }: Actor, what: string): void {
  if (!isClient) return
  refuse(
    `OAuth clients and workloads make no ${what}: a person whom one lets in outlasts it. Use an API key, or sign in.`
  )
}

/**
 * As `requireScopesHeld`, for names and patterns. Returns what an API key or an access token keeps of them.
 * @throws Failure `unknown_scope` besides.
 */
export function requirePatternsHeld (actor: Actor, resource: Resource, scopes: readonly string[]): string[] {
  const patterns = requireDeclaredPatterns(scopes, resource.scopes, resource.identifier)
  requireScopesHeld(actor, resource, expand(patterns, resource.scopes))
  return patterns
}

/**
 * Restrictions on the management API: a credential that the actor makes, changes or gets the secret of is restricted at
 * least as the actor is. Otherwise a credential would shake off its own allowlist and its own expiry. Credentials for
 * other resources are what the organization manages, and have the restrictions that they are given.
 */
export function requireRestrictionsWithin (
  { restrictions }: Actor, resource: Pick<Resource, 'id'>, given: Restrictions
): void {
  if (restrictions === null || resource.id !== managementResourceId) return
  const { allowlist, expiresAt, objects = {} } = restrictions
  if (!isAllowlistWithin(given.allowlist, allowlist)) {
    refuseUnrestricted(`works from ${allowlist.join(', ')} alone`, 'from no other address', {
      field: 'allowlist', allowlist: [...allowlist]
    })
  }
  if (expiresAt !== null && (given.expiresAt === null || given.expiresAt > expiresAt)) {
    refuseUnrestricted(`ends at ${expiresAt.toISOString()}`, 'no longer', {
      field: 'expiresAt', expiresAt: expiresAt.toISOString()
    })
  }
  const wider = Object.keys(objects).find(type => !isPartOf(given.objects?.[type], objects[type]!))
  if (wider !== undefined) {
    refuseUnrestricted(`is restricted to some ${wider}`, 'on no others', {
      field: 'objects', objects: { [wider]: objects[wider] }
    })
  }
}

/**
 * A member's credential makes, and gets the secret of, credentials of the same member only. Through another member's
 * the member would keep what they lose, and gain what the other member gains (CD-09).
 */
export function requireSameMember ({ creator }: Actor, creatorId: string | null): void {
  if (creator === null || creatorId === creator.id) return
  refuse(
    `Your credential is bound to the member ${creator.id}, and so are the keys and access tokens that it makes or ` +
      'rotates.', { creator: creator.id }
  )
}

/** A member's credential changes no credential of a stronger member, and none that no member bounds. */
export async function requireNotStrongerMember (
  tx: MemberPort, { creator }: Actor, resource: Resource, creatorId: string | null
): Promise<void> {
  if (creator === null || creatorId === creator.id) return
  const other = creatorId === null ? null : await tx.members.get(creatorId)
  const keyOnly = new Set(resource.scopes.filter(scope => scope.keyOnly).map(referenceOf))
  if (other !== null && !isStronger(other, creator, keyOnly)) return
  refuse(
    `Your credential is bound to the member ${creator.id}: the keys and access tokens that it changes are bound to ` +
      'them, or to a member who may do no more.', { creator: creator.id }
  )
}

function isStronger (other: Member, { isOwner: held, permissions }: Creator, keyOnly: ReadonlySet<string>): boolean {
  const { managed, own, elsewhere } = permissionsOf(other)
  return (isOwner(other) && !held) ||
    patternsBeyond(permissions.managed, [...managed, ...own], keyOnly).length > 0 ||
    patternsBeyond(permissions.elsewhere, elsewhere, keyOnly).length > 0
}

/** The actor gets a secret that acts for the credential: it has all that the credential hands on. */
export function requireCredentialHeld (actor: Actor, resource: Resource, credential: Delegation): void {
  requireScopesHeld(actor, resource, credential.scopes)
  requireSameMember(actor, credential.creatorId)
  requireRestrictionsWithin(actor, resource, credential)
}

/** The actor sets scopes, restrictions or expiry of a credential, and gets no secret: it could do what that can. */
export async function requireCredentialChangeable (
  tx: MemberPort, actor: Actor, resource: Resource, { scopes, creatorId }: Pick<Delegation, 'scopes' | 'creatorId'>
): Promise<void> {
  requireScopesHeld(actor, resource, scopes)
  await requireNotStrongerMember(tx, actor, resource, creatorId)
}

/**
 * References of scopes for a credential that no member bounds: on the management API the actor has each, and elsewhere
 * the actor's member does. With scopes of the management API such a credential could make keys that no member bounds,
 * so a member's key gives those to API keys and access tokens only, which are bound to the member (CD-09).
 */
export function requireDelegable (
  actor: Actor, resource: Pick<Resource, 'id' | 'scopes'>, scopes: readonly string[]
): readonly string[] {
  const names = grantableNow(scopes, resource.scopes)
  requireScopesHeld(actor, resource, names)
  const { creator } = actor
  if (creator === null || scopes.length === 0) return scopes
  if (resource.id === managementResourceId) {
    refuse(
      `Your credential is bound to the member ${creator.id}: for the management API it makes API keys and access ` +
        'tokens alone, which are bound to them too.', { requiredScopes: namesOf(scopes) }
    )
  }
  const permitted = expand(creator.permissions.elsewhere, resource.scopes)
  refuseMissing(names.filter(name => !permitted.includes(name)), creator)
  return scopes
}

/** Every grant of a client is delegable: the actor sets from where or for what the client works. */
export async function requireGrantsDelegable (
  tx: ResourcePort, actor: Actor, { grants }: Pick<GrantDelegation, 'grants'>
): Promise<void> {
  for (const { resourceId, scopes } of grants) {
    const resource = await tx.resources.get(resourceId)
    if (resource !== null) requireDelegable(actor, resource, scopes)
  }
}

/** As `requireGrantsDelegable`, and the client, which does not expire, is restricted at least as the actor is. */
export async function requireGrantsHeld (
  tx: ResourcePort, actor: Actor, { grants, allowlist }: GrantDelegation
): Promise<void> {
  await requireGrantsDelegable(tx, actor, { grants })
  for (const { resourceId, scopes } of grants) {
    if (scopes.length > 0) requireRestrictionsWithin(actor, { id: resourceId }, { allowlist, expiresAt: null })
  }
}

/**
 * API-key-only scopes that a declaration makes ordinary, also by taking them away first: every pattern that covers them
 * gives them from then on, so the actor's member has each.
 */
export function requireOpenedHeld ({ creator }: Actor, before: readonly Scope[], after: readonly Scope[]): void {
  if (creator === null) return
  const opened = before.filter(
    ({ name, keyOnly }) => keyOnly && after.some(scope => scope.name === name && !scope.keyOnly)
  )
  const permitted = expand(creator.permissions.elsewhere, opened)
  const missing = opened.map(({ name }) => name).filter(name => !permitted.includes(name))
  if (missing.length === 0) return
  refuse(
    `The member ${creator.id} that your credential is bound to lacks the API-key-only scope ${missing.join(' ')}, so ` +
      'it cannot open it to others.', { requiredScopes: missing }
  )
}

/** What is the deployment's: a credential of an organization neither changes it nor hands it on. */
export function requireDeployment ({ organizationId }: Actor, message: string): void {
  if (organizationId !== null) refuse(message)
}

/** Names of scopes of the management API that the actor lacks. */
export function scopesBeyond (actor: Actor, scopes: readonly string[]): string[] {
  return actor.scopes === null ? [] : scopes.filter(name => !actor.scopes!.includes(name))
}

function isPartOf (ids: readonly string[] | undefined, bound: readonly string[]): boolean {
  return ids !== undefined && ids.every(id => bound.includes(id))
}

/** `creator`: the member that lacks the scopes; null: the credential itself does. */
export function refuseMissing (missing: readonly string[], creator: Creator | null = null): void {
  if (missing.length === 0) return
  const names = namesOf(missing)
  const lacking = creator === null ? 'Your credential' : `The member ${creator.id} that your credential is bound to`
  refuse(`${lacking} lacks the scope ${names.join(' ')}, so it cannot grant it.`, { requiredScopes: names })
}

function refuseUnrestricted (is: string, how: string, details: Record<string, unknown>): never {
  refuse(
    `Your credential ${is}; itself, and what it makes, changes, raises or rotates for the management API, works ` +
      `${how}.`, details
  )
}

export function refuse (message: string, details?: Record<string, unknown>): never {
  throw new Failure('insufficient_permissions', { message, ...(details && { details }) })
}

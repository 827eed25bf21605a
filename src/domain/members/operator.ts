/** Operators: members of the organization `Operators` whose sessions may act for the whole deployment. */
import { secondsAfter } from '../../base/clock.ts'
import type { Resource } from '../resources/resource.ts'
import { portalScopes } from '../resources/portal-scopes.ts'
import { expand } from '../resources/scope.ts'
import { operatorsId } from '../tenancy/organization.ts'
import { mayAll, ownPermissionsOf, type Member } from './permissions.ts'

/** Seconds after a sign-in within which an operator changes the deployment, and a person their ways to sign in. */
export const freshSignIn = 600

/** Seconds by which the clock of the server that noted a sign-in may be ahead. */
const clockTolerance = 60

/**
 * Whether a session of a member acts for the whole deployment. `none`: it is confined to its organization.
 * `sign_in_again`: its sign-in is too old for a change of the deployment; the change is refused, not confined.
 */
export type DeploymentAuthority = 'deployment' | 'sign_in_again' | 'none'

/**
 * `change`: the request changes something. `signedInAt`: when the session proved its person, not when it was used;
 * null: its provider did not say, and may have asked for no proof at all.
 */
export function mayActForDeployment (
  member: Pick<Member, 'organizationId' | 'operator' | 'removedAt'>,
  { signedInAt, change, now }: { signedInAt: Date | null, change: boolean, now: Date }
): DeploymentAuthority {
  if (!isOperator(member)) return 'none'
  const isFresh = signedInAt !== null && isFreshSignIn(signedInAt, now)
  return !change || isFresh ? 'deployment' : 'sign_in_again'
}

/** Whether a person has just proved who they are. */
export function isFreshSignIn (signedInAt: Date, now: Date): boolean {
  return now < secondsAfter(signedInAt, freshSignIn) && signedInAt <= secondsAfter(now, clockTolerance)
}

export function isOperator (
  { organizationId, operator, removedAt }: Pick<Member, 'organizationId' | 'operator' | 'removedAt'>
): boolean {
  return operator && removedAt === null && organizationId === operatorsId
}

/** Whether a member may do everything for the whole deployment. */
export function isFullOperator (member: Member): boolean {
  return isOperator(member) && mayAll(ownPermissionsOf(member).managed)
}

/**
 * Names of the scopes of the management API that an operator has for the whole deployment: those of the role, or of the
 * member itself. Groups do not count, because administrators of the operators' organization change them; and what the
 * role gives for own records alone does not, because credentials of other organizations are bound to no operator.
 */
export function scopesForDeployment (member: Member, management: Pick<Resource, 'scopes'>): string[] {
  if (!isOperator(member)) return []
  const scopes = expand(ownPermissionsOf(member).managed, management.scopes)
  // The routes take keys alone; a full operator gives these scopes to keys.
  return isFullOperator(member) ? [...scopes, ...portalScopes.map(({ name }) => name)] : scopes
}

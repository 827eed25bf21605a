/** Members of an organization, and what their role, scopes and groups permit. */
import type { Creator, Permissions } from '../core/actor.ts'
import type { Revised } from '../core/operation.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { expand } from '../resources/scope.ts'
import { noPermissions, onEveryResource, rolePermissions, together, type Role } from './roles.ts'

/** A person of an organization. A key that they made never does more than they may at the moment it is used (CD-09). */
export interface Member extends Revised {
  /** `mem_…` */
  id: string
  organizationId: string
  name: string
  /** As it was given; unique in the organization without regard to case. Never an identifier. Null: none. */
  email: string | null
  role: Role
  /** References and patterns of scopes that stand instead of the role's; null: the role's. */
  scopes: readonly string[] | null
  /** Whether they may act for the whole deployment; only in the organization of the operators. */
  operator: boolean
  /** The groups that they are in, and what these add. */
  groups: readonly MemberGroup[]
  createdAt: Date
  removedAt: Date | null
}

/** A group of a member, and the scopes that it adds. */
export interface MemberGroup { id: string; scopes: readonly string[] }

/** Filter of a list; a member that is left out does not narrow it. `search`: in the name, or the e-mail. */
export interface MemberFilter extends Sought {
  organizationId?: string
  groupId?: string
  /** Exactly this name. */
  name?: string
  /** Without regard to case; a removed member has none. */
  email?: string
  /** The e-mail of a removed member, without regard to case. */
  formerEmail?: string
  role?: Role
  operator?: boolean
  removed?: boolean
}

export interface MemberRepository {
  /** @throws Failure `conflict` for an e-mail that another member of the organization has. */
  insert (member: Member): Promise<void>
  get (id: string): Promise<Member | null>
  /**
   * Replaces everything but id, organizationId, createdAt and groups; returns it with its next revision.
   * @throws as `insert`.
   */
  update (member: Member): Promise<Member>
  page (query: ListQuery, filter: MemberFilter): Promise<Listed<Member>>
}

export interface MemberPort { members: MemberRepository }

/** What a member may do now, by itself and by its groups; nothing for a removed member. */
export function permissionsOf (member: Member): Permissions {
  if (member.removedAt !== null) return noPermissions
  return together([ownPermissionsOf(member), ...member.groups.map(({ scopes }) => onEveryResource(scopes))])
}

/** What a member may do without its groups. */
export function ownPermissionsOf ({ role, scopes }: Member): Permissions {
  return scopes === null ? rolePermissions[role] : onEveryResource(scopes)
}

/** The references and patterns that count on a resource. On the management API, some for own records alone. */
export function permissionsOn ({ managed, own, elsewhere }: Permissions, resource: Pick<Resource, 'id'>): string[] {
  return resource.id === managementResourceId ? [...managed, ...own] : [...elsewhere]
}

/** Names of the scopes that a member has now on a resource. */
export function scopesOf (member: Member, resource: Pick<Resource, 'id' | 'scopes'>): Set<string> {
  return new Set(expand(permissionsOn(permissionsOf(member), resource), resource.scopes))
}

/** The bounds that a member is for a credential for `resource`. Null: no member bounds it. */
export function creatorOf (member: Member | null, resource: Pick<Resource, 'id' | 'scopes'>): Creator | null {
  if (member === null) return null
  const permissions = permissionsOf(member)
  const onAll = expand(permissions.managed, resource.scopes)
  return {
    id: member.id,
    isOwner: isOwner(member),
    permissions,
    own: expand(permissions.own, resource.scopes).filter(scope => !onAll.includes(scope)),
  }
}

export function isOwner ({ role, removedAt }: Member): boolean {
  return role === 'owner' && removedAt === null
}

/** Whether these patterns permit everything: an administrator's. */
export function mayAll (permissions: readonly string[]): boolean {
  return permissions.includes('*')
}

/** Whether a member may do everything in its organization. */
export function isAdministrator (member: Member): boolean {
  return mayAll(permissionsOf(member).managed)
}

/** The groups of the member that bounds a credential; empty: no member bounds it. Null: the member does not exist. */
export function groupsOf ({ creatorId }: { creatorId: string | null }, creator: Member | null): string[] | null {
  if (creatorId === null) return []
  return creator === null ? null : creator.groups.map(group => group.id)
}

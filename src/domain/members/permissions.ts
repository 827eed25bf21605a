/** Members of an organization, and what their role, scopes and groups permit. */
import type { Revised } from '../core/operation.ts'
import type { PageQuery, Page } from '../core/page.ts'

export const roles = ['owner', 'admin', 'member', 'viewer'] as const
export type Role = (typeof roles)[number]

/** Patterns of the scopes of each role, on every resource of its organization. */
export const rolePatterns: Readonly<Record<Role, readonly string[]>> = {
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

/** A group of a member, and the scopes that it adds. */
export interface MemberGroup { id: string; scopes: readonly string[] }
export interface MemberRepository {
  insert (member: Member): Promise<void>
  get (id: string): Promise<Member | null>
  /** Replaces everything but id, organizationId, createdAt and groups; returns it with its next revision. */
  update (member: Member): Promise<Member>
  page (
    query: PageQuery,
    filter: { organizationId?: string; groupId?: string; name?: string; role?: Role; removed?: boolean }
  ): Promise<Page<Member>>
}

export interface MemberPort { members: MemberRepository }

/** Patterns of the scopes that a member has now, by itself and by its groups; empty for a removed member. */
export function permissionsOf (member: Member): readonly string[] {
  return member.removedAt === null ? [...ownPermissionsOf(member), ...member.groups.flatMap(group => group.scopes)] : []
}

/** Patterns of the scopes that a member has without its groups. */
export function ownPermissionsOf ({ role, scopes }: Member): readonly string[] {
  return scopes ?? rolePatterns[role]
}

/** Whether these patterns permit everything: an administrator's. */
export function mayAll (permissions: readonly string[]): boolean {
  return permissions.includes('*')
}

/** The groups of the member that bounds a credential; empty: no member bounds it. Null: the member does not exist. */
export function groupsOf ({ creatorId }: { creatorId: string | null }, creator: Member | null): string[] | null {
  if (creatorId === null) return []
  return creator === null ? null : creator.groups.map(group => group.id)
}

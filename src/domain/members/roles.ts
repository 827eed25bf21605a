/** The table of roles: what each may do on the management API, and what its patterns are on other resources. */
import type { Permissions } from '../core/actor.ts'
import { ownScopes, type OwnScope } from '../core/own-records.ts'

export const roles = ['owner', 'admin', 'member', 'viewer'] as const
export type Role = (typeof roles)[number]

/**
 * The permissions of each role. On the management API a member reads, and changes own API keys, access tokens and
 * clients. An admin differs from an owner by what concerns owners: `requireOwnerFor` in delegation.ts.
 */
export const rolePermissions: Readonly<Record<Role, Permissions & { own: readonly OwnScope[] }>> = {
  owner: { managed: ['*'], own: [], elsewhere: ['*'] },
  admin: { managed: ['*'], own: [], elsewhere: ['*'] },
  member: { managed: ['*:read'], own: ownScopes, elsewhere: ['*:read', '*:write'] },
  viewer: { managed: ['*:read'], own: [], elsewhere: ['*:read'] },
}

/** No permissions: of a member that does not exist yet, or was removed. */
export const noPermissions: Permissions = { managed: [], own: [], elsewhere: [] }

/** What scopes of a member or a group, which stand for no role, permit: the same on every resource. */
export function onEveryResource (scopes: readonly string[]): Permissions {
  return { managed: scopes, own: [], elsewhere: scopes }
}

export function together (all: readonly Permissions[]): Permissions {
  return {
    managed: all.flatMap(({ managed }) => managed),
    own: all.flatMap(({ own }) => own),
    elsewhere: all.flatMap(({ elsewhere }) => elsewhere),
  }
}

/** Ceilings: the role that members may not exceed for a partner's key to sign them in. */
import { expand, type Scope } from '../resources/scope.ts'
import { permissionsOf, type Member } from './permissions.ts'
import { rolePermissions, roles, type Role } from './roles.ts'

/**
 * Whether a member is above a role, or may do more than it on the management API by scopes and groups. `scopes`: those
 * of the management API.
 */
export function exceedsCeiling (member: Member, ceiling: Role, scopes: readonly Scope[]): boolean {
  if (member.operator || roles.indexOf(member.role) < roles.indexOf(ceiling)) return true
  const { managed, own } = permissionsOf(member)
  const most = rolePermissions[ceiling]
  const onAll = expand(most.managed, scopes)
  const onOwn = [...onAll, ...expand(most.own, scopes)]
  return expand(managed, scopes).some(name => !onAll.includes(name)) ||
    expand(own, scopes).some(name => !onOwn.includes(name))
}

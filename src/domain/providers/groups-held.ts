/** Groups that a mapping or an invitation will give: whoever writes it holds what they give. */
import { requireGroupPolicies, type Group, type GroupPort } from '../access/group.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import { requireRaiseHeld } from '../members/member-delegation.ts'
import { noPermissions, onEveryResource, together } from '../members/roles.ts'
import type { PolicyPort } from '../policy/policy.ts'
import type { ResourcePort } from '../resources/resource.ts'

/**
 * The groups of these ids, each of the organization: the actor holds all that they give, and may change whom the
 * policies that name them bind. @throws Failure `not_found`, `insufficient_permissions`.
 */
export async function requireGroupsHeld (
  tx: GroupPort & PolicyPort & ResourcePort, actor: Actor, organizationId: string, ids: readonly string[]
): Promise<Group[]> {
  const groups: Group[] = []
  for (const id of new Set(ids)) {
    const group = await tx.groups.get(id)
    if (group?.organizationId !== organizationId) {
      throw new Failure('not_found', {
        message: `There is no group ${JSON.stringify(id.slice(0, 64))} in ${organizationId}.`
      })
    }
    await requireGroupPolicies(tx, actor, group)
    groups.push(group)
  }
  const given = together(groups.map(({ scopes }) => onEveryResource(scopes)))
  await requireRaiseHeld(tx, actor, organizationId, noPermissions, given)
  return groups
}

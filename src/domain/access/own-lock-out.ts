/** A signed-in person keeps the way to undo the policy that they change: their session, from where it comes now. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { PlannedPolicy, PolicyPort } from '../policy/policy.ts'
import { evaluate, type PolicySet, type Subject } from '../policy/policy-evaluation.ts'
import { managementResourceId } from '../resources/resource.ts'
import { setsByOrganization } from './planned-policies.ts'

/** What lets a credential undo a policy. */
export const undoing = 'policies:write'

/**
 * Whether the session of the actor may change policies now and may not after the change, from the address of this
 * request. False for other credentials: programs are changed by people.
 */
export async function wouldLockOutActor (
  repositories: MemberPort & PolicyPort, { id, organizationId, isPerson, address }: Actor, planned: PlannedPolicy,
  now: Date
): Promise<boolean> {
  const member = isPerson === true ? await repositories.members.get(id) : null
  if (member === null) return false
  const groups = member.groups.map(group => group.id)
  const subject: Subject = { kind: 'person', organizationId, groups, resourceId: managementResourceId }
  const mayUndo = (sets: readonly PolicySet[]) =>
    evaluate(sets, subject, [undoing], { address, now }).scopes.length > 0
  const { before, after } = await setsByOrganization(repositories, planned)(organizationId)
  return mayUndo(before) && !mayUndo(after)
}

/** @throws Failure `would_lock_out`, as `force` would have let pass. */
export function ownLockOut ({ address, organizationId }: Actor): Failure {
  return new Failure('would_lock_out', {
    message: `After this your own session would be refused from ${address}, where you are now, and you could not ` +
      'take it back. Narrow the policy, or send "force": true if that is meant.',
    details: { force: true, organization: organizationId, self: true }
  })
}

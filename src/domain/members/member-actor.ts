/** Members as actors: what was made by one may be used only while they could still make it. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { isOperator, scopesForDeployment } from './operator.ts'
import { creatorOf, scopesOf, type Member, type MemberPort } from './permissions.ts'

/** The member behind an actor: the one that bounds it or, for the session of an operator, itself. Null: none. */
export function memberBehind ({ id, creator }: Pick<Actor, 'id' | 'creator'>): Member['id'] | null {
  return creator?.id ?? (id.startsWith('mem_') ? id : null)
}

/** A member as an actor on records of an organization, as they are now. Null: they were removed, or it is another. */
export async function actorOfMember (
  tx: MemberPort & ResourcePort, memberId: string, organizationId: string
): Promise<Actor | null> {
  const [member, resource] = [await tx.members.get(memberId), await tx.resources.get(managementResourceId)]
  if (member === null || member.removedAt !== null || resource === null) return null
  const actor = { id: memberId, restrictions: null, address: null, requestId: null }
  if (isOperator(member)) {
    return { ...actor, organizationId: null, scopes: scopesForDeployment(member, resource), creator: null }
  }
  if (member.organizationId !== organizationId) return null
  return { ...actor, organizationId, scopes: [...scopesOf(member, resource)], creator: creatorOf(member, resource) }
}

/** Whether a rule of delegation lets something pass. */
export async function isAllowed (rule: () => Promise<unknown>): Promise<boolean> {
  try {
    await rule()
    return true
  } catch (error) {
    if (error instanceof Failure && error.status < 500) return false
    throw error
  }
}

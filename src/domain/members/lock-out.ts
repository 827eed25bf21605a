/** The last administrator and the last owner of an organization stay, and the last operator of the deployment. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import { everyRow } from '../core/page.ts'
import { isFullOperator } from './operator.ts'
import { isAdministrator, isOwner, type Member, type MemberPort } from './permissions.ts'

/** Something that some member of an organization has to be. */
interface Office { holds (member: Member): boolean, lacking (organizationId: string): string }

const administrator: Office = {
  holds: isAdministrator, lacking: organizationId => `${organizationId} without a member who may do everything`
}
const owner: Office = { holds: isOwner, lacking: organizationId => `${organizationId} without an owner` }
/** One who may change everything, and so make other operators. */
const operator: Office = {
  holds: isFullOperator, lacking: () => 'the deployment without an operator who may do everything'
}

/**
 * Makes a change that takes, if `takes`, permissions of an administrator from members. The last administrator of an
 * organization stays one, unless the admin token or the server itself makes the change.
 * @throws Failure `would_lock_out`.
 */
export async function keepingAdministrator<T> (
  tx: MemberPort, actor: Actor, organizationId: string, takes: boolean, change: () => Promise<T>
): Promise<T> {
  return await keeping(tx, actor, organizationId, takes ? [administrator] : [], change)
}

/** As `keepingAdministrator`, for a change of one member, who may also be the last owner or operator. */
export async function keepingOffices<T> (
  tx: MemberPort, actor: Actor, before: Member, after: Member, change: () => Promise<T>
): Promise<T> {
  const left = [administrator, owner, operator].filter(office => office.holds(before) && !office.holds(after))
  return await keeping(tx, actor, before.organizationId, left, change)
}

async function keeping<T> (
  tx: MemberPort, actor: Actor, organizationId: string, offices: readonly Office[], change: () => Promise<T>
): Promise<T> {
  // The admin token, which is no member's to lose, can appoint others.
  if (actor.scopes === null || offices.length === 0) return await change()
  const held = await heldOf(tx, organizationId, offices)
  const changed = await change()
  const left = await heldOf(tx, organizationId, held)
  const lost = held.find(office => !left.includes(office))
  if (lost === undefined) return changed
  throw new Failure('would_lock_out', {
    message:
      `This would leave ${lost.lacking(organizationId)}. Make another one first; the deployment's admin token can do ` +
        'it all the same.',
    details: { organization: organizationId }
  })
}

/** Those of the offices that some member holds. */
async function heldOf (tx: MemberPort, organizationId: string, offices: readonly Office[]): Promise<Office[]> {
  const held = new Set<Office>()
  for await (const member of everyRow(query => tx.members.page(query, { organizationId, removed: false }))) {
    for (const office of offices) if (office.holds(member)) held.add(office)
    if (held.size === offices.length) break
  }
  return offices.filter(office => held.has(office))
}

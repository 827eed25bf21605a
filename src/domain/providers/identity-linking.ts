/** A signed-in person adds an account at a provider: from then on it signs them in too. */
import { Failure } from '../../base/errors.ts'
import type { Transactional } from '../core/operation.ts'
import { requireFreshSignIn, requireOwnSignIn, type SignedInPerson } from '../people/fresh-sign-in.ts'
import { personActor, type PersonRequest } from '../people/person-session.ts'
import { requireWayIn } from '../people/provider-trust.ts'
import { link, type MembershipPorts } from './membership.ts'
import type { VouchedPerson } from './vouched-person.ts'

/**
 * Asked where linking begins, and where it ends: an account signs in for as long as it is linked.
 * @throws Failure `insufficient_permissions` for a session that a key vouched for, `reauthentication_required`.
 */
export function requireMayLink (person: SignedInPerson, now: Date): void {
  requireOwnSignIn(person.session)
  requireFreshSignIn(person, now, 'Accounts are added')
}

/**
 * Links a vouched person to the member who is signed in. Its e-mail does not matter: the session says who they are.
 * @throws Failure as `requireMayLink`; `sign_in_refused` where the organization does not trust the provider; `conflict`
 * for an account that is another member's.
 */
export async function linkByProvider (
  store: Transactional<MembershipPorts>, person: VouchedPerson,
  { session, member, from }: SignedInPerson & { from: PersonRequest }, now: Date
): Promise<void> {
  requireMayLink({ session, member }, now)
  await store.transaction(async tx => {
    const { organizationId } = member
    await requireWayIn(tx, (await tx.organizations.get(organizationId))!, person.provider)
    const identity = await tx.identities.bySubject(person.issuer, person.subject)
    const links = identity === null ? [] : await tx.identities.members(identity.id)
    const here = links.find(each => each.organizationId === organizationId)
    if (here?.memberId === member.id) return
    const other = here === undefined ? null : await tx.members.get(here.memberId)
    if (other !== null && other.removedAt === null) {
      throw new Failure('conflict', {
        message: 'This account signs in another member of your organization already; it cannot be added to you.'
      })
    }
    await link({ tx, actor: personActor(member, from), now }, person, member)
  })
}

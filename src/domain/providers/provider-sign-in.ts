/** A person signs in with a provider: their member here, mapped groups and the session, in one transaction. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { RefusalEntry } from '../audit/refusal-log.ts'
import { systemActor } from '../core/actor.ts'
import type { Transactional } from '../core/operation.ts'
import { isOperator } from '../members/operator.ts'
import type { Member } from '../members/permissions.ts'
import { beginSession, type PersonRequest, type PersonSession, type PersonSessionPort } from
  '../people/person-session.ts'
import type { SessionLifetimes } from '../people/session-lifetime.ts'
import { mappedGroups } from './group-mapping.ts'
import { membershipsOf, RefusedPerson, type Admitting, type MembershipPorts, type SignInProblem } from './membership.ts'
import type { VouchedPerson } from './vouched-person.ts'

type Ports = MembershipPorts & PersonSessionPort

export interface ProviderSignIn {
  store: Transactional<Ports>
  lifetimes: SessionLifetimes
  refusals: { record (refusal: RefusalEntry): void }
}

/** What the browser brings along. */
export interface Arrival {
  from: PersonRequest
  /** The digest of the text in its cookie; null: it has none. */
  replaces: string | null
  /** The organization that it signs in to; null: any. */
  organizationId: string | null
  /** Whether the provider was asked for a proof of a certain age. */
  anew: boolean
}

/** What a person reads; every other problem reads as `unknown_person` does. */
const sentences: Partial<Record<SignInProblem, string>> = {
  email_not_verified:
    'Your provider does not say that your e-mail address is verified, so it proves nothing here. Verify it there, ' +
    'and sign in again.',
  email_linked_already:
    'Your e-mail address belongs to a member who signs in in another way. Sign in that way, and add this account ' +
    'from there.',
  organization_not_active: 'Your organization is suspended or was deleted.',
}

/**
 * Begins the session of a vouched person.
 * @throws Failure `sign_in_refused`, of which the audit log has the precise reason.
 */
export async function signInByProvider (
  { store, lifetimes, refusals }: ProviderSignIn, person: VouchedPerson,
  { from, replaces, organizationId, anew }: Arrival, now: Date
): Promise<{ session: PersonSession, text: string, member: Member }> {
  const actor = { ...systemActor, ...from }
  try {
    return await store.transaction(async tx => {
      const admitting = { tx, actor, now, organizationId }
      const { signsIn: member, all } = await membershipsOf(admitting, person)
      if (anew) requireKnownTime(person, member)
      for (const each of all) await giveMappedGroups(admitting, person, each)
      const identity = await tx.identities.bySubject(person.issuer, person.subject)
      const { amr, provider, providerSession, authenticatedAt } = person
      const begun = await beginSession(tx, from, {
        member,
        identityId: identity!.id,
        amr,
        provider,
        providerSession,
        vouchedBy: null,
        replaces,
        authenticatedAt: authenticatedAt !== null && authenticatedAt < now ? authenticatedAt : now,
        authTimeKnown: authenticatedAt !== null
      }, lifetimes, now)
      return { ...begun, member }
    })
  } catch (error) {
    if (!(error instanceof RefusedPerson)) throw error
    const { problem } = error
    refusals.record({
      ...from,
      type: 'sign_in.refused',
      reason: problem,
      subject: null,
      organizationId: error.organizationId,
      detail: { provider: person.provider }
    })
    const message = sentences[problem]
    throw new Failure('sign_in_refused', message === undefined ? {} : { message })
  }
}

/** An operator who signs in again wants to change something, and would find out only then that this was not enough. */
function requireKnownTime ({ authenticatedAt }: VouchedPerson, member: Member): void {
  if (authenticatedAt !== null || !isOperator(member)) return
  throw new Failure('sign_in_refused', {
    message: 'Your provider does not say when you signed in there (auth_time), so nothing shows that you have just ' +
      'done so. For changes as an operator, sign in with a passkey, or with a sign-in link: on the computer of the ' +
      `server, latchkey member sign-in-link ${member.id}`
  })
}

/** The groups that the mapping gives now, and no others by it: what vanished upstream vanishes here. */
async function giveMappedGroups (
  { tx, actor, now }: Admitting, person: VouchedPerson, { id, organizationId }: Member
): Promise<void> {
  const trusted = (await tx.trustedProviders.ofPair(organizationId, person.provider))!
  const present: string[] = []
  for (const group of mappedGroups(trusted, person.claims).groups) {
    if ((await tx.groups.get(group))?.organizationId === organizationId) present.push(group)
  }
  const { added, removed } = await tx.groups.setMapped(id, trusted.id, present)
  for (const [type, groups] of [['group.member_added', added], ['group.member_removed', removed]] as const) {
    for (const group of groups) {
      await tx.audit.append(auditEvent(actor, now, type, {
        organizationId, subject: group, detail: { member: id, provider: person.provider, mapping: trusted.id }
      }))
    }
  }
}

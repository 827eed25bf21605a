/** The end of sessions of people, and the change to another organization, which is another session. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import type { SessionEnd } from '../members/member-sessions.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { IdentityPort } from './identity.ts'
import { beginSession, type PersonSession, type PersonSessionPort } from './person-session.ts'
import { requireWayIn, type TrustedProviderPort } from './provider-trust.ts'
import { isSessionOver, type SessionLifetimes } from './session-lifetime.ts'

type Ports = AuditPort & MemberPort & PersonSessionPort

/** The sessions of a member that are good, newest first. */
export async function listSessions (
  { store, clock }: Operation<PersonSessionPort>, memberId: string, lifetimes: SessionLifetimes
): Promise<PersonSession[]> {
  const now = clock()
  return (await store.personSessions.ofMember(memberId, now)).filter(each => !isSessionOver(each, lifetimes, now))
}

/** Ends the session that makes the request. Idempotent. */
export async function signOut (operation: Operation<Ports>, session: PersonSession): Promise<void> {
  await endOne(operation, session, 'sign-out')
}

/** Ends another session of the same member. @throws Failure `not_found`, also for another member's session. */
export async function endSession (operation: Operation<Ports>, own: PersonSession, id: string): Promise<void> {
  const session = await operation.store.personSessions.get(id)
  if (session === null || session.memberId !== own.memberId) {
    throw new Failure('not_found', { message: `You have no session ${JSON.stringify(id.slice(0, 64))}.` })
  }
  await endOne(operation, session, 'ended')
}

async function endOne (
  { store, clock, actor }: Operation<Ports>, { id, memberId }: PersonSession, reason: SessionEnd
): Promise<void> {
  await store.transaction(async tx => {
    const now = clock()
    if (!await tx.personSessions.end(id, now, reason)) return
    const member = await tx.members.get(memberId)
    await tx.audit.append(auditEvent(actor, now, 'person_session.ended', {
      organizationId: member?.organizationId ?? null, subject: id, detail: { member: memberId, reason }
    }))
    // The condition of the update decides.
  }, 'read committed')
}

/**
 * Ends every session of the same person: those of the member, and those of the members of other organizations that
 * the identity stands for.
 */
export async function signOutEverywhere (
  { store, clock, actor }: Operation<Ports & IdentityPort>, own: PersonSession
): Promise<void> {
  await store.transaction(async tx => {
    const now = clock()
    const others = own.identityId === null ? [] : await tx.identities.members(own.identityId)
    for (const memberId of new Set([own.memberId, ...others.map(each => each.memberId)])) {
      const sessions = await tx.personSessions.endOfMember(memberId, now, 'sign-out-everywhere')
      const member = sessions === 0 ? null : await tx.members.get(memberId)
      if (member === null) continue
      await tx.audit.append(auditEvent(actor, now, 'person_session.ended', {
        organizationId: member.organizationId, subject: member.id, detail: { reason: 'sign-out-everywhere', sessions }
      }))
    }
  })
}

/** The members of the person: of each organization that their identity has one in, or the one of a link alone. */
export async function ownMembers (
  { store }: Pick<Operation<IdentityPort & MemberPort>, 'store'>, { identityId, memberId }: PersonSession
): Promise<Member[]> {
  const linked = identityId === null ? [] : await store.identities.members(identityId)
  const ids = new Set([memberId, ...linked.map(each => each.memberId)])
  const members = await Promise.all(Array.from(ids, id => store.members.get(id)))
  return members.filter(member => member !== null && member.removedAt === null) as Member[]
}

/**
 * Changes to another organization of the same identity: the session ends, and another one begins for the member there.
 * It is as old as the first: nothing was proved anew.
 * @throws Failure `not_found` where the identity has no member, `organization_not_active`; `provider_required` and
 * `sign_in_refused` where the organization does not take what the person signed in with.
 */
export async function changeOrganization (
  operation: Operation<Ports & IdentityPort & OrganizationPort & TrustedProviderPort>, own: PersonSession,
  organizationId: string, lifetimes: SessionLifetimes
): Promise<{ session: PersonSession, text: string }> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const linked = own.identityId === null ? [] : await tx.identities.members(own.identityId)
    const there = linked.find(each => each.organizationId === organizationId)
    const member = there === undefined ? null : await tx.members.get(there.memberId)
    if (member === null || member.removedAt !== null) throw noMemberThere(organizationId)
    const organization = await requireActiveOrganization(tx, { ...actor, organizationId }, organizationId)
    await requireWayIn(tx, organization, own.provider)
    if (!await tx.personSessions.end(own.id, now, 'organization-changed')) throw noMemberThere(organizationId)
    const { identityId, amr, provider, providerSession, vouchedBy, authenticatedAt, authTimeKnown } = own
    const proof = { identityId, amr, provider, providerSession, vouchedBy, authenticatedAt, authTimeKnown }
    return await beginSession(tx, actor, { member, ...proof, endsAt: own.expiresAt }, lifetimes, now)
  })
}

function noMemberThere (organizationId: string): Failure {
  return new Failure('not_found', {
    message: `You are no member of an organization ${JSON.stringify(organizationId.slice(0, 64))} by what you signed ` +
      'in with. Sign in there with a link or the provider of that organization.'
  })
}

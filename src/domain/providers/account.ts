/** Accounts: the identities of members at providers. Listed and unlinked by the person, and by administrators. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import { requireMemberHeld } from '../members/member-delegation.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { requireFreshSignIn, requireOwnSignIn, type SignedInPerson } from '../people/fresh-sign-in.ts'
import type { Identity, IdentityPort } from '../people/identity.ts'
import type { PasskeyPort } from '../people/passkey.ts'
import type { PersonSessionPort } from '../people/person-session.ts'
import type { TrustedProviderPort } from '../people/provider-trust.ts'
import { isAccount, requireWayLeft, type ConfiguredProviders } from '../people/way-in.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import { requireOwnerWayIn } from './required-provider.ts'

/** An account at a provider that signs a member in. */
export interface Account {
  identity: Identity
  linkedAt: Date
}

type Ports =
  & AuditPort & IdentityPort & MemberPort & OrganizationPort & PasskeyPort & PersonSessionPort & ResourcePort
  & TrustedProviderPort

/** The accounts of a member, oldest first. @throws Failure `not_found`. */
export async function listAccounts (
  { store, actor }: Operation<IdentityPort & MemberPort>, memberId: string
): Promise<Account[]> {
  const member = requireVisible(actor, await store.members.get(memberId), 'member', memberId)
  return await accountsOf(store, member)
}

/**
 * A person unlinks an account of theirs; the other sessions that it began end. For members of other organizations it
 * goes on to sign in.
 * @throws Failure `not_found`, `reauthentication_required`, `last_way_in`; `insufficient_permissions` for a session
 * that a key vouched for.
 */
export async function unlinkAccount (
  { store, clock, actor }: Operation<Ports>, { session, member }: SignedInPerson, id: string,
  configured: ConfiguredProviders
): Promise<void> {
  requireOwnSignIn(session)
  await store.transaction(async tx => {
    const now = clock()
    requireFreshSignIn({ session, member }, now, 'Accounts are removed')
    const { identity } = await accountOf(tx, member, id)
    await tx.identities.unlink(id, member.organizationId)
    await requireWayLeft(tx, member.id, configured)
    const sessionsEnded = await endSessions(tx, member, id, { now, but: session.id })
    await tx.audit.append(auditEvent(actor, now, 'identity.unlinked', about(identity, member, sessionsEnded)))
  })
}

/**
 * An administrator unlinks an account of a member, the last one too: a link or an invitation lets the member in again.
 * The sessions of the member end.
 * @throws Failure `not_found`, `precondition_failed`; `insufficient_permissions` for a member that has scopes which the
 * actor lacks; `would_lock_out` for the last account of an owner, where the organization requires one.
 */
export async function unlinkMemberAccount (
  operation: Operation<Ports>, memberId: string, id: string, configured: ConfiguredProviders
): Promise<void> {
  const { store, clock, actor } = operation
  await store.transaction(async tx => {
    const now = clock()
    const member = requireVisible(actor, await tx.members.get(memberId), 'member', memberId)
    await requireMemberHeld(tx, actor, member)
    requireExpected(operation, member)
    const { identity } = await accountOf(tx, member, id)
    await tx.identities.unlink(id, member.organizationId)
    const organization = await tx.organizations.get(member.organizationId)
    if (organization?.requiresProvider === true) await requireOwnerWayIn(tx, organization.id, configured)
    const sessionsEnded = await tx.personSessions.endOfMember(memberId, now, 'identity-unlinked')
    await tx.audit.append(auditEvent(actor, now, 'identity.unlinked', about(identity, member, sessionsEnded)))
  })
}

async function accountsOf (tx: IdentityPort, { id: memberId }: Pick<Member, 'id'>): Promise<Account[]> {
  const identities = (await tx.identities.ofMember(memberId)).filter(isAccount)
  return await Promise.all(identities.map(async identity => {
    const links = await tx.identities.members(identity.id)
    return { identity, linkedAt: links.find(each => each.memberId === memberId)!.createdAt }
  }))
}

async function accountOf (tx: IdentityPort, member: Pick<Member, 'id'>, id: string): Promise<Account> {
  const account = (await accountsOf(tx, member)).find(({ identity }) => identity.id === id)
  if (account !== undefined) return account
  throw new Failure('not_found', {
    message: `The member ${member.id} has no account ${JSON.stringify(id.slice(0, 64))} at a provider.`
  })
}

/** Ends the sessions of a member that an identity has begun, `but` for one. */
async function endSessions (
  tx: PersonSessionPort, { id: memberId }: Pick<Member, 'id'>, identityId: string,
  { now, but }: { now: Date, but: string }
): Promise<number> {
  let ended = 0
  for (const session of await tx.personSessions.ofMember(memberId, now)) {
    if (session.identityId !== identityId || session.id === but) continue
    if (await tx.personSessions.end(session.id, now, 'identity-unlinked')) ended++
  }
  return ended
}

function about ({ id, provider }: Identity, member: Member, sessionsEnded: number) {
  return {
    organizationId: member.organizationId,
    subject: member.id,
    detail: { identity: id, issuer: provider, sessionsEnded }
  }
}

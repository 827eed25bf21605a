/** Passkeys are listed, named and removed: by the person, and by administrators of the member. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import { requireMemberHeld } from '../members/member-delegation.ts'
import type { MemberSessionPort } from '../members/member-sessions.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import { requireFreshSignIn, requireOwnSignIn, type SignedInPerson } from './fresh-sign-in.ts'
import type { IdentityPort } from './identity.ts'
import { aboutPasskey, passkeysChange } from './passkey-registration.ts'
import type { Passkey, PasskeyPort } from './passkey.ts'
import type { TrustedProviderPort } from './provider-trust.ts'
import { requireWayLeft, type ConfiguredProviders } from './way-in.ts'

type Ports = AuditPort & IdentityPort & MemberPort & PasskeyPort

/** @throws Failure `not_found`, also for another member's; `insufficient_permissions` as `requireOwnSignIn`. */
export async function renamePasskey (
  { store, clock, actor }: Operation<Ports>, { session, member }: SignedInPerson, id: string, name: string
): Promise<void> {
  requireOwnSignIn(session)
  await store.transaction(async tx => {
    const passkey = await passkeyOf(tx, member.id, id)
    if (passkey.name === name) return
    await tx.passkeys.rename(id, name)
    await tx.audit.append(auditEvent(actor, clock(), 'passkey.renamed', aboutPasskey({ ...passkey, name }, member)))
  })
}

/**
 * A person removes a passkey of theirs.
 * @throws Failure `not_found`, `reauthentication_required`, `insufficient_permissions`, `last_way_in`.
 */
export async function removePasskey (
  { store, clock, actor }: Operation<Ports & OrganizationPort & TrustedProviderPort>,
  { session, member }: SignedInPerson, id: string, configured: ConfiguredProviders
): Promise<void> {
  requireOwnSignIn(session)
  await store.transaction(async tx => {
    const now = clock()
    requireFreshSignIn({ session, member }, now, passkeysChange)
    const passkey = await passkeyOf(tx, member.id, id)
    const isProved = session.identityId === passkey.identityId
    const affected = await cut(tx, passkey, member, isProved)
    for (const memberId of affected) await requireWayLeft(tx, memberId, configured)
    await tx.audit.append(auditEvent(actor, now, 'passkey.removed', aboutPasskey(passkey, member)))
  })
}

/** Those of every identity that stands for a member, oldest first. @throws Failure `not_found`. */
export async function listMemberPasskeys (
  { store, actor }: Operation<MemberPort & PasskeyPort>, memberId: string
): Promise<Passkey[]> {
  requireVisible(actor, await store.members.get(memberId), 'member', memberId)
  return await store.passkeys.ofMember(memberId)
}

/**
 * An administrator removes a passkey of a member, the last one too: a link lets the member in again. Their sessions
 * end, because one of them may run where the passkey was lost.
 * @throws Failure `not_found`, `precondition_failed`, `insufficient_permissions` for a member that has scopes which the
 * actor lacks.
 */
export async function removeMemberPasskey (
  operation: Operation<Ports & MemberSessionPort & ResourcePort>, memberId: string, id: string
): Promise<void> {
  const { store, clock, actor } = operation
  await store.transaction(async tx => {
    const now = clock()
    const member = requireVisible(actor, await tx.members.get(memberId), 'member', memberId)
    await requireMemberHeld(tx, actor, member)
    requireExpected(operation, member)
    const passkey = await passkeyOf(tx, memberId, id)
    await cut(tx, passkey, member, reachesAll(actor))
    const sessions = await tx.personSessions.endOfMember(memberId, now, 'passkey-removed')
    const about = aboutPasskey(passkey, member)
    await tx.audit.append(
      auditEvent(actor, now, 'passkey.removed', { ...about, detail: { ...about.detail, sessionsEnded: sessions } })
    )
  })
}

function reachesAll ({ organizationId }: Actor): boolean {
  return organizationId === null
}

async function passkeyOf (tx: PasskeyPort, memberId: string, id: string): Promise<Passkey> {
  const passkey = (await tx.passkeys.ofMember(memberId)).find(each => each.id === id)
  if (passkey !== undefined) return passkey
  throw new Failure('not_found', { message: `There is no passkey ${JSON.stringify(id.slice(0, 64))}.` })
}

/**
 * Takes a passkey from a member; returns the members that lose it. Where its identity stands for members of other
 * organizations too, one of these alone does not decide for them: the identity stands for this member no more.
 */
async function cut (
  tx: IdentityPort & PasskeyPort, { id, identityId }: Passkey, { id: memberId, organizationId }: Member,
  isWhole: boolean
): Promise<string[]> {
  const members = (await tx.identities.members(identityId)).map(each => each.memberId)
  if (members.length > 1 && !isWhole) {
    await tx.identities.unlink(identityId, organizationId)
    return [memberId]
  }
  await tx.passkeys.remove(id)
  return members
}

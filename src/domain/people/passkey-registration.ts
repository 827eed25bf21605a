/**
 * A person adds a passkey. It joins the passkeys that the session itself was proved by; after any other sign-in it is a
 * new identity, which stands for the member alone: an organization whose link or provider let them in gives no access
 * to the others that they belong to.
 */
import { Failure } from '../../base/errors.ts'
import { newId, newSecret } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { RefusalEntry } from '../audit/refusal-log.ts'
import type { Operation } from '../core/operation.ts'
import type { UsedAssertionPort } from '../core/used-assertions.ts'
import type { Member } from '../members/permissions.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import { requireFreshSignIn, requireOwnSignIn, type SignedInPerson } from './fresh-sign-in.ts'
import { identityOf, type Identity, type IdentityPort } from './identity.ts'
import { newChallenge, useChallenge } from './passkey-challenge.ts'
import {
  mostPasskeys, passkeyProvider, reasonAgainstPasskeys, relyingParty, type Passkey, type PasskeyPort
} from './passkey.ts'
import type { PersonSession } from './person-session.ts'
import {
  challengeOf, creationOptions, InvalidResponse, verifyCreation, type CreationOptions, type NewCredential,
  type RegistrationResponseJSON
} from './webauthn.ts'

/** What passkeys need of the deployment. */
export interface PasskeyContext {
  issuer: string
  /** LATCHKEY_SECRET, newest first. */
  secrets: readonly string[]
  refusals: { record (refusal: RefusalEntry): void }
}

type Ports = AuditPort & IdentityPort & OrganizationPort & PasskeyPort & UsedAssertionPort

/**
 * What the browser is asked to make a passkey with.
 * @throws Failure as `requireMayAdd`.
 */
export async function beginRegistration (
  operation: Operation<Ports>, { issuer, secrets }: PasskeyContext, { session, member }: SignedInPerson
): Promise<CreationOptions> {
  const { store, clock } = operation
  const party = relyingParty(issuer)
  const existing = await requireMayAdd(store, { session, member }, clock())
  const identity = await provedPasskeyIdentity(store, session)
  const handle = identity?.subject ?? newSecret()
  return await creationOptions({
    party,
    challenge: newChallenge(secrets, { for: 'registration', of: session.id }, clock(), handle),
    user: { handle, name: member.email ?? member.name, displayName: member.name },
    existing,
  })
}

/**
 * Adds the passkey that a browser has made for a challenge of this session.
 * @throws Failure `invalid_passkey`, with one sentence for every reason; as `requireMayAdd`; `conflict` for a passkey
 * that is there already.
 */
export async function addPasskey (
  operation: Operation<Ports>, context: PasskeyContext, { session, member }: SignedInPerson,
  { name, response }: { name: string, response: RegistrationResponseJSON }
): Promise<Passkey> {
  const { store, clock, actor } = operation
  await requireMayAdd(store, { session, member }, clock())
  const { handle, credential } = await verified(operation, context, { session, member }, response)
  return await store.transaction(async tx => {
    const now = clock()
    await requireMayAdd(tx, { session, member }, now)
    if (await tx.passkeys.byCredential(credential.credentialId) !== null) {
      throw new Failure('conflict', { message: 'This passkey is there already.' })
    }
    const identity = await identityFor(tx, { session, member }, handle, now)
    const passkey: Passkey = {
      ...credential, id: newId('pky'), identityId: identity.id, name, createdAt: now, lastUsedAt: null
    }
    await tx.passkeys.insert(passkey)
    await tx.audit.append(auditEvent(actor, now, 'passkey.added', aboutPasskey(passkey, member)))
    return passkey
  })
}

/** What takes a fresh sign-in, as a refusal says it. */
export const passkeysChange = 'Passkeys are changed'

/**
 * Whether a session adds passkeys. The result is those that the member has.
 * @throws Failure `insufficient_permissions` for a session that a key vouched for, `reauthentication_required`,
 * `organization_not_active`, `conflict` for too many.
 */
async function requireMayAdd (
  tx: Pick<Ports, 'organizations' | 'passkeys'>, { session, member }: SignedInPerson, now: Date
): Promise<Passkey[]> {
  requireOwnSignIn(session)
  requireFreshSignIn({ session, member }, now, passkeysChange)
  const organization = await tx.organizations.get(member.organizationId)
  const reason = reasonAgainstPasskeys(organization)
  if (reason !== null) throw new Failure(reason)
  const existing = await tx.passkeys.ofMember(member.id)
  if (existing.length >= mostPasskeys) {
    throw new Failure('conflict', { message: `You have ${existing.length} passkeys; remove one first.` })
  }
  return existing
}

async function provedPasskeyIdentity (tx: IdentityPort, { identityId }: PersonSession): Promise<Identity | null> {
  const identity = identityId === null ? null : await tx.identities.get(identityId)
  return identity?.provider === passkeyProvider ? identity : null
}

/** The identity of a user handle that this session was given; a new one stands for the member. */
async function identityFor (
  tx: IdentityPort, { session, member: { id: memberId, organizationId } }: SignedInPerson, handle: string,
  createdAt: Date
): Promise<Identity> {
  const proved = await provedPasskeyIdentity(tx, session)
  if (proved?.subject === handle) return proved
  const identity = await identityOf(tx, passkeyProvider, handle, createdAt)
  await tx.identities.link({ identityId: identity.id, organizationId, memberId, createdAt })
  return identity
}

async function verified (
  { store, clock, actor }: Operation<UsedAssertionPort>, { issuer, secrets, refusals }: PasskeyContext,
  { session, member }: SignedInPerson, response: RegistrationResponseJSON
): Promise<{ handle: string, credential: NewCredential }> {
  try {
    const challenge = challengeOf(response)
    const use = { for: 'registration', of: session.id } as const
    const used = await useChallenge(store.usedAssertions, secrets, use, challenge, clock())
    if ('problem' in used) throw new InvalidResponse(used.problem)
    return { handle: used.content, credential: await verifyCreation(response, relyingParty(issuer), challenge) }
  } catch (error) {
    if (!(error instanceof InvalidResponse)) throw error
    refusals.record({
      type: 'passkey.refused',
      reason: error.message,
      subject: null,
      organizationId: member.organizationId,
      address: actor.address,
      requestId: actor.requestId,
      detail: { member: member.id }
    })
    throw new Failure('invalid_passkey')
  }
}

/** What an audit row tells of a passkey. */
export function aboutPasskey (
  { id, name, identityId, backedUp }: Passkey, { id: member, organizationId }: Pick<Member, 'id' | 'organizationId'>
) {
  return { organizationId, subject: id, detail: { member, name, identityId, backedUp } }
}

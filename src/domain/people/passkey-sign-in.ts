/** A person signs in by a passkey: the authenticator finds it, so the request names no member. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Transactional } from '../core/operation.ts'
import type { UsedAssertionPort } from '../core/used-assertions.ts'
import type { Clock } from '../../base/clock.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { Identity, IdentityPort } from './identity.ts'
import { newChallenge, useChallenge } from './passkey-challenge.ts'
import { aboutPasskey, type PasskeyContext } from './passkey-registration.ts'
import { reasonAgainstPasskeys, relyingParty, type Passkey, type PasskeyPort } from './passkey.ts'
import { beginSession, personActor, type PersonRequest, type PersonSession, type PersonSessionPort } from
  './person-session.ts'
import type { SessionLifetimes } from './session-lifetime.ts'
import {
  challengeOf, InvalidResponse, requestOptions, verifyAssertion, type AuthenticationResponseJSON, type RequestOptions
} from './webauthn.ts'

type Ports =
  & AuditPort & IdentityPort & MemberPort & OrganizationPort & PasskeyPort & PersonSessionPort & UsedAssertionPort

export interface PasskeySignIn extends PasskeyContext {
  store: Transactional<Ports>
  clock: Clock
  lifetimes: SessionLifetimes
}

/** A key that the person has, and what the authenticator knows them by (RFC 8176). */
const amr = ['pop', 'user', 'mfa'] as const

/** `browser`: the digest of what its sign-in cookie holds. The same for everybody. */
export async function beginPasskeySignIn (
  { issuer, secrets, clock }: Pick<PasskeySignIn, 'issuer' | 'secrets' | 'clock'>, browser: string
): Promise<RequestOptions> {
  const challenge = newChallenge(secrets, { for: 'sign-in', of: browser }, clock())
  return await requestOptions({ party: relyingParty(issuer), challenge })
}

/** The request, the browser that was given the challenge, and the digest of the text in its session cookie, if any. */
export interface PasskeyRequest { from: PersonRequest, browser: string, replaces: string | null }

/**
 * Begins a session of the member that the passkey stands for: of several, of the first whose organization takes it.
 * @throws Failure `invalid_passkey`, with one sentence for every reason.
 */
export async function signInByPasskey (
  context: PasskeySignIn, response: AuthenticationResponseJSON, request: PasskeyRequest
): Promise<{ session: PersonSession, text: string, member: Member }> {
  let passkey: Passkey | null = null
  try {
    const { store, issuer, clock } = context
    const challenge = await usedChallenge(context, response, request)
    passkey = await store.passkeys.byCredential(response.id)
    if (passkey === null) throw new InvalidResponse('unknown')
    const proof = await verifyAssertion(response, passkey, relyingParty(issuer), challenge)
    const identity = (await store.identities.get(passkey.identityId))!
    if (response.response.userHandle !== identity.subject) throw new InvalidResponse('the user handle is another')
    const proved = { ...passkey, ...proof }
    requireCounted(passkey, proved)
    const counted = passkey
    // The condition of the update decides, and what a member may do is judged at each request.
    const work = (tx: Ports) => use(tx, context, { before: counted, proved }, request, clock())
    return await store.transaction(work, 'read committed')
  } catch (error) {
    if (!(error instanceof InvalidResponse)) throw error
    const { from } = request
    context.refusals.record({
      ...from, type: 'passkey.refused', reason: error.message, subject: passkey?.id ?? null, organizationId: null
    })
    throw new Failure('invalid_passkey')
  }
}

async function usedChallenge (
  { store, secrets, clock }: PasskeySignIn, response: AuthenticationResponseJSON, { browser }: PasskeyRequest
): Promise<string> {
  const challenge = challengeOf(response)
  const purpose = { for: 'sign-in', of: browser } as const
  const used = await useChallenge(store.usedAssertions, secrets, purpose, challenge, clock())
  if ('problem' in used) throw new InvalidResponse(used.problem)
  return challenge
}

/** An authenticator that counts counts on: a counter that stands or goes back is that of a copy (WebAuthn §6.1.1). */
function requireCounted (before: Passkey, { counter }: Passkey): void {
  if (counter === 0 && before.counter === 0) return
  if (counter <= before.counter) throw new InvalidResponse('the counter went back')
}

async function use (
  tx: Ports, { lifetimes }: PasskeySignIn, { before, proved }: { before: Passkey, proved: Passkey },
  { from, replaces }: PasskeyRequest, now: Date
): Promise<{ session: PersonSession, text: string, member: Member }> {
  if (!await tx.passkeys.use(before.id, before.counter, proved, now)) {
    throw new InvalidResponse('it was removed, or used at the same time')
  }
  const member = await memberOf(tx, proved.identityId)
  await tx.audit.append(auditEvent(personActor(member, from), now, 'passkey.used', aboutPasskey(proved, member)))
  const { identityId } = proved
  const begun = await beginSession(
    tx, from, { member, identityId, amr, provider: null, vouchedBy: null, replaces }, lifetimes, now
  )
  return { ...begun, member }
}

async function memberOf (
  tx: IdentityPort & MemberPort & OrganizationPort, identityId: Identity['id']
): Promise<Member> {
  for (const { memberId, organizationId } of await tx.identities.members(identityId)) {
    const [member, organization] = [await tx.members.get(memberId), await tx.organizations.get(organizationId)]
    if (member !== null && member.removedAt === null && reasonAgainstPasskeys(organization) === null) return member
  }
  throw new InvalidResponse('it stands for no member of an organization that takes it')
}

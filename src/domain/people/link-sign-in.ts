/** A person signs in by a link: it is used up and a session begins, in one transaction. */
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { RefusalEntry } from '../audit/refusal-log.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { ManagementTokenPort } from '../credentials/management-token.ts'
import { reasonAgainstVoucher, voucherOf } from '../credentials/voucher.ts'
import type { Transactional } from '../core/operation.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import type { ResourcePort } from '../resources/resource.ts'
import { reasonAgainstOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { PasskeyPort } from './passkey.ts'
import { beginSession, personActor, type PersonRequest, type PersonSession, type PersonSessionPort } from
  './person-session.ts'
import { reasonAgainstWayIn, type TrustedProviderPort } from './provider-trust.ts'
import type { SessionLifetimes } from './session-lifetime.ts'
import { isStillHeld, readLinkText, type SignInLink, type SignInLinkPort } from './sign-in-link.ts'

type Ports =
  & ApiKeyPort & AuditPort & ManagementTokenPort & MemberPort & OrganizationPort & PasskeyPort & PersonSessionPort
  & ResourcePort & SignInLinkPort & TrustedProviderPort

export interface LinkSignIn {
  store: Transactional<Ports>
  lifetimes: SessionLifetimes
  refusals: { record (refusal: RefusalEntry): void }
}

/** Why a link is refused: for the audit log alone. */
type LinkProblem =
  | 'unknown' | 'used' | 'expired' | 'member_removed' | 'organization_not_active' | 'voucher_ended'
  | 'maker_lost_permission' | 'provider_required'

class RefusedLink extends Error {
  readonly problem: LinkProblem

  constructor (problem: LinkProblem) {
    super(problem)
    this.problem = problem
  }
}

/**
 * Uses up a link and begins the session of its member. `given`: what the person sent; `replaces`: the digest of the
 * text in the browser's cookie. Of several that come with the same link, one signs in.
 * @throws Failure `invalid_sign_in_link`, with one sentence for every reason.
 */
export async function signInByLink (
  { store, lifetimes, refusals }: LinkSignIn, given: string, from: PersonRequest, replaces: string | null, now: Date
): Promise<{ session: PersonSession, text: string, member: Member }> {
  const secret = readLinkText(given)
  const link = secret === null ? null : await store.signInLinks.byDigest(digestOf(secret))
  try {
    if (link === null) throw new RefusedLink('unknown')
    // The condition of the update decides, and what a member may do is judged at each request.
    return await store.transaction(tx => use(tx, link, { lifetimes, from, replaces, now }), 'read committed')
  } catch (error) {
    if (!(error instanceof RefusedLink)) throw error
    const member = link && await store.members.get(link.memberId)
    refusals.record({
      ...from,
      type: 'sign_in_link.refused',
      reason: error.problem,
      subject: link?.id ?? null,
      organizationId: member?.organizationId ?? null
    })
    throw new Failure('invalid_sign_in_link')
  }
}

async function use (
  tx: Ports, link: SignInLink,
  { lifetimes, from, replaces, now }: {
    lifetimes: SessionLifetimes, from: PersonRequest, replaces: string | null, now: Date
  }
): Promise<{ session: PersonSession, text: string, member: Member }> {
  const member = await tx.members.get(link.memberId)
  if (member === null || member.removedAt !== null) throw new RefusedLink('member_removed')
  const organization = await tx.organizations.get(member.organizationId)
  if (reasonAgainstOrganization(organization) !== null) throw new RefusedLink('organization_not_active')
  if (await hasVoucherEnded(tx, link.vouchedBy, now)) throw new RefusedLink('voucher_ended')
  if (!await isStillHeld(tx, link, member)) throw new RefusedLink('maker_lost_permission')
  if (await reasonAgainstWayIn(tx, organization!, null) !== null) throw new RefusedLink('provider_required')
  if (!await tx.signInLinks.use(link.digest, now)) throw new RefusedLink(link.expiresAt <= now ? 'expired' : 'used')
  const detail = { member: member.id, createdBy: link.createdBy, ...await recovery(tx, link, now) }
  await tx.audit.append(auditEvent(personActor(member, from), now, 'sign_in_link.used', {
    organizationId: member.organizationId, subject: link.id, detail
  }))
  const { vouchedBy, sessionEndsAt: endsAt } = link
  const begun = await beginSession(
    tx, from, { member, identityId: null, amr: ['otp'], provider: null, vouchedBy, endsAt, replaces }, lifetimes, now
  )
  return { ...begun, member }
}

async function hasVoucherEnded (tx: Ports, vouchedBy: string | null, now: Date): Promise<boolean> {
  if (vouchedBy === null) return false
  const voucher = await voucherOf({
    apiKeyById: id => tx.apiKeys.get(id),
    organization: id => tx.organizations.get(id),
    managementTokenById: id => tx.managementTokens.get(id),
  }, vouchedBy)
  return reasonAgainstVoucher(voucher, now) !== null
}

/**
 * A link counts as recovery for a member with passkeys, and ends the member's other sessions: a lost passkey may have
 * begun them. The link of a key is a partner's way in, and recovers nothing.
 */
async function recovery (
  tx: PasskeyPort & PersonSessionPort, { memberId, vouchedBy }: SignInLink, now: Date
): Promise<{ recovered?: true, sessionsEnded?: number }> {
  if (vouchedBy !== null || (await tx.passkeys.ofMember(memberId)).length === 0) return {}
  return { recovered: true, sessionsEnded: await tx.personSessions.endOfMember(memberId, now, 'recovered') }
}

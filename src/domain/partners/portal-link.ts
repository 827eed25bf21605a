/** Sign-in links that a partner's key mints, for members of the organizations that it provisioned. */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { newSignInLinkText } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import { exceedsCeiling } from '../members/ceiling.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { requireWayIn, type TrustedProviderPort } from '../people/provider-trust.ts'
import { insertLink, type SignInLink, type SignInLinkPort } from '../people/sign-in-link.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { partnerKey, type PartnerKey } from './partner-key.ts'
import type { ProvisionPort } from './provision.ts'

/** Links that one key may mint within an hour. */
export const mintedPerHour = 1_000

type Ports =
  & ApiKeyPort & AuditPort & MemberPort & OrganizationPort & ProvisionPort & ResourcePort & SignInLinkPort
  & TrustedProviderPort

/**
 * Mints a link; `text` is its secret, shown now and never again. The key vouches for the session that it begins.
 * @throws Failure `not_found`, also for a member of an organization that the key did not provision,
 * `organization_not_active`, `credential_revoked` for a removed member, `insufficient_permissions` for a member above
 * the ceiling of the key, `too_many_requests`, `provider_required`.
 */
export async function mintPortalLink (
  { store, clock, actor }: Operation<Ports>, memberId: string
): Promise<{ link: SignInLink, text: string, member: Member }> {
  const text = newSignInLinkText()
  return await store.transaction(async tx => {
    const now = clock()
    const key = await partnerKey(tx, actor)
    const member = await reachedMember(tx, key, memberId)
    if (member.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${memberId} was removed.` })
    }
    const { organizationId } = member
    await requireWayIn(tx, await requireActiveOrganization(tx, { ...actor, organizationId }, organizationId), null)
    await requireBelowCeiling(tx, key, member)
    if (await tx.signInLinks.countVouchedSince(key.id, secondsAfter(now, -3_600)) >= mintedPerHour) {
      throw new Failure('too_many_requests', {
        message: `The key ${key.id} minted ${mintedPerHour} links within an hour; wait.`
      })
    }
    const link = await insertLink(
      tx, actor, member, { digest: digestOf(text), vouchedBy: key.id, sessionEndsAt: null, now }
    )
    return { link, text, member }
  })
}

async function reachedMember (
  tx: MemberPort & ProvisionPort, { chainId }: PartnerKey, memberId: string
): Promise<Member> {
  const member = await tx.members.get(memberId)
  const provision = member && await tx.provisions.ofOrganization(member.organizationId)
  const isReached = provision !== null && provision.keyChainId === chainId
  return requireVisible({ organizationId: null }, isReached ? member : null, 'member', memberId)
}

/** The role counts, and what the member may do on the management API by scopes and groups. */
async function requireBelowCeiling (
  tx: ResourcePort, { id, portal: { ceiling } }: PartnerKey, member: Member
): Promise<void> {
  if (member.operator) refuse(`The member ${member.id} is an operator of the deployment: no key mints links for them.`)
  const { scopes } = (await tx.resources.get(managementResourceId))!
  if (exceedsCeiling(member, ceiling, scopes)) {
    refuse(
      `The member ${member.id} is ${member.role}, or may do more than ${ceiling}, the ceiling of the key ${id}. The ` +
        'operator of this deployment can raise it: `portal.ceiling` of the key.'
    )
  }
}

function refuse (message: string): never {
  throw new Failure('insufficient_permissions', { message })
}

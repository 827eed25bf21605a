/** Ways in: what a member can sign in with, without a link that somebody makes for them. */
import { Failure } from '../../base/errors.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { IdentityPort } from './identity.ts'
import { passkeyProvider, type PasskeyPort } from './passkey.ts'
import type { TrustedProviderPort } from './provider-trust.ts'

/** The providers of the configuration: organizations trust an id, and identities hold an issuer. */
export type ConfiguredProviders = readonly { id: string, issuer: string }[]

type MemberKey = Pick<Member, 'id' | 'organizationId'>

/** Whether a member has an account at a provider that is configured, and that the organization trusts. */
export async function hasAccountWayIn (
  tx: IdentityPort & TrustedProviderPort, { id: memberId, organizationId }: MemberKey, configured: ConfiguredProviders
): Promise<boolean> {
  const issuers = new Set((await tx.identities.ofMember(memberId)).map(({ provider }) => provider))
  for (const { id, issuer } of configured) {
    if (issuers.has(issuer) && await tx.trustedProviders.ofPair(organizationId, id) !== null) return true
  }
  return false
}

/** @throws Failure `last_way_in` for a member with neither such an account nor a passkey where these are taken. */
export async function requireWayLeft (
  tx: IdentityPort & MemberPort & OrganizationPort & PasskeyPort & TrustedProviderPort, memberId: string,
  configured: ConfiguredProviders
): Promise<void> {
  const member = (await tx.members.get(memberId))!
  if (await hasAccountWayIn(tx, member, configured)) return
  const organization = await tx.organizations.get(member.organizationId)
  if (organization?.requiresProvider !== true && (await tx.passkeys.ofMember(memberId)).length > 0) return
  throw new Failure('last_way_in')
}

/** Whether an identity is an account at a provider, and no passkey. */
export function isAccount ({ provider }: { provider: string }): boolean {
  return provider !== passkeyProvider
}

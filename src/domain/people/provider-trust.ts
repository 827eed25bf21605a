/** Trust: an organization names the providers of sign-ins that may vouch for its members, and for no others. */
import { Failure } from '../../base/errors.ts'
import type { Page, PageQuery } from '../core/page.ts'
import type { Revised } from '../core/operation.ts'
import type { Role } from '../members/roles.ts'
import type { Organization } from '../tenancy/organization.ts'

/** One value of a claim, and the group that it gives. */
export interface GroupRule { value: string, group: string }

/** The roles that a domain may give: stronger ones are given by invitation. */
export const joiningRoles = ['member', 'viewer'] as const satisfies Role[]
export type JoiningRole = typeof joiningRoles[number]

/**
 * That a provider may vouch for the members of an organization. Links, invitations, the rule for domains and the
 * mapping of groups hold for this pair alone.
 */
export interface TrustedProvider extends Revised {
  /** `trp_…` */
  id: string
  organizationId: string
  /** The id of the provider in the configuration. */
  provider: string
  /** The role of people with a verified e-mail in a domain of the organization; null: only the invited get in. */
  joinsAs: JoiningRole | null
  /** The claim whose values `groupMapping` names. */
  groupsClaim: string
  groupMapping: readonly GroupRule[]
  createdBy: string
  createdAt: Date
}

export interface TrustedProviderRepository {
  /** @throws Failure `conflict` for a pair that is there already. */
  insert (trusted: TrustedProvider): Promise<void>
  get (id: string): Promise<TrustedProvider | null>
  ofPair (organizationId: string, provider: string): Promise<TrustedProvider | null>
  /** Replaces everything but id, organizationId, provider and createdAt; returns it with its next revision. */
  update (trusted: TrustedProvider): Promise<TrustedProvider>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string, provider?: string }): Promise<Page<TrustedProvider>>
}

export interface TrustedProviderPort { trustedProviders: TrustedProviderRepository }

/** Why an organization refuses a way to sign in; null: it does not. */
export type ReasonAgainstWayIn = 'provider_required' | 'provider_not_trusted' | null

/** `provider`: the id of the provider that vouches; null: a passkey or a link does. */
export async function reasonAgainstWayIn (
  tx: TrustedProviderPort, { id, requiresProvider }: Pick<Organization, 'id' | 'requiresProvider'>,
  provider: string | null
): Promise<ReasonAgainstWayIn> {
  if (provider === null) return requiresProvider ? 'provider_required' : null
  return await tx.trustedProviders.ofPair(id, provider) === null ? 'provider_not_trusted' : null
}

/** As `reasonAgainstWayIn`. @throws Failure `provider_required`, `sign_in_refused`. */
export async function requireWayIn (
  tx: TrustedProviderPort, organization: Pick<Organization, 'id' | 'requiresProvider'>, provider: string | null
): Promise<void> {
  const reason = await reasonAgainstWayIn(tx, organization, provider)
  if (reason === 'provider_required') throw new Failure('provider_required')
  if (reason === 'provider_not_trusted') {
    throw new Failure('sign_in_refused', {
      message: 'Your organization does not let this provider vouch for its members; sign in in another way.'
    })
  }
}

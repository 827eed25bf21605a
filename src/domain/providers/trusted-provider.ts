/** How an organization trusts a provider of sign-ins, changes what it may do, and takes the trust back. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import type { GroupPort } from '../access/group.ts'
import { change, load, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { requireRestrictionsWithin } from '../members/delegation.ts'
import { requireRoleHeld } from '../members/member-delegation.ts'
import type { PersonSessionPort } from '../people/person-session.ts'
import type { GroupRule, JoiningRole, TrustedProvider, TrustedProviderPort } from '../people/provider-trust.ts'
import type { ConfiguredProviders } from '../people/way-in.ts'
import type { PolicyPort } from '../policy/policy.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { requireGroupsHeld } from './groups-held.ts'
import { requireOwnerWayIn, type OwnerWayInPorts } from './required-provider.ts'

type Ports =
  & AuditPort & GroupPort & OrganizationPort & PersonSessionPort & PolicyPort & ResourcePort & TrustedProviderPort

export interface TrustChange { joinsAs?: JoiningRole | null, groupsClaim?: string, groupMapping?: readonly GroupRule[] }

/** The most rules of one mapping. */
export const mostRules = 500

/**
 * Trusts a provider. `known`: the ids of the providers in the configuration.
 * @throws Failure `not_found`, `organization_not_active`, `conflict`, `insufficient_permissions` for a role or groups
 * that the actor does not hold.
 */
export async function trustProvider (
  { store, clock, actor }: Operation<Ports>, known: readonly string[],
  input: TrustChange & { organizationId: string, provider: string }
): Promise<TrustedProvider> {
  requireKnown(known, input.provider)
  const trusted: TrustedProvider = {
    id: newId('trp'),
    organizationId: input.organizationId,
    provider: input.provider,
    joinsAs: input.joinsAs ?? null,
    groupsClaim: input.groupsClaim ?? 'groups',
    groupMapping: distinct(input.groupMapping ?? []),
    createdBy: actor.id,
    createdAt: clock(),
    revision: 1,
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, trusted.organizationId)
    await requireGivenHeld(tx, actor, trusted)
    if (await tx.trustedProviders.ofPair(trusted.organizationId, trusted.provider) !== null) {
      throw new Failure('conflict', {
        message: `${trusted.organizationId} trusts ${trusted.provider} already; change that instead.`
      })
    }
    await tx.trustedProviders.insert(trusted)
    await tx.audit.append(auditEvent(actor, trusted.createdAt, 'trusted_provider.created', about(trusted)))
    return trusted
  })
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getTrustedProvider (
  { store, actor }: Operation<TrustedProviderPort>, id: string
): Promise<TrustedProvider> {
  return requireVisible(actor, await store.trustedProviders.get(id), 'trusted provider', id)
}

/**
 * Changes what a provider may do. Members have mapped groups anew at their next sign-in.
 * @throws Failure `insufficient_permissions` for a role or groups, before or after, that the actor does not hold.
 */
export async function updateTrustedProvider (
  operation: Operation<Ports>, id: string, given: TrustChange
): Promise<TrustedProvider> {
  const { actor } = operation
  return await change(operation, trustedProviders, id, 'trusted_provider.updated', async (before, _now, tx) => {
    const after: TrustedProvider = {
      ...before,
      joinsAs: given.joinsAs === undefined ? before.joinsAs : given.joinsAs,
      groupsClaim: given.groupsClaim ?? before.groupsClaim,
      groupMapping: given.groupMapping === undefined ? before.groupMapping : distinct(given.groupMapping),
    }
    await requireGivenHeld(tx, actor, after)
    // What members lose, the actor has as well.
    await requireGroupsHeld(tx, actor, before.organizationId, await present(tx, before))
    return after
  })
}

/**
 * Takes the trust back: sessions that the provider vouched for end, and so do memberships of groups by its mapping.
 * Identities stay, and sign in again if the trust comes back.
 * @throws Failure `not_found`, `insufficient_permissions`, `would_lock_out` for the last one of an organization that
 * requires a provider, and for the one by which its owners sign in.
 */
export async function distrustProvider (
  operation: Operation<Ports & OwnerWayInPorts>, id: string, configured: ConfiguredProviders
): Promise<TrustedProvider> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const trusted = await load(operation, tx, trustedProviders, id)
    const { organizationId, provider } = trusted
    await requireGroupsHeld(tx, actor, organizationId, await present(tx, trusted))
    await requireAnother(tx, trusted)
    const now = clock()
    await tx.trustedProviders.remove(id)
    const organization = await tx.organizations.get(organizationId)
    if (organization?.requiresProvider === true) await requireOwnerWayIn(tx, organizationId, configured)
    await tx.groups.endMapping(id, organizationId)
    const sessions = await tx.personSessions.endOfProvider(organizationId, provider, now, 'provider-not-trusted')
    await tx.audit.append(auditEvent(actor, now, 'trusted_provider.removed', about(trusted, { sessions })))
    return trusted
  })
}

/** How they are found, kept and audited. */
const trustedProviders: RecordKind<TrustedProvider, TrustedProviderPort> = {
  name: 'trusted provider',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.trustedProviders.get(id),
  update: (tx, after) => tx.trustedProviders.update(after),
  about,
}

function requireKnown (known: readonly string[], provider: string): void {
  if (known.includes(provider)) return
  throw new Failure('not_found', {
    message: `There is no identity provider ${JSON.stringify(provider.slice(0, 64))}; ` + (known.length === 0
      ? 'the deployment configures them by LATCHKEY_OIDC_<ID>_ISSUER.'
      : `the deployment has ${known.join(', ')}.`)
  })
}

async function requireGivenHeld (
  tx: GroupPort & PolicyPort & ResourcePort, actor: Actor, { organizationId, joinsAs, groupMapping }: TrustedProvider
): Promise<void> {
  if (joinsAs !== null) {
    await requireRoleHeld(tx, actor, { organizationId, role: joinsAs })
    // The sessions of who joins have none of the actor's restrictions.
    requireRestrictionsWithin(actor, { id: managementResourceId }, { allowlist: [], expiresAt: null })
  }
  await requireGroupsHeld(tx, actor, organizationId, groupMapping.map(({ group }) => group))
}

/** The groups of a mapping that were not deleted meanwhile. */
async function present (tx: GroupPort, { groupMapping }: TrustedProvider): Promise<string[]> {
  const ids: string[] = []
  for (const id of new Set(groupMapping.map(({ group }) => group))) {
    if (await tx.groups.get(id) !== null) ids.push(id)
  }
  return ids
}

async function requireAnother (tx: Ports, { id, organizationId }: TrustedProvider): Promise<void> {
  const organization = await tx.organizations.get(organizationId)
  if (organization?.requiresProvider !== true) return
  const { items } = await tx.trustedProviders.page({ limit: 2, after: null }, { organizationId })
  if (items.some(each => each.id !== id)) return
  throw new Failure('would_lock_out', {
    message: `${organizationId} requires its provider, and this is the last one: nobody could sign in. Trust another ` +
      'one first, or let passkeys and links in again.'
  })
}

function distinct (rules: readonly GroupRule[]): GroupRule[] {
  return [...new Map(rules.map(({ value, group }) => [JSON.stringify([value, group]), { value, group }])).values()]
}

function about (trusted: TrustedProvider, detail: Record<string, unknown> = {}) {
  const { id, organizationId, provider, joinsAs, groupsClaim, groupMapping } = trusted
  return { organizationId, subject: id, detail: { provider, joinsAs, groupsClaim, groupMapping, ...detail } }
}

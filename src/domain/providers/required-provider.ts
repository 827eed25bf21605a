/** An organization requires its provider: no passkey and no link signs its members in. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { load } from '../audit/change.ts'
import type { Operation } from '../core/operation.ts'
import { everyRow } from '../core/page.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { IdentityPort } from '../people/identity.ts'
import type { PersonSessionPort } from '../people/person-session.ts'
import type { TrustedProviderPort } from '../people/provider-trust.ts'
import { hasAccountWayIn, type ConfiguredProviders } from '../people/way-in.ts'
import { operatorsId, organizations, type Organization, type OrganizationPort } from '../tenancy/organization.ts'

type Ports = AuditPort & OrganizationPort & OwnerWayInPorts & PersonSessionPort

/**
 * Requires the provider, which ends the sessions that none vouched for, or lets passkeys and links in again.
 * @throws Failure `not_found`; `would_lock_out` for the organization of the operators, for one that trusts no provider,
 * and for one of which no owner has an account there.
 */
export async function setRequiresProvider (
  operation: Operation<Ports>, id: string, requiresProvider: boolean, configured: ConfiguredProviders
): Promise<Organization> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = await load(operation, tx, organizations, id)
    if (before.requiresProvider === requiresProvider) return before
    if (requiresProvider) await requireWayBack(tx, id, configured)
    const now = clock()
    const kept = await tx.organizations.update({ ...before, requiresProvider })
    const sessions = requiresProvider ? await tx.personSessions.endOfProvider(id, null, now, 'provider-required') : 0
    await tx.audit.append(auditEvent(actor, now, 'organization.updated', {
      organizationId: id, subject: id, detail: { requiresProvider, sessions }
    }))
    return kept
  })
}

async function requireWayBack (
  tx: OwnerWayInPorts, organizationId: string, configured: ConfiguredProviders
): Promise<void> {
  if (organizationId === operatorsId) {
    throw new Failure('would_lock_out', {
      message: 'The operators keep links and passkeys: without them, nobody could repair a provider that fails.'
    })
  }
  const { items } = await tx.trustedProviders.page({ limit: 1, after: null }, { organizationId })
  if (items.length === 0) {
    throw new Failure('would_lock_out', {
      message: `${organizationId} trusts no provider, so nobody could sign in: trust one first.`
    })
  }
  await requireOwnerWayIn(tx, organizationId, configured)
}

export type OwnerWayInPorts = IdentityPort & MemberPort & TrustedProviderPort

/**
 * Of an organization that requires its provider, some owner has an account there: where nobody signs in any more, no
 * owner lets passkeys and links in again. One without any owner is the deployment's to repair.
 * @throws Failure `would_lock_out`.
 */
export async function requireOwnerWayIn (
  tx: OwnerWayInPorts, organizationId: string, configured: ConfiguredProviders
): Promise<void> {
  const filter = { organizationId, role: 'owner', removed: false } as const
  let owners = 0
  for await (const owner of everyRow(query => tx.members.page(query, filter))) {
    if (await hasAccountWayIn(tx, owner, configured)) return
    owners++
  }
  if (owners === 0) return
  throw new Failure('would_lock_out', {
    message: `No owner of ${organizationId} could sign in: none has an account at a provider that it trusts. An ` +
      'owner signs in with it first, by an invitation, or adds the account from a session.'
  })
}

/** Organizations: creation, changes, deletion, and the state that their credentials depend on. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { limitsOf, noLimits, type Limits } from './limits.ts'
import { change, load, type RecordKind } from '../audit/change.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

export const organizationStatuses = ['active', 'suspended', 'deleted'] as const
export type OrganizationStatus = typeof organizationStatuses[number]

/**
 * Whether clients that registered themselves, and those of metadata documents, act for its members: `approve` takes an
 * approval by an administrator for each.
 */
export const unverifiedClientRules = ['allow', 'approve', 'deny'] as const
export type UnverifiedClientRule = typeof unverifiedClientRules[number]

/** The organization of the deployment's operators. Every deployment has it, and it stays active. */
export const operatorsId = 'org_operators'

/**
 * The tenant: every client and key belongs to exactly one. Its limits bind all its keys together, in each environment.
 */
export interface Organization extends Limits, Revised {
  /** `org_…` */
  id: string
  name: string
  /** `deleted` is final; the row stays, so that its history can be explained. */
  status: OrganizationStatus
  /** Names of the features in its plan; a route may require one. */
  features: readonly string[]
  createdAt: Date
  suspendedAt: Date | null
  deletedAt: Date | null
  /** Its members sign in with a provider that it trusts, and neither with a passkey nor with a link. */
  requiresProvider: boolean
  unverifiedClients: UnverifiedClientRule
}

/** Filters of organizations; an absent one matches all. `search`: in the name, or the id. */
export interface OrganizationFilter extends Sought {
  id?: string
  /** Exactly this name. */
  name?: string
  status?: OrganizationStatus
}

export interface OrganizationRepository {
  insert (organization: Organization): Promise<void>
  get (id: string): Promise<Organization | null>
  /** Replaces everything but id and createdAt; returns it with its next revision. */
  update (organization: Organization): Promise<Organization>
  page (query: ListQuery, filter: OrganizationFilter): Promise<Listed<Organization>>
}

/** Ending an organization ends its resources: implemented by the port of resources. */
export interface OwnedResources { resources: { revokeAll (organizationId: string, revokedAt: Date): Promise<void> } }

export interface OrganizationPort { organizations: OrganizationRepository }

export async function createOrganization (
  { store, clock, actor }: Operation<AuditPort & OrganizationPort>,
  input: Partial<Limits> & { name: string, features?: readonly string[] }
): Promise<Organization> {
  const organization: Organization = {
    id: newId('org'),
    name: input.name,
    status: 'active',
    features: input.features ?? [],
    ...limitsOf(input, noLimits),
    createdAt: clock(),
    suspendedAt: null,
    deletedAt: null,
    requiresProvider: false,
    unverifiedClients: 'allow',
    revision: 1
  }
  await store.transaction(async tx => {
    await tx.organizations.insert(organization)
    await tx.audit.append(
      auditEvent(actor, organization.createdAt, 'organization.created', auditDetail(organization, { ...input }))
    )
  })
  return organization
}

/** @throws Failure `not_found`, also for an organization that the actor may not see. */
export async function getOrganization (
  { store, actor }: Operation<OrganizationPort>, id: string
): Promise<Organization> {
  return requireVisibleOrganization(actor, await store.organizations.get(id), id)
}

/**
 * Renames, suspends, resumes or limits. A suspended organization's credentials are refused from the next request on.
 */
export async function updateOrganization (
  operation: Operation<AuditPort & OrganizationPort>,
  id: string,
  changes: Partial<Limits> & { name?: string, status?: 'active' | 'suspended', features?: readonly string[] },
  reason: string | null = null
): Promise<Organization> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = await presentOrganization(operation, tx, id)
    const now = clock()
    const status = changes.status ?? before.status
    if (status !== 'active') requireNotOperators(before, 'suspended')
    const kept = await tx.organizations.update({
      ...before,
      name: changes.name ?? before.name,
      status,
      features: changes.features ?? before.features,
      ...limitsOf(changes, before),
      suspendedAt: status === 'active' ? null : before.suspendedAt ?? now,
    })
    const type = status === before.status
      ? 'organization.updated'
      : status === 'active'
        ? 'organization.resumed'
        : 'organization.suspended'
    await tx.audit.append(
      auditEvent(actor, now, type, auditDetail(kept, { ...changes, ...(reason === null ? {} : { reason }) }))
    )
    return kept
  })
}

/**
 * Ends an organization for good: from the next request on its credentials are refused, and so is every request to its
 * resources. Its rows stay, its name is free. Idempotent.
 */
export async function deleteOrganization (
  operation: Operation<AuditPort & OrganizationPort & OwnedResources>, id: string
): Promise<Organization> {
  return await change(operation, organizations, id, 'organization.deleted', async (before, now, tx) => {
    if (before.status === 'deleted') return before
    requireNotOperators(before, 'deleted')
    await tx.resources.revokeAll(id, now)
    return { ...before, status: 'deleted', deletedAt: now }
  })
}

/** @throws Failure `conflict`: without this organization nobody could sign in to operate the deployment. */
function requireNotOperators ({ id }: Organization, what: string): void {
  if (id !== operatorsId) return
  throw new Failure('conflict', {
    message: `The organization ${id} is that of the deployment's operators and cannot be ${what}; remove its members ` +
      'instead.'
  })
}

/** Why the credentials of an organization are refused now; null: they are not. */
export function reasonAgainstOrganization (
  organization: Organization | null
): 'revoked' | 'organization_suspended' | null {
  if (organization?.status === 'deleted') return 'revoked'
  return organization?.status === 'active' ? null : 'organization_suspended'
}

/** How organizations are found, kept and audited. */
export const organizations: RecordKind<Organization, OrganizationPort> = {
  name: 'organization',
  organizationOf: ({ id }) => id,
  get: (tx, id) => tx.organizations.get(id),
  update: (tx, after) => tx.organizations.update(after),
  about: auditDetail,
}

/** Loads one that is not deleted. */
async function presentOrganization (
  operation: Operation<OrganizationPort>, tx: OrganizationPort, id: string
): Promise<Organization> {
  const organization = await load(operation, tx, organizations, id)
  if (organization.status === 'deleted') {
    throw new Failure('organization_not_active', {
      message: `The organization ${id} was deleted and cannot be changed.`
    })
  }
  return organization
}

/**
 * The organization in which something is created.
 * @throws Failure `not_found`, `organization_not_active`.
 */
export async function requireActiveOrganization (
  tx: OrganizationPort, actor: Actor, id: string
): Promise<Organization> {
  const organization = requireVisibleOrganization(actor, await tx.organizations.get(id), id)
  if (organization.status === 'deleted') {
    throw new Failure('organization_not_active', { message: `The organization ${id} was deleted.` })
  }
  if (organization.status !== 'active') {
    throw new Failure('organization_not_active', { message: `The organization ${id} is suspended; resume it first.` })
  }
  return organization
}

/**
 * As `requireVisible`, for an organization itself.
 * @throws Failure `not_found`.
 */
export function requireVisibleOrganization (actor: Actor, found: Organization | null, id: string): Organization {
  const { organizationId: _, ...organization } = requireVisible(
    actor, found && { ...found, organizationId: found.id }, 'organization', id
  )
  return organization
}

function auditDetail (organization: Organization, detail: Record<string, unknown>) {
  return { organizationId: organization.id, subject: organization.id, detail }
}

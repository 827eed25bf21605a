import { Failure } from '../errors.ts'
import { newId } from '../secrets.ts'
import { auditEvent, type Actor } from './audit.ts'
import { limitsOf, noLimits, type Limits } from './limits.ts'
import type { Page, PageQuery } from './page.ts'
import { visible, type Operation, type Repositories } from './store.ts'

/** The tenant: every client and key belongs to exactly one. Its limits bind all its keys together, in each environment. */
export interface Organization extends Limits {
  /** `org_…` */
  id: string
  name: string
  status: 'active' | 'suspended'
  /** Names of what its plan includes; a route may ask for one. */
  features: readonly string[]
  createdAt: Date
  suspendedAt: Date | null
}

export interface OrganizationRepository {
  insert (organization: Organization): Promise<void>
  get (id: string): Promise<Organization | null>
  update (organization: Organization): Promise<void>
  page (query: PageQuery, filter: { id?: string }): Promise<Page<Organization>>
}

export async function createOrganization (
  { store, clock, actor }: Operation, input: Partial<Limits> & { name: string, features?: readonly string[] }
): Promise<Organization> {
  const organization: Organization = {
    id: newId('org'), name: input.name, status: 'active', features: input.features ?? [], ...limitsOf(input, noLimits), createdAt: clock(), suspendedAt: null,
  }
  await store.transaction(async tx => {
    await tx.organizations.insert(organization)
    await tx.audit.append(auditEvent(actor, organization.createdAt, 'organization.created', about(organization, { ...input })))
  })
  return organization
}

/** @throws Failure `not_found`, also for an organization that the actor may not see. */
export async function getOrganization ({ store, actor }: Operation, id: string): Promise<Organization> {
  return visibleOrganization(actor, await store.organizations.get(id), id)
}

/** Renames, suspends, resumes or limits. A suspended organization's credentials are refused from the next request on. */
export async function updateOrganization (
  { store, clock, actor }: Operation, id: string, change: Partial<Limits> & { name?: string, status?: Organization['status'], features?: readonly string[] }
): Promise<Organization> {
  return await store.transaction(async tx => {
    const before = visibleOrganization(actor, await tx.organizations.get(id), id)
    const now = clock()
    const status = change.status ?? before.status
    const after: Organization = {
      ...before,
      name: change.name ?? before.name,
      status,
      features: change.features ?? before.features,
      ...limitsOf(change, before),
      suspendedAt: status === 'active' ? null : before.suspendedAt ?? now,
    }
    await tx.organizations.update(after)
    const type = status === before.status ? 'organization.updated' : status === 'active' ? 'organization.resumed' : 'organization.suspended'
    await tx.audit.append(auditEvent(actor, now, type, about(after, { ...change })))
    return after
  })
}

/** The organization that something is to be created in. @throws Failure `not_found`, `organization_not_active`. */
export async function requireActiveOrganization (tx: Repositories, actor: Actor, id: string): Promise<Organization> {
  const organization = visibleOrganization(actor, await tx.organizations.get(id), id)
  if (organization.status !== 'active') throw new Failure('organization_not_active', { message: `The organization ${id} is suspended; resume it first.` })
  return organization
}

/** As `visible`, for an organization itself. @throws Failure `not_found`. */
export function visibleOrganization (actor: Actor, found: Organization | null, id: string): Organization {
  const { organizationId: _, ...organization } = visible(actor, found && { ...found, organizationId: found.id }, 'organization', id)
  return organization
}

function about (organization: Organization, detail: Record<string, unknown>) {
  return { organizationId: organization.id, subject: organization.id, detail }
}

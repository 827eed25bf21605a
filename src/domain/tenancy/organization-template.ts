/**
 * Templates of organizations: limits and features of those that partners' keys provision. They belong to the deployment
 * and are not changed: another plan is another template.
 */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { limitsOf, noLimits, type Limits } from './limits.ts'

export interface OrganizationTemplate extends Limits {
  /** `tpl_…` */
  id: string
  name: string
  features: readonly string[]
  createdBy: string
  createdAt: Date
}

/** A template stays as it was made. */
export const unchanged = { revision: 1 } as const

export interface OrganizationTemplateRepository {
  insert (template: OrganizationTemplate): Promise<void>
  get (id: string): Promise<OrganizationTemplate | null>
  remove (id: string): Promise<void>
  page (query: PageQuery): Promise<Page<OrganizationTemplate>>
}

export interface OrganizationTemplatePort { organizationTemplates: OrganizationTemplateRepository }

type Ports = AuditPort & OrganizationTemplatePort

export async function createTemplate (
  { store, clock, actor }: Operation<Ports>, input: Partial<Limits> & { name: string, features?: readonly string[] }
): Promise<OrganizationTemplate> {
  const template: OrganizationTemplate = {
    id: newId('tpl'),
    name: input.name,
    features: input.features ?? [],
    ...limitsOf(input, noLimits),
    createdBy: actor.id,
    createdAt: clock()
  }
  await store.transaction(async tx => {
    await tx.organizationTemplates.insert(template)
    await tx.audit.append(
      auditEvent(actor, template.createdAt, 'organization_template.created', aboutTemplate(template))
    )
  })
  return template
}

/** @throws Failure `not_found`, also for an actor that is confined to an organization. */
export async function getTemplate (
  { store, actor }: Operation<OrganizationTemplatePort>, id: string
): Promise<OrganizationTemplate> {
  return requireTemplate(actor, await store.organizationTemplates.get(id), id)
}

/** Keys that name it provision nothing from then on; organizations keep what it gave them. */
export async function deleteTemplate (operation: Operation<Ports>, id: string): Promise<void> {
  const { store, clock, actor } = operation
  await store.transaction(async tx => {
    const template = requireTemplate(actor, await tx.organizationTemplates.get(id), id)
    requireExpected(operation, unchanged)
    await tx.organizationTemplates.remove(id)
    await tx.audit.append(auditEvent(actor, clock(), 'organization_template.deleted', aboutTemplate(template)))
  })
}

/** The template by which a key provisions. @throws Failure `conflict` for one that was deleted. */
export async function presentTemplate (
  tx: OrganizationTemplatePort, id: string | null
): Promise<OrganizationTemplate> {
  const template = id === null ? null : await tx.organizationTemplates.get(id)
  if (template !== null) return template
  throw new Failure('conflict', {
    message: `The organization template ${id ?? ''} of this key was deleted; the operator of this deployment has to ` +
      'give the key another one.',
    details: { template: id }
  })
}

function requireTemplate (
  actor: Operation<unknown>['actor'], found: OrganizationTemplate | null, id: string
): OrganizationTemplate {
  requireVisible(actor, found && { organizationId: null }, 'organization template', id)
  return found!
}

function aboutTemplate ({ id, name, features, callsPerMonth, creditsPerMonth, callsPerMinute }: OrganizationTemplate) {
  const detail = { name, features, callsPerMonth, creditsPerMonth, callsPerMinute }
  return { organizationId: null, subject: id, detail }
}

/** E-mail domains: the deployment gives each to one organization, whose providers may let its people in. */
import { domainToASCII } from 'node:url'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireExpected, requireVisible, type Operation } from '../core/operation.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireDeployment } from '../members/delegation.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'

export interface EmailDomain {
  /** `dom_…` */
  id: string
  /** In lower case, in its ASCII form. */
  domain: string
  organizationId: string
  createdAt: Date
}

export interface EmailDomainRepository {
  /** @throws Failure `conflict` for a domain that an organization has already. */
  insert (domain: EmailDomain): Promise<void>
  get (id: string): Promise<EmailDomain | null>
  byDomain (domain: string): Promise<EmailDomain | null>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string, domain?: string }): Promise<Page<EmailDomain>>
}

/** Of every domain: it never changes. */
export const domainRevision = 1

export interface EmailDomainPort { emailDomains: EmailDomainRepository }

type Ports = AuditPort & EmailDomainPort & OrganizationPort

const onlyDeployment =
  'The deployment gives e-mail domains to organizations: it takes a deployment-wide credential, because nobody else ' +
  'knows whose a domain is.'

/**
 * @throws Failure `insufficient_permissions`, `invalid_request`, `not_found`, `conflict`, `organization_not_active`.
 */
export async function createEmailDomain (
  { store, clock, actor }: Operation<Ports>, input: { organizationId: string, domain: string }
): Promise<EmailDomain> {
  requireDeployment(actor, onlyDeployment)
  const domain: EmailDomain = {
    id: newId('dom'), domain: readDomain(input.domain), organizationId: input.organizationId, createdAt: clock()
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, domain.organizationId)
    if (await tx.emailDomains.byDomain(domain.domain) !== null) {
      throw new Failure('conflict', { message: `The domain ${domain.domain} was given to an organization already.` })
    }
    await tx.emailDomains.insert(domain)
    await tx.audit.append(auditEvent(actor, domain.createdAt, 'email_domain.created', about(domain)))
    return domain
  })
}

/** @throws Failure `not_found`. */
export async function getEmailDomain ({ store, actor }: Operation<EmailDomainPort>, id: string): Promise<EmailDomain> {
  return requireVisible(actor, await store.emailDomains.get(id), 'e-mail domain', id)
}

/** Takes a domain from its organization. Its members stay. @throws Failure `not_found`, `insufficient_permissions`. */
export async function removeEmailDomain (operation: Operation<Ports>, id: string): Promise<EmailDomain> {
  const { store, clock, actor } = operation
  requireDeployment(actor, onlyDeployment)
  return await store.transaction(async tx => {
    const domain = requireVisible(actor, await tx.emailDomains.get(id), 'e-mail domain', id)
    requireExpected(operation, { revision: domainRevision })
    await tx.emailDomains.remove(id)
    await tx.audit.append(auditEvent(actor, clock(), 'email_domain.removed', about(domain)))
    return domain
  })
}

/** The domain of an e-mail address, as domains are kept; null: it has none. */
export function domainOf (email: string): string | null {
  return normalDomain(email.slice(email.lastIndexOf('@') + 1))
}

/** @throws Failure `invalid_request`. */
function readDomain (text: string): string {
  const domain = normalDomain(text)
  if (domain !== null) return domain
  throw new Failure('invalid_request', {
    message: `${JSON.stringify(text.slice(0, 64))} is not a domain; write example.com, without @ and wildcard.`,
    details: { field: 'domain' }
  })
}

function normalDomain (text: string): string | null {
  const ascii = text.length <= 253 ? domainToASCII(text) : ''
  return /^(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z](?:[a-z\d-]{0,61}[a-z\d])?$/.test(ascii) ? ascii : null
}

function about ({ id, organizationId, domain }: EmailDomain) {
  return { organizationId, subject: id, detail: { domain } }
}

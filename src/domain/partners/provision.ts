/** Provisioning: a partner's key creates an organization with its first owner, once for each id of the partner. */
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import { normalEmail, requireEmail } from '../members/email.ts'
import { aboutMember } from '../members/member.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { limitsOf } from '../tenancy/limits.ts'
import { presentTemplate, type OrganizationTemplate, type OrganizationTemplatePort } from
  '../tenancy/organization-template.ts'
import type { Organization, OrganizationPort } from '../tenancy/organization.ts'
import { partnerKey, type PartnerKey } from './partner-key.ts'

/** An organization that a partner's key provisioned, and so reaches. */
export interface Provision {
  organizationId: string
  /** The chain of the key: what it is rotated to reaches the organization too. */
  keyChainId: string
  /** The partner's own id. */
  externalId: string
  /** Of what the partner sent. */
  fingerprint: string
  /** The first owner. */
  ownerId: string
  createdAt: Date
}

export interface ProvisionRepository {
  /** @throws Failure `conflict` for an id that the chain of the key used already. */
  insert (provision: Provision): Promise<void>
  byExternalId (keyChainId: string, externalId: string): Promise<Provision | null>
  ofOrganization (organizationId: string): Promise<Provision | null>
}

export interface ProvisionPort { provisions: ProvisionRepository }

type Ports =
  & ApiKeyPort & AuditPort & MemberPort & OrganizationPort & OrganizationTemplatePort & ProvisionPort

export interface ProvisionInput { externalId: string, name: string, owner: { name: string, email: string } }

export interface Provisioned { externalId: string, organization: Organization, owner: Member, isNew: boolean }

/**
 * Creates the organization of a partner's id, with its first owner and the limits of the key's template. The same id
 * with the same content again is the same organization, as it is now.
 * @throws Failure `conflict` for another content, where the key's template was deleted, and where another request with
 * the id was faster; `invalid_request` for a text that is no e-mail address.
 */
export async function provisionOrganization (
  { store, clock, actor }: Operation<Ports>, input: ProvisionInput
): Promise<Provisioned> {
  const { externalId } = input
  requireEmail(input.owner.email)
  return await store.transaction(async tx => {
    const key = await partnerKey(tx, actor)
    const known = await tx.provisions.byExternalId(key.chainId, externalId)
    if (known !== null) return await sameAgain(tx, known, input)
    const now = clock()
    const organization = newOrganization(input, await presentTemplate(tx, key.portal.templateId), now)
    const owner = firstOwner(organization, input, now)
    await tx.organizations.insert(organization)
    await tx.members.insert(owner)
    await tx.provisions.insert({
      organizationId: organization.id,
      keyChainId: key.chainId,
      externalId,
      fingerprint: fingerprintOf(input),
      ownerId: owner.id,
      createdAt: now
    })
    await tx.audit.append(
      auditEvent(actor, now, 'organization.created', about(key, organization, externalId))
    )
    await tx.audit.append(auditEvent(actor, now, 'member.created', aboutMember(owner)))
    return { externalId, organization, owner, isNew: true }
  })
}

async function sameAgain (
  tx: MemberPort & OrganizationPort, { organizationId, ownerId, fingerprint }: Provision, input: ProvisionInput
): Promise<Provisioned> {
  const { externalId } = input
  if (fingerprintOf(input) !== fingerprint) {
    throw new Failure('conflict', {
      message: `The id ${JSON.stringify(externalId)} is that of ${organizationId}, which was provisioned with ` +
        'another name or owner. Send the same content, or use another id.',
      details: { field: 'externalId', organization: organizationId }
    })
  }
  const [organization, owner] = await Promise.all([tx.organizations.get(organizationId), tx.members.get(ownerId)])
  return { externalId, organization: organization!, owner: owner!, isNew: false }
}

/** Of the content of a request, as the partner means it: an e-mail is the same in whatever case. */
function fingerprintOf ({ name, owner }: ProvisionInput): string {
  return digestOf(JSON.stringify([name, owner.name, normalEmail(owner.email)]))
}

function newOrganization ({ name }: ProvisionInput, template: OrganizationTemplate, createdAt: Date): Organization {
  return {
    id: newId('org'),
    name,
    status: 'active',
    requiresProvider: false,
    unverifiedClients: 'allow',
    features: template.features,
    ...limitsOf(template, template),
    createdAt,
    suspendedAt: null,
    deletedAt: null,
    revision: 1
  }
}

function firstOwner ({ id: organizationId }: Organization, { owner }: ProvisionInput, createdAt: Date): Member {
  return {
    id: newId('mem'),
    organizationId,
    name: owner.name,
    email: owner.email,
    role: 'owner',
    scopes: null,
    operator: false,
    groups: [],
    createdAt,
    removedAt: null,
    revision: 1
  }
}

function about (
  { portal: { templateId }, organizationId }: PartnerKey, organization: Organization, externalId: string
) {
  const { id, name, features, callsPerMonth, creditsPerMonth, callsPerMinute } = organization
  return {
    organizationId: id,
    subject: id,
    detail: {
      name,
      features,
      callsPerMonth,
      creditsPerMonth,
      callsPerMinute,
      externalId,
      template: templateId,
      partner: organizationId
    }
  }
}

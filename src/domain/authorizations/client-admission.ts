/** Whether an organization lets a client act for its members: by who vouches for it, and by what it approved. */
import { Failure } from '../../base/errors.ts'
import { digestOf } from '../../secrets/digest.ts'
import { load } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { fingerprintOf } from '../client-metadata/fingerprint.ts'
import { mayRefresh } from '../client-metadata/grant-types.ts'
import type { Actor } from '../core/actor.ts'
import type { Operation } from '../core/operation.ts'
import type { Client, ClientPort } from '../credentials/client.ts'
import {
  organizations, type Organization, type OrganizationPort, type UnverifiedClientRule
} from '../tenancy/organization.ts'
import { mostInSet, type AuthorizationPort } from './authorization.ts'
import type { AuthorizationStepPort } from './authorization-step.ts'
import type { ClientApproval, ClientApprovalPort } from './client-approval.ts'
import type { ConsentPort } from './consent.ts'
import { endOfClients } from './end.ts'

type Described = Pick<Client, 'id' | 'name' | 'origin' | 'organizationId' | 'metadata'>

/** `unapproved`: an administrator has to approve it first. */
export type Admission = 'admitted' | 'unapproved' | 'refused'

/** Whether a client chose its own name: no operator and no member made it. */
export function isUnverified ({ origin }: Pick<Client, 'origin'>): boolean {
  return origin !== 'operator'
}

/** Whether an operator, or the organization that it belongs to, answers for a client. */
export function isVouchedFor (client: Pick<Client, 'origin' | 'organizationId'>): boolean {
  return !isUnverified(client) || client.organizationId !== null
}

/** What an approval is bound to: by another name, or to another place, it would be another client. */
export function approvableForm ({ name, metadata }: Described): string {
  return digestOf(JSON.stringify([name, fingerprintOf(metadata)]))
}

/**
 * What a consent is bound to, for how long it was given included; null: nothing, because an operator vouches for the
 * client and for what changes of it. Everything else can change by itself, and would be, to the person who allowed it,
 * another client.
 */
export function consentedForm (client: Described): string | null {
  if (!isUnverified(client)) return null
  return digestOf(JSON.stringify([approvableForm(client), mayRefresh(client.metadata)]))
}

/**
 * One that the organization has adopted, or that registered with a token of it, is vouched for by that.
 * `client` null: it is unknown, and so nobody vouches for it.
 */
export function admission (
  { unverifiedClients: rule }: Pick<Organization, 'unverifiedClients'>, client: Described | null,
  approval: ClientApproval | null
): Admission {
  if (client !== null && isVouchedFor(client)) return 'admitted'
  if (rule === 'allow') return 'admitted'
  if (rule === 'deny') return 'refused'
  const holds = approval !== null &&
    (approval.fingerprint === null || (client !== null && approval.fingerprint === approvableForm(client)))
  return holds ? 'admitted' : 'unapproved'
}

export async function admissionOf (
  tx: ClientApprovalPort & OrganizationPort, organizationId: string, client: Described
): Promise<Admission> {
  const organization = await tx.organizations.get(organizationId)
  if (organization === null) return 'refused'
  return admission(organization, client, await tx.clientApprovals.ofPair(organizationId, client.id))
}

/** @throws Failure `insufficient_permissions`. */
export async function requireAdmitted (
  tx: ClientApprovalPort & OrganizationPort, organizationId: string, client: Described
): Promise<void> {
  const found = await admissionOf(tx, organizationId, client)
  if (found === 'admitted') return
  throw new Failure('insufficient_permissions', { message: reasonAgainst(organizationId, found) })
}

/** Why a client is not admitted, as it is told. */
export function reasonAgainst (organization: string, found: Exclude<Admission, 'admitted'>): string {
  return found === 'refused'
    ? `${organization} lets no unverified application act for its members.`
    : `An administrator of ${organization} has to approve this application first.`
}

type Ports =
  & AuditPort & AuthorizationPort & AuthorizationStepPort & ClientApprovalPort & ClientPort & ConsentPort
  & OrganizationPort

/**
 * Sets the rule for unverified clients, and ends what members have allowed clients that it does not admit.
 * @throws Failure `not_found`.
 */
export async function setUnverifiedClients (
  operation: Operation<Ports>, id: string, unverifiedClients: UnverifiedClientRule
): Promise<Organization> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const before = await load(operation, tx, organizations, id)
    if (before.unverifiedClients === unverifiedClients) return before
    const now = clock()
    const kept = await tx.organizations.update({ ...before, unverifiedClients })
    const consents = await endUnadmitted(tx, actor, kept, now)
    await tx.audit.append(auditEvent(actor, now, 'organization.updated', {
      organizationId: id, subject: id, detail: { unverifiedClients, consents }
    }))
    return kept
  })
}

/** Ends what members have allowed clients that the organization does not admit; returns how many consents ended. */
export async function endUnadmitted (
  tx: Ports, actor: Actor, organization: Organization, now: Date, clientId?: string
): Promise<number> {
  const organizationId = organization.id
  const clientIds = clientId === undefined ? await tx.consents.clientsOf(organizationId) : [clientId]
  let ended = 0
  for (let i = 0; i < clientIds.length; i += mostInSet) {
    const unadmitted = await unadmittedOf(tx, organization, clientIds.slice(i, i + mostInSet))
    if (unadmitted.length > 0) {
      ended += (await endOfClients(tx, actor, organizationId, unadmitted, now, 'client-not-admitted')).consents
    }
  }
  return ended
}

async function unadmittedOf (
  tx: ClientApprovalPort & ClientPort, organization: Organization, clientIds: readonly string[]
): Promise<string[]> {
  const clients = new Map((await tx.clients.several(clientIds)).map(each => [each.id, each]))
  const found = await tx.clientApprovals.ofClients(organization.id, clientIds)
  const approvals = new Map(found.map(each => [each.clientId, each]))
  return clientIds.filter(id =>
    admission(organization, clients.get(id) ?? null, approvals.get(id) ?? null) !== 'admitted')
}

/** How an administrator approves an unverified client, and takes the approval back. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { load, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { isClientIdUrl, problemOfClientIdUrl } from '../client-metadata/client-id-url.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import type { ClientPort } from '../credentials/client.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { actsForMember } from './allow.ts'
import type { AuthorizationPort } from './authorization.ts'
import type { AuthorizationStepPort } from './authorization-step.ts'
import { approvableForm, endUnadmitted, isUnverified } from './client-admission.ts'
import type { ClientApproval, ClientApprovalPort } from './client-approval.ts'
import type { ConsentPort } from './consent.ts'

type Ports =
  & AuditPort & AuthorizationPort & AuthorizationStepPort & ClientApprovalPort & ClientPort & ConsentPort
  & OrganizationPort

/**
 * Approves a client as it is now: with its name and redirect URIs, or, where its id is the URL of a document, with
 * whatever that says. An approval of an earlier form is replaced.
 * @throws Failure `not_found`, `organization_not_active`; `invalid_request` for a URL that no document has; `conflict`
 * where it is approved, or needs no approval.
 */
export async function approveClient (
  { store, clock, actor }: Operation<Ports>, { organizationId, clientId }: { organizationId: string, clientId: string }
): Promise<ClientApproval> {
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, organizationId)
    const approval: ClientApproval = {
      id: newId('cap'),
      organizationId,
      clientId,
      ...await describe(tx, organizationId, clientId),
      createdBy: actor.id,
      createdAt: clock(),
      revision: 1,
    }
    const before = await tx.clientApprovals.ofPair(organizationId, clientId)
    if (before?.fingerprint === approval.fingerprint) {
      throw new Failure('conflict', { message: `${organizationId} has approved ${clientId} already.` })
    }
    if (before !== null) await tx.clientApprovals.remove(before.id)
    await tx.clientApprovals.insert(approval)
    await tx.audit.append(auditEvent(actor, approval.createdAt, 'client_approval.created', about(approval)))
    return approval
  })
}

async function describe (
  tx: ClientPort, organizationId: string, clientId: string
): Promise<Pick<ClientApproval, 'name' | 'fingerprint'>> {
  const client = await tx.clients.get(clientId)
  if (isClientIdUrl(clientId)) {
    const problem = problemOfClientIdUrl(clientId)
    if (problem === null) return { name: client?.name ?? clientId, fingerprint: null }
    throw new Failure('invalid_request', { message: `The client ${problem}.`, details: { field: 'client' } })
  }
  if (client === null || client.revokedAt !== null || !actsForMember(client, { organizationId })) {
    throw new Failure('not_found', { message: `There is no client ${JSON.stringify(clientId.slice(0, 64))}.` })
  }
  if (!isUnverified(client) || client.organizationId !== null) {
    throw new Failure('conflict', {
      message: `${clientId} needs no approval: ${organizationId} or an operator vouches for it.`
    })
  }
  return { name: client.name, fingerprint: approvableForm(client) }
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getClientApproval (
  { store, actor }: Operation<ClientApprovalPort>, id: string
): Promise<ClientApproval> {
  return requireVisible(actor, await store.clientApprovals.get(id), 'client approval', id)
}

/**
 * Takes an approval back. Where the organization takes approved clients alone, what members allowed the client ends.
 * @throws Failure `not_found`.
 */
export async function removeClientApproval (operation: Operation<Ports>, id: string): Promise<void> {
  const { store, clock, actor } = operation
  await store.transaction(async tx => {
    const approval = await load(operation, tx, approvals, id)
    const { organizationId, clientId } = approval
    const now = clock()
    await tx.clientApprovals.remove(id)
    const organization = await tx.organizations.get(organizationId)
    const consents = await endUnadmitted(tx, actor, organization!, now, clientId)
    await tx.audit.append(auditEvent(actor, now, 'client_approval.removed', about(approval, { consents })))
  })
}

const approvals: RecordKind<ClientApproval, ClientApprovalPort> = {
  name: 'client approval',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.clientApprovals.get(id),
  update: async (_tx, after) => after,
  about,
}

function about ({ id, organizationId, clientId, name }: ClientApproval, more: Record<string, unknown> = {}) {
  return { organizationId, subject: id, detail: { client: clientId, name, ...more } }
}

/** Virtual keys: the API key by which an organization calls AI models through a gateway, one for each organization. */
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { requireVersion, versionOf, within, type Operation } from '../core/operation.ts'
import { requireAllRecords } from '../core/own-records.ts'
import { createApiKey, type ApiKeyInput } from '../credentials/api-key-creation.ts'
import { revokeApiKey } from '../credentials/api-key-change.ts'
import { statusOf, type ApiKey, type ApiKeyPort } from '../credentials/api-key.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { OrganizationTemplatePort } from '../tenancy/organization-template.ts'
import { requireVisibleOrganization } from '../tenancy/organization.ts'

export interface VirtualKey {
  organizationId: string
  /** `ApiKey.chainId`: it stays the virtual key when it is rotated. */
  keyChainId: string
  createdBy: string
  createdAt: Date
}

export interface VirtualKeyRepository {
  of (organizationId: string): Promise<VirtualKey | null>
  /** Sets it, in place of the one there was. */
  set (key: VirtualKey): Promise<void>
}

export interface VirtualKeyPort { virtualKeys: VirtualKeyRepository }

type Ports =
  & ApiKeyPort & AuditPort & MemberPort & OrganizationPort & OrganizationTemplatePort & ResourcePort & VirtualKeyPort

/** The newest key of the chain. @throws Failure `not_found` for an organization that has none, or cannot be seen. */
export async function getVirtualKey (
  { store, actor }: Operation<ApiKeyPort & OrganizationPort & VirtualKeyPort>, organizationId: string
): Promise<ApiKey> {
  requireVisibleOrganization(actor, await store.organizations.get(organizationId), organizationId)
  const marked = await store.virtualKeys.of(organizationId)
  const key = marked === null ? null : await newestOf(store, marked.keyChainId)
  if (key !== null) return key
  throw new Failure('not_found', { message: `${organizationId} has no virtual key.` })
}

/**
 * Creates the virtual key of an organization; `text` is shown now and never again.
 * @throws Failure `conflict` while there is one that works; as `createApiKey`.
 */
export async function createVirtualKey (
  operation: Operation<Ports>, input: ApiKeyInput
): Promise<{ key: ApiKey, text: string }> {
  const { store, clock, actor } = operation
  const { organizationId } = input
  requireAllRecords(actor, 'api-keys:write', 'Creating the virtual key of an organization')
  return await store.transaction(async tx => {
    requireVisibleOrganization(actor, await tx.organizations.get(organizationId), organizationId)
    const marked = await tx.virtualKeys.of(organizationId)
    const present = marked === null ? null : await newestOf(tx, marked.keyChainId)
    if (present !== null && ['active', 'disabled'].includes(statusOf(present, clock()))) {
      throw new Failure('conflict', {
        message: `${organizationId} has a virtual key already: ${present.id}; rotate or revoke that one.`,
        details: { id: present.id }
      })
    }
    const made = await createApiKey({ ...operation, store: within(tx) }, input)
    const now = clock()
    await tx.virtualKeys.set({ organizationId, keyChainId: made.key.chainId, createdBy: actor.id, createdAt: now })
    await tx.audit.append(
      auditEvent(actor, now, 'virtual_key.created', { organizationId, subject: made.key.id, detail: {} })
    )
    return made
  })
}

/** Revokes the virtual key: a call with it is refused from the next on. Idempotent. @throws as `getVirtualKey`. */
export async function revokeVirtualKey (
  operation: Operation<Ports>, organizationId: string, reason: string | null
): Promise<ApiKey> {
  const { store, clock, actor } = operation
  requireAllRecords(actor, 'api-keys:write', 'Revoking the virtual key of an organization')
  return await store.transaction(async tx => {
    const inside = { store: within(tx), clock, actor }
    const before = await getVirtualKey(inside, organizationId)
    requireVersion(operation, versionOf(before))
    const after = await revokeApiKey(inside, before.id, reason)
    if (before.revokedAt === null) {
      await tx.audit.append(
        auditEvent(actor, clock(), 'virtual_key.revoked', { organizationId, subject: after.id, detail: {} })
      )
    }
    return after
  })
}

/** The key of a chain that nothing replaced. */
async function newestOf (store: ApiKeyPort, chainId: string): Promise<ApiKey | null> {
  const lineage = await store.apiKeys.lineage(chainId)
  const replaced = new Set(lineage.values())
  const newest = [...lineage.keys()].find(id => !replaced.has(id))
  return newest === undefined ? null : await store.apiKeys.get(newest)
}

import { Failure } from '../errors.ts'
import { apiKeyHint, digestOf, newApiKeyText, newId, type Environment } from '../secrets.ts'
import { readAllowlist } from '../address.ts'
import { auditEvent, type AuditEventType } from './audit.ts'
import { requireActiveOrganization } from './organization.ts'
import type { Page, PageQuery } from './page.ts'
import { requireFuture } from './registration-token.ts'
import { requireHandedOn, requireUsableResource, type Resource } from './resource.ts'
import { requireDeclared } from './scope.ts'
import { visible, type Operation, type Repositories } from './store.ts'

/** A long-lived secret of an organization for one resource. Revoked and expired keys stay, so that the answer stays precise. */
export interface ApiKey {
  /** `key_…`: what people and logs call it by. */
  id: string
  digest: string
  /** Prefix, environment and last four characters, for people. */
  hint: string
  organizationId: string
  resourceId: string
  environment: Environment
  name: string
  scopes: readonly string[]
  /** Empty: from everywhere. */
  allowlist: readonly string[]
  createdBy: string
  createdAt: Date
  /** Null: never. */
  expiresAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
  /** Coarse; null: never. */
  lastUsedAt: Date | null
}

export interface ApiKeyRepository {
  insert (key: ApiKey): Promise<void>
  get (id: string): Promise<ApiKey | null>
  byDigest (digest: string): Promise<ApiKey | null>
  /** Replaces everything but id, digest and createdAt. */
  update (key: ApiKey): Promise<void>
  /** Sets `lastUsedAt` of many keys at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string }): Promise<Page<ApiKey>>
}

export interface ApiKeyInput {
  organizationId: string
  resource: string
  environment: Environment
  name: string
  scopes: readonly string[]
  allowlist?: readonly string[]
  expiresAt?: Date | null
}

/** Creates a key; `text` is the key itself, shown now and never again. */
export async function createApiKey ({ store, clock, actor }: Operation, input: ApiKeyInput): Promise<{ key: ApiKey, text: string }> {
  const now = clock()
  const expiresAt = requireFuture(input.expiresAt ?? null, now)
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const resource = await requireUsableResource(tx, input.organizationId, input.resource)
    const text = newApiKeyText(resource.style.keyPrefix, input.environment)
    const key: ApiKey = {
      id: newId('key'),
      digest: digestOf(text),
      hint: apiKeyHint(text),
      organizationId: input.organizationId,
      resourceId: resource.id,
      environment: input.environment,
      name: input.name,
      scopes: requireHandedOn(actor, resource, requireDeclared(input.scopes, resource.scopes, resource.identifier)),
      allowlist: readAllowlist(input.allowlist ?? []),
      createdBy: actor.id,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: null,
    }
    await tx.apiKeys.insert(key)
    await tx.audit.append(auditEvent(actor, now, 'api_key.created', about(key)))
    return { key, text }
  })
}

/** @throws Failure `not_found`, also for a key of another organization. */
export async function getApiKey ({ store, actor }: Operation, id: string): Promise<ApiKey> {
  return visible(actor, await store.apiKeys.get(id), 'API key', id)
}

export interface ApiKeyChange {
  name?: string
  scopes?: readonly string[]
  allowlist?: readonly string[]
  expiresAt?: Date | null
}

/** Changes a key; true from the next request on. */
export async function updateApiKey (operation: Operation, id: string, change: ApiKeyChange): Promise<ApiKey> {
  return await changeKey(operation, id, 'api_key.updated', async (before, now, tx) => {
    if (before.revokedAt !== null) throw new Failure('credential_revoked', { message: `The API key ${id} was revoked; create a new one.` })
    return {
      ...before,
      name: change.name ?? before.name,
      scopes: change.scopes ? await declaredScopes(operation, tx, before, change.scopes) : before.scopes,
      allowlist: change.allowlist ? readAllowlist(change.allowlist) : before.allowlist,
      expiresAt: change.expiresAt === undefined ? before.expiresAt : requireFuture(change.expiresAt, now),
    }
  })
}

/** Revokes a key: refused from the next request on (LB-02). Doing it twice changes nothing. */
export async function revokeApiKey (operation: Operation, id: string, reason: string | null): Promise<ApiKey> {
  return await changeKey(operation, id, 'api_key.revoked', async (before, now) =>
    before.revokedAt === null ? { ...before, revokedAt: now, revokedReason: reason } : before)
}

async function declaredScopes ({ actor }: Operation, tx: Repositories, key: ApiKey, scopes: readonly string[]): Promise<readonly string[]> {
  const resource: Resource = await requireUsableResource(tx, key.organizationId, key.resourceId)
  return requireHandedOn(actor, resource, requireDeclared(scopes, resource.scopes, resource.identifier))
}

async function changeKey (
  { store, clock, actor }: Operation, id: string, type: AuditEventType,
  change: (before: ApiKey, now: Date, tx: Repositories) => Promise<ApiKey>
): Promise<ApiKey> {
  return await store.transaction(async tx => {
    const now = clock()
    const before = visible(actor, await tx.apiKeys.get(id), 'API key', id)
    const after = await change(before, now, tx)
    if (after === before) return before
    await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, type, about(after)))
    return after
  })
}

function about (key: ApiKey) {
  const { name, hint, resourceId, environment, scopes, allowlist, expiresAt, revokedReason } = key
  return { organizationId: key.organizationId, subject: key.id, detail: { name, hint, resourceId, environment, scopes, allowlist, expiresAt, revokedReason } }
}

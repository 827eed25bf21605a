/** Webhook tokens: each reaches one object in the name of an API key (CK-11). */
import { change, type RecordKind } from '../audit/change.ts'
import { Failure } from '../../base/errors.ts'
import { hintOf, newWebhookToken } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { requireCredentialHeld } from '../members/delegation.ts'
import { delegationOf, mayTouch, type ApiKey } from './api-key.ts'
import { auditEvent } from '../audit/event.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireUsableResource } from '../resources/resource.ts'
import { requireVisible } from '../core/operation.ts'
import { type Revised } from '../core/operation.ts'
import { type Operation } from '../core/operation.ts'
import type { ApiKeyPort } from './api-key.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'

/** The ports of the operations of this file. */
type Ports = ApiKeyPort & AuditPort & OrganizationPort & ResourcePort & WebhookTokenPort

/** The object of the protected API that a webhook token reaches, named as in a key's restriction. */
export interface BoundObject {
  /** `templates`, say. */
  type: string
  id: string
}

/**
 * A secret in the path of a webhook (CK-11): it reaches one object with the authority of an API key. It ends with the
 * key, and moves to the key that replaces it.
 */
export interface WebhookToken extends Revised {
  /** `wht_…` */
  id: string
  digest: string
  /** The last four characters, for people. */
  hint: string
  organizationId: string
  resourceId: string
  apiKeyId: string
  object: BoundObject
  createdBy: string
  createdAt: Date
  revokedAt: Date | null
}

export interface WebhookTokenRepository {
  insert (token: WebhookToken): Promise<void>
  get (id: string): Promise<WebhookToken | null>
  byDigest (digest: string): Promise<WebhookToken | null>
  /** Replaces everything but id, digest and createdAt; returns it with its next revision. */
  update (token: WebhookToken): Promise<WebhookToken>
  /** Hands every token of one key over to another. */
  handOver(fromApiKeyId: string, toApiKeyId: string): Promise<void>
  /** Revokes every token of a key; returns how many were not revoked yet. */
  revokeOfKey (apiKeyId: string, at: Date): Promise<number>
  page(
    query: ListQuery,
    filter: Sought & { organizationId?: string, apiKeyId?: string, resourceId?: string, revoked?: boolean }
  ): Promise<Listed<WebhookToken>>
}

export interface WebhookTokenPort { webhookTokens: WebhookTokenRepository }

/**
 * Creates a token for one object in the name of an API key; `text` is shown now and never again.
 * @throws Failure `not_found`, `credential_revoked`, `credential_expired`, `credential_superseded`,
 * `organization_not_active`,
 * `insufficient_permissions` for an object that the key may not touch.
 */
export async function createWebhookToken (
  { store, clock, actor }: Operation<Ports>, input: { apiKeyId: string, object: BoundObject }
): Promise<{ token: WebhookToken, text: string }> {
  const text = newWebhookToken()
  return await store.transaction(async tx => {
    const now = clock()
    const key = requireVisible(actor, await tx.apiKeys.get(input.apiKeyId), 'API key', input.apiKeyId)
    requireLasting(key, now)
    await requireActiveOrganization(tx, actor, key.organizationId)
    const resource = await requireUsableResource(tx, key.organizationId, key.resourceId)
    requireCredentialHeld(actor, resource, delegationOf(key, resource))
    const token: WebhookToken = {
      id: newId('wht'),
      digest: digestOf(text),
      hint: hintOf(text),
      organizationId: key.organizationId,
      resourceId: key.resourceId,
      apiKeyId: key.id,
      object: requireObject(key, input.object),
      createdBy: actor.id,
      createdAt: now,
      revokedAt: null,
      revision: 1,
    }
    await tx.webhookTokens.insert(token)
    await tx.audit.append(auditEvent(actor, now, 'webhook_token.created', about(token)))
    return { token, text }
  })
}

/** @throws Failure `not_found`, also for a token of another organization. */
export async function getWebhookToken (
  { store, actor }: Operation<WebhookTokenPort>, id: string
): Promise<WebhookToken> {
  return requireVisible(actor, await store.webhookTokens.get(id), 'webhook token', id)
}

/** Revokes it: refused from the next request on. Idempotent. */
export async function revokeWebhookToken (
  operation: Operation<AuditPort & WebhookTokenPort>, id: string, reason: string | null
): Promise<WebhookToken> {
  return await change(
    operation, webhookTokens, id, 'webhook_token.revoked',
    (before, now) => before.revokedAt === null ? { ...before, revokedAt: now } : before, { reason }
  )
}

/** How webhook tokens are found, kept and audited. */
const webhookTokens: RecordKind<WebhookToken, WebhookTokenPort> = {
  name: 'webhook token',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.webhookTokens.get(id),
  update: (tx, after) => tx.webhookTokens.update(after),
  about,
}

/** A token ends with its key, so a key that has ended, or was replaced, gets none. */
function requireLasting (key: ApiKey, now: Date): void {
  if (key.rotatedTo !== null) {
    throw new Failure('credential_superseded', {
      message: `The API key ${key.id} was replaced by ${key.rotatedTo}; use that one.`,
      details: { rotatedTo: key.rotatedTo }
    })
  }
  if (key.revokedAt !== null) {
    throw new Failure('credential_revoked', { message: `The API key ${key.id} was revoked; use another one.` })
  }
  if (key.disabledAt !== null) {
    throw new Failure('credential_disabled', { message: `The API key ${key.id} is disabled; enable it first.` })
  }
  if (key.expiresAt !== null && key.expiresAt <= now) {
    throw new Failure('credential_expired', { message: `The API key ${key.id} has expired; use another one.` })
  }
}

function requireObject (key: ApiKey, { type, id }: BoundObject): BoundObject {
  if (mayTouch(key, type, id)) return { type, id }
  throw new Failure('insufficient_permissions', {
    message:
      `The API key ${key.id} is restricted to other objects of this type; use another key, or widen its restriction.`,
    details: { field: 'object' }
  })
}

function about (token: WebhookToken, more: Record<string, unknown> = {}) {
  const { hint, resourceId, apiKeyId, object } = token
  return {
    organizationId: token.organizationId, subject: token.id, detail: { hint, resourceId, apiKeyId, object, ...more }
  }
}

import { whenKnown, type Awaitable } from '../awaitable.ts'
import { Failure } from '../errors.ts'
import { digestOf, hintOf, newId, isWebhookToken, newWebhookToken } from '../secrets.ts'
import type { ApiKey } from './api-key.ts'
import { auditEvent } from './audit.ts'
import { requireActiveOrganization } from './organization.ts'
import type { Page, PageQuery } from './page.ts'
import type { Presentation, Principal, Reason, Refusal, Verdict } from './principal.ts'
import type { Registry } from './registry.ts'
import type { Resource } from './resource.ts'
import { visible, type Operation } from './store.ts'

/** What a webhook's token reaches: one thing of the protected API, named as a key's restriction names it. */
export interface BoundObject {
  /** `templates`, say. */
  type: string
  id: string
}

/**
 * A secret in the path of a webhook (CK-11): it reaches one object, in the name of an API key, and does there what that
 * key may do. It ends with the key, and goes over to the key that replaces it.
 */
export interface WebhookToken {
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
  /** Replaces everything but id, digest and createdAt. */
  update (token: WebhookToken): Promise<void>
  /** Hands every token of one key over to another. */
  handOver (fromApiKeyId: string, toApiKeyId: string): Promise<void>
  page (query: PageQuery, filter: { organizationId?: string }): Promise<Page<WebhookToken>>
}

/** As `Verdict`, with the object that the token is bound to and the key that owns what comes of it. */
export type WebhookVerdict = { ok: true, principal: Principal, key: ApiKey, object: BoundObject } | { ok: false, refusal: Refusal }

export interface WebhookChecks {
  /**
   * Checks the secret of a webhook's path for a route whose objects are of `type`. The key's allowlist is not asked: it
   * says from where the key itself may come, and webhooks come from somebody else's servers.
   */
  check (text: string, presentation: { resource: Resource | null, type: string }): Awaitable<WebhookVerdict>
}

export interface WebhookChecksOptions {
  registry: Registry
  /** Whether a key that was found may be used now, whatever way it was found. */
  judgeKey (key: ApiKey, presentation: Presentation): Awaitable<Verdict>
}

/** Changes of API keys: update, rotation with an overlap, revocation. */
import { change, load, type RecordKind } from '../audit/change.ts'
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { newApiKeyText, apiKeyHint } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import { digestOf } from '../../secrets/digest.ts'
import { auditEvent } from '../audit/event.ts'
import { annotated, type AnnotationInput } from '../core/annotations.ts'
import { type Operation, requireFuture } from '../core/operation.ts'
import {
  requireCredentialChangeable, requireCredentialHeld, requireDeployment, requirePatternsHeld, requireRestrictionsWithin
} from '../members/delegation.ts'
import { requireUsableResource, type ResourcePort } from '../resources/resource.ts'
import { limitsOf, namesLimits, type Limits } from '../tenancy/limits.ts'
import { resolveOrganizations } from './api-key-creation.ts'
import {
  about, delegationOf, requireAccess, type ApiKey, type AccessLevel, type ObjectRestriction, type ApiKeyPort
} from './api-key.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { OrganizationTemplatePort } from '../tenancy/organization-template.ts'
import { portalSettings, type PortalInput } from './portal-key.ts'
import { requireSameVoucher, voucherOfNewKey } from './voucher.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { WebhookTokenPort } from './webhook-token.ts'
import type { Actor } from '../core/actor.ts'

/** The ports of the operations of this file. */
type Ports =
  & ApiKeyPort & AuditPort & MemberPort & OrganizationPort & OrganizationTemplatePort & ResourcePort

export interface ApiKeyChange extends AnnotationInput, Partial<Limits> {
  name?: string
  organizations?: readonly string[]
  access?: AccessLevel
  scopes?: readonly string[]
  objects?: ObjectRestriction
  allowlist?: readonly string[]
  expiresAt?: Date | null
  portal?: PortalInput
}

/**
 * Changes a key, with effect from the next request on. Its limits are those of its chain: they bind its predecessors
 * too.
 * @throws Failure `credential_expired` for another expiry of a key that has expired; `credential_superseded`,
 * `credential_revoked`, `credential_disabled`.
 */
export async function updateApiKey (operation: Operation<Ports>, id: string, given: ApiKeyChange): Promise<ApiKey> {
  return await change(operation, apiKeys, id, 'api_key.updated', async (before, now, tx) => {
    requireChangeable(before)
    requireNotRevived(before, given, now)
    requireOwnReach(operation.actor, before, given)
    const resource = await requireUsableResource(tx, before.organizationId, before.resourceId)
    const { name: _, metadata: __, externalId: ___, ...authority } = given
    const isAboutAuthority = Object.values(authority).some(value => value !== undefined)
    if (isAboutAuthority) {
      requireSameVoucher(operation.actor, before)
      await requireCredentialChangeable(tx, operation.actor, resource, delegationOf(before, resource))
    }
    // Scopes and objects are custom access's alone: another level of access leaves them behind.
    const leavesCustom = given.access !== undefined && given.access !== 'custom'
    const changed: ApiKey = {
      ...before,
      name: given.name ?? before.name,
      organizations: given.organizations
        ? await resolveOrganizations(operation, tx, before.organizationId, given.organizations)
        : before.organizations,
      access: given.access ?? before.access,
      scopes: given.scopes
        ? requirePatternsHeld(operation.actor, resource, given.scopes)
        : leavesCustom ? [] : before.scopes,
      objects: given.objects ?? (leavesCustom ? {} : before.objects),
      allowlist: given.allowlist ? readAllowlist(given.allowlist) : before.allowlist,
      expiresAt: given.expiresAt === undefined ? before.expiresAt : requireFuture(given.expiresAt, now),
      ...limitsOf(given, before),
      ...annotated(given, before)
    }
    const portal = await portalSettings(tx, resource, changed, before.portal, given.portal)
    const after: ApiKey = { ...changed, portal }
    // A lost plan or creator prevents a change of scopes, not of a name or an expiry.
    if ([given.access, given.scopes, given.objects].some(value => value !== undefined)) {
      await requireAccess(operation, tx, resource, after)
    }
    if (isAboutAuthority) requireRestrictionsWithin(operation.actor, resource, after)
    if (namesLimits(given)) await limitPredecessors(operation, tx, after, now)
    return after
  })
}

/** An expired key never works again: its holder relies on that. @throws Failure `credential_expired`. */
export function requireNotRevived ({ id, expiresAt }: ApiKey, change: ApiKeyChange, now: Date): void {
  if (change.expiresAt === undefined || expiresAt === null || expiresAt > now) return
  throw new Failure('credential_expired', {
    message: `The API key ${id} expired at ${expiresAt.toISOString()} and gets no other end; create a new one.`
  })
}

export function requireChangeable (key: ApiKey): void {
  requireNotRevoked(key)
  if (key.rotatedTo !== null) {
    throw new Failure('credential_superseded', {
      message:
        `The API key ${key.id} was replaced by ${key.rotatedTo}; change that one. To end this one before its overlap ` +
        'does, revoke it.',
      details: { rotatedTo: key.rotatedTo }
    })
  }
  if (key.disabledAt !== null) {
    throw new Failure('credential_disabled', {
      message: `The API key ${key.id} is disabled; enable it before it is changed or rotated, or revoke it.`
    })
  }
}

export function requireNotRevoked ({ id, revokedAt }: ApiKey): void {
  if (revokedAt === null) return
  throw new Failure('credential_revoked', { message: `The API key ${id} was revoked; create a new one.` })
}

/** How API keys are found, kept and audited. */
export const apiKeys: RecordKind<ApiKey, ApiKeyPort> = {
  name: 'API key',
  organizationOf: ({ organizationId }) => organizationId,
  own: { scope: 'api-keys:write', creatorOf: ({ creatorId }) => creatorId },
  get: (tx, id) => tx.apiKeys.get(id),
  update: (tx, after) => tx.apiKeys.update(after),
  about,
}

/**
 * Revokes a key: refused from the next request on (LB-02). Predecessors that still work in their overlap end with it;
 * its successor stays. Idempotent.
 */
export async function revokeApiKey (
  operation: Operation<ApiKeyPort & AuditPort>, id: string, reason: string | null
): Promise<ApiKey> {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
    const now = clock()
    const revoke = async (key: ApiKey, more: Record<string, unknown>) => {
      if (key.revokedAt !== null) return key
      const after = { ...key, revokedAt: now, revokedReason: reason }
      await tx.apiKeys.update(after)
      await tx.audit.append(auditEvent(actor, now, 'api_key.revoked', about(after, more)))
      return after
    }
    const key = await load(operation, tx, apiKeys, id)
    for (const predecessor of await workingPredecessors(tx, key, now)) await revoke(predecessor, { revokedWith: id })
    return await revoke(key, {})
  })
}

/**
 * Replaces a key by a new one with the same properties. The old one works for `overlapSeconds` more; 0 is the
 * emergency: it ends now, and so do all that led to it and are in their overlap (CL-10). @throws Failure
 * `credential_superseded` when it was replaced already: two replacements would fork the key;
 * `conflict` for another overlap when `mostInOverlap` keys of the chain are in theirs.
 */
export async function rotateApiKey (
  operation: Operation<ApiKeyPort & AuditPort & ResourcePort & WebhookTokenPort>, id: string, overlapSeconds: number
): Promise<{ key: ApiKey; text: string } > {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
    const now = clock()
    const before = await load(operation, tx, apiKeys, id)
    requireChangeable(before)
    if (before.expiresAt !== null && before.expiresAt <= now) {
      throw new Failure('credential_expired', { message: `The API key ${id} has expired; create a new one.` })
    }
    const resource = await requireUsableResource(tx, before.organizationId, before.resourceId)
    requireCredentialHeld(actor, resource, delegationOf(before, resource))
    const text = newApiKeyText(resource.style.keyPrefix, before.environment)
    const key: ApiKey = {
      ...before,
      id: newId('key'),
      digest: digestOf(text),
      hint: apiKeyHint(text),
      imported: false,
      createdBy: actor.id,
      vouchedBy: voucherOfNewKey(actor, before.vouchedBy),
      rotatedFrom: before.id,
      createdAt: now,
      lastUsedAt: null,
      revision: 1
    }
    await requireFewInOverlap(tx, before, overlapSeconds, now)
    const end = secondsAfter(now, overlapSeconds)
    if (overlapSeconds === 0) await endPredecessors(operation, tx, before, key, now)
    await tx.apiKeys.insert(key)
    await tx.apiKeys.update({
      ...before,
      rotatedTo: key.id,
      expiresAt: before.expiresAt !== null && before.expiresAt < end ? before.expiresAt : end
    })
    await tx.webhookTokens.handOver(before.id, key.id)
    await tx.audit.append(
      auditEvent(actor, now, 'api_key.rotated', about(key, { rotatedFrom: before.id, overlapSeconds }))
    )
    return { key, text }
  })
}

/** How many replaced keys of one chain may work beside the newest at a time. */
export const mostInOverlap = 100

/** The keys that led to this one and still work in their overlap. */
export async function workingPredecessors (
  tx: ApiKeyPort, { id, chainId, rotatedFrom, rotatedTo }: ApiKey, now: Date
): Promise<ApiKey[]> {
  const working = (await tx.apiKeys.inOverlap(chainId, now)).filter(key => key.id !== id)
  // Every other key of the chain led to the newest one.
  if (rotatedTo === null || working.length === 0) return working
  const led = await predecessorsOf(tx, { chainId, rotatedFrom })
  return working.filter(key => led.has(key.id))
}

/** The ids of the keys that led to a key, whether they work or not. */
export async function predecessorsOf (
  tx: ApiKeyPort, { chainId, rotatedFrom }: Pick<ApiKey, 'chainId' | 'rotatedFrom'>
): Promise<ReadonlySet<string>> {
  const led = new Set<string>()
  if (rotatedFrom === null) return led
  const lineage = await tx.apiKeys.lineage(chainId)
  for (let before: string | null = rotatedFrom; before !== null; before = lineage.get(before) ?? null) led.add(before)
  return led
}

/**
 * A revocation or new limits of the newest key of a chain apply to all that work beside it, in one transaction, so
 * their number has a bound.
 * @throws Failure `conflict`.
 */
export async function requireFewInOverlap (
  tx: ApiKeyPort, { chainId, id }: ApiKey, overlapSeconds: number, now: Date
): Promise<void> {
  if (overlapSeconds === 0 || (await tx.apiKeys.inOverlap(chainId, now)).length < mostInOverlap) return
  throw new Failure('conflict', {
    message:
      `${mostInOverlap} keys that led to the API key ${id} still work in their overlap; revoke some of them, or ` +
      'rotate without an overlap.',
    details: { mostInOverlap }
  })
}

/** Ends every working predecessor: in an emergency it is unknown which of the keys has leaked. */
export async function endPredecessors (
  { actor }: Operation<ApiKeyPort & AuditPort>, tx: ApiKeyPort & AuditPort, before: ApiKey, { id }: ApiKey, now: Date
): Promise<void> {
  for (const predecessor of await workingPredecessors(tx, before, now)) {
    const after = { ...predecessor, expiresAt: now }
    await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, 'api_key.updated', about(after, { endedWith: id })))
  }
}

export async function limitPredecessors (
  { actor }: Operation<ApiKeyPort & AuditPort>, tx: ApiKeyPort & AuditPort, key: ApiKey, now: Date
): Promise<void> {
  for (const predecessor of await workingPredecessors(tx, key, now)) {
    const after = { ...predecessor, ...limitsOf(key, predecessor) }
    await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, 'api_key.updated', about(after, { limitedWith: key.id })))
  }
}

/**
 * A key that reaches other organizations gets no other authority by one of them.
 * @throws Failure `insufficient_permissions`.
 */
export function requireOwnReach (
  actor: Actor, key: ApiKey, { access, scopes, objects, allowlist, expiresAt }: ApiKeyChange
): void {
  if (key.organizations.every(id => id === actor.organizationId)) return
  if ([access, scopes, objects, allowlist, expiresAt].every(given => given === undefined)) return
  requireDeployment(
    actor,
    `The API key ${key.id} reaches organizations besides ${actor.organizationId}: what it may do takes the admin ` +
      'token. It can be renamed, rotated and revoked.'
  )
}

/** New API keys: created with a secret, or imported by their digest. */
import { Failure } from '../../base/errors.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { apiKeyHint, newApiKeyText, type Environment } from '../../secrets/credential-text.ts'
import { digestOf, readDigest } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { annotated, notAnnotated, type AnnotationInput } from '../core/annotations.ts'
import { requireFuture, type Operation } from '../core/operation.ts'
import { requireAllRecords } from '../core/own-records.ts'
import {
  requireDeployment, requirePatternsHeld, requireRestrictionsWithin, requireSameMember
} from '../members/delegation.ts'
import { managementResourceId, requireUsableResource, type Resource } from '../resources/resource.ts'
import { limitsOf, noLimits, type Limits } from '../tenancy/limits.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { about, requireAccess, type ApiKey, type AccessLevel, type ObjectRestriction } from './api-key.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { OrganizationTemplatePort } from '../tenancy/organization-template.ts'
import { portalSettings, type PortalInput } from './portal-key.ts'
import { voucherOfNewKey } from './voucher.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { ApiKeyPort } from './api-key.ts'
import type { AuditPort } from '../audit/log.ts'
import type { MemberPort } from '../members/permissions.ts'

/** The ports of the operations of this file. */
type Ports =
  & ApiKeyPort & AuditPort & MemberPort & OrganizationPort & OrganizationTemplatePort & ResourcePort

export interface ApiKeyInput extends AnnotationInput, Partial<Limits> {
  organizationId: string
  /** Further organizations whose data it reaches. */
  organizations?: readonly string[]
  resource: string
  environment: Environment
  name: string
  access?: AccessLevel
  scopes?: readonly string[]
  objects?: ObjectRestriction
  allowlist?: readonly string[]
  /** The member that bounds it; null: none, an operator vouches for it. Left out: the member that bounds the actor. */
  creatorId?: string | null
  expiresAt?: Date | null
  /** For keys of partners. */
  portal?: PortalInput
}

/** Creates a key; `text` is the key itself, shown now and never again. */
export async function createApiKey (
  operation: Operation<Ports>, input: ApiKeyInput
): Promise<{ key: ApiKey, text: string }> {
  return await operation.store.transaction(async (tx) => {
    await requireActiveOrganization(tx, operation.actor, input.organizationId)
    const resource = await requireUsableResource(tx, input.organizationId, input.resource)
    const text = newApiKeyText(resource.style.keyPrefix, input.environment)
    const key = await newKey(operation, tx, resource, input, {
      digest: digestOf(text), hint: apiKeyHint(text), imported: false
    })
    await insert(operation, tx, key, 'api_key.created')
    return { key, text }
  })
}

/**
 * Takes over a key that was made elsewhere, by its SHA-256, so that its holder need not change anything. `digest` is
 * hex or base64url, and proves nothing: the text behind it acts from now on as the key that the actor says. So on a
 * resource of the deployment only the deployment imports. @throws Failure `conflict` for a digest that the resource
 * knows already;
 * `insufficient_permissions` for a resource of the deployment when the actor is confined to an organization.
 */
export async function importApiKey (
  operation: Operation<Ports>, input: ApiKeyInput & { digest: string; hint: string }
): Promise<ApiKey> {
  const digest = readDigest(input.digest)
  if (digestOf(input.hint) === digest) {
    throw new Failure('invalid_request', {
      message: 'hint is the key itself; give what people may see of it, its last four characters say.',
      details: { field: 'hint' }
    })
  }
  return await operation.store.transaction(async (tx) => {
    await requireActiveOrganization(tx, operation.actor, input.organizationId)
    const resource = await requireUsableResource(tx, input.organizationId, input.resource)
    if (resource.id === managementResourceId) {
      throw new Failure('invalid_request', {
        message: 'Keys of the management API are made here, not imported.', details: { field: 'resource' }
      })
    }
    requireMayImport(operation.actor, resource)
    requireAllRecords(operation.actor, 'api-keys:write', 'Importing a key')
    const holder = await tx.apiKeys.byDigest(digest, resource.id)
    if (holder !== null) throw alreadyImported(holder, resource)
    const key = await newKey(operation, tx, resource, input, { digest, hint: input.hint, imported: true })
    if (resource.style.importedKeys !== true) await takeImportedKeys(operation, tx, resource, key)
    await insert(operation, tx, key, 'api_key.imported')
    return key
  })
}

/**
 * The owner of the other key is no secret here: an organization imports for its own resources only, and the deployment
 * sees all.
 */
export function alreadyImported ({ id, organizationId }: ApiKey, { identifier }: Resource): Failure {
  return new Failure('conflict', {
    message: `A key with this digest exists already for ${identifier}: ${id} of ${organizationId}.`,
    details: { id, organization: organizationId }
  })
}

/**
 * On a resource of several organizations the first import of a digest decides which organization its holder belongs to,
 * and the conflict reveals that another one has it.
 * @throws Failure `insufficient_permissions`.
 */
export function requireMayImport (actor: Actor, resource: Resource): void {
  if (resource.organizationId !== null) return
  requireDeployment(
    actor,
    `The resource ${resource.identifier} belongs to the deployment; importing a key for it takes the admin token, ` +
      'or an access token of the whole deployment.'
  )
}

export async function newKey (
  operation: Operation<MemberPort & OrganizationPort & OrganizationTemplatePort>,
  tx: MemberPort & OrganizationPort & OrganizationTemplatePort,
  resource: Resource,
  input: ApiKeyInput,
  identity: Pick<ApiKey, 'digest' | 'hint' | 'imported'>
): Promise<ApiKey> {
  const { clock, actor } = operation
  const now = clock()
  const id = newId('key')
  const draft: ApiKey = {
    ...identity,
    id,
    chainId: id,
    organizationId: input.organizationId,
    organizations: await resolveOrganizations(operation, tx, input.organizationId, input.organizations ?? []),
    resourceId: resource.id,
    environment: input.environment,
    name: input.name,
    access: input.access ?? 'custom',
    scopes: requirePatternsHeld(actor, resource, input.scopes ?? []),
    objects: input.objects ?? {},
    allowlist: readAllowlist(input.allowlist ?? []),
    ...limitsOf(input, noLimits),
    ...annotated(input, notAnnotated),
    createdBy: actor.id,
    creatorId: input.creatorId === undefined ? actor.creator?.id ?? null : input.creatorId,
    vouchedBy: voucherOfNewKey(actor),
    portal: null,
    rotatedFrom: null,
    rotatedTo: null,
    createdAt: now,
    expiresAt: requireFuture(input.expiresAt ?? null, now),
    revokedAt: null,
    revokedReason: null,
    disabledAt: null,
    disabledReason: null,
    lastUsedAt: null,
    revision: 1
  }
  const key = { ...draft, portal: await portalSettings(tx, resource, draft, null, input.portal) }
  await requireAccess(operation, tx, resource, key)
  requireSameMember(actor, key.creatorId)
  requireRestrictionsWithin(actor, resource, key)
  return key
}

/** The first one changes the resource: from now on a text of any form is looked up there. */
export async function takeImportedKeys (
  { actor }: Operation<AuditPort & ResourcePort>,
  tx: AuditPort & ResourcePort,
  resource: Resource,
  { createdAt }: ApiKey
): Promise<void> {
  await tx.resources.update({ ...resource, style: { ...resource.style, importedKeys: true } })
  await tx.audit.append(
    auditEvent(actor, createdAt, 'resource.updated', {
      organizationId: resource.organizationId, subject: resource.id, detail: { importedKeys: true }
    })
  )
}

export async function insert (
  { actor }: Operation<ApiKeyPort & AuditPort>, tx: ApiKeyPort & AuditPort, key: ApiKey, type: AuditEventType
): Promise<void> {
  await tx.apiKeys.insert(key)
  await tx.audit.append(auditEvent(actor, key.createdAt, type, about(key)))
}

/** The organizations that a key reaches: its own first, each once, and all visible to the actor. */
export async function resolveOrganizations (
  { actor }: Operation<OrganizationPort>, tx: OrganizationPort, own: string, further: readonly string[]
): Promise<string[]> {
  const ids = new Set([own, ...further])
  for (const id of ids) if (id !== own) await requireActiveOrganization(tx, actor, id)
  return [...ids]
}

import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { apiKeyHint, digestOf, readDigest, newApiKeyText, newId, type Environment } from '../../secrets/secrets.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { requireNotStrongerMember, requireSameMember, requireRestrictionsWithin } from '../members/delegation.ts'
import { permissionsOf, type Member } from '../members/permissions.ts'
import { limitsOf, namesLimits, noLimits, type Limits } from '../tenancy/limits.ts'
import { requireActiveOrganization, type Organization } from '../tenancy/organization.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireFuture, requireVisible, requireExpected, type Revised, type Operation } from '../core/operation.ts'
import { managementResourceId, requireScopesHeld, requireUsableResource, type Resource } from '../resources/resource.ts'
import { expand, isReadOnly, namesOf, requireDeclaredPatterns } from '../resources/scope.ts'
import type { Repositories } from '../store.ts'

/**
 * `full`: all that its creator may. `read-only`: all that its creator may read. `custom`: the scopes and objects it
 * names (CD-03).
 */
export const accessLevels = ['full', 'read-only', 'custom'] as const
export type AccessLevel = typeof accessLevels[number]

/** Type of object → the ids that a key is restricted to. A type that is not named is not restricted. */
export type ObjectRestriction = Readonly<Record<string, readonly string[]>>

/**
 * A long-lived secret of an organization for one resource. Whatever happens to it, its row stays, so that the answer
 * stays precise.
 */
export interface ApiKey extends Limits, Revised {
  /** `key_…`: what people and logs call it by. */
  id: string
  digest: string
  /** Prefix, environment and last four characters, for people. */
  hint: string
  organizationId: string
  /** The organizations whose data it reaches, its own first. */
  organizations: readonly string[]
  resourceId: string
  environment: Environment
  name: string
  access: AccessLevel
  /** With `custom` access: references and patterns of scopes. */
  scopes: readonly string[]
  objects: ObjectRestriction
  /** Empty: from everywhere. */
  allowlist: readonly string[]
  /** The credential that made it. */
  createdBy: string
  /** The member it can never do more than; null: an operator vouches for it. */
  creatorId: string | null
  /** Its text was made elsewhere; only its digest is known here. */
  imported: boolean
  /**
   * The first of the keys that replaced one another: they have one allowance, and so does who uses two of them in an
   * overlap.
   */
  chainId: string
  rotatedFrom: string | null
  /** The key that replaced it; it works until `expiresAt`. */
  rotatedTo: string | null
  createdAt: Date
  /** Null: never. */
  expiresAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
  /** Coarse; null: never. */
  lastUsedAt: Date | null
}

/**
 * `active`: nothing speaks against it. `expired`: its end has passed. `rotated`: another key replaced it; until
 * `expiresAt` it works beside that one. `revoked`: ended by somebody, whatever else happened to it.
 */
export const keyStatuses = ['active', 'expired', 'rotated', 'revoked'] as const
export type KeyStatus = typeof keyStatuses[number]

/** What has become of a key by `now`. */
export function statusOf ({ revokedAt, rotatedTo, expiresAt }: ApiKey, now: Date): KeyStatus {
  if (revokedAt !== null) return 'revoked'
  if (rotatedTo !== null) return 'rotated'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'active'
}

/** Which keys a list is to hold; what is left out does not narrow it. */
export interface ApiKeyFilter {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  environment?: Environment
  resourceId?: string
  creatorId?: string
  /** Those whose status, at an instant, is this one. */
  status?: { is: KeyStatus, at: Date }
}

export interface ApiKeyRepository {
  insert (key: ApiKey): Promise<void>
  get (id: string): Promise<ApiKey | null>
  /** The key of a resource, made here or imported. */
  byDigest (digest: string, resourceId: string): Promise<ApiKey | null>
  /** Whether a key with that digest was imported for one of the resources, or by the organization for any. */
  isImported(digest: string, among: { organizationId: string | null, resourceIds: readonly string[] }): Promise<boolean>
  /** Replaces everything but id, digest and createdAt; returns it with its next revision. */
  update (key: ApiKey): Promise<ApiKey>
  /** Sets `lastUsedAt` of many keys at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  /** The keys of a chain that were replaced and still work at `now`. */
  inOverlap (chainId: string, now: Date): Promise<ApiKey[]>
  /** Every key of a chain: its id, and what it replaced. */
  lineage (chainId: string): Promise<ReadonlyMap<string, string | null>>
  page (query: PageQuery, filter: ApiKeyFilter): Promise<Page<ApiKey>>
}

/**
 * What a key may do now: never more than its resource declares and its creator may (CD-09). `creator` null: an operator
 * vouches for it.
 */
export function effectiveScopes (key: ApiKey, resource: Resource, creator: Member | null): readonly string[] {
  const allowed = scopesOfAccess(key, resource)
  if (key.creatorId === null) return allowed
  if (creator === null) return []
  const permitted = new Set(expand(permissionsOf(creator), resource.scopes))
  return allowed.filter(scope => permitted.has(scope))
}

/** What its level of access comes to on its resource, whoever made it. */
function scopesOfAccess ({ access, scopes }: Pick<ApiKey, 'access' | 'scopes'>, resource: Resource): readonly string[] {
  if (access === 'custom') return expand(scopes, resource.scopes)
  const all = expand(['*'], resource.scopes)
  return access === 'read-only' ? all.filter(isReadOnly) : all
}

/** Whether the plan of its organization does not include keys like this one, now and not when it was made (CD-12). */
export function planLacks (
  { access }: Pick<ApiKey, 'access'>, { style: { customAccessFeature } }: Resource, organization: Organization | null
): boolean {
  return access === 'custom' && customAccessFeature !== undefined &&
    organization?.features.includes(customAccessFeature) !== true
}

export interface ApiKeyInput extends Partial<Limits> {
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
  /** The member it can never do more than; null: an operator vouches for it. Left out: whoever bounds the actor. */
  creatorId?: string | null
  expiresAt?: Date | null
}

/** Creates a key; `text` is the key itself, shown now and never again. */
export async function createApiKey (operation: Operation, input: ApiKeyInput): Promise<{ key: ApiKey, text: string }> {
  return await operation.store.transaction(async tx => {
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
  operation: Operation, input: ApiKeyInput & { digest: string, hint: string }
): Promise<ApiKey> {
  const digest = readDigest(input.digest)
  if (digest === null) {
    throw new Failure('invalid_request', {
      message:
        'digest must be the SHA-256 of the key, as 64 hex digits or 43 base64url characters without padding, the ' +
          'last of them one that 32 bytes end in.',
      details: { field: 'digest' }
    })
  }
  if (digestOf(input.hint) === digest) {
    throw new Failure('invalid_request', {
      message: 'hint is the key itself; give what people may see of it, its last four characters say.',
      details: { field: 'hint' }
    })
  }
  return await operation.store.transaction(async tx => {
    await requireActiveOrganization(tx, operation.actor, input.organizationId)
    const resource = await requireUsableResource(tx, input.organizationId, input.resource)
    if (resource.id === managementResourceId) {
      throw new Failure('invalid_request', {
        message: 'Keys of the management API are made here, not imported.', details: { field: 'resource' }
      })
    }
    requireMayImport(operation.actor, resource)
    const holder = await tx.apiKeys.byDigest(digest, resource.id)
    if (holder !== null) throw alreadyImported(holder, resource)
    const key = await newKey(operation, tx, resource, input, { digest, hint: input.hint, imported: true })
    if (resource.style.importedKeys !== true) await takeImportedKeys(operation, tx, resource, key)
    await insert(operation, tx, key, 'api_key.imported')
    return key
  })
}

/**
 * Whose it is may be told: an organization hears this of its own resources alone, and to import for all others takes
 * the deployment.
 */
function alreadyImported ({ id, organizationId }: ApiKey, { identifier }: Resource): Failure {
  return new Failure('conflict', {
    message: `A key with this digest exists already for ${identifier}: ${id} of ${organizationId}.`,
    details: { id, organization: organizationId }
  })
}

/**
 * Of a resource that serves several organizations the first import of a digest decides whose callers they are, and its
 * conflict tells that another has it. @throws Failure `insufficient_permissions`.
 */
function requireMayImport ({ organizationId }: Actor, resource: Resource): void {
  if (organizationId === null || resource.organizationId !== null) return
  throw new Failure('insufficient_permissions', {
    message:
      `The resource ${resource.identifier} belongs to the deployment; importing a key for it takes the admin token, ` +
        'or an access token of the whole deployment.'
  })
}

/** @throws Failure `not_found`, also for a key of another organization. */
export async function getApiKey ({ store, actor }: Operation, id: string): Promise<ApiKey> {
  return requireVisible(actor, await store.apiKeys.get(id), 'API key', id)
}

export interface ApiKeyChange extends Partial<Limits> {
  name?: string
  organizations?: readonly string[]
  access?: AccessLevel
  scopes?: readonly string[]
  objects?: ObjectRestriction
  allowlist?: readonly string[]
  expiresAt?: Date | null
}

/**
 * Changes a key; true from the next request on. Its limits are its chain's: they bind what it replaced as well.
 * @throws Failure `credential_expired` for another end of a key that has reached its own; `credential_superseded`,
 * `credential_revoked`.
 */
export async function updateApiKey (operation: Operation, id: string, change: ApiKeyChange): Promise<ApiKey> {
  return await changeKey(operation, id, 'api_key.updated', async (before, now, tx) => {
    requireChangeable(before)
    requireNotRevived(before, change, now)
    requireOwnReach(operation.actor, before, change)
    const resource = await requireUsableResource(tx, before.organizationId, before.resourceId)
    const { name: _, ...authority } = change
    const isAboutAuthority = Object.values(authority).some(given => given !== undefined)
    if (isAboutAuthority) await requireWithinOwn(tx, operation.actor, resource, before)
    // Scopes and objects are custom access's alone: another level of access leaves them behind.
    const leavesCustom = change.access !== undefined && change.access !== 'custom'
    const after: ApiKey = {
      ...before,
      name: change.name ?? before.name,
      organizations: change.organizations
        ? await resolveOrganizations(operation, tx, before.organizationId, change.organizations)
        : before.organizations,
      access: change.access ?? before.access,
      scopes: change.scopes ? requirePatterns(operation, resource, change.scopes) : leavesCustom ? [] : before.scopes,
      objects: change.objects ?? (leavesCustom ? {} : before.objects),
      allowlist: change.allowlist ? readAllowlist(change.allowlist) : before.allowlist,
      expiresAt: change.expiresAt === undefined ? before.expiresAt : requireFuture(change.expiresAt, now),
      ...limitsOf(change, before)
    }
    // A plan or a creator that is gone by now stands in the way of what a key may do, not of its name or its end.
    if ([change.access, change.scopes, change.objects].some(given => given !== undefined)) {
      await requireAccess(operation, tx, resource, after)
    }
    if (isAboutAuthority) requireRestrictionsWithin(operation.actor, resource, after)
    if (namesLimits(change)) await limitPredecessors(operation, tx, after, now)
    return after
  })
}

/** How many replaced keys of one chain may work beside the newest at a time. */
export const mostInOverlap = 100

/**
 * Replaces a key by a new one with the same properties. The old one works for `overlapSeconds` more; 0 is the
 * emergency: it ends now, and so do all that led to it and are in their overlap (CL-10). @throws Failure
 * `credential_superseded` when it was replaced already: two replacements would fork the key;
 * `conflict` for another overlap when `mostInOverlap` keys of the chain are in theirs.
 */
export async function rotateApiKey (
  operation: Operation, id: string, overlapSeconds: number
): Promise<{ key: ApiKey, text: string }> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = requireVisible(actor, await tx.apiKeys.get(id), 'API key', id)
    requireExpected(operation, before)
    requireChangeable(before)
    if (before.expiresAt !== null && before.expiresAt <= now) {
      throw new Failure('credential_expired', { message: `The API key ${id} has expired; create a new one.` })
    }
    const resource = await requireUsableResource(tx, before.organizationId, before.resourceId)
    // Whoever rotates a key is told a secret that may do all that the key may.
    requireNoMoreThanOwn(actor, resource, before)
    const text = newApiKeyText(resource.style.keyPrefix, before.environment)
    const key: ApiKey = {
      ...before,
      id: newId('key'),
      digest: digestOf(text),
      hint: apiKeyHint(text),
      imported: false,
      createdBy: actor.id,
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

/**
 * Revokes a key: refused from the next request on (LB-02). The keys that it replaced and that still work in their
 * overlap end with it; the one that replaced it stays. Doing it twice changes nothing.
 */
export async function revokeApiKey (operation: Operation, id: string, reason: string | null): Promise<ApiKey> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const revoke = async (key: ApiKey, more: Record<string, unknown>) => {
      if (key.revokedAt !== null) return key
      const after = { ...key, revokedAt: now, revokedReason: reason }
      await tx.apiKeys.update(after)
      await tx.audit.append(auditEvent(actor, now, 'api_key.revoked', about(after, more)))
      return after
    }
    const key = requireVisible(actor, await tx.apiKeys.get(id), 'API key', id)
    requireExpected(operation, key)
    for (const predecessor of await workingPredecessors(tx, key, now)) await revoke(predecessor, { revokedWith: id })
    return await revoke(key, {})
  })
}

/** The keys that led to this one and still work in their overlap. */
async function workingPredecessors (
  tx: Repositories, { id, chainId, rotatedFrom, rotatedTo }: ApiKey, now: Date
): Promise<ApiKey[]> {
  const working = (await tx.apiKeys.inOverlap(chainId, now)).filter(key => key.id !== id)
  // Every other key of the chain led to the newest one.
  if (rotatedTo === null || working.length === 0) return working
  const lineage = await tx.apiKeys.lineage(chainId)
  const led = new Set<string>()
  for (let before = rotatedFrom; before !== null; before = lineage.get(before) ?? null) led.add(before)
  return working.filter(key => led.has(key.id))
}

/**
 * Whoever revokes or limits the newest key of a chain does so to all that work beside it, in one transaction: there are
 * never so many that it could not be done. @throws Failure `conflict`.
 */
async function requireFewInOverlap (
  tx: Repositories, { chainId, id }: ApiKey, overlapSeconds: number, now: Date
): Promise<void> {
  if (overlapSeconds === 0 || (await tx.apiKeys.inOverlap(chainId, now)).length < mostInOverlap) return
  throw new Failure('conflict', {
    message:
      `${mostInOverlap} keys that led to the API key ${id} still work in their overlap; revoke some of them, or ` +
        'rotate without an overlap.',
    details: { mostInOverlap }
  })
}

/** Who rotates in an emergency does not know which of the keys has leaked. */
async function endPredecessors (
  { actor }: Operation, tx: Repositories, before: ApiKey, { id }: ApiKey, now: Date
): Promise<void> {
  for (const predecessor of await workingPredecessors(tx, before, now)) {
    const after = { ...predecessor, expiresAt: now }
    await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, 'api_key.updated', about(after, { endedWith: id })))
  }
}

async function limitPredecessors ({ actor }: Operation, tx: Repositories, key: ApiKey, now: Date): Promise<void> {
  for (const predecessor of await workingPredecessors(tx, key, now)) {
    const after = { ...predecessor, ...limitsOf(key, predecessor) }
    await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, 'api_key.updated', about(after, { limitedWith: key.id })))
  }
}

async function newKey (
  operation: Operation,
  tx: Repositories,
  resource: Resource,
  input: ApiKeyInput,
  identity: Pick<ApiKey, 'digest' | 'hint' | 'imported'>
): Promise<ApiKey> {
  const { clock, actor } = operation
  const now = clock()
  const id = newId('key')
  const key: ApiKey = {
    ...identity,
    id,
    chainId: id,
    organizationId: input.organizationId,
    organizations: await resolveOrganizations(operation, tx, input.organizationId, input.organizations ?? []),
    resourceId: resource.id,
    environment: input.environment,
    name: input.name,
    access: input.access ?? 'custom',
    scopes: requirePatterns(operation, resource, input.scopes ?? []),
    objects: input.objects ?? {},
    allowlist: readAllowlist(input.allowlist ?? []),
    ...limitsOf(input, noLimits),
    createdBy: actor.id,
    creatorId: input.creatorId === undefined ? actor.creator?.id ?? null : input.creatorId,
    rotatedFrom: null,
    rotatedTo: null,
    createdAt: now,
    expiresAt: requireFuture(input.expiresAt ?? null, now),
    revokedAt: null,
    revokedReason: null,
    lastUsedAt: null,
    revision: 1
  }
  await requireAccess(operation, tx, resource, key)
  requireSameMember(actor, key.creatorId)
  requireRestrictionsWithin(actor, resource, key)
  return key
}

/** The first one changes the resource: from now on a text of any form is looked up there. */
async function takeImportedKeys (
  { actor }: Operation, tx: Repositories, resource: Resource, { createdAt }: ApiKey
): Promise<void> {
  await tx.resources.update({ ...resource, style: { ...resource.style, importedKeys: true } })
  await tx.audit.append(
    auditEvent(actor, createdAt, 'resource.updated', {
      organizationId: resource.organizationId, subject: resource.id, detail: { importedKeys: true }
    })
  )
}

async function insert ({ actor }: Operation, tx: Repositories, key: ApiKey, type: AuditEventType): Promise<void> {
  await tx.apiKeys.insert(key)
  await tx.audit.append(auditEvent(actor, key.createdAt, type, about(key)))
}

/** Its own first, each once; every one has to be the actor's to see. */
async function resolveOrganizations (
  { actor }: Operation, tx: Repositories, own: string, further: readonly string[]
): Promise<string[]> {
  const ids = new Set([own, ...further])
  for (const id of ids) if (id !== own) await requireActiveOrganization(tx, actor, id)
  return [...ids]
}

/**
 * Who is told a secret that acts for a key may do what it may, and is bound by the same member and no more than it.
 * @throws Failure `insufficient_permissions`.
 */
export function requireNoMoreThanOwn (actor: Actor, resource: Resource, key: ApiKey): void {
  requireScopesHeld(actor, resource, scopesOfAccess(key, resource))
  requireSameMember(actor, key.creatorId)
  requireRestrictionsWithin(actor, resource, key)
}

/**
 * Whoever says from where, how long and what for a key works may do what it may; no secret is told. @throws Failure
 * `insufficient_permissions`.
 */
async function requireWithinOwn (tx: Repositories, actor: Actor, resource: Resource, key: ApiKey): Promise<void> {
  requireScopesHeld(actor, resource, scopesOfAccess(key, resource))
  await requireNotStrongerMember(tx, actor, resource, key.creatorId)
}

/**
 * What a key may do elsewhere is not for one of its organizations to widen. @throws Failure `insufficient_permissions`.
 */
function requireOwnReach (
  actor: Actor, key: ApiKey, { access, scopes, objects, allowlist, expiresAt }: ApiKeyChange
): void {
  if (actor.organizationId === null || key.organizations.every(id => id === actor.organizationId)) return
  if ([access, scopes, objects, allowlist, expiresAt].every(given => given === undefined)) return
  throw new Failure('insufficient_permissions', {
    message:
      `The API key ${key.id} reaches organizations besides ${actor.organizationId}: what it may do takes the admin ` +
        'token. It can be renamed, rotated and revoked.'
  })
}

function requirePatterns ({ actor }: Operation, resource: Resource, scopes: readonly string[]): string[] {
  const patterns = requireDeclaredPatterns(scopes, resource.scopes, resource.identifier)
  requireScopesHeld(actor, resource, expand(patterns, resource.scopes))
  return patterns
}

/**
 * What the level of access asks for besides: scopes only with `custom`, a plan that includes it, a creator of the same
 * organization.
 */
async function requireAccess ({ actor }: Operation, tx: Repositories, resource: Resource, key: ApiKey): Promise<void> {
  if (key.access !== 'custom') {
    if (key.scopes.length > 0 || Object.keys(key.objects).length > 0) {
      throw new Failure('invalid_request', {
        message: `A key with ${key.access} access names no scopes and no objects; use custom access for that.`,
        details: { field: 'access' }
      })
    }
    requireScopesHeld(actor, resource, scopesOfAccess(key, resource))
  } else if (planLacks(key, resource, await tx.organizations.get(key.organizationId))) {
    throw new Failure('feature_not_included', {
      message:
        `Keys with custom access take a plan that includes ${resource.style.customAccessFeature}; use full or ` +
          'read-only access, or change the plan.',
      details: { feature: resource.style.customAccessFeature }
    })
  }
  if (key.creatorId === null) return
  const creator = await tx.members.get(key.creatorId)
  if (creator === null || creator.organizationId !== key.organizationId || creator.removedAt !== null) {
    throw new Failure('not_found', {
      message: `There is no member ${JSON.stringify(key.creatorId.slice(0, 64))} in the organization of the key.`
    })
  }
}

/** Who holds a key that has ended must be able to rely on that: it never comes back to life. */
function requireNotRevived ({ id, expiresAt }: ApiKey, change: ApiKeyChange, now: Date): void {
  if (change.expiresAt === undefined || expiresAt === null || expiresAt > now) return
  throw new Failure('credential_expired', {
    message: `The API key ${id} expired at ${expiresAt.toISOString()} and gets no other end; create a new one.`
  })
}

function requireChangeable (key: ApiKey): void {
  if (key.revokedAt !== null) {
    throw new Failure('credential_revoked', { message: `The API key ${key.id} was revoked; create a new one.` })
  }
  if (key.rotatedTo !== null) {
    throw new Failure('credential_superseded', {
      message:
        `The API key ${key.id} was replaced by ${key.rotatedTo}; change that one. To end this one before its overlap ` +
          'does, revoke it.',
      details: { rotatedTo: key.rotatedTo }
    })
  }
}

async function changeKey (
  operation: Operation,
  id: string,
  type: AuditEventType,
  change: (before: ApiKey, now: Date, tx: Repositories) => Promise<ApiKey>
): Promise<ApiKey> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const now = clock()
    const before = requireVisible(actor, await tx.apiKeys.get(id), 'API key', id)
    requireExpected(operation, before)
    const after = await change(before, now, tx)
    if (after === before) return before
    const kept = await tx.apiKeys.update(after)
    await tx.audit.append(auditEvent(actor, now, type, about(after)))
    return kept
  })
}

function about (key: ApiKey, more: Record<string, unknown> = {}) {
  const {
    name, hint, organizations, resourceId, environment, access, objects, allowlist, creatorId, expiresAt, revokedReason,
    callsPerMonth, creditsPerMonth, callsPerMinute,
  } = key
  const scopes = namesOf(key.scopes)
  return {
    organizationId: key.organizationId,
    subject: key.id,
    detail: {
      name,
      hint,
      organizations,
      resourceId,
      environment,
      access,
      scopes,
      objects,
      allowlist,
      creatorId,
      expiresAt,
      revokedReason,
      callsPerMonth,
      creditsPerMonth,
      callsPerMinute,
      ...more
    }
  }
}

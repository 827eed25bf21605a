/** API keys: the record, its state at a moment, and what it may do. */
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { Failure } from '../../base/errors.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { requireScopesHeld, type Delegation } from '../members/delegation.ts'
import { scopesOf, type Member, type MemberPort } from '../members/permissions.ts'
import type { Limits } from '../tenancy/limits.ts'
import type { Organization, OrganizationPort } from '../tenancy/organization.ts'
import { auditedAnnotations, type Annotated } from '../core/annotations.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import { scopesWhenVouched } from '../resources/lasting-scopes.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { expand, isReadOnly, namesOf } from '../resources/scope.ts'
import type { PortalSettings } from './portal-key.ts'

/**
 * `full`: all that its creator may. `read-only`: all that its creator may read. `custom`: the scopes and objects it
 * names (CD-03).
 */
export const accessLevels = ['full', 'read-only', 'custom'] as const
export type AccessLevel = typeof accessLevels[number]

/** Type of object → the ids that a key is restricted to. A type that is not named is not restricted. */
export type ObjectRestriction = Readonly<Record<string, readonly string[]>>

/** Whether an object of a type may be touched: for lists, and where a route's declaration cannot say it. */
export function mayTouch ({ objects }: { objects: ObjectRestriction }, type: string, id: string): boolean {
  return !Object.hasOwn(objects, type) || objects[type]!.includes(id)
}

/**
 * A long-lived secret of an organization for one resource. Its row is never removed, so that a refusal stays precise.
 */
export interface ApiKey extends Annotated, Limits, Revised {
  /** `key_…`: its name in logs and in the API. */
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
  /** The API key that vouched for the session or key that made it, and with which it ends; null: none did. */
  vouchedBy: string | null
  /** Null: it is no partner's. */
  portal: PortalSettings | null
  /** Its text was made elsewhere; only its digest is known here. */
  imported: boolean
  /** The first key of the chain of rotations. The chain has one allowance, so an overlap does not double it. */
  chainId: string
  rotatedFrom: string | null
  /** The key that replaced it; it works until `expiresAt`. */
  rotatedTo: string | null
  createdAt: Date
  /** Null: never. */
  expiresAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
  /** Null: it is not disabled. */
  disabledAt: Date | null
  disabledReason: string | null
  /** Coarse; null: never. */
  lastUsedAt: Date | null
}

/**
 * `active`: usable. `disabled`: it would work if it were enabled. `expired`: past its expiry. `rotated`: replaced by
 * another key; until `expiresAt` it works beside that one. `revoked`: revoked, whatever else happened to it.
 */
export const keyStatuses = ['active', 'disabled', 'expired', 'rotated', 'revoked'] as const
export type KeyStatus = typeof keyStatuses[number]

/** The status of a key at `now`. */
export function statusOf ({ revokedAt, disabledAt, rotatedTo, expiresAt }: ApiKey, now: Date): KeyStatus {
  if (revokedAt !== null) return 'revoked'
  const isOver = expiresAt !== null && expiresAt <= now
  if (disabledAt !== null && !isOver) return 'disabled'
  if (rotatedTo !== null) return 'rotated'
  return isOver ? 'expired' : 'active'
}

/** Filter of a list; a member that is left out does not narrow it. */
/** `search`: in the name, or the hint. */
export interface ApiKeyFilter extends Sought {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  environment?: Environment
  resourceId?: string
  creatorId?: string
  externalId?: string
  /** Those whose status, at an instant, is this one. */
  status?: { is: KeyStatus, at: Date }
  /** Made before this instant, and not used since. */
  unusedSince?: Date
  /** With an end before this instant. */
  expiresBefore?: Date
}

export interface ApiKeyRepository {
  insert (key: ApiKey): Promise<void>
  get (id: string): Promise<ApiKey | null>
  /** The key of a resource, made here or imported. */
  byDigest (digest: string, resourceId: string): Promise<ApiKey | null>
  /** The keys with that digest: one, or one for each resource that it was imported for. */
  ofDigest (digest: string): Promise<ApiKey[]>
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
  /** `names`: with the name of each creator. */
  page (
    query: ListQuery & { names?: boolean }, filter: ApiKeyFilter
  ): Promise<Listed<ApiKey & { creatorName?: string | null }>>
}

export interface ApiKeyPort { apiKeys: ApiKeyRepository }

/**
 * The scopes that a key has now: never more than its resource declares and its creator has (CD-09). `creator` null: an
 * operator vouches for it.
 */
export function effectiveScopes (key: ApiKey, resource: Resource, creator: Member | null): readonly string[] {
  const all = scopesOfAccess(key, resource)
  const allowed = key.vouchedBy !== null && resource.id === managementResourceId ? scopesWhenVouched(all) : all
  if (key.creatorId === null) return allowed
  if (creator === null) return []
  const permitted = scopesOf(creator, resource)
  return allowed.filter(scope => permitted.has(scope))
}

/** The scopes of a level of access on a resource, without regard to the creator. */
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

/**
 * The key whose text this is; to have the text proves no right to it. @throws Failure `not_found`, also for a key of
 * another organization.
 */
export async function findApiKey ({ store, actor }: Operation<ApiKeyPort>, text: string): Promise<ApiKey> {
  const [found] = (await store.apiKeys.ofDigest(digestOf(text)))
    .filter(({ organizationId }) => [null, organizationId].includes(actor.organizationId))
  if (found !== undefined) return found
  throw new Failure('not_found', { message: 'There is no such API key here.' })
}

/** @throws Failure `not_found`, also for a key of another organization. */
export async function getApiKey ({ store, actor }: Operation<ApiKeyPort>, id: string): Promise<ApiKey> {
  return requireVisible(actor, await store.apiKeys.get(id), 'API key', id)
}

/** What a key hands on to its holder. */
export function delegationOf (key: ApiKey, resource: Resource): Delegation {
  const { creatorId, allowlist, expiresAt, objects } = key
  return { scopes: scopesOfAccess(key, resource), creatorId, allowlist, expiresAt, objects }
}

/**
 * Requirements of the level of access: scopes only with `custom`, a plan that includes it, a creator of the same
 * organization.
 */
export async function requireAccess (
  { actor }: Operation<MemberPort & OrganizationPort>,
  tx: MemberPort & OrganizationPort,
  resource: Resource,
  key: ApiKey
): Promise<void> {
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
        `Custom-access keys need a plan that includes ${resource.style.customAccessFeature}; use full or read-only ` +
          'access, or change the plan.',
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

export function about (key: ApiKey, more: Record<string, unknown> = {}) {
  const {
    name, hint, organizations, resourceId, environment, access, objects, allowlist, creatorId, vouchedBy, portal,
    expiresAt, revokedReason, disabledReason, callsPerMonth, creditsPerMonth, callsPerMinute,
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
      ...(vouchedBy === null ? {} : { vouchedBy }),
      ...(portal === null ? {} : { portal }),
      expiresAt,
      revokedReason,
      ...(disabledReason === null ? {} : { disabledReason }),
      ...auditedAnnotations(key),
      callsPerMonth,
      creditsPerMonth,
      callsPerMinute,
      ...more
    }
  }
}

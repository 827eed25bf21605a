/** Access tokens of the management API, made for automation (OC-08). */
import { change, type RecordKind } from '../audit/change.ts'
import { Failure } from '../../base/errors.ts'
import { hintOf, newManagementTokenText } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { auditEvent } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import {
  requireCredentialChangeable, requirePatternsHeld, requireRestrictionsWithin, requireSameMember
} from '../members/delegation.ts'
import { scopesOf, type Member } from '../members/permissions.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { requireFuture, requireVisible, type Revised, type Operation } from '../core/operation.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { expand, namesOf, readsAsPattern, requireGrantable } from '../resources/scope.ts'
import type { AuditPort } from '../audit/log.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'

/** The ports of the operations of this file. */
type Ports = AuditPort & ManagementTokenPort & MemberPort & OrganizationPort & ResourcePort

/**
 * A token of the management API that a person made for automation (OC-08): an opaque secret, sent as a bearer
 * credential to that API and nowhere else. Not to be confused with the access tokens that clients get, which are JWTs
 * without a row.
 */
export interface ManagementToken extends Revised {
  /** `mat_…` */
  id: string
  digest: string
  /** The last four characters, for people. */
  hint: string
  /** Null: it reaches the whole deployment. */
  organizationId: string | null
  name: string
  /** References of scopes of the management API, and patterns of them. */
  scopes: readonly string[]
  /** Empty: from everywhere. */
  allowlist: readonly string[]
  /** The credential that made it. */
  createdBy: string
  /** The member it can never do more than; null: an operator vouches for it. */
  creatorId: string | null
  createdAt: Date
  /** Null: never. */
  expiresAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
  /** Coarse; null: never. */
  lastUsedAt: Date | null
}

export const managementTokenStatuses = ['active', 'expired', 'revoked'] as const
export type ManagementTokenStatus = typeof managementTokenStatuses[number]

/** The status of a token at `now`. */
export function statusOfManagementToken ({ revokedAt, expiresAt }: ManagementToken, now: Date): ManagementTokenStatus {
  if (revokedAt !== null) return 'revoked'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'active'
}

/** Filter of a list; a member that is left out does not narrow it. */
export interface ManagementTokenFilter {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  creatorId?: string
  /** Those whose status, at an instant, is this one. */
  status?: { is: ManagementTokenStatus, at: Date }
}

export interface ManagementTokenRepository {
  insert (token: ManagementToken): Promise<void>
  get (id: string): Promise<ManagementToken | null>
  byDigest (digest: string): Promise<ManagementToken | null>
  /** Replaces everything but id, digest and createdAt; returns it with its next revision. */
  update (token: ManagementToken): Promise<ManagementToken>
  /** Sets `lastUsedAt` of many tokens at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  page (query: PageQuery, filter: ManagementTokenFilter): Promise<Page<ManagementToken>>
}

export interface ManagementTokenPort { managementTokens: ManagementTokenRepository }

/** The scopes that a token has now: never more than the management API declares and its creator has. */
export function scopesOfManagementToken (
  token: ManagementToken, management: Resource, creator: Member | null
): readonly string[] {
  const allowed = expand(token.scopes, management.scopes)
  if (token.creatorId === null) return allowed
  if (creator === null) return []
  const permitted = scopesOf(creator, management)
  return allowed.filter(scope => permitted.has(scope))
}

export interface ManagementTokenInput {
  /** Null: the whole deployment. */
  organizationId: string | null
  name: string
  scopes: readonly string[]
  allowlist?: readonly string[]
  creatorId?: string | null
  expiresAt?: Date | null
}

/**
 * Creates a token; `text` is the token itself, shown now and never again.
 * @throws Failure `not_found`, `organization_not_active`, `unknown_scope`, `invalid_allowlist`, `invalid_expiry`,
 * `insufficient_permissions` for a scope that its maker has not, and for a token of the deployment unless the admin
 * token makes it.
 */
export async function createManagementToken (
  operation: Operation<Ports>, input: ManagementTokenInput
): Promise<{ token: ManagementToken, text: string }> {
  const { store, clock, actor } = operation
  const now = clock()
  const text = newManagementTokenText()
  return await store.transaction(async tx => {
    await requireReach(tx, actor, input)
    const management = await managementResource(tx)
    const token: ManagementToken = {
      id: newId('mat'),
      digest: digestOf(text),
      hint: hintOf(text),
      organizationId: input.organizationId,
      name: input.name,
      scopes: requireTokenScopes(actor, management, input.scopes),
      allowlist: readAllowlist(input.allowlist ?? []),
      createdBy: actor.id,
      creatorId: input.creatorId === undefined ? actor.creator?.id ?? null : input.creatorId,
      createdAt: now,
      expiresAt: requireFuture(input.expiresAt ?? null, now),
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: null,
      revision: 1,
    }
    requireSameMember(actor, token.creatorId)
    requireRestrictionsWithin(actor, management, token)
    await tx.managementTokens.insert(token)
    await tx.audit.append(auditEvent(actor, now, 'access_token.created', about(token)))
    return { token, text }
  })
}

/** @throws Failure `not_found`, also for a token of another organization. */
export async function getManagementToken (
  { store, actor }: Operation<ManagementTokenPort>, id: string
): Promise<ManagementToken> {
  return requireVisible(actor, await store.managementTokens.get(id), 'access token', id)
}

export interface ManagementTokenChange {
  name?: string
  scopes?: readonly string[]
  allowlist?: readonly string[]
  expiresAt?: Date | null
}

/**
 * Changes a token, with effect from the next request on. @throws Failure `credential_expired` for another expiry of a
 * token that has expired.
 */
export async function updateManagementToken (
  operation: Operation<AuditPort & ManagementTokenPort & MemberPort & ResourcePort>,
  id: string,
  given: ManagementTokenChange
): Promise<ManagementToken> {
  return await change(operation, tokens, id, 'access_token.updated', async (before, now, tx) => {
    if (before.revokedAt !== null) {
      throw new Failure('credential_revoked', { message: `The access token ${id} was revoked; create a new one.` })
    }
    requireNotRevived(before, given, now)
    const { name, ...authority } = given
    const isAboutAuthority = Object.values(authority).some(value => value !== undefined)
    const management = await managementResource(tx)
    if (isAboutAuthority) {
      await requireCredentialChangeable(tx, operation.actor, management, {
        scopes: expand(before.scopes, management.scopes), creatorId: before.creatorId
      })
    }
    const after: ManagementToken = {
      ...before,
      name: name ?? before.name,
      scopes: given.scopes ? requireTokenScopes(operation.actor, management, given.scopes) : before.scopes,
      allowlist: given.allowlist ? readAllowlist(given.allowlist) : before.allowlist,
      expiresAt: given.expiresAt === undefined ? before.expiresAt : requireFuture(given.expiresAt, now),
    }
    if (isAboutAuthority) requireRestrictionsWithin(operation.actor, management, after)
    return after
  })
}

/** Revokes a token: refused from the next request on. Idempotent. */
export async function revokeManagementToken (
  operation: Operation<AuditPort & ManagementTokenPort>, id: string, reason: string | null
): Promise<ManagementToken> {
  return await change(
    operation, tokens, id, 'access_token.revoked',
    async (before, now) => before.revokedAt === null ? { ...before, revokedAt: now, revokedReason: reason } : before
  )
}

/** An expired token never works again. @throws Failure `credential_expired`. */
function requireNotRevived ({ id, expiresAt }: ManagementToken, change: ManagementTokenChange, now: Date): void {
  if (change.expiresAt === undefined || expiresAt === null || expiresAt > now) return
  throw new Failure('credential_expired', {
    message: `The access token ${id} expired at ${expiresAt.toISOString()} and gets no other end; create a new one.`
  })
}

async function requireReach (
  tx: MemberPort & OrganizationPort, actor: Actor, { organizationId, creatorId = null }: ManagementTokenInput
): Promise<void> {
  if (organizationId !== null) await requireActiveOrganization(tx, actor, organizationId)
  // The admin token alone has no list of scopes.
  else if (actor.scopes !== null || actor.organizationId !== null) {
    throw new Failure('insufficient_permissions', {
      message: 'An access token for the whole deployment takes the admin token; name an organization.'
    })
  }
  if (creatorId === null) return
  const creator = await tx.members.get(creatorId)
  if (creator !== null && creator.organizationId === organizationId && creator.removedAt === null) return
  throw new Failure('not_found', {
    message: `There is no member ${JSON.stringify(creatorId.slice(0, 64))} in the organization of the access token.`
  })
}

/** @throws Failure `scope_api_key_only`, `unknown_scope`, `insufficient_permissions`. */
function requireTokenScopes (actor: Actor, management: Resource, scopes: readonly string[]): string[] {
  requireGrantable(scopes.filter(name => !readsAsPattern(name)), management.scopes, management.identifier)
  return requirePatternsHeld(actor, management, scopes)
}

async function managementResource (tx: ResourcePort): Promise<Resource> {
  const management = await tx.resources.get(managementResourceId)
  if (management === null) throw new Failure('unknown_resource')
  return management
}

/** How access tokens are found, kept and audited. */
const tokens: RecordKind<ManagementToken, ManagementTokenPort> = {
  name: 'access token',
  organizationOf: ({ organizationId }) => organizationId,
  own: { scope: 'access-tokens:write', creatorOf: ({ creatorId }) => creatorId },
  get: (tx, id) => tx.managementTokens.get(id),
  update: (tx, after) => tx.managementTokens.update(after),
  about,
}

function about (token: ManagementToken) {
  const { name, hint, allowlist, creatorId, expiresAt, revokedReason } = token
  const scopes = namesOf(token.scopes)
  return {
    organizationId: token.organizationId,
    subject: token.id,
    detail: { name, hint, scopes, allowlist, creatorId, expiresAt, revokedReason }
  }
}

/** Registration tokens (RFC 7591 §3): a caller that presents one may register clients, with the scopes it grants. */
import { change, type RecordKind } from '../audit/change.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { Failure } from '../../base/errors.ts'
import { hintOf } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newRegistrationTokenText } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { auditEvent } from '../audit/event.ts'
import { defaultGrants } from './default-grants.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireUsableResource, type ResourcePort } from '../resources/resource.ts'
import { requireGrantsHeld, type GrantDelegation } from '../members/delegation.ts'
import { namesOf, requireGrantable } from '../resources/scope.ts'
import { requireFuture, requireVisible, type Revised, type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/** The ports of the operations of this file. */
type Ports = AuditPort & OrganizationPort & RegistrationTokenPort & ResourcePort

/**
 * An initial access token (RFC 7591 §1.2): a client that registers with it belongs to its organization and has its
 * scopes.
 */
export interface RegistrationToken extends Revised {
  /** `rgt_…` */
  id: string
  digest: string
  hint: string
  organizationId: string
  name: string
  /** Null: clients that register with it get the default scopes of the organization's MCP servers, if it has any. */
  resourceId: string | null
  /** References. */
  scopes: readonly string[]
  allowlist: readonly string[]
  /** Null: no limit. */
  usesLeft: number | null
  createdBy: string
  createdAt: Date
  /** Null: never. */
  expiresAt: Date | null
  revokedAt: Date | null
}

export interface RegistrationTokenRepository {
  insert (token: RegistrationToken): Promise<void>
  get (id: string): Promise<RegistrationToken | null>
  byDigest (digest: string): Promise<RegistrationToken | null>
  /** Replaces everything but id, digest and createdAt; returns it with its next revision. */
  update (token: RegistrationToken): Promise<RegistrationToken>
  /** Takes one use, if there is one left. Exactly as many of many racing callers get true as there were uses. */
  spend (id: string): Promise<boolean>
  page (query: ListQuery, filter: RegistrationTokenFilter): Promise<Listed<RegistrationToken>>
}

export interface RegistrationTokenPort { registrationTokens: RegistrationTokenRepository }

/** `spent`: it has no uses left. */
export const registrationTokenStatuses = ['active', 'spent', 'expired', 'revoked'] as const
export type RegistrationTokenStatus = typeof registrationTokenStatuses[number]

/** Filter of a list; a member that is left out does not narrow it. `search`: in the name, or the hint. */
export interface RegistrationTokenFilter extends Sought {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  resourceId?: string
  /** Those whose status, at an instant, is this one; the first that applies of revoked, expired, spent. */
  status?: { is: RegistrationTokenStatus, at: Date }
}

export interface RegistrationTokenInput {
  organizationId: string
  name: string
  resource?: string
  scopes?: readonly string[]
  allowlist?: readonly string[]
  uses?: number | null
  expiresAt?: Date | null
}

/** Creates a registration token; `secret` is its text, shown now and never again. */
export async function createRegistrationToken (
  { store, clock, actor }: Operation<Ports>, input: RegistrationTokenInput
): Promise<{ token: RegistrationToken, secret: string }> {
  const now = clock()
  const secret = newRegistrationTokenText()
  const expiresAt = requireFuture(input.expiresAt ?? null, now)
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const resource = input.resource === undefined
      ? null
      : await requireUsableResource(tx, input.organizationId, input.resource)
    if (resource === null && (input.scopes ?? []).length > 0) {
      throw new Failure('invalid_request', {
        message: 'Scopes belong to a resource: name it.', details: { field: 'resource' }
      })
    }
    const token: RegistrationToken = {
      id: newId('rgt'),
      digest: digestOf(secret),
      hint: hintOf(secret),
      organizationId: input.organizationId,
      name: input.name,
      resourceId: resource?.id ?? null,
      scopes: resource === null
        ? []
        : requireGrantable(input.scopes ?? resource.defaultScopes, resource.scopes, resource.identifier),
      allowlist: readAllowlist(input.allowlist ?? []),
      usesLeft: input.uses ?? null,
      createdBy: actor.id,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      revision: 1,
    }
    await requireGrantsHeld(tx, actor, await grantsOf(tx, token))
    await tx.registrationTokens.insert(token)
    await tx.audit.append(auditEvent(actor, now, 'registration_token.created', about(token)))
    return { token, secret }
  })
}

/** @throws Failure `not_found`. */
export async function getRegistrationToken (
  { store, actor }: Operation<RegistrationTokenPort>, id: string
): Promise<RegistrationToken> {
  return requireVisible(actor, await store.registrationTokens.get(id), 'registration token', id)
}

/**
 * Changes name, remaining uses or expiry; the last two only by an actor that holds its grants.
 * @throws Failure `insufficient_permissions`.
 */
export async function updateRegistrationToken (
  operation: Operation<AuditPort & RegistrationTokenPort & ResourcePort>,
  id: string,
  given: { name?: string, uses?: number | null, expiresAt?: Date | null }
): Promise<RegistrationToken> {
  return await change(operation, tokens, id, 'registration_token.updated', async (before, now, tx) => {
    if (before.revokedAt !== null) {
      throw new Failure('credential_revoked', {
        message: `The registration token ${id} was revoked; create a new one.`
      })
    }
    // More uses, or a later expiry, hand on the grants again.
    if (given.uses !== undefined || given.expiresAt !== undefined) {
      await requireGrantsHeld(tx, operation.actor, await grantsOf(tx, before))
    }
    return {
      ...before,
      name: given.name ?? before.name,
      usesLeft: given.uses === undefined ? before.usesLeft : given.uses,
      expiresAt: given.expiresAt === undefined ? before.expiresAt : requireFuture(given.expiresAt, now),
    }
  })
}

/** Revokes it. Clients that registered with it stay. Idempotent. */
export async function revokeRegistrationToken (
  operation: Operation<AuditPort & RegistrationTokenPort>, id: string
): Promise<RegistrationToken> {
  return await change(
    operation, tokens, id, 'registration_token.revoked',
    async (before, now) => before.revokedAt === null ? { ...before, revokedAt: now } : before
  )
}

/** Why a registration token is refused; precise, for the audit log. */
export type RegistrationTokenProblem =
  | 'unknown_registration_token' | 'registration_token_revoked' | 'registration_token_expired'
  | 'registration_token_used_up' | 'organization_suspended'

/** The token behind a text, if it may still be used; else why not. `token` null: there is none. */
export type RegistrationTokenVerdict = { token: RegistrationToken, problem: null } | {
  token: RegistrationToken | null, problem: RegistrationTokenProblem
}

/** Finds a registration token by its digest; null: there is none. */
export interface RegistrationTokenLookup { registrationToken (digest: string): Awaitable<RegistrationToken | null> }

/** Finds a registration token by its text and checks that it can be used. */
export async function findRegistrationToken (
  { store, clock }: Operation<OrganizationPort>, tokens: RegistrationTokenLookup, secret: string
): Promise<RegistrationTokenVerdict> {
  const token = await tokens.registrationToken(digestOf(secret))
  if (token === null) return { token, problem: 'unknown_registration_token' }
  if (token.revokedAt !== null) return { token, problem: 'registration_token_revoked' }
  if (!isUsable(token, clock())) return { token, problem: 'registration_token_expired' }
  if (token.usesLeft === 0) return { token, problem: 'registration_token_used_up' }
  const organization = await store.organizations.get(token.organizationId)
  return organization?.status === 'active' ? { token, problem: null } : { token, problem: 'organization_suspended' }
}

/**
 * Takes one use inside a transaction; returns how many are left, null for no limit.
 * @throws Failure `unauthorized` when another request took the last one, or the token has ended meanwhile.
 */
export async function spendRegistrationToken (
  tx: RegistrationTokenPort, token: RegistrationToken, now: Date
): Promise<number | null> {
  const current = await tx.registrationTokens.get(token.id)
  if (current === null || !isUsable(current, now) || !await tx.registrationTokens.spend(token.id)) {
    throw new Failure('unauthorized', { message: 'The registration token has no uses left.' })
  }
  return current.usesLeft === null ? null : current.usesLeft - 1
}

/** The grants of a client that registers with a token. */
async function grantsOf (
  tx: ResourcePort, { organizationId, resourceId, scopes, allowlist }: RegistrationToken
): Promise<GrantDelegation> {
  const grants = resourceId === null ? await defaultGrants(tx, organizationId) : [{ resourceId, scopes }]
  return { grants, allowlist }
}

function isUsable (token: RegistrationToken, now: Date): boolean {
  return token.revokedAt === null && (token.expiresAt === null || token.expiresAt > now)
}

/** How registration tokens are found, kept and audited. */
const tokens: RecordKind<RegistrationToken, RegistrationTokenPort> = {
  name: 'registration token',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.registrationTokens.get(id),
  update: (tx, after) => tx.registrationTokens.update(after),
  about,
}

function about (token: RegistrationToken) {
  const { name, resourceId, usesLeft, expiresAt } = token
  const scopes = namesOf(token.scopes)
  return {
    organizationId: token.organizationId, subject: token.id, detail: { name, resourceId, scopes, usesLeft, expiresAt }
  }
}

/** The operation that a request of the management API stands for, and the values that handlers read from it. */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../../base/ip-address.ts'
import type { Clock } from '../../base/clock.ts'
import type { Actor } from '../../domain/core/actor.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Restrictions } from '../../domain/core/actor.ts'
import type { Store, Repositories } from '../../domain/store.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { Failure } from '../../base/errors.ts'
import { expectedVersions } from './etags.ts'

/** Dependencies of every route of the management API. */
export interface ManagementDependencies { store: Store, clock: Clock }

/**
 * The operation of a request, on behalf of its principal.
 * @throws Failure `invalid_request` for a malformed `If-Match`.
 */
export function operationOf (
  { store, clock }: ManagementDependencies, request: FastifyRequest
): Operation<Repositories> {
  const expects = request.method === 'GET' || request.method === 'HEAD' ? undefined : expectedVersions(request)
  return { store, clock, actor: actorOf(request), ...(expects === undefined ? {} : { expects }) }
}

/** @throws Failure `insufficient_permissions` for a credential without an organization: it has nothing to manage. */
function actorOf (request: FastifyRequest): Actor {
  const { principal } = request
  const isAdmin = principal.kind === 'admin_token'
  const mayBeOfDeployment = isAdmin || principal.kind === 'management_token' || principal.kind === 'person'
  if (!mayBeOfDeployment && principal.organizationId === null) {
    throw new Failure('insufficient_permissions', { message: 'This credential belongs to no organization.' })
  }
  const { organizationId, scopes, creator } = principal
  const restrictions = restrictionsOf(principal)
  return {
    id: principal.id,
    organizationId,
    scopes: isAdmin ? null : scopes,
    creator,
    restrictions,
    vouchedBy: principal.vouchedBy ?? null,
    isClient: principal.kind === 'access_token' && principal.idKind !== 'api_key',
    isPerson: principal.kind === 'person',
    address: addressOf(request),
    requestId: request.id
  }
}

/** The expiry of an access token does not restrict its client; that of an exchanged one restricts its holder. */
function restrictionsOf ({ kind, isExchanged = false, allowlist, expiresAt, objects }: Principal): Restrictions {
  return { allowlist, expiresAt: kind === 'access_token' && !isExchanged ? null : expiresAt, objects }
}

/** Requires a deployment-wide credential. */
export function requireDeployment ({ actor }: Operation<Repositories>, action: string): void {
  if (actor.organizationId !== null) {
    throw new Failure('insufficient_permissions', {
      message: `${action} requires a deployment-wide credential; this one is confined to ${actor.organizationId}.`
    })
  }
}

/** The organization that a list is confined to: the actor's own, else the requested one. */
export function organizationFilter (
  { actor }: Operation<Repositories>, asked: string | undefined
): { organizationId?: string } {
  const organizationId = actor.organizationId ?? asked
  return organizationId === undefined ? {} : { organizationId }
}

/**
 * Parses an instant that the schema accepted. @throws Failure `invalid_expiry` for 31 February, and for an instant
 * outside the years 1 to 9999 in UTC: RFC 3339 cannot express it, and databases do not sort it.
 */
export function readInstant (text: string | null | undefined, field = 'expiresAt'): Date | null | undefined {
  if (text === null || text === undefined) return text
  const instant = new Date(text)
  const year = instant.getUTCFullYear()
  if (!(year >= 1 && year <= 9999)) {
    throw new Failure('invalid_expiry', { message: `${text} is not an instant.`, details: { field } })
  }
  return instant
}

/** The members that are not undefined: an undefined filter must not narrow a list. */
export function definedMembers<T extends object> (members: T): { [Member in keyof T]?: Exclude<T[Member], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Member in keyof T]?: Exclude<T[Member], undefined>
  }
}

/** The id of a resource that a filter names by id or identifier. An unknown name matches nothing. */
export async function resourceIdOf (
  { store }: Operation<Repositories>, named: string | undefined
): Promise<string | undefined> {
  if (named === undefined) return undefined
  return (await store.resources.get(named) ?? await store.resources.byIdentifier(named))?.id ?? named
}

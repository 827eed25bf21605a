/**
 * Sessions of end users (CK-10, after RFC 7523): the holder of a signing key says who the end user is, and gets a token
 * that stands for that user on the resource of its publishable key, for minutes.
 */
import type { PublishableKeyPort } from '../credentials/publishable-key.ts'
import type { UsedAssertionPort } from '../core/used-assertions.ts'
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { whenBothKnown, whenKnown, type Awaitable } from '../../base/awaitable.ts'
import { epochSeconds, secondsAfter, type Clock } from '../../base/clock.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { signJwt } from '../tokens/jws.ts'
import { reasonAgainstOrganization, type Organization } from '../tenancy/organization.ts'
import type { Presentation, Principal, Reason, Verdict } from './principal.ts'
import type { PublishableKey } from '../credentials/publishable-key.ts'
import type { Registry } from './registry.ts'
import type { Resource } from '../resources/resource.ts'
import { grantableNow, splitScope } from '../resources/scope.ts'
import type { KeyRing } from '../tokens/signing-key.ts'
import { assertionTolerance, problemOfTimes } from '../tokens/assertion.ts'
import {
  bringsItsOwnKey, isExpired, isFromTheFuture, isKeyRevoked, isNumericDate, jwtReader, type TrustedKeys
} from '../tokens/access-token.ts'

/** The claims of a session token. Its type is `session+jwt`: nothing takes it for an access token, and the reverse. */
export interface SessionClaims {
  iss: string
  aud: string
  /** The end user, as the holder of the signing key calls them. */
  sub: string
  /** The id of the publishable key. */
  client_id: string
  jti: string
  /** Seconds since the epoch, whole. */
  iat: number
  exp: number
  /** Space-delimited; absent when nothing was granted. */
  scope?: string
  org_id: string
  env: PublishableKey['environment']
}

/** The claims of an assertion, once they were read: who the end user is, and for how long the statement is good. */
interface AssertionClaims { sub: string, jti: string, exp: number }

/** Seconds that a session token lives. */
export const sessionLifetime = 900

const sessionType = 'session+jwt'
const longestAssertion = 4_096

/** Every reason for which an assertion is refused, and what its sender is told: how to make a good one. */
export const assertionProblems = {
  malformed: 'The assertion is not a JWT in compact form of at most 4096 characters.',
  not_authentic: 'The assertion is not signed with ES256 by the signing key of the publishable key that its iss names.',
  wrong_audience: 'aud of the assertion must be the issuer of this server, as one string.',
  wrong_subject: 'sub of the assertion must name the end user in 1 to 255 visible ASCII characters.',
  no_jti: 'jti of the assertion must be a text of 1 to 255 characters that was never sent before.',
  wrong_lifetime: 'iat and exp of the assertion must be whole seconds, exp at most 5 minutes ahead and after iat.',
  not_yet: 'The assertion is from the future; compare the clocks.',
  expired: 'The assertion is expired; sign a new one.',
  revoked: 'The publishable key was revoked.',
  wrong_resource: 'The resource of the publishable key does not exist any more.',
  organization_suspended: 'The organization of the publishable key is suspended.',
  feature_missing: 'The plan of the organization does not include sessions.',
  replayed: 'The assertion was used before; sign a new one for each session.',
} as const
export type AssertionProblem = keyof typeof assertionProblems

/** The answer to an assertion; `key` is the publishable key that a refused one names, if there is such a key. */
export type SessionAnswer =
  | { ok: true, key: PublishableKey, token: string, scopes: readonly string[] }
  | { ok: false, problem: AssertionProblem, key: PublishableKey | null }

export interface SessionExchange {
  /**
   * Takes an assertion and answers with a session token. Of several that come with the same one, exactly one gets it.
   */
  exchange (assertion: string): Promise<SessionAnswer>
}

export interface SessionExchangeOptions {
  issuer: string
  store: PublishableKeyPort & UsedAssertionPort
  registry: Registry
  ring: () => KeyRing
  clock: Clock
}

export function sessionExchange (options: SessionExchangeOptions): SessionExchange {
  return {
    async exchange (assertion) {
      const named = await keyNamedBy(options, assertion)
      if (named === 'malformed' || named === null) return { ok: false, problem: named ?? 'not_authentic', key: null }
      const claims = await authenticClaims(assertion, named)
      const checked = claims === null ? 'not_authentic' : readAssertion(options, claims)
      if (typeof checked === 'string') return { ok: false, problem: checked, key: named }
      const resource = await options.registry.resource(named.resourceId)
      const problem = standing(named, resource, await options.registry.organization(named.organizationId))
      if (problem !== null) return { ok: false, problem, key: named }
      if (!await firstUse(options, named, checked)) return { ok: false, problem: 'replayed', key: named }
      return await mint(options, named, resource!, checked.sub)
    },
  }
}

/** The publishable key that the assertion's issuer names, before anything is believed. */
async function keyNamedBy (
  { store, registry }: SessionExchangeOptions, assertion: string
): Promise<PublishableKey | 'malformed' | null> {
  if (assertion.length > longestAssertion) return 'malformed'
  try {
    const { iss } = decodeJwt(assertion)
    const named = typeof iss === 'string' && iss.length <= 128 ? await store.publishableKeys.byPublishable(iss) : null
    // What is refused for a while is refused there.
    return named && await registry.publishableKey(named.id)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_JWT_INVALID') return 'malformed'
    throw error
  }
}

/** The claims as the signing key signed them; null: it did not. */
async function authenticClaims (
  assertion: string, { publicJwk }: PublishableKey
): Promise<Record<string, unknown> | null> {
  try {
    const { payload, protectedHeader } = await compactVerify(assertion, publicJwk, { algorithms: ['ES256'] })
    const { kid, typ } = protectedHeader
    const ours = !bringsItsOwnKey(protectedHeader) && (kid === undefined || kid === publicJwk.kid) &&
      (typ === undefined || /^jwt$/i.test(typ))
    return ours
      ? JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as Record<string, unknown>
      : null
  } catch {
    return null
  }
}

/** RFC 7523 §3, strictly: meant for this issuer and nobody else, for minutes only, once. */
function readAssertion (
  { issuer, clock }: SessionExchangeOptions, claims: Record<string, unknown>
): AssertionClaims | AssertionProblem {
  const { aud, sub, jti, iat, exp, nbf } = claims
  const now = epochSeconds(clock())
  if (aud !== issuer) return 'wrong_audience'
  if (typeof sub !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(sub)) return 'wrong_subject'
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) return 'no_jti'
  if (!isNumericDate(iat) || !isNumericDate(exp) || (nbf !== undefined && !isNumericDate(nbf))) return 'wrong_lifetime'
  return problemOfTimes({ exp, iat, nbf }, now) ?? { sub, jti, exp }
}

/** What stands against a publishable key now, for its assertions as for its sessions; null: nothing. */
function standing (
  key: PublishableKey, resource: Resource | null, organization: Organization | null
): AssertionProblem & Reason | null {
  if (key.revokedAt !== null) return 'revoked'
  if (resource === null || resource.revokedAt !== null) return 'wrong_resource'
  const against = reasonAgainstOrganization(organization)
  if (against !== null) return against
  const { sessionFeature } = resource.style
  return sessionFeature === undefined || organization!.features.includes(sessionFeature) ? null : 'feature_missing'
}

/** Remembered until it would be refused as expired. */
async function firstUse (
  { store }: SessionExchangeOptions, { id }: PublishableKey, { jti, exp }: AssertionClaims
): Promise<boolean> {
  return await store.usedAssertions.remember(
    digestOf(JSON.stringify([id, jti])), secondsAfter(new Date(exp * 1000), assertionTolerance)
  )
}

async function mint (
  { issuer, ring, clock }: SessionExchangeOptions, key: PublishableKey, resource: Resource, subject: string
): Promise<SessionAnswer> {
  const iat = epochSeconds(clock())
  const scopes = grantableNow(key.scopes, resource.scopes)
  const claims: SessionClaims = {
    iss: issuer,
    aud: resource.identifier,
    sub: subject,
    client_id: key.id,
    jti: newId('ses'),
    iat,
    exp: iat + sessionLifetime,
    // RFC 6749 §3.3 has no empty scope.
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    org_id: key.organizationId,
    env: key.environment,
  }
  return { ok: true, key, token: await signJwt(ring().signing, sessionType, claims), scopes }
}

export interface SessionChecks {
  /** From a session token to a principal of kind `session`. Whatever else is presented is `malformed`. */
  check (text: string, presentation: Presentation): Awaitable<Verdict>
}

/**
 * Checks session tokens; the publishable key behind one is looked up every time, so revoking it ends its sessions at
 * once.
 */
export function sessionChecks (
  { issuer, registry, keys, clock }: Pick<SessionExchangeOptions, 'issuer' | 'registry' | 'clock'> & {
    keys: TrustedKeys
  }
): SessionChecks {
  const reader = jwtReader(sessionType, keys, payload => readClaims(issuer, payload))
  return {
    check (text, presentation) {
      return whenKnown(reader.read(text), claims => {
        const now = clock()
        if (claims === null || isFromTheFuture(claims, now)) return refuse('malformed', null)
        if (presentation.resource !== null && presentation.resource.identifier !== claims.aud) {
          return refuse('wrong_resource', claims)
        }
        if (isExpired(claims, now)) return refuse('expired', claims)
        return whenBothKnown(
          registry.publishableKey(claims.client_id), isKeyRevoked(registry, claims),
          (key, revoked) => key === null || revoked ? refuse('revoked', claims) : judge(registry, key, claims)
        )
      })
    },
  }
}

function judge (registry: Registry, key: PublishableKey, claims: SessionClaims): Awaitable<Verdict> {
  return whenBothKnown(
    registry.resource(key.resourceId),
    registry.organization(key.organizationId),
    (resource, organization) => {
      const reason = standing(key, resource, organization)
      if (reason !== null) return refuse(reason, claims)
      // The resource took another name after the token was made: it is not what the token is for any more.
      if (resource!.identifier !== claims.aud) return refuse('wrong_resource', claims)
      return { ok: true, key: null, principal: sessionPrincipal(key, resource!, claims) }
    }
  )
}

/**
 * Whether a bearer credential says of itself that it is a session token. Decides which check it goes to, and nothing
 * else.
 */
export function resemblesSession (text: string): boolean {
  try {
    return decodeProtectedHeader(text).typ === sessionType
  } catch {
    return false
  }
}

function readClaims (issuer: string, payload: Record<string, unknown>): SessionClaims | null {
  const { iss, aud, sub, client_id: keyId, jti, iat, exp, scope, org_id: organizationId, env } = payload
  const wellFormed = iss === issuer &&
    [aud, sub, keyId, jti, organizationId].every(claim => typeof claim === 'string' && claim !== '') &&
    isNumericDate(iat) && isNumericDate(exp) && (scope === undefined || typeof scope === 'string') &&
    (env === 'live' || env === 'test')
  return wellFormed ? payload as unknown as SessionClaims : null
}

function refuse (reason: Reason, claims: SessionClaims | null): Verdict {
  return {
    ok: false,
    refusal: {
      reason, presented: 'access_token', subject: claims?.client_id ?? null, organizationId: claims?.org_id ?? null
    }
  }
}

function sessionPrincipal (key: PublishableKey, resource: Resource, claims: SessionClaims): Principal {
  const granted = splitScope(claims.scope ?? '')
  return {
    kind: 'session',
    id: key.id,
    subject: claims.sub,
    name: key.name,
    organizationId: key.organizationId,
    organizations: [key.organizationId],
    environment: key.environment,
    resource: resource.identifier,
    resourceId: resource.id,
    groups: [],
    access: null,
    // By the key too: a scope of the same name may have been declared since the token was made.
    scopes: grantableNow(key.scopes, resource.scopes).filter(name => granted.includes(name)),
    creator: null,
    objects: {},
    allowlist: [],
    expiresAt: new Date(claims.exp * 1000),
  }
}

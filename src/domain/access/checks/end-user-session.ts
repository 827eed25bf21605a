/**
 * Sessions of end users (CK-10, after RFC 7523): the holder of a signing key says who the end user is, and gets a token
 * that stands for that user on the resource of its publishable key, for minutes.
 */
import { compactVerify, decodeJwt } from 'jose'
import type { Awaitable } from '../../../base/awaitable.ts'
import { epochSeconds, secondsAfter, type Clock } from '../../../base/clock.ts'
import { digestOf } from '../../../secrets/digest.ts'
import { newId } from '../../../secrets/random.ts'
import {
  reasonAgainstPublishableKey, type PublishableKey, type PublishableKeyPort
} from '../../credentials/publishable-key.ts'
import type { Resource } from '../../resources/resource.ts'
import { grantableNow, splitScope } from '../../resources/scope.ts'
import type { UsedAssertionPort } from '../../core/used-assertions.ts'
import { bringsItsOwnKey, type Signed, type TrustedKeys } from '../../tokens/access-token.ts'
import { assertionTolerance, problemOfTimes } from '../../tokens/assertion.ts'
import { signJwt } from '../../tokens/jws.ts'
import {
  sessionLifetime, sessionTokenReader, sessionType, type SessionClaims
} from '../../tokens/session-token.ts'
import { isNumericDate } from '../../tokens/token-claims.ts'
import { isKeyRevoked, type KeyRing } from '../../tokens/signing-key.ts'
import { factsMemory, notFound, type NotFound, type SessionFacts } from '../facts.ts'
import { judgeCredential, reasonAgainstClaims } from '../judge-credential.ts'
import { policiesFor } from '../policy-lookup.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'

/** The claims of an assertion, once they were read: who the end user is, and for how long the statement is good. */
interface AssertionClaims { sub: string, jti: string, exp: number }

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
      const organization = await options.registry.organization(named.organizationId)
      const problem = reasonAgainstPublishableKey(named, resource, organization)
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

/** RFC 7523 §3, strictly: the audience is this issuer alone, the lifetime is minutes, and each is taken once. */
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

/** Gathers the facts of session tokens. */
export interface SessionAuthenticator {
  /** A text that is not a session token of this issuer is `malformed`. */
  gather (text: string, presentation: Presentation): Awaitable<SessionFacts | NotFound>
}

/** Revoking a publishable key ends its sessions at once: what they are judged by is what the registry has now. */
export function sessionAuthenticator (
  { issuer, registry, keys }: Pick<SessionExchangeOptions, 'issuer' | 'registry'> & { keys: TrustedKeys }
): SessionAuthenticator {
  const reader = sessionTokenReader(issuer, keys)
  const gatherRead = (claims: SessionClaims & Signed | null, presentation: Presentation) => {
    if (claims === null) return notASession
    return remembered.current(claims, registry.state) ?? gatherFacts(registry, claims, presentation)
  }
  const gatherLater = async (
    claims: Promise<SessionClaims & Signed | null>, presentation: Presentation
  ) => await gatherRead(await claims, presentation)
  return {
    gather (text, presentation) {
      const claims = reader.read(text, presentation.now)
      return claims instanceof Promise ? gatherLater(claims, presentation) : gatherRead(claims, presentation)
    },
  }
}

const notASession = notFound('malformed', 'access_token')
const remembered = factsMemory<SessionClaims, SessionFacts>()

/** Looks up all that a session token follows from. */
async function gatherFacts (
  registry: Registry, claims: SessionClaims & Signed, presentation: Presentation
): Promise<SessionFacts> {
  const { state } = registry
  const unknown: SessionFacts = {
    kind: 'session',
    claims,
    key: null,
    isRevoked: false,
    resource: null,
    organization: null,
    principal: null,
    policies: []
  }
  if (reasonAgainstClaims(claims, presentation) !== null) return unknown
  const [key, signingKeys] = await Promise.all([registry.publishableKey(claims.client_id), registry.signingKeys()])
  if (key === null || isKeyRevoked(signingKeys, claims)) return { ...unknown, key, isRevoked: true }
  const [resource, organization] = await Promise.all([
    registry.resource(key.resourceId), registry.organization(key.organizationId)
  ])
  const facts = { ...unknown, key, resource, organization }
  if (judgeCredential(facts, presentation) !== null) return facts
  const policies = await policiesFor(registry, key.organizationId)
  return remembered.keep(claims, state, { ...facts, principal: sessionPrincipal(key, resource!, claims), policies })
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

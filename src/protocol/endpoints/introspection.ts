/** Introspection (RFC 7662): the guard's own verdict, for those who may know it. */
import { addressOf } from '../../base/ip-address.ts'
import { whenKnown, type Awaitable } from '../../base/awaitable.ts'
import { isManagementTokenText } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { epochSeconds, type Clock } from '../../base/clock.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { policiesFor, evaluate } from '../../domain/policy/policy-evaluation.ts'
import type { Authenticator, Presentation, Principal } from '../../domain/access/principal.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { managementResourceId } from '../../domain/resources/resource.ts'
import type { AccessTokenClaims, Signed, TokenReader } from '../../domain/tokens/access-token.ts'
import { OAuthError } from '../shared/oauth-error.ts'

export interface IntrospectionOptions {
  registry: Registry
  reader: TokenReader
  authenticator: Authenticator
  clock: Clock
  refusals: RefusalLog
}

/** How a credential was asked about. */
export interface Question {
  /** Where the credential came from; null: the asking server did not say. */
  address: string | null
  /** The request of the asking server. */
  request: { ip: string, id: string }
}

/** How the header of every token of ours begins, which is a JSON object: `{"`. */
const tokenStart = 'eyJ'

const inactive = '{"active":false}'

/**
 * What `asker` may know of a credential, as JSON (RFC 7662 §2.2; `allowed_addresses`, `environment` and `org_id` are
 * extensions). A token is told about to its own client and to who may introspect for its resource, an API key to the
 * latter only; everybody else, and whatever does not pass, hears `{"active":false}`. Null: a client that introspects
 * for no resource asks about something else than a token of its own, which is a refusal of the client, whatever the
 * text is.
 */
export function introspect (
  options: IntrospectionOptions, asker: Client, text: string, question: Question
): Awaitable<string | null> {
  const mayAsk = asker.introspects.length > 0
  if (isManagementTokenText(text)) return mayAsk ? introspectManagementToken(options, asker, text, question) : null
  // Also a key that was made elsewhere may be a JWT by its form: what no key of ours signed is none of our tokens.
  return whenKnown(text.startsWith(tokenStart) ? options.reader.read(text) : null, claims => {
    if (!mayAsk && claims?.client_id !== asker.id) return null
    return claims === null
      ? introspectKey(options, asker, text, question)
      : introspectToken(options, asker, claims, question)
  })
}

/** The refusal of a client for which `introspect` is null; it is in the deployment's audit log. */
export function notEntitled (
  { refusals }: IntrospectionOptions, { id: subject }: Client, { request }: Question
): OAuthError {
  refusals.record({
    type: 'introspection.refused',
    reason: 'introspects_no_resource',
    subject,
    organizationId: null,
    address: addressOf(request),
    requestId: request.id
  })
  return new OAuthError(
    403,
    'access_denied',
    'This client may ask about tokens of its own alone. To ask about others it needs ' +
      '`introspects`: `latchkey client update CLIENT --introspect RESOURCE`.'
  )
}

function introspectToken (
  options: IntrospectionOptions, asker: Client, claims: AccessTokenClaims & Signed, question: Question
): Awaitable<string> {
  return whenKnown(options.authenticator.checkClaims(claims, presentationOf(question)), verdict => {
    if (!verdict.ok) return inactive
    return whenKnown(claims.client_id === asker.id || serves(options.registry, asker, claims.aud), mayKnow => {
      if (mayKnow) {
        return underPolicies(options, verdict.principal, 'access_token', question, principal =>
          aboutToken(principal, claims))
      }
      refuse(options, asker, claims.client_id, question)
      return inactive
    })
  })
}

function introspectKey (
  options: IntrospectionOptions, asker: Client, text: string, question: Question
): Awaitable<string> {
  return whenKnown(
    options.authenticator.check({ kind: 'api_key', text }, { ...presentationOf(question), among: asker.introspects }),
    verdict => {
      const key = verdict.ok ? verdict.key : null
      if (!verdict.ok || key === null) return inactive
      if (asker.introspects.includes(key.resourceId)) {
        return underPolicies(options, verdict.principal, 'api_key', question, principal =>
          aboutKey(principal, key))
      }
      refuse(options, asker, key.id, question)
      return inactive
    }
  )
}

async function introspectManagementToken (
  options: IntrospectionOptions, asker: Client, text: string, question: Question
): Promise<string> {
  const { registry, authenticator } = options
  const verdict = await authenticator.check({ kind: 'access_token', text }, presentationOf(question))
  const token = verdict.ok ? await registry.managementToken(digestOf(text)) : null
  if (!verdict.ok || token === null || !asker.introspects.includes(managementResourceId)) return inactive
  return await underPolicies(
    options, verdict.principal, 'management_token', question,
    principal => answer(principal, aboutSecret(principal, 'Bearer', token.createdAt))
  )
}

/** Where the caller is, only the asking server knows: unless it says so, it gets the allowlist instead. */
function presentationOf ({ address }: Question): Presentation {
  return { resource: null, address, leavesAllowlist: address === null }
}

/**
 * The credential is good, but who asks may not know it. Its organization would read it in its own audit log, so it is
 * in the deployment's.
 */
function refuse (
  { refusals }: IntrospectionOptions, { id: subject }: Client, credential: string, { request }: Question
): void {
  refusals.record({
    type: 'introspection.refused',
    reason: 'not_for_this_client',
    subject,
    organizationId: null,
    address: addressOf(request),
    requestId: request.id,
    detail: { credential }
  })
}

function serves (registry: Registry, asker: Client, identifier: string): Awaitable<boolean> {
  return whenKnown(
    registry.resourceByIdentifier(identifier), resource => resource !== null && asker.introspects.includes(resource.id)
  )
}

/**
 * What was said of a principal stays true: as soon as anything about it changes, the authenticator makes another one.
 */
const said = new WeakMap<Principal, string>()

/**
 * What is to be said of a principal, in `say`'s words, when policies have taken from it what they take. Where they go
 * by the address and none was said, that which refuses more is taken to be so.
 */
function underPolicies (
  { registry, clock }: IntrospectionOptions,
  principal: Principal,
  kind: 'api_key' | 'access_token' | 'management_token',
  { address }: Question,
  say: (principal: Principal) => string
): Awaitable<string> {
  const { organizationId, groups, resourceId } = principal
  return whenKnown(policiesFor(registry, organizationId), sets => {
    if (sets.length === 0) return said.get(principal) ?? sayOnce(principal, say)
    const { refusedBy, scopes } = evaluate(sets, { kind, organizationId, groups, resourceId }, principal.scopes, {
      address, now: clock()
    })
    return refusedBy === null ? say({ ...principal, scopes }) : inactive
  })
}

function sayOnce (principal: Principal, say: (principal: Principal) => string): string {
  const text = say(principal)
  said.set(principal, text)
  return text
}

function aboutToken (
  principal: Principal, { client_id: clientId, exp, iat, sub, aud, iss, jti, org_id: organizationId }: AccessTokenClaims
): string {
  return answer(principal, {
    scope: principal.scopes.join(' ') || undefined,
    client_id: clientId,
    token_type: 'Bearer',
    exp,
    iat,
    sub,
    aud,
    iss,
    jti,
    org_id: organizationId
  })
}

function aboutKey (principal: Principal, { createdAt }: ApiKey): string {
  return answer(principal, { ...aboutSecret(principal, 'api_key', createdAt), environment: principal.environment })
}

/** What there is to say of a secret that has a row of its own, and carries nothing itself. */
function aboutSecret (principal: Principal, tokenType: 'api_key' | 'Bearer', createdAt: Date) {
  return {
    scope: principal.scopes.join(' ') || undefined,
    token_type: tokenType,
    exp: principal.expiresAt === null ? undefined : epochSeconds(principal.expiresAt),
    iat: epochSeconds(createdAt),
    sub: principal.id,
    aud: principal.resource ?? undefined,
    org_id: principal.organizationId ?? undefined,
  }
}

/** What is undefined of `members` is left out of the JSON. */
function answer ({ allowlist }: Principal, members: Record<string, unknown>): string {
  return JSON.stringify({ active: true, ...members, allowed_addresses: allowlist.length > 0 ? allowlist : undefined })
}

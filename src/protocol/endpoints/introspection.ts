/** Introspection (RFC 7662): the guard's own verdict on a credential, for clients that may know it. */
import { addressOf } from '../../base/ip-address.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { isManagementTokenText } from '../../secrets/credential-text.ts'
import { epochSeconds, type Clock } from '../../base/clock.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { evaluateFor } from '../../domain/access/policy-lookup.ts'
import type { Authenticator } from '../../domain/access/authenticator.ts'
import {
  keyFactsOf, principalOf, type CredentialFacts, type KeyFacts, type KeyTokenFacts, type ManagementTokenFacts,
  type TokenFacts,
  type WorkloadTokenFacts
} from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge-credential.ts'
import type { Presentation, Principal } from '../../domain/access/principal.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { Signed, TokenReader } from '../../domain/tokens/access-token.ts'
import type { AccessTokenClaims } from '../../domain/tokens/token-claims.ts'
import { OAuthError } from '../shared/oauth-error.ts'

export interface IntrospectionOptions {
  reader: TokenReader
  authenticator: Authenticator
  clock: Clock
  refusals: RefusalLog
  /** Where the use of API keys is noted. */
  keyUsage: Pick<LastUsedRecorder, 'touch'>
}

/** The request of a client that introspects. */
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
 * The answer to `asker` about a credential, as JSON (RFC 7662 §2.2; `allowed_addresses`, `environment`, `org_id`,
 * `sub_kind` and `workload` are extensions). A token is described to its own client and to clients that introspect for
 * its resource, an API key to the latter only; all others, and all about a credential that does not pass, get
 * `{"active":false}`. Null: a client that introspects for no resource asks about something else than a token of its
 * own, whatever the text is.
 */
export function introspect (
  options: IntrospectionOptions, asker: Client, text: string, question: Question
): Awaitable<string | null> {
  const presentation = presentationOf(asker, question, options.clock())
  const facts = gather(options, asker, text, presentation)
  return facts instanceof Promise
    ? answerLater(options, asker, facts, presentation, question)
    : answerBy(options, asker, facts, presentation, question)
}

async function answerLater (
  options: IntrospectionOptions, asker: Client, facts: Promise<CredentialFacts | null>, presentation: Presentation,
  question: Question
): Promise<string | null> {
  return answerBy(options, asker, await facts, presentation, question)
}

/** Where the caller is, only the asking server knows: unless it says so, it gets the allowlist instead. */
function presentationOf ({ introspects }: Client, { address }: Question, now: Date): Presentation {
  return { resource: null, among: introspects, address, leavesAllowlist: address === null, now }
}

/** The refusal of a client for which `introspect` is null, recorded in the audit log of the deployment. */
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

/** The facts of the credential that is asked about; null: the client may not ask about it. */
function gather (
  { reader, authenticator }: IntrospectionOptions, asker: Client, text: string, presentation: Presentation
): Awaitable<CredentialFacts | null> {
  const mayAsk = asker.introspects.length > 0
  if (isManagementTokenText(text)) {
    return mayAsk ? authenticator.gather({ kind: 'access_token', text }, presentation) : null
  }
  // An API key that was made elsewhere may be a JWT by its form, too: what no key of ours signed is no token of ours.
  const claims = text.startsWith(tokenStart) ? reader.read(text, presentation.now) : null
  return claims instanceof Promise
    ? gatherLater(authenticator, asker, text, claims, presentation)
    : gatherRead(authenticator, asker, text, claims, presentation)
}

async function gatherLater (
  authenticator: Authenticator, asker: Client, text: string, claims: Promise<AccessTokenClaims & Signed | null>,
  presentation: Presentation
): Promise<CredentialFacts | null> {
  return await gatherRead(authenticator, asker, text, await claims, presentation)
}

function gatherRead (
  authenticator: Authenticator, asker: Client, text: string, claims: AccessTokenClaims & Signed | null,
  presentation: Presentation
): Awaitable<CredentialFacts | null> {
  if (asker.introspects.length === 0 && claims?.client_id !== asker.id) return null
  return claims === null
    ? authenticator.gather({ kind: 'api_key', text }, presentation)
    : authenticator.gatherClaims(claims, presentation)
}

/** Judges the credential, and says what the client may know of it. */
function answerBy (
  options: IntrospectionOptions, asker: Client, facts: CredentialFacts | null, presentation: Presentation,
  question: Question
): string | null {
  if (facts === null) return null
  if (judgeCredential(facts, presentation) !== null || !isDescribed(facts)) return inactive
  if (mayKnow(asker, facts)) return used(options, facts, presentation, underPolicies(facts, presentation))
  if (facts.kind !== 'management_token') refuse(options, asker, principalOf(facts).id, question)
  return inactive
}

/** Notes the use of a key that was described, or of its token: the asking server has it. Counts no call. */
function used ({ keyUsage }: IntrospectionOptions, facts: Described, { now }: Presentation, answered: string): string {
  const key = keyFactsOf(facts)?.key
  if (key !== undefined && answered !== inactive) keyUsage.touch(key.id, now)
  return answered
}

/** What introspection has an answer for. */
type Described = TokenFacts | KeyTokenFacts | WorkloadTokenFacts | KeyFacts | ManagementTokenFacts

const describedKinds: ReadonlySet<CredentialFacts['kind']> = new Set<Described['kind']>([
  'access_token', 'key_token', 'workload_token', 'api_key', 'management_token'
])

function isDescribed (facts: CredentialFacts): facts is Described {
  return describedKinds.has(facts.kind)
}

function mayKnow (asker: Client, facts: Described): boolean {
  const isOfClient = facts.kind === 'access_token' || facts.kind === 'workload_token'
  if (isOfClient && facts.claims.client_id === asker.id) return true
  return facts.resource !== null && asker.introspects.includes(facts.resource.id)
}

/**
 * The credential is good, but the client may not know it. Its organization would read that in its own audit log, so it
 * is in the deployment's.
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

/** Descriptions by principal: as soon as anything about it changes, another principal is made. */
const described = new WeakMap<Principal, string>()

/**
 * Describes a credential with the scopes that policies leave it. Where they depend on the address and none was given,
 * that which refuses more counts.
 */
function underPolicies (facts: Described, { address, now }: Presentation): string {
  const { kind, policies } = facts
  const principal = principalOf(facts)
  if (policies.length === 0) return described.get(principal) ?? describeOnce(facts, principal)
  const { refusedBy, scopes } = evaluateFor(kind, policies, principal, { address, now })
  return refusedBy === null ? describe(facts, { ...principal, scopes }) : inactive
}

function describeOnce (facts: Described, principal: Principal): string {
  const text = describe(facts, principal)
  described.set(principal, text)
  return text
}

function describe (facts: Described, principal: Principal): string {
  switch (facts.kind) {
    case 'access_token': return answer(principal, aboutToken(principal, facts.claims))
    case 'key_token': return answer(principal, {
      ...aboutToken(principal, facts.claims), sub_kind: facts.claims.sub_kind, environment: principal.environment
    })
    case 'workload_token': return answer(principal, {
      ...aboutToken(principal, facts.claims), sub_kind: facts.claims.sub_kind, workload: facts.claims.workload
    })
    case 'management_token': return answer(principal, aboutSecret(principal, 'Bearer', facts.token.createdAt))
    case 'api_key': return answer(principal, {
      ...aboutSecret(principal, 'api_key', facts.key.createdAt), environment: principal.environment
    })
  }
}

function aboutToken (
  { scopes }: Principal,
  { client_id: clientId, exp, iat, sub, aud, iss, jti, org_id: organizationId }: AccessTokenClaims
): Record<string, unknown> {
  return {
    scope: scopes.join(' ') || undefined,
    client_id: clientId,
    token_type: 'Bearer',
    exp,
    iat,
    sub,
    aud,
    iss,
    jti,
    org_id: organizationId
  }
}

/** A secret carries nothing itself: its description comes from its record. */
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

/** Members that are undefined are left out of the JSON. */
function answer ({ allowlist }: Principal, members: Record<string, unknown>): string {
  return JSON.stringify({ active: true, ...members, allowed_addresses: allowlist.length > 0 ? allowlist : undefined })
}

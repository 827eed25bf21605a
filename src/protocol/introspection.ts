/** Introspection (RFC 7662): the guard's own verdict, for those who may know it. */
import { digestOf, isManagementTokenText } from '../secrets.ts'
import { epochSeconds, type Clock } from '../clock.ts'
import type { Client } from '../domain/client.ts'
import { policiesFor, weigh } from '../domain/policy-set.ts'
import type { Authenticator, Principal } from '../domain/principal.ts'
import type { RefusalLog } from '../domain/refusals.ts'
import type { Registry } from '../domain/registry.ts'
import { managementResourceId } from '../domain/resource.ts'
import type { AccessTokenClaims, TokenReader } from '../domain/token.ts'

export interface IntrospectionOptions {
  issuer: string
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

/** RFC 7662 §2.2; `allowed_addresses`, `environment` and `org_id` are extensions. */
export type Introspection = { active: false } | { active: true, [member: string]: unknown }

/** How the header of every token of ours begins, which is a JSON object: `{"`. */
const tokenStart = 'eyJ'

const inactive: Introspection = { active: false }

/**
 * What `asker` may know of a credential. A token is told about to its own client and to who may introspect for its
 * resource, an API key to the latter only; everybody else, and whatever does not pass, hears `{"active":false}` (§2.2).
 */
export async function introspect (options: IntrospectionOptions, asker: Client, text: string, question: Question): Promise<Introspection> {
  if (isManagementTokenText(text)) return await introspectManagementToken(options, asker, text, question)
  // Also a key that was made elsewhere may be a JWT by its form: what no key of ours signed is none of our tokens.
  const claims = text.startsWith(tokenStart) ? await options.reader.read(text) : null
  return claims === null ? await introspectKey(options, asker, text, question) : await introspectToken(options, asker, { text, claims }, question)
}

async function introspectToken (options: IntrospectionOptions, asker: Client, { text, claims }: { text: string, claims: AccessTokenClaims }, question: Question): Promise<Introspection> {
  const { issuer, registry, authenticator } = options
  // Where the caller is, only the asking server knows: unless it says so, it gets the allowlist instead.
  const verdict = await authenticator.check({ kind: 'access_token', text }, { resource: null, address: question.address })
  if (!verdict.ok || verdict.principal.kind !== 'access_token') return inactive
  if (claims.client_id !== asker.id && !await serves(registry, asker, claims.aud)) {
    refuse(options, asker, claims.client_id, question)
    return inactive
  }
  const principal = await underPolicies(options, verdict.principal, 'access_token', question.address)
  if (principal === null) return inactive
  const { client_id: clientId, exp, iat, sub, aud, jti, org_id: organizationId } = claims
  return answer(principal, { scope: principal.scopes.join(' ') || undefined, client_id: clientId, token_type: 'Bearer', exp, iat, sub, aud, iss: issuer, jti, org_id: organizationId })
}

async function introspectKey (options: IntrospectionOptions, asker: Client, text: string, question: Question): Promise<Introspection> {
  const { authenticator } = options
  const verdict = await authenticator.check({ kind: 'api_key', text }, { resource: null, address: question.address })
  const key = verdict.ok ? verdict.key : null
  if (!verdict.ok || key === null) return inactive
  if (!asker.introspects.includes(key.resourceId)) {
    refuse(options, asker, key.id, question)
    return inactive
  }
  const principal = await underPolicies(options, verdict.principal, 'api_key', question.address)
  if (principal === null) return inactive
  return answer(principal, { ...aboutSecret(principal, 'api_key', key.createdAt), environment: principal.environment })
}

async function introspectManagementToken (options: IntrospectionOptions, asker: Client, text: string, question: Question): Promise<Introspection> {
  const { registry, authenticator } = options
  const verdict = await authenticator.check({ kind: 'access_token', text }, { resource: null, address: question.address })
  const token = verdict.ok ? await registry.managementToken(digestOf(text)) : null
  if (!verdict.ok || token === null || !asker.introspects.includes(managementResourceId)) return inactive
  const principal = await underPolicies(options, verdict.principal, 'management_token', question.address)
  if (principal === null) return inactive
  return answer(principal, aboutSecret(principal, 'Bearer', token.createdAt))
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

/**
 * What policies leave of a principal; null: nothing that would be let through. Where they go by the address and none was
 * said, that which refuses more is taken to be so.
 */
async function underPolicies (
  { registry, clock }: IntrospectionOptions, principal: Principal, kind: 'api_key' | 'access_token' | 'management_token', address: string | null
): Promise<Principal | null> {
  const { organizationId, groups, resourceId } = principal
  const { refusedBy, scopes } = weigh(await policiesFor(registry, organizationId), { kind, organizationId, groups, resourceId }, principal.scopes, { address, now: clock() })
  return refusedBy === null ? { ...principal, scopes } : null
}

/** The credential is good, but who asks may not know it. Its organization would read it in its own audit log, so it is in the deployment's. */
function refuse ({ refusals }: IntrospectionOptions, { id: subject }: Client, credential: string, { request: { ip, id } }: Question): void {
  refusals.record({ type: 'introspection.refused', reason: 'not_for_this_client', subject, organizationId: null, address: ip, requestId: id, detail: { credential } })
}

async function serves (registry: Registry, asker: Client, identifier: string): Promise<boolean> {
  const resource = await registry.resourceByIdentifier(identifier)
  return resource !== null && asker.introspects.includes(resource.id)
}

/** What is undefined of `members` is left out on the way to JSON. */
function answer ({ allowlist }: Principal, members: Record<string, unknown>): Introspection {
  return { active: true, ...members, allowed_addresses: allowlist.length > 0 ? allowlist : undefined }
}

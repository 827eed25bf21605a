/** Introspection (RFC 7662): the guard's own verdict, for those who may know it. */
import { digestOf, isManagementTokenText } from '../secrets.ts'
import { epochSeconds, type Clock } from '../clock.ts'
import type { Client } from '../domain/client.ts'
import { policiesFor, weigh } from '../domain/policy-set.ts'
import type { Authenticator, Principal } from '../domain/principal.ts'
import type { Registry } from '../domain/registry.ts'
import { managementResourceId } from '../domain/resource.ts'
import { isJwtByForm, type TokenReader } from '../domain/token.ts'

export interface IntrospectionOptions {
  issuer: string
  registry: Registry
  reader: TokenReader
  authenticator: Authenticator
  clock: Clock
  /** Told of a good credential, by its id, about which the asking client may not know. */
  onRefusal? (credential: string): void
}

/** RFC 7662 §2.2; `allowed_addresses`, `environment` and `org_id` are extensions. */
export type Introspection = { active: false } | { active: true, [member: string]: unknown }

const inactive: Introspection = { active: false }

/**
 * What `asker` may know of a credential that came from `address`, null: it did not say from where. A token is told about to its own client and to who may introspect for its
 * resource, an API key to the latter only; everybody else, and whatever does not pass, hears `{"active":false}` (§2.2).
 */
export async function introspect (options: IntrospectionOptions, asker: Client, text: string, address: string | null): Promise<Introspection> {
  if (isManagementTokenText(text)) return await introspectManagementToken(options, asker, text, address)
  // Also a key that was made elsewhere may be a JWT by its form: what no key of ours signed is none of our tokens.
  const isToken = isJwtByForm(text) && await options.reader.read(text) !== null
  return isToken ? await introspectToken(options, asker, text, address) : await introspectKey(options, asker, text, address)
}

async function introspectToken (options: IntrospectionOptions, asker: Client, text: string, address: string | null): Promise<Introspection> {
  const { issuer, registry, reader, authenticator, onRefusal } = options
  // Where the caller is, only the asking server knows: unless it says so, it gets the allowlist instead.
  const verdict = await authenticator.check({ kind: 'access_token', text }, { resource: null, address })
  const claims = verdict.ok && verdict.principal.kind === 'access_token' ? await reader.read(text) : null
  if (!verdict.ok || claims === null) return inactive
  if (claims.client_id !== asker.id && !await serves(registry, asker, claims.aud)) {
    onRefusal?.(claims.client_id)
    return inactive
  }
  const principal = await underPolicies(options, verdict.principal, 'access_token', address)
  if (principal === null) return inactive
  const { client_id: clientId, exp, iat, sub, aud, jti, org_id: organizationId } = claims
  return answer(principal, { scope: principal.scopes.join(' ') || undefined, client_id: clientId, token_type: 'Bearer', exp, iat, sub, aud, iss: issuer, jti, org_id: organizationId })
}

async function introspectKey (options: IntrospectionOptions, asker: Client, text: string, address: string | null): Promise<Introspection> {
  const { authenticator, onRefusal } = options
  const verdict = await authenticator.check({ kind: 'api_key', text }, { resource: null, address })
  const key = verdict.ok ? verdict.key : null
  if (!verdict.ok || key === null) return inactive
  if (!asker.introspects.includes(key.resourceId)) {
    onRefusal?.(key.id)
    return inactive
  }
  const principal = await underPolicies(options, verdict.principal, 'api_key', address)
  if (principal === null) return inactive
  return answer(principal, { ...aboutSecret(principal, 'api_key', key.createdAt), environment: principal.environment })
}

async function introspectManagementToken (options: IntrospectionOptions, asker: Client, text: string, address: string | null): Promise<Introspection> {
  const { registry, authenticator } = options
  const verdict = await authenticator.check({ kind: 'access_token', text }, { resource: null, address })
  const token = verdict.ok ? await registry.managementToken(digestOf(text)) : null
  if (!verdict.ok || token === null || !asker.introspects.includes(managementResourceId)) return inactive
  const principal = await underPolicies(options, verdict.principal, 'management_token', address)
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
    aud: principal.resource,
    org_id: principal.organizationId,
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

async function serves (registry: Registry, asker: Client, identifier: string): Promise<boolean> {
  const resource = await registry.resourceByIdentifier(identifier)
  return resource !== null && asker.introspects.includes(resource.id)
}

function answer ({ allowlist }: Principal, members: Record<string, unknown>): Introspection {
  const known = Object.entries(members).filter(([, value]) => value !== undefined && value !== null)
  return { active: true, ...Object.fromEntries(known), ...(allowlist.length > 0 ? { allowed_addresses: [...allowlist] } : {}) }
}

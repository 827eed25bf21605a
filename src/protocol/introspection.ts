/** Introspection (RFC 7662): the guard's own verdict, for those who may know it. */
import { epochSeconds } from '../clock.ts'
import type { Client } from '../domain/client.ts'
import type { Authenticator, Principal } from '../domain/principal.ts'
import type { Registry } from '../domain/registry.ts'
import { isJwtByForm, type TokenReader } from '../domain/token.ts'

export interface IntrospectionOptions { issuer: string, registry: Registry, reader: TokenReader, authenticator: Authenticator }

/** RFC 7662 §2.2; `allowed_addresses`, `environment` and `org_id` are extensions. */
export type Introspection = { active: false } | { active: true, [member: string]: unknown }

const inactive: Introspection = { active: false }

/**
 * What `asker` may know of a credential. A token is told about to its own client and to who may introspect for its
 * resource, an API key to the latter only; everybody else, and whatever does not pass, hears `{"active":false}` (§2.2).
 */
export async function introspect (options: IntrospectionOptions, asker: Client, text: string): Promise<Introspection> {
  // Also a key that was made elsewhere may be a JWT by its form: what no key of ours signed is none of our tokens.
  const isToken = isJwtByForm(text) && await options.reader.read(text) !== null
  return isToken ? await introspectToken(options, asker, text) : await introspectKey(options, asker, text)
}

async function introspectToken ({ issuer, registry, reader, authenticator }: IntrospectionOptions, asker: Client, text: string): Promise<Introspection> {
  // Where the caller is, only the asking server knows: it gets the allowlist instead.
  const verdict = await authenticator.check({ kind: 'access_token', text }, { resource: null, address: null })
  const claims = verdict.ok && verdict.principal.kind === 'access_token' ? await reader.read(text) : null
  if (!verdict.ok || claims === null) return inactive
  if (claims.client_id !== asker.id && !await serves(registry, asker, claims.aud)) return inactive
  const { scope, client_id: clientId, exp, iat, sub, aud, jti, org_id: organizationId } = claims
  return answer(verdict.principal, { scope, client_id: clientId, token_type: 'Bearer', exp, iat, sub, aud, iss: issuer, jti, org_id: organizationId })
}

async function introspectKey ({ authenticator }: IntrospectionOptions, asker: Client, text: string): Promise<Introspection> {
  const verdict = await authenticator.check({ kind: 'api_key', text }, { resource: null, address: null })
  const key = verdict.ok ? verdict.key : null
  if (!verdict.ok || key === null || !asker.introspects.includes(key.resourceId)) return inactive
  const { principal } = verdict
  return answer(principal, {
    scope: principal.scopes.join(' ') || undefined,
    token_type: 'api_key',
    exp: principal.expiresAt === null ? undefined : epochSeconds(principal.expiresAt),
    iat: epochSeconds(key.createdAt),
    sub: principal.id,
    aud: principal.resource,
    org_id: principal.organizationId,
    environment: principal.environment,
  })
}

async function serves (registry: Registry, asker: Client, identifier: string): Promise<boolean> {
  const resource = await registry.resourceByIdentifier(identifier)
  return resource !== null && asker.introspects.includes(resource.id)
}

function answer ({ allowlist }: Principal, members: Record<string, unknown>): Introspection {
  const known = Object.entries(members).filter(([, value]) => value !== undefined && value !== null)
  return { active: true, ...Object.fromEntries(known), ...(allowlist.length > 0 ? { allowed_addresses: [...allowlist] } : {}) }
}

/**
 * Authentication: from a credential to a principal, or to the reason why not. The order of the checks is fixed:
 * parse → find → compare → state → organization → address → environment → scope; the first that fails is the reason.
 */
import { whenBothKnown, whenKnown, type Awaitable } from '../awaitable.ts'
import type { Clock } from '../clock.ts'
import { digestOf, readApiKeyText, sameDigest, type Environment } from '../secrets.ts'
import { isAllowed } from '../address.ts'
import type { ApiKey } from './api-key.ts'
import type { Client } from './client.ts'
import type { Organization } from './organization.ts'
import type { Registry } from './registry.ts'
import { managementResourceId, type Resource } from './resource.ts'
import { splitScope } from './scope.ts'
import { isExpired, isFromTheFuture, type AccessTokenClaims, type TokenReader } from './token.ts'

/** The outcome of authentication, however it was proved. */
export interface Principal {
  kind: 'api_key' | 'access_token' | 'admin_token'
  /** The key's id, the `client_id`, or `admin`. */
  id: string
  name: string
  /** The organization it acts for; null: none, or, for the admin token, the whole deployment. */
  organizationId: string | null
  environment: Environment
  /** The identifier of the resource the credential is for; null: the admin token, which is for the management API. */
  resource: string | null
  scopes: readonly string[]
  allowlist: readonly string[]
  /** Null: never. */
  expiresAt: Date | null
}

/** Every reason for which a request is refused. Precise, for the log; outside, the resource's style collapses them. */
export type Reason =
  | 'no_credential' | 'several_credentials' | 'credential_in_query' | 'key_as_bearer'
  | 'malformed' | 'unknown' | 'wrong_resource' | 'revoked' | 'expired' | 'superseded'
  | 'organization_suspended' | 'address_not_allowed'
  | 'insufficient_scope' | 'api_key_required'

/** A refusal: the reason, and what is known about who was refused. */
export interface Refusal {
  reason: Reason
  /** How the caller tried to prove itself; null: not at all, or in more than one way. */
  presented: 'api_key' | 'access_token' | null
  /** The credential's id, once it was found. */
  subject: string | null
  organizationId: string | null
  /** For `insufficient_scope`. */
  requiredScopes?: readonly string[]
}

/** The answer of a check: "no" is a value. */
export type Verdict = { ok: true, principal: Principal } | { ok: false, refusal: Refusal }

/** What a caller presented. */
export interface Credential { kind: 'api_key' | 'access_token', text: string }

/**
 * Where and for what it was presented. `resource` null: any resource of this deployment will do. `address` null: it is
 * not known here, as when another server asks about the credential; whoever asks has to apply the allowlist.
 */
export interface Presentation { resource: Resource | null, address: string | null }

/** Checks credentials against the registry as it is at the moment of the call. Throws only when the registry does. */
export interface Authenticator {
  check (credential: Credential, presentation: Presentation): Awaitable<Verdict>
}

export interface AuthenticatorOptions {
  registry: Registry
  reader: TokenReader
  clock: Clock
  /** Digest of the admin token, good for the management API alone; null: there is none. */
  adminTokenDigest: string | null
}

export function authenticator (options: AuthenticatorOptions): Authenticator {
  return {
    check (credential, presentation) {
      if (credential.kind === 'api_key') return checkApiKey(options, credential.text, presentation)
      if (isAdminToken(options, credential.text, presentation)) return adminVerdict
      return checkAccessToken(options, credential.text, presentation)
    },
  }
}

/** Adds the last step: whether the principal has every scope that the route asks for. */
export function requireScopes (verdict: Verdict, scopes: readonly string[]): Verdict {
  if (!verdict.ok || verdict.principal.kind === 'admin_token') return verdict
  const { principal } = verdict
  if (scopes.every(scope => principal.scopes.includes(scope))) return verdict
  return {
    ok: false,
    refusal: {
      reason: 'insufficient_scope',
      presented: principal.kind === 'api_key' ? 'api_key' : 'access_token',
      subject: principal.id,
      organizationId: principal.organizationId,
      requiredScopes: scopes,
    },
  }
}

function checkApiKey (options: AuthenticatorOptions, text: string, presentation: Presentation): Awaitable<Verdict> {
  const { registry, clock } = options
  const parsed = readApiKeyText(text)
  if (parsed === null) return refuse('malformed', 'api_key')
  // Found by its SHA-256: there is nothing left to compare that could take longer the nearer a guess comes.
  return whenKnown(registry.apiKey(digestOf(text)), key => {
    if (key === null || key.environment !== parsed.environment) return refuse('unknown', 'api_key')
    return whenBothKnown(registry.resource(key.resourceId), registry.organization(key.organizationId), (resource, organization) => {
      const reason = reasonAgainstKey(key, resource, organization, presentation, clock())
      return reason === null ? { ok: true, principal: keyPrincipal(key, resource!) } : refuse(reason, 'api_key', key.id, key.organizationId)
    })
  })
}

function reasonAgainstKey (key: ApiKey, own: Resource | null, organization: Organization | null, { resource, address }: Presentation, now: Date): Reason | null {
  if (own === null || own.revokedAt !== null || (resource !== null && resource.id !== own.id)) return 'wrong_resource'
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= now) return 'expired'
  if (organization?.status !== 'active') return 'organization_suspended'
  if (address !== null && !isAllowed(address, key.allowlist)) return 'address_not_allowed'
  return null
}

function checkAccessToken ({ registry, reader, clock }: AuthenticatorOptions, text: string, presentation: Presentation): Awaitable<Verdict> {
  return whenKnown(reader.read(text), claims => {
    const now = clock()
    if (claims === null || isFromTheFuture(claims, now)) return refuse('malformed', 'access_token')
    const refuseToken = (reason: Reason) => refuse(reason, 'access_token', claims.client_id, claims.org_id ?? null)
    if (presentation.resource !== null && presentation.resource.identifier !== claims.aud) return refuseToken('wrong_resource')
    if (isExpired(claims, now)) return refuseToken('expired')
    return whenBothKnown(registry.client(claims.client_id), registry.isTokenRevoked(claims.jti), (client, revoked) => {
      if (client === null || client.revokedAt !== null || revoked) return refuseToken('revoked')
      if (client.generation !== claims.gen) return refuseToken('superseded')
      const organization = client.organizationId === null ? null : registry.organization(client.organizationId)
      return whenBothKnown(presentation.resource ?? registry.resourceByIdentifier(claims.aud), organization, (resource, organization) => {
        const reason = reasonAgainstClient(client, resource, organization, presentation)
        return reason === null ? { ok: true, principal: tokenPrincipal(claims, client) } : refuseToken(reason)
      })
    })
  })
}

function reasonAgainstClient (client: Client, resource: Resource | null, organization: Organization | null, { address }: Presentation): Reason | null {
  if (resource === null || resource.revokedAt !== null) return 'wrong_resource'
  if (client.organizationId !== null && organization?.status !== 'active') return 'organization_suspended'
  if (address !== null && !isAllowed(address, client.allowlist)) return 'address_not_allowed'
  return null
}

function isAdminToken ({ adminTokenDigest }: AuthenticatorOptions, text: string, { resource }: Presentation): boolean {
  if (adminTokenDigest === null || (resource !== null && resource.id !== managementResourceId)) return false
  return sameDigest(digestOf(text), adminTokenDigest)
}

function refuse (reason: Reason, presented: Refusal['presented'], subject: string | null = null, organizationId: string | null = null): Verdict {
  return { ok: false, refusal: { reason, presented, subject, organizationId } }
}

function keyPrincipal (key: ApiKey, resource: Resource): Principal {
  return {
    kind: 'api_key',
    id: key.id,
    name: key.name,
    organizationId: key.organizationId,
    environment: key.environment,
    resource: resource.identifier,
    scopes: declaredScopes(key, resource),
    allowlist: key.allowlist,
    expiresAt: key.expiresAt,
  }
}

// Both are records that nobody changes: what follows from them is true as long as they are the registry's.
const declared = new WeakMap<ApiKey, { by: Resource, scopes: readonly string[] }>()

/** Of a key's scopes, those that its resource still has: one that was taken away is gone on the next request, as from a client's tokens. */
function declaredScopes (key: ApiKey, resource: Resource): readonly string[] {
  const known = declared.get(key)
  if (known?.by === resource) return known.scopes
  const scopes = key.scopes.filter(name => resource.scopes.some(scope => scope.name === name))
  declared.set(key, { by: resource, scopes })
  return scopes
}

function tokenPrincipal (claims: AccessTokenClaims, client: Client): Principal {
  return {
    kind: 'access_token',
    id: client.id,
    name: client.name,
    organizationId: client.organizationId,
    environment: 'live',
    resource: claims.aud,
    scopes: claims.scope === undefined ? [] : splitScope(claims.scope),
    allowlist: client.allowlist,
    expiresAt: new Date(claims.exp * 1000),
  }
}

const adminVerdict: Verdict = {
  ok: true,
  principal: {
    kind: 'admin_token', id: 'admin', name: 'admin token', organizationId: null, environment: 'live', resource: null, scopes: [], allowlist: [], expiresAt: null,
  },
}

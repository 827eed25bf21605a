/**
 * Gathers the facts of the credential that a caller presents: an API key, an access token, a token of the management
 * API, or the admin token. Decides nothing: `judge` does, by these facts.
 */
import type { Awaitable } from '../../base/awaitable.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import { isManagementTokenText, resemblesManagementToken } from '../../secrets/credential-text.ts'
import { scopesOfManagementToken, type ManagementToken } from '../credentials/management-token.ts'
import { creatorOf, groupsOf, type Member } from '../members/permissions.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { tokenReader, type Signed, type TokenReader } from '../tokens/access-token.ts'
import type { SigningKeys } from '../tokens/signing-key.ts'
import type { AccessTokenClaims } from '../tokens/token-claims.ts'
import { factsOfClaims, gatherAccessToken, type AccessTokenFacts } from './checks/check-access-token.ts'
import { gatherApiKey } from './checks/check-api-key.ts'
import { webhookAuthenticator, type WebhookAuthenticator } from './checks/check-webhook-token.ts'
import { sessionAuthenticator, type SessionAuthenticator } from './checks/end-user-session.ts'
import {
  notFound, type AdminTokenFacts, type CredentialFacts, type ManagementTokenFacts, type NotFound
} from './facts.ts'
import { judgeCredential } from './judge-credential.ts'
import { policiesFor } from './policy-lookup.ts'
import type { Credential, Presentation, Principal } from './principal.ts'
import type { Registry } from './registry.ts'

/** Gathers facts from the registry as it is at the moment of the call. Throws only when the registry does. */
export interface Authenticator {
  gather (credential: Credential, presentation: Presentation): Awaitable<CredentialFacts>
  /** As `gather`, for an access token that was read already. */
  gatherClaims (claims: AccessTokenClaims & Signed, presentation: Presentation): Awaitable<AccessTokenFacts>
  /** Whether a text is the break-glass token of the management API. Nothing that is stored can keep it out. */
  isAdminToken (text: string): boolean
}

export interface AuthenticatorOptions {
  registry: Registry
  reader: TokenReader
  /** Digest of the admin token, good for the management API alone; null: there is none. */
  adminTokenDigest: string | null
}

export function authenticator (options: AuthenticatorOptions): Authenticator {
  const { registry, adminTokenDigest } = options
  const isAdminToken = (text: string): boolean =>
    adminTokenDigest !== null && sameDigest(digestOf(text), adminTokenDigest)
  return {
    gather ({ kind, text }, presentation) {
      if (kind === 'api_key') return gatherApiKey(registry, text, presentation)
      if (isForManagement(presentation) && isAdminToken(text)) return adminTokenFacts
      if (resemblesManagementToken(text)) return gatherManagementToken(registry, text, presentation)
      return gatherAccessToken(options, text, presentation)
    },
    gatherClaims: (claims, presentation) => factsOfClaims(registry, claims, presentation),
    isAdminToken,
  }
}

export interface CredentialChecksOptions extends Omit<AuthenticatorOptions, 'reader'> {
  issuer: string
  signingKeys: SigningKeys
}

/** What gathers the facts of all kinds of credentials, on one registry and one set of signing keys. */
export interface CredentialChecks {
  /** API keys, access tokens, management tokens and the admin token. */
  authenticator: Authenticator
  /** Access tokens, read without a look-up. */
  reader: TokenReader
  sessions: SessionAuthenticator
  webhooks: WebhookAuthenticator
}

export function credentialChecks (
  { issuer, registry, signingKeys, adminTokenDigest }: CredentialChecksOptions
): CredentialChecks {
  const reader = tokenReader(issuer, signingKeys)
  return {
    authenticator: authenticator({ registry, reader, adminTokenDigest }),
    reader,
    sessions: sessionAuthenticator({ issuer, registry, keys: signingKeys }),
    webhooks: webhookAuthenticator(registry)
  }
}

function isForManagement ({ resource }: Presentation): boolean {
  return resource === null || resource.id === managementResourceId
}

const malformed = notFound('malformed', 'access_token')
const unknown = notFound('unknown', 'access_token')

/** A token of the management API, which is good there alone. */
async function gatherManagementToken (
  registry: Registry, text: string, presentation: Presentation
): Promise<ManagementTokenFacts | NotFound> {
  if (!isManagementTokenText(text)) return malformed
  // Found by its SHA-256, like an API key: there is nothing left to compare.
  const token = await registry.managementToken(digestOf(text))
  if (token === null) return unknown
  const [resource, organization] = await Promise.all([
    registry.resource(managementResourceId),
    token.organizationId === null ? null : registry.organization(token.organizationId)
  ])
  const facts: ManagementTokenFacts = {
    kind: 'management_token', token, resource, organization, principal: null, policies: []
  }
  if (judgeCredential(facts, presentation) !== null) return facts
  const [member, policies] = await Promise.all([
    token.creatorId === null ? null : registry.member(token.creatorId),
    policiesFor(registry, token.organizationId)
  ])
  return { ...facts, principal: managementTokenPrincipal(token, resource!, member), policies }
}

function managementTokenPrincipal (token: ManagementToken, management: Resource, member: Member | null): Principal {
  return {
    kind: 'management_token',
    id: token.id,
    subject: null,
    name: token.name,
    organizationId: token.organizationId,
    organizations: token.organizationId === null ? [] : [token.organizationId],
    environment: 'live',
    resource: management.identifier,
    resourceId: management.id,
    groups: groupsOf(token, member),
    access: null,
    scopes: scopesOfManagementToken(token, management, member),
    creator: creatorOf(member, management),
    objects: {},
    allowlist: token.allowlist,
    expiresAt: token.expiresAt,
  }
}

const adminTokenFacts: AdminTokenFacts = {
  kind: 'admin_token',
  organization: null,
  policies: [],
  principal: {
    kind: 'admin_token',
    id: 'admin',
    subject: null,
    name: 'admin token',
    organizationId: null,
    organizations: [],
    environment: 'live',
    resource: null,
    resourceId: null,
    groups: [],
    access: null,
    scopes: [],
    creator: null,
    objects: {},
    allowlist: [],
    expiresAt: null,
  },
}

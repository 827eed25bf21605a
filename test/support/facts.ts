/** Facts as they are gathered, each of which can be replaced: what judges a credential needs nothing else. */
import type {
  KeyFacts, ManagementTokenFacts, SessionFacts, TokenFacts, WebhookFacts
} from '../../src/domain/access/facts.ts'
import type { JudgedRequest } from '../../src/domain/access/judge.ts'
import type { Principal } from '../../src/domain/access/principal.ts'
import type { ApiKey } from '../../src/domain/credentials/api-key.ts'
import type { Client } from '../../src/domain/credentials/client.ts'
import type { ManagementToken } from '../../src/domain/credentials/management-token.ts'
import type { PublishableKey } from '../../src/domain/credentials/publishable-key.ts'
import type { WebhookToken } from '../../src/domain/credentials/webhook-token.ts'
import { compilePolicies, type PolicySet } from '../../src/domain/policy/policy-evaluation.ts'
import type { Policy } from '../../src/domain/policy/policy.ts'
import type { Resource } from '../../src/domain/resources/resource.ts'
import { styles } from '../../src/domain/resources/style.ts'
import type { Organization } from '../../src/domain/tenancy/organization.ts'

export const now = new Date('2026-06-01T12:00:00Z')
export const earlier = new Date('2026-06-01T11:00:00Z')
export const later = new Date('2026-06-01T13:00:00Z')
const epoch = (date: Date) => date.getTime() / 1000

export const organization: Organization = {
  id: 'org_own',
  name: 'Acme',
  status: 'active',
  features: ['reports', 'custom-scopes', 'embedding'],
  callsPerMonth: null,
  creditsPerMonth: null,
  callsPerMinute: null,
  createdAt: earlier,
  suspendedAt: null,
  deletedAt: null,
  requiresProvider: false,
  unverifiedClients: 'allow',
  revision: 1
}

export const resource: Resource = {
  id: 'res_api',
  identifier: 'https://api.example.test',
  name: 'API',
  organizationId: null,
  scopes: [],
  style: styles.craftdesk,
  tokenLifetime: 3600,
  signingAlgorithm: 'ES256',
  kind: 'api',
  defaultScopes: [],
  mostCredits: 0,
  title: null,
  description: null,
  version: '1.0.0',
  createdAt: earlier,
  revokedAt: null,
  revision: 1
}

export const key: ApiKey = {
  id: 'key_a',
  digest: 'digest',
  hint: 'cd_live_…abcd',
  organizationId: organization.id,
  organizations: [organization.id, 'org_other'],
  resourceId: resource.id,
  environment: 'live',
  name: 'key',
  access: 'custom',
  scopes: ['read'],
  objects: {},
  allowlist: [],
  createdBy: 'admin',
  creatorId: null,
  vouchedBy: null,
  portal: null,
  imported: false,
  chainId: 'key_a',
  rotatedFrom: null,
  rotatedTo: null,
  createdAt: earlier,
  expiresAt: null,
  revokedAt: null,
  revokedReason: null,
  disabledAt: null,
  disabledReason: null,
  annotations: {},
  externalId: null,
  lastUsedAt: null,
  callsPerMonth: null,
  creditsPerMonth: null,
  callsPerMinute: null,
  revision: 1
}

export function principalOf (more: Partial<Principal>): Principal {
  return {
    kind: 'api_key',
    id: key.id,
    subject: null,
    name: key.name,
    organizationId: organization.id,
    organizations: [organization.id],
    environment: 'live',
    resource: resource.identifier,
    resourceId: resource.id,
    groups: [],
    access: null,
    scopes: ['read'],
    creator: null,
    objects: {},
    allowlist: [],
    expiresAt: null,
    ...more
  }
}

export function keyFacts (changes: Partial<ApiKey> = {}, more: Partial<KeyFacts> = {}): KeyFacts {
  const changed = { ...key, ...changes }
  const { environment, organizations, objects } = changed
  return {
    kind: 'api_key',
    key: changed,
    resource,
    member: null,
    voucher: null,
    organization,
    policies: [],
    principal: principalOf({ environment, organizations, objects, access: 'custom' }),
    ...more
  }
}

export const client = {
  id: 'cli_a',
  organizationId: organization.id,
  name: 'client',
  generation: 1,
  allowlist: [] as readonly string[],
  revokedAt: null,
  disabledAt: null
} as Client

export function tokenFacts (changes: Partial<TokenFacts['claims']> = {}, more: Partial<TokenFacts> = {}): TokenFacts {
  return {
    kind: 'access_token',
    client,
    authorization: null,
    consumer: null,
    member: null,
    isRevoked: false,
    presentedFor: null,
    resource,
    organization,
    policies: [],
    claims: {
      iss: 'https://latchkey.example.test',
      aud: resource.identifier,
      sub: client.id,
      client_id: client.id,
      jti: 'jti',
      iat: epoch(earlier),
      exp: epoch(later),
      scope: 'read',
      org_id: organization.id,
      gen: 1,
      kid: 'kid',
      ...changes
    },
    principal: principalOf({ kind: 'access_token', id: client.id }),
    ...more
  }
}

export const managementToken = {
  id: 'mat_a', organizationId: organization.id, allowlist: [] as readonly string[], expiresAt: null, revokedAt: null
} as ManagementToken

export function managementFacts (
  changes: Partial<ManagementToken> = {}, more: Partial<ManagementTokenFacts> = {}
): ManagementTokenFacts {
  return {
    kind: 'management_token',
    token: { ...managementToken, ...changes },
    resource,
    organization,
    policies: [],
    principal: principalOf({ kind: 'management_token', id: managementToken.id }),
    ...more
  }
}

export const publishableKey = {
  id: 'pbk_a', organizationId: organization.id, resourceId: resource.id, revokedAt: null
} as PublishableKey

export function sessionFacts (
  changes: Partial<SessionFacts['claims']> = {}, more: Partial<SessionFacts> = {}
): SessionFacts {
  return {
    kind: 'session',
    key: publishableKey,
    isRevoked: false,
    resource,
    organization,
    policies: [],
    claims: {
      iss: 'https://latchkey.example.test',
      aud: resource.identifier,
      sub: 'user',
      client_id: publishableKey.id,
      jti: 'ses_a',
      iat: epoch(earlier),
      exp: epoch(later),
      scope: 'read',
      org_id: organization.id,
      env: 'live',
      kid: 'kid',
      ...changes
    },
    principal: principalOf({ kind: 'session', id: publishableKey.id, subject: 'user' }),
    ...more
  }
}

export const webhookToken = {
  id: 'wht_a',
  organizationId: organization.id,
  resourceId: resource.id,
  apiKeyId: key.id,
  object: { type: 'templates', id: 'tpl_1' },
  revokedAt: null
} as WebhookToken

export function webhookFacts (changes: Partial<WebhookToken> = {}, more: Partial<WebhookFacts> = {}): WebhookFacts {
  return {
    kind: 'webhook_token',
    token: { ...webhookToken, ...changes },
    keyFacts: keyFacts(),
    organization,
    policies: [],
    principal: principalOf({ objects: { templates: ['tpl_1'] } }),
    ...more
  }
}

/** A request for nothing in particular, from a known address. */
export function requestFor (more: Partial<JudgedRequest> = {}): JudgedRequest {
  return {
    requirements: { scopes: [], apiKeyOnly: false, credits: 0, session: false, feature: null, object: null },
    environment: null,
    organizationId: null,
    objectId: null,
    resource: null,
    address: '192.0.2.1',
    now,
    webhookType: 'templates',
    ...more
  }
}

/** The set of one policy that denies what meets `conditions`. */
export function denying (conditions: Policy['conditions'], id = 'pol_a'): PolicySet {
  return compilePolicies([{ id, effect: 'deny', enabled: true, conditions }])
}

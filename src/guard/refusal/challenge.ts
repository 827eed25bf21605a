/** The challenge of a refusal (RFC 6750 §3), and the public description of each reason. */
import type { Refusal } from '../../domain/access/principal.ts'
import type { TokenScopes } from '../../domain/resources/token-scopes.ts'

const descriptions: Record<Refusal['reason'], string> = {
  no_credential: '',
  several_credentials: 'The request carries more than one credential',
  credential_in_query: 'Credentials are not accepted in the query of a URL',
  key_as_bearer: 'The bearer credential is an API key, not an access token',
  malformed: 'The credential is malformed',
  unknown: 'The credential is not valid',
  foreign_deployment: 'The credential is not valid',
  wrong_resource: 'The credential is not valid for this resource',
  revoked: 'The credential was revoked',
  expired: 'The credential has expired',
  rotated: 'The credential was replaced by another one',
  // No more than of a revoked one: that it may come back is for its operator.
  disabled: 'The credential was revoked',
  superseded: 'The client was changed after the token was issued; ask for a new one',
  organization_suspended: 'The organization is suspended',
  address_not_allowed: 'The credential may not be used from this address',
  wrong_environment: 'The credential is for another environment',
  organization_not_found: 'There is no such organization',
  feature_missing: 'The plan of the organization does not include this',
  policy_denied: 'An access policy does not allow this request',
  insufficient_scope: 'The credential lacks a scope that this route needs',
  object_not_allowed: 'The credential is restricted to other objects',
  api_key_required: 'This route takes an API key only',
  session_required: 'This route takes a session token only',
  person_required: 'This route takes the session of a signed-in person only',
  reauthentication_required: 'An operator has to sign in again for this',
  cross_site_request: 'A change by a session must come from the pages of this server',
  rate_limited: 'Too many requests',
  quota_exceeded: 'The allowance of the month is used up',
  insufficient_credits: 'There are not enough credits left',
  insufficient_budget: 'The call does not fit into its budget',
  tls_required: 'This API is only spoken to over TLS',
}

/** What a challenge names beside the error. */
export interface Challenged {
  /** The URL of the resource's metadata; null: it has none. */
  metadataUrl: string | null
  /** The scopes with which a token passes; empty: none are named. */
  scopes: readonly string[]
}

/**
 * The `WWW-Authenticate` of a refusal (RFC 6750 §3, RFC 9728 §5.1). Without any credential it names the metadata and
 * the scopes, and no error (RFC 6750 §3.1). The same for API keys as for tokens: it says what would be accepted.
 */
export function challenge (refusal: Refusal, { metadataUrl, scopes }: Challenged): string {
  const metadata = metadataUrl === null ? [] : [`resource_metadata="${metadataUrl}"`]
  const scope = scopes.length === 0 ? [] : [`scope="${scopes.join(' ')}"`]
  const parameters = refusal.reason === 'no_credential'
    ? [...metadata, ...scope]
    : [
        `error="${errorCode(refusal)}"`, `error_description="${publicDescription(refusal)}"`, ...scope, ...metadata
      ]
  return `Bearer ${parameters.join(', ')}`.trimEnd()
}

/** What a route requires that decides which tokens it takes. A webhook's token stands in the path. */
export interface TokenNeeds {
  scopes: readonly string[]
  apiKeyOnly: boolean
  session: boolean
  person?: boolean
  webhook?: object | null
}

/**
 * The scopes that the challenge of a route names: all that it requires, or, where it requires none, those that a client
 * of an MCP server asks for at first. None where no access token passes, whatever its scopes: where one is API-key
 * only, and where the route takes another kind of credential alone.
 */
export function challengeScopes (
  { tokenScopes, initialScopes }: TokenScopes,
  { scopes, apiKeyOnly, session, person = false, webhook = null }: TokenNeeds
): readonly string[] {
  if (apiKeyOnly || session || person || webhook !== null) return []
  if (scopes.length === 0) return initialScopes
  return scopes.every(name => tokenScopes.includes(name)) ? scopes : []
}

/** The error code of RFC 6750 §3.1. */
export function errorCode (
  { reason }: Refusal
): 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'insufficient_user_authentication' {
  // RFC 9470 §3.
  if (reason === 'reauthentication_required') return 'insufficient_user_authentication'
  if (reason === 'several_credentials') return 'invalid_request'
  if (
    reason === 'insufficient_scope' || reason === 'policy_denied' || reason === 'object_not_allowed' ||
    reason === 'api_key_required' || reason === 'session_required' || reason === 'person_required' ||
    reason === 'cross_site_request'
  ) return 'insufficient_scope'
  return 'invalid_token'
}

/**
 * The public description of a refusal. Of an API key it says no more than that it is not valid: whether it exists, is
 * revoked or belongs elsewhere is for the log.
 */
export function publicDescription ({ reason, presented }: Refusal): string {
  const collapses = presented === 'api_key' &&
    [
      'malformed', 'unknown', 'foreign_deployment', 'wrong_resource', 'wrong_environment', 'revoked', 'expired',
      'rotated', 'disabled'
    ].includes(reason)
  return collapses ? descriptions.unknown : descriptions[reason]
}

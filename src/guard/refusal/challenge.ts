/** The challenge of a refusal (RFC 6750 §3), and the public description of each reason. */
import type { Refusal } from '../../domain/access/principal.ts'

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
  rate_limited: 'Too many requests',
  quota_exceeded: 'The allowance of the month is used up',
  insufficient_credits: 'There are not enough credits left',
  tls_required: 'This API is only spoken to over TLS',
}

/**
 * The `WWW-Authenticate` of a refusal (RFC 6750 §3, RFC 9728 §5.1). Without any credential it names the metadata and
 * no error (RFC 6750 §3.1). The same for API keys as for tokens: it says what would be accepted.
 */
export function challenge (refusal: Refusal, resourceMetadata: string | null): string {
  const parameters: [string, string][] = []
  if (refusal.reason !== 'no_credential') {
    parameters.push(['error', errorCode(refusal)], ['error_description', publicDescription(refusal)])
    if (refusal.requiredScopes) parameters.push(['scope', refusal.requiredScopes.join(' ')])
  }
  if (resourceMetadata !== null) parameters.push(['resource_metadata', resourceMetadata])
  return ['Bearer', parameters.map(([name, value]) => `${name}="${value}"`).join(', ')].join(' ').trim()
}

/** The error code of RFC 6750 §3.1. */
export function errorCode ({ reason }: Refusal): 'invalid_request' | 'invalid_token' | 'insufficient_scope' {
  if (reason === 'several_credentials') return 'invalid_request'
  if (
    reason === 'insufficient_scope' || reason === 'policy_denied' || reason === 'object_not_allowed' ||
    reason === 'api_key_required' || reason === 'session_required'
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
      'rotated'
    ].includes(reason)
  return collapses ? descriptions.unknown : descriptions[reason]
}

/**
 * What a caller may know of a refusal: its status, a code, a sentence with the remedy, and the public reason, to which
 * several precise ones collapse.
 */
import type { Reason, Refusal } from '../../domain/access/principal.ts'
import type { KeyTransport } from '../../domain/resources/style.ts'
import { publicDescription } from './challenge.ts'

/** Every reason's status, unless a style has its own: a bad proof is 401, a good proof of too little 403. */
export const statuses: Readonly<Record<Reason, number>> = {
  no_credential: 401,
  several_credentials: 400,
  credential_in_query: 401,
  key_as_bearer: 401,
  malformed: 401,
  unknown: 401,
  foreign_deployment: 401,
  wrong_resource: 401,
  revoked: 401,
  expired: 401,
  rotated: 401,
  disabled: 401,
  superseded: 401,
  organization_suspended: 403,
  address_not_allowed: 401,
  wrong_environment: 401,
  organization_not_found: 404,
  feature_missing: 403,
  insufficient_scope: 403,
  policy_denied: 403,
  object_not_allowed: 403,
  api_key_required: 403,
  session_required: 403,
  person_required: 403,
  cross_site_request: 403,
  reauthentication_required: 401,
  rate_limited: 429,
  quota_exceeded: 429,
  insufficient_credits: 402,
  insufficient_budget: 429,
  tls_required: 403,
}

/** The machine-readable reason that a caller may know. */
export function publicReason ({ reason, presented }: Refusal): string {
  switch (reason) {
    case 'no_credential': return 'missing_credentials'
    case 'credential_in_query': return presented === 'api_key' ? 'api_key_in_query' : 'access_token_in_query'
    case 'key_as_bearer': return 'api_key_as_bearer_token'
    case 'address_not_allowed': return 'ip_whitelist_mismatch'
    case 'api_key_required': return 'endpoint_requires_api_key_auth'
    case 'session_required': return 'endpoint_requires_session'
    case 'person_required': return 'endpoint_requires_person'
    case 'reauthentication_required': return reason
  }
  if (statuses[reason] !== 401) return reason
  if (presented === 'person_session') return 'invalid_session'
  return presented === 'api_key' ? 'invalid_api_key' : 'invalid_token'
}

/** A sentence for people: what is wrong, and the remedy. */
export function sentence (refusal: Refusal, transports: readonly KeyTransport[]): string {
  switch (refusal.reason) {
    case 'no_credential':
      return `This route needs a credential: ${placesOfCredentials(transports)}.`
    case 'several_credentials':
      return 'The request carries more than one credential; send exactly one.'
    case 'credential_in_query':
      return refusal.presented === 'api_key'
        ? 'An API key is not accepted in the URL, which ends up in logs; ' +
          `send it ${placeOfKeys(transports)}, and replace this one.`
        : 'An access token is not accepted in the URL; send it as Authorization: Bearer.'
    case 'key_as_bearer':
      return `An API key was sent as a bearer token; send it ${placeOfKeys(transports)}.`
    case 'insufficient_scope':
      return `The credential lacks a scope that this route needs: ${refusal.requiredScopes?.join(' ')}.`
    case 'api_key_required':
      return 'This route answers API keys only.'
    case 'person_required':
      return 'This route answers signed-in people only: sign in at /api/v1/auth/login, and send no other credential.'
    case 'cross_site_request':
      return 'A change by a session must come from the pages of this server: its Sec-Fetch-Site must be same-origin, ' +
        'or, where there is none, its Origin the issuer. Programs send an API key or a token instead.'
    case 'reauthentication_required':
      return 'An operator changes the deployment within 10 minutes of a sign-in: sign in again at ' +
        '/api/v1/auth/login?prompt=login, with a passkey or a link where your provider does not say when you signed in.'
    case 'superseded':
      return 'The client was changed after this token was issued; ask for a new token.'
    case 'tls_required':
      return 'This API is only spoken to over TLS; use https, and replace the key: it has crossed the network in clear.'
    case 'insufficient_budget':
      return budgetSentence(refusal)
    default:
      return `${publicDescription(refusal)}.`
  }
}

const owners = { global: 'this service', account: 'the account', organization: 'the organization' } as const

function budgetSentence ({ budget }: Refusal): string {
  if (budget === undefined) return 'The call does not fit into its budget.'
  const { of, period, left, resetsAt } = budget
  const rest = left === undefined ? '' : `, which has ${left} micro-dollars left`
  return `The call does not fit into the budget of ${owners[of]} for the ${period}${rest}; it begins anew at ` +
    `${resetsAt.toISOString()}.`
}

/** Where a key belongs: never the URL, though some styles take it there. */
function placeOfKeys (transports: readonly KeyTransport[]): string {
  const header = transports.find(transport => transport.in === 'header')
  return header === undefined ? 'as Authorization: Bearer' : `in the ${header.name} header`
}

function placesOfCredentials (transports: readonly KeyTransport[]): string {
  if (!transports.some(transport => transport.in === 'header')) {
    return 'an API key or an access token as Authorization: Bearer'
  }
  return `an API key ${placeOfKeys(transports)}, or an access token as Authorization: Bearer`
}

export function upperCode (refusal: Refusal): string {
  const { reason } = refusal
  const status = statuses[reason]
  if (
    reason === 'organization_suspended' || status === 404 || status === 429 || status === 402 ||
    reason === 'tls_required' || reason === 'feature_missing'
  ) return reason.toUpperCase()
  return { 400: 'INVALID_REQUEST', 401: 'UNAUTHORIZED', 403: 'INSUFFICIENT_PERMISSIONS' }[status]!
}

export function details (refusal: Refusal): Record<string, unknown> {
  return {
    reason: publicReason(refusal),
    ...(refusal.requiredScopes ? { requiredScopes: refusal.requiredScopes } : {}),
    ...(refusal.budget ? { budget: refusal.budget } : {})
  }
}

export interface PublicRefusal { status: number, code: string, message: string, details: Record<string, unknown> }

/** A refusal as OpenCrane's and LedgerBee's styles show it, for the documentation of their APIs. */
export function publicRefusal (
  reason: Reason, transports: readonly KeyTransport[], requiredScopes: readonly string[] = []
): PublicRefusal {
  const refusal: Refusal = {
    reason,
    presented: null,
    subject: null,
    organizationId: null,
    ...(reason === 'insufficient_scope' ? { requiredScopes } : {})
  }
  return {
    status: statuses[reason],
    code: upperCode(refusal),
    message: sentence(refusal, transports),
    details: details(refusal),
  }
}

/**
 * How a refusal looks outside, one entry per style. A style collapses reasons as its API documents them; the precise
 * one is in the log. Adding a style adds an entry here and its name in domain/resources/style.ts.
 */
import type { Reason, Refusal } from '../domain/access/principal.ts'
import type { ErrorStyleName, KeyTransport } from '../domain/resources/style.ts'
import { failures, type Failure } from '../base/errors.ts'
import { publicDescription } from './challenge.ts'

/** What a renderer may speak of besides the refusal. `transports`: how keys travel to the resource. */
export interface Occasion { path: string, now: Date, requestId: string, transports: readonly KeyTransport[] }

export interface Answer {
  status: number
  contentType: string
  body: Record<string, unknown>
}

export interface ErrorStyle {
  refusal (refusal: Refusal, occasion: Occasion): Answer
  /** The server could not decide: nothing about the caller. */
  failure (failure: Failure, occasion: Occasion): Answer
}

/** Every reason's status, unless a style has its own: a bad proof is 401, a good proof of too little 403. */
const statuses: Readonly<Record<Reason, number>> = {
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
  rate_limited: 429,
  quota_exceeded: 429,
  insufficient_credits: 402,
  tls_required: 403,
}

/** The machine-readable reason that a caller may know. */
function publicReason ({ reason, presented }: Refusal): string {
  switch (reason) {
    case 'no_credential': return 'missing_credentials'
    case 'credential_in_query': return presented === 'api_key' ? 'api_key_in_query' : 'access_token_in_query'
    case 'key_as_bearer': return 'api_key_as_bearer_token'
    case 'address_not_allowed': return 'ip_whitelist_mismatch'
    case 'api_key_required': return 'endpoint_requires_api_key_auth'
    case 'session_required': return 'endpoint_requires_session'
  }
  if (statuses[reason] !== 401) return reason
  return presented === 'api_key' ? 'invalid_api_key' : 'invalid_token'
}

/** A sentence for people, with the way out. */
function sentence (refusal: Refusal, transports: readonly KeyTransport[]): string {
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
    case 'superseded':
      return 'The client was changed after this token was issued; ask for a new token.'
    case 'tls_required':
      return 'This API is only spoken to over TLS; use https, and replace the key: it has crossed the network in clear.'
    default:
      return `${publicDescription(refusal)}.`
  }
}

/** Where a key is to be: never the URL, though some styles take it there. */
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

function upperCode (refusal: Refusal): string {
  const { reason } = refusal
  const status = statuses[reason]
  if (
    reason === 'organization_suspended' || status === 404 || status === 429 || status === 402 ||
    reason === 'tls_required' || reason === 'feature_missing'
  ) return reason.toUpperCase()
  return { 400: 'INVALID_REQUEST', 401: 'UNAUTHORIZED', 403: 'INSUFFICIENT_PERMISSIONS' }[status]!
}

function details (refusal: Refusal): Record<string, unknown> {
  return {
    reason: publicReason(refusal), ...(refusal.requiredScopes ? { requiredScopes: refusal.requiredScopes } : {})
  }
}

export interface PublicRefusal { status: number, code: string, message: string, details: Record<string, unknown> }

/** A refusal as OpenCrane's and LedgerBee's styles show it, for who describes them. */
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

/** CL-12's codes, and what else its API can say. */
function craneCode ({ reason }: Refusal): string {
  switch (reason) {
    case 'expired':
    case 'rotated':
      return 'expired_api_key'
    case 'insufficient_scope':
    case 'policy_denied':
    case 'object_not_allowed':
    case 'api_key_required':
    case 'session_required':
      return 'insufficient_permissions'
    case 'address_not_allowed':
      return 'ip_not_allowed'
    case 'tls_required':
      return 'https_required'
  }
  return statuses[reason] === 401 ? 'invalid_api_key' : reason
}

const craneTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error'
}

/** CK-05 to CK-07 and CK-14: what is no permission to be here at all is `invalid_credentials`, whatever the reason. */
function craftkitCode ({ reason }: Refusal): string {
  switch (reason) {
    case 'no_credential':
      return 'missing_authorization'
    case 'organization_suspended':
      return 'partner_suspended'
    case 'organization_not_found':
      return 'not_found'
    case 'feature_missing':
      return 'invalid_credentials'
    case 'rate_limited':
    case 'quota_exceeded':
      return 'rate_limited'
    case 'insufficient_scope':
    case 'policy_denied':
    case 'object_not_allowed':
    case 'api_key_required':
    case 'session_required':
      return 'forbidden'
  }
  return statuses[reason] === 401 ? 'invalid_credentials' : reason
}

const craftkitSentences: Readonly<Record<string, string>> = {
  missing_authorization: 'Send the API key as Authorization: Bearer.',
  invalid_credentials: 'The credential is not valid here.',
  partner_suspended: 'The project is suspended; contact support.',
}

/** CraftDesk's three words for a status, and the field that its errors hang on. */
const craftdeskMessages: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Server Error',
  503: 'Service Unavailable'
}

const json = 'application/json; charset=utf-8'

function answer (status: number, body: Record<string, unknown>, contentType = json): Answer {
  return { status, contentType, body }
}

export const errorStyles: Readonly<Record<ErrorStyleName, ErrorStyle>> = {
  ledgerbee: {
    refusal: (refusal, { path, now, transports }) => {
      const statusCode = statuses[refusal.reason]
      return answer(
        statusCode,
        {
          statusCode,
          timestamp: now.toISOString(),
          path,
          message: sentence(refusal, transports),
          code: upperCode(refusal),
          details: details(refusal),
        }
      )
    },
    failure: ({ status, message, code }, { path, now, requestId }) =>
      answer(status, {
        statusCode: status,
        timestamp: now.toISOString(),
        path,
        message,
        code: code.toUpperCase(),
        details: { requestId }
      })
  },
  'crane-ledger': {
    refusal: (refusal, { transports }) => {
      const status = statuses[refusal.reason]
      return answer(
        status,
        {
          error: { type: craneTypes[status], code: craneCode(refusal), message: sentence(refusal, transports), status },
        }
      )
    },
    failure: ({ status, message, code }) => answer(status, { error: { type: 'api_error', code, message, status } }),
  },
  craftkit: {
    refusal: (refusal, { transports }) => {
      const code = craftkitCode(refusal)
      const status = refusal.reason === 'feature_missing' ? 401 : statuses[refusal.reason]
      return answer(status, { error: { code, message: craftkitSentences[code] ?? sentence(refusal, transports) } })
    },
    failure: ({ status, message, code }) => answer(status, { error: { code, message } }),
  },
  craftdesk: {
    refusal: (refusal, { transports }) => {
      const status = statuses[refusal.reason]
      const field = status === 429 ? 'rate_limit' : status === 404 ? 'workspace' : 'api_key'
      return answer(
        status,
        { message: craftdeskMessages[status], code: status, errors: { [field]: [sentence(refusal, transports)] } }
      )
    },
    failure: ({ status, message }, { requestId }) =>
      answer(status, {
        message: craftdeskMessages[status] ?? 'Server Error',
        code: status,
        errors: { server: [message, `Request ${requestId}`] }
      })
  },
  opencrane: {
    refusal: (refusal, { transports }) =>
      answer(
        statuses[refusal.reason],
        { error: sentence(refusal, transports), code: upperCode(refusal), details: details(refusal) }
      ),
    failure: ({ status, message, code }, { requestId }) =>
      answer(status, { error: message, code: code.toUpperCase(), details: { requestId } })
  },
  rfc9457: {
    refusal: (refusal, { path, transports }) => {
      const status = statuses[refusal.reason]
      const problem = {
        type: 'about:blank',
        title: sentence(refusal, transports),
        status,
        instance: path,
        code: upperCode(refusal),
        ...details(refusal),
      }
      return answer(status, problem, 'application/problem+json; charset=utf-8')
    },
    failure: ({ status, code }, { path, requestId }) =>
      answer(status, {
        type: 'about:blank', title: failures[code].message, status, instance: path, code: code.toUpperCase(), requestId
      }, 'application/problem+json; charset=utf-8')
  }
}

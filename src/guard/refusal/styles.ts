/**
 * How a refusal looks outside, one entry per style. A style collapses reasons as its API documents them; the precise
 * one is in the log. Adding a style adds an entry here and its name in domain/resources/style.ts.
 */
import type { Refusal } from '../../domain/access/principal.ts'
import type { ErrorStyleName, KeyTransport } from '../../domain/resources/style.ts'
import { failures, type Failure } from '../../base/errors.ts'
import { details, publicReason, sentence, statuses, upperCode } from './public-refusal.ts'

/** The request that is answered. `transports`: how keys travel to the resource. */
export interface Occasion { path: string, now: Date, requestId: string, transports: readonly KeyTransport[] }

export interface Answer {
  status: number
  contentType: string
  body: Record<string, unknown>
}

export interface ErrorStyle {
  refusal (refusal: Refusal, occasion: Occasion): Answer
  /** The server could not decide: the answer says nothing of the caller. */
  failure (failure: Failure, occasion: Occasion): Answer
  /** The code that it documents for a refusal; left out: the public reason. */
  code?(refusal: Refusal): string
  /** The status of a refusal; left out: that of its reason. */
  status?(refusal: Refusal): number
}

/** The status that a caller gets in a style. */
export function statusIn (style: ErrorStyleName, refusal: Refusal): number {
  return errorStyles[style].status?.(refusal) ?? statuses[refusal.reason]
}

/** The code that a caller gets in a style; null: its bodies have the status alone. */
export function codeIn (style: ErrorStyleName, refusal: Refusal): string | null {
  if (style === 'craftdesk') return null
  return errorStyles[style].code?.(refusal) ?? upperCode(refusal)
}

function craftkitStatus ({ reason }: Refusal): number {
  return reason === 'feature_missing' ? 401 : statuses[reason]
}

/** The codes of CL-12, and those of the other reasons. */
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
    case 'person_required':
    case 'cross_site_request':
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

/** CK-05 to CK-07 and CK-14: a credential that is not good here is `invalid_credentials`, whatever the reason. */
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
    case 'person_required':
    case 'cross_site_request':
      return 'forbidden'
  }
  return statuses[reason] === 401 ? 'invalid_credentials' : reason
}

const craftkitSentences: Readonly<Record<string, string>> = {
  missing_authorization: 'Send the API key as Authorization: Bearer.',
  invalid_credentials: 'The credential is not valid here.',
  partner_suspended: 'The project is suspended; contact support.',
}

/** CraftDesk's message for each status. */
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

/** What a style documents of a reason: as much as its bodies say, or the public reason where they say less. */
export function documentedReason (style: ErrorStyleName, refusal: Refusal): string {
  const { code = publicReason } = errorStyles[style]
  return code(refusal)
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
      // A system that bills: a budget is money, as credits are.
      const status = refusal.reason === 'insufficient_budget' ? 402 : statuses[refusal.reason]
      return answer(
        status,
        {
          error: { type: craneTypes[status], code: craneCode(refusal), message: sentence(refusal, transports), status },
        }
      )
    },
    failure: ({ status, message, code }) => answer(status, { error: { type: 'api_error', code, message, status } }),
    code: craneCode,
  },
  craftkit: {
    refusal: (refusal, { transports }) => {
      const code = craftkitCode(refusal)
      const message = craftkitSentences[code] ?? sentence(refusal, transports)
      return answer(craftkitStatus(refusal), { error: { code, message } })
    },
    failure: ({ status, message, code }) => answer(status, { error: { code, message } }),
    code: craftkitCode,
    status: craftkitStatus,
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

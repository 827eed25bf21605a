/**
 * How a refusal looks outside, one entry per style. A style collapses reasons as its API documents them; the precise one
 * is in the log. Adding a style adds an entry here and its name in domain/style.ts.
 */
import type { Refusal } from '../domain/principal.ts'
import type { ErrorStyleName } from '../domain/style.ts'
import { failures, type Failure } from '../errors.ts'
import { publicDescription } from './challenge.ts'

/** What a renderer may speak of besides the refusal. */
export interface Occasion { path: string, now: Date, requestId: string }

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

/** 400 for two proofs, 403 for a good proof of too little, 401 for everything else. */
function statusOf ({ reason }: Refusal): number {
  if (reason === 'several_credentials') return 400
  return ['insufficient_scope', 'api_key_required', 'organization_suspended'].includes(reason) ? 403 : 401
}

/** The machine-readable reason that a caller may know. */
function publicReason ({ reason, presented }: Refusal): string {
  switch (reason) {
    case 'no_credential': return 'missing_credentials'
    case 'several_credentials': return 'several_credentials'
    case 'credential_in_query': return 'access_token_in_query'
    case 'key_as_bearer': return 'api_key_as_bearer_token'
    case 'address_not_allowed': return 'ip_whitelist_mismatch'
    case 'insufficient_scope': return 'insufficient_scope'
    case 'api_key_required': return 'endpoint_requires_api_key_auth'
    case 'organization_suspended': return 'organization_suspended'
    default: return presented === 'api_key' ? 'invalid_api_key' : 'invalid_token'
  }
}

/** A sentence for people, with the way out. */
function sentence (refusal: Refusal): string {
  switch (refusal.reason) {
    case 'no_credential': return 'This route needs a credential: an API key or an access token.'
    case 'several_credentials': return 'The request carries more than one credential; send exactly one.'
    case 'credential_in_query': return 'An access token is not accepted in the URL; send it as Authorization: Bearer.'
    case 'key_as_bearer': return 'An API key was sent as a bearer token; send it in the header that is made for it.'
    case 'insufficient_scope': return `The credential lacks a scope that this route needs: ${refusal.requiredScopes?.join(' ')}.`
    case 'api_key_required': return 'This route answers API keys only.'
    case 'superseded': return 'The client was changed after this token was issued; ask for a new token.'
    default: return `${publicDescription(refusal)}.`
  }
}

function code (refusal: Refusal): string {
  if (refusal.reason === 'organization_suspended') return 'ORGANIZATION_SUSPENDED'
  return { 400: 'INVALID_REQUEST', 401: 'UNAUTHORIZED', 403: 'INSUFFICIENT_PERMISSIONS' }[statusOf(refusal)]!
}

function details (refusal: Refusal): Record<string, unknown> {
  return { reason: publicReason(refusal), ...(refusal.requiredScopes ? { requiredScopes: refusal.requiredScopes } : {}) }
}

const json = 'application/json; charset=utf-8'

export const errorStyles: Readonly<Record<ErrorStyleName, ErrorStyle>> = {
  ledgerbee: {
    refusal: (refusal, { path, now }) => ({
      status: statusOf(refusal),
      contentType: json,
      body: { statusCode: statusOf(refusal), timestamp: now.toISOString(), path, message: sentence(refusal), code: code(refusal), details: details(refusal) },
    }),
    failure: (failure, { path, now, requestId }) => ({
      status: failure.status,
      contentType: json,
      body: { statusCode: failure.status, timestamp: now.toISOString(), path, message: failure.message, code: failure.code.toUpperCase(), details: { requestId } },
    }),
  },
  opencrane: {
    refusal: refusal => ({
      status: statusOf(refusal),
      contentType: json,
      body: { error: sentence(refusal), code: code(refusal), details: details(refusal) },
    }),
    failure: (failure, { requestId }) => ({
      status: failure.status,
      contentType: json,
      body: { error: failure.message, code: failure.code.toUpperCase(), details: { requestId } },
    }),
  },
  rfc9457: {
    refusal: (refusal, { path }) => ({
      status: statusOf(refusal),
      contentType: 'application/problem+json; charset=utf-8',
      body: { type: 'about:blank', title: sentence(refusal), status: statusOf(refusal), instance: path, code: code(refusal), ...details(refusal) },
    }),
    failure: (failure, { path, requestId }) => ({
      status: failure.status,
      contentType: 'application/problem+json; charset=utf-8',
      body: { type: 'about:blank', title: failures[failure.code].message, status: failure.status, instance: path, code: failure.code.toUpperCase(), requestId },
    }),
  },
}

/** Presents every failure of an OAuth endpoint (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 6750 §3). */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'

/** A refusal with an OAuth error code. `description` is public. */
export class OAuthError extends Error {
  readonly status: number
  readonly error: string
  readonly headers: Readonly<Record<string, string>>

  constructor (status: number, error: string, description: string, headers: Readonly<Record<string, string>> = {}) {
    super(description)
    this.name = 'OAuthError'
    this.status = status
    this.error = error
    this.headers = headers
  }
}

/** Too many failed attempts: RFC 6585 §4, with the code that RFC 8628 §3.5 registered for it. */
export function slowDown (seconds: number): OAuthError {
  return new OAuthError(429, 'slow_down', 'Too many failed attempts; try again later.', {
    'retry-after': String(seconds)
  })
}

/** As an `error_description`: RFC 6749 §5.2 allows no quotation mark, no backslash and ASCII only. */
export function asDescription (text: string): string {
  return text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')
}

/** The response to a failure. */
export interface OAuthAnswer {
  status: number
  headers: Readonly<Record<string, string>>
  body: { error: string, error_description: string }
}

/** Responses that must not be cached, errors included (RFC 6749 §5.1). */
export const noStore = { 'cache-control': 'no-store' } as const

/** Turns a thrown value into a response. `unexpected`: a defect, which belongs in the log. */
export function presentError (thrown: unknown, requestId: string): OAuthAnswer & { unexpected: boolean } {
  const { status, error, description, headers } = read(thrown) ?? {
    status: 500,
    error: 'server_error',
    description: `The server failed to answer. Its log has the reason under request ${requestId}.`,
    headers: {}
  }
  return {
    status,
    headers: { ...noStore, ...headers },
    body: { error, error_description: description },
    unexpected: status === 500
  }
}

/** Sends the response to a thrown value, and logs the reason of a defect. */
export function answerError (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, body, unexpected } = presentError(thrown, request.id)
  if (unexpected) request.log.error({ err: thrown }, 'the authorization server failed')
  return reply.code(status).headers(headers).send(body)
}

interface Read { status: number, error: string, description: string, headers: Readonly<Record<string, string>> }

function read (thrown: unknown): Read | null {
  if (thrown instanceof OAuthError) {
    return {
      ...thrown, status: thrown.status, error: thrown.error, headers: thrown.headers, description: thrown.message
    }
  }
  if (thrown instanceof Failure) return readFailure(thrown)
  return readFastifyError(thrown)
}

function readFailure (failure: Failure): Read | null {
  if (failure.status === 503) {
    return {
      status: 503, error: 'temporarily_unavailable', description: failure.message, headers: { 'retry-after': '1' }
    }
  }
  if (failure.status >= 500) return null
  const error = failure.code === 'registration_closed' ? 'access_denied' : 'invalid_request'
  return { status: failure.status, error, description: failure.message, headers: {} }
}

/** Fastify's refusals of a body: too large, of another type, not JSON. Its sentences quote the input, ours do not. */
function readFastifyError (thrown: unknown): Read | null {
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
  if (!(status >= 400 && status < 500)) return null
  if (status === 413) {
    return { status, error: 'invalid_request', description: 'The body is too large.', headers: {} }
  }
  if (status === 415) {
    return {
      status: 400,
      error: 'invalid_request',
      description: 'This endpoint does not support the content type of the body.',
      headers: {}
    }
  }
  return {
    status: 400, error: 'invalid_request', description: 'The body does not match its content type.', headers: {}
  }
}

/** Errors of the management API and of paths without a route: `{error, code, details?}` (OC-15). */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isRejection } from '../../base/availability.ts'
import { Failure, failures } from '../../base/errors.ts'
import { withoutAnySecrets } from '../../secrets/redaction.ts'

/**
 * Answers with the failure of an error. An error that is not a `Failure` is only logged. What a server answers because
 * it shuts down or sheds load is no error of it.
 */
export function presentError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = failureOf(error, request)
  // The log gets the sentence of the table: the failure's own may quote the request.
  const { message } = failures[failure.code]
  const { code, detail } = failure
  if (failure.status >= 500 && !isRejection(code)) request.log.error({ err: error, detail }, message)
  else request.log.info({ code, detail }, message)
  if (failure.status === 503 || failure.status === 429) reply.header('retry-after', '1')
  // RFC 9110 §15.5.2: a 401 says how to authenticate.
  if (failure.status === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer')
  return reply.code(failure.status).header('cache-control', 'no-store').send({
    error: withoutAnySecrets(failure.message),
    code: failure.code.toUpperCase(),
    ...(failure.details || failure.code === 'internal'
      ? { details: publicDetails(failure.details ?? { requestId: request.id }) }
      : {})
  })
}

/** Details may quote the request, but no secret. */
function publicDetails (details: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, typeof value === 'string' ? withoutAnySecrets(value) : value])
  )
}

type Problem = NonNullable<FastifyError['validation']>[number]

/** The failure of an error: of Fastify's own, or of a defect. */
export function failureOf (error: unknown, request: FastifyRequest): Failure {
  if (error instanceof Failure) return error
  const { code, statusCode, validation, validationContext } = error as FastifyError
  if (validation) return invalid(validation[0]!, validationContext, request)
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Failure('unsupported_media_type', { message: 'Send application/json.' })
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Failure('payload_too_large')
  }
  // Fastify's own 4xx errors (malformed JSON, a bad URL, a wrong length) quote the request: only their codes are
  // logged.
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Failure('invalid_request', {
      message: error instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY'
        ? 'The body is not valid JSON.'
        : 'The request is malformed.',
      detail: code
    })
  }
  return new Failure('internal', { cause: error })
}

/**
 * `details.field` is the path of the member, such as `grants.0.scopes`, or `body` for the whole body; `error` names its
 * place.
 */
function invalid (problem: Problem, place = 'request', { body }: FastifyRequest): Failure {
  if (place === 'body' && body === undefined) {
    return new Failure('invalid_request', {
      message: 'The body is empty; send a JSON object.', details: { field: 'body' }
    })
  }
  const unknown = problem.params?.additionalProperty
  const missing = problem.params?.missingProperty
  const member = [unknown, missing].filter(name => typeof name === 'string').map(name => name.slice(0, 64))
  const path = [...(problem.instancePath ?? '').split('/').filter(step => step !== ''), ...member]
  const named = [place, ...path].join('.')
  const message = typeof unknown === 'string'
    ? `${named} is not a known member of this route.`
    : typeof missing === 'string'
      ? `${named} is missing.`
      : `${named} ${sentenceOf(problem)}.${formOf(problem)}`
  return new Failure('invalid_request', { message, details: { field: path.length === 0 ? place : path.join('.') } })
}

/** What a value must be. AJV leaves the values of an enumeration out. */
function sentenceOf ({ keyword, params, message = 'is not valid' }: Problem): string {
  const allowed = params?.allowedValues
  return keyword === 'enum' && Array.isArray(allowed) ? `must be one of ${allowed.join(', ')}` : message
}

/** The description of a schema, which explains a pattern or a format to people. */
function formOf ({ keyword, parentSchema }: Problem & { parentSchema?: { description?: unknown } }): string {
  return (keyword === 'pattern' || keyword === 'format') && typeof parentSchema?.description === 'string'
    ? ` ${parentSchema.description}`
    : ''
}

/** Refusals of the self routes have LedgerBee's shape, whether the guard refuses or the schema of the query. */
export function presentAsLedgerBee (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload: unknown) => void
): void {
  const { error, code, details } = payload as { error?: string, code?: string, details?: object }
  if (reply.statusCode < 400 || error === undefined) return done(null, payload)
  const path = request.url.split('?', 1)[0]
  done(null, {
    statusCode: reply.statusCode,
    timestamp: new Date().toISOString(),
    path,
    message: error,
    code,
    details: details ?? {}
  })
}

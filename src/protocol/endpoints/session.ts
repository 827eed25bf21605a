/**
 * The session endpoint (CK-10): the JWT bearer grant of RFC 7523 §2.1, with publishable keys in the place of clients.
 * An assertion signed by a signing key is the only proof: no API key and no client gets the session of an end user.
 */
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import { assertionProblems, sessionExchange, type SessionAnswer } from '../../domain/access/checks/end-user-session.ts'
import { sessionLifetime } from '../../domain/tokens/session-token.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { descriptions } from '../shared/descriptions.ts'
import { jwtBearer as grantType } from '../../domain/client-metadata/grant-types.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import { noStore, OAuthError, slowDown } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'

export interface SessionOptions extends ProtocolOptions {
  refusals: RefusalLog
  tokens: TokenMeter
  limits: ProtocolLimits
  counts: SharedCounters
  telemetry: Telemetry
}

const bodyLimit = 16 * 1024

/** The session endpoint as a plugin with its own parser for forms. */
export function session (options: SessionOptions) {
  const { exchange } = sessionExchange(options)
  const failures = windowLimiter(
    options.limits.failuresPerAddress, options.clock, options.counts.of('session failures')
  )
  return async (app: FastifyInstance): Promise<void> => {
    app.removeAllContentTypeParsers()
    await app.register(formbody, { bodyLimit })
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(noStore)
      requireNothingElse(request)
    })
    app.post(paths.session, { schema: descriptions.session }, async request => {
      const assertion = assertionOf(request.body)
      await options.catchUp?.()
      const answer = await inSpan(options.telemetry.tracing, 'token issuance', () => exchange(assertion))
      if (!answer.ok) throw refuse(options, failures, request, answer)
      options.telemetry.metrics.tokens.increment(grantType)
      options.tokens.count(answer.key.id, answer.key.organizationId)
      const scope = answer.scopes.join(' ') || undefined
      return {
        access_token: answer.token,
        token_type: 'Bearer',
        expires_in: sessionLifetime,
        ...(scope === undefined ? {} : { scope })
      }
    })
  }
}

/** Refuses other credentials and parameters in the URI before the body is read (RFC 6749 §2.3.1, §3.2). */
function requireNothingElse ({ headers, query }: FastifyRequest): void {
  if (headers.authorization !== undefined) {
    throw invalid('This endpoint takes an assertion and no other credential: leave the Authorization header out.')
  }
  const named = Object.keys(query as object)
  if (named.length > 0) throw invalid('The parameters belong in the body, never in the URI.')
}

/** The assertion of a form in which no parameter is repeated (RFC 6749 §3.2). Other parameters are ignored. */
function assertionOf (body: unknown): string {
  const form = (body ?? {}) as Readonly<Record<string, string | string[] | undefined>>
  if (Object.values(form).some(Array.isArray)) throw invalid('A parameter must not be repeated.')
  const { grant_type: type, assertion } = form
  if (!type) throw invalid(`grant_type is missing; send ${grantType}.`)
  if (type !== grantType) {
    throw new OAuthError(400, 'unsupported_grant_type', `This endpoint takes the grant ${grantType} only.`)
  }
  if (!assertion) throw invalid('assertion is missing; send a JWT signed by the signing key.')
  return assertion as string
}

/** Records the precise reason, and returns the error of RFC 7521 §4.1.1. */
function refuse (
  { refusals }: SessionOptions,
  failures: WindowLimiter,
  request: FastifyRequest,
  { problem, key }: SessionAnswer & { ok: false }
): OAuthError {
  const address = addressOf(request)
  const auditDetail = {
    reason: problem,
    subject: key?.id ?? null,
    organizationId: key?.organizationId ?? null,
    address,
    requestId: request.id
  }
  refusals.record({ ...auditDetail, type: 'credential.refused' })
  if (problem === 'replayed') refusals.record({ ...auditDetail, type: 'credential.reuse_detected' })
  failures.count(addressBlock(countedAddress(request)))
  const seconds = failures.exhausted(addressBlock(countedAddress(request)))
  return seconds === null ? new OAuthError(400, 'invalid_grant', assertionProblems[problem]) : slowDown(seconds)
}

function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description)
}

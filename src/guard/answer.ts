/**
 * How a guard answers: in the words of its resource's style, with the challenge of RFC 6750, and with a row for what
 * was refused.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { whenKnown, type Awaitable } from '../base/awaitable.ts'
import type { Clock } from '../base/clock.ts'
import type { Reason, Refusal } from '../domain/access/principal.ts'
import type { RefusalLog } from '../domain/audit/refusal-log.ts'
import type { Resource } from '../domain/resources/resource.ts'
import type { Style } from '../domain/resources/style.ts'
import { Failure, type FailureCode } from '../base/errors.ts'
import { warnings } from '../base/process-warning.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { challenge } from './challenge.ts'
import type { GuardedResource } from './guarded-resource.ts'
import { pathOf } from './log.ts'
import { errorStyles, type Answer, type Occasion } from './styles.ts'

/** What an answer is made with. */
export interface AnswerDependencies { refusals: RefusalLog, clock: Clock, telemetry: Telemetry }

/** For the numbers and the span: a reason and a kind of credential, both from closed sets. */
export function noteVerdict (
  { telemetry: { metrics, tracing } }: AnswerDependencies, outcome: 'admitted' | Reason, credential: string
): void {
  metrics.verdicts.increment(outcome, credential)
  if (tracing !== null) tracing.annotate({ 'latchkey.verdict': outcome, 'latchkey.credential': credential })
}

/** The statuses that speak of credentials (RFC 6750 §3.1). */
const challenged = new Set([400, 401, 403])

/** Answers a refusal and records it with its precise reason. Always false: the request does not pass. */
export function refuse (
  dependencies: AnswerDependencies,
  of: GuardedResource,
  resource: Resource | null,
  refusal: Refusal,
  request: FastifyRequest,
  reply: FastifyReply
): Awaitable<false> {
  const { refusals, clock } = dependencies
  const { reason, subject, organizationId, presented, policy } = refusal
  const detail = policy === undefined ? {} : { policy }
  noteVerdict(dependencies, reason, presented ?? 'none')
  request.log.info({ reason, subject, organizationId, ...detail }, 'refused')
  if (reason !== 'no_credential') {
    const about = { reason, subject, organizationId, address: addressOf(request), requestId: request.id, detail }
    refusals.record({ ...about, type: 'credential.refused' })
    // Its holder was told to use the new one: whoever comes with it now may have found it (RFC 9700 §4.14.2 of refresh
    // tokens).
    if (reason === 'rotated') refusals.record({ ...about, type: 'credential.reuse_detected' })
  }
  return whenKnown(of.metadataUrl(resource), metadataUrl => {
    const style = of.style(resource)
    const answer = errorStyles[style.errors].refusal(refusal, occasion(request, style, clock))
    if (challenged.has(answer.status)) reply.header('www-authenticate', challenge(refusal, metadataUrl))
    return send(reply, answer)
  })
}

/** Seconds after which a caller may ask again; what an operator has to decide about takes longer. */
const retryAfter: Readonly<Partial<Record<FailureCode, string>>> = { change_lost: '60' }

/** The check could not be made: never a pass, whatever broke. */
export function fail (
  dependencies: AnswerDependencies, style: Style, error: unknown, request: FastifyRequest, reply: FastifyReply
): false {
  const { clock, telemetry } = dependencies
  const failure = error instanceof Failure ? error : new Failure('internal', { cause: error })
  if (telemetry.availability.rejecting === failure.code) request.log.info({ code: failure.code }, failure.message)
  else if (failure.code === 'change_lost') recordLost(dependencies, failure, request)
  else request.log.error({ err: error }, 'the guard could not decide')
  if (failure.status === 503) reply.header('retry-after', retryAfter[failure.code] ?? '1')
  return send(reply, errorStyles[style.errors].failure(failure, occasion(request, style, clock)))
}

/**
 * Its holder tries in vain, maybe for days: that belongs into the audit log, as other refusals do, and is no error of
 * the server.
 */
function recordLost (
  { refusals }: AnswerDependencies, { code, detail: refused }: Failure, request: FastifyRequest
): void {
  request.log.info({ reason: code, refused }, 'refused')
  const nobody = { subject: null, organizationId: null }
  const by = { address: addressOf(request), requestId: request.id }
  refusals.record({ type: 'credential.refused', reason: code, ...nobody, ...by, detail: { refused } })
}

/** A key in the URL is taken where a style allows it; the caller is told, and nobody keeps the answer. */
export function discourageQuery (style: Style, reply: FastifyReply): void {
  const header = style.transports.find(transport => transport.in === 'header')
  if (header) {
    reply.header('warning', warnings([`Send the API key in the ${header.name} header: a URL ends up in logs`]))
  }
  reply.header('cache-control', 'no-store, private').header('referrer-policy', 'no-referrer')
}

function occasion (request: FastifyRequest, { transports }: Style, clock: Clock): Occasion {
  return { path: pathOf(request), now: clock(), requestId: request.id, transports }
}

function send (reply: FastifyReply, { status, contentType, body }: Answer): false {
  reply.code(status).header('content-type', contentType).header('cache-control', 'no-store').send(JSON.stringify(body))
  return false
}

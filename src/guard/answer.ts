/**
 * How a guard answers a request that does not pass: in its resource's style, with the challenge of RFC 6750, and with a
 * row of the audit log.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
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

/** The parts that answers are made with. */
export interface AnswerDependencies { refusals: RefusalLog, clock: Clock, telemetry: Telemetry }

/** For metrics and the span: a reason and a kind of credential, both from closed sets. */
export function noteVerdict (
  { telemetry: { metrics, tracing } }: AnswerDependencies, outcome: 'admitted' | Reason, credential: string
): void {
  metrics.verdicts.increment(outcome, credential)
  if (tracing !== null) tracing.annotate({ 'latchkey.verdict': outcome, 'latchkey.credential': credential })
}

/** The statuses that speak of credentials (RFC 6750 §3.1). */
const challenged = new Set([400, 401, 403])

/** A request that is refused, and the reply to write to. */
interface RefusedRequest {
  dependencies: AnswerDependencies
  guarded: GuardedResource
  /** As it was when the request was judged. */
  resource: Resource | null
  request: FastifyRequest
  reply: FastifyReply
}

/** Answers a refusal and records it with its precise reason. Always false: the request does not pass. */
export async function refuse (
  { dependencies, guarded, resource, request, reply }: RefusedRequest, refusal: Refusal
): Promise<false> {
  const { refusals, clock } = dependencies
  const { reason, subject, organizationId, presented, policy } = refusal
  const detail = policy === undefined ? {} : { policy }
  noteVerdict(dependencies, reason, presented ?? 'none')
  request.log.info({ reason, subject, organizationId, ...detail }, 'refused')
  if (reason !== 'no_credential') {
    const entry = { reason, subject, organizationId, address: addressOf(request), requestId: request.id, detail }
    refusals.record({ ...entry, type: 'credential.refused' })
    // Its holder was told to use the new one: the sender of the old one may have found it (RFC 9700 §4.14.2 of refresh
    // tokens).
    if (reason === 'rotated') refusals.record({ ...entry, type: 'credential.reuse_detected' })
  }
  const style = guarded.style(resource)
  const answer = errorStyles[style.errors].refusal(refusal, occasion(request, style, clock))
  if (challenged.has(answer.status)) {
    reply.header('www-authenticate', challenge(refusal, await guarded.metadataUrl(resource)))
  }
  return send(reply, answer)
}

/** Seconds after which a caller may try again; a decision of an operator takes longer. */
const retryAfter: Readonly<Partial<Record<FailureCode, string>>> = { change_lost: '60' }

/** Answers a request that could not be judged: an error never lets it pass. */
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

/** A refusal like others, for the audit log, and no error of the server: it may last for days. */
function recordLost (
  { refusals }: AnswerDependencies, { code, detail: refused }: Failure, request: FastifyRequest
): void {
  request.log.info({ reason: code, refused }, 'refused')
  refusals.record({
    type: 'credential.refused',
    reason: code,
    subject: null,
    organizationId: null,
    address: addressOf(request),
    requestId: request.id,
    detail: { refused }
  })
}

/** A key in the URL is taken where a style allows it; the caller is warned, and the answer is not stored. */
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

/** How a guard of Fastify answers a request that does not pass: records the verdict, and sends the ready answer. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import type { Clock } from '../base/clock.ts'
import type { Resource } from '../domain/resources/resource.ts'
import type { Style } from '../domain/resources/style.ts'
import type { GuardedResource } from './guarded-resource.ts'
import type { RouteRequirements } from './needs.ts'
import { pathOf } from './log.ts'
import {
  failureAnswer, refusalAnswer, type ReadyAnswer, type Refused, type StyledOccasion
} from './refusal/ready-answer.ts'
import {
  recordFailure, recordRefusal, type FailedRequest, type RecordDependencies, type RecordedRequest
} from './verdict-record.ts'

/** The parts that answers are made with. */
export interface AnswerDependencies extends RecordDependencies { clock: Clock }

/** A request that is refused, and the reply to write to. */
interface RefusedRequest {
  dependencies: AnswerDependencies
  guarded: GuardedResource
  requirements: RouteRequirements
  /** As it was when the request was judged. */
  resource: Resource | null
  request: FastifyRequest
  reply: FastifyReply
}

/** Answers a refusal and records it with its precise reason. Always false: the request does not pass. */
export async function refuse (
  { dependencies, guarded, requirements, resource, request, reply }: RefusedRequest, refused: Refused
): Promise<false> {
  recordRefusal(dependencies, refused.refusal, recordedRequest(request, requirements, resource))
  const style = guarded.style(resource)
  const challenged = await guarded.challenged(resource, requirements)
  return send(reply, refusalAnswer(refused, occasion(request, style, dependencies.clock), challenged))
}

/** Answers a request that could not be judged: an error never lets it pass. */
export function fail (
  dependencies: AnswerDependencies, style: Style, error: unknown, request: FastifyRequest, reply: FastifyReply
): false {
  const failure = recordFailure(dependencies, error, failedRequest(request))
  return send(reply, failureAnswer(failure, occasion(request, style, dependencies.clock)))
}

function failedRequest (request: FastifyRequest): FailedRequest {
  return { address: addressOf(request), id: request.id, log: request.log }
}

function recordedRequest (
  request: FastifyRequest, { route }: RouteRequirements, resource: Resource | null
): RecordedRequest {
  return { ...failedRequest(request), resource, route }
}

function occasion (request: FastifyRequest, style: Style, clock: Clock): StyledOccasion {
  return { path: pathOf(request), now: clock(), requestId: request.id, style }
}

function send (reply: FastifyReply, { status, headers, body }: ReadyAnswer): false {
  reply.code(status).headers(headers).send(body)
  return false
}

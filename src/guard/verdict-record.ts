/** What is recorded of a verdict: metrics and the span, the log line, the row of the audit log, the request. */
import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { Failure, failures } from '../base/errors.ts'
import type { Principal, Reason, Refusal } from '../domain/access/principal.ts'
import type { RefusalLog } from '../domain/audit/refusal-log.ts'
import type { RequestLog } from '../domain/metering/request-log.ts'
import type { Resource } from '../domain/resources/resource.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { GuardedResource } from './guarded-resource.ts'
import type { RouteRequirements } from './needs.ts'
import { statuses } from './refusal/public-refusal.ts'
import { statusIn } from './refusal/styles.ts'

/** Where requests are logged for their credentials. */
export type Requests = Pick<RequestLog, 'note' | 'takesAdmitted'>

/** Where verdicts are recorded. `requests` absent: no request is logged for its credential. */
export interface RecordDependencies { refusals: RefusalLog, requests?: Requests, telemetry: Telemetry }

/** The request that is recorded. `address`: the caller's. `about`: further members of the audit row's detail. */
export interface FailedRequest {
  address: string
  id: string
  log: Pick<FastifyBaseLogger, 'info' | 'error'>
  about?: Readonly<Record<string, unknown>>
}

/** A request that is refused. `resource` null: any. `route`: as it is declared. */
export interface RecordedRequest extends FailedRequest { resource: Resource | null, route: string }

/** For metrics and the span: a reason and a kind of credential, both from closed sets. */
export function noteVerdict (
  { telemetry: { metrics, tracing } }: Pick<RecordDependencies, 'telemetry'>, outcome: 'admitted' | Reason,
  credential: string
): void {
  metrics.verdicts.increment(outcome, credential)
  if (tracing !== null) tracing.annotate({ 'latchkey.verdict': outcome, 'latchkey.credential': credential })
}

/** Records a refusal with its precise reason. */
export function recordRefusal (dependencies: RecordDependencies, refusal: Refusal, request: RecordedRequest): void {
  const { reason, subject, organizationId, presented, policy, actingFor } = refusal
  const through = actingFor && { client: actingFor.clientId, authorization: actingFor.authorizationId }
  const detail = { ...(policy === undefined ? {} : { policy }), ...through, ...request.about }
  noteVerdict(dependencies, reason, presented ?? 'none')
  dependencies.requests?.note({
    requestId: request.id,
    credentialId: actingFor?.authorizationId ?? subject,
    organizationId,
    resourceId: request.resource?.id ?? null,
    resourceOwner: request.resource?.organizationId ?? null,
    route: request.route,
    status: request.resource === null ? statuses[reason] : statusIn(request.resource.style.errors, refusal),
    reason,
    address: request.address
  })
  request.log.info({ reason, subject, organizationId, ...detail }, 'refused')
  if (reason === 'no_credential') return
  const entry = { reason, subject, organizationId, address: request.address, requestId: request.id, detail }
  dependencies.refusals.record({ ...entry, type: 'credential.refused' })
  // Its holder was told to use the new one: the sender of the old one may have found it (RFC 9700 §4.14.2 of refresh
  // tokens).
  if (reason === 'rotated') dependencies.refusals.record({ ...entry, type: 'credential.reuse_detected' })
}

/** Records an error that stood in the way of a verdict, and returns it as a failure. */
export function recordFailure (dependencies: RecordDependencies, error: unknown, request: FailedRequest): Failure {
  const failure = error instanceof Failure ? error : new Failure('internal', { cause: error })
  const isExpected = failure.status < 500 || dependencies.telemetry.availability.rejecting === failure.code
  if (isExpected) request.log.info({ code: failure.code }, failures[failure.code].message)
  else if (failure.code === 'change_lost') recordLost(dependencies, failure, request)
  else request.log.error({ err: error }, 'the guard could not decide')
  return failure
}

/** A refusal like others, for the audit log, and no error of the server: it may last for days. */
export function recordLost (
  { refusals }: Pick<RecordDependencies, 'refusals'>, { code, detail: refused }: Failure, request: FailedRequest
): void {
  request.log.info({ reason: code, refused }, 'refused')
  refusals.record({
    type: 'credential.refused',
    reason: code,
    subject: null,
    organizationId: null,
    address: request.address,
    requestId: request.id,
    detail: { refused, ...request.about }
  })
}

/** A request that was admitted, in the words of the log. `route`: as it is declared. */
export interface AdmittedRequest extends Pick<RecordedRequest, 'address' | 'id' | 'resource' | 'route'> {
  /** Of the answer; of a verdict that another process asked for, that of the verdict. */
  status: number
}

/**
 * Logs an admitted request with the status of its answer, if there is room: under load there is none, and this costs a
 * look-up.
 */
export function logAdmitted (
  requests: Requests, principal: Principal, { request, statusCode: status }: FastifyReply,
  guarded: Pick<GuardedResource, 'latest'>, { route }: RouteRequirements
): void {
  if (!hasRoom(requests, principal)) return
  note(requests, principal, { id: request.id, resource: guarded.latest(), route, status, address: addressOf(request) })
}

/** As `logAdmitted`, of a request that another process asks about. */
export function logAskedAndAdmitted (
  { requests }: RecordDependencies, principal: Principal, request: AdmittedRequest
): void {
  if (requests !== undefined && hasRoom(requests, principal)) note(requests, principal, request)
}

/** Requests of people and of the admin token are not logged: these are no programs. */
function hasRoom (requests: Requests, principal: Principal): boolean {
  const { kind, organizationId } = principal
  return kind !== 'person' && kind !== 'admin_token' && requests.takesAdmitted(loggedId(principal), organizationId)
}

function loggedId ({ id, actingFor }: Principal): string {
  return actingFor?.authorizationId ?? id
}

function note (
  requests: Requests, principal: Principal, { id: requestId, resource, route, status, address }: AdmittedRequest
): void {
  requests.note({
    requestId,
    credentialId: loggedId(principal),
    organizationId: principal.organizationId,
    resourceId: resource?.id ?? null,
    resourceOwner: resource?.organizationId ?? null,
    route,
    status,
    reason: null,
    address
  })
}

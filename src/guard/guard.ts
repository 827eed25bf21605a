/**
 * The guard: a Fastify plugin that lets a request through with exactly one valid credential whose scopes cover the
 * route, and answers everything else in the resource's own words. Mount it in a context of its own; every route of that
 * context declares what it requires, or the server does not start.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { addressOf } from '../base/ip-address.ts'
import type { Awaitable } from '../base/awaitable.ts'
import { requireAvailable } from '../base/availability.ts'
import { refusal } from '../domain/access/facts.ts'
import type { Principal, Refusal } from '../domain/access/principal.ts'
import type { PersonSession } from '../domain/people/person-session.ts'
import type { RefusalEntry } from '../domain/audit/refusal-log.ts'
import type { Resource } from '../domain/resources/resource.ts'
import { managementStyle, type Style } from '../domain/resources/style.ts'
import type { BoundObject } from '../domain/credentials/webhook-token.ts'
import type { Environment } from '../secrets/credential-text.ts'
import { isOverTls } from '../http/forwarded.ts'
import { newTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { admission, type Admission, type AdmissionDependencies, type Admitted } from './admission.ts'
import { fail, refuse, type AnswerDependencies } from './answer.ts'
import { keepApart } from './caching.ts'
import { guardedResource, type GuardedOption, type GuardedResource } from './guarded-resource.ts'
import { loggedRequest } from './log.ts'
import type { GuardedRoutes } from './guarded-routes.ts'
import { requirementsOf, requireKnownScopes, type RouteRequirements } from './needs.ts'
import { presentedSession, type PresentedSession } from './person-session.ts'
import { onlyBearer, presentedCredential, tokenInBody, type PresentedCredential } from './presentation.ts'
import { rateLimitHeaders } from '../http/rate-limit-headers.ts'
import { discouragingHeaders, type Refused } from './refusal/ready-answer.ts'
import { RouteCall } from './route-call.ts'
import { logAdmitted, noteVerdict } from './verdict-record.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The outcome of its admission by a guard; null: no guard has admitted it yet. */
    admission: Admitted | null
    /** The principal that its credential proves. Set on every guarded route before its handler runs. */
    readonly principal: Principal
    /** The organization that the path names, or the principal's own; null: none. */
    readonly organizationId: string | null
    /** The object that a webhook's token is bound to; null on every other route. */
    readonly boundObject: BoundObject | null
    /** The session of the person that makes the request; null: it is made by another credential. */
    readonly personSession: PersonSession | null
    /** The entry that took its credits, for `meter.refund`; null: none were taken. */
    readonly spending: string | null
  }
}

/** The parts that a guard decides and answers with. */
export interface GuardDependencies extends AdmissionDependencies, Omit<AnswerDependencies, 'telemetry'> {
  /** Where verdicts are counted and traced, and whether requests are taken at all; its own unless given. */
  telemetry?: Telemetry
  /** Learns each route; absent: its routes cannot be asked about. */
  routes?: GuardedRoutes
}

type Presented = PresentedCredential | PresentedSession

type Dependencies = GuardDependencies & { telemetry: Telemetry }

export interface GuardOptions {
  resource: GuardedOption
  /** The one environment that is served here; keys of the other are refused (CK-13). Both unless given. */
  environment?: Environment
  /** Whether all routes of the context take the sessions of people beside other credentials. No unless given. */
  personSessions?: boolean
}

/** A guard over `dependencies`. Register it in the context whose routes it is to protect. */
export function guard (given: GuardDependencies): FastifyPluginAsync<GuardOptions> {
  const dependencies: Dependencies = { telemetry: newTelemetry(), ...given }
  return plugin(async (app: FastifyInstance, { resource, environment, personSessions = false }: GuardOptions) => {
    const guarded = await guardedResource(dependencies.registry, resource, environment ?? null)
    const required: RouteRequirements[] = []
    // One property for all of it, which requests have from the start; the hook below sets it before a handler runs.
    app.decorateRequest('admission', null)
    app.decorateRequest('principal', { getter () { return this.admission?.principal as Principal } })
    app.decorateRequest('organizationId', { getter () { return this.admission?.organizationId ?? null } })
    app.decorateRequest('boundObject', { getter () { return this.admission?.boundObject ?? null } })
    app.decorateRequest('personSession', { getter () { return this.admission?.personSession ?? null } })
    app.decorateRequest('spending', { getter () { return this.admission?.spending ?? null } })
    // Where nothing is logged, Fastify makes no logger for a request, unless it is told how.
    if (isLogged(app)) {
      app.setChildLoggerFactory((logger, bindings, options) =>
        logger.child(bindings, { ...options, serializers: { ...options.serializers, req: loggedRequest } }))
    }
    app.addHook('onRoute', route => {
      const requirements = requirementsOf(route)
      if (requirements === null) return
      required.push(requirements)
      dependencies.routes?.learn(guarded.latest()?.id ?? null, { requirements, environment: guarded.environment })
      const takesPeople = dependencies.people !== undefined && (personSessions || requirements.person)
      route.config = { ...route.config, errorStyle: guarded.style(null).errors }
      // Per route, and before the route's own: the requirements are settled now, not looked up at every request.
      route.onRequest = [(request, reply, done) => {
        goOn(orStop(admit, { dependencies, guarded, requirements, takesPeople, request, reply }), done)
      }, ...hooksOf(route.onRequest)]
      // After the route's own and those of its context: they may set `Cache-Control`, or add to `Vary`.
      route.onSend = [...hooksOf(route.onSend), (request, reply, payload, done) => {
        // A request that was not admitted was answered by the guard, with `no-store`.
        const { admission } = request
        if (admission !== null) {
          keepApart(reply, guarded.latestStyle())
          if (dependencies.requests !== undefined) {
            logAdmitted(dependencies.requests, admission.principal, reply, guarded, requirements)
          }
        }
        done(null, payload)
      }]
      if (mayHaveBody(route)) {
        route.preValidation = [(request, reply, done) => {
          goOn(orStop(admitBody, { dependencies, guarded, requirements, takesPeople, request, reply }), done)
        }, ...hooksOf(route.preValidation)]
      }
    })
    app.addHook('onReady', async () => {
      const current = await guarded.current()
      if (current !== null) requireKnownScopes(current, required)
    })
  }, { name: 'latchkey-guard', fastify: '5.x' })
}

/** Whether an application has a logger: the one that Fastify puts in the place of none is its own child. */
function isLogged ({ log }: FastifyInstance): boolean {
  return log.child({}) !== log
}

/** Goes on with a request that passes; the others were answered. */
function goOn (passes: Awaitable<boolean>, done: () => void): void {
  if (passes instanceof Promise) goOnLater(passes, done)
  else if (passes) done()
}

async function goOnLater (passes: Promise<boolean>, done: () => void): Promise<void> {
  if (await passes) done()
}

function mayHaveBody ({ method }: RouteOptions): boolean {
  return [method].flat().some(each => each !== 'GET' && each !== 'HEAD')
}

function hooksOf<T> (hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : [hooks].flat() as T[]
}

/** A request in front of a guard, and the reply to write to. */
interface Arrival {
  dependencies: Dependencies
  guarded: GuardedResource
  requirements: RouteRequirements
  /** Whether the route takes sessions of people. */
  takesPeople: boolean
  request: FastifyRequest
  reply: FastifyReply
}

/** Whether the request may pass. If not, the answer is sent. */
function admit (arrival: Arrival): Awaitable<boolean> {
  const { tracing, availability } = arrival.dependencies.telemetry
  requireAvailable(availability)
  return tracing === null ? decide(arrival) : tracing.span('verdict', () => decide(arrival))
}

/** The outcome of a step; a request for which it fails, now or later, is answered and does not pass. */
function orStop (step: (arrival: Arrival) => Awaitable<boolean>, arrival: Arrival): Awaitable<boolean> {
  try {
    const passes = step(arrival)
    return passes instanceof Promise ? passes.catch(stopAt(arrival)) : passes
  } catch (error) {
    return stopAt(arrival)(error)
  }
}

function stopAt ({ dependencies, guarded, request, reply }: Arrival): (error: unknown) => false {
  return error => fail(dependencies, guarded.style(null), error, request, reply)
}

function decide (arrival: Arrival): Awaitable<boolean> {
  const adminToken = arrival.guarded.takesAdminToken ? adminTokenOf(arrival) : null
  if (adminToken !== null) return answer(arrival, null, adminToken)
  const resource = arrival.guarded.current()
  return resource instanceof Promise ? decideLater(arrival, resource) : decideFor(arrival, resource)
}

async function decideLater (arrival: Arrival, resource: Promise<Resource | null>): Promise<boolean> {
  return await decideFor(arrival, await resource)
}

/**
 * The break-glass token, if the request presents it: before the resource is looked at, because what is stored of that
 * could keep out the one credential that can mend it. Null: it does not.
 */
function adminTokenOf ({ dependencies: { authenticator }, request }: Arrival): PresentedCredential | null {
  const text = onlyBearer(request, managementStyle)
  return text !== null && authenticator.isAdminToken(text)
    ? { credential: { kind: 'access_token', text }, inQuery: false }
    : null
}

/** Decides by the resource as it is now. */
function decideFor (arrival: Arrival, resource: Resource | null): Awaitable<boolean> {
  const { guarded, request } = arrival
  const style = guarded.style(resource)
  // Before its credential is looked at: the sender of one in clear is told, whether it is good or not (CL-02).
  return style.requireTls === true && !isOverTls(request)
    ? refuse({ ...arrival, resource }, unlimited(refusal('tls_required', null)))
    : answer(arrival, resource, presentedTo(arrival, style))
}

/** What a request presents. A credential that it names itself wins over its cookie, which is then not read. */
function presentedTo ({ dependencies: { people }, request, takesPeople }: Arrival, style: Style): Presented {
  const presented = presentedCredential(request, style)
  if (!takesPeople || !('refusal' in presented) || presented.refusal.reason !== 'no_credential') return presented
  return presentedSession(request.raw, people!) ?? presented
}

function answer (
  arrival: Arrival, resource: Resource | null, presented: Presented
): Awaitable<boolean> {
  const { dependencies, guarded, requirements, request } = arrival
  const call = new RouteCall(dependencies, requirements, resource, guarded.environment, request)
  const admitted = admission(call, presented)
  return admitted instanceof Promise
    ? answerLater(arrival, resource, presented, admitted)
    : answerTo(arrival, resource, presented, admitted)
}

async function answerLater (
  arrival: Arrival, resource: Resource | null, presented: Presented, admitted: Promise<Admission>
): Promise<boolean> {
  return await answerTo(arrival, resource, presented, await admitted)
}

/** Hands an admitted request to its route, with the outcome of the admission; answers the others. */
function answerTo (
  arrival: Arrival, resource: Resource | null, presented: Presented, admitted: Admission
): Awaitable<boolean> {
  const { dependencies, guarded, request, reply } = arrival
  if (!admitted.ok) return refuse({ ...arrival, resource }, admitted)
  if (admitted.limits.length > 0) reply.headers(rateLimitHeaders(admitted.limits))
  const { principal } = admitted
  if ('inQuery' in presented && presented.inQuery) reply.headers(discouragingHeaders(guarded.style(resource)))
  if (principal.kind === 'admin_token') dependencies.refusals.record(adminUse(request))
  request.admission = admitted
  noteVerdict(dependencies, 'admitted', principal.kind)
  return true
}

/** Every use of the break-glass credential is in the audit log (OC-02). */
function adminUse (request: FastifyRequest): RefusalEntry {
  return {
    type: 'admin_token.used',
    reason: null,
    subject: 'admin',
    organizationId: null,
    address: addressOf(request),
    requestId: request.id,
    detail: { method: request.method }
  }
}

function admitBody (arrival: Arrival): Awaitable<boolean> {
  const against = tokenInBody(arrival.request)
  return against === null ? true : refuseBody(arrival, against)
}

async function refuseBody (arrival: Arrival, against: Refusal): Promise<boolean> {
  return await refuse({ ...arrival, resource: await arrival.guarded.current() }, unlimited(against))
}

/** A refusal before any limit was looked at. */
function unlimited (refusal: Refusal): Refused {
  return { refusal, retryAfterSeconds: null, limits: [] }
}

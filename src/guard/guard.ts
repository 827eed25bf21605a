/**
 * The guard: a Fastify plugin that lets a request through with exactly one valid credential whose scopes cover the
 * route, and answers everything else in the resource's own words. Mount it in a context of its own; every route of that
 * context says what it needs, or the server does not boot.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { addressOf } from '../base/ip-address.ts'
import { whenKnown, type Awaitable } from '../base/awaitable.ts'
import { requireAvailable } from '../base/availability.ts'
import type { Principal, Refusal } from '../domain/access/principal.ts'
import type { RefusalEntry } from '../domain/audit/refusal-log.ts'
import type { Resource } from '../domain/resources/resource.ts'
import { managementStyle } from '../domain/resources/style.ts'
import type { BoundObject } from '../domain/credentials/webhook-token.ts'
import type { Environment } from '../secrets/credential-text.ts'
import { isOverTls } from '../http/forwarded.ts'
import { newTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { admission, anonymous, Call, type Admission, type AdmissionDependencies, type Admitted } from './admission.ts'
import { discourageQuery, fail, noteVerdict, refuse, type AnswerDependencies } from './answer.ts'
import { keepApart } from './caching.ts'
import { guardedResource, type GuardedOption, type GuardedResource } from './guarded-resource.ts'
import { loggedRequest } from './log.ts'
import { requirementsOf, requireKnownScopes, type RouteRequirements } from './needs.ts'
import { onlyBearer, presentedCredential, type PresentedCredential } from './presentation.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What a guard let it in as, in one; null: no guard did yet. */
    admission: Admitted | null
    /** Who is asking. Set on every guarded route before its handler runs. */
    readonly principal: Principal
    /** The organization that the path names, or the principal's own; null: none. */
    readonly organizationId: string | null
    /** The object that a webhook's token is bound to; null on every other route. */
    readonly boundObject: BoundObject | null
    /** What the call has cost, for `meter.refund`; null: nothing. */
    readonly spending: string | null
  }
}

/** What a guard decides and answers with. */
export interface GuardDependencies extends AdmissionDependencies, Omit<AnswerDependencies, 'telemetry'> {
  /** Where verdicts are counted and traced, and who is let in at all; a telemetry of its own unless given. */
  telemetry?: Telemetry
}

/** As given, and with a telemetry. */
type Dependencies = Required<GuardDependencies>

export interface GuardOptions {
  resource: GuardedOption
  /** The one environment that is served here; keys of the other are refused (CK-13). Both unless given. */
  environment?: Environment
}

/** A guard over `dependencies`. Register it in the context whose routes it is to protect. */
export function guard (given: GuardDependencies): FastifyPluginAsync<GuardOptions> {
  const dependencies: Dependencies = { telemetry: newTelemetry(), ...given }
  return plugin(async (app: FastifyInstance, { resource, environment }: GuardOptions) => {
    const of = await guardedResource(dependencies.registry, resource, environment ?? null)
    const needs: RouteRequirements[] = []
    // One place for all of it, which requests have from the start; the hook below sets it before a handler can look.
    app.decorateRequest('admission', null)
    app.decorateRequest('principal', { getter () { return this.admission?.principal as Principal } })
    app.decorateRequest('organizationId', { getter () { return this.admission?.organizationId ?? null } })
    app.decorateRequest('boundObject', { getter () { return this.admission?.boundObject ?? null } })
    app.decorateRequest('spending', { getter () { return this.admission?.spending ?? null } })
    // Where nothing is logged, Fastify makes no logger for a request, unless it is told how.
    if (isLogged(app)) {
      app.setChildLoggerFactory((logger, bindings, options) =>
        logger.child(bindings, { ...options, serializers: { ...options.serializers, req: loggedRequest } }))
    }
    app.addHook('onRoute', route => {
      const need = requirementsOf(route)
      if (need === null) return
      needs.push(need)
      route.config = { ...route.config, errorStyle: of.style(null).errors }
      // Per route, and in front of the route's own: what is asked for is settled now, not looked up at every request.
      route.onRequest = [(request, reply, done) => {
        whenKnown(orStop(admit, { dependencies, of, need, request, reply }), goOn, done)
      }, ...hooksOf(route.onRequest)]
      // Behind the route's own, and behind those of its context: they may say what caches may do, or add to `Vary`.
      route.onSend = [...hooksOf(route.onSend), (request, reply, payload, done) => {
        // What was not admitted was answered here, and is stored nowhere.
        if (request.admission !== null) keepApart(reply, of.latestStyle())
        done(null, payload)
      }]
      if (mayHaveBody(route)) {
        route.preValidation = [(request, reply, done) => {
          whenKnown(orStop(admitBody, { dependencies, of, need, request, reply }), goOn, done)
        }, ...hooksOf(route.preValidation)]
      }
    })
    app.addHook('onReady', async () => {
      const current = await of.current()
      if (current !== null) requireKnownScopes(current, needs)
    })
  }, { name: 'latchkey-guard', fastify: '5.x' })
}

/** Whether an application has a logger: the one that Fastify puts in its place is its own child. */
function isLogged ({ log }: FastifyInstance): boolean {
  return log.child({}) !== log
}

function goOn (passes: boolean, done: () => void): void {
  if (passes) done()
}

function mayHaveBody ({ method }: RouteOptions): boolean {
  return [method].flat().some(each => each !== 'GET' && each !== 'HEAD')
}

function hooksOf<T> (hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : [hooks].flat() as T[]
}

/** A request in front of a guard, and what its answer will be written to. */
interface Arrival {
  dependencies: Dependencies, of: GuardedResource, need: RouteRequirements, request: FastifyRequest, reply: FastifyReply
}

/** Whether the request may pass. If not, the answer is sent. */
function admit (arrival: Arrival): Awaitable<boolean> {
  const { tracing, availability } = arrival.dependencies.telemetry
  requireAvailable(availability)
  return tracing === null ? judge(arrival) : tracing.span('verdict', () => judge(arrival))
}

/** The outcome of `pass`; whatever breaks in it, now or later, is answered, and the request does not pass. */
function orStop (pass: (arrival: Arrival) => Awaitable<boolean>, arrival: Arrival): Awaitable<boolean> {
  try {
    const passes = pass(arrival)
    return passes instanceof Promise ? passes.catch(stopAt(arrival)) : passes
  } catch (error) {
    return stopAt(arrival)(error)
  }
}

function stopAt ({ dependencies, of, request, reply }: Arrival): (error: unknown) => false {
  return error => fail(dependencies, of.style(null), error, request, reply)
}

function judge (arrival: Arrival): Awaitable<boolean> {
  const { dependencies, of, need, request } = arrival
  const adminToken = of.takesAdminToken ? adminTokenOf(arrival) : null
  if (adminToken !== null) {
    return whenKnown(
      admission(new Call(dependencies, need, null, of.environment, request), adminToken), answerTo, arrival, null,
      adminToken
    )
  }
  return whenKnown(arrival.of.current(), judgeAt, arrival)
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

/** Judges the request as things are now. */
function judgeAt (resource: Resource | null, arrival: Arrival): Awaitable<boolean> {
  const { dependencies, of, need, request, reply } = arrival
  const style = of.style(resource)
  // Before its credential is looked at: whoever sent it in clear is told, whether it is good or not (CL-02).
  if (style.requireTls === true && !isOverTls(request)) {
    return refuse(dependencies, of, resource, anonymous('tls_required'), request, reply)
  }
  const presented = presentedCredential(request, style)
  return whenKnown(
    admission(new Call(dependencies, need, resource, of.environment, request), presented), answerTo, arrival, resource,
    presented
  )
}

/** Hands the route of an admitted request what its judgement brought; answers the others. */
function answerTo (
  admitted: Admission, { dependencies, of, request, reply }: Arrival, resource: Resource | null,
  presented: PresentedCredential
): Awaitable<boolean> {
  if (admitted.limits.length > 0) reply.headers(rateLimitHeaders(admitted.limits))
  if (!admitted.ok) {
    if (admitted.retryAfterSeconds !== null) reply.header('retry-after', String(admitted.retryAfterSeconds))
    return refuse(dependencies, of, resource, admitted.refusal, request, reply)
  }
  const { principal } = admitted
  if ('inQuery' in presented && presented.inQuery) discourageQuery(of.style(resource), reply)
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

function admitBody ({ dependencies, of, request, reply }: Arrival): Awaitable<boolean> {
  const refusal = tokenInBody(request)
  if (refusal === null) return true
  return whenKnown(of.current(), resource => refuse(dependencies, of, resource, refusal, request, reply))
}

/** RFC 6750 §2: a token in the body beside the one in the header is a second credential. */
function tokenInBody ({ headers, body, principal }: FastifyRequest): Refusal | null {
  if (!isForm(headers['content-type']) || !hasParameter(body, 'access_token')) return null
  return {
    reason: 'several_credentials', presented: null, subject: principal.id, organizationId: principal.organizationId
  }
}

/** The names of media types are the same in any case (RFC 9110 §8.3.1). */
function isForm (type: string | undefined): boolean {
  return type !== undefined && type.toLowerCase().startsWith('application/x-www-form-urlencoded')
}

/**
 * Whether a form has a parameter, as whichever parser the application has reads forms: members, pairs or the text
 * itself.
 */
function hasParameter (form: unknown, name: string): boolean {
  if (form instanceof URLSearchParams) return form.has(name)
  if (typeof form === 'string' || Buffer.isBuffer(form)) return new URLSearchParams(String(form)).has(name)
  return (form as Record<string, unknown> | null | undefined)?.[name] !== undefined
}

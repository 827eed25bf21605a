/**
 * The guard: a Fastify plugin that lets a request through with exactly one valid credential whose scopes cover the route,
 * and answers everything else in the resource's own words. Mount it in a context of its own; every route of that context
 * says what it needs, or the server does not boot.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { whenKnown, type Awaitable } from '../awaitable.ts'
import { requireOpen } from '../door.ts'
import type { Principal, Refusal } from '../domain/principal.ts'
import type { RefusalEntry } from '../domain/refusals.ts'
import type { Resource } from '../domain/resource.ts'
import type { BoundObject } from '../domain/webhook-token.ts'
import type { Environment } from '../secrets.ts'
import { inSpan } from '../tracing.ts'
import { newWatch, type Watch } from '../watch.ts'
import { admission, anonymous, type AdmissionDependencies } from './admission.ts'
import { discourageQuery, fail, noteVerdict, refuse, type AnswerDependencies } from './answer.ts'
import { guardedResource, type GuardedOption, type GuardedResource } from './guarded-resource.ts'
import { loggedRequest } from './log.ts'
import { needsOf, requireKnownScopes, type RouteNeeds } from './needs.ts'
import { presentedCredential } from './presentation.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking. Set on every guarded route before its handler runs. */
    principal: Principal
    /** The organization that the path names, or the principal's own; null: none. */
    organizationId: string | null
    /** The object that a webhook's token is bound to; null on every other route. */
    boundObject: BoundObject | null
    /** What the call has cost, for `meter.refund`; null: nothing. */
    spending: string | null
  }
}

/** What a guard decides and answers with. */
export interface GuardDependencies extends AdmissionDependencies, Omit<AnswerDependencies, 'watch'> {
  /** Where verdicts are counted and traced, and who is let in at all; a watch of its own unless given. */
  watch?: Watch
}

/** As given, and with a watch. */
type Dependencies = Required<GuardDependencies>

export interface GuardOptions {
  resource: GuardedOption
  /** The one environment that is served here; keys of the other are refused (CK-13). Both unless given. */
  environment?: Environment
}

/** A guard over `dependencies`. Register it in the context whose routes it is to protect. */
export function guard (given: GuardDependencies): FastifyPluginAsync<GuardOptions> {
  const dependencies: Dependencies = { watch: newWatch(), ...given }
  return plugin(async (app: FastifyInstance, { resource, environment }: GuardOptions) => {
    const of = await guardedResource(dependencies.registry, resource, environment ?? null)
    const needs: RouteNeeds[] = []
    // A placeholder, so that requests keep one hidden class; the hook below sets it before a handler can look.
    app.decorateRequest('principal', null as unknown as Principal)
    app.decorateRequest('organizationId', null)
    app.decorateRequest('boundObject', null)
    app.decorateRequest('spending', null)
    app.setChildLoggerFactory((logger, bindings, options) =>
      logger.child(bindings, { ...options, serializers: { ...options.serializers, req: loggedRequest } }))
    app.addHook('onRoute', route => {
      const need = needsOf(route)
      if (need === null) return
      needs.push(need)
      route.config = { ...route.config, errorStyle: of.style(null).errors }
      // Per route, and in front of the route's own: what is asked for is settled now, not looked up at every request.
      route.onRequest = [(request, reply, done) => { whenKnown(admit(dependencies, of, need, request, reply), passes => { if (passes) done() }) }, ...hooksOf(route.onRequest)]
      if (mayHaveBody(route)) {
        route.preValidation = [(request, reply, done) => { whenKnown(admitBody(dependencies, of, request, reply), passes => { if (passes) done() }) }, ...hooksOf(route.preValidation)]
      }
    })
    app.addHook('onReady', async () => {
      const current = await of.current()
      if (current !== null) requireKnownScopes(current, needs)
    })
  }, { name: 'latchkey-guard', fastify: '5.x' })
}

function mayHaveBody ({ method }: RouteOptions): boolean {
  return [method].flat().some(each => each !== 'GET' && each !== 'HEAD')
}

function hooksOf<T> (hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : [hooks].flat() as T[]
}

/** Whether the request may pass. If not, the answer is sent. */
function admit (dependencies: Dependencies, of: GuardedResource, need: RouteNeeds, request: FastifyRequest, reply: FastifyReply): Awaitable<boolean> {
  return orStop(dependencies, of, request, reply, () => {
    requireOpen(dependencies.watch.door)
    return inSpan(dependencies.watch.tracing, 'verdict', () => whenKnown(of.current(), resource => decide(dependencies, of, need, resource, request, reply)))
  })
}

/** The outcome of `pass`; whatever breaks in it, now or later, is answered, and the request does not pass. */
function orStop (
  dependencies: Dependencies, of: GuardedResource, request: FastifyRequest, reply: FastifyReply, pass: () => Awaitable<boolean>
): Awaitable<boolean> {
  const stop = (error: unknown) => fail(dependencies, of.style(null), error, request, reply)
  try {
    const passes = pass()
    return passes instanceof Promise ? passes.catch(stop) : passes
  } catch (error) {
    return stop(error)
  }
}

/** Judges the request as things are now, and hands its route what the judgement brought. */
function decide (
  dependencies: Dependencies, of: GuardedResource, need: RouteNeeds, resource: Resource | null, request: FastifyRequest, reply: FastifyReply
): Awaitable<boolean> {
  const style = of.style(resource)
  // Before its credential is looked at: whoever sent it in clear is told, whether it is good or not (CL-02).
  if (style.requireTls === true && request.protocol !== 'https') return refuse(dependencies, of, resource, anonymous('tls_required'), request, reply)
  const presented = presentedCredential(request, style)
  return whenKnown(admission(dependencies, { need, presented, resource, environment: of.environment, request }), admitted => {
    reply.headers(rateLimitHeaders(admitted.limits))
    if (!admitted.ok) {
      if (admitted.retryAfterSeconds !== null) reply.header('retry-after', String(admitted.retryAfterSeconds))
      return refuse(dependencies, of, resource, admitted.refusal, request, reply)
    }
    if ('inQuery' in presented && presented.inQuery) discourageQuery(style, reply)
    if (admitted.principal.kind === 'admin_token') dependencies.refusals.record(adminUse(request))
    request.principal = admitted.principal
    request.organizationId = admitted.organizationId
    request.boundObject = admitted.boundObject
    request.spending = admitted.spending
    noteVerdict(dependencies, 'admitted', admitted.principal.kind)
    return true
  })
}

/** Every use of the break-glass credential is in the audit log (OC-02). */
function adminUse ({ method, ip, id }: FastifyRequest): RefusalEntry {
  return { type: 'admin_token.used', reason: null, subject: 'admin', organizationId: null, address: ip, requestId: id, detail: { method } }
}

function admitBody (dependencies: Dependencies, of: GuardedResource, request: FastifyRequest, reply: FastifyReply): Awaitable<boolean> {
  const refusal = tokenInBody(request)
  if (refusal === null) return true
  return orStop(dependencies, of, request, reply, () => whenKnown(of.current(), resource => refuse(dependencies, of, resource, refusal, request, reply)))
}

/** RFC 6750 §2: a token in the body beside the one in the header is a second credential. */
function tokenInBody ({ headers, body, principal }: FastifyRequest): Refusal | null {
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return null
  if ((body as Record<string, unknown> | null | undefined)?.access_token === undefined) return null
  return { reason: 'several_credentials', presented: null, subject: principal.id, organizationId: principal.organizationId }
}

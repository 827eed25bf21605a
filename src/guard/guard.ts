/**
 * The guard: a Fastify plugin that lets a request through with exactly one valid credential whose scopes cover the route,
 * and answers everything else in the resource's own words. Mount it in a context of its own; every route of that context
 * says what it needs, or the server does not boot.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { whenKnown, type Awaitable } from '../awaitable.ts'
import type { Clock } from '../clock.ts'
import type { ApiKey } from '../domain/api-key.ts'
import type { Meter, MeterVerdict } from '../domain/meter.ts'
import { isEmpty, policiesFor, weigh } from '../domain/policy-set.ts'
import { mayTouch, type Authenticator, type Principal, type Reason, type Refusal, type Verdict } from '../domain/principal.ts'

import type { RefusalLog } from '../domain/refusals.ts'
import type { Registry } from '../domain/registry.ts'
import { hostResourceId, type Resource } from '../domain/resource.ts'
import { resourceMetadataUrl } from '../domain/resource-metadata.ts'
import type { SessionChecks } from '../domain/session.ts'
import type { Style } from '../domain/style.ts'
import type { UsageLog } from '../domain/usage.ts'
import type { BoundObject, WebhookChecks } from '../domain/webhook-token.ts'
import { Failure } from '../errors.ts'
import type { Environment } from '../secrets.ts'
import { challenge } from './challenge.ts'
import { loggedRequest, pathOf } from './log.ts'
import { needsOf, requireKnownScopes, type RouteNeeds } from './needs.ts'
import { presentedCredential, type Presented } from './presentation.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { errorStyles, type Answer, type Occasion } from './styles.ts'

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

/** What a guard decides with. */
export interface GuardDependencies {
  authenticator: Authenticator
  registry: Registry
  refusals: RefusalLog
  /** Where the use of API keys is noted. */
  keyUsage: UsageLog
  meter: Meter
  sessions: SessionChecks
  webhooks: WebhookChecks
  clock: Clock
}

export interface GuardOptions {
  /** The identifier of the resource that the routes belong to; `any`: whatever resource of this deployment the credential is for. */
  resource: string | { any: true, style: Style }
  /** The one environment that is served here; keys of the other are refused (CK-13). Both unless given. */
  environment?: Environment
}

/** A guard over `dependencies`. Register it in the context whose routes it is to protect. */
export function guard (dependencies: GuardDependencies): FastifyPluginAsync<GuardOptions> {
  return plugin(async (app: FastifyInstance, { resource, environment }: GuardOptions) => {
    const of = { ...await guardedResource(dependencies.registry, resource), environment: environment ?? null }
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

/** The resource as it is now, looked up at every request; null: any. */
interface GuardedResource {
  /** Null: both. */
  environment: Environment | null
  current (): Awaitable<Resource | null>
  style (resource: Resource | null): Style
  metadataUrl (resource: Resource | null): Awaitable<string | null>
}

async function guardedResource (registry: Registry, option: GuardOptions['resource']): Promise<Omit<GuardedResource, 'environment'>> {
  if (typeof option !== 'string') {
    return {
      current: () => null,
      style: () => option.style,
      metadataUrl: async () => resourceMetadataUrl((await registry.resource(hostResourceId))!.identifier),
    }
  }
  const found = await registry.resourceByIdentifier(option)
  if (found === null) throw new Error(`There is no resource ${option} to guard; create it first: latchkey resource create ${option} --scope …`)
  return {
    current: () => whenKnown(registry.resource(found.id), resource => resource ?? found),
    style: resource => (resource ?? found).style,
    metadataUrl: resource => resourceMetadataUrl((resource ?? found).identifier),
  }
}

function mayHaveBody ({ method }: RouteOptions): boolean {
  return [method].flat().some(each => each !== 'GET' && each !== 'HEAD')
}

function hooksOf<T> (hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : [hooks].flat() as T[]
}

/** Whether the request may pass. If not, the answer is sent. */
function admit (dependencies: GuardDependencies, of: GuardedResource, need: RouteNeeds, request: FastifyRequest, reply: FastifyReply): Awaitable<boolean> {
  return orStop(dependencies, of, request, reply, () => whenKnown(of.current(), resource => decide(dependencies, of, need, resource, request, reply)))
}

/** The outcome of `pass`; whatever breaks in it, now or later, is answered, and the request does not pass. */
function orStop (
  dependencies: GuardDependencies, of: GuardedResource, request: FastifyRequest, reply: FastifyReply, pass: () => Awaitable<boolean>
): Awaitable<boolean> {
  const stop = (error: unknown) => fail(dependencies, of.style(null), error, request, reply)
  try {
    const passes = pass()
    return passes instanceof Promise ? passes.catch(stop) : passes
  } catch (error) {
    return stop(error)
  }
}

function decide (
  dependencies: GuardDependencies, of: GuardedResource, need: RouteNeeds, resource: Resource | null, request: FastifyRequest, reply: FastifyReply
): Awaitable<boolean> {
  const style = of.style(resource)
  const no = (refusal: Refusal, headers?: Record<string, string>) => refuse(dependencies, of, resource, refusal, request, reply, headers)
  // Before its credential is looked at: whoever sent it in clear is told, whether it is good or not (CL-02).
  if (style.requireTls === true && request.protocol !== 'https') return no(anonymous('tls_required'))
  const presented = presentedCredential(request, style)
  return whenKnown(authenticate(dependencies, need, presented, resource, request), verdict => {
    if (!verdict.ok) return no(verdict.refusal)
    return whenKnown(judgeCall(dependencies, of, need, verdict.principal, request), judged => {
      if ('against' in judged) return no({ ...refusalOf(verdict, judged.against), ...about(judged, need) })
      const { principal } = judged
      // Noted before its limits are looked at: a key that only runs into them is still in use.
      if (verdict.key !== null) dependencies.keyUsage.note(verdict.key.id)
      return whenKnown(takeCost(dependencies, need, verdict.key), metered => {
        const headers = metered === null ? {} : rateLimitHeaders(metered.limits)
        if (metered !== null && !metered.ok) {
          return no(refusalOf(verdict, metered.reason), { ...headers, ...(metered.retryAfterSeconds === null ? {} : { 'retry-after': String(metered.retryAfterSeconds) }) })
        }
        reply.headers(headers)
        if ('inQuery' in presented && presented.inQuery) discourageQuery(style, reply)
        request.principal = principal
        request.organizationId = organizationOf(need, principal, request)
        request.spending = metered?.spending ?? null
        return true
      })
    })
  })
}

/** Who is asking, by the one kind of proof that the route takes. */
function authenticate (
  { authenticator, sessions, webhooks }: GuardDependencies, need: RouteNeeds, presented: Presented, resource: Resource | null, request: FastifyRequest
): Awaitable<Verdict> {
  if (need.webhook !== null) {
    if (!('refusal' in presented) || presented.refusal.reason !== 'no_credential') return { ok: false, refusal: anonymous('several_credentials') }
    return whenKnown(webhooks.check(parameter(request, need.webhook.param), { resource, type: need.webhook.type }), verdict => {
      if (verdict.ok) request.boundObject = verdict.object
      return verdict
    })
  }
  if ('refusal' in presented) return { ok: false, refusal: presented.refusal }
  const { credential } = presented
  const presentation = { resource, address: request.ip }
  return need.session && credential.kind === 'access_token' ? sessions.check(credential.text, presentation) : authenticator.check(credential, presentation)
}

/** What stands against a call; `policy`: the id of the one that does. */
interface Objection { against: Reason, policy?: string }

/** The principal with what policies leave it, or what stands against the call. */
type Judged = { principal: Principal } | Objection

/** Environment → organization and its plan → kind of credential → policies → scope → object: what a good credential may fail at. */
function judgeCall (
  dependencies: GuardDependencies, of: GuardedResource, need: RouteNeeds, principal: Principal, request: FastifyRequest
): Awaitable<Judged> {
  if (principal.kind === 'admin_token') return need.apiKeyOnly ? { against: 'api_key_required' } : { principal }
  if (of.environment !== null && principal.environment !== of.environment) return { against: 'wrong_environment' }
  return whenKnown(reasonAgainstPlace(dependencies.registry, need, principal, request), reason => {
    if (reason !== null) return { against: reason }
    if (need.apiKeyOnly && principal.kind !== 'api_key') return { against: 'api_key_required' }
    if (need.session && principal.kind !== 'session') return { against: 'session_required' }
    if (!need.scopes.every(scope => principal.scopes.includes(scope))) return { against: 'insufficient_scope' }
    return whenKnown(underPolicies(dependencies, need, principal, request), judged => {
      if ('against' in judged || need.object === null) return judged
      return mayTouch(principal, need.object.type, parameter(request, need.object.param)) ? judged : { against: 'object_not_allowed' }
    })
  })
}

/** What the access policies leave of a principal for this call. A webhook's token is a kind of its own, though a key answers for it. */
function underPolicies ({ registry, clock }: GuardDependencies, need: RouteNeeds, principal: Principal, request: FastifyRequest): Awaitable<Judged> {
  const { organizationId, groups, resourceId, scopes } = principal
  const kind = need.webhook === null ? principal.kind : 'webhook_token'
  if (kind === 'admin_token') return { principal }
  return whenKnown(policiesFor(registry, organizationId, organizationOf(need, principal, request)), sets => {
    if (isEmpty(sets)) return { principal }
    const { refusedBy, scopes: left, withheld } = weigh(sets, { kind, organizationId, groups, resourceId }, scopes, { address: request.ip, now: clock() })
    if (refusedBy !== null) return { against: 'policy_denied', policy: refusedBy }
    const denied = need.scopes.find(scope => withheld.has(scope))
    if (denied !== undefined) return { against: 'policy_denied', policy: withheld.get(denied)! }
    return { principal: left === scopes ? principal : { ...principal, scopes: left } }
  })
}

/** What a refusal says besides its reason. */
function about ({ against, policy }: Objection, { scopes }: RouteNeeds): Pick<Refusal, 'requiredScopes' | 'policy'> {
  if (against === 'insufficient_scope') return { requiredScopes: scopes }
  return policy === undefined ? {} : { policy }
}

/** Foreign and missing organizations get one answer (CL-05). */
function reasonAgainstPlace (registry: Registry, need: RouteNeeds, principal: Principal, request: FastifyRequest): Awaitable<Reason | null> {
  const organizationId = organizationOf(need, principal, request)
  if (need.organization !== null && (organizationId === null || !principal.organizations.includes(organizationId))) return 'organization_not_found'
  // Its own organization was looked at with the credential.
  if (need.feature === null && organizationId === principal.organizationId) return null
  return whenKnown(organizationId === null ? null : registry.organization(organizationId), organization => {
    if (organization === null) return 'organization_not_found'
    if (organization.status !== 'active') return 'organization_suspended'
    return need.feature === null || organization.features.includes(need.feature) ? null : 'feature_missing'
  })
}

function takeCost ({ meter, clock }: GuardDependencies, { credits }: RouteNeeds, key: ApiKey | null): Awaitable<MeterVerdict | null> {
  return key === null ? null : meter.admit({ key, credits, now: clock() })
}

function organizationOf ({ organization }: RouteNeeds, principal: Principal, request: FastifyRequest): string | null {
  return organization === null ? principal.organizationId : parameter(request, organization)
}

function parameter ({ params }: FastifyRequest, name: string): string {
  return (params as Record<string, string>)[name] ?? ''
}

function anonymous (reason: Reason): Refusal {
  return { reason, presented: null, subject: null, organizationId: null }
}

function refusalOf ({ principal, key }: Verdict & { ok: true }, reason: Reason): Refusal {
  return { reason, presented: key === null ? 'access_token' : 'api_key', subject: principal.id, organizationId: principal.organizationId }
}

function admitBody (dependencies: GuardDependencies, of: GuardedResource, request: FastifyRequest, reply: FastifyReply): Awaitable<boolean> {
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

/** The statuses that speak of credentials (RFC 6750 §3.1). */
const challenged = new Set([400, 401, 403])

/** Answers a refusal and records it with its precise reason. Always false: the request does not pass. */
function refuse (
  { refusals, clock }: GuardDependencies, of: GuardedResource, resource: Resource | null, refusal: Refusal, request: FastifyRequest, reply: FastifyReply, headers: Record<string, string> = {}
): Awaitable<false> {
  const { reason, subject, organizationId, policy } = refusal
  const detail = policy === undefined ? {} : { policy }
  request.log.info({ reason, subject, organizationId, ...detail }, 'refused')
  if (reason !== 'no_credential') {
    refusals.record({ type: 'credential.refused', reason, subject, organizationId, address: request.ip, requestId: request.id, detail })
  }
  return whenKnown(of.metadataUrl(resource), metadataUrl => {
    const answer = errorStyles[of.style(resource).errors].refusal(refusal, occasion(request, clock))
    if (challenged.has(answer.status)) reply.header('www-authenticate', challenge(refusal, metadataUrl))
    return send(reply.headers(headers), answer)
  })
}

/** The check could not be made: never a pass, whatever broke. */
function fail ({ clock }: GuardDependencies, style: Style, error: unknown, request: FastifyRequest, reply: FastifyReply): false {
  const failure = error instanceof Failure ? error : new Failure('internal', { cause: error })
  request.log.error({ err: error }, 'the guard could not decide')
  if (failure.status === 503) reply.header('retry-after', '1')
  return send(reply, errorStyles[style.errors].failure(failure, occasion(request, clock)))
}

function discourageQuery (style: Style, reply: FastifyReply): void {
  const header = style.transports.find(transport => transport.in === 'header')
  if (header) reply.header('warning', `299 - "Send the API key in the ${header.name} header: a URL ends up in logs"`)
  reply.header('cache-control', 'no-store, private').header('referrer-policy', 'no-referrer')
}

function occasion (request: FastifyRequest, clock: Clock): Occasion {
  return { path: pathOf(request), now: clock(), requestId: request.id }
}

function send (reply: FastifyReply, { status, contentType, body }: Answer): false {
  reply.code(status).header('content-type', contentType).header('cache-control', 'no-store').send(JSON.stringify(body))
  return false
}

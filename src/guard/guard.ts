/**
 * The guard: a Fastify plugin that lets a request through with exactly one valid credential whose scopes cover the route,
 * and answers everything else in the resource's own words. Mount it in a context of its own; every route of that context
 * says what it needs, or the server does not boot.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import plugin from 'fastify-plugin'
import { whenKnown, type Awaitable } from '../awaitable.ts'
import type { Clock } from '../clock.ts'
import { requireScopes, type Authenticator, type Credential, type Principal, type Refusal, type Verdict } from '../domain/principal.ts'
import type { RefusalLog } from '../domain/refusals.ts'
import type { Registry } from '../domain/registry.ts'
import { hostResourceId, type Resource } from '../domain/resource.ts'
import { resourceMetadataUrl } from '../domain/resource-metadata.ts'
import type { Style } from '../domain/style.ts'
import type { UsageLog } from '../domain/usage.ts'
import { Failure } from '../errors.ts'
import { challenge } from './challenge.ts'
import { loggedRequest, pathOf } from './log.ts'
import { presentedCredential } from './presentation.ts'
import { errorStyles, type Answer, type Occasion } from './styles.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a guarded route needs: every one of these scopes. Empty: any valid credential. */
    scopes?: readonly string[]
    /** A route of a guarded context that needs no credential at all. */
    public?: boolean
    /** A route that answers API keys only. */
    apiKeyOnly?: boolean
  }
  interface FastifyRequest {
    /** Who is asking. Set on every guarded route before its handler runs. */
    principal: Principal
  }
}

/** What a guard decides with. */
export interface GuardDependencies {
  authenticator: Authenticator
  registry: Registry
  refusals: RefusalLog
  /** Where the use of API keys is noted. */
  keyUsage: UsageLog
  clock: Clock
}

export interface GuardOptions {
  /** The identifier of the resource that the routes belong to; `any`: whatever resource of this deployment the credential is for. */
  resource: string | { any: true, style: Style }
}

/** A guard over `dependencies`. Register it in the context whose routes it is to protect. */
export function guard (dependencies: GuardDependencies): FastifyPluginAsync<GuardOptions> {
  return plugin(async (app: FastifyInstance, { resource }: GuardOptions) => {
    const of = await guardedResource(dependencies.registry, resource)
    const needs: RouteNeeds[] = []
    // A placeholder, so that requests keep one hidden class; the hook below sets it before a handler can look.
    app.decorateRequest('principal', null as unknown as Principal)
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
    app.addHook('onReady', async () => { await requireKnownScopes(of, needs) })
  }, { name: 'latchkey-guard', fastify: '5.x' })
}

/** The resource as it is now, looked up at every request; null: any. */
interface GuardedResource {
  current (): Awaitable<Resource | null>
  style (resource: Resource | null): Style
  metadataUrl (resource: Resource | null): Awaitable<string | null>
}

async function guardedResource (registry: Registry, option: GuardOptions['resource']): Promise<GuardedResource> {
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

/** What a guarded route asks for. */
interface RouteNeeds { route: string, scopes: readonly string[], apiKeyOnly: boolean }

/** Null: the route is public. @throws when it does not say. */
function needsOf ({ method, url, config }: RouteOptions): RouteNeeds | null {
  const route = `${String(method)} ${url}`
  if (config?.public === true) return null
  if (Array.isArray(config?.scopes)) return { route, scopes: config.scopes, apiKeyOnly: config.apiKeyOnly === true }
  throw new Error(`The guarded route ${route} does not say what it needs: give it config: { scopes: ['…'] }, { scopes: [] } for any valid credential, or { public: true }.`)
}

async function requireKnownScopes (of: GuardedResource, needs: readonly RouteNeeds[]): Promise<void> {
  const resource = await of.current()
  if (resource === null) return
  for (const { route, scopes } of needs) {
    const unknown = scopes.find(name => !resource.scopes.some(scope => scope.name === name))
    if (unknown !== undefined) throw new Error(`The guarded route ${route} needs the scope ${unknown}, which ${resource.identifier} does not declare.`)
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
  const presented = presentedCredential(request, of.style(resource))
  if ('refusal' in presented) return refuse(dependencies, of, resource, presented.refusal, request, reply)
  return whenKnown(judge(dependencies, need, presented.credential, resource, request), verdict => {
    if (!verdict.ok) return refuse(dependencies, of, resource, verdict.refusal, request, reply)
    if (presented.inQuery) discourageQuery(of.style(resource), reply)
    if (verdict.principal.kind === 'api_key') dependencies.keyUsage.note(verdict.principal.id)
    request.principal = verdict.principal
    return true
  })
}

function admitBody (dependencies: GuardDependencies, of: GuardedResource, request: FastifyRequest, reply: FastifyReply): Awaitable<boolean> {
  const refusal = tokenInBody(request)
  if (refusal === null) return true
  return orStop(dependencies, of, request, reply, () => whenKnown(of.current(), resource => refuse(dependencies, of, resource, refusal, request, reply)))
}

function judge (
  { authenticator }: GuardDependencies, { scopes, apiKeyOnly }: RouteNeeds, credential: Credential, resource: Resource | null, request: FastifyRequest
): Awaitable<Verdict> {
  return whenKnown(authenticator.check(credential, { resource, address: request.ip }), verdict => {
    if (verdict.ok && apiKeyOnly && verdict.principal.kind !== 'api_key') {
      const { id, organizationId } = verdict.principal
      return { ok: false, refusal: { reason: 'api_key_required', presented: 'access_token', subject: id, organizationId } }
    }
    return requireScopes(verdict, scopes)
  })
}

/** RFC 6750 §2: a token in the body beside the one in the header is a second credential. */
function tokenInBody ({ headers, body, principal }: FastifyRequest): Refusal | null {
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return null
  if ((body as Record<string, unknown> | null | undefined)?.access_token === undefined) return null
  return { reason: 'several_credentials', presented: null, subject: principal.id, organizationId: principal.organizationId }
}

/** Answers a refusal and records it with its precise reason. Always false: the request does not pass. */
function refuse (
  { refusals, clock }: GuardDependencies, of: GuardedResource, resource: Resource | null, refusal: Refusal, request: FastifyRequest, reply: FastifyReply
): Awaitable<false> {
  const { reason, subject, organizationId } = refusal
  request.log.info({ reason, subject, organizationId }, 'refused')
  if (reason !== 'no_credential') {
    refusals.record({ type: 'credential.refused', reason, subject, organizationId, address: request.ip, requestId: request.id })
  }
  return whenKnown(of.metadataUrl(resource), metadataUrl => {
    reply.header('www-authenticate', challenge(refusal, metadataUrl))
    return send(reply, errorStyles[of.style(resource).errors].refusal(refusal, occasion(request, clock)))
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
  return { path: pathOf(request.url), now: clock(), requestId: request.id }
}

function send (reply: FastifyReply, { status, contentType, body }: Answer): false {
  reply.code(status).header('content-type', contentType).header('cache-control', 'no-store').send(JSON.stringify(body))
  return false
}

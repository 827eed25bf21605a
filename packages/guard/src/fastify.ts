/** The guard as a plugin of Fastify: routes declare what they need as for Latchkey's own guard. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import type { Style } from '../../../src/domain/resources/style.ts'
import { keepApart } from '../../../src/guard/caching.ts'
import { requirementsOf, type RouteRequirements } from '../../../src/guard/needs.ts'
import type { Decider, Decision, GuardedRequest, Needs } from '../../../src/guard/remote/guarded-request.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the credential of the request stands for. On public routes it is null. */
    readonly principal: Principal
  }
}

// With it come the declarations of routes: `config: { scopes: [...] }`.
export type { RouteRequirements } from '../../../src/guard/needs.ts'

/** The outcome of the guard for a request, and null before it. */
interface Guarded { passed: Principal | null, passedStyle: Style | null }

/**
 * Guards every route of the context in which it is registered; each declares `config: { scopes: [...] }`, or
 * `{ public: true }`. Handlers find `request.principal`. The address and the scheme are Fastify's: `trustProxy`
 * decides.
 */
export function fastifyGuard (guard: Decider): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async app => {
    app.decorateRequest('passed', null)
    app.decorateRequest('passedStyle', null)
    app.decorateRequest('principal', { getter () { return (this as unknown as Guarded).passed as Principal } })
    app.addHook('onRoute', route => {
      const requirements = requirementsOf(route)
      if (requirements === null) return
      if (requirements.session || requirements.webhook !== null) {
        throw new Error(`${requirements.route} takes sessions or webhooks, which only a guard in the server checks.`)
      }
      route.onRequest = [(request, reply, done) => {
        const decision = guard.decide(guardedRequest(request), needsOf(requirements, request))
        if (decision instanceof Promise) decision.then(decided => { if (settle(decided, request, reply)) done() })
        else if (settle(decision, request, reply)) done()
      }, ...hooksOf(route.onRequest)]
      // After the route's own: they may set `Cache-Control`, or add to `Vary`.
      route.onSend = [...hooksOf(route.onSend), (request, reply, payload, done) => {
        const { passedStyle } = request as unknown as Guarded
        if (passedStyle !== null) keepApart(reply, passedStyle)
        done(null, payload)
      }]
    })
  }
  // As fastify-plugin does: the hooks hold for the context that registers it.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

function hooksOf<T> (hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : [hooks].flat() as T[]
}

function settle (decision: Decision, request: FastifyRequest, reply: FastifyReply): boolean {
  if (decision.ok) {
    const { principal: passed, style: passedStyle } = decision
    Object.assign(request, { passed, passedStyle } satisfies Guarded)
    reply.headers(decision.headers)
    return true
  }
  const { status, headers, body } = decision.answer
  reply.code(status).headers(headers).send(body)
  return false
}

function guardedRequest (request: FastifyRequest): GuardedRequest {
  const { url, raw, query, method, id } = request
  const end = url.indexOf('?')
  return {
    raw,
    query,
    method,
    path: end === -1 ? url : url.slice(0, end),
    id,
    get address () { return readAddress(request.ip) ?? unknownAddress },
    get isOverTls () { return request.protocol === 'https' }
  }
}

function needsOf ({ organization, object, ...requirements }: RouteRequirements, request: FastifyRequest): Needs {
  const params = request.params as Record<string, string>
  return {
    ...requirements,
    object,
    organizationId: organization === null ? null : params[organization] ?? '',
    objectId: object === null ? null : params[object.param] ?? ''
  }
}

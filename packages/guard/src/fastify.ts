/** The guard as a plugin of Fastify: routes declare what they need as for Latchkey's own guard. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
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

/** Where a request keeps the decision that lets it pass; null: there is none yet. */
interface Guarded { passed: Passed | null }

type Passed = Extract<Decision, { ok: true }>

/**
 * Guards every route of the context in which it is registered; each declares `config: { scopes: [...] }`, or
 * `{ public: true }`. Handlers find `request.principal`. The address and the scheme are Fastify's: `trustProxy`
 * decides.
 */
export function fastifyGuard (guard: Decider): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async app => {
    app.decorateRequest('passed', null)
    app.decorateRequest('principal', { getter () { return (this as unknown as Guarded).passed?.principal as Principal } })
    app.addHook('onRoute', route => {
      const requirements = requirementsOf(route)
      if (requirements === null) return
      if (requirements.session || requirements.webhook !== null) {
        throw new Error(`${requirements.route} takes sessions or webhooks, which only a guard in the server checks.`)
      }
      const needs = needsOf(requirements)
      route.onRequest = [(request, reply, done) => {
        const decision = guard.decide(new Arrival(request), needs(request))
        if (decision instanceof Promise) decision.then(decided => { if (settle(decided, request, reply)) done() })
        else if (settle(decision, request, reply)) done()
      }, ...hooksOf(route.onRequest)]
      // After the route's own: they may set `Cache-Control`, or add to `Vary`.
      route.onSend = [...hooksOf(route.onSend), (request, reply, payload, done) => {
        const { passed } = request as unknown as Guarded
        if (passed !== null) keepApart(reply, passed.style)
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
    (request as unknown as Guarded).passed = decision
    for (const name in decision.headers) reply.header(name, decision.headers[name])
    return true
  }
  const { status, headers, body } = decision.answer
  reply.code(status).headers(headers).send(body)
  return false
}

/** A request as the guard reads it: most decisions read none of its getters. */
class Arrival implements GuardedRequest {
  readonly raw: FastifyRequest['raw']
  readonly #request: FastifyRequest

  constructor (request: FastifyRequest) {
    this.raw = request.raw
    this.#request = request
  }

  get query (): unknown {
    return this.#request.query
  }

  get method (): string {
    return this.#request.method
  }

  get path (): string {
    const { url } = this.#request
    const end = url.indexOf('?')
    return end === -1 ? url : url.slice(0, end)
  }

  get id (): string {
    return this.#request.id
  }

  get address (): string {
    return readAddress(this.#request.ip) ?? unknownAddress
  }

  get isOverTls (): boolean {
    return this.#request.protocol === 'https'
  }
}

/** What a request needs: for a route that names no part of its path, settled once. */
function needsOf ({ organization, object, ...requirements }: RouteRequirements): (request: FastifyRequest) => Needs {
  const settled: Needs = { ...requirements, object, organizationId: null, objectId: null }
  if (organization === null && object === null) return () => settled
  return ({ params }) => {
    const named = params as Record<string, string>
    return {
      ...settled,
      organizationId: organization === null ? null : named[organization] ?? '',
      objectId: object === null ? null : named[object.param] ?? ''
    }
  }
}

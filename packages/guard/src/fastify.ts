/** The guard as a plugin of Fastify: routes declare what they need as for Latchkey's own guard. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import { requirementsOf, type RouteRequirements } from '../../../src/guard/needs.ts'
import type { Decision, GuardedRequest, Needs } from '../../../src/guard/remote/guarded-request.ts'
import type { RemoteGuard } from '../../../src/guard/remote/remote-guard.ts'

/** The outcome of the guard for a request, and null before it. */
interface Guarded { passed: Principal | null }

/**
 * Guards every route of the context in which it is registered; each declares `config: { scopes: [...] }`, or
 * `{ public: true }`. Handlers find `request.principal`. The address and the scheme are Fastify's: `trustProxy` decides.
 */
export function fastifyGuard (guard: RemoteGuard): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async app => {
    app.decorateRequest('passed', null)
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
      }, ...route.onRequest === undefined ? [] : [route.onRequest].flat() as never[]]
    })
  }
  // As fastify-plugin does: the hooks hold for the context that registers it.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

function settle (decision: Decision, request: FastifyRequest, reply: FastifyReply): boolean {
  if (decision.ok) {
    (request as unknown as Guarded).passed = decision.principal
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

/** Decisions for APIs in other processes, as one plugin: each route by which they ask. */
import type { FastifyPluginAsync } from 'fastify'
import { requireAvailable } from '../base/availability.ts'
import { Failure } from '../base/errors.ts'
import { presentError } from '../management/conventions/presenter.ts'
import { refuseCompressed, refuseHalfCharacters, refuseNull } from '../management/conventions/request-bodies.ts'
import { routes } from '../management/conventions/routes.ts'
import { refuseUnknownQuery } from '../management/documentation/announcements.ts'
import type { AskingClientOptions } from './asking-client.ts'
import { forwardAuth, type ForwardAuthOptions } from './forward-auth/forward-auth.ts'
import { guardSessionRoutes, type GuardSessionOptions } from './guard-sessions/routes.ts'
import { spendRoutes, type SpendDependencies } from './spending/routes.ts'
import { verifyRoute } from './verify.ts'

type RouteOptions = SpendDependencies & GuardSessionOptions

export interface DecisionOptions extends Omit<RouteOptions, 'asking'> {
  /** What serves the authentication of asking clients alone. */
  asking: Pick<AskingClientOptions, 'failures' | 'usage' | 'usedAssertions'>
  proxies: Pick<ForwardAuthOptions, 'trustedProxies' | 'signingKeys'>
}

/** Below this path stand all routes of the plugin. */
export const decisionPath = '/api/v1'

const verifyRoutes = routes<RouteOptions>(verifyRoute)

export function decision ({ asking, proxies, ...shared }: DecisionOptions): FastifyPluginAsync {
  const { issuer, registry, clock, refusals, telemetry: { availability } } = shared
  const options: RouteOptions = { ...shared, asking: { ...asking, issuer, registry, clock, refusals } }
  return async app => {
    app.addHook('onRequest', (_request, _reply, done) => {
      requireAvailable(availability)
      done()
    })
    await app.register(forwardAuth({ ...options, ...proxies }))
    await app.register(async api => {
      // RFC 9110 §15.5.2: a 401 says how a client authenticates here.
      api.setErrorHandler((error, request, reply) => presentError(
        error, request,
        error instanceof Failure && error.status === 401
          ? reply.header('www-authenticate', `Basic realm="${issuer}"`)
          : reply
      ))
      api.addHook('preParsing', refuseCompressed)
      api.addHook('preValidation', refuseNull)
      refuseUnknownQuery(api)
      await api.register(verifyRoutes(options))
      await api.register(guardSessionRoutes(options))
      await api.register(async spending => {
        refuseHalfCharacters(spending)
        await spending.register(spendRoutes(options))
      })
    }, { prefix: decisionPath })
  }
}

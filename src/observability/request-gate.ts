/** Request gate: measures and traces every request, and rejects those that come while the server is unavailable. */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../base/errors.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { measureRequests } from './request-metrics.ts'
import type { RequestTracing } from './tracing.ts'

/**
 * Without it, a connection that cannot be accepted would end the process. A port that cannot be listened on is told by
 * `listen`.
 */
export function reportBrokenListener (app: FastifyInstance, background: Telemetry['background']): void {
  app.server.once('listening', () => app.server.on('error', background.report('listener')))
}

/** Watches the requests of `app`. Call it before the first route is added. `tracing` null: requests are not traced. */
export function watchRequests (
  app: FastifyInstance, { availability, metrics, background }: Telemetry, tracing: RequestTracing | null
): void {
  background.logTo(app.log)
  reportBrokenListener(app, background)
  // Node caches the address on the first read, and cannot tell it any more once the connection is reset.
  app.server.on('connection', (socket: Socket) => socket.remoteAddress)
  measureRequests(app, metrics)
  tracing?.traceRequests(app)
  // Callbacks, not promises: the hooks run for every request, and nearly always do nothing.
  app.addHook('onRequest', (request, reply, done) => {
    if (availability.rejecting !== null && !isOperational(request)) {
      metrics.turnedAway.increment(availability.rejecting)
      // The next attempt opens a new connection, to another server or to this one.
      reply.header('connection', 'close')
    }
    done()
  })
  // Guards and protocol endpoints have rejected theirs by now, in their own words; this rejects all other requests.
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    done(availability.rejecting !== null && !isOperational(request) ? new Failure(availability.rejecting) : null)
  })
}

/** Whether the route is about the server itself (routes.ts). */
export function isOperational ({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config?.operational === true
}

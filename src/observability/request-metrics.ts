/** Request metrics: requests in flight, and the duration of each by route, method and class of status. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { requestOfPage } from '../http/inner-call.ts'
import type { Metrics } from '../telemetry/metrics.ts'

const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx']

/** Measures the requests of `app`. Costs two look-ups and two additions a request. */
export function measureRequests (app: FastifyInstance, metrics: Metrics): void {
  // Not a hook of Fastify: none fires when the client disconnected first.
  const ended = () => { metrics.requestsInFlight-- }
  // Before Fastify's own listener, which may have answered when it returns.
  app.server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    metrics.requestsInFlight++
    // The event is emitted once; `once` would allocate a listener for every request.
    response.on('close', ended)
  })
  app.addHook('onResponse', (request, reply, done) => {
    // The request of the page is measured.
    if (requestOfPage() !== null) return done()
    metrics.requests.observe(
      reply.elapsedTime / 1000, request.routeOptions.url ?? 'none', request.method,
      statusClasses[Math.floor(reply.statusCode / 100) - 1] ?? 'none'
    )
    done()
  })
}

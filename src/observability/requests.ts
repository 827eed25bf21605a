/** What is counted of every request. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Metrics } from '../telemetry/metrics.ts'

const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx']

/** Counts the requests of `app` that are being answered, and notes each that was: two look-ups and two additions. */
export function measureRequests (app: FastifyInstance, metrics: Metrics): void {
  // Not by hooks of Fastify: none of them is told of an answer that nobody waited for.
  const ended = () => { metrics.requestsInFlight-- }
  // Before Fastify's own listener, which may have answered by the time it returns.
  app.server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    metrics.requestsInFlight++
    // It is told once; `once` would make a listener for every request.
    response.on('close', ended)
  })
  app.addHook('onResponse', (request, reply, done) => {
    metrics.requests.observe(
      reply.elapsedTime / 1000, request.routeOptions.url ?? 'none', request.method,
      statusClasses[Math.floor(reply.statusCode / 100) - 1] ?? 'none'
    )
    done()
  })
}

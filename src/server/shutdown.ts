/** Graceful shutdown: fail readiness, reject new requests, drain, close. */
import { constants } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Telemetry } from '../telemetry/telemetry.ts'

export interface ShutdownOptions {
  /** How long requests are still served while `/readyz` fails already, so that load balancers stop sending them. */
  delayMs: number
  /** How long requests in flight may take and, in the same time, pending writes are retried. */
  timeoutMs: number
}

/** The least time for connections to be told of the shutdown before they are cut off, even after the timeout. */
const finalGraceMs = 500

/**
 * How long idle connections are kept at most: a request that is already under way gets an answer, which says that the
 * server shuts down.
 */
const turnAwayMs = 1_000

/**
 * Shuts the server down on the first SIGINT or SIGTERM, and exits on the second. After a shutdown the process ends by
 * itself, with 1 if anything was lost.
 */
export function shutDownOnSignal (app: FastifyInstance, telemetry: Telemetry, options: ShutdownOptions): void {
  let isShuttingDown = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isShuttingDown) process.exit(128 + constants.signals[signal])
      isShuttingDown = true
      app.log.info({ signal }, 'shutting down')
      shutDown(app, telemetry, options).then(() => {
        if (telemetry.metrics.lost.total > 0) process.exitCode = 1
      }, error => {
        app.log.fatal(error)
        process.exitCode = 1
      })
    })
  }
}

/** Resolves when requests are answered, pending writes are done or lost (`metrics.lost`), and the server is closed. */
export async function shutDown (
  app: FastifyInstance, { availability, metrics }: Telemetry, { delayMs, timeoutMs }: ShutdownOptions
): Promise<void> {
  availability.draining = true
  await pause(delayMs)
  availability.rejecting = 'shutting_down'
  const deadline = performance.now() + Math.max(timeoutMs, finalGraceMs)
  while (metrics.requestsInFlight > 0 && performance.now() < deadline) await pause(20)
  // Closing a connection at once would cut off a request that its caller has just sent.
  const closing = Math.min(performance.now() + turnAwayMs, deadline)
  while (performance.now() < closing && await connectionsOf(app) > 0) await pause(20)
  availability.writeUntil = Math.max(deadline, performance.now() + finalGraceMs)
  const cut = setTimeout(
    () => { app.server.closeAllConnections() }, Math.max(finalGraceMs, deadline - performance.now())
  )
  cut.unref()
  await app.close()
  clearTimeout(cut)
}

async function connectionsOf ({ server }: FastifyInstance): Promise<number> {
  return await new Promise(resolve => {
    server.getConnections((error, count) => {
      resolve(error == null ? count : 0)
    })
  })
}

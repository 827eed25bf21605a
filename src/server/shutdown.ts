/** How a server leaves: balancers are told first, then callers; who is being answered is answered to the end. */
import { constants } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Telemetry } from '../telemetry/telemetry.ts'

export interface ShutdownOptions {
  /** Seconds for which everybody is served on while `/readyz` says no already, so that balancers notice. */
  delay: number
  /** Seconds that requests which have begun may take, and then, what waits in memory, to be written. */
  patience: number
}

/** Milliseconds that are left to connections even when patience is used up: to be told, rather than cut off. */
const lastWord = 500

/**
 * Milliseconds at most in which connections that are kept open are not closed yet: a request that is on its way is
 * answered that it is to go elsewhere.
 */
const turningAway = 1_000

/**
 * Ends the server on the first SIGINT or SIGTERM as `leave` says, and at once on the second. The process then ends by
 * itself: nothing is left for it to do.
 */
export function shutDownOnSignal (app: FastifyInstance, telemetry: Telemetry, leave: ShutdownOptions): void {
  let leaving = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (leaving) process.exit(128 + constants.signals[signal])
      leaving = true
      app.log.info({ signal }, 'shutting down')
      shutDown(app, telemetry, leave).then(() => {
        if (telemetry.metrics.lost.total > 0) process.exitCode = 1
      }, error => {
        app.log.fatal(error)
        process.exitCode = 1
      })
    })
  }
}

/**
 * Resolves when everybody is answered, everything is written or given up (`metrics.lost`), and the server is closed.
 */
export async function shutDown (
  app: FastifyInstance, { availability, metrics }: Telemetry, { delay, patience }: ShutdownOptions
): Promise<void> {
  availability.draining = true
  await pause(delay * 1000)
  availability.rejecting = 'shutting_down'
  const deadline = performance.now() + Math.max(patience * 1000, lastWord)
  while (metrics.requestsInFlight > 0 && performance.now() < deadline) await pause(20)
  // Closed at once, a connection would cut off what its caller has just sent.
  const closing = Math.min(performance.now() + turningAway, deadline)
  while (performance.now() < closing && await connectionsOf(app) > 0) await pause(20)
  availability.writeUntil = Math.max(deadline, performance.now() + lastWord)
  const cut = setTimeout(() => { app.server.closeAllConnections() }, Math.max(lastWord, deadline - performance.now()))
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

/** Decisions for APIs in other processes, as one plugin: each route by which they ask. */
import type { FastifyPluginAsync } from 'fastify'
import { presentError } from '../management/conventions/presenter.ts'
import { guardSessionRoutes, type GuardSessionOptions } from './guard-sessions/routes.ts'

/** The parts that decide, that record, and that tell which client asks. */
export type DecisionOptions = GuardSessionOptions

/** Below this path stand all routes of the plugin. */
export const decisionPath = '/api/v1'

export function decision (options: DecisionOptions): FastifyPluginAsync {
  return async app => {
    app.setErrorHandler(presentError)
    await app.register(guardSessionRoutes(options), { prefix: decisionPath })
  }
}

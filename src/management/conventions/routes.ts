/**
 * A plugin as the list of its routes. Each route is a function, named after its operation, that holds the path, the
 * schema and the handler in one place.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/** The context that a route is added to: handlers get their types from the schemas. */
export type RouteContext = Parameters<FastifyPluginAsyncTypebox>[0]

/** Adds one route to a context. */
export type Route<Dependencies> = (app: RouteContext, dependencies: Dependencies) => void

/** The plugin that adds these routes, in this order, with what they depend on. */
export function routes<Dependencies> (
  ...added: readonly Route<Dependencies>[]
): (dependencies: Dependencies) => FastifyPluginAsyncTypebox {
  return dependencies => async app => {
    for (const add of added) add(app, dependencies)
  }
}

/** Schema members for the OpenAPI document, beside those that Fastify reads. */
import type { FastifySchema } from 'fastify'

declare module 'fastify' {
  interface FastifySchema {
    /** The purpose of the route, in a few words. */
    summary?: string
    /** Further details for a caller. */
    description?: string
    /** The group of the operation; derived from the path unless given. */
    tags?: readonly string[]
    /** Unique; derived from method and path unless given. */
    operationId?: string
    /** Alternative security schemes, by name. */
    security?: readonly Readonly<Record<string, readonly string[]>>[]
    /** Not in the document: preflights, refusals of other methods, parts of a page. */
    hide?: boolean
  }
  interface FastifyContextConfig {
    /** The route exists to refuse the methods that its path does not support. */
    refusesMethod?: boolean
  }
}

/** The schema of a route that is not in the OpenAPI document. */
export const unlisted: FastifySchema = { hide: true }

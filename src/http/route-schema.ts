/** What a route's schema says for people and programs beside what Fastify reads of it. */
import type { FastifySchema } from 'fastify'

declare module 'fastify' {
  interface FastifySchema {
    /** What the route does, in a few words. */
    summary?: string
    /** What a caller has to know besides. */
    description?: string
    /** The group that it stands in; derived from the path unless given. */
    tags?: readonly string[]
    /** Unique; derived from method and path unless given. */
    operationId?: string
    /** Ways to prove who asks, by the names of the security schemes; any one of them is enough. */
    security?: readonly Readonly<Record<string, readonly string[]>>[]
    /** Left out of the document: preflights, refusals of other methods, parts of a page. */
    hide?: boolean
  }
  interface FastifyContextConfig {
    /** The route is there to refuse its methods: they are none that the path takes. */
    refusesMethod?: boolean
  }
}

/** Of a route that is no operation of the API: it answers, and the document does not name it. */
export const unlisted: FastifySchema = { hide: true }

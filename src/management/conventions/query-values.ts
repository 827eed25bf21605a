/**
 * Typed query parameters: text becomes the integer or boolean that the schema declares before it validates; other text
 * stays text.
 */
import type { FastifyInstance } from 'fastify'

/** Converts the queries of a context. Register it before the routes. */
export function readQueryValues (app: FastifyInstance): void {
  app.addHook('preValidation', async ({ query, routeOptions: { schema } }) => {
    const { properties = {} } = (schema?.querystring ?? {}) as { properties?: Record<string, { type?: string }> }
    const values = query as Record<string, unknown>
    for (const [name, { type }] of Object.entries(properties)) {
      if (Object.hasOwn(values, name)) values[name] = valueOf(values[name], type)
    }
  })
}

function valueOf (text: unknown, type: string | undefined): unknown {
  if (typeof text !== 'string') return text
  if (type === 'integer' && /^\d{1,6}$/.test(text)) return Number(text)
  return type === 'boolean' && (text === 'true' || text === 'false') ? text === 'true' : text
}

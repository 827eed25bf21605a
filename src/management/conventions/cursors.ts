/** Cursors are opaque: what a page gave out is good for the collection of that page, and nothing else is. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { readMarked, withMark } from '../../secrets/authentication-code.ts'

interface Query { cursor?: unknown }

/** Marks every cursor that the routes of a context give out, and takes no other. `secrets`: the newest first. */
export function markCursors (app: FastifyInstance, secrets: readonly string[]): void {
  app.addHook('preValidation', async request => {
    const { cursor } = request.query as Query
    if (typeof cursor !== 'string' || readMarked(cursor, secrets, purposeOf(request)) !== null) return
    throw new Failure('invalid_request', {
      message: 'This cursor was not given out by this collection; start again without one.',
      details: { field: 'cursor' }
    })
  })
  // Behind the schema of the query, which is about cursors as they are given out.
  app.addHook('preHandler', async request => {
    const query = request.query as Query
    if (typeof query.cursor === 'string') query.cursor = query.cursor.split('.', 1)[0]
  })
  app.addHook('preSerialization', async (request, _reply, payload) => {
    const { pagination } = (payload ?? {}) as { pagination?: { nextCursor?: string } }
    const holder = pagination ?? (payload ?? {}) as { nextCursor?: string }
    if (typeof holder.nextCursor === 'string') {
      holder.nextCursor = withMark(holder.nextCursor, secrets[0]!, purposeOf(request))
    }
    return payload
  })
}

function purposeOf ({ url }: FastifyRequest): string {
  return `cursor of ${url.split('?', 1)[0]}`
}

/** Opaque cursors: each carries a mark of its collection, and no other cursor is accepted there. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { readMarked, withMark } from '../../secrets/authentication-code.ts'

interface Query { cursor?: unknown }

/** Marks every cursor that the routes of a context issue, and refuses any other. `secrets`: newest first. */
export function markCursors (app: FastifyInstance, secrets: readonly string[]): void {
  app.addHook('preValidation', async request => {
    const { cursor } = request.query as Query
    if (typeof cursor !== 'string' || readMarked(cursor, secrets, purposeOf(request)) !== null) return
    throw new Failure('invalid_request', {
      message: 'This cursor was not issued by this collection; start again without one.',
      details: { field: 'cursor' }
    })
  })
  // After the schema of the query, which describes marked cursors.
  app.addHook('preHandler', async request => {
    const query = request.query as Query
    if (typeof query.cursor === 'string') query.cursor = query.cursor.split('.', 1)[0]
  })
  app.addHook('preSerialization', async (request, _reply, payload) => {
    const { pagination, servers, metadata } = (payload ?? {}) as {
      pagination?: { nextCursor?: string }, servers?: unknown, metadata?: { nextCursor?: string }
    }
    // Of an MCP registry; the metadata of a record are its operator's.
    const ofRegistry = servers === undefined ? undefined : metadata
    const holder = pagination ?? ofRegistry ?? (payload ?? {}) as { nextCursor?: string }
    if (typeof holder.nextCursor === 'string') {
      holder.nextCursor = withMark(holder.nextCursor, secrets[0]!, purposeOf(request))
    }
    return payload
  })
}

function purposeOf ({ url }: FastifyRequest): string {
  return `cursor of ${url.split('?', 1)[0]}`
}

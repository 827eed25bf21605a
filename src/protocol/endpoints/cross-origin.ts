/** Pages of other origins: which answers they may read (CORS), and the preflight requests of their browsers. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { unlisted } from '../../http/route-schema.ts'
import { paths } from '../shared/paths.ts'

/** Pages of any origin may read these answers, errors too: a browser hides a response without these headers. */
export const anyOrigin = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' } as const

/** Answers a preflight. MCP clients send a header of their own; `*` does not cover `authorization` (Fetch §3.3.6). */
export function preflight (reply: FastifyReply, methods: string): FastifyReply {
  return reply.code(204).headers({
    'access-control-allow-origin': anyOrigin['access-control-allow-origin'],
    'access-control-allow-methods': methods,
    'access-control-allow-headers': '*, authorization',
    'access-control-max-age': '3600',
  }).send()
}

/**
 * The endpoints that a public client in a browser uses (SECURITY N4): none of them takes a cookie. Pushed requests are
 * for clients that prove themselves, which a page cannot.
 */
export const browserPaths: readonly string[] = [paths.token, paths.registration, paths.revocation]

/** The preflights of these endpoints. */
export async function browserPreflights (app: FastifyInstance): Promise<void> {
  for (const url of browserPaths) app.options(url, { schema: unlisted }, (_request, reply) => preflight(reply, 'POST'))
}

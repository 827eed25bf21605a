import type { FastifyRequest } from 'fastify'
import { withoutSecrets } from '../secrets.ts'

/**
 * The path of a URL: the query may hold a credential and stays out of every log (LB-04), and so does a key that somebody
 * took for its id.
 */
export function pathOf (url: string): string {
  const end = url.indexOf('?')
  return withoutSecrets(end === -1 ? url : url.slice(0, end))
}

/** What a log line may say of a request. */
export function loggedRequest (request: Pick<FastifyRequest, 'method' | 'url' | 'ip'>): Record<string, unknown> {
  return { method: request.method, path: pathOf(request.url), remoteAddress: request.ip }
}

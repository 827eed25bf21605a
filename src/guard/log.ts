import type { FastifyRequest } from 'fastify'
import { withoutSecrets, withoutWebhookToken } from '../secrets.ts'

type Located = Pick<FastifyRequest, 'url'> & Partial<Pick<FastifyRequest, 'routeOptions'>>

/**
 * The path of a request, as it may be repeated: the query may hold a credential, a webhook's path does (LB-04, CK-11), and
 * somebody may take a key for its id. A webhook is named by its route: whatever was sent in the token's place stays out.
 */
export function pathOf ({ url, routeOptions }: Located): string {
  if (routeOptions?.config?.webhook !== undefined && routeOptions.url !== undefined) return routeOptions.url
  const end = url.indexOf('?')
  return withoutSecrets(withoutWebhookToken(end === -1 ? url : url.slice(0, end)))
}

/** What a log line may say of a request. */
export function loggedRequest (request: Pick<FastifyRequest, 'method' | 'ip'> & Located): Record<string, unknown> {
  return { method: request.method, path: pathOf(request), remoteAddress: request.ip }
}

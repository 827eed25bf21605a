import type { FastifyRequest } from 'fastify'
import { withoutWebhookToken } from '../secrets.ts'

/** The path of a URL, as it may be repeated: the query may hold a credential, and a webhook's path does (LB-04, CK-11). */
export function pathOf (url: string): string {
  const end = url.indexOf('?')
  return withoutWebhookToken(end === -1 ? url : url.slice(0, end))
}

/** What a log line may say of a request. A webhook's is named by its route: whatever was sent in the token's place stays out. */
export function loggedRequest (request: Pick<FastifyRequest, 'method' | 'url' | 'ip'> & Partial<Pick<FastifyRequest, 'routeOptions'>>): Record<string, unknown> {
  const { method, url, ip, routeOptions } = request
  return { method, path: routeOptions?.config?.webhook === undefined ? pathOf(url) : routeOptions.url, remoteAddress: ip }
}

import type { FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { withoutSecrets, withoutWebhookToken } from '../secrets/redaction.ts'

type Located = Pick<FastifyRequest, 'url'> & Partial<Pick<FastifyRequest, 'routeOptions'>>

/** The part of a target in absolute form (RFC 9112 §3.2.2) that says which host its sender means. */
const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i

/**
 * The path of a request, as it may be repeated: the query may hold a credential, a webhook's path does (LB-04, CK-11),
 * and somebody may take a key for its id. A webhook is named by its route: whatever was sent in the token's place stays
 * out.
 */
export function pathOf ({ url, routeOptions }: Located): string {
  if (routeOptions?.config?.webhook !== undefined && routeOptions.url !== undefined) return routeOptions.url
  const target = url.startsWith('/') ? url : url.replace(absoluteForm, '')
  const end = target.indexOf('?')
  return withoutSecrets(withoutWebhookToken(end === -1 ? target : target.slice(0, end)))
}

/** What a log line may say of a request. */
export function loggedRequest (request: Pick<FastifyRequest, 'method' | 'ip'> & Located): Record<string, unknown> {
  return { method: request.method, path: loggedPath(request), remoteAddress: addressOf(request) }
}

/** An id of ours, a UUID or a number: what a path holds in the place of a parameter when it is not a mistake. */
const idPattern = /^([a-z]{2,8}_([0-9A-Za-z]{22}|host|management)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{1,12})$/

/** A word of a path that somebody guessed, as in `/wp-admin` or `/.env`. */
const wordPattern = /^[.]?[a-z]{1,12}([-_.][a-z]{1,12})?$|^v\d$|^$/

/**
 * The path as far as it cannot hold a secret, whoever's: a route's own segments and ids in its parameters, of an
 * unknown path its words. Somebody may have put a key of another system where an id belongs.
 */
function loggedPath (request: Located): string {
  const { routeOptions } = request
  const path = pathOf(request).split('/')
  const pattern = routeOptions?.url?.split('/')
  if (routeOptions?.config?.webhook !== undefined) return path.join('/')
  if (pattern === undefined) return path.map(segment => wordPattern.test(segment) ? segment : '…').join('/')
  return path.map((segment, i) => segment === pattern[i] || idPattern.test(segment) ? segment : '…').join('/')
}

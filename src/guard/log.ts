/** What logs hold of a request: no query, no secret, and of its path only words and ids. */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { withoutSecrets, withoutWebhookToken } from '../secrets/redaction.ts'

type Located = Pick<FastifyRequest, 'url'> & Partial<Pick<FastifyRequest, 'routeOptions'>>

/** The scheme and host of a target in absolute form (RFC 9112 §3.2.2). */
const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i

/**
 * The path of a request without its secrets: the query may hold a credential, a webhook's path does (LB-04, CK-11), and
 * a key may stand where its id belongs. A webhook is named by its route, without the text in the token's place.
 */
export function pathOf ({ url, routeOptions }: Located): string {
  if (routeOptions?.config?.webhook !== undefined && routeOptions.url !== undefined) return routeOptions.url
  const target = url.startsWith('/') ? url : url.replace(absoluteForm, '')
  const end = target.indexOf('?')
  return withoutSecrets(withoutWebhookToken(end === -1 ? target : target.slice(0, end)))
}

/** A request as log lines show it. */
export function loggedRequest (request: Pick<FastifyRequest, 'method' | 'ip'> & Located): Record<string, unknown> {
  return { method: request.method, path: loggedPath(request), remoteAddress: addressOf(request) }
}

/** An id of ours, a UUID or a number: the usual values of a path's parameters. */
const idPattern = /^([a-z]{2,8}_([0-9A-Za-z]{22}|host|management)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{1,12})$/

/** A word of an unknown path, as in `/wp-admin` or `/.env`. */
const wordPattern = /^[.]?[a-z]{1,12}([-_.][a-z]{1,12})?$|^v\d$|^$/

/**
 * The segments of the path that hold no secret, of whatever system: a route's own, ids in its parameters, and the words
 * of an unknown path. The others are left out.
 */
function loggedPath (request: Located): string {
  const { routeOptions } = request
  const path = pathOf(request).split('/')
  const pattern = routeOptions?.url?.split('/')
  if (routeOptions?.config?.webhook !== undefined) return path.join('/')
  if (pattern === undefined) return path.map(segment => wordPattern.test(segment) ? segment : '…').join('/')
  return path.map((segment, i) => segment === pattern[i] || idPattern.test(segment) ? segment : '…').join('/')
}

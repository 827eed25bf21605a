/**
 * The session of a person that a request presents: its cookie, and whether the request may have come from another site.
 * Cookies are ambient, so that is decided here, where a session is taken, and not by routes.
 */
import type { IncomingMessage } from 'node:http'
import type { PersonAuthenticator } from '../domain/access/checks/check-person-session.ts'
import { notFound, type NotFound } from '../domain/access/facts.ts'

/** The text of a session, or the reason why the request has none to look up. */
export type PresentedSession = { session: string } | NotFound

type Request = Pick<IncomingMessage, 'method' | 'headers'>

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Reads the one session of a request. Null: it presents none. */
export function presentedSession (
  request: Request, { cookie, origin }: Pick<PersonAuthenticator, 'cookie' | 'origin'>
): PresentedSession | null {
  const texts = cookiesNamed(cookie, request.headers.cookie)
  if (texts.length === 0) return null
  if (!isSafe(request) && !isFromOwnPages(request, origin)) return notFound('cross_site_request', 'person_session')
  return texts.length > 1 ? notFound('several_credentials', 'person_session') : { session: texts[0]! }
}

/** Whether a request changes nothing (RFC 9110 §9.2.1). */
export function isSafe ({ method }: Pick<IncomingMessage, 'method'>): boolean {
  return safeMethods.has(method ?? '')
}

/**
 * Whether the pages of this server have made a request. Browsers that say so are believed; of others, `Origin` must be
 * ours. A request with neither is refused. The type of the body does not matter: forms can send some that look like
 * JSON.
 */
export function isFromOwnPages ({ headers }: Pick<IncomingMessage, 'headers'>, origin: string): boolean {
  const site = headers['sec-fetch-site']
  return site === undefined ? headers.origin === origin : site === 'same-origin'
}

/** The values of the cookies of this name (RFC 6265 §5.4). Node joins several headers. */
export function cookiesNamed (name: string, header = ''): string[] {
  const texts: string[] = []
  for (const pair of header.split(';')) {
    const end = pair.indexOf('=')
    if (end !== -1 && pair.slice(0, end).trim() === name) texts.push(pair.slice(end + 1).trim())
  }
  return texts
}

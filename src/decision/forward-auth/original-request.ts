/** The caller's own request, as the proxy describes it beside its question. */
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../base/errors.ts'
import type { Style } from '../../domain/resources/style.ts'
import { pathOf } from '../../guard/log.ts'

type Described = Pick<IncomingMessage, 'headers'>

/** The caller's URI: its path with its query. Null: the proxy does not say. */
export interface OriginalRequest { uri: string | null, query: Readonly<Record<string, string[]>> }

/**
 * Reads the caller's URI from X-Forwarded-Uri or, where the proxy appends it, from the question's own URI behind the
 * needs, which is `appended` then. @throws Failure `invalid_request` where two decoders could read it differently: the
 * proxy, Latchkey and the upstream have to see one path and the same credentials.
 */
export function originalRequest (request: Described, appended: string | null, style: Style): OriginalRequest {
  const forwarded = forwardedUri(request)
  const appendsPath = appended?.startsWith('/') === true
  if (forwarded !== null && appendsPath && forwarded !== appended) {
    throw disagreement('X-Forwarded-Uri and the path behind the needs differ')
  }
  const uri = forwarded ?? (appendsPath ? appended : null)
  if (uri !== null) return { uri, query: readUri(uri, style) }
  // Without any path: the query alone was appended.
  return { uri, query: appended === null ? {} : readUri(`/${appended}`, style) }
}

/** The caller's path as an answer names it, also where it has several readings; `/` where the proxy tells none. */
export function namedPath (request: Described, appended: string | null): string {
  const uri = forwardedUri(request) ?? appended ?? '/'
  return visiblePath.test(uri) ? pathOf({ url: uri }) : '/'
}

const visiblePath = /^\/[\x21-\x7e]*$/

/** Null: the proxy does not send it. Two of them are joined with a space, which no URI has. */
function forwardedUri ({ headers }: Described): string | null {
  const uri = headers['x-forwarded-uri']
  return uri === undefined ? null : String(uri)
}

/** The query of a URI that has one reading. */
function readUri (uri: string, style: Style): Record<string, string[]> {
  if (!visiblePath.test(uri) || uri.includes('#') || uri.includes('\\')) {
    throw disagreement('it is no path of visible ASCII characters')
  }
  const end = uri.indexOf('?')
  const path = end === -1 ? uri : uri.slice(0, end)
  requireOnePath(path)
  return end === -1 ? {} : readQuery(uri.slice(end + 1), style)
}

function requireOnePath (path: string): void {
  const segments = path.slice(1).split('/')
  for (const [i, segment] of segments.entries()) {
    if (segment === '' && i < segments.length - 1) throw disagreement('its path has an empty segment')
    const text = decoded(segment)
    // What stands behind a semicolon is a parameter of the segment for some servers.
    if (/^\.\.?(;|$)/.test(text)) throw disagreement('its path has a dot segment')
    if (/[/\\\p{Cc}]|%(?:2f|5c|2e|0)/iu.test(text)) throw disagreement('its path has an encoded separator')
  }
}

function readQuery (text: string, { transports }: Style): Record<string, string[]> {
  const credentials = new Set(['access_token', ...transports.flatMap(each => each.in === 'bearer' ? [] : each.name)])
  const query: Record<string, string[]> = Object.create(null)
  let found = 0
  for (const pair of text.split('&')) {
    const [name, value] = readPair(pair)
    query[name] = [...query[name] ?? [], value]
    if (!credentials.has(name)) continue
    found++
    // The proxy removes it by this text before the upstream.
    if (pair !== `${name}=${value}`) throw disagreement('a credential in its query is not spelled plainly')
  }
  // Some decoders take a semicolon for a separator, and would find another credential.
  if (text.split(/[&;]/).filter(pair => credentials.has(readPair(pair)[0])).length !== found) {
    throw disagreement('its query has a credential behind a semicolon')
  }
  return query
}

function readPair (pair: string): [name: string, value: string] {
  const end = pair.indexOf('=')
  const [name, value] = end === -1 ? [pair, ''] : [pair.slice(0, end), pair.slice(end + 1)]
  return [decoded(name.replaceAll('+', ' ')), decoded(value.replaceAll('+', ' '))]
}

function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw disagreement('it is not percent-encoded UTF-8')
  }
}

function disagreement (why: string): Failure {
  return new Failure('invalid_request', {
    message: `The URI of the request can be read in two ways: ${why}. Send it in its plain form (RFC 3986 §6.2.2).`
  })
}

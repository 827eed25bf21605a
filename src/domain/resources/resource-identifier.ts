/** Resource identifiers: URLs, compared in a normal form because one URL has several spellings. */
import { Failure } from '../../base/errors.ts'

const uri = /^[\x21-\x7e]+$/

/** The longest identifier that can be declared, in characters. */
const longest = 512

/** Includes room for the fragment by which a revoked resource gives up its identifier. */
const longestKept = longest + 64

/**
 * RFC 8707 §2: an absolute URI without fragment; a URI is visible ASCII. Whether http is allowed is a setting of the
 * deployment and not checked here.
 */
export function requireIdentifier (text: string): string {
  if (
    !URL.canParse(text) || text.includes('#') || !uri.test(text) || text.length > longest ||
    !/^[a-z][a-z0-9+.-]*:/i.test(text)
  ) {
    throw new Failure('invalid_request', {
      message: `${
        JSON.stringify(text.slice(0, 64))
      } is not a resource identifier: use an absolute URI without fragment, for example https://api.example.com ` +
        '(RFC 8707 §2).',
      details: { field: 'identifier' }
    })
  }
  return text
}

/**
 * The normal form of a URL (RFC 3986 §6.2.2, §6.2.3): scheme and host in lower case, no default port, no dot segments,
 * an empty path as `/`, escapes in upper case, and only where needed. Path, query, user information and a trailing
 * slash are case-sensitive and stay. For looking up and comparing what people type: storage and tokens have the
 * operator's spelling, so the `aud` of a token is compared as it is. A text that cannot name a resource is returned as
 * it is.
 */
export function normalIdentifier (text: string): string {
  if (text.length > longestKept || !uri.test(text)) return text
  const url = URL.parse(text.replace(/%(?:[\da-f]{2})?/gi, unescaped))
  if (url === null) return text
  // URL does not lower the host of schemes that it does not know.
  if (url.host !== '' && !knownSchemes.has(url.protocol)) {
    url.host = url.host.toLowerCase()
    if (url.pathname === '') url.pathname = '/'
  }
  return url.href
}

/** URL standard §3.2 (special schemes). */
const knownSchemes = new Set(['https:', 'http:', 'wss:', 'ws:', 'ftp:', 'file:'])

/**
 * RFC 3986 §2.3: unreserved characters need no escape. A percent sign that begins no escape is escaped itself: else it
 * would form one with the unescaped characters behind it.
 */
function unescaped (escape: string): string {
  if (escape === '%') return '%25'
  const character = String.fromCharCode(parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
}

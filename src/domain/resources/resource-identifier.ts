/** What resources are named by: URLs, of which one has several spellings. */
import { Failure } from '../../base/errors.ts'

const uri = /^[\x21-\x7e]+$/

/** The longest identifier that is declared, in characters. */
const longest = 512

/** Room behind it for the fragment by which an ended resource gives its identifier up. */
const longestKept = longest + 64

/**
 * RFC 8707 §2: an absolute URI without fragment; a URI is visible ASCII. http only for loopback and test names is the
 * deployment's business, not ours.
 */
export function requireIdentifier (text: string): string {
  if (
    !URL.canParse(text) || text.includes('#') || !uri.test(text) || text.length > longest ||
    !/^[a-z][a-z0-9+.-]*:/i.test(text)
  ) {
    throw new Failure('invalid_request', {
      message: `${
        JSON.stringify(text.slice(0, 64))
      } cannot name a resource: use an absolute URI without fragment, https://api.example.com say (RFC 8707 §2).`,
      details: { field: 'identifier' }
    })
  }
  return text
}

/**
 * The one spelling of a URL that stands for all of them (RFC 3986 §6.2.2, §6.2.3): scheme and host in lower case, no
 * default port, no dot segments, an empty path as `/`, escapes in upper case, and none where none is needed. The rest
 * has case and stays: path, query, user information, a slash behind a path. For looking up and comparing what people
 * write: what is stored and sent is what the operator wrote, so the `aud` of a token is compared as it is. A text that
 * can name no resource is its own.
 */
export function normalIdentifier (text: string): string {
  if (text.length > longestKept || !uri.test(text)) return text
  const url = URL.parse(text.replace(/%(?:[\da-f]{2})?/gi, unescaped))
  if (url === null) return text
  // Of schemes that it does not know, URL keeps the host as it is.
  if (url.host !== '' && !knownSchemes.has(url.protocol)) {
    url.host = url.host.toLowerCase()
    if (url.pathname === '') url.pathname = '/'
  }
  return url.href
}

/** URL standard §3.2 (special schemes). */
const knownSchemes = new Set(['https:', 'http:', 'wss:', 'ws:', 'ftp:', 'file:'])

/**
 * RFC 3986 §2.3: what never needs an escape. A percent sign that begins none is escaped: else what is unescaped behind
 * it would make one of it.
 */
function unescaped (escape: string): string {
  if (escape === '%') return '%25'
  const character = String.fromCharCode(parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
}

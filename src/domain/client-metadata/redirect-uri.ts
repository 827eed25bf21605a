/**
 * Redirect URIs: which ones a client may register, by itself, by an operator or by its document, and which one of them
 * an authorization request names. Texts are compared, never parsed URLs (RFC 9700 §2.1): parsers differ.
 */
import { isLoopback } from '../../base/loopback.ts'

/** OpenID Connect Registration §2: `native` clients run on the person's machine, `web` clients on a server. */
export const applicationTypes = ['web', 'native'] as const
export type ApplicationType = typeof applicationTypes[number]

export const mostRedirectUris = 10
export const longestRedirectUri = 2_048

/** Private schemes without a dot that are taken all the same, such as `cursor`; in lower case. */
export type PrivateSchemes = ReadonlySet<string>

/** Schemes by which a browser runs what the URI says, reads a file, or goes on without leaving the page. */
const dangerousSchemes: ReadonlySet<string> = new Set([
  'javascript', 'data', 'vbscript', 'file', 'filesystem', 'blob', 'about', 'view-source', 'ws', 'wss', 'ftp', 'mailto',
  'tel', 'intent', 'jar', 'chrome', 'chrome-extension', 'moz-extension', 'resource'
])

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** A text that is no redirect URI of anybody's; `kind`: whether it could harm, or is just not supported. */
export interface RedirectUriProblem {
  kind: 'dangerous' | 'unsupported'
  /** A sentence without its subject, such as "has a fragment (RFC 6749 §3.1.2)". */
  problem: string
}

/** What an omitted `application_type` is: the default, web, would refuse redirect URIs that RFC 8252 allows. */
export function inferredApplicationType (uris: readonly string[]): ApplicationType {
  return uris.every(uri => uri.startsWith('https:')) ? 'web' : 'native'
}

/**
 * Where the program is that gets the answer: on the computer of the person, by a loopback address, on their device, by
 * a private scheme; null: at the host of the URI (RFC 8252 §7).
 */
export function placeOf (redirectUri: string): 'computer' | 'device' | null {
  const { protocol, hostname } = new URL(redirectUri)
  if (isThisComputer(hostname)) return 'computer'
  return protocol === 'https:' || protocol === 'http:' ? null : 'device'
}

/** Also by names and addresses that browsers and systems take for loopback (RFC 6761 §6.3), with any scheme. */
function isThisComputer (hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isLoopback(bare) || bare.endsWith('.localhost') || bare === '0.0.0.0' || bare === '::' ||
    /^::ffff:(?:7f[\da-f]{2}|0):/.test(bare)
}

/** Why a client of this type cannot register the redirect URI; null: it can. */
export function problemOfRedirectUri (
  uri: string, type: ApplicationType, privateSchemes: PrivateSchemes
): RedirectUriProblem | null {
  const harm = harmOf(uri)
  if (harm !== null) return { kind: 'dangerous', problem: harm }
  const problem = limitOf(uri, URL.parse(uri)!, type, privateSchemes)
  return problem === null ? null : { kind: 'unsupported', problem }
}

/** What could run a script in a browser, or be read in different ways by different parsers; null: nothing. */
function harmOf (uri: string): string | null {
  if (uri.length > longestRedirectUri) return `has more than ${longestRedirectUri} characters`
  // URL parsers trim, drop tabs and line ends, and turn backslashes: the URI checked and the one used would differ.
  if (!isVisibleAscii(uri)) return 'has a space, a control character or a character beyond ASCII; percent-encode it'
  if (/["<>\\^`{|}]/.test(uri)) return 'has a character that no URI has (RFC 3986 §2): a quotation mark, backslash, …'
  const url = URL.parse(uri)
  if (url === null) return 'is not an absolute URI'
  const scheme = url.protocol.slice(0, -1)
  if (dangerousSchemes.has(scheme)) return `uses the scheme ${scheme}, which is never safe`
  // Also an empty name, which the parser leaves out.
  if (/^[^/?#]*\/\/[^/?#]*@/.test(uri)) return 'has user information'
  return null
}

function limitOf (uri: string, url: URL, type: ApplicationType, privateSchemes: PrivateSchemes): string | null {
  if (uri.includes('#')) return 'has a fragment (RFC 6749 §3.1.2)'
  if (uri.includes('*')) return 'has a wildcard, and redirect URIs are compared as they are; list each one'
  // Upper case, a default port, other spellings of an address, dot segments, encoded ones included.
  if (url.href !== uri && url.href !== `${uri}/`) return `is not in normal form: write ${url.href}`
  if (url.hostname.endsWith('.')) return 'has a host that ends with a dot'
  if (url.protocol === 'https:') {
    return type === 'native' && loopbackHosts.has(url.hostname) ? 'uses https to loopback; use http' : null
  }
  if (url.protocol === 'http:') {
    return loopbackHosts.has(url.hostname) ? null : 'uses http to a host that is not loopback; use https'
  }
  if (type === 'web') return 'uses a private scheme, which takes the application_type native'
  const scheme = url.protocol.slice(0, -1)
  return scheme.includes('.') || privateSchemes.has(scheme)
    ? null
    : `uses the private scheme ${scheme}, which is no reversed domain name such as com.example.app (RFC 8252 §7.1): ` +
      'write https if that is meant, or an operator allows it by LATCHKEY_REDIRECT_SCHEMES'
}

/** Characters 0x21 to 0x7e. */
function isVisibleAscii (text: string): boolean {
  return /^[!-~]+$/.test(text)
}

/** A loopback redirect URI, as registered or as requested, around its port: nothing else may follow the host. */
const loopbackUri = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::(\d{1,5}))?($|[/?][^#]*$)/

/**
 * Whether a requested redirect URI is one of those registered: the same text, or, for a native client, the same apart
 * from the port of a loopback host, which the system chose as the client started (RFC 8252 §7.3).
 */
export function isRegisteredRedirectUri (
  requested: string, registered: readonly string[], type: ApplicationType
): boolean {
  if (registered.includes(requested)) return true
  if (type !== 'native') return false
  const portless = withoutPort(requested)
  return portless !== null && registered.some(uri => withoutPort(uri) === portless)
}

/** Null: not a loopback redirect URI. */
function withoutPort (uri: string): string | null {
  const [, origin, port, rest] = loopbackUri.exec(uri) ?? []
  return origin === undefined || Number(port ?? 80) > 65_535 ? null : origin + rest!
}

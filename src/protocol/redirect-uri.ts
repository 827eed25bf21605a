/** Where a client may be sent back to. Judged at registration, so that nothing dangerous is ever stored. */
import { OAuthError } from './oauth-error.ts'

const maxUris = 10
const maxLength = 2_048
const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])
const dangerous = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:', 'ws:', 'wss:', 'ftp:'])

/** @throws OAuthError `invalid_redirect_uri` (RFC 7591 §3.2.2), saying which entry and why. */
export function requireRedirectUris (value: unknown): string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string')) throw refused('redirect_uris must be a list of texts.')
  if (value.length > maxUris) throw refused(`redirect_uris must have at most ${maxUris} entries.`)
  for (const [index, uri] of (value as string[]).entries()) {
    const problem = problemOf(uri)
    if (problem !== null) throw refused(`redirect_uris[${index}] ${problem}.`)
  }
  return value as string[]
}

/** What keeps a URI from being a redirect URI; null: nothing. */
function problemOf (uri: string): string | null {
  if (uri.length > maxLength) return `has more than ${maxLength} characters`
  // URL parsers drop tabs and line ends and trim: what is judged and what is used later would not be the same.
  // eslint-disable-next-line no-control-regex
  if (!uri.isWellFormed() || /[\u0000-\u0020\u007f-\u009f\\]/.test(uri)) return 'has a space, a control character or a backslash'
  if (uri.includes('#')) return 'has a fragment (RFC 6749 §3.1.2)'
  const url = URL.parse(uri)
  if (url === null) return 'is not an absolute URI'
  if (dangerous.has(url.protocol)) return `uses the scheme ${url.protocol.slice(0, -1)}, which is never safe`
  if (url.username !== '' || url.password !== '') return 'has user information'
  if (url.protocol === 'https:') return null
  if (url.protocol === 'http:') return loopback.has(url.hostname) ? null : 'uses http to another host than loopback; use https'
  return url.protocol.includes('.') ? null : 'uses a private scheme that is not a reversed domain name, com.example.app say (RFC 8252 §7.1)'
}

function refused (description: string): OAuthError {
  return new OAuthError(400, 'invalid_redirect_uri', description)
}

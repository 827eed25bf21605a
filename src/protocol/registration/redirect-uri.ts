/** Redirect URIs, validated at registration, so that no dangerous one is ever stored. */
import { OAuthError } from '../shared/oauth-error.ts'

const maxUris = 10
const maxLength = 2_048
const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])
const dangerous = new Set(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:', 'ws:', 'wss:', 'ftp:'])

/**
 * The redirect URIs to keep; undefined: none were sent. A client of the grant `client_credentials` works without them:
 * unsupported ones are left out for it, and the response lists those kept (RFC 7591 §3.2.1).
 * @throws OAuthError `invalid_redirect_uri` (RFC 7591 §3.2.2), naming the entry and the reason.
 */
export function readRedirectUris (value: unknown, grantTypes: readonly string[]): string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string')) {
    throw refused('redirect_uris must be an array of strings.')
  }
  if (value.length > maxUris) throw refused(`redirect_uris must have at most ${maxUris} entries.`)
  const isNeeded = !grantTypes.includes('client_credentials')
  return (value as string[]).filter((uri, index) => {
    const url = requireHarmless(uri, index)
    const problem = problemOf(url)
    if (problem !== null && isNeeded) throw refused(`redirect_uris[${index}] ${problem}.`)
    return problem === null
  })
}

/** Refuses a URI that could run a script in a browser or that parsers read differently, even if it is not needed. */
function requireHarmless (uri: string, index: number): URL {
  const refuse = (problem: string): never => { throw refused(`redirect_uris[${index}] ${problem}.`) }
  if (uri.length > maxLength) refuse(`has more than ${maxLength} characters`)
  // URL parsers trim, and drop tabs and line ends: the URI checked and the URI used later would differ.
  // eslint-disable-next-line no-control-regex
  if (!uri.isWellFormed() || /[\u0000-\u0020\u007f-\u009f\\]/.test(uri)) {
    refuse('has a space, a control character or a backslash')
  }
  const url = URL.parse(uri) ?? refuse('is not an absolute URI')
  if (dangerous.has(url.protocol)) refuse(`uses the scheme ${url.protocol.slice(0, -1)}, which is never safe`)
  if (url.username !== '' || url.password !== '') refuse('has user information')
  return url
}

/** Why a harmless URI is not supported as a redirect URI; null: it is. */
function problemOf (url: URL): string | null {
  if (url.href.includes('#')) return 'has a fragment (RFC 6749 §3.1.2)'
  if (url.protocol === 'https:') return null
  if (url.protocol === 'http:') {
    return loopback.has(url.hostname)
      ? null
      : 'uses http to a host that is not loopback; use https'
  }
  return url.protocol.includes('.')
    ? null
    : 'uses a private scheme that is not a reversed domain name such as com.example.app (RFC 8252 §7.1)'
}

function refused (description: string): OAuthError {
  return new OAuthError(400, 'invalid_redirect_uri', description)
}

/**
 * Names of MCP servers in a registry: the reversed host and a slug, `com.acme.tools/mcp` for
 * `https://tools.acme.com/mcp`. The name follows from the identifier and leads back to it, so that it never changes,
 * and no two servers share one.
 */
import type { Resource } from '../resources/resource.ts'

/** The longest name, and its form, by server.json of 2025-12-11. */
const longest = 200
const form = /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/

/** The namespace of servers whose URL makes no name: their slug is their id. */
const byId = 'id.latchkey'

/** The name of a server. */
export function registryName ({ id, identifier }: Pick<Resource, 'id' | 'identifier'>): string {
  const name = nameOf(identifier)
  return name !== null && sameUrl(name, identifier) ? name : `${byId}/${id}`
}

/** What a name stands for; null: it is none of ours. */
export function identifierNamed (name: string): { id: string } | { identifier: string } | null {
  const [namespace = '', slug = ''] = name.split('/')
  if (!form.test(name) || name.length > longest) return null
  if (namespace === byId) return { id: slug }
  const identifier = urlOf(namespace, slug)
  return identifier === null ? null : { identifier }
}

/** Null: the host or the length of its URL makes no name. */
function nameOf (identifier: string): string | null {
  const url = URL.parse(identifier)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null
  const scheme = url.protocol === 'http:' ? '_http' : ''
  const port = url.port === '' ? '' : `_p${url.port}`
  const path = url.href.slice(url.origin.length)
  const slug = `${scheme}${port}${encoded(scheme === '' && port === '' ? path.replace(/^\//, '') : path)}`
  const name = `${reversed(url.hostname)}/${slug === '' ? '_' : slug}`
  return form.test(name) && name.length <= longest ? name : null
}

/** `/` becomes `__`; each other octet than letters, digits, full stop and hyphen becomes `_` and two hex digits. */
function encoded (path: string): string {
  return Array.from(Buffer.from(path), octet => {
    const character = String.fromCharCode(octet)
    if (/[A-Za-z0-9.-]/.test(character)) return character
    return character === '/' ? '__' : `_${octet.toString(16).padStart(2, '0')}`
  }).join('')
}

function decoded (slug: string): string {
  const octets = slug.replace(/_(_|[0-9a-f]{2})/g, (_, code: string) => code === '_' ? '/' : `%${code}`)
  try {
    return decodeURIComponent(octets)
  } catch {
    return slug
  }
}

function urlOf (namespace: string, slug: string): string | null {
  const [, scheme, port, path = ''] = /^(_http)?(?:_p([0-9]{1,5}))?(.*)$/.exec(slug) ?? []
  const isPlain = scheme === undefined && port === undefined
  const rest = path === '_' ? '' : decoded(path)
  const host = reversed(namespace) + (port === undefined ? '' : `:${port}`)
  const identifier = `${scheme === undefined ? 'https' : 'http'}://${host}${isPlain && rest !== '' ? `/${rest}` : rest}`
  return URL.canParse(identifier) ? identifier : null
}

function reversed (host: string): string {
  return host.split('.').toReversed().join('.')
}

/** Whether a name leads back to the identifier: of `https://a.test` and `https://a.test/` there is one. */
function sameUrl (name: string, identifier: string): boolean {
  const named = identifierNamed(name)
  return named !== null && 'identifier' in named && new URL(named.identifier).href === new URL(identifier).href
}

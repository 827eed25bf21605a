/**
 * Cache headers of answers to credentials: RFC 9111 §3.5 keeps only answers to `Authorization` out of shared caches.
 */
import type { Style } from '../domain/resources/style.ts'

/** The headers of an answer: a `FastifyReply`, or what writes them elsewhere. */
export interface HeaderFields {
  getHeader (name: string): unknown
  header (name: string, value: string): unknown
}

/**
 * Keeps an answer out of shared caches, unless its route has set `Cache-Control`, and apart from the answers to other
 * credentials. Runs when the headers are complete, because a route or a plugin may set `Vary` at any time before.
 */
export function keepApart (reply: HeaderFields, style: Style): void {
  const control = reply.getHeader('cache-control')
  if (control === undefined) reply.header('cache-control', 'private')
  // An answer that is not stored needs no `Vary`.
  else if (String(control).toLowerCase().includes('no-store')) return
  const vary = reply.getHeader('vary')
  const { text, names } = credentialHeaders(style)
  reply.header('vary', vary === undefined ? text : withNames(String(vary), names))
}

interface CredentialHeaders { names: readonly string[], text: string }

const known = new WeakMap<Style, CredentialHeaders>()

/** The headers in which this style looks for credentials. A query is part of the URL, and so of every cache's key. */
function credentialHeaders (style: Style): CredentialHeaders {
  const found = known.get(style)
  if (found !== undefined) return found
  const names = [
    ...new Set([
      'authorization', ...style.transports.flatMap(transport => transport.in === 'header' ? transport.name : [])
    ])
  ]
  const made = { names, text: names.join(', ') }
  known.set(style, made)
  return made
}

/** A `Vary` with `names` added; `*` covers them already (RFC 9110 §12.5.5). */
function withNames (vary: string, names: readonly string[]): string {
  const there = vary.toLowerCase().split(',').map(name => name.trim())
  if (there.includes('*')) return vary
  return [vary, ...names.filter(name => !there.includes(name))].filter(part => part !== '').join(', ')
}

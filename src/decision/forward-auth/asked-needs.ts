/** The needs that a proxy asks about: written like a query, and read without tolerance. */
import { Failure } from '../../base/errors.ts'
import { isScopeToken, splitScope } from '../../domain/resources/scope.ts'
import type { Requirements } from '../../domain/access/judge.ts'
import { anyCredential } from '../asked-call.ts'
import type { OriginalRequest } from './original-request.ts'

/** What the caller's request needs, and which form of an answer the proxy can pass on. */
export interface AskedNeeds {
  requirements: Requirements
  /** Null: the request names none. */
  organizationId: string | null
  /** Null: the request names none. */
  objectId: string | null
  /** Whether only 2xx, 401 and 403 reach the caller, as behind nginx. */
  proxyIsNginx: boolean
  /** Whether the upstream gets a signed assertion. */
  assertion: boolean
}

/** Says that any valid credential will do. An empty value does not: a template without its variable writes that. */
const noScope = '-'

const names = [
  'scope', 'organization', 'feature', 'object', 'credits', 'api_key_only', 'proxy', 'assertion'
] as const
type Name = typeof names[number]

/**
 * Reads needs. Each is named at most once, and `scope` always: a proxy may append the query of its caller, who must not
 * choose. @throws Failure `invalid_request` naming the need that is wrong.
 */
export function readNeeds (text: string): AskedNeeds {
  const given = readPairs(text)
  const object = readObject(given.get('object'))
  const credits = readCredits(given.get('credits'))
  return {
    requirements: {
      ...anyCredential,
      scopes: readScopes(given.get('scope')),
      apiKeyOnly: only('api_key_only', 'true', given),
      feature: given.get('feature') ?? null,
      object: object === null ? null : { type: object.type },
      credits,
    },
    organizationId: given.get('organization') ?? null,
    objectId: object === null ? null : object.id,
    proxyIsNginx: only('proxy', 'nginx', given),
    assertion: only('assertion', 'true', given),
  }
}

/**
 * Requires that no need in a query is a parameter of the caller's own query: a proxy that appends it would let the
 * caller name the organization. @throws Failure `invalid_request`.
 */
export function requireOwnNeeds (text: string, { query }: Pick<OriginalRequest, 'query'>): void {
  for (const [name, value] of readPairs(text)) {
    if (query[name]?.includes(value) !== true) continue
    throw wrong(
      name, `The need ${name} is in the query of the caller too, which the proxy seems to append; write the needs ` +
        'into the path: /api/v1/forward-auth/{resource}/scope=invoices:read.'
    )
  }
}

function readPairs (text: string): Map<Name, string> {
  const given = new Map<Name, string>()
  for (const pair of text === '' ? [] : text.split('&')) {
    const end = pair.indexOf('=')
    const name = names.find(each => each === pair.slice(0, Math.max(end, 0)))
    // Its text is the caller's, perhaps a key: it is not repeated.
    if (name === undefined) {
      throw wrong(
        'needs', `Forward-auth reads the needs ${names.join(', ')}, each as name=value and each once; another ` +
          'parameter is here. If the proxy appends the query of its caller, write the needs into the path: ' +
          '/api/v1/forward-auth/{resource}/scope=invoices:read.'
      )
    }
    if (given.has(name)) throw wrong(name, `The need ${name} is here twice; write it once.`)
    const value = decoded(name, pair.slice(end + 1))
    if (value === '') throw wrong(name, `The need ${name} is empty${hintOn(name)}.`)
    given.set(name, value)
  }
  return given
}

function decoded (name: Name, text: string): string {
  // As a space in forms, as itself in URLs (RFC 3986): what was meant cannot be told.
  if (text.includes('+')) throw wrong(name, `The need ${name} holds a plus; write %20 for a space and %2B for a plus.`)
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(name, `The need ${name} is not percent-encoded UTF-8.`)
  }
}

function hintOn (name: Name): string {
  return name === 'scope' ? `; write scope=${noScope} if any valid credential will do` : '; leave it out'
}

function readScopes (text: string | undefined): string[] {
  if (text === undefined) throw wrong('scope', `The need scope is missing${hintOn('scope')}.`)
  if (text === noScope) return []
  const scopes = splitScope(text)
  if (scopes.length === 0 || !scopes.every(isScopeToken) || scopes.includes(noScope)) {
    throw wrong('scope', 'The need scope is no list of scopes; write scope=invoices:read%20invoices:write.')
  }
  return scopes
}

function readObject (text: string | undefined): { type: string, id: string } | null {
  if (text === undefined) return null
  const end = text.indexOf(':')
  if (end <= 0 || end === text.length - 1) {
    throw wrong('object', 'The need object is no type and id; write object=ledger:42.')
  }
  return { type: text.slice(0, end), id: text.slice(end + 1) }
}

function readCredits (text = '0'): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw wrong('credits', 'The need credits is no whole number from 0 to 999999999.')
  }
  return Number(text)
}

function only (name: Name, value: string, given: ReadonlyMap<Name, string>): boolean {
  const text = given.get(name)
  if (text !== undefined && text !== value) {
    throw wrong(name, `The need ${name} can only be ${value}; otherwise leave it out.`)
  }
  return text !== undefined
}

function wrong (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

/** A token request for a grant of our own: its body, read whole, and its form, read strictly (RFC 6749 §3.2). */
import type { IncomingMessage } from 'node:http'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import { OAuthError } from '../shared/oauth-error.ts'

/** The parameters of a request, each at most once but for `resource` and `audience` (RFC 8693 §2.1). */
export interface TokenForm {
  /** Undefined: it was not sent, or without a value, which is the same (RFC 6749 §3.2). */
  one (name: string): string | undefined
  /** Every value of a parameter that may be repeated. */
  all (name: 'resource' | 'audience'): readonly string[]
}

/** The most bytes that oidc-provider reads: it refuses longer bodies by itself. */
const longestOfProvider = 56 * 1024
/** The longest body of a grant of our own, in bytes. */
export const longestOwnBody = 16 * 1024
const mostParameters = 32

const formType = /^application\/x-www-form-urlencoded *(?:;|$)/i
const repeatable: ReadonlySet<string> = new Set(['resource', 'audience'])

/**
 * Takes the whole body off a request, in whatever pieces it comes; `unshift` gives it back as if it had not been read.
 * Null, and all is as it was: it is no form, empty, too long for any grant, or the connection broke off.
 */
export async function takeForm (request: IncomingMessage): Promise<Buffer | null> {
  const { 'content-type': type = '', 'content-length': stated } = request.headers
  // A request without a socket may not know when it is complete.
  if (!formType.test(type) || (stated === undefined && typeof request.complete !== 'boolean')) return null
  const pieces: Buffer[] = []
  let length = 0
  while (length <= longestOfProvider && length !== Number(stated) && !request.destroyed) {
    // By its exact length: a shorter read would end the stream, and nothing could be given back.
    const piece = request.readableLength === 0 ? null : request.read(request.readableLength) as Buffer | null
    if (piece !== null) {
      pieces.push(piece)
      length += piece.length
    } else if (request.complete) break
    else await arrival(request)
  }
  if (length === 0 || request.destroyed) return null
  const body = Buffer.concat(pieces, length)
  if (length <= longestOfProvider) return body
  request.unshift(body)
  return null
}

function arrival (request: IncomingMessage): Promise<void> {
  return new Promise(resolve => {
    const settle = (): void => {
      request.off('readable', settle).off('close', settle)
      resolve()
    }
    request.on('readable', settle).on('close', settle)
  })
}

/** The grants that a body asks for: one, unless it is at fault. */
export function grantTypesOf (body: Buffer): readonly string[] {
  // As a body has them: a query would lose a question mark in front.
  return new URLSearchParams(`&${body.toString('latin1')}`).getAll('grant_type')
}

/** @throws OAuthError `invalid_request` for what can be read in more than one way. */
export function readTokenForm (body: Buffer): TokenForm {
  if (body.length > longestOwnBody) {
    throw new OAuthError(413, 'invalid_request', `The body is too large: at most ${longestOwnBody} bytes.`)
  }
  const found = new Map<string, string[]>()
  const pairs = body.toString('latin1').split('&')
  if (pairs.length > mostParameters) throw invalid(`The body has more than ${mostParameters} parameters.`)
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : decoded(pair.slice(equals + 1))
    const before = found.get(name)
    if (before !== undefined && !repeatable.has(name)) throw invalid('A parameter must not be repeated.')
    if (before === undefined) found.set(name, [value])
    else before.push(value)
  }
  return {
    one: name => found.get(name)?.[0] || undefined,
    all: name => found.get(name)?.filter(value => value !== '') ?? []
  }
}

/** Decoded by the rules of the URL standard, but never guessed: bytes that are no UTF-8 are refused. */
function decoded (text: string): string {
  try {
    if (/^[\x20-\x7e]*$/.test(text)) return decodeURIComponent(text.replaceAll('+', ' '))
  } catch { /* not well-formed */ }
  throw invalid('The body is no well-formed application/x-www-form-urlencoded text in UTF-8.')
}

/**
 * The one resource that `resource` (RFC 8707 §2) and `audience` (RFC 8693 §2.1) name, each by its identifier; null:
 * neither was sent. @throws OAuthError `invalid_target` for more than one.
 */
export function requestedResource (form: TokenForm): string | null {
  return oneResource([...form.all('resource'), ...form.all('audience')])
}

/** The one resource among these identifiers, in whatever spelling. @throws as `requestedResource` says. */
export function oneResource (asked: readonly string[]): string | null {
  const wanted = asked.length < 2 ? asked : [...new Set(asked.map(normalIdentifier))]
  if (wanted.length < 2) return wanted[0] ?? null
  throw new OAuthError(400, 'invalid_target', 'A token is for one resource: send one resource.')
}

function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description)
}

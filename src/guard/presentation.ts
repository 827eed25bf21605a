/** The credential that a request presents, read by the rules of a resource's style. Decides nothing but form. */
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { notFound, type NotFound } from '../domain/access/facts.ts'
import type { Credential, Refusal } from '../domain/access/principal.ts'
import { takesKeysAsBearer, takesKeysInQuery, type Style } from '../domain/resources/style.ts'
import { isJwtByForm } from '../domain/tokens/access-token.ts'
import { resemblesApiKey } from '../secrets/credential-text.ts'

/** The parts of a request in which credentials travel: its header lines, and its query as read from the URL. */
export interface CredentialSource { raw: Pick<IncomingMessage, 'headers' | 'rawHeaders'>, query: unknown }

/** A credential and whether it came in the URL, or the reason why the request has none to look up. */
export type PresentedCredential = { credential: Credential, inQuery: boolean } | NotFound

interface Found { in: 'authorization' | 'header' | 'query' | 'misplaced' | 'access_token', text: string }

/** A place holds more than one, or several places hold one. */
const several = Symbol('several')

/**
 * Reads the one credential of a request. More than one, in whatever places: refused, even if one of them is good (RFC
 * 6750 §2).
 */
export function presentedCredential (request: CredentialSource, style: Style): PresentedCredential {
  const found = findOnly(request, style)
  if (found === several) return notFound('several_credentials', null)
  if (found === null) return notFound('no_credential', null)
  if (found.in === 'access_token') return notFound('credential_in_query', 'access_token')
  if (found.in === 'misplaced') return notFound('credential_in_query', 'api_key')
  if (found.in === 'authorization') return readAuthorization(found.text, style)
  if (found.text === '') return notFound('malformed', 'api_key')
  return { credential: { kind: 'api_key', text: found.text }, inQuery: found.in === 'query' }
}

/**
 * The text after `Bearer`, in any form, of a request whose only credential is in its one Authorization header; null:
 * there is none.
 */
export function onlyBearer (request: CredentialSource, style: Style): string | null {
  if (request.raw.headers.authorization === undefined) return null
  const found = findOnly(request, style)
  return found === several || found?.in !== 'authorization' ? null : /^bearer +(\S+)$/i.exec(found.text)?.[1] ?? null
}

// RFC 6750 §2.1: "Bearer" 1*SP b64token; the scheme in any case (RFC 9110 §11.1).
const bearerPattern = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

function readAuthorization (value: string, style: Style): PresentedCredential {
  const keysToo = takesKeysAsBearer(style)
  // A text that may be a JWT is not matched here: its reader takes nothing but base64url, and the patterns alone take
  // as long as all other checks of a token that is known.
  if (!keysToo && value.startsWith('Bearer eyJ')) return accessToken(value.slice('Bearer '.length))
  const text = bearerPattern.exec(value)?.[1]
  if (keysToo) return readKeyOrToken(text)
  if (text === undefined) return notFound('malformed', 'access_token')
  return resemblesApiKey(text) ? notFound('key_as_bearer', 'api_key') : accessToken(text)
}

function accessToken (text: string): PresentedCredential {
  return { credential: { kind: 'access_token', text }, inQuery: false }
}

/**
 * Where both travel as bearer, a JWT is a token and everything else a key: one that was made elsewhere may hold dots.
 */
function readKeyOrToken (text: string | undefined): PresentedCredential {
  if (text === undefined) return notFound('malformed', 'api_key')
  return { credential: { kind: isJwtByForm(text) ? 'access_token' : 'api_key', text }, inQuery: false }
}

/** Null: there is none. */
function findOnly (request: CredentialSource, style: Style): Found | typeof several | null {
  const query = request.query as Record<string, unknown>
  let found = add(null, 'authorization', bearerNamed(request))
  for (const transport of style.transports) {
    if (transport.in === 'header') {
      found = add(found, 'header', headerNamed(request, transport.name))
      // By the name of the header it is a key, sent in the query: its sender learns that it is in logs now.
      if (query[transport.name] !== undefined && !takesKeysInQuery(style, transport.name)) {
        found = add(found, 'misplaced', valueOf(query[transport.name]))
      }
    } else if (transport.in === 'query') found = add(found, 'query', valueOf(query[transport.name]))
  }
  return add(found, 'access_token', valueOf(query.access_token))
}

/**
 * The Authorization header, if its scheme is Bearer. Another scheme is no credential here: a proxy in front of a
 * staging system has its own (RFC 6750 §2 is about tokens alone).
 */
function bearerNamed (request: CredentialSource): string | typeof several | null {
  const value = headerNamed(request, 'authorization')
  return value === null || value === several || value.startsWith('Bearer ') || /^bearer(\s|$)/i.test(value)
    ? value
    : null
}

function add (
  found: Found | typeof several | null, place: Found['in'], text: string | typeof several | null
): Found | typeof several | null {
  if (text === null) return found
  return found === null && text !== several ? { in: place, text } : several
}

/** The header of a name. Node keeps only the first of several Authorization headers in `headers`; all count here. */
function headerNamed (
  { raw: { headers, rawHeaders } }: CredentialSource, name: string
): string | typeof several | null {
  if (headers[name] === undefined) return null
  let value: string | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const each = rawHeaders[i]!
    if (each.length !== name.length || (each !== name && each.toLowerCase() !== name)) continue
    if (value !== null) return several
    value = rawHeaders[i + 1]!
  }
  return value
}

function valueOf (value: unknown): string | typeof several | null {
  if (value === undefined) return null
  if (!Array.isArray(value)) return String(value)
  return value.length > 1 ? several : value.length === 0 ? null : String(value[0])
}

/** RFC 6750 §2: a token in the body beside the one in the header is a second credential. */
export function tokenInBody (
  { headers, body, principal }: Pick<FastifyRequest, 'headers' | 'body' | 'principal'>
): Refusal | null {
  if (!isForm(headers['content-type']) || !hasParameter(body, 'access_token')) return null
  return {
    reason: 'several_credentials', presented: null, subject: principal.id, organizationId: principal.organizationId
  }
}

/** The names of media types are the same in any case (RFC 9110 §8.3.1). */
function isForm (type: string | undefined): boolean {
  return type !== undefined && type.toLowerCase().startsWith('application/x-www-form-urlencoded')
}

/**
 * Whether a form has a parameter, as whichever parser the application has reads forms: members, pairs or the text
 * itself.
 */
function hasParameter (form: unknown, name: string): boolean {
  if (form instanceof URLSearchParams) return form.has(name)
  if (typeof form === 'string' || Buffer.isBuffer(form)) return new URLSearchParams(String(form)).has(name)
  return (form as Record<string, unknown> | null | undefined)?.[name] !== undefined
}

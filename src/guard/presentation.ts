/** What a request presents as its proof, read by the rules of a resource's style. Decides nothing but form. */
import type { FastifyRequest } from 'fastify'
import type { Credential, Reason, Refusal } from '../domain/principal.ts'
import { takesKeysAsBearer, type Style } from '../domain/style.ts'
import { isJwtByForm } from '../domain/token.ts'
import { resemblesApiKey } from '../secrets.ts'

/** A credential and whether it came in the URL, or why nothing on the request can be one. */
export type Presented = { credential: Credential, inQuery: boolean } | { refusal: Refusal }

interface Found { in: 'authorization' | 'header' | 'query' | 'access_token', text: string }

/** Reads the one credential of a request. More than one, in whatever places: refused, even if one of them is good (RFC 6750 §2). */
export function presentedCredential (request: FastifyRequest, style: Style): Presented {
  const found = findAll(request, style)
  if (found.length > 1) return refused('several_credentials', null)
  const [only] = found
  if (only === undefined) return refused('no_credential', null)
  if (only.in === 'access_token') return refused('credential_in_query', 'access_token')
  if (only.in === 'authorization') return readAuthorization(only.text, style)
  return { credential: { kind: 'api_key', text: only.text }, inQuery: only.in === 'query' }
}

// RFC 6750 §2.1: "Bearer" 1*SP b64token; the scheme in any case (RFC 9110 §11.1).
const bearerPattern = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

function readAuthorization (value: string, style: Style): Presented {
  // Another scheme proves nothing here: as if there were no credential (RFC 6750 §3.1).
  if (!/^bearer(\s|$)/i.test(value)) return refused('no_credential', null)
  const text = bearerPattern.exec(value)?.[1]
  if (takesKeysAsBearer(style)) return readKeyOrToken(text)
  if (text === undefined) return refused('malformed', 'access_token')
  return resemblesApiKey(text) ? refused('key_as_bearer', 'api_key') : { credential: { kind: 'access_token', text }, inQuery: false }
}

/** Where both travel as bearer, a JWT is a token, and everything else a key: one that was made elsewhere may hold dots. */
function readKeyOrToken (text: string | undefined): Presented {
  if (text === undefined) return refused('malformed', 'api_key')
  return { credential: { kind: isJwtByForm(text) ? 'access_token' : 'api_key', text }, inQuery: false }
}

function findAll (request: FastifyRequest, style: Style): Found[] {
  const found = headersNamed(request, 'authorization').map<Found>(text => ({ in: 'authorization', text }))
  const query = request.query as Record<string, unknown>
  for (const transport of style.transports) {
    if (transport.in === 'header') {
      for (const text of headersNamed(request, transport.name)) found.push({ in: 'header', text })
    } else if (transport.in === 'query') {
      for (const text of valuesOf(query[transport.name])) found.push({ in: 'query', text })
    }
  }
  for (const text of valuesOf(query.access_token)) found.push({ in: 'access_token', text })
  return found
}

/** Every header of a name. Node keeps only the first of several Authorization headers in `headers`; they must not hide. */
function headersNamed (request: FastifyRequest, name: string): string[] {
  if (request.headers[name] === undefined) return []
  const raw = request.raw.rawHeaders
  const values: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length === name.length && raw[i]!.toLowerCase() === name) values.push(raw[i + 1]!)
  }
  return values
}

function valuesOf (value: unknown): string[] {
  if (value === undefined) return []
  return (Array.isArray(value) ? value : [value]).map(String)
}

function refused (reason: Reason, presented: Refusal['presented']): Presented {
  return { refusal: { reason, presented, subject: null, organizationId: null } }
}

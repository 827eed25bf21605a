/** Bearer tokens of the registration endpoints and of userinfo (RFC 6750): reading them, and the refusals. */
import type { FastifyRequest } from 'fastify'
import { OAuthError } from '../shared/oauth-error.ts'

/** Characters of a header with a token of registration. */
const ofRegistration = 512
const syntax = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i

/**
 * The bearer token in a request's Authorization header (RFC 6750 §2.1). Null: no such header. @throws OAuthError for a
 * header that is not a bearer token, or has more than `longest` characters.
 */
export function bearerToken (
  { headers: { authorization } }: FastifyRequest, longest: number = ofRegistration
): string | null {
  if (authorization === undefined) return null
  const token = authorization.length > longest ? undefined : syntax.exec(authorization)?.[1]
  if (token === undefined) {
    throw new OAuthError(
      400, 'invalid_request', 'The Authorization header must be `Bearer` and one token.', challenge('invalid_request')
    )
  }
  return token
}

/** RFC 6750 §3.1: without a token the challenge has no error code. */
export function missingToken (description: string): OAuthError {
  return new OAuthError(401, 'invalid_token', description, challenge())
}

/** RFC 6750 §3.1: one answer for unknown, expired, revoked and foreign tokens. */
export function invalidToken (description: string): OAuthError {
  return new OAuthError(401, 'invalid_token', description, challenge('invalid_token'))
}

function challenge (error?: string): Record<string, string> {
  return { 'www-authenticate': error === undefined ? 'Bearer' : `Bearer error="${error}"` }
}

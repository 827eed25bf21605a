/** Session tokens: what they claim, how they are told from access tokens, and how long they live. */
import type { Environment } from '../../secrets/credential-text.ts'
import { jwtReader, type JwtReader, type TrustedKeys } from './access-token.ts'
import { isNumericDate } from './token-claims.ts'

/** The claims of a session token. Its type is `session+jwt`: nothing takes it for an access token, and the reverse. */
export interface SessionClaims {
  iss: string
  aud: string
  /** The end user, as the holder of the signing key calls them. */
  sub: string
  /** The id of the publishable key. */
  client_id: string
  jti: string
  /** Seconds since the epoch, whole. */
  iat: number
  exp: number
  /** Space-delimited; absent when nothing was granted. */
  scope?: string
  org_id: string
  env: Environment
}

/** Seconds that a session token lives. */
export const sessionLifetime = 900

/** The `typ` of their header. */
export const sessionType = 'session+jwt'

/** A reader of session tokens. */
export function sessionTokenReader (issuer: string, keys: TrustedKeys): JwtReader<SessionClaims> {
  return jwtReader(sessionType, keys, payload => readClaims(issuer, payload))
}

function readClaims (issuer: string, payload: Record<string, unknown>): SessionClaims | null {
  const { iss, aud, sub, client_id: keyId, jti, iat, exp, scope, org_id: organizationId, env } = payload
  const wellFormed = iss === issuer &&
    [aud, sub, keyId, jti, organizationId].every(claim => typeof claim === 'string' && claim !== '') &&
    isNumericDate(iat) && isNumericDate(exp) && (scope === undefined || typeof scope === 'string') &&
    (env === 'live' || env === 'test')
  return wellFormed ? payload as unknown as SessionClaims : null
}

/**
 * Sessions of end users (CK-10, after RFC 7523): the holder of a signing key says who the end user is, and gets a token
 * that stands for that user on the resource of its publishable key, for minutes.
 */
import type { Awaitable } from '../awaitable.ts'
import type { Presentation, Verdict } from './principal.ts'

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
  /** Space-delimited; absent when the publishable key has no scopes. */
  scope?: string
  org_id: string
  env: 'live' | 'test'
}

/** Seconds that a session token lives. */
export const sessionLifetime = 900

export interface SessionChecks {
  /** From a session token to a principal of kind `session`. Whatever else is presented is `malformed`. */
  check (text: string, presentation: Presentation): Awaitable<Verdict>
}

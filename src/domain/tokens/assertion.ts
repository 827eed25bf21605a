/** Time checks of assertions (RFC 7523 §3), of clients and for sessions of end users. */

/** Tolerated difference of the signer's clock, in seconds. */
export const assertionTolerance = 60

/** The longest life of an assertion, from `iat` to `exp`, in seconds (draft-ietf-oauth-rfc7523bis §4: minutes). */
export const assertionLifetime = 300

export interface AssertionTimes { exp: number, iat?: number | undefined, nbf?: number | undefined }

/**
 * The fault in the times of an assertion at `now`; null: none. All are seconds since the epoch. Without `iat` the
 * lifetime counts from `now`, with the tolerance.
 */
export function problemOfTimes (
  { exp, iat, nbf }: AssertionTimes, now: number, lifetime = assertionLifetime
): 'wrong_lifetime' | 'not_yet' | 'expired' | null {
  if (iat === undefined ? exp > now + lifetime + assertionTolerance : exp <= iat || exp - iat > lifetime) {
    return 'wrong_lifetime'
  }
  if (Math.max(iat ?? now, nbf ?? now) > now + assertionTolerance) return 'not_yet'
  return exp <= now - assertionTolerance ? 'expired' : null
}

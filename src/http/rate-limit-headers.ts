/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-11 §3 and §4: Lists of Strings with Parameters (RFC 9651). `q` and
 * `r` are whole, `w` more than 0, `t` never later than the Retry-After beside it (§6). No `pk`: a key has one share of
 * each.
 */

/** A limit and what is left of it. */
export interface LimitState {
  policy: string
  quota: number
  windowSeconds: number
  remaining: number
  resetSeconds: number
}

/**
 * `RateLimit-Policy` and `RateLimit` for every limit that a key or its organization has; no fields when there is none.
 */
export function rateLimitHeaders (limits: readonly LimitState[]): Record<string, string> {
  if (limits.length === 0) return {}
  return {
    'ratelimit-policy': limits.map(policyItem).join(', '),
    ratelimit: limits.map(({ policy, remaining, resetSeconds }) => `"${policy}";r=${remaining};t=${resetSeconds}`).join(
      ', '
    )
  }
}

/** `qu`, the unit, is given where it is not requests, the default. */
function policyItem ({ policy, quota, windowSeconds }: LimitState): string {
  return `"${policy}";q=${quota};w=${windowSeconds}${policy.endsWith('credits') ? ';qu="credits"' : ''}`
}

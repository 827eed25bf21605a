/** How long an assertion of a workload lives: whether its issuer may make one for so long, and whether it holds now. */
import { epochSeconds } from '../../base/clock.ts'
import { problemOfTimes } from '../tokens/assertion.ts'
import { isNumericDate } from '../tokens/token-claims.ts'
import type { TrustedIssuer } from './trusted-issuer.ts'

export interface LifeProblem { reason: 'wrong_lifetime' | 'not_yet' | 'expired', detail: string }

export function problemOfLife (
  { maxAge }: TrustedIssuer, claims: Record<string, unknown>, at: Date
): LifeProblem | null {
  const { exp, iat, nbf } = claims
  const areDates = [iat, nbf].every(each => each === undefined || isNumericDate(each))
  if (!isNumericDate(exp) || !areDates) {
    return { reason: 'wrong_lifetime', detail: 'exp is needed, and exp, iat and nbf have to be whole seconds.' }
  }
  const now = epochSeconds(at)
  const times = { exp, iat: iat as number | undefined, nbf: nbf as number | undefined }
  // Without the tolerance: a token ends with its assertion.
  const reason = problemOfTimes(times, now, maxAge) ?? (exp <= now ? 'expired' : null)
  if (reason === null) return null
  return { reason, detail: reason === 'wrong_lifetime' ? tooLong(times, maxAge) : sentences[reason] }
}

function tooLong ({ exp, iat }: { exp: number, iat: number | undefined }, maxAge: number): string {
  if (iat === undefined) return `It has no iat, and its exp is more than ${maxAge} seconds away.`
  if (exp <= iat) return 'Its exp is not after its iat.'
  return `It lives for ${exp - iat} seconds, and ${maxAge} are taken of the issuer at most: have it issued for less, ` +
    'or change maxAge of the issuer.'
}

const sentences = {
  expired: 'It has expired; compare the clocks.',
  not_yet: 'iat or nbf is in the future; compare the clocks.',
}

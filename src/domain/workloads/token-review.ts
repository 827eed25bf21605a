/**
 * TokenReview: the cluster of a trusted issuer says whether a token of a service account is still good, which its
 * signature cannot say. The token of the account that asks is sealed, and never read back.
 */
import { Failure } from '../../base/errors.ts'
import { secretId } from '../../secrets/authentication-code.ts'
import { fingerprintOf } from '../../secrets/digest.ts'
import { reviewerSealing, seal, sealAnew, unseal } from '../../secrets/sealing.ts'
import { everyBatch, type SealedKind } from '../audit/resealing.ts'
import { requireAuthority } from './key-source.ts'
import type { KeySource, TokenReview, TrustedIssuer, TrustedIssuerPort } from './trusted-issuer.ts'

/** As it is given: what is absent stays as it is. */
export interface GivenReview { url?: string, token?: string, ca?: string | null }

export const longestReviewUrl = 512
export const longestReviewerToken = 8_192
/** Where a URL has no path. */
const reviewPath = '/apis/authentication.k8s.io/v1/tokenreviews'

/** What of an issuer a review follows from. */
type Reviewed = Pick<TrustedIssuer, 'id' | 'preset' | 'profile' | 'keys' | 'tokenReview'>

/**
 * The review of an issuer as it shall be. `given` null: none; undefined: the present one. `keys`: of the issuer as it
 * shall be. @throws Failure `invalid_request`, also for a stored token that would be
 * sent to another host, or by another authority: it is a secret that the present one was trusted with.
 */
export function reviewOf (
  before: Reviewed, keys: KeySource, given: GivenReview | null | undefined, secrets: readonly string[]
): TokenReview | null {
  const { tokenReview: present } = before
  if (given === null || (given === undefined && present === null)) return null
  if (before.preset !== 'kubernetes' || before.profile !== 'workload') {
    throw invalid('tokenReview', 'TokenReview is an API of Kubernetes: it takes the preset kubernetes, for workloads.')
  }
  const { url = present?.url, ca = present?.ca ?? null, token } = given ?? {}
  if (url === undefined) throw invalid('tokenReview.url', 'Send the URL of the API server in tokenReview.url.')
  const asked = { url: requireReviewUrl(url), ca: ca === null ? null : requireAuthority(ca, 'tokenReview.ca') }
  if (token !== undefined) return { ...asked, ...sealed(before.id, requireToken(token), secrets) }
  if (present === null) {
    throw invalid('tokenReview.token', 'Send the bearer token of the account that asks in tokenReview.token.')
  }
  const known = authoritiesOf({ keys: before.keys, tokenReview: present })
  const isSameHost = new URL(asked.url).origin === new URL(present.url).origin &&
    authoritiesOf({ keys, tokenReview: asked }).every(each => known.includes(each))
  if (isSameHost) return { ...present, ...asked }
  throw invalid(
    'tokenReview.token',
    'For another API server or another authority the token of the account that asks has to be sent again in ' +
      'tokenReview.token.'
  )
}

/** In PEM: those that the host of the API server may have its certificate from, beside those of Node.js. */
export function authoritiesOf (
  { keys, tokenReview }: { keys: KeySource, tokenReview: Pick<TokenReview, 'ca'> | null }
): string[] {
  const ofKeys = keys.kind === 'inline' ? null : keys.ca
  return [ofKeys, tokenReview?.ca].filter(each => typeof each === 'string')
}

/** The token of the account that asks, for a review alone; null: none of `secrets` opens it. */
export function reviewerTokenOf (
  { id }: TrustedIssuer, review: TokenReview, secrets: readonly string[]
): string | null {
  return unseal(review.sealedToken, secrets, id, reviewerSealing)
}

export const sealedReviewers: SealedKind<TrustedIssuerPort> = {
  event: null,
  async * read ({ trustedIssuers }, secrets) {
    const newest = secretId(secrets[0]!)
    for await (const issuer of everyBatch(async after => await trustedIssuers.sealedByOthers(newest, after))) {
      const { id, organizationId } = issuer
      const sealed = issuer.tokenReview!.sealedToken
      yield { id, organizationId, sealed, anew: sealAnew(sealed, secrets, id, reviewerSealing) }
    }
  },
  write: async (tx, reseal) => await tx.trustedIssuers.reseal(reseal),
}

/** For the audit log. */
export function aboutReview (review: TokenReview | null): Record<string, unknown> | null {
  if (review === null) return null
  const { url, ca, fingerprint, hint } = review
  return { url, ca: ca !== null, fingerprint, hint }
}

function sealed (
  id: string, token: string, secrets: readonly string[]
): Pick<TokenReview, 'sealedToken' | 'sealedBy' | 'fingerprint' | 'hint'> {
  return {
    sealedToken: seal(token, secrets[0]!, id, reviewerSealing),
    sealedBy: secretId(secrets[0]!),
    fingerprint: fingerprintOf(token),
    hint: token.slice(-4),
  }
}

function requireReviewUrl (text: string): string {
  const url = text.length > longestReviewUrl ? null : URL.parse(text)
  const isPlain = url?.protocol === 'https:' &&
    [url.username, url.password, url.search, url.hash].every(part => part === '')
  if (!isPlain) {
    throw invalid(
      'tokenReview.url',
      `${JSON.stringify(text.slice(0, 128))} is no https URL without user, query and fragment: write that of the API ` +
        'server, such as https://cluster.acme.test:6443.'
    )
  }
  return url.origin + (url.pathname === '/' ? reviewPath : url.pathname)
}

/** RFC 6750 §2.1. Long enough that its last four characters give nothing away. */
function requireToken (token: string): string {
  if (token.length <= longestReviewerToken && /^[-A-Za-z0-9._~+/]{16,}={0,2}$/.test(token)) return token
  throw invalid(
    'tokenReview.token',
    `The token of the account that asks has to be 16 to ${longestReviewerToken} characters of a bearer token.`
  )
}

function invalid (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

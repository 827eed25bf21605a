/**
 * Asks the API server of a trusted issuer whether the token of a service account is still good: TokenReview of
 * Kubernetes, once for each assertion, and never from memory.
 */
import { withoutSecrets } from '../../secrets/redaction.ts'
import type { AskedReview, ReviewProblem, TokenReviewer } from '../../domain/workloads/assertion.ts'
import { authoritiesOf, reviewerTokenOf } from '../../domain/workloads/token-review.ts'
import type { TokenReview, TrustedIssuer } from '../../domain/workloads/trusted-issuer.ts'
import type { Network } from '../../fetch/network.ts'
import { OutboundFailure } from '../../fetch/outbound-fetch.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { fetchFor, jsonIn, shortened, withoutNames } from './issuer-hosts.ts'

export interface TokenReviewerOptions {
  /** LATCHKEY_SECRET, newest first. */
  secrets: readonly string[]
  metrics: Pick<Metrics, 'tokenReviews'>
  network?: Network | undefined
}

/** Milliseconds: a workload waits. */
const timeout = 5_000
/** Bytes: the answer repeats the token, and has what the cluster knows of the account. */
const longestAnswer = 128 * 1024

const apiVersion = 'authentication.k8s.io/v1'
const kind = 'TokenReview'

/** `refused`: the cluster does not vouch for the token. Else why it has not said anything. */
type Outcome = 'refused' | 'unusable' | OutboundFailure['reason']

/** Why a token is not taken, as a sentence for operators. */
class NotReviewed extends Error {
  readonly outcome: Outcome

  constructor (outcome: Outcome, message: string) {
    super(message)
    this.outcome = outcome
  }
}

export function tokenReviewer ({ secrets, metrics, network }: TokenReviewerOptions): TokenReviewer {
  return {
    async problemWith (issuer, asked): Promise<ReviewProblem | null> {
      const { tokenReview: review } = issuer
      if (review === null) return null
      const bearer = reviewerTokenOf(issuer, review, secrets)
      try {
        if (bearer === null) {
          throw new NotReviewed(
            'unusable', 'The token of the account that asks cannot be opened: it is sealed under a secret that ' +
              'LATCHKEY_SECRET does not list. Set it anew.'
          )
        }
        requireVouched(await answerOf(issuer, { review, bearer, network }, asked), asked)
        metrics.tokenReviews.increment('authenticated')
        return null
      } catch (error) {
        const { outcome, message } = asNotReviewed(error, issuer)
        metrics.tokenReviews.increment(outcome)
        return {
          reason: outcome === 'refused' ? 'review_refused' : 'review_unavailable',
          detail: shortened(withoutTokens(message, [bearer, asked.token]))
        }
      }
    },
  }
}

interface Connection { review: TokenReview, bearer: string, network: Network | undefined }

/** The `status` of the answer. @throws NotReviewed, OutboundFailure. */
async function answerOf (
  issuer: TrustedIssuer, { review, bearer, network }: Connection, { token, audience }: AskedReview
): Promise<Record<string, unknown>> {
  const fetch = fetchFor(issuer, { authorities: authoritiesOf(issuer), timeout, maxBytes: longestAnswer, network })
  const answer = await fetch(review.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'latchkey'
    },
    body: JSON.stringify({ apiVersion, kind, spec: { token, audiences: [audience] } })
  })
  if (answer.status !== 200 && answer.status !== 201) {
    throw new NotReviewed('unusable', `The API server answers with ${answer.status}${remedyOf(answer.status)}.`)
  }
  const document = await jsonIn(answer)
  const status = isRecord(document) && document.kind === kind && document.apiVersion === apiVersion
    ? document.status
    : null
  if (isRecord(status)) return status
  throw new NotReviewed('unusable', `The API server answers with something else than a TokenReview of ${apiVersion}.`)
}

function remedyOf (status: number): string {
  if (status === 401) return ': it does not know the token of the account that asks, or that has expired. Set another'
  if (status === 403) return ': the account that asks may not. Bind it to the ClusterRole system:auth-delegator'
  if (status === 404 || status === 405) return ': no TokenReview is at this URL'
  return status >= 300 && status < 400 ? ', a redirect, which is not followed' : ''
}

/** @throws NotReviewed unless the cluster says that it is the token of this account, for this audience, and good. */
function requireVouched (status: Record<string, unknown>, { audience, sub }: AskedReview): void {
  const { authenticated = false, audiences = [], user = {}, error = '' } = status
  const isReadable = typeof authenticated === 'boolean' && typeof error === 'string' && isRecord(user) &&
    Array.isArray(audiences)
  if (!isReadable) throw new NotReviewed('unusable', 'The API server answers with a TokenReview that cannot be read.')
  const refuse = (why: string) => new NotReviewed('refused', `The cluster does not vouch for it${why}.`)
  if (!authenticated || error !== '') throw refuse(error === '' ? '' : `: ${error}`)
  if (!audiences.includes(audience)) throw refuse(` for the audience ${JSON.stringify(audience)}`)
  if (user.username !== sub) throw refuse(`: it is of ${JSON.stringify(user.username ?? null)}`)
}

function asNotReviewed (error: unknown, issuer: TrustedIssuer): NotReviewed {
  if (error instanceof NotReviewed) return error
  if (!(error instanceof OutboundFailure)) throw error
  const why = withoutNames(error, issuer).replace(/\.$/, '')
  return new NotReviewed(error.reason, `The API server cannot be asked: ${why}.`)
}

/** An answer may repeat what it was sent. */
function withoutTokens (text: string, tokens: readonly (string | null)[]): string {
  const without = tokens.reduce<string>((left, token) => token === null ? left : left.replaceAll(token, '…'), text)
  return withoutSecrets(without)
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

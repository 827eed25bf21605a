/** The answer to a request that does not pass, ready to be sent: status, headers and body, in its resource's style. */
import { Failure, type FailureCode } from '../../base/errors.ts'
import { warnings } from '../../http/process-warning.ts'
import type { Refusal } from '../../domain/access/principal.ts'
import type { RateLimitState } from '../../domain/metering/rate-limiter.ts'
import type { Style } from '../../domain/resources/style.ts'
import { challenge, type Challenged } from './challenge.ts'
import { rateLimitHeaders } from '../../http/rate-limit-headers.ts'
import { errorStyles, type Answer, type Occasion } from './styles.ts'

/** The names of the headers are in lower case. */
export interface ReadyAnswer { status: number, headers: Readonly<Record<string, string>>, body: string }

/** What stood in the way of a request; `Admission` has the limits and the wait. */
export interface Refused {
  refusal: Refusal
  /** Null: a retry does not help. */
  retryAfterSeconds: number | null
  limits: readonly RateLimitState[]
}

/** The request that is answered, in the style of its resource. */
export type StyledOccasion = Omit<Occasion, 'transports'> & { style: Style }

/** The statuses that speak of credentials (RFC 6750 §3.1). */
const challengedStatuses = new Set([400, 401, 403])

/** The answer to a refusal. `challenged`: of the route. Its scopes are named with 401, and where they are lacking. */
export function refusalAnswer (
  { refusal, retryAfterSeconds, limits }: Refused, occasion: StyledOccasion, challenged: Challenged
): ReadyAnswer {
  const answer = errorStyles[occasion.style.errors].refusal(refusal, withTransports(occasion))
  const namesScopes = answer.status === 401 || refusal.reason === 'insufficient_scope'
  return ready(answer, {
    ...rateLimitHeaders(limits),
    ...(retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) }),
    ...(challengedStatuses.has(answer.status)
      ? { 'www-authenticate': challenge(refusal, namesScopes ? challenged : { ...challenged, scopes: [] }) }
      : {}),
  })
}

/** Seconds after which a caller may try again; a decision of an operator takes longer. */
const retryAfter: Readonly<Partial<Record<FailureCode, string>>> = { change_lost: '60' }

/** The answer to a request that could not be judged. */
export function failureAnswer (failure: Failure, occasion: StyledOccasion): ReadyAnswer {
  return ready(
    errorStyles[occasion.style.errors].failure(failure, withTransports(occasion)),
    failure.status === 503 ? { 'retry-after': retryAfter[failure.code] ?? '1' } : {}
  )
}

/** A key in the URL is taken where a style allows it; the caller is warned, and the answer is not stored. */
export function discouragingHeaders ({ transports }: Style): Record<string, string> {
  const header = transports.find(transport => transport.in === 'header')
  return {
    ...(header === undefined
      ? {}
      : { warning: warnings([`Send the API key in the ${header.name} header: a URL ends up in logs`]) }),
    'cache-control': 'no-store, private',
    'referrer-policy': 'no-referrer'
  }
}

function withTransports ({ style: { transports }, ...occasion }: StyledOccasion): Occasion {
  return { ...occasion, transports }
}

function ready ({ status, contentType, body }: Answer, headers: Record<string, string>): ReadyAnswer {
  return {
    status,
    headers: { ...headers, 'content-type': contentType, 'cache-control': 'no-store' },
    body: JSON.stringify(body)
  }
}

/** What a guard answers to a request, by the very functions of the server. */
import { parse } from 'node:querystring'
import type { KeyFacts, TokenFacts } from '../../src/domain/access/facts.ts'
import { consumerIn, refusal as refusalOf, refusalByLimit } from '../../src/domain/access/facts.ts'
import { judge, type JudgedRequest } from '../../src/domain/access/judge.ts'
import type { Principal, Reason, Refusal } from '../../src/domain/access/principal.ts'
import { rateLimiter, type RateLimiter, type RateLimitState } from '../../src/domain/metering/rate-limiter.ts'
import { organizationHolder } from '../../src/domain/tenancy/limits.ts'
import type { Resource } from '../../src/domain/resources/resource.ts'
import type { Environment } from '../../src/secrets/credential-text.ts'
import { Failure } from '../../src/base/errors.ts'
import { challengedBy } from '../../src/guard/guarded-resource.ts'
import { pathOf } from '../../src/guard/log.ts'
import { presentedCredential } from '../../src/guard/presentation.ts'
import { readAuthorized, readPolicies } from '../../src/guard/remote/read-entry.ts'
import { rateLimitHeaders } from '../../src/http/rate-limit-headers.ts'
import {
  discouragingHeaders, failureAnswer, refusalAnswer, type ReadyAnswer, type StyledOccasion
} from '../../src/guard/refusal/ready-answer.ts'

/** An entry as it is on the wire; a guard that reads it has texts for dates. */
export interface WireEntry { facts: any, follows: readonly string[], asksEachTime: boolean }

export interface VectorRequest {
  method: string
  /** Path and query. */
  target: string
  /** Names and values, in the order in which they were sent. */
  headers: readonly (readonly [string, string])[]
  /** Null: unknown. */
  address: string | null
  tls: boolean
  requestId: string
}

export interface VectorNeeds {
  scopes: readonly string[]
  apiKeyOnly: boolean
  /** The id that the path names; null: it names none. */
  organization: string | null
  feature: string | null
  object: { type: string, id: string } | null
  /** The one that the API serves; null: both. */
  environment: Environment | null
  credits: number
}

/** `earlier`: the moments at which the guard decided the same call before, in milliseconds. */
export interface Situation {
  entry: WireEntry | null
  /** What the look-up refuses; with `entry` null as well, no server answers. */
  refusal: { reason: Reason, presented: Refusal['presented'] } | null
  request: VectorRequest
  needs: VectorNeeds
  now: number
  earlier: readonly number[]
}

/** `headers`: what the answer of the API gets. `asks`: the guard asks `POST /api/v1/verify`. */
export type VectorAnswer =
  | { admitted: unknown, headers: Readonly<Record<string, string>> } | ReadyAnswer | { asks: true }

/** `evaluated`: the answer of a guard that evaluates policies; null: the same. */
export interface Answered {
  lookup: { credential: string, kind: 'api_key' | 'access_token' } | null
  answer: VectorAnswer
  evaluated: VectorAnswer | null
}

export function answered (resource: Resource, situation: Situation): Answered {
  const { request, refusal, entry } = situation
  const only = (answer: VectorAnswer): Answered => ({ lookup: null, answer, evaluated: null })
  if (resource.style.requireTls === true && !request.tls) {
    return only(refused(resource, situation, refusalOf('tls_required', null)))
  }
  const presented = presentedCredential(sourceOf(request), resource.style)
  if ('refusal' in presented) return only(refused(resource, situation, presented.refusal))
  const { kind, text } = presented.credential
  const lookup = { credential: text, kind }
  // A look-up takes no empty text; the server would call it malformed.
  if (text === '') return only(refused(resource, situation, refusalOf('malformed', kind)))
  if (refusal !== null) {
    const answer = refused(resource, situation, refusalOf(refusal.reason, refusal.presented))
    return { lookup, answer, evaluated: null }
  }
  if (entry === null) {
    const answer = failureAnswer(new Failure('authorization_unavailable'), occasionOf(resource, situation))
    return { lookup, answer, evaluated: null }
  }
  const facts = factsOf(entry, resource)
  const more = presented.inQuery ? discouragingHeaders(resource.style) : {}
  const answer = judged(resource, situation, { ...facts, policies: [] }, more, facts.policies.length > 0)
  return {
    lookup, answer, evaluated: facts.policies.length === 0 ? null : judged(resource, situation, facts, more, false)
  }
}

/** The verdict by the judge itself, where its facts suffice; a guard asks at the first check for which they do not. */
function judged (
  resource: Resource, situation: Situation, facts: KeyFacts | TokenFacts, headers: Record<string, string>,
  leavesPolicies: boolean
): VectorAnswer {
  const { needs, entry } = situation
  const request = judgedRequest(resource, situation)
  const { organizationId: own, organizations } = facts.principal!
  const isElsewhere = needs.organization !== null && needs.organization !== own &&
    organizations.includes(needs.organization)
  const known: JudgedRequest = isElsewhere
    ? { ...request, organizationId: null, requirements: nothing }
    : leavesPolicies ? { ...request, requirements: { ...request.requirements, object: null } } : request
  const verdict = judge(facts, null, known)
  if (!verdict.ok) return refused(resource, situation, verdict.refusal)
  if (isElsewhere || leavesPolicies || entry!.asksEachTime || needs.credits > 0) return { asks: true }
  const limits = limitsOf(facts, situation)
  if (limits.waitSeconds !== null) {
    return refused(
      resource, situation, refusalByLimit('rate_limited', verdict.principal), limits.states, limits.waitSeconds
    )
  }
  return { admitted: wire(verdict.principal), headers: { ...rateLimitHeaders(limits.states), ...headers } }
}

const nothing = { scopes: [], apiKeyOnly: false, credits: 0, session: false, feature: null, object: null }

function judgedRequest (resource: Resource, { needs, request, now }: Situation): JudgedRequest {
  const { scopes, apiKeyOnly, feature, object, organization, environment, credits } = needs
  return {
    requirements: {
      scopes, apiKeyOnly, credits, session: false, feature, object: object && { type: object.type }
    },
    environment,
    organizationId: organization,
    objectId: object?.id ?? null,
    resource,
    address: request.address,
    now: new Date(now)
  }
}

interface Limits { waitSeconds: number | null, states: RateLimitState[] }

function limitsOf (facts: KeyFacts | TokenFacts, { earlier, now }: Situation): Limits {
  const limiter = rateLimiter()
  for (const at of earlier) take(limiter, facts, new Date(at))
  return take(limiter, facts, new Date(now))
}

/** As the meter: of the consumer, then of its organization; a call that the second refuses costs the first nothing. */
function take (limiter: RateLimiter, facts: KeyFacts | TokenFacts, now: Date): Limits {
  const states: RateLimitState[] = []
  const consumer = consumerIn(facts)
  if (consumer === null) return { waitSeconds: null, states }
  const { organization } = facts
  if (consumer.callsPerMinute !== null) {
    const { waitSeconds, state } = limiter.take(consumer.chainId, consumer.callsPerMinute, now)
    states.push(state)
    if (waitSeconds !== null) return { waitSeconds, states }
  }
  if (organization!.callsPerMinute !== null) {
    const { waitSeconds, state } = limiter.take(
      organizationHolder(consumer), organization!.callsPerMinute, now, 'organization-minute'
    )
    states.push(state)
    if (waitSeconds !== null && consumer.callsPerMinute !== null) limiter.giveBack(consumer.chainId)
    return { waitSeconds, states }
  }
  return { waitSeconds: null, states }
}

function refused (
  resource: Resource, situation: Situation, refusal: Refusal, limits: RateLimitState[] = [],
  retryAfterSeconds: number | null = null
): ReadyAnswer {
  return refusalAnswer(
    { refusal, limits, retryAfterSeconds }, occasionOf(resource, situation),
    challengedBy(resource, judgedRequest(resource, situation).requirements)
  )
}

function occasionOf ({ style }: Resource, { request, now }: Situation): StyledOccasion {
  return { path: pathOf({ url: request.target }), now: new Date(now), requestId: request.requestId, style }
}

/** The header lines and the query as Node and Fastify read them. */
function sourceOf ({ headers, target }: VectorRequest) {
  const at = target.indexOf('?')
  const known: Record<string, string> = {}
  for (const [name, value] of headers) known[name.toLowerCase()] ??= value
  return {
    raw: { headers: known, rawHeaders: headers.flat() }, query: parse(at < 0 ? '' : target.slice(at + 1))
  }
}

/** The facts of an entry that was read from JSON, with the resource for which it was looked up. */
function factsOf ({ facts: read }: WireEntry, resource: Resource): KeyFacts | TokenFacts {
  const date = (text: string | null): Date | null => text === null ? null : new Date(text)
  const common = {
    ...read,
    resource,
    principal: { ...read.principal, expiresAt: date(read.principal.expiresAt) } as Principal,
    policies: readPolicies(read)
  }
  if (read.kind === 'access_token') {
    return {
      ...common,
      ...readAuthorized(read),
      client: { ...read.client, revokedAt: null, disabledAt: null },
      isRevoked: false,
      presentedFor: resource
    }
  }
  const expiresAt = date(read.key.expiresAt)
  const key = { ...read.key, revokedAt: null, disabledAt: null, resourceId: resource.id, expiresAt, vouchedBy: null }
  return { ...common, member: null, voucher: null, key }
}

/** As JSON has it. */
function wire (principal: Principal): unknown {
  return JSON.parse(JSON.stringify(principal))
}

/** The userinfo endpoint (OpenID Connect Core §5.3): claims about the member for whom a client acts. */
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../../base/ip-address.ts'
import { judge, type JudgedRequest } from '../../domain/access/judge.ts'
import { refusalByLimit, type TokenFacts } from '../../domain/access/facts.ts'
import type { Principal, Refusal } from '../../domain/access/principal.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { RateLimitState } from '../../domain/metering/rate-limiter.ts'
import { identityResourceId } from '../../domain/resources/resource.ts'
import { rateLimitHeaders } from '../../http/rate-limit-headers.ts'
import { unlisted } from '../../http/route-schema.ts'
import { claimsAbout, type IdentityClaims } from '../authorization/identity.ts'
import { bearerToken, invalidToken, missingToken } from '../registration/bearer.ts'
import { descriptions } from '../shared/descriptions.ts'
import { answerError, noStore, OAuthError } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'
import { anyOrigin, preflight } from './cross-origin.ts'

export interface UserinfoOptions extends ProtocolOptions { refusals: RefusalLog }

const headers = {
  ...noStore,
  ...anyOrigin,
  'access-control-expose-headers': 'WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy'
}
const bodyLimit = 16 * 1024
const longestHeader = 8 * 1024

/** The endpoint as a plugin with its own parser for forms. Pages of any origin may ask: it takes no cookie. */
export function userinfo (options: UserinfoOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    app.removeAllContentTypeParsers()
    await app.register(formbody, { bodyLimit })
    app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    app.setErrorHandler((thrown, request, reply) => answerError(thrown, request, reply.headers(headers)))
    const answer = async (request: FastifyRequest, reply: FastifyReply) => {
      const { claims, limits } = await claimsFor(options, request, tokenOf(request))
      return await reply.headers({ ...headers, ...rateLimitHeaders(limits) }).send(claims)
    }
    app.get(paths.userinfo, { schema: { ...descriptions.userinfo, operationId: 'getUserinfo' } }, answer)
    app.post(paths.userinfo, { schema: { ...descriptions.userinfo, operationId: 'getUserinfoByForm' } }, answer)
    app.options(paths.userinfo, { schema: unlisted }, (_request, reply) => preflight(reply, 'GET, POST'))
  }
}

/** RFC 6750 §2: the token in the header, or in a form. @throws OAuthError for both, for none, and for one in a URL. */
function tokenOf (request: FastifyRequest): string {
  const inHeader = bearerToken(request, longestHeader)
  const inForm = (request.body as Readonly<Record<string, unknown>> | null | undefined)?.access_token
  if ((request.query as Readonly<Record<string, unknown>>).access_token !== undefined) {
    throw malformed('An access token never travels in the URI: send it in the Authorization header.')
  }
  if (inHeader !== null && inForm !== undefined) throw malformed('Send the access token once.')
  const token = inHeader ?? inForm ?? null
  if (token === null) throw missingToken('Send the access token in the Authorization header, as Bearer.')
  if (typeof token !== 'string') throw malformed('access_token is not one text.')
  return token
}

/** The judge checks the rest of the token, as for every API. */
const requirements = {
  scopes: ['openid'], apiKeyOnly: false, credits: 0, session: false, feature: null, object: null
} as const

async function claimsFor (
  options: UserinfoOptions, request: FastifyRequest, text: string
): Promise<{ claims: IdentityClaims, limits: readonly RateLimitState[] }> {
  const asked = await askedOf(options, request)
  const facts = await options.authenticator.gather({ kind: 'access_token', text }, asked)
  const verdict = judge(facts, null, asked)
  if (!verdict.ok) throw refused(options.refusals, request, verdict.refusal)
  const { scopes, actingFor } = verdict.principal
  if (facts.kind !== 'access_token' || facts.member === null) throw new TypeError('a token of nobody for userinfo')
  if (actingFor != null) options.authorizationUsage?.touch(actingFor.authorizationId, asked.now)
  return { claims: claimsAbout(facts.member, scopes), limits: await take(options, request, facts, verdict.principal) }
}

/** Counts the call, as every API does; returns the state of its limits. @throws OAuthError when one is exceeded. */
async function take (
  { meter, clock, refusals }: UserinfoOptions, request: FastifyRequest, facts: TokenFacts, principal: Principal
): Promise<readonly RateLimitState[]> {
  const { consumer, organization } = facts
  if (meter === undefined || consumer === null) return []
  const metered = await meter.admit({ consumer, organization: organization!, credits: 0, now: clock() })
  if (metered.ok) return metered.limits
  note(refusals, request, refusalByLimit(metered.reason, principal))
  const { retryAfterSeconds, limits } = metered
  throw new OAuthError(429, 'slow_down', 'The calls of this authorization or its organization are limited.', {
    ...rateLimitHeaders(limits),
    ...(retryAfterSeconds !== null && { 'retry-after': String(retryAfterSeconds) })
  })
}

async function askedOf ({ registry, clock }: UserinfoOptions, request: FastifyRequest): Promise<JudgedRequest> {
  const resource = await registry.resource(identityResourceId)
  // Without one a token for any audience would do.
  if (resource === null) throw new TypeError('the database has no resource for userinfo')
  return {
    resource,
    address: addressOf(request),
    now: clock(),
    requirements,
    environment: null,
    organizationId: null,
    objectId: null
  }
}

/** Records the precise reason of a refusal. */
function note (
  refusals: RefusalLog, request: FastifyRequest, { reason, subject, organizationId, actingFor }: Refusal
): void {
  refusals.record({
    type: 'credential.refused',
    reason,
    subject,
    organizationId,
    address: addressOf(request),
    requestId: request.id,
    ...(actingFor && { detail: { client: actingFor.clientId, authorization: actingFor.authorizationId } })
  })
}

/** Records a refusal, and returns the error of RFC 6750 §3.1. */
function refused (refusals: RefusalLog, request: FastifyRequest, refusal: Refusal): OAuthError {
  const { reason } = refusal
  note(refusals, request, refusal)
  if (reason !== 'insufficient_scope' && reason !== 'policy_denied') {
    return invalidToken('The access token is not valid at this endpoint, or not any more.')
  }
  const description = reason === 'policy_denied'
    ? 'An access policy does not allow this request.'
    : 'The access token lacks the scope openid.'
  return new OAuthError(403, 'insufficient_scope', description, {
    'www-authenticate': 'Bearer error="insufficient_scope", scope="openid"'
  })
}

function malformed (description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description, { 'www-authenticate': 'Bearer error="invalid_request"' })
}

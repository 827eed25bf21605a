/**
 * The exchange of an API key for an access token (RFC 8693), without a client: the key is the proof. The token is
 * judged by the key as it is at each use, and draws on its limits and credits.
 */
import { addressOf } from '../../base/ip-address.ts'
import { epochSeconds } from '../../base/clock.ts'
import { exchange, type Exchanged } from '../../domain/access/exchange.ts'
import { refusalByLimit, type KeyFacts } from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge-credential.ts'
import type { Presentation, Reason, Refusal } from '../../domain/access/principal.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor } from '../../domain/tokens/signing-key.ts'
import { signedClaims } from '../../domain/tokens/token-claims.ts'
import { newId } from '../../secrets/random.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import type { ProviderAdapterOptions } from '../provider/adapter-options.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import {
  accessTokenType, errorOf, exchangeAnswer, exchangeGrant, invalid, readAsked, subjectTypeOf
} from './exchange-parameters.ts'
import { GrantRefusal, type OwnGrant, type TokenRequest } from './own-grants.ts'
import { requestedResource } from './token-request.ts'

/** Takes requests with an API key; those with an access token have a client, and are oidc-provider's. */
export function keyExchange (options: ProviderAdapterOptions): OwnGrant {
  return {
    type: exchangeGrant,
    async answer (request) {
      const { form, http } = request
      if (subjectTypeOf(form.one) === accessTokenType) return null
      requireNoClient(request)
      const asked = { ...readAsked(form.one), address: addressOf(http), now: options.clock() }
      const facts = await presentedKey(options, request, asked.now)
      if (form.one('client_id') !== undefined && form.one('client_id') !== facts.key.id) {
        throw invalid('client_id is the id of the API key, or left out: the key is the proof, and no client is.')
      }
      const exchanged = exchange(facts, asked)
      if ('problem' in exchanged) throw errorOf(exchanged, 'API key')
      await take(options, request, facts, asked.now)
      return exchangeAnswer(await issue(options, facts, exchanged, asked.now), exchanged.scopes, exchanged.lifetime)
    },
  }
}

/** RFC 8693 §2.1 lets the client be absent: a second proof would leave open for whom the token is. */
function requireNoClient ({ form, http }: TokenRequest): void {
  const proofs = ['client_secret', 'client_assertion', 'client_assertion_type']
  if (http.headers.authorization === undefined && proofs.every(name => form.one(name) === undefined)) return
  throw invalid('Send the API key as subject_token and no authentication of a client beside it.')
}

/** The facts of a key that is good here and now. @throws GrantRefusal, OAuthError `invalid_target` */
async function presentedKey (options: ProviderAdapterOptions, request: TokenRequest, now: Date): Promise<KeyFacts> {
  const { form, http } = request
  const wanted = requestedResource(form)
  const resource = wanted === null ? null : await options.registry.resourceByIdentifier(wanted)
  const presentation: Presentation = { resource, address: addressOf(http), now }
  const facts = await options.authenticator.gather({ kind: 'api_key', text: form.one('subject_token')! }, presentation)
  // First for its own resource: what has ended learns nothing of others, not even that there are any.
  const refusal = judgeCredential(facts, { ...presentation, resource: null })
  if (refusal !== null) throw refused(refusal)
  if (facts.kind !== 'api_key') throw new TypeError(`an API key with the facts of another kind: ${facts.kind}`)
  if (wanted !== null && resource?.id !== facts.resource!.id) {
    throw new OAuthError(400, 'invalid_target', 'The API key is for another resource, or the resource does not exist.')
  }
  return facts
}

/** What a holder of the key may know of a refusal; whether the key ever was good is for the log alone. */
const sentences: Partial<Record<Reason, string>> = {
  address_not_allowed: 'The address of this request is not on the allowlist of the API key (ip_whitelist_mismatch).',
  organization_suspended: 'The organization of the API key is suspended.',
  feature_missing: 'The plan of the organization does not include this API key.',
}

/** RFC 8693 §2.2.2: a subject token that is not valid is `invalid_request`. */
function refused ({ reason, subject, organizationId }: Refusal): GrantRefusal {
  return new GrantRefusal(
    { reason, subject, organizationId }, 'invalid_request',
    sentences[reason] ?? 'The subject_token is no API key that is valid here now: it is unknown, or it has ended.'
  )
}

/** An exchange is a call of the key: it takes from the limits that the token draws on. */
async function take (
  { meter, keyUsage, refusals }: ProviderAdapterOptions, { http }: TokenRequest, facts: KeyFacts, now: Date
): Promise<void> {
  const { key, organization, principal } = facts
  keyUsage.touch(key.id, now)
  const metered = await meter?.admit({ consumer: key, organization: organization!, credits: 0, now })
  if (metered === undefined || metered.ok) return
  const { reason, subject, organizationId } = refusalByLimit(metered.reason, principal!)
  refusals.record({
    type: 'credential.refused', reason, subject, organizationId, address: addressOf(http), requestId: http.id
  })
  const { retryAfterSeconds } = metered
  throw new OAuthError(
    429, 'slow_down', 'The calls of this API key or of its organization are used up.',
    retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) }
  )
}

async function issue (
  { issuer, ring, tokens, telemetry: { metrics, tracing } }: ProviderAdapterOptions,
  { key, resource }: KeyFacts, { scopes, lifetime }: Exchanged, now: Date
): Promise<string> {
  const iat = epochSeconds(now)
  const claims = signedClaims({
    jti: newId('tok'),
    sub: key.id,
    sub_kind: 'api_key',
    iat,
    exp: iat + lifetime,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    client_id: key.id,
    iss: issuer,
    aud: resource!.identifier,
    org_id: key.organizationId,
    env: key.environment,
  })
  const text = await inSpan(
    tracing, 'token issuance', () => signJwt(signerFor(ring(), resource!.signingAlgorithm), 'at+jwt', claims)
  )
  metrics.tokens.increment(exchangeGrant)
  tokens.count(key.id, key.organizationId)
  return text
}

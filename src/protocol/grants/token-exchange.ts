/**
 * The exchange of an access token for a narrower one of the same audience (RFC 8693), by the client that it was issued
 * to, once. The new token ends with the old one, and with all that ends the old one.
 */
import type { KoaContextWithOIDC, Provider, TokenEndpointGrantContext } from 'oidc-provider'
import { epochSeconds, type Clock } from '../../base/clock.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Authenticator } from '../../domain/access/authenticator.ts'
import { exchange, type Exchanged } from '../../domain/access/exchange.ts'
import type { TokenFacts } from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge-credential.ts'
import type { Presentation } from '../../domain/access/principal.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { TokenReader } from '../../domain/tokens/access-token.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor, type KeyRing } from '../../domain/tokens/signing-key.ts'
import { signedClaims } from '../../domain/tokens/token-claims.ts'
import { newId } from '../../secrets/random.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { recordOf } from '../provider/client-authentication.ts'
import { contextOf } from '../provider/request-context.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import {
  errorOf, exchangeAnswer, exchangeGrant, exchangeParameters, invalid, readAsked, subjectTypeOf, type ExchangeParameter
} from './exchange-parameters.ts'
import { oneResource } from './token-request.ts'

export interface TokenExchangeOptions {
  registry: Registry
  reader: TokenReader
  authenticator: Authenticator
  clock: Clock
  telemetry: Telemetry
  tokens: TokenMeter
  refusals: RefusalLog
}

type Parameters = Partial<Record<ExchangeParameter, string> & Record<'resource' | 'audience', string | string[]>>
type ExchangeContext = TokenEndpointGrantContext<Parameters>

/** Registers the grant, for every client that proves itself. */
export function registerTokenExchange (provider: Provider, options: TokenExchangeOptions, ring: KeyRing): void {
  provider.registerGrantType(
    exchangeGrant,
    async (ctx: ExchangeContext) => {
      ctx.body = await narrowed(options, ctx, recordOf(ctx.oidc.client), ring)
    },
    [...exchangeParameters, 'resource', 'audience'],
    ['resource', 'audience']
  )
}

async function narrowed (
  options: TokenExchangeOptions, ctx: ExchangeContext, client: Client, ring: KeyRing
): Promise<object> {
  const { params } = ctx.oidc
  const read = (name: ExchangeParameter): string | undefined => params[name] || undefined
  subjectTypeOf(read)
  const asked = { ...readAsked(read), address: ctx.ip, now: options.clock() }
  const facts = await ownToken(options, ctx, client, read('subject_token')!)
  await requireSameResource(options, params, facts)
  const exchanged = exchange(facts, asked)
  if ('problem' in exchanged) throw errorOf(exchanged, 'subject_token')
  const { metrics, tracing } = options.telemetry
  const claims = claimsOf(facts, exchanged, asked.now)
  const key = signerFor(ring, facts.resource!.signingAlgorithm)
  const text = await inSpan(tracing, 'token issuance', () => signJwt(key, 'at+jwt', claims))
  metrics.tokens.increment(exchangeGrant)
  options.tokens.count(client.id, facts.claims.org_id ?? null)
  return exchangeAnswer(text, exchanged.scopes, exchanged.lifetime)
}

const exchangedBefore = 'The subject_token comes from an exchange itself; exchange the token that it came from.'
const foreign = 'The subject_token is no access token of this client that is valid now.'

/** The facts of a token that is good now, and was issued to `client` itself. Foreign and unknown ones are alike. */
async function ownToken (
  options: TokenExchangeOptions, ctx: ExchangeContext, client: Client, text: string
): Promise<TokenFacts> {
  const now = options.clock()
  const claims = await options.reader.read(text, now)
  if (claims === null) throw refused(options, ctx, client, 'malformed', foreign)
  if (claims.sub_kind !== undefined || claims.client_id !== client.id) {
    throw refused(options, ctx, client, 'foreign_token', foreign)
  }
  if (claims.par !== undefined) {
    throw refused(options, ctx, client, 'exchanged_before', exchangedBefore)
  }
  const presentation: Presentation = { resource: null, address: ctx.ip, now }
  const facts = await options.authenticator.gatherClaims(claims, presentation)
  const refusal = judgeCredential(facts, presentation)
  if (refusal !== null) throw refused(options, ctx, client, refusal.reason, foreign)
  return facts as TokenFacts
}

/** Records the precise reason. RFC 8693 §2.2.2: a subject token that is not valid is `invalid_request`. */
function refused (
  { refusals }: TokenExchangeOptions, ctx: ExchangeContext, { id: subject, organizationId }: Client, reason: string,
  description: string
): OAuthError {
  const requestId = contextOf(ctx as unknown as KoaContextWithOIDC).request.id
  refusals.record({ type: 'credential.refused', reason, subject, organizationId, address: ctx.ip, requestId })
  return invalid(description)
}

/** @throws OAuthError `invalid_target`: another audience would be more than the client was given. */
async function requireSameResource (
  { registry }: TokenExchangeOptions, { resource, audience }: Parameters, facts: TokenFacts
): Promise<void> {
  const wanted = oneResource([resource, audience].flatMap(each => each ?? []).filter(each => each !== ''))
  if (wanted === null || (await registry.resourceByIdentifier(wanted))?.id === facts.resource!.id) return
  throw new OAuthError(400, 'invalid_target', 'The new token is for the resource of the subject_token, and no other.')
}

function claimsOf ({ claims: parent }: TokenFacts, { scopes, lifetime }: Exchanged, now: Date): object {
  const { sub, client_id: clientId, iss, aud, org_id: organizationId, gen, gnt, jti, kid } = parent
  const iat = epochSeconds(now)
  return signedClaims({
    jti: newId('tok'),
    sub,
    iat,
    exp: Math.min(iat + lifetime, parent.exp),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    client_id: clientId,
    iss,
    aud,
    ...(organizationId === undefined ? {} : { org_id: organizationId }),
    gen,
    ...(gnt === undefined ? {} : { gnt }),
    par: { jti, gen, kid },
  })
}

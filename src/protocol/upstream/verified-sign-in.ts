/** From a callback of a provider to claims that it vouches for: code, ID token and, where needed, its user info. */
import type * as OpenidClient from 'openid-client'
import { Failure } from '../../base/errors.ts'
import { inPlainText } from '../../base/plain-text.ts'
import type { IdentityProvider } from '../../config/identity-providers.ts'
import type { VouchedPerson } from '../../domain/providers/vouched-person.ts'
import { loginLifetime, type LoginTransaction } from './login-transaction.ts'
import {
  isOutage, loadOpenidClient, providerClockTolerance, reasonOf, unavailable, type ProviderClient
} from './provider-client.ts'

type Client = typeof OpenidClient

const longestText = 320
/** As the management API takes names. */
const longestName = 200
const mostMethods = 10

/**
 * Whether a provider says that it has proved a person earlier than the sign-in asked for (Core §3.1.3.7, step 13). A
 * person may take their time, so the age counts from where the sign-in began.
 */
export function isTooOld (
  { authenticatedAt }: Pick<VouchedPerson, 'authenticatedAt'>,
  { maxAge, endsAt }: Pick<LoginTransaction, 'maxAge' | 'endsAt'>
): boolean {
  if (maxAge === null || authenticatedAt === null) return false
  return authenticatedAt.getTime() / 1000 < endsAt - loginLifetime - maxAge - providerClockTolerance
}

/**
 * Exchanges the code of a callback. `callback`: the configured URL of the callback, with the query that arrived.
 * @throws Failure `identity_provider_unavailable`; `sign_in_refused` for a person that the provider refuses;
 * `invalid_request` for an answer that does not fit to the transaction.
 */
export async function verifiedSignIn (
  upstream: ProviderClient, callback: URL, transaction: LoginTransaction
): Promise<VouchedPerson> {
  const client = await loadOpenidClient()
  const configuration = await upstream.configuration()
  try {
    const tokens = await client.authorizationCodeGrant(configuration, callback, {
      pkceCodeVerifier: transaction.codeVerifier,
      expectedState: transaction.state,
      expectedNonce: transaction.nonce,
      idTokenExpected: true,
    })
    const idToken = tokens.claims()!
    const claims = await completed(client, configuration, tokens.access_token, idToken)
    return vouched(upstream.provider, idToken, claims)
  } catch (error) {
    throw presented(client, upstream, error)
  }
}

/**
 * The claims of the ID token, with those of the user info where the ID token has no e-mail: many providers answer the
 * scopes `email` and `profile` there alone (Core §5.4). An e-mail and its verification are of one source: that of the
 * ID token would say nothing about another address.
 */
async function completed (
  client: Client, configuration: OpenidClient.Configuration, accessToken: string, idToken: OpenidClient.IDToken
): Promise<Record<string, unknown>> {
  const { userinfo_endpoint: endpoint } = configuration.serverMetadata()
  if (endpoint === undefined || idToken.email !== undefined) return idToken
  const userInfo = await client.fetchUserInfo(configuration, accessToken, idToken.sub)
  const { email, email_verified: isVerified } = userInfo
  return { ...userInfo, ...idToken, email, email_verified: isVerified }
}

function vouched (
  { id, issuer }: IdentityProvider, idToken: OpenidClient.IDToken, claims: Record<string, unknown>
): VouchedPerson {
  const { email, email_verified: isVerified, name, sid, amr } = claims
  const authTime = idToken.auth_time
  return {
    provider: id,
    issuer,
    subject: idToken.sub,
    providerSession: textOrNull(sid),
    // Only the boolean: a text "false" is true to a program that does not look closely.
    email: isVerified === true ? textOrNull(email) : null,
    hasUnverifiedEmail: isVerified !== true && email !== undefined,
    name: nameOrNull(name),
    authenticatedAt: authTime === undefined ? null : new Date(authTime * 1000),
    amr: Array.isArray(amr) ? amr.filter(each => textOrNull(each) !== null).slice(0, mostMethods) : [],
    claims,
  }
}

/** A text without what breaks lines, turns their direction, or cannot be stored. */
function textOrNull (value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.length > longestText) return null
  return inPlainText(value) === value ? value : null
}

function nameOrNull (value: unknown): string | null {
  const name = textOrNull(value)?.trim() ?? ''
  return name === '' || name.length > longestName ? null : name
}

/** What a person is told: that the provider is down, refused them, or gave an answer that is not to be trusted. */
function presented (client: Client, upstream: ProviderClient, error: unknown): Failure {
  const { provider } = upstream
  const detail = reasonOf(error)
  if (error instanceof client.AuthorizationResponseError) {
    return new Failure('sign_in_refused', {
      message:
        `${provider.name} did not sign you in (${shortened(error.error)}). Try again, or sign in in another way.`,
      details: { provider: provider.id },
      detail,
      cause: error,
    })
  }
  const isOwnFault = error instanceof client.ResponseBodyError &&
    (error.status >= 500 || ['invalid_client', 'unauthorized_client'].includes(error.error))
  const isDown = isOwnFault || isOutage(error) || failsAtServer(error)
  if (isDown || mayHaveMoved(client, error)) upstream.forget()
  if (isDown) return unavailable(provider, error)
  return new Failure('invalid_request', {
    message:
      `The answer of ${provider.name} cannot be trusted (${shortened(codeOf(error))}), so it signs nobody in. Start ` +
      'the sign-in again; if it happens again, tell the operator of this server.',
    details: { provider: provider.id },
    detail,
    cause: error,
  })
}

/**
 * Whether an error may come of endpoints or keys that have moved: an answer that is none of the protocol, or an unknown
 * key. What is wrong with a code or with claims says nothing of that, and a stranger causes it at will.
 */
function mayHaveMoved (client: Client, error: unknown): boolean {
  if (error instanceof client.ResponseBodyError) return error.status !== 400
  return [
    'OAUTH_KEY_SELECTION_FAILED', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_PARSE_ERROR'
  ].includes(codeOf(error))
}

/** An answer with another status than the protocol has: the provider is not itself. */
function failsAtServer (error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each.cause instanceof Response && each.cause.status >= 500) return true
  }
  return false
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** A word that a stranger may have chosen. */
function shortened (text: string): string {
  return text.replace(/[^\w.-]/g, '').slice(0, 60)
}

/**
 * Client assertions (RFC 7523 §2.2): the claims required besides the signature, and the description of a refusal. Only
 * a caller whose signature verifies gets a description.
 */
import { compactVerify, importJWK, type JWK } from 'jose'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { assertionAlgorithms } from '../../domain/credentials/client-keys.ts'
import { assertionLifetime, problemOfTimes } from '../../domain/tokens/assertion.ts'
import { isActive, type Client } from '../../domain/credentials/client.ts'
import { isNumericDate } from '../../domain/tokens/token-claims.ts'
import { digestOf } from '../../secrets/digest.ts'
import { asDescription } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'

/** Maximum lifetime of an assertion under the profile `rfc7523`, in seconds: SDKs mostly sign for an hour. */
const compatibleLifetime = 3_600

/**
 * Requires the claims of the client's profile. `strict`: draft-ietf-oauth-rfc7523bis §4, `aud` is the issuer, a single
 * string. `rfc7523`: `aud` may be the issuer, the token endpoint, the called endpoint, or an array of these, as Spring,
 * Authlib, zitadel/oidc and Nimbus send it. Runs after the signature was verified and before the assertion counts as
 * used. @throws errors.InvalidClientAuth with the reason in `error_detail`.
 */
export function requireAssertion (
  { assertionProfile }: Pick<Client, 'assertionProfile'>, issuer: string, endpoint: string,
  claims: Record<string, unknown>, now: number
): void {
  const { aud, exp, iat, nbf } = claims
  const isStrict = assertionProfile === 'strict'
  const taken = isStrict ? [issuer] : [issuer, issuer + paths.token, issuer + endpoint]
  const named = !isStrict && Array.isArray(aud) ? aud : [aud]
  if (named.length === 0 || !named.every(each => taken.includes(each as string))) {
    const allowed = isStrict ? `the issuer, ${issuer}, as a single string` : `one or several of ${taken.join(', ')}`
    refuse(`aud must be ${allowed}` + remedyFor(isStrict))
  }
  for (const [name, value] of Object.entries({ exp, iat, nbf })) {
    if (!isNumericDate(value) && (name === 'exp' || value !== undefined)) {
      refuse(`${name} must be a whole number of seconds since the epoch`)
    }
  }
  const lifetime = isStrict ? assertionLifetime : compatibleLifetime
  switch (problemOfTimes({ exp, iat, nbf } as { exp: number, iat?: number, nbf?: number }, now, lifetime)) {
    case 'wrong_lifetime':
      return refuse(`its lifetime, from iat to exp, is limited to ${lifetime} seconds` + remedyFor(isStrict))
    case 'not_yet':
      return refuse('iat or nbf is in the future; check the clocks')
    case 'expired':
      return refuse('it has expired; check the clocks')
  }
}

function remedyFor (isStrict: boolean): string {
  return isStrict
    ? '; an operator can allow the claims of older libraries: latchkey client update CLIENT --assertion-profile rfc7523'
    : ''
}

function refuse (reason: string): never {
  throw new errors.InvalidClientAuth(reason)
}

/** What the use of an assertion is remembered by, at every endpoint alike: its issuer and its `jti`. */
export function assertionUse (issuer: string, jti: string): string {
  return digestOf(JSON.stringify([issuer, jti]))
}

/** Why an authentic assertion was refused, as an `error_description`. Null: not authentic, or no reason is known. */
export async function explainRefusal (
  ctx: KoaContextWithOIDC, client: Client, refused: errors.OIDCProviderError
): Promise<string | null> {
  const { client_assertion: assertion } = ctx.oidc.params ?? {}
  const reason = refused.error_detail ?? (refused.cause instanceof Error ? refused.cause.message : null)
  const keys = client.metadata.jwks?.keys ?? []
  if (
    typeof assertion !== 'string' || reason === null || !isActive(client) || !await isSignedBy(keys, assertion)
  ) return null
  return asDescription(`The client_assertion is refused: ${reason}.`)
}

/** Whether one of these keys has signed an assertion, with an algorithm of assertions. */
export async function isSignedBy (keys: readonly JWK[], assertion: string): Promise<boolean> {
  for (const key of keys) {
    const verified = await compactVerify(assertion, async ({ alg }) => await importJWK(key, alg), {
      algorithms: [...assertionAlgorithms]
    }).catch(() => null)
    if (verified !== null) return true
  }
  return false
}

/** Proof of a client by its assertion (RFC 7523 §2.2) at endpoints besides oidc-provider's, by the rules of those. */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { errors } from 'oidc-provider'
import { epochSeconds } from '../../base/clock.ts'
import { assertionAlgorithms } from '../../domain/credentials/client-keys.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { UsedAssertions } from '../../domain/core/used-assertions.ts'
import { assertionTolerance } from '../../domain/tokens/assertion.ts'
import { assertionUse, isSignedBy, requireAssertion } from './client-assertion.ts'

/** The one value of `client_assertion_type` (RFC 7523 §2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** An assertion, and where and when it was presented. `endpoint`: the path that was called; `aud` may name it. */
export interface PresentedAssertion { text: string, issuer: string, endpoint: string, now: Date }

/** The client that an assertion speaks of, by its `sub`, before anything is verified; null: it is none. */
export function clientOfAssertion (text: string): string | null {
  try {
    const { sub } = decodeJwt(text)
    return typeof sub === 'string' && sub !== '' ? sub : null
  } catch {
    return null
  }
}

/**
 * Why an assertion does not prove `client`; null: it does, as long as it was not used before. `isAuthentic`: the client
 * has signed it, and may learn the reason.
 */
export async function faultOfAssertion (
  client: Client, { text, issuer, endpoint, now }: PresentedAssertion
): Promise<{ reason: string, isAuthentic: boolean } | null> {
  const { token_endpoint_auth_method: method, token_endpoint_auth_signing_alg: only, jwks } = client.metadata
  const forged = (reason: string) => ({ reason, isAuthentic: false })
  if (method !== 'private_key_jwt') return forged('the client does not authenticate by assertions')
  const { alg } = decodeProtectedHeader(text)
  if (only === undefined ? !assertionAlgorithms.some(each => each === alg) : alg !== only) return forged('alg mismatch')
  if (!await isSignedBy(jwks?.keys ?? [], text)) return forged('the signature does not verify')
  const claims = decodeJwt(text)
  if (claims.iss !== client.id || claims.sub !== client.id) {
    return { reason: 'iss and sub must be the client_id', isAuthentic: true }
  }
  if (typeof claims.jti !== 'string' || claims.jti === '') return { reason: 'jti is missing', isAuthentic: true }
  try {
    requireAssertion(client, issuer, endpoint, claims, epochSeconds(now))
    return null
  } catch (error) {
    if (!(error instanceof errors.InvalidClientAuth)) throw error
    return { reason: error.error_detail ?? error.message, isAuthentic: true }
  }
}

/** Uses an assertion without fault; false: it was used before, here or at another endpoint. */
export async function useAssertion (usedAssertions: UsedAssertions, text: string): Promise<boolean> {
  const { iss, jti, exp } = decodeJwt(text)
  return await usedAssertions.remember(assertionUse(iss!, jti!), new Date((exp! + assertionTolerance) * 1000))
}

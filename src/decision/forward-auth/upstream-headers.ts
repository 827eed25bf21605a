/** What an upstream learns of an admitted caller: headers, and a signed assertion on demand. */
import { epochSeconds } from '../../base/clock.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor, type SigningKeys } from '../../domain/tokens/signing-key.ts'
import type { Admitted } from '../../guard/admission.ts'
import { newId } from '../../secrets/random.ts'

/**
 * The headers. Each is always there, so that a proxy overwrites the caller's own; empty: there is none. Caddy 2.6 would
 * copy the name of its placeholder in the place of one that is absent.
 */
export function upstreamHeaders (
  { principal, organizationId }: Admitted, assertion: string | null
): Record<string, string> {
  return {
    'x-latchkey-kind': principal.kind,
    'x-latchkey-id': principal.id,
    'x-latchkey-subject': inHeader(principal.subject ?? ''),
    'x-latchkey-organization': organizationId ?? '',
    'x-latchkey-environment': principal.environment,
    'x-latchkey-scope': principal.scopes.join(' '),
    'x-latchkey-assertion': assertion ?? '',
  }
}

/** Percent-encoded where a header could not hold it: an issuer elsewhere may have chosen it. */
function inHeader (text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent)
}

/** The `typ` of an assertion. No reader of credentials takes it. */
export const assertionType = 'latchkey-assertion+jwt'

/** Seconds that an assertion is good for; less if the credential ends before. */
export const assertionLifetime = 60

export interface AssertionOptions {
  issuer: string
  signingKeys: Pick<SigningKeys, 'ring' | 'catchUp'>
}

/** The caller as a JWT for its upstream, which verifies it by the JWKS and need not trust the network. */
export async function assertionFor (
  { issuer, signingKeys }: AssertionOptions, resource: Resource, admitted: Admitted, now: Date
): Promise<string> {
  await signingKeys.catchUp()
  return await signJwt(
    signerFor(signingKeys.ring(), resource.signingAlgorithm), assertionType,
    claimsOf(issuer, resource, admitted, now)
  )
}

function claimsOf (issuer: string, { identifier }: Resource, { principal, organizationId }: Admitted, now: Date) {
  const iat = epochSeconds(now)
  return {
    iss: issuer,
    aud: identifier,
    sub: principal.id,
    jti: newId('ast'),
    iat,
    exp: endOf(principal, iat + assertionLifetime),
    kind: principal.kind,
    id_kind: principal.idKind,
    subject: principal.subject ?? undefined,
    scope: principal.scopes.join(' ') || undefined,
    org_id: organizationId ?? undefined,
    env: principal.environment,
  }
}

function endOf ({ expiresAt }: Principal, usual: number): number {
  return expiresAt === null ? usual : Math.min(usual, epochSeconds(expiresAt))
}

/** Where the keys of a trusted issuer are, as operators say it: inline, at a URL, or by its discovery document. */
import { X509Certificate } from 'node:crypto'
import { Failure } from '../../base/errors.ts'
import { requireKeySet } from './key-set.ts'
import type { KeySource } from './trusted-issuer.ts'

/** The keys as they are given: inline, at a URL, or neither, which means by discovery. */
export interface GivenKeys { jwks?: unknown, jwksUri?: string | null, ca?: string | null }

/** Characters of an issuer, and of a URL. */
export const longestIssuer = 512
/** Characters of a certificate. */
export const longestAuthority = 16_384

/** @throws Failure `invalid_request` */
export function requireKeys ({ jwks, jwksUri, ca }: GivenKeys, issuer: string): KeySource {
  if (jwks !== undefined) {
    if (jwksUri != null || ca != null) throw invalid('jwks', 'Keys are in jwks, or they are fetched: not both.')
    return { kind: 'inline', jwks: requireKeySet(jwks) }
  }
  const authority = ca == null ? null : requireAuthority(ca, 'ca')
  if (jwksUri != null) {
    if (jwksUri.length <= longestIssuer && URL.canParse(jwksUri) && isFetched(new URL(jwksUri))) {
      return { kind: 'jwks_uri', uri: jwksUri, ca: authority }
    }
    throw invalid('jwksUri', `${shown(jwksUri)} is no https URL without user and fragment.`)
  }
  if (issuer.startsWith('https:')) return { kind: 'discovery', ca: authority }
  throw invalid('jwks', 'A trust domain has no discovery document: send its bundle in jwks, or where it is in jwksUri.')
}

/** The keys as they shall be; what is absent stays as it is. @throws Failure `invalid_request` */
export function changedKeys (before: KeySource, given: GivenKeys, issuer: string): KeySource {
  if (given.jwks !== undefined) return requireKeys(given, issuer)
  if (before.kind === 'inline') {
    if (given.jwksUri !== undefined) return requireKeys(given, issuer)
    if (given.ca == null) return before
    throw invalid('ca', 'The keys of this issuer are inline, so ca has no host to vouch for: send jwksUri with it.')
  }
  if (given.jwksUri === undefined && given.ca === undefined) return before
  const { jwksUri = before.kind === 'jwks_uri' ? before.uri : null, ca = before.ca } = given
  return requireKeys({ jwksUri, ca }, issuer)
}

function isFetched ({ protocol, username, password, hash }: URL): boolean {
  return protocol === 'https:' && username === '' && password === '' && hash === ''
}

/** A certificate in PEM. `field`: as it is given. @throws Failure `invalid_request` */
export function requireAuthority (pem: string, field: string): string {
  try {
    if (pem.length <= longestAuthority && new X509Certificate(pem).ca) return pem
  } catch { /* not a certificate */ }
  throw invalid(
    field, `${field} has to be the certificate of an authority in PEM, of at most ${longestAuthority} characters.`
  )
}

function shown (text: string): string {
  return JSON.stringify(text.slice(0, 128))
}

function invalid (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

/** The public keys of trusted issuers: what of a JWK Set, or of a SPIFFE bundle, verifies assertions. */
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { Failure } from '../../base/errors.ts'

/** The algorithms that an issuer may be trusted with: signatures alone, and none with a shared key (RFC 8725 §3.1). */
export const issuerAlgorithms = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA'
] as const

/** A public key (RFC 7517). */
export type IssuerKey = Record<string, unknown> & { kty: string, kid?: string, alg?: string }
export interface IssuerKeySet { keys: readonly IssuerKey[] }

/** Bytes of a key set. */
export const longestKeySet = 64 * 1024
/** Keys of a key set. */
export const mostIssuerKeys = 100

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const publicMembers = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg']

/**
 * The keys of a set that an operator wrote. @throws Failure `invalid_request` for private keys, which are to be
 * replaced, and for a set without a key that verifies.
 */
export function requireKeySet (given: unknown): IssuerKeySet {
  const keys = keysIn(given)
  const index = keys.findIndex(key => isRecord(key) && privateMembers.some(member => key[member] !== undefined))
  if (index !== -1) {
    refuse(
      `jwks.keys[${index}] holds private or symmetric key material; send the public key only, and replace this one: ` +
        'it is no secret any more.'
    )
  }
  return readKeySet(given)
}

/**
 * The keys of a set that can verify an assertion; others, such as the X.509 authorities of a SPIFFE bundle, are left
 * out. @throws Failure `invalid_request` when it is none, has too many keys, or none that verifies.
 */
export function readKeySet (given: unknown): IssuerKeySet {
  const keys = keysIn(given).flatMap(usableKey)
  if (keys.length === 0) {
    refuse(
      'jwks has no public key that verifies signatures: RSA of 2048 bits and more, EC on P-256, P-384 or P-521, or ' +
        'Ed25519.'
    )
  }
  return { keys }
}

function keysIn (given: unknown): readonly unknown[] {
  const keys = isRecord(given) ? given.keys : undefined
  if (!Array.isArray(keys) || keys.length === 0) return refuse('jwks must be a JWK Set: {"keys": […]}.')
  if (keys.length > mostIssuerKeys) refuse(`jwks has more than ${mostIssuerKeys} keys.`)
  if (Buffer.byteLength(JSON.stringify(given)) > longestKeySet) refuse(`jwks is longer than ${longestKeySet} bytes.`)
  return keys
}

/** A key with its public members. SPIFFE says `jwt-svid` where JOSE says `sig`: `use` is judged here, and left out. */
function usableKey (key: unknown): IssuerKey[] {
  if (!isRecord(key) || privateMembers.some(member => key[member] !== undefined)) return []
  const { use, key_ops: operations, kid, alg } = key
  if (use !== undefined && use !== 'sig' && use !== 'jwt-svid') return []
  if (Array.isArray(operations) && !operations.includes('verify')) return []
  if ((kid !== undefined && typeof kid !== 'string') || (alg !== undefined && typeof alg !== 'string')) return []
  const plain = Object.fromEntries(publicMembers.flatMap(name => key[name] === undefined ? [] : [[name, key[name]]]))
  return algorithmsOf(plain).length === 0 ? [] : [plain as IssuerKey]
}

/** The key of a set that may have signed with `alg`: by its `kid`, or, without one, the only key that fits. */
export function keyFor (
  { keys }: IssuerKeySet, { alg, kid }: { alg: string, kid: string | undefined }
): IssuerKey | null {
  const named = kid === undefined ? keys : keys.filter(key => key.kid === kid)
  const fitting = named.filter(key => (key.alg === undefined || key.alg === alg) && algorithmsOf(key).includes(alg))
  return fitting.length === 1 ? fitting[0]! : null
}

/** By the key itself: none is taken for another kind. */
function algorithmsOf (jwk: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey({
      key: jwk as JsonWebKey, format: 'jwk'
    })
    if (type === 'ed25519') return ['Ed25519', 'EdDSA']
    if (type === 'ec') return curves[String(jwk.crv)] ?? []
    const bits = details?.modulusLength ?? 0
    return type === 'rsa' && bits >= 2048 && bits <= 8192 ? rsa : []
  } catch {
    return []
  }
}

const rsa = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const curves: Readonly<Record<string, readonly string[]>> = {
  'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512']
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse (message: string): never {
  throw new Failure('invalid_request', { message, details: { field: 'jwks' } })
}

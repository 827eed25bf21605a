/** The public keys with which a client proves itself (RFC 7517, RFC 7523). */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { Failure } from '../../base/errors.ts'
import { isBase64url, isPlainText } from '../../base/plain-text.ts'

/**
 * The algorithms a client may sign its assertions with. Ed25519 and EdDSA are the new and the old name of one (RFC 9864
 * §2.2).
 */
export const assertionAlgorithms = ['ES256', 'RS256', 'PS256', 'Ed25519', 'EdDSA'] as const

const maxKeys = 10
const coordinates = ['x', 'y', 'n', 'e']
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * A key set that holds nothing but usable public keys. Members that a public key does not have are left out.
 * @throws Failure `invalid_request` naming the key and what is wrong with it; `details.field` is `jwks`.
 */
export function requirePublicKeys (jwks: unknown): { keys: Record<string, unknown>[] } {
  const keys = isRecord(jwks) ? jwks.keys : undefined
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > maxKeys) {
    refuse(`jwks must be a JWK Set with 1 to ${maxKeys} keys`)
  }
  return { keys: keys.map(requirePublicKey) }
}

function requirePublicKey (jwk: unknown, index: number): Record<string, unknown> {
  const name = `jwks.keys[${index}]`
  if (!isRecord(jwk)) refuse(`${name} must be a JSON object`)
  if (privateMembers.some(member => jwk[member] !== undefined)) {
    refuse(
      `${name} holds private or symmetric key material; send the public key only, and replace this one: it is no ` +
        'secret any more'
    )
  }
  const usable = algorithmsOf(jwk, name)
  if (jwk.use !== undefined && jwk.use !== 'sig') refuse(`${name}.use must be "sig"`)
  if (
    jwk.kid !== undefined &&
    (typeof jwk.kid !== 'string' || jwk.kid === '' || jwk.kid.length > 256 || !isPlainText(jwk.kid))
  ) {
    refuse(`${name}.kid must be a text of at most 256 characters, none of them a control character`)
  }
  if (jwk.alg !== undefined && !usable.includes(jwk.alg as string)) {
    refuse(`${name}.alg must be one of ${usable.join(', ')}`)
  }
  const { kty, crv, x, y, n, e, kid, alg } = jwk
  return Object.fromEntries(
    Object.entries({ kty, crv, x, y, n, e, kid, alg, use: 'sig' }).filter(([, value]) => value !== undefined)
  )
}

function algorithmsOf (jwk: Record<string, unknown>, name: string): readonly string[] {
  if (coordinates.some(member => jwk[member] !== undefined && !isWritten(jwk[member]))) {
    refuse(`${name} is not written in base64url, or has a last character that no encoder writes`)
  }
  const key = open(jwk, name)
  if (key.asymmetricKeyType === 'ec' && jwk.crv === 'P-256') return ['ES256']
  if (key.asymmetricKeyType === 'ed25519') return ['Ed25519', 'EdDSA']
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType === 'rsa' && bits >= 2048 && bits <= 8192) return ['RS256', 'PS256']
  return refuse(`${name} must be an EC key on P-256, an Ed25519 key or an RSA key of 2048 to 8192 bits`)
}

function isWritten (coordinate: unknown): boolean {
  return typeof coordinate === 'string' && coordinate !== '' && isBase64url(coordinate)
}

function open (jwk: Record<string, unknown>, name: string): KeyObject {
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    return refuse(`${name} is not a public key in JWK form`)
  }
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse (problem: string): never {
  throw new Failure('invalid_request', { message: `${problem}.`, details: { field: 'jwks' } })
}

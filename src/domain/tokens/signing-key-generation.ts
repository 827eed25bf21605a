/** Generation of signing keys: the pair, sealed under the newest secret. */
import { generateKeyPair, type KeyObject } from 'crypto'
import { promisify } from 'util'
import { defaultAlgorithm, type SigningAlgorithm, type SigningKey } from './signing-key.ts'
import { type JWK, calculateJwkThumbprint } from 'jose'
import { seal } from '../../secrets/sealing.ts'

export const newPair = promisify(generateKeyPair)

/** Runs on the thread pool: an RSA key takes up to a second. */
export const pairs: Record<SigningAlgorithm, () => Promise<{ publicKey: KeyObject; privateKey: KeyObject } >> = {
  ES256: () => newPair('ec', { namedCurve: 'P-256' }),
  // RFC 7518 §3.3 requires 2048 bits or more; a longer key multiplies the time of signing.
  RS256: () => newPair('rsa', { modulusLength: 2048 }),
  EdDSA: () => newPair('ed25519'),
}

/** Generates a key; nothing is stored. */
export async function newSigningKey (
  now: Date, secret: string, algorithm: SigningAlgorithm = defaultAlgorithm
): Promise<SigningKey> {
  const pair = await pairs[algorithm]()
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint(jwk)
  // A kid with a leading hyphen would be read as an option by `latchkey keys revoke`.
  if (kid.startsWith('-')) return await newSigningKey(now, secret, algorithm)
  return {
    kid,
    algorithm,
    publicJwk: { ...jwk, kid, alg: algorithm, use: 'sig' },
    sealedPrivateKey: seal(JSON.stringify(pair.privateKey.export({ format: 'jwk' })), secret, kid),
    createdAt: now,
    activatedAt: now,
    retiredAt: null,
    publishedUntil: null,
    revokedAt: null,
    revokedReason: null,
    revision: 1,
  }
}

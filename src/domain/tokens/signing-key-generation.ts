/** New signing keys: the pair, sealed under the newest secret. */
import { generateKeyPair, type KeyObject } from 'crypto'
import { promisify } from 'util'
import { defaultAlgorithm, type SigningAlgorithm, type SigningKey } from './signing-key.ts'
import { type JWK, calculateJwkThumbprint } from 'jose'
import { seal } from '../../secrets/sealing.ts'

export const newPair = promisify(generateKeyPair)

/** Off this thread: for an RSA key it takes up to a second. */
export const pairs: Record<SigningAlgorithm, () => Promise<{ publicKey: KeyObject; privateKey: KeyObject } >> = {
  ES256: () => newPair('ec', { namedCurve: 'P-256' }),
  // RFC 7518 §3.3 asks for 2048 bits or more; more would take a multiple of the time to sign with.
  RS256: () => newPair('rsa', { modulusLength: 2048 }),
  EdDSA: () => newPair('ed25519'),
}

/** A key that nobody knows yet. */
export async function newSigningKey (
  now: Date, secret: string, algorithm: SigningAlgorithm = defaultAlgorithm
): Promise<SigningKey> {
  const pair = await pairs[algorithm]()
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint(jwk)
  // Whoever has to revoke it in a hurry must not find that a command takes its name for an option.
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

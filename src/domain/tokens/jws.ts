/** Fast signing of JSON Web Signatures in compact form (RFC 7515 §7.1): every token is one. */
import { createPrivateKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from './signing-key.ts'

/** A private key as a JWK, with its algorithm and the kid of its published half. */
export interface PrivateKey { kid: string, algorithm: SigningAlgorithm, privateJwk: object }

interface Prepared { key: KeyObject, signature: Signature, headers: Map<string, string> }

// Keyed by the key object itself, so an entry lives and is valid as long as the key.
const prepared = new WeakMap<PrivateKey, Prepared>()

/**
 * Signs `claims` as a JWT of the type `typ`. Signing runs on the thread pool; the calling thread only assembles the
 * token.
 */
export async function signJwt (key: PrivateKey, typ: string, claims: object): Promise<string> {
  const { key: privateKey, signature, headers } = prepared.get(key) ?? prepare(key)
  const input = `${headers.get(typ) ?? encodeHeader(headers, key, typ)}.${
    Buffer.from(JSON.stringify(claims)).toString('base64url')
  }`
  return `${input}.${(await signatureOf(privateKey, signature, Buffer.from(input))).toString('base64url')}`
}

function prepare (key: PrivateKey): Prepared {
  const made = {
    key: createPrivateKey({ key: key.privateJwk as JsonWebKey, format: 'jwk' }),
    signature: signatures[key.algorithm],
    headers: new Map<string, string>(),
  }
  prepared.set(key, made)
  return made
}

function encodeHeader (headers: Map<string, string>, { kid, algorithm: alg }: PrivateKey, typ: string): string {
  const header = Buffer.from(JSON.stringify({ alg, typ, kid })).toString('base64url')
  headers.set(typ, header)
  return header
}

/** `digest` null: the algorithm has its own. `asSent` turns OpenSSL's signature into that of a JWS. */
interface Signature { digest: 'sha256' | null, asSent: (signed: Buffer) => Buffer }

/** RFC 7518 §3.3 and §3.4, RFC 8037 §3.1. */
const signatures: Record<SigningAlgorithm, Signature> = {
  // Requested as DER and converted here: Node's conversion to `ieee-p1363` takes longer than OpenSSL's signing.
  ES256: { digest: 'sha256', asSent: concatenated },
  RS256: { digest: 'sha256', asSent: signed => signed },
  EdDSA: { digest: null, asSent: signed => signed },
}

function signatureOf (key: KeyObject, { digest, asSent }: Signature, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(digest, input, key, (error, signed) => {
      if (error === null) resolve(asSent(signed))
      else reject(error)
    })
  })
}

const half = 32

/**
 * Converts an ECDSA signature by P-256 from DER (RFC 3279 §2.2.3) to R and S in 32 octets each (RFC 7518 §3.4). In DER
 * an integer has a leading zero where it would be negative, and lacks leading zeros where it is short.
 */
function concatenated (der: Buffer): Buffer {
  const raw = Buffer.alloc(2 * half)
  const lengthOfR = der[3]!
  copyInteger(der.subarray(4, 4 + lengthOfR), raw, half)
  copyInteger(der.subarray(6 + lengthOfR), raw, 2 * half)
  return raw
}

/** Copies right-aligned, up to `end`. */
function copyInteger (integer: Buffer, into: Buffer, end: number): void {
  const digits = integer.length > half ? integer.subarray(integer.length - half) : integer
  digits.copy(into, end - digits.length)
}

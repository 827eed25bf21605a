/** JSON Web Signatures in compact form (RFC 7515 §7.1), made quickly: every token of ours is one. */
import { createPrivateKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from './signing-key.ts'

/** A private key as a JWK, what it signs by, and the name under which its public half is published. */
export interface PrivateKey { kid: string, algorithm: SigningAlgorithm, privateJwk: object }

interface Prepared { key: KeyObject, signature: Signature, headers: Map<string, string> }

// Keyed by the key itself: what was made of it is true as long as it is the one.
const prepared = new WeakMap<PrivateKey, Prepared>()

/** Signs `claims` as a JWT of the type `typ`. On the thread pool: the caller's thread only puts it together. */
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

/** The digest that is signed, null for an algorithm that has its own, and what a JWS has of what OpenSSL answers. */
interface Signature { digest: 'sha256' | null, asSent: (signed: Buffer) => Buffer }

/** RFC 7518 §3.3 and §3.4, RFC 8037 §3.1. */
const signatures: Record<SigningAlgorithm, Signature> = {
  // Asked for in DER and taken apart here: Node takes more time to make `ieee-p1363` of it than OpenSSL takes to sign.
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
 * R and S of an ECDSA signature by P-256, each in 32 octets (RFC 7518 §3.4), from the DER of RFC 3279 §2.2.3: a
 * sequence of two integers, which have a zero in front where they would be negative, and lose zeros where they are
 * short.
 */
function concatenated (der: Buffer): Buffer {
  const raw = Buffer.alloc(2 * half)
  const lengthOfR = der[3]!
  copyInteger(der.subarray(4, 4 + lengthOfR), raw, half)
  copyInteger(der.subarray(6 + lengthOfR), raw, 2 * half)
  return raw
}

/** Right-aligned, to end where `end` says. */
function copyInteger (integer: Buffer, into: Buffer, end: number): void {
  const digits = integer.length > half ? integer.subarray(integer.length - half) : integer
  digits.copy(into, end - digits.length)
}

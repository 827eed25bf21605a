/** JSON Web Signatures in compact form (RFC 7515 §7.1), made quickly: every token of ours is one. */
import { createPrivateKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto'

/** A private key of P-256, as a JWK, and the name under which its public half is published. */
export interface Es256Key { kid: string, privateJwk: object }

interface Prepared { key: KeyObject, headers: Map<string, string> }

// Keyed by the key itself: what was made of it is true as long as it is the one.
const prepared = new WeakMap<Es256Key, Prepared>()

/** Signs `claims` by ES256 as a JWT of the type `typ`. On the thread pool: the caller's thread only puts it together. */
export async function signJwt (key: Es256Key, typ: string, claims: object): Promise<string> {
  const { key: privateKey, headers } = prepared.get(key) ?? prepare(key)
  const input = `${headers.get(typ) ?? encodeHeader(headers, key, typ)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${input}.${(await signatureOf(privateKey, Buffer.from(input))).toString('base64url')}`
}

function prepare (key: Es256Key): Prepared {
  const made = { key: createPrivateKey({ key: key.privateJwk as JsonWebKey, format: 'jwk' }), headers: new Map<string, string>() }
  prepared.set(key, made)
  return made
}

function encodeHeader (headers: Map<string, string>, { kid }: Es256Key, typ: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ, kid })).toString('base64url')
  headers.set(typ, header)
  return header
}

/** Asked for in DER and taken apart here: Node takes more time to make `ieee-p1363` of it than OpenSSL takes to sign. */
function signatureOf (key: KeyObject, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', input, key, (error, der) => {
      if (error === null) resolve(concatenated(der))
      else reject(error)
    })
  })
}

const half = 32

/**
 * R and S of an ECDSA signature by P-256, each in 32 octets (RFC 7518 §3.4), from the DER of RFC 3279 §2.2.3: a sequence of
 * two integers, which have a zero in front where they would be negative, and lose zeros where they are short.
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

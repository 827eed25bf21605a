/** SHA-256 digests of secrets: the store holds and looks up digests only. */
import crypto, { timingSafeEqual } from 'node:crypto'
import { isBase64url } from '../base/plain-text.ts'

/** SHA-256 of a secret's text, base64url. */
export function digestOf (secret: string): string {
  return crypto.hash('sha256', secret, 'base64url')
}

/**
 * A SHA-256 in base64url or hex, as `digestOf` writes it. Null: the text is neither, or is base64url that no encoder
 * writes.
 */
export function readDigest (text: string): string | null {
  if (text.length === 43) return isBase64url(text) ? text : null
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex').toString('base64url') : null
}

/** Whether two digests are equal. Takes the same time wherever they differ. */
export function sameDigest (one: string, other: string): boolean {
  const a = Buffer.from(one)
  const b = Buffer.from(other)
  return a.length === b.length && timingSafeEqual(a, b)
}

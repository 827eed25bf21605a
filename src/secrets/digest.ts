/** SHA-256 digests of secrets: the store holds and looks up digests only. */
import crypto, { timingSafeEqual } from 'node:crypto'

/** SHA-256 of a secret's text, base64url. */
export function digestOf (secret: string): string {
  return crypto.hash('sha256', secret, 'base64url')
}

/** A SHA-256 of 64 hex digits, or of 43 base64url characters, as `digestOf` writes it. */
export function readDigest (text: string): string {
  return text.length === 64 ? Buffer.from(text, 'hex').toString('base64url') : text
}

/** Whether two digests are equal. Takes the same time wherever they differ. */
export function sameDigest (one: string, other: string): boolean {
  const a = Buffer.from(one)
  const b = Buffer.from(other)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** What is shown of a secret, so that it can be told from others: the first 16 hex digits of its SHA-256. */
export function fingerprintOf (secret: string): string {
  return crypto.hash('sha256', secret, 'hex').slice(0, 16)
}

/** SHA-256 of a file, in hexadecimal digits. No secret: it names the content. */
export function fileDigest (content: Buffer): string {
  return crypto.createHash('sha256').update(content).digest('hex')
}

/**
 * Random identifiers and secrets. A secret is returned once, by the function that makes it; the store has its digest.
 * All secrets have at least 160 random bits, so a fast digest is enough: no guess can succeed.
 */
import { randomBytes } from 'node:crypto'

export const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `length` characters of base62, uniformly distributed. */
export function randomBase62 (length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 = 4 × 62: greater bytes would make the first characters more likely.
      if (byte < 248 && text.length < length) text += base62[byte % 62]
    }
  }
  return text
}

/** A unique identifier: `<kind>_` and 130 random bits. Not a secret. */
export function newId (kind: string): string {
  return `${kind}_${randomBase62(22)}`
}

/** A 256-bit secret in the base64url alphabet, because real SDKs send Basic credentials without form encoding them. */
export function newSecret (): string {
  return randomBytes(32).toString('base64url')
}

/** A 256-bit secret that names its kind: `<label>_…`. */
export function newLabelledSecret (label: string): string {
  return `${label}_${newSecret()}`
}

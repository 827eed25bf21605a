/** Encrypts data at rest under keys derived from LATCHKEY_SECRET. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** The purpose of sealed signing keys. A key derived for one purpose opens nothing that was sealed for another. */
export const signingKeySealing = 'signing-key sealing v1'

/** The purpose of sealed keys of AI providers. */
export const providerKeySealing = 'provider-key sealing v1'

/** The purpose of sealed headers of third-party sources. */
export const sourceSealing = 'third-party source headers v1'

/** The purpose of sealed tokens by which clusters are asked. */
export const reviewerSealing = 'token-review reviewer v1'

/** A 256-bit key for one purpose, by HKDF. */
export function derivedKey (master: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, 'latchkey', purpose, 32))
}

/**
 * Encrypts with AES-256-GCM under a key derived from `master` for `purpose`. `label` is associated data: unsealing
 * needs the same one.
 */
export function seal (plaintext: string, master: string, label: string, purpose = signingKeySealing): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', derivedKey(master, purpose), iv).setAAD(Buffer.from(label))
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return ['v1', ...[iv, cipher.getAuthTag(), body].map(part => part.toString('base64url'))].join('.')
}

/** Seals what an older one of `masters` opens under the first; null: the first opens it already, or none does. */
export function sealAnew (
  sealed: string, masters: readonly string[], label: string, purpose = signingKeySealing
): string | null {
  const text = unsealOlder(sealed, masters, label, purpose)
  return text === null ? null : seal(text, masters[0]!, label, purpose)
}

/** The text that an older one of `masters` opens; null: the first opens it, or none does. */
export function unsealOlder (
  sealed: string, [newest, ...older]: readonly string[], label: string, purpose = signingKeySealing
): string | null {
  return unseal(sealed, [newest!], label, purpose) === null ? unseal(sealed, older, label, purpose) : null
}

/** Decrypts what `seal` made under any of `masters`. Null: none fits, or text, label or purpose is another. */
export function unseal (
  sealed: string, masters: readonly string[], label: string, purpose = signingKeySealing
): string | null {
  const [version, iv, tag, body] = sealed.split('.')
  if (version !== 'v1' || iv === undefined || tag === undefined || body === undefined) return null
  for (const master of masters) {
    try {
      const decipher = createDecipheriv('aes-256-gcm', derivedKey(master, purpose), Buffer.from(iv, 'base64url'), {
        authTagLength: 16
      })
      decipher.setAAD(Buffer.from(label)).setAuthTag(Buffer.from(tag, 'base64url'))
      return decipher.update(Buffer.from(body, 'base64url'), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      // Not sealed under this one: the next may fit.
    }
  }
  return null
}

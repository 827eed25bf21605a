/** E-mail addresses of members: which texts are one, and which are the same. */
import { Failure } from '../../base/errors.ts'

// RFC 5321 §4.5.3.1.3: a path has 256 characters, angle brackets included.
const longest = 254

/** No spaces, no control characters, and one `@` between two parts. Whether it reaches anybody is not known. */
const address = /^[^\s@\p{C}]+@[^\s@\p{C}]+$/u

/** @throws Failure `invalid_request` for a text that is no e-mail address. */
export function requireEmail (text: string): string {
  if (text.length <= longest && address.test(text)) return text
  throw new Failure('invalid_request', {
    message: `${JSON.stringify(text.slice(0, 64))} is not an e-mail address: ada@example.com, at most ${longest} ` +
      'characters.',
    details: { field: 'email' }
  })
}

/**
 * The form in which addresses are compared: ASCII letters in lower case. Other letters stay as they are, because some
 * of them become ASCII letters in lower case (U+212A becomes `k`), and another person's address would then be the same.
 */
export function normalEmail (email: string): string {
  return email.replace(/[A-Z]/g, letter => letter.toLowerCase())
}

/** Checks and escapes text from outside, so that every database can store it and every log shows it on one line. */

/** Whether a text is well-formed Unicode without control characters. PostgreSQL refuses NUL and lone surrogates. */
export function isPlainText (text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

/**
 * Whether a text is base64url in its one canonical form (RFC 4648 §3.5): without padding, and with unused bits zero.
 * Other forms decode to the same bytes, but a look-up by text would not find them.
 */
export function isBase64url (text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text
}

/**
 * Escapes characters that could break a line or control a terminal: control characters, line separators, bidirectional
 * marks and lone surrogates become `\u{code point}`.
 */
export function inPlainText (text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    character => `\\u{${character.codePointAt(0)!.toString(16)}}`
  )
}

/**
 * What a text from outside has to be before it is kept: storable in every database, and one harmless line in every log.
 */

/**
 * Whether a text is well-formed Unicode without control characters. PostgreSQL stores neither NUL nor half a surrogate
 * pair.
 */
export function isPlainText (text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

/**
 * Whether a text is base64url in its one canonical spelling (RFC 4648 §3.5): without padding, and with the bits that
 * are not used zero. Other spellings decode to the same bytes and are another text: what goes by texts would never find
 * them.
 */
export function isBase64url (text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text
}

/**
 * A text in which nothing can break a line or steer a terminal: control characters, separators of lines, marks that
 * change the reading direction and half surrogate pairs are spelled as their code points.
 */
export function inPlainText (text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    character => `\\u{${character.codePointAt(0)!.toString(16)}}`
  )
}

/**
 * Warnings for people beside a successful response: `Warning: 299 - "text"` (RFC 7234 §5.5). RFC 9111 has dropped the
 * field, so caches ignore it, and clients may.
 */

/** The value of the header. `texts`: ASCII. */
export function warnings (texts: readonly string[]): string {
  return texts.map(text => `299 - "${text.replace(/["\\]/g, '\\$&')}"`).join(', ')
}

/** The texts in a value of the header. */
export function readWarnings (value: string): string[] {
  return [...value.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replace(/\\(.)/g, '$1'))
}

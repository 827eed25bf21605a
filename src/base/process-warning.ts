/**
 * What an answer says beside its success, for people: `Warning: 299 - "text"` (RFC 7234 §5.5). RFC 9111 leaves the
 * field out, so no cache does anything with it, and a client that does not know it loses nothing.
 */

/** The value of the header. `texts`: ASCII. */
export function warnings (texts: readonly string[]): string {
  return texts.map(text => `299 - "${text.replace(/["\\]/g, '\\$&')}"`).join(', ')
}

/** The texts that a value holds. */
export function readWarnings (value: string): string[] {
  return [...value.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replace(/\\(.)/g, '$1'))
}

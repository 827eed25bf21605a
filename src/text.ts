/** What a text from outside has to be before it is kept: storable in every database, and one harmless line in every log. */

/** Whether a text is well-formed Unicode without control characters. PostgreSQL stores neither NUL nor half a surrogate pair. */
export function isPlainText (text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

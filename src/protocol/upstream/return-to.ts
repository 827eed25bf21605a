/** Where a sign-in leads afterwards: a path of this site, and nothing that a browser would read as another one. */
import { Failure } from '../../base/errors.ts'

const longest = 2_000
const anyOrigin = 'http://site.invalid'

/**
 * The path, with its query and fragment, in the form that goes into a Location header. The text is checked, and so is
 * what it becomes once dot segments are removed: `/..//evil` is `//evil` then, which is another host.
 * @throws Failure `invalid_request`.
 */
export function readReturnTo (text: string | undefined): string {
  if (text === undefined || text === '') return '/'
  if (text.length > longest) refuse(`has ${text.length} characters; ${longest} are the most`)
  // Browsers drop tabs and line feeds from URLs, and read a backslash as a slash.
  if (/[^!-[\]-~]/.test(text)) refuse('holds a character that is not in a URL')
  if (!/^\/(?!\/)/.test(text)) refuse('is not a path of this site, such as /dashboard')
  const url = URL.parse(text, anyOrigin)
  if (url === null || url.origin !== anyOrigin || url.pathname.startsWith('//')) refuse('leads to another site')
  return url.pathname + url.search + url.hash
}

function refuse (why: string): never {
  throw new Failure('invalid_request', { message: `return_to ${why}.`, details: { field: 'return_to' } })
}

/** What a request says of the form of its body. */
import type { IncomingHttpHeaders } from 'node:http'

/** Whether the body has a content coding (RFC 9110 §8.4) that would have to be undone before it is read. */
export function isCompressed (headers: IncomingHttpHeaders): boolean {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  return coding !== '' && coding !== 'identity'
}

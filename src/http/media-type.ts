/** The content coding of a request body. */
import type { IncomingHttpHeaders } from 'node:http'

/** Whether the body has a content coding (RFC 9110 §8.4) other than `identity`. */
export function isCompressed (headers: IncomingHttpHeaders): boolean {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  return coding !== '' && coding !== 'identity'
}

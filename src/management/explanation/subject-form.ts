/** What people paste to ask why: a request id, an address or a credential, told apart by form. */
import { canonicalAddress } from '../../base/ip-address.ts'

/** One of these. */
export type AskedSubject = { credential: string } | { requestId: string } | { address: string }

/** A text as it was pasted, spaces around it aside. What is neither a request id nor an address is a credential. */
export function subjectIn (pasted: string): AskedSubject {
  const text = pasted.trim()
  if (isRequestId(text)) return { requestId: text }
  return canonicalAddress(text) === null ? { credential: text } : { address: text }
}

/** Whether a text has the form of the ids that this server gives to requests (RFC 9562). */
export function isRequestId (text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)
}

/** Trusted proxies (RFC 7239): the client address and the scheme that they forward. */
import { isWithin, readAddress } from '../base/ip-address.ts'

/**
 * For Fastify's `trustProxy`: whether an address of the chain is that of a trusted proxy. Calls `onUnreadable` for an
 * entry that a trusted proxy has sent and that is no address.
 */
export function trustsProxies (
  trusted: readonly string[], onUnreadable: () => void
): (address: string | undefined) => boolean {
  return text => {
    const address = readAddress(text)
    if (address === null && text !== undefined) onUnreadable()
    return address !== null && isWithin(address, trusted) === true
  }
}

/** Whether a request came over TLS. Proxies spell the scheme in either case (RFC 3986 §3.1). */
export function isOverTls ({ protocol }: { protocol: string }): boolean {
  return protocol.toLowerCase() === 'https'
}

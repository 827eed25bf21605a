/** What a trusted proxy says of a request (RFC 7239): where it came from, and whether over TLS. */
import { isWithin, readAddress } from '../base/ip-address.ts'

/**
 * Whether an address of the chain is a trusted proxy's, for Fastify's `trustProxy`. `unreadable` is called for one that
 * is no address, which a trusted proxy has sent.
 */
export function trustsProxies (
  trusted: readonly string[], unreadable: () => void
): (address: string | undefined) => boolean {
  return text => {
    const address = readAddress(text)
    if (address === null && text !== undefined) unreadable()
    return address !== null && isWithin(address, trusted) === true
  }
}

/** Whether a request came over TLS. Proxies spell the scheme as they like (RFC 3986 §3.1: it has no case). */
export function isOverTls ({ protocol }: { protocol: string }): boolean {
  return protocol.toLowerCase() === 'https'
}

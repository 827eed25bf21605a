/** Public addresses: those that the URL of a stranger may lead to. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether an address is one of the public internet: none of this machine, of a private network, of a link (as the
 * metadata of clouds), of a tunnel or translator that leads to one, or of a group. A text that is no address is none.
 */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || isGlobalUnicast(parsed.toByteArray()))
}

/** 2000::/3, the part of IPv6 that is given to the internet (IANA): what lies beside it has no owner yet. */
function isGlobalUnicast ([first = 0]: readonly number[]): boolean {
  return first >> 5 === 1
}

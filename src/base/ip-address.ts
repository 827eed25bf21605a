/**
 * IP addresses and CIDR ranges: reading, allowlists, containment. An IPv4-mapped IPv6 address is its IPv4 form; zone
 * ids and leading-zero octets are refused. Every request goes through `node:net` alone, which is stricter and faster;
 * ipaddr.js does the arithmetic.
 */
import ipaddr from 'ipaddr.js'
import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { Failure } from './errors.ts'

/** Stands for an address that cannot be determined (RFC 7239 §6.2). It is in no range and passes no allowlist. */
export const unknownAddress = 'unknown'

/**
 * The address a request comes from, as seen through trusted proxies, without a port. `unknownAddress` if a proxy sent
 * something else than an address, if the caller has reset the connection, or if the server listens on a path.
 */
export function addressOf ({ ip }: { ip: string | undefined }): string {
  return readAddress(ip) ?? unknownAddress
}

/**
 * The address that limits count a request by: its own or, if that cannot be determined, its peer's, so that such
 * requests do not share one counter.
 */
export function countedAddress (
  request: { ip: string | undefined, socket: { remoteAddress?: string | undefined } }
): string {
  return readAddress(request.ip) ?? readAddress(request.socket.remoteAddress) ?? unknownAddress
}

const withPort = /^(?:(\d+\.\d+\.\d+\.\d+)|\[([\da-f:.]{2,45})\])(?::\d{1,5})?$/i

/**
 * The address in a node identifier (RFC 7239 §6): with or without a port, IPv6 with or without brackets. Null: not an
 * address.
 */
export function readAddress (text: string | undefined): string | null {
  if (text === undefined) return null
  const [, v4, v6] = withPort.exec(text) ?? []
  return canonicalAddress(v4 ?? v6 ?? text)
}

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/

/** The canonical text of an address: IPv4-mapped becomes IPv4. Null: not an address. */
export function canonicalAddress (text: string): string | null {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return null
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  return mapped.exec(canonical)?.[1] ?? canonical
}

type Family = 'ipv4' | 'ipv6'

interface Range { address: string, family: Family, prefix: number }

const families: readonly Family[] = ['ipv4', 'ipv6']
const bits = { ipv4: 32, ipv6: 128 } as const

function familyOf (address: string): Family {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}

function readRange (text: string): Range | null {
  const [written = '', prefixText, ...rest] = text.split('/')
  const address = canonicalAddress(written)
  if (rest.length > 0 || address === null) return null
  const family = familyOf(address)
  if (prefixText === undefined) return { address, family, prefix: bits[family] }
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText)) return null
  // A range of mapped addresses counts 96 bits that its IPv4 form does not have.
  const prefix = Number(prefixText) - (bits[familyOf(written)] - bits[family])
  return prefix >= 0 && prefix <= bits[family] ? { address, family, prefix } : null
}

function textOf ({ address, family, prefix }: Range): string {
  return prefix === bits[family] ? address : `${address}/${prefix}`
}

/** The allowlist in canonical form. @throws Failure `invalid_allowlist` naming the first entry that is not a range. */
export function readAllowlist (entries: readonly string[], field = 'allowlist'): string[] {
  const canonical = entries.map(text => {
    const range = readRange(text)
    if (range !== null) return textOf(range)
    const entry = text.slice(0, 64)
    throw new Failure('invalid_allowlist', {
      message: `${JSON.stringify(entry)} is neither an IP address nor a CIDR range; ` +
        'write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.',
      details: { field, entry }
    })
  })
  return [...new Set(canonical)]
}

// One list per family: in a common one ::/0 would cover every IPv4 address in its mapped form.
type Compiled = Record<Family, BlockList>

// Keyed by the list itself: a stored list is never changed in place.
const compiled = new WeakMap<readonly string[], Compiled>()

function compile (entries: readonly string[]): Compiled {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const { address, family, prefix } of rangesOf(entries)) lists[family].addSubnet(address, prefix, family)
  compiled.set(entries, lists)
  return lists
}

function rangesOf (entries: readonly string[]): Range[] {
  return entries.map(readRange).filter(range => range !== null)
}

/** Whether an address is in one of these ranges. Null: not an address, so that it cannot be told. */
export function isWithin (address: string | null | undefined, ranges: readonly string[]): boolean | null {
  const canonical = typeof address === 'string' ? canonicalAddress(address) : null
  if (canonical === null) return null
  const family = familyOf(canonical)
  return (compiled.get(ranges) ?? compile(ranges))[family].check(canonical, family)
}

/** Whether an allowlist lets an address pass. An empty list lets all pass, any other list addresses alone. */
export function isAllowed (address: string | null | undefined, allowlist: readonly string[]): boolean {
  return allowlist.length === 0 || isWithin(address, allowlist) === true
}

/**
 * What limits count by: an IPv4 address, or the /64 of an IPv6 address, because its owner may choose any address of it.
 * All texts that are not addresses count as one.
 */
export function addressBlock (address: string): string {
  const canonical = canonicalAddress(address)
  if (canonical === null || isIPv4(canonical)) return canonical ?? unknownAddress
  const { parts } = ipaddr.IPv6.parse(canonical)
  return `${parts.slice(0, 4).map(part => part.toString(16)).join(':')}::/64`
}

/**
 * The block of addresses that records name in the place of one: the /24 of an IPv4 address, the /48 of an IPv6 address,
 * which is what one customer of a provider usually has. `unknownAddress` for a text that is no address.
 */
export function recordedBlock (address: string): string {
  const canonical = canonicalAddress(address)
  if (canonical === null) return unknownAddress
  if (isIPv4(canonical)) return `${canonical.slice(0, canonical.lastIndexOf('.'))}.0/24`
  const { parts } = ipaddr.IPv6.parse(canonical)
  return `${parts.slice(0, 3).map(part => part.toString(16)).join(':')}::/48`
}

/** ipaddr.js takes `::192.0.2.1` for an IPv4-mapped address, unless a zero is in front of it. */
function parsed (canonical: string): ipaddr.IPv4 | ipaddr.IPv6 {
  return ipaddr.parse(canonical.startsWith('::') && canonical.includes('.') ? `0${canonical}` : canonical)
}

/** The first address of a range as a number, and the first one behind it. */
interface Span { first: bigint, end: bigint }

// IPv4-mapped addresses are IPv4 addresses here: a range of IPv6 addresses that ends before them ends behind them.
const firstMapped = 0xffff_0000_0000n
const behindMapped = 0x1_0000_0000_0000n

function spanOf ({ address, family, prefix }: Range): Span {
  const size = 1n << BigInt(bits[family] - prefix)
  const first = BigInt(`0x${Buffer.from(parsed(address).toByteArray()).toString('hex')}`) / size * size
  const end = first + size
  return { first, end: family === 'ipv6' && end === firstMapped ? behindMapped : end }
}

function spansOf (entries: readonly string[], family: Family): Span[] {
  return rangesOf(entries).filter(range => range.family === family).map(spanOf)
}

function order (one: bigint, other: bigint): number {
  return one < other ? -1 : Number(one > other)
}

const everyAddress = ['0.0.0.0/0', '::/0']

/** Whether every address that `allowlist` lets pass is one that `other` lets pass too. */
export function isAllowlistWithin (allowlist: readonly string[], other: readonly string[]): boolean {
  if (other.length === 0) return true
  return families.every(family => {
    const merged = mergedSpans(spansOf(other, family))
    return spansOf(allowlist.length === 0 ? everyAddress : allowlist, family)
      .every(({ first, end }) => merged.some(span => span.first <= first && end <= span.end))
  })
}

/** The same addresses in spans that neither overlap nor touch: a range may lie in two neighbours together. */
function mergedSpans (spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((one, other) => order(one.first, other.first))) {
    const last = merged.at(-1)
    if (last === undefined || last.end < span.first) merged.push({ ...span })
    else if (last.end < span.end) last.end = span.end
  }
  return merged
}

/** One address of every set of addresses that the same of these lists hold. Entries that are not ranges are ignored. */
export function addressClasses (lists: readonly (readonly string[])[]): string[] {
  const classes = new Map<string, string>()
  for (const family of families) {
    const ends = lists.flatMap((entries, list) => spansOf(entries, family).flatMap(({ first, end }) =>
      [{ at: first, list, by: 1 }, { at: end, list, by: -1 }]
    )).sort((one, other) => order(one.at, other.at))
    const depths = lists.map(() => 0)
    // A byte for each list, changed in place: there may be tens of thousands of ends.
    const holding = Buffer.alloc(lists.length)
    for (let at = 0n, i = 0; at < 1n << BigInt(bits[family]); at = ends[i]!.at) {
      for (; ends[i]?.at === at; i++) {
        const { list, by } = ends[i]!
        holding[list] = Number((depths[list]! += by) > 0)
      }
      const name = holding.toString('latin1')
      if (!classes.has(name)) classes.set(name, addressAt(at, family))
      if (i === ends.length) break
    }
  }
  return [...classes.values()]
}

function addressAt (number: bigint, family: Family): string {
  const bytes = Buffer.from(number.toString(16).padStart(bits[family] / 4, '0'), 'hex')
  return canonicalAddress(ipaddr.fromByteArray([...bytes]).toString())!
}

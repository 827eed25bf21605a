/**
 * Addresses and allowlists. An IPv4-mapped IPv6 address is its IPv4 form; zone ids and leading-zero octets are refused.
 */
import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { Failure } from './errors.ts'

/**
 * In the place of an address that cannot be told (RFC 7239 §6.2 has the word, too). It is none: no allowlist lets it
 * pass.
 */
export const unknownAddress = 'unknown'

/**
 * Where a request comes from, as seen through trusted proxies, without a port; `unknownAddress` where that cannot be
 * told: a proxy may send what is no address, and Fastify, which promises a text, has none once the caller has reset the
 * connection, or where the server listens on a path and not on a port.
 */
export function addressOf ({ ip }: { ip: string | undefined }): string {
  return readAddress(ip) ?? unknownAddress
}

/**
 * Whom limits count a request by: its address or, where that cannot be told, that of its peer, so that not all of these
 * are one.
 */
export function countedAddress (
  request: { ip: string | undefined, socket: { remoteAddress?: string | undefined } }
): string {
  return readAddress(request.ip) ?? readAddress(request.socket.remoteAddress) ?? unknownAddress
}

const withPort = /^(?:(\d+\.\d+\.\d+\.\d+)|\[([\da-f:.]{2,45})\])(?::\d{1,5})?$/i

/**
 * The address in a node identifier (RFC 7239 §6): with or without a port, IPv6 with or without brackets. Null: there is
 * none.
 */
export function readAddress (text: string | undefined): string | null {
  if (text === undefined) return null
  const [, v4, v6] = withPort.exec(text) ?? []
  return canonicalAddress(v4 ?? v6 ?? text)
}

interface Entry { address: string, family: 'ipv4' | 'ipv6', prefix: number }

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/

/** One spelling per address: IPv4-mapped becomes IPv4, IPv6 its canonical text. Null: not an address. */
export function canonicalAddress (text: string): string | null {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return null
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  const dotted = mapped.exec(canonical)?.[1]
  return dotted ?? canonical
}

function readEntry (text: string): Entry | null {
  const [address = '', prefixText, ...rest] = text.split('/')
  if (rest.length > 0) return null
  const canonical = canonicalAddress(address)
  if (canonical === null) return null
  const written = isIPv4(address) ? 32 : 128
  const family = isIPv4(canonical) ? 'ipv4' : 'ipv6'
  const width = family === 'ipv4' ? 32 : 128
  if (prefixText === undefined) return { address: canonical, family, prefix: width }
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText)) return null
  // A range written over a mapped address counts 96 bits that its IPv4 form does not have.
  const prefix = Number(prefixText) - (written - width)
  return prefix >= 0 && prefix <= width ? { address: canonical, family, prefix } : null
}

function spell (entry: Entry): string {
  const whole = entry.family === 'ipv4' ? 32 : 128
  return entry.prefix === whole ? entry.address : `${entry.address}/${entry.prefix}`
}

/** The allowlist in canonical spelling. @throws Failure `invalid_allowlist` naming the first entry that is none. */
export function readAllowlist (entries: readonly string[], field = 'allowlist'): string[] {
  const canonical = entries.map(text => {
    const entry = readEntry(text)
    if (entry === null) {
      throw new Failure('invalid_allowlist', {
        message: `${
          JSON.stringify(text.slice(0, 64))
        } is neither an IP address nor a CIDR range; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.`,
        details: { field, entry: text.slice(0, 64) }
      })
    }
    return spell(entry)
  })
  return [...new Set(canonical)]
}

// One list per family: in a common one ::/0 would cover every IPv4 address in its mapped form.
interface Compiled { ipv4: BlockList, ipv6: BlockList }

// Keyed by the list itself: a stored list is never changed in place, so what was compiled from it stays true.
const compiled = new WeakMap<readonly string[], Compiled>()

function compile (entries: readonly string[]): Compiled {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const text of entries) {
    const entry = readEntry(text)
    if (entry !== null) lists[entry.family].addSubnet(entry.address, entry.prefix, entry.family)
  }
  compiled.set(entries, lists)
  return lists
}

/**
 * Whether an address is in one of these ranges. Null: that cannot be told, because what is given is no address,
 * `unknownAddress` say, or nothing.
 */
export function isWithin (address: string | null | undefined, ranges: readonly string[]): boolean | null {
  const canonical = typeof address === 'string' ? canonicalAddress(address) : null
  if (canonical === null) return null
  const lists = compiled.get(ranges) ?? compile(ranges)
  const family = isIPv4(canonical) ? 'ipv4' : 'ipv6'
  return lists[family].check(canonical, family)
}

/**
 * Whether an allowlist lets an address pass. An empty list lets everything pass; what is no address never passes
 * another.
 */
export function isAllowed (address: string | null | undefined, allowlist: readonly string[]): boolean {
  return allowlist.length === 0 || isWithin(address, allowlist) === true
}

/**
 * Whom a limit counts: an IPv4 address, or the /64 of an IPv6 one, because its owner has all of it to choose from. All
 * that are none count as one.
 */
export function addressBlock (address: string): string {
  const canonical = canonicalAddress(address)
  if (canonical === null || isIPv4(canonical)) return canonical ?? unknownAddress
  const [head = '', tail] = canonical.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  return `${groups.slice(0, 4).join(':')}::/64`
}

const families = { ipv4: { width: 32, first: '0.0.0.0' }, ipv6: { width: 128, first: '::' } } as const

/**
 * One address out of every stretch into which the ends of these ranges divide all addresses. What is no range is left
 * out.
 */
export function rangeStarts (entries: readonly string[]): string[] {
  const starts = new Set<string>([families.ipv4.first, families.ipv6.first])
  for (const text of entries) {
    const entry = readEntry(text)
    if (entry === null) continue
    const { width } = families[entry.family]
    const size = 1n << BigInt(width - entry.prefix)
    const first = numberOf(entry) / size * size
    for (const start of [first, first + size]) if (start < 1n << BigInt(width)) starts.add(textOf(start, entry.family))
  }
  return [...starts]
}

/**
 * One address out of every set of addresses that the same of these lists hold, in whatever ranges. What is no range is
 * left out.
 */
export function addressClasses (lists: readonly (readonly string[])[]): string[] {
  const classes = new Map<string, string>()
  for (const family of ['ipv4', 'ipv6'] as const) {
    const { width } = families[family]
    const ends = lists.flatMap((entries, list) => entries.flatMap(text => {
      const entry = readEntry(text)
      if (entry?.family !== family) return []
      const size = 1n << BigInt(width - entry.prefix)
      const at = numberOf(entry) / size * size
      return [{ at, list, by: 1 }, { at: at + size, list, by: -1 }]
    })).sort((one, other) => one.at < other.at ? -1 : Number(one.at > other.at))
    const depths = lists.map(() => 0)
    // A byte for each list, changed in place: there may be tens of thousands of ends.
    const holding = Buffer.alloc(lists.length)
    for (let at = 0n, i = 0; at < 1n << BigInt(width); at = ends[i]!.at) {
      for (; ends[i]?.at === at; i++) {
        const { list, by } = ends[i]!
        holding[list] = Number((depths[list]! += by) > 0)
      }
      const name = holding.toString('latin1')
      if (!classes.has(name)) classes.set(name, textOf(at, family))
      if (i === ends.length) break
    }
  }
  return [...classes.values()]
}

function numberOf ({ address, family }: Entry): bigint {
  if (family === 'ipv4') return address.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
  const [head, tail] = address.replace(/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/, asGroups).split('::')
  const [left, right] = [head, tail].map(part => part === undefined || part === '' ? [] : part.split(':')) as [
    string[], string[]
  ]
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n)
}

/** The last two groups of an IPv6 address, from the dotted spelling that they may have. */
function asGroups (dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

function textOf (number: bigint, family: Entry['family']): string {
  const [count, bits] = family === 'ipv4' ? [4, 8n] : [8, 16n]
  const parts = Array.from({ length: count }, (_, i) => (number >> BigInt(count - 1 - i) * bits) & ((1n << bits) - 1n))
  return family === 'ipv4' ? parts.join('.') : canonicalAddress(parts.map(part => part.toString(16)).join(':'))!
}

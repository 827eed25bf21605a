/** Addresses and ranges, against a second opinion: `net.BlockList`, and what ipaddr.js takes for an address. */
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { BlockList, isIPv4 } from 'node:net'
import tap from 'tap'
import {
  addressBlock, addressClasses, canonicalAddress, isAllowed, isAllowlistWithin, isWithin, readAllowlist
} from '../../src/base/ip-address.ts'

const family = (address: string) => isIPv4(address) ? 'ipv4' : 'ipv6'
const addresses = fc.oneof(fc.ipV4(), fc.ipV6())
  .map(canonicalAddress).filter(address => address !== null)
const ranges = addresses.chain(address =>
  fc.integer({ min: 0, max: isIPv4(address) ? 32 : 128 }).map(prefix => ({ address, prefix })))
/** Ranges of few addresses, so that they touch and overlap, and one address in or beside them. */
const nearby = fc.integer({ min: 0, max: 15 }).map(last => `192.0.2.${last}`)
const nearbyRanges = fc.array(fc.tuple(nearby, fc.integer({ min: 28, max: 32 })), { minLength: 1, maxLength: 6 })
  .map(list => list.map(([address, prefix]) => `${address}/${prefix}`))

tap.test('what ipaddr.js reads, and is no address here: octal, hexadecimal and short forms, zone ids', async t => {
  for (
    const text of [
      '010.0.0.1', '10.0.0.08', '0x0a.0.0.1', '10.0.0.0x1', '10.1', '10.0.1', '167772161', '0x0a000001', 'fe80::1%eth0',
      '::ffff:10.0.0.1%1', '::ffff:010.0.0.1', '::0x0a.0.0.1', '::ffff:0x0a.0.0.1'
    ]
  ) {
    t.equal(canonicalAddress(text), null, text)
    t.throws(() => readAllowlist([text]), { code: 'invalid_allowlist' }, text)
    t.throws(() => readAllowlist([`${text}/8`]), { code: 'invalid_allowlist' }, text)
    t.equal(isWithin(text, ['0.0.0.0/0', '::/0']), null, text)
  }
  const lax = ['010.0.0.1', '0x0a.0.0.1', '10.1', '10.0.1', '167772161', 'fe80::1%eth0', '::ffff:010.0.0.1']
  t.strictSame(lax.filter(text => !ipaddr.isValid(text)), [], 'else this test says nothing')
  t.ok(ipaddr.isValidCIDR('10.0.0.0/08'))
})

tap.test('a range has one prefix, a number without a zero in front, and names itself when it is none', async t => {
  for (
    const entry of [
      '10.0.0.0/08', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', '10.0.0.0/8/8', '/8', '10.0.0.0/255.0.0.0', '::/129',
      '::ffff:10.0.0.0/95', ' 10.0.0.1', '10.0.0.1 ', '[::1]', '10.0.0.1:80', '1::2::3', '12345::', ''
    ]
  ) {
    t.throws(() => readAllowlist(['192.0.2.1', entry], 'addresses'), {
      message: `${JSON.stringify(entry)} is neither an IP address nor a CIDR range; ` +
        'write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.',
      details: { field: 'addresses', entry }
    }, entry)
  }
})

tap.test('an address has one text: IPv4-mapped is IPv4, and an IPv4-compatible one is none of it', async t => {
  t.equal(canonicalAddress('::FFFF:192.0.2.1'), '192.0.2.1')
  t.equal(canonicalAddress('0:0:0:0:0:ffff:c000:201'), '192.0.2.1')
  t.equal(canonicalAddress('2001:DB8:0:0::1'), '2001:db8::1')
  t.strictSame(
    readAllowlist(['::ffff:192.0.2.0/120', '192.0.2.0/24', '2001:DB8::/32', '192.0.2.1/32']),
    ['192.0.2.0/24', '2001:db8::/32', '192.0.2.1']
  )
  // ipaddr.js takes it for ::ffff:192.0.2.1.
  const compatible = '::192.0.2.1'
  t.notOk(isAllowed(compatible, ['192.0.2.1']))
  t.ok(isAllowlistWithin([compatible], ['::c000:201']))
  t.notOk(isAllowlistWithin([compatible], ['192.0.2.1']))
  t.strictSame(addressClasses([[compatible]]), ['0.0.0.0', compatible])
  t.equal(addressBlock(compatible), '0:0:0:0::/64')
})

tap.test('an address is in a range where net.BlockList says so, however it is written', async t => {
  fc.assert(fc.property(ranges, addresses, ({ address, prefix }, asked) => {
    const list = new BlockList()
    list.addSubnet(address, prefix, family(address))
    const expected = family(asked) === family(address) && list.check(asked, family(asked))
    const entries = readAllowlist([`${address}/${prefix}`])
    return isWithin(asked, entries) === expected &&
      isWithin(asked, [`${ipaddr.parse(asDecimal(address)).toNormalizedString()}/${prefix}`]) === expected &&
      isWithin(address, entries) === true
  }))
})

/** As ipaddr.js reads all bits of it. */
function asDecimal (address: string): string {
  return address.startsWith('::') && address.includes('.') ? `0${address}` : address
}

tap.test('an allowlist is within another where each of its addresses is, in one range or in several together', async t => {
  t.ok(isAllowlistWithin(['10.0.0.0/8'], ['10.0.0.0/9', '10.128.0.0/9']), 'two halves')
  t.ok(isAllowlistWithin(['10.0.0.0/8', '2001:db8::/32'], ['0.0.0.0/0', '::/0']))
  t.notOk(isAllowlistWithin(['10.0.0.0/8'], ['10.0.0.0/9', '10.128.0.0/10']))
  t.notOk(isAllowlistWithin(['10.0.0.0/8'], ['::/0']), 'a family for itself')
  t.ok(isAllowlistWithin(['::ffff:10.0.0.0/104'], ['10.0.0.0/8']))
  t.ok(isAllowlistWithin([], []), 'from everywhere')
  t.ok(isAllowlistWithin(['10.0.0.0/8'], []))
  t.notOk(isAllowlistWithin([], ['10.0.0.0/8']))
  t.notOk(isAllowlistWithin([], ['0.0.0.0/0']))
  t.ok(isAllowlistWithin([], ['0.0.0.0/1', '128.0.0.0/1', '::/0']))
  fc.assert(fc.property(nearbyRanges, nearbyRanges, (one, other) => {
    const all = Array.from({ length: 256 }, (_, i) => `192.0.2.${i}`)
    return isAllowlistWithin(one, other) === all.every(each => !isAllowed(each, one) || isAllowed(each, other))
  }))
  fc.assert(fc.property(ranges, addresses, ({ address, prefix }, asked) =>
    isAllowlistWithin([asked], [`${address}/${prefix}`]) === isWithin(asked, [`${address}/${prefix}`])))
})

tap.test('of all addresses that the same lists hold there is one, and none of others', async t => {
  fc.assert(fc.property(fc.array(nearbyRanges, { minLength: 1, maxLength: 4 }), nearby, (lists, asked) => {
    const holding = (address: string) => lists.map(list => isAllowed(address, list)).join()
    const classes = addressClasses(lists).map(holding)
    return new Set(classes).size === classes.length && classes.includes(holding(asked))
  }))
  fc.assert(fc.property(fc.array(ranges, { minLength: 1, maxLength: 4 }), addresses, (list, asked) => {
    const lists = list.map(({ address, prefix }) => [`${address}/${prefix}`])
    const holding = (address: string) => lists.map(each => isAllowed(address, each)).join()
    const classes = addressClasses(lists).map(holding)
    return new Set(classes).size === classes.length && classes.includes(holding(asked))
  }))
})

/** A credential bound to the IPv6 addresses below the IPv4-mapped ones could make one that works from all of IPv6. */
import tap from 'tap'
import { addressClasses, isAllowed, isAllowlistWithin } from '../../src/base/ip-address.ts'

/** All addresses below ::ffff:0:0, where the IPv4-mapped ones begin, which are IPv4 addresses here. */
const before = [
  '::/81',
  ...Array.from({ length: 15 }, (_, i) => `::${(0x1_0000 - (1 << (15 - i))).toString(16)}:0:0/${82 + i}`)
]

tap.test('Y2: an allowlist of all IPv6 addresses is within none that ends before the IPv4-mapped ones', async t => {
  t.ok(isAllowed('::fffe:ffff:ffff', before))
  t.notOk(isAllowed('::1:0:0:0', before))
  t.notOk(isAllowlistWithin(['::/0'], before))
  t.notOk(isAllowlistWithin(['::/0'], [...before, '0.0.0.0/0']))
  t.ok(isAllowlistWithin(['::/80'], before))
})

tap.test('policies: the addresses behind the IPv4-mapped ones are a class of their own', async t => {
  const lists = [[...before, '0.0.0.0/0']]
  t.strictSame(new Set(addressClasses(lists).map(address => isAllowed(address, lists[0]!))), new Set([true, false]))
})

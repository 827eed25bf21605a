/** The lease rules, one by one, and together in simulated worlds with every kind of failure. */
import tap from 'tap'
import { rules, simulate } from '../../simulation/simulation.ts'
import { wrong } from '../../simulation/wrong.ts'
import { isTrusted, never, trustedUntil } from '../../../src/base/trust.ts'
import { isVisible, mayAcknowledge, mayEvict } from '../../../src/storage/replication/lease.ts'

tap.test('a cache is unusable when either clock has passed the lease, less the margin, since the poll was sent', async t => {
  const until = trustedUntil({ monotonic: 1_000, wall: 50_000 }, 2_000)
  t.equal(isTrusted(until, 2_899, 51_899), true)
  t.equal(isTrusted(until, 2_900, 51_000), false)
  t.equal(isTrusted(until, 2_000, 51_900), false, 'the machine slept')
  t.equal(isTrusted(until, 2_000, 40_000), true, 'the clock on the wall was set back')
  t.equal(isTrusted(never, 0, 0), false)
})

tap.test('a transaction is visible in a snapshot if it had committed, whatever its number', async t => {
  const seen = (...xids: number[]) => xids.map(xid => isVisible(BigInt(xid), '10:20:10,12,19'))
  t.strictSame(seen(9, 11, 13, 18), [true, true, true, true])
  t.strictSame(seen(10, 12, 19), [false, false, false], 'under way')
  t.strictSame(seen(20, 21), [false, false], 'not begun')
  t.strictSame([isVisible(9n, '10:10:'), isVisible(10n, '10:10:')], [true, false])
  t.equal(
    isVisible(9_000_000_000_000_000_001n, '9000000000000000001:9000000000000000003:9000000000000000001'), false,
    'beyond what a double holds'
  )
})

tap.test('a change is acknowledged when all servers have applied it, or after a whole lease', async t => {
  t.equal(mayAcknowledge(0, 1_000, 1_000, 2_000), true)
  t.equal(mayAcknowledge(1, 1_000, 2_999, 2_000), false)
  t.equal(mayAcknowledge(1, 1_000, 3_000, 2_000), true)
  t.equal(mayAcknowledge(Infinity, 1_000, 2_999, 2_000), false, 'who there is is not known')
  t.equal(mayEvict(1_000, 2_999, 2_000), false)
  t.equal(mayEvict(1_000, 3_000, 2_000), true)
})

const world = (seed: number, servers: number, changes = 200, guards = 0) => ({
  seed, servers, changes, guards, lease: 2_000
})

tap.test('in 25 worlds nothing passes that an acknowledged change refused, and none is held up for longer than a lease', async t => {
  let acknowledged = 0
  let trusted = 0
  for (let seed = 1; seed <= 25; seed++) {
    const outcome = simulate(seed === 25 ? world(seed, 200, 20) : world(seed, 2 + seed % 11))
    t.equal(outcome.violation, null, `world ${seed}`)
    acknowledged += outcome.acknowledged
    trusted += outcome.trusted
  }
  t.ok(acknowledged > 2_000 && trusted > 50_000, `${acknowledged} changes, ${trusted} looks into memory`)
})

tap.test('in 25 worlds no guard lets pass what an acknowledged change refused', async t => {
  for (let seed = 1; seed <= 25; seed++) {
    const outcome = simulate(world(seed, 2 + seed % 8, 100, 2))
    t.equal(outcome.violation, null, `world ${seed}`)
    t.ok(outcome.guardsTrusted > 0, 'guards answer from memory')
  }
})

for (const [name, { rules: broken, world: { seed, servers, guards = 0 } }] of Object.entries(wrong)) {
  tap.test(`a wrong rule is found out: ${name}`, async t => {
    t.match(simulate(world(seed, servers, 200, guards), { ...rules, ...broken }).violation, /answers from version/)
    t.equal(simulate(world(seed, servers, 200, guards)).violation, null, 'the right one does no harm in the same world')
  })
}

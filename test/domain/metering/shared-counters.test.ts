/** Counters that several servers share: what each lets through, and what it learns of the others. */
import fc from 'fast-check'
import t from 'tap'
import { rateLimiter } from '../../../src/domain/metering/rate-limiter.ts'
import {
  sharedCounters, unshared, type Peers, type SharedCounters
} from '../../../src/domain/metering/shared-counters.ts'
import { windowLimiter } from '../../../src/domain/metering/window-limiter.ts'
import { clockAt, noon } from '../../support/metering.ts'

/** Servers that broadcast to each other; the test decides when messages are delivered. */
function network (longest = 7_500) {
  const ears: ((news: string) => void)[] = []
  const underWay: { from: number, news: string }[] = []
  const peers = (): Peers => {
    const self = ears.push(() => {}) - 1
    return {
      longest,
      broadcast: async news => { underWay.push({ from: self, news }) },
      onBroadcast: ear => { ears[self] = ear },
    }
  }
  const deliver = async (servers: SharedCounters[]) => {
    for (const server of servers) await server.stop()
    for (const { from, news } of underWay.splice(0)) ears.forEach((ear, i) => { if (i !== from) ear(news) })
  }
  return { peers, deliver, ears, underWay }
}

function severalServers (n: number) {
  const clock = clockAt(noon)
  const { peers, deliver } = network()
  const counts = Array.from({ length: n }, () => sharedCounters(peers(), clock.now))
  const limiters = counts.map(each => rateLimiter(each.of('calls'), { shareAdded: each.of('calls at guards') }))
  return { clock, counts, limiters, exchange: () => deliver(counts) }
}

t.test('CD-10: what is counted for very many keys is told at once, all of it', async t => {
  const { peers, underWay } = network()
  const counts = sharedCounters(peers(), clockAt(noon).now)
  const count = counts.of('calls')!(() => {})
  for (let key = 0; key < 25_000; key++) {
    count(`key_${key}`, 1)
    if (key % 100 === 0) await new Promise(setImmediate)
  }
  t.ok(underWay.length > 0, 'before half a second has passed')
  await counts.stop()
  t.equal(underWay.flatMap(({ news }) => JSON.parse(news) as unknown[]).length, 25_000)
})

t.test('CD-10: what one server let through leaves no room on another, once it has heard of it', async t => {
  const { clock, limiters: [one, other], exchange } = severalServers(2)
  for (let i = 0; i < 3; i++) t.equal(one!.take('key_a', 4, clock.now()).waitSeconds, null)
  await exchange()
  t.match(other!.take('key_a', 4, clock.now()), { waitSeconds: null, state: { remaining: 0 } })
  t.match(other!.take('key_a', 4, clock.now()), { waitSeconds: 15 })
  await exchange()
  t.match(one!.take('key_a', 4, clock.now()), { waitSeconds: 15, state: { remaining: 0, resetSeconds: 15 } })
  t.equal(one!.take('key_b', 4, clock.now()).waitSeconds, null, 'another key has its own')
})

t.test('false reports fill no bucket further than to twice its capacity, on whichever server', async t => {
  const { clock, limiters: [one, other], exchange } = severalServers(2)
  for (let i = 0; i < 50; i++) {
    one!.add('key_a', 10, 100_000_000, clock.now())
    await exchange()
  }
  t.equal(one!.take('key_a', 10, clock.now()).waitSeconds, 66)
  t.equal(other!.take('key_a', 10, clock.now()).waitSeconds, 66, 'a minute, and until one call has room')
})

t.test('CD-10: what several servers let through at once is owed: in the long run the rate of all is the rate of one', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 50, maxLength: 200 }),
      async (servers, perMinute, choices) => {
        const { clock, limiters, exchange } = severalServers(servers)
        let passed = 0
        for (const choice of choices) {
          for (let i = 0; i < 8; i++) {
            if (limiters[choice % servers]!.take('key_a', perMinute, clock.now()).waitSeconds === null) passed++
          }
          await exchange()
          clock.advance(0.5)
        }
        // A full bucket at each, and the drain since.
        const most = servers * perMinute + choices.length * 0.5 * perMinute / 60
        if (passed > most) return false
        // However many passed, a caller that waits as told gets through.
        const { waitSeconds } = limiters[0]!.take('key_a', perMinute, clock.now())
        clock.advance(waitSeconds ?? 0)
        return waitSeconds === null || limiters[0]!.take('key_a', perMinute, clock.now()).waitSeconds === null
      }
    ),
    { numRuns: 40 }
  )
  const { clock, limiters, exchange } = severalServers(4)
  let passed = 0
  for (let second = 0; second < 1_200; second++) {
    for (const limiter of limiters) if (limiter.take('key_a', 60, clock.now()).waitSeconds === null) passed++
    await exchange()
    clock.advance(1)
  }
  t.ok(passed <= 1_200 + 60 + 4, `${passed} calls in twenty minutes of sixty each`)
  t.ok(passed >= 1_200, `${passed}`)
})

t.test('CD-10: what was given back on one server is room on another', async t => {
  const { clock, limiters: [one, other], exchange } = severalServers(2)
  one!.take('key_a', 1, clock.now())
  await exchange()
  t.not(other!.take('key_a', 1, clock.now()).waitSeconds, null)
  one!.giveBack('key_a')
  await exchange()
  t.equal(other!.take('key_a', 1, clock.now()).waitSeconds, null)
})

t.test('Y4: what was heard long ago has leaked, also where nobody asked meanwhile', async t => {
  const { clock, limiters: [one, other], exchange } = severalServers(2)
  for (let hour = 0; hour < 5; hour++) {
    for (let i = 0; i < 10; i++) one!.take('key_a', 10, clock.now())
    await exchange()
    clock.advance(3_600)
  }
  t.match(other!.take('key_a', 10, clock.now()), { waitSeconds: null, state: { remaining: 9 } })
})

t.test('N3: failures on one server count on every other', async t => {
  const clock = clockAt(noon)
  const { peers, deliver } = network()
  const counts = [sharedCounters(peers(), clock.now), sharedCounters(peers(), clock.now)]
  const [one, other] = counts.map(each => windowLimiter({ max: 30, windowSeconds: 60 }, clock.now, each.of('failures')))
  for (let i = 0; i < 30; i++) (i % 2 === 0 ? one! : other!).count('cli_a 127.0.0.1')
  t.equal(one!.exhausted('cli_a 127.0.0.1'), null)
  await deliver(counts)
  t.equal(one!.exhausted('cli_a 127.0.0.1'), 60)
  t.equal(other!.exhausted('cli_a 127.0.0.1'), 60)
  t.equal(other!.exhausted('cli_b 127.0.0.1'), null)
  clock.advance(60)
  t.equal(other!.exhausted('cli_a 127.0.0.1'), null)
})

t.test('N3: a window ends on all servers at the same time, also on one that started in the middle of it', async t => {
  const clock = clockAt(noon)
  const { peers, deliver } = network()
  const counts = Array.from({ length: 3 }, () => sharedCounters(peers(), clock.now))
  const start = (i: number) => windowLimiter({ max: 30, windowSeconds: 60 }, clock.now, counts[i]!.of('failures'))
  const servers = counts.map((_, i) => start(i))
  const passed: number[] = []
  // Tries one server every 20 seconds, as often as it allows.
  for (let turn = 0; turn < 12; turn++) {
    if (turn === 1 || turn === 2) servers[turn] = start(turn)
    let tries = 0
    for (; servers[turn % 3]!.exhausted('cli_a') === null; tries++) servers[turn % 3]!.count('cli_a')
    passed.push(tries)
    await deliver(counts)
    clock.advance(20)
  }
  t.strictSame(
    passed, [30, 30, 30, 0, 0, 30, 0, 0, 30, 0, 0, 30],
    'a server that starts has not heard of it; from then on as on one server'
  )
})

t.test('N3: the end of a window that another clock told makes none longer than it is to be', async t => {
  const { peers, ears } = network()
  const clock = clockAt(noon)
  const counts = sharedCounters(peers(), clock.now)
  const counter = windowLimiter({ max: 1, windowSeconds: 60 }, clock.now, counts.of('failures'))
  const told = (key: string, seconds: number) => {
    ears[0]!(JSON.stringify([['failures', `${noon.getTime() + seconds * 1_000} ${key}`, 1]]))
  }
  for (const [key, seconds] of [['ahead', 600], ['over', -5], ['shorter', 20]] as const) told(key, seconds)
  t.strictSame(['ahead', 'over', 'shorter'].map(key => counter.exhausted(key)), [60, 60, 20])
  told('shorter', 40)
  told('shorter', 10)
  t.equal(counter.exhausted('shorter'), 40)
})

t.test('N3: much news goes in pieces of the length that can be told, and nothing is lost of it', async t => {
  const clock = clockAt(noon)
  const { peers, deliver, underWay } = network(200)
  const counts = [sharedCounters(peers(), clock.now), sharedCounters(peers(), clock.now)]
  const [one, other] = counts.map(each => windowLimiter({ max: 1, windowSeconds: 60 }, clock.now, each.of('failures')))
  const keys = Array.from({ length: 100 }, (_, i) => `cli_ü${i}`)
  for (const key of [...keys, 'x'.repeat(300)]) one!.count(key)
  await counts[0]!.stop()
  t.ok(underWay.length > 10 && underWay.every(({ news }) => Buffer.byteLength(news) <= 200))
  await deliver(counts)
  t.ok(keys.every(key => other!.exhausted(key) !== null))
})

t.test('N3: what is no news of ours changes nothing, and servers that cannot be told stop nobody', async t => {
  const { peers, ears } = network()
  const counts = sharedCounters({ ...peers(), broadcast: async () => { throw new Error('gone') } }, () => noon)
  const counter = windowLimiter({ max: 1, windowSeconds: 60 }, () => noon, counts.of('failures'))
  for (
    const news of [
      '', 'null', '{}', '[1]', '[["failures","a"]]', '[["failures","a",1.5]]', '[["failures",{},1]]',
      '[["other","a",1]]', '[['
    ]
  ) ears[0]!(news)
  t.equal(counter.exhausted('a'), null)
  counter.count('b')
  await counts.stop()
  t.equal(unshared.of('failures'), undefined)
})

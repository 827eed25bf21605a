/** The leaky bucket of the rate limits, and the headers that report it. */
import fc from 'fast-check'
import t from 'tap'
import { rateLimiter } from '../../../src/domain/metering/rate-limiter.ts'
import { rateLimitHeaders } from '../../../src/http/rate-limit-headers.ts'
import { clockAt, noon } from '../../support/metering.ts'

t.test('CD-10: a bucket lets its quota through at once, then one for each interval, and says how long to wait', async t => {
  const clock = clockAt(noon)
  const limiter = rateLimiter()
  const take = () => limiter.take('key_a', 4, clock.now())
  for (const remaining of [3, 2, 1]) t.equal(take().state.remaining, remaining)
  t.strictSame(take(), {
    waitSeconds: null, state: { policy: 'minute', quota: 4, windowSeconds: 60, remaining: 0, resetSeconds: 15 }
  })
  t.strictSame(take(), {
    waitSeconds: 15, state: { policy: 'minute', quota: 4, windowSeconds: 60, remaining: 0, resetSeconds: 15 }
  })
  clock.advance(14.999)
  t.equal(take().waitSeconds, 1)
  clock.advance(0.001)
  t.equal(take().waitSeconds, null)
  t.equal(take().waitSeconds, 15)
  clock.advance(60)
  t.equal(take().state.remaining, 3, 'after a minute the bucket is full again')
})

t.test('CD-10: calls that are judged in another order than they began let no more through', async t => {
  const limiter = rateLimiter()
  const at = (ms: number) => limiter.take('key_a', 60, new Date(noon.getTime() + ms)).waitSeconds
  for (let i = 0; i < 60; i++) t.equal(at(0), null)
  // After half a second there is no room yet; each step back and forth must not count as another half second.
  for (let i = 0; i < 10; i++) t.strictSame([at(500), at(0)], [1, 1])
  t.equal(at(1_000), null)
})

t.test('CD-10: who waits as long as it was told is let through, whatever the quota', async t => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 59_999 }), (perMinute, ms) => {
    const clock = clockAt(noon)
    clock.advance(ms / 1_000)
    const limiter = rateLimiter()
    let passed = 0
    while (limiter.take('k', perMinute, clock.now()).waitSeconds === null) passed++
    const { waitSeconds } = limiter.take('k', perMinute, clock.now())
    clock.advance(waitSeconds!)
    return passed === perMinute && waitSeconds! >= 1 && limiter.take('k', perMinute, clock.now()).waitSeconds === null
  }), { numRuns: 60 })
  t.pass()
})

t.test('N3: one key\'s bucket does not touch another\'s', async t => {
  const limiter = rateLimiter()
  for (let i = 0; i < 50; i++) limiter.take('key_a', 1, noon)
  t.equal(limiter.take('key_b', 1, noon).waitSeconds, null)
})

t.test('Y4: a clock that steps back locks nobody out for longer than a minute', async t => {
  const limiter = rateLimiter()
  const hourBefore = new Date(noon.getTime() - 3_600_000)
  t.equal(limiter.take('key_a', 1, noon).waitSeconds, null)
  t.equal(limiter.take('key_a', 1, hourBefore).waitSeconds, 60)
  t.equal(
    limiter.take('key_a', 1, new Date(hourBefore.getTime() + 59_999)).waitSeconds, 1,
    'not before a minute has gone by on the new clock'
  )
  t.equal(limiter.take('key_a', 1, new Date(hourBefore.getTime() + 60_000)).waitSeconds, null)
})

t.test('CD-10: what was given back can be taken again, and no more than that', async t => {
  const limiter = rateLimiter()
  limiter.take('key_a', 2, noon)
  limiter.take('key_a', 2, noon)
  limiter.giveBack('key_a')
  t.equal(limiter.take('key_a', 2, noon).waitSeconds, null)
  t.equal(limiter.take('key_a', 2, noon).waitSeconds, 30)
  limiter.giveBack('key_unknown')
})

t.test('N3: memory is bounded; a bucket that is forgotten is a full one', async t => {
  const limiter = rateLimiter(undefined, { buckets: 2 })
  for (const id of ['key_a', 'key_b', 'key_c']) t.equal(limiter.take(id, 1, noon).waitSeconds, null)
  t.equal(limiter.take('key_a', 1, noon).waitSeconds, null)
  t.equal(limiter.take('key_c', 1, noon).waitSeconds, 60)
})

t.test('CD-10: of a hundred thousand keys in use none begins anew because of the others', async t => {
  const limiter = rateLimiter()
  const letThrough = () => {
    let passed = 0
    for (let i = 0; i < 100_000; i++) if (limiter.take(`key_${i}`, 1, noon).waitSeconds === null) passed++
    return passed
  }
  t.equal(letThrough(), 100_000)
  t.equal(letThrough(), 0)
})

t.test('CD-10: the header fields are Lists of Strings with Parameters, one member for each limit', async t => {
  t.strictSame(rateLimitHeaders([]), {})
  t.strictSame(rateLimitHeaders([
    { policy: 'minute', quota: 100, windowSeconds: 60, remaining: 99, resetSeconds: 1 },
    { policy: 'month', quota: 10_000, windowSeconds: 2_678_400, remaining: 0, resetSeconds: 1_425_600 },
    { policy: 'credits', quota: 50, windowSeconds: 2_678_400, remaining: 47, resetSeconds: 1_425_600 },
  ]), {
    'ratelimit-policy': '"minute";q=100;w=60, "month";q=10000;w=2678400, "credits";q=50;w=2678400;qu="credits"',
    ratelimit: '"minute";r=99;t=1, "month";r=0;t=1425600, "credits";r=47;t=1425600',
  })
})

t.test('calls that were admitted elsewhere are owed, for a minute at most', async t => {
  const limiter = rateLimiter()
  const at = (seconds: number): Date => new Date(1_000_000 + seconds * 1_000)
  limiter.add('key', 10, 5, at(0))
  t.equal(limiter.take('key', 10, at(0)).state.remaining, 4, 'they count like its own')
  limiter.add('key', 10, 100_000_000, at(0))
  t.equal(limiter.take('key', 10, at(0)).waitSeconds, 66, 'two minutes are the most that a bucket holds')
  t.equal(limiter.take('key', 10, at(66)).waitSeconds, null)
})

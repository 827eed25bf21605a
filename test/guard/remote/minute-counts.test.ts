/** Counts of a guard and of its server, with answers that are lost, late and repeated: each call is counted once. */
import fc from 'fast-check'
import tap from 'tap'
import { rateLimiter } from '../../../src/domain/metering/rate-limiter.ts'
import { CountFollowers, ToldCounts, type Told } from '../../../src/domain/metering/told-counts.ts'
import { MinuteCounts, type Limited } from '../../../src/guard/remote/minute-counts.ts'
import { noon } from '../../support/metering.ts'

const callsPerMinute = 1_000_000
const consumer = { chainId: 'chain', organizationId: 'org', environment: 'live', callsPerMinute }
const limited = { consumer, organization: { callsPerMinute: null } } as unknown as Limited

/** A server's bucket, and a guard that follows it. */
function world () {
  const followers = new CountFollowers()
  const rates = rateLimiter(undefined, { onCounted: (holder, n, by) => { followers.count(holder, n, by) } })
  const counts = new MinuteCounts(() => noon)
  const look = (told: ToldCounts) =>
    ({ chain: told.follow(followers, 'chain', () => rates.held('chain', callsPerMinute, noon)) })
  const count = (calls: number, by: ToldCounts | null) => { rates.add('chain', callsPerMinute, calls, noon, by) }
  const take = (): number => {
    const taken = { limits: [], giveBacks: [] }
    counts.take(limited, noon, taken)
    return callsPerMinute - (taken.limits[0] as unknown as { remaining: number }).remaining
  }
  return { rates, counts, look, count, take }
}

tap.test('whichever answers are lost, late or repeated, a guard owes each call of others once, and none of its own', async t => {
  const act = fc.constantFrom('elsewhere', 'given back', 'own', 'report', 'ask', 'arrive', 'again', 'look', 'reopen')
  fc.assert(fc.property(fc.array(act, { maxLength: 200 }), fc.infiniteStream(fc.nat()), (acts, numbers) => {
    const { rates, counts, look, count, take } = world()
    let told = new ToldCounts()
    counts.found(limited, look(told))
    let [counted, waiting, elsewhere, own] = [0, 0, 0, 0]
    let answers: Told[] = []
    const hear = (answer: Told): void => {
      counts.hear(answer.elsewhere)
      counted = answer.counted
    }
    for (const each of acts) {
      const n = numbers.next().value % 20
      const late = answers[n % Math.max(1, answers.length)]
      if (each === 'elsewhere') { count(n, null); elsewhere += n }
      if (each === 'given back' && elsewhere > 0) { rates.giveBack('chain'); count(1, null) }
      if (each === 'own') { take(); waiting++; own++ }
      if (each === 'report') { count(waiting, told); waiting = 0 }
      if (each === 'ask') {
        told.confirm(counted)
        const answer = told.tell()
        if (answer !== null) answers.push(answer)
      }
      if (each === 'arrive' && late !== undefined) hear(late)
      if (each === 'again' && answers.length > 0) hear(answers.at(-1)!)
      if (each === 'look') counts.found(limited, look(told))
      if (each === 'reopen') {
        // What it has reported is the server's to tell.
        count(waiting, told)
        told.end()
        ;[told, counted, waiting, answers] = [new ToldCounts(), 0, 0, []]
        elsewhere += own
        own = 0
        counts.clear()
        counts.found(limited, look(told))
      }
    }
    // One answer that arrives brings all that was missed.
    told.confirm(counted)
    const last = told.tell()
    if (last !== null) hear(last)
    return take() === elsewhere + own + 1
  }), { numRuns: 300 })
})

tap.test('what is not confirmed is told again, in parts of a bounded size, until all of it was told', async t => {
  const followers = new CountFollowers()
  const told = new ToldCounts()
  for (let i = 0; i < 12_000; i++) {
    told.follow(followers, `key_${i}`, () => 0)
    followers.count(`key_${i}`, 1, null)
  }
  const first = told.tell()!
  t.strictSame(told.tell()!.elsewhere, first.elsewhere)
  const heard = new Map<string, number>()
  for (let answer = told.tell(); answer !== null; answer = told.tell()) {
    t.ok(Object.keys(answer.elsewhere).length <= 5_000)
    for (const [holder, total] of Object.entries(answer.elsewhere)) heard.set(holder, total)
    told.confirm(answer.counted)
  }
  t.strictSame([...heard], Array.from({ length: 12_000 }, (_, i) => [`key_${i}`, 1]))
})

tap.test('a guard whose session has ended is told of nothing, and kept nowhere', async t => {
  const followers = new CountFollowers()
  const told = new ToldCounts()
  t.equal(told.follow(followers, 'chain', () => 7), 7)
  told.end()
  followers.count('chain', 1, null)
  t.equal(told.tell(), null)
  t.equal(told.follow(followers, 'chain', () => 7), 0)
  t.strictSame([...told.holders], [])
})

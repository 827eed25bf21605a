/** What a remote guard tells of its contact with its server, and how often it asks a server that refuses it. */
import tap from 'tap'
import { clockProblem, Contact, pauseAfter } from '../../../src/guard/remote/contact.ts'
import { updateResource } from '../../../src/domain/declaration/resource-change.ts'
import { hostResourceId } from '../../../src/domain/resources/resource.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'
import { until } from '../../support/waiting.ts'

const isOpening = (path: string): boolean => path.endsWith('/guard/sessions')

tap.test('a guard tells a problem once until it changes, and once that it follows its server again', async t => {
  let status: number | null = null
  let attempts = 0
  const told: string[] = []
  await startGuarded(t, {
    onError: error => { told.push((error as Error).message) }, onRecovery: () => { told.push('recovered') }
  }, {
    replace: path => {
      if (status === null || path.endsWith('/usage')) return null
      if (isOpening(path)) attempts++
      return { status, body: '{"error":"no"}' }
    }
  })
  t.strictSame(told, [])
  status = 500
  await until('a session was asked for several times', () => attempts > 5)
  t.strictSame(told, [
    'The authorization server answered a poll with 500 no',
    'The authorization server opened no session of this guard: 500 no'
  ])
  status = 502
  await until('another problem', () => told.length > 2)
  status = null
  await until('the guard has recovered', () => told.includes('recovered'))
  t.strictSame(told.slice(2), ['The authorization server opened no session of this guard: 502 no', 'recovered'])
})

tap.test('without listeners a problem and its end are warnings of the process', async t => {
  const warnings: string[] = []
  const onWarning = ({ message }: Error) => { if (message.includes('authorization server')) warnings.push(message) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  let status: number | null = null
  await startGuarded(t, { onError: undefined } as object, {
    replace: path => status !== null && isOpening(path)
      ? { status, body: '{}' }
      : status !== null && path.endsWith('/poll') ? { status: 404, body: '{}' } : null
  })
  status = 503
  await until('a warning', () => warnings.length > 0)
  status = null
  await until('another one', () => warnings.length > 1)
  t.strictSame(warnings, [
    'The authorization server opened no session of this guard: 503 ',
    'The guard follows its authorization server again.'
  ])
})

for (const status of [401, 403]) {
  tap.test(`a guard that is refused with ${status} asks nothing for its requests, and recovers by itself`, async t => {
    let isRefused = false
    const asked: string[] = []
    const { guard, get, key } = await startGuarded(t, {}, {
      replace: path => {
        if (!isRefused) return null
        asked.push(path)
        return { status, body: '{}' }
      }
    })
    const known = (await key()).key
    t.equal((await get({ 'x-api-key': known })).status, 200)
    isRefused = true
    await until('an attempt to open a session was refused', () => asked.some(isOpening))
    const before = asked.filter(path => !isOpening(path)).length
    for (let i = 0; i < 30; i++) t.equal((await get({ 'x-api-key': i % 2 === 0 ? known : `lb_live_${i}` })).status, 503)
    t.equal(asked.filter(path => !isOpening(path)).length, before, 'neither a look-up nor verify was asked')
    isRefused = false
    await until('the guard is trusted again', () => guard.isTrusted)
    t.equal((await get({ 'x-api-key': known })).status, 200)
  })
}

tap.test('a refused look-up stands for the guard until the next poll is answered', async t => {
  const release = Promise.withResolvers<void>()
  let isHeld = true
  let isRefused = false
  const asked: string[] = []
  const { get, key } = await startGuarded(t, {}, {
    replace: path => {
      if (!isRefused || (!path.endsWith('/lookup') && !path.endsWith('/verify'))) return null
      asked.push(path)
      return { status: 401, body: '{}' }
    },
    hold: path => isHeld && isRefused && path.endsWith('/poll') ? release.promise : null
  })
  const { key: text } = await key()
  isRefused = true
  for (let i = 0; i < 5; i++) t.equal((await get({ 'x-api-key': text })).status, 503)
  t.ok(asked.length <= 2, 'the first request asked; the others did not, unless a poll was answered in between')
  isRefused = false
  isHeld = false
  release.resolve()
  await until('requests are decided again', async () => (await get({ 'x-api-key': text })).status === 200)
})

tap.test('a guard whose client was revoked costs its server no failed authentication per request', async t => {
  const { server, client, get, passed } = await startGuarded(t)
  t.equal((await server.admin('POST', `/clients/${client.clientId}/revoke`)).status, 200)
  await until('an attempt to open a session was refused', () =>
    passed.some(({ path, status }) => isOpening(path) && status === 401))
  const refused = (): number => passed.filter(({ status }) => status === 401).length
  const before = refused()
  for (let i = 0; i < 50; i++) t.equal((await get({ 'x-api-key': `lb_live_${i}` })).status, 503)
  t.ok(refused() <= before + 10, 'attempts to open a session alone')
  t.strictSame(passed.filter(({ path }) => path.endsWith('/verify')), [])
})

tap.test('the pause after a failure is 2 s at most, after a refusal it grows from 1 s to 30 s', async t => {
  const longest = (failures: number, refusals: number): number =>
    Math.max(...Array.from({ length: 300 }, () => pauseAfter(failures, refusals)))
  const shortest = (failures: number, refusals: number): number =>
    Math.min(...Array.from({ length: 300 }, () => pauseAfter(failures, refusals)))
  t.equal(pauseAfter(0, 0), 0)
  t.ok(longest(1, 0) <= 100)
  t.ok(longest(50, 0) <= 2_000)
  for (const [refusals, most] of [[1, 1_000], [2, 2_000], [4, 8_000], [6, 30_000], [2_000, 30_000]] as const) {
    t.ok(shortest(refusals, refusals) >= most / 2 && longest(refusals, refusals) <= most, `${refusals} refusals`)
    t.not(pauseAfter(refusals, refusals), pauseAfter(refusals, refusals), 'not the same for all guards')
  }
})

tap.test('a guard whose clock is an hour behind says so once, over several sessions', async t => {
  const told: string[] = []
  const { server, guard, passed } = await startGuarded(t, {
    clock: () => new Date(Date.now() - 3_600_000), onError: error => { told.push((error as Error).message) }
  })
  const openings = () => passed.filter(({ path, status }) => isOpening(path) && status === 201).length
  const before = openings()
  await updateResource(server.latchkey.operation, hostResourceId, { mostCredits: 3 })
  await until('another session is open', () => openings() > before && guard.isTrusted)
  t.equal(told.length, 1)
  // By how much: a slow answer is told as less.
  t.match(told, [/^The clock of this guard is 3[5-6]\d\d s behind that of its authorization server: good tokens are /])
})

tap.test('the clocks of guard and server differ if no moment of the request explains the Date of its answer', async t => {
  const at = (second: number, millisecond = 0): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second, millisecond))
  const date = at(0).toUTCString()
  const problem = (asked: Date, answered: Date) => clockProblem(date, asked, answered)
  t.equal(problem(at(0), at(0)), null)
  t.equal(problem(at(-300), at(300)), null, 'an answer that took long')
  t.equal(problem(at(-20), at(-15)), null)
  t.match(problem(at(-20), at(-16)), /is 16 s behind/)
  t.equal(problem(at(16, 999), at(20)), null)
  t.match(problem(at(17), at(20)), /is 16 s ahead of/)
  for (const none of [null, '', 'yesterday']) t.equal(clockProblem(none, at(0), at(0)), null)
})

tap.test('failures of requests are told once a minute, and not at all while the server is not followed', async t => {
  const told: unknown[] = []
  const contact = new Contact({ onError: error => { told.push(error) }, onRecovery: () => { told.push('recovered') } })
  contact.followed()
  contact.failed(new Error('one'))
  contact.failed(new Error('another'))
  contact.lost(new Error('gone'))
  contact.lost(new Error('gone'))
  contact.failed(new Error('a third'))
  contact.followed()
  contact.followed()
  contact.lost(new Error('gone'))
  t.strictSame(told.map(String), ['Error: one', 'Error: gone', 'recovered', 'Error: gone'])
})

/** Connections that a server or a proxy closes while a guard keeps them: what is asked again, and what never is. */
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { startGuarded, type Question } from '../../support/guarded-node-api.ts'
import { until } from '../../support/waiting.ts'

/** The next request to such a path loses its connection: one that was kept, and with a key where `byKey`. */
let losing: { path: string, what: 'question' | 'answer', byKey?: boolean } | null = null

const isLosing = (): boolean => losing !== null

const lose = ({ path, isKept, key }: Question): 'question' | 'answer' | null => {
  if (losing === null || !isKept || !path.endsWith(losing.path)) return null
  const { what, byKey = false } = losing
  if (byKey && key === null) return null
  losing = null
  return what
}

/** Polls are held for five seconds: no other request keeps a connection from being idle. */
const start = (t: Test) => startGuarded(
  t, { onError: error => { t.comment(String(error)) } }, { lose }, { environment: { LATCHKEY_REPLICA_LEASE: '40000' } }
)

/** A key that asks each time, with which the API was called twice. */
async function startAsking (t: Test) {
  const started = await start(t)
  const { id, key: text } = await started.key({ callsPerMonth: 100 })
  const headers = { 'x-api-key': text }
  for (let i = 0; i < 2; i++) t.equal((await started.get(headers)).status, 200)
  const calls = async (): Promise<number> => {
    await started.server.latchkey.meter.flush()
    return (await started.server.admin('GET', `/api-keys/${id}/usage`)).json.calls
  }
  const questions = () => started.passed.filter(({ path }) => path.endsWith('/verify'))
  return { ...started, headers, calls, questions }
}

tap.test('a look-up is asked again on another connection', async t => {
  const { get, key, passed } = await start(t)
  const lookUps = () => passed.filter(({ path }) => path.endsWith('/lookup')).length
  const ask = async () => {
    const { key: text } = await key()
    t.equal((await get({ 'x-api-key': text })).status, 200)
  }
  await ask()
  for (const what of ['question', 'answer'] as const) {
    losing = { path: '/lookup', what }
    const before = lookUps()
    let asked = 0
    // A report of usage may have taken the connection that was kept.
    for (; isLosing(); asked++) await ask()
    t.equal(lookUps() - before, what === 'answer' ? asked + 1 : asked, what)
  }
})

for (const what of ['question', 'answer'] as const) {
  tap.test(`a call that counts is asked again where its connection was idle, and counted once: lost ${what}`, async t => {
    const { get, headers, calls, questions } = await startAsking(t)
    let asked = questions().length
    t.equal(await calls(), asked)
    losing = { path: '/verify', what, byKey: true }
    for (; isLosing(); asked++) {
      // What makes a connection idle is the time alone; a poll may have had it meanwhile.
      await sleep(1_100)
      t.equal((await get(headers)).status, 200)
    }
    t.equal(await calls(), asked)
    const keys = questions().slice(asked - 1).map(({ key }) => key)
    t.equal(keys.length, what === 'answer' ? 2 : 1)
    t.ok(keys.every(key => key !== null && key === keys[0]))
  })
}

tap.test('a call that counts and has no key is asked once, whatever becomes of it', async t => {
  const { get, headers, calls, questions } = await startAsking(t)
  losing = { path: '/verify', what: 'answer' }
  const { status } = await get(headers)
  const asked = questions().slice(2)
  t.equal(await calls(), 3)
  if (asked[0]!.key === null) t.strictSame([status, asked.length], [503, 1])
})

tap.test('a poll whose connection was closed is sent again in the same session, after trust has ended', async t => {
  const { guard, passed } = await startGuarded(t, {}, { lose })
  losing = { path: '/poll', what: 'question' }
  await until('the poll is lost', () => losing === null)
  await until('the guard is trusted again', () => guard.isTrusted)
  t.equal(passed.filter(({ path }) => path.endsWith('/guard/sessions')).length, 1)
})

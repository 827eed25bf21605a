/** Connections that a server or a proxy closes while a guard keeps them: what is asked again, and what never is. */
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { startGuarded } from '../../support/guarded-node-api.ts'
import { until } from '../../support/waiting.ts'

/** The next request to such a path loses its connection. */
let losing: { path: string, what: 'question' | 'answer' } | null = null

const lose = (path: string): 'question' | 'answer' | null => {
  if (losing === null || !path.endsWith(losing.path)) return null
  const { what } = losing
  losing = null
  return what
}

/** Polls are held for five seconds: no other request keeps a connection from being idle. */
const start = (t: Test) => startGuarded(t, {}, { lose }, { environment: { LATCHKEY_REPLICA_LEASE: '40000' } })

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
  const { get, key, server, organization, passed } = await start(t)
  const [first, second, third] = [await key(), await key(), await key()]
  t.equal((await get({ 'x-api-key': first.key })).status, 200)
  losing = { path: '/lookup', what: 'question' }
  t.equal((await get({ 'x-api-key': second.key })).status, 200)
  t.equal(losing, null)
  const token = await server.tokenFor(await server.createClient({ organization: organization.id }))
  t.equal((await get({ 'x-api-key': third.key })).status, 200)
  losing = { path: '/lookup', what: 'answer' }
  t.equal((await get({ authorization: `Bearer ${token}` })).status, 200)
  t.equal(passed.filter(({ path }) => path.endsWith('/lookup')).length, 5)
})

for (const what of ['question', 'answer'] as const) {
  tap.test(`a call that counts is asked again where its connection was idle, and counted once: lost ${what}`, async t => {
    const { get, headers, calls, questions } = await startAsking(t)
    t.strictSame(questions().map(({ key }) => key), [null, null])
    // What makes a connection idle is the time alone.
    await sleep(1_100)
    losing = { path: '/verify', what }
    t.equal((await get(headers)).status, 200)
    t.equal(losing, null)
    t.equal(await calls(), 3)
    const keys = questions().slice(2).map(({ key }) => key)
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

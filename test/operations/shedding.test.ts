/** Load shedding: a server that is late with its work turns new requests away instead of being late for everybody. */
import tap from 'tap'
import { startServer } from '../harness.ts'
import { eventually } from '../waiting.ts'

/** More than a busy machine mostly keeps a process from its turn: milliseconds. */
const lag = 1_000

/** Keeps the event loop busy for longer than that, as a hot function would. */
async function block (): Promise<void> {
  for (const end = performance.now() + 1.5 * lag; performance.now() < end;);
  await new Promise(resolve => setImmediate(resolve))
}

tap.test('under pressure new requests get 503 and Retry-After in the words of their route, /healthz never, and it passes', async t => {
  const server = await startServer({ environment: { LATCHKEY_SHED_LAG: String(lag) } })
  t.teardown(server.close)
  const made = await eventually(() => server.createKey().catch(() => null), made => made !== null)
  const key = made!.key
  const passes = async () => (await server.withKey(key)).status
  t.equal(await eventually(passes, status => status === 200), 200)
  const { door } = server.latchkey.watch
  const ask = async () => {
    while (door.turning === null) await block()
    return await Promise.all([
      server.withKey(key), server.tokenRequest({ clientId: 'x', clientSecret: 'y' }), server.admin('GET', '/clients'), server.send({ path: '/healthz' }), server.send({ path: '/readyz' }),
    ])
  }
  // The pressure may have passed before all were answered.
  const [guarded, token, management, health, ready] = await eventually(ask, () => door.turning === 'overloaded')
  for (const answer of [guarded, token, management]) {
    t.equal(answer.status, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
  }
  t.match(guarded.json, { statusCode: 503, code: 'OVERLOADED' })
  t.match(token.json, { error: 'temporarily_unavailable' })
  t.strictSame(management.json, { error: 'The server has more to do than it can; try again shortly.', code: 'OVERLOADED', details: { requestId: management.headers['x-request-id'] } })
  t.equal(health.status, 200)
  t.equal(ready.status, 200, 'a server that catches its breath is not taken out: the others would be next')
  t.equal(await eventually(passes, status => status === 200), 200)
})

tap.test('unless it is switched on nobody is turned away', async t => {
  const server = await startServer()
  t.teardown(server.close)
  await block()
  t.equal((await server.send({ path: '/.well-known/jwks.json' })).status, 200)
  t.equal(server.latchkey.watch.door.turning, null)
})

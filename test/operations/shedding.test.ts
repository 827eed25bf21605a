/** Load shedding: a server that is late with its work turns new requests away instead of being late for everybody. */
import { setTimeout as pause } from 'node:timers/promises'
import tap from 'tap'
import { startServer } from '../harness.ts'

/** Keeps the event loop busy, in blocks as a hot function would. */
async function block (milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds
  while (performance.now() < until) {
    const end = performance.now() + 180
    while (performance.now() < end);
    await new Promise(resolve => setImmediate(resolve))
  }
}

tap.test('under pressure new requests get 503 and Retry-After in the words of their route, /healthz never, and it passes', async t => {
  const server = await startServer({ environment: { LATCHKEY_SHED_LAG: '100' } })
  t.teardown(server.close)
  const { key } = await server.createKey()
  t.equal((await server.withKey(key)).status, 200)
  await block(1_600)
  const [guarded, token, management, health, ready] = await Promise.all([
    server.withKey(key), server.tokenRequest({ clientId: 'x', clientSecret: 'y' }), server.admin('GET', '/clients'), server.send({ path: '/healthz' }), server.send({ path: '/readyz' }),
  ])
  for (const answer of [guarded, token, management]) {
    t.equal(answer.status, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
  }
  t.match(guarded.json, { statusCode: 503, code: 'OVERLOADED' })
  t.match(token.json, { error: 'temporarily_unavailable' })
  t.strictSame(management.json, { error: 'The server has more to do than it can; try again shortly.', code: 'OVERLOADED', details: { requestId: management.headers['x-request-id'] } })
  t.equal(health.status, 200)
  t.equal(ready.status, 200, 'a server that catches its breath is not taken out: the others would be next')
  for (let waited = 0; waited < 10_000 && server.latchkey.watch.door.turning !== null; waited += 100) await pause(100)
  t.equal((await server.withKey(key)).status, 200)
})

tap.test('unless it is switched on nobody is turned away', async t => {
  const server = await startServer()
  t.teardown(server.close)
  await block(1_200)
  t.equal((await server.send({ path: '/.well-known/jwks.json' })).status, 200)
  t.equal(server.latchkey.watch.door.turning, null)
})

/** Load shedding: a server that lags behind rejects new requests instead of answering all of them late. */
import { setTimeout as pause } from 'node:timers/promises'
import tap from 'tap'
import { startServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

/** Mean milliseconds of lag from which requests are rejected: more than a busy machine mostly delays a process. */
const lag = 200

/**
 * Blocks each turn of the event loop for longer than the sampling interval, as a hot function would, until told to
 * stop.
 */
function overload (): () => void {
  let over = false
  const burn = () => {
    if (over) return
    for (const end = performance.now() + 3 * lag; performance.now() < end;);
    setImmediate(burn)
  }
  setImmediate(burn)
  return () => { over = true }
}

tap.test('under pressure new requests get 503 and Retry-After in the words of their route, /healthz never, and it passes', async t => {
  const server = await startServer({ environment: { LATCHKEY_SHED_LAG: String(lag) } })
  t.teardown(server.close)
  const made = await eventually(() => server.createKey().catch(() => null), made => made !== null)
  const key = made!.key
  const passes = async () => (await server.withKey(key)).status
  t.equal(await eventually(passes, status => status === 200), 200)
  const { availability } = server.latchkey.telemetry
  const relieve = overload()
  t.teardown(relieve)
  t.ok(await eventually(() => availability.rejecting, turning => turning === 'overloaded'))
  const [guarded, token, management, health, ready] = await Promise.all([
    server.withKey(key), server.tokenRequest({ clientId: 'x', clientSecret: 'y' }), server.admin('GET', '/clients'),
    server.send({ path: '/healthz' }), server.send({ path: '/readyz' }),
  ])
  relieve()
  for (const answer of [guarded, token, management]) {
    t.equal(answer.status, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
  }
  t.match(guarded.json, { statusCode: 503, code: 'OVERLOADED' })
  t.match(token.json, { error: 'temporarily_unavailable' })
  const { requestId } = management.json.details
  t.equal(requestId, management.headers['x-request-id'])
  const error = 'The server is overloaded; retry shortly.'
  t.strictSame(management.json, { error, code: 'OVERLOADED', details: { requestId } })
  t.equal(health.status, 200)
  t.equal(ready.status, 200, 'a server that catches its breath is not taken out: the others would be next')
  t.equal(await eventually(passes, status => status === 200), 200)
})

tap.test('unless it is switched on nobody is turned away', async t => {
  const server = await startServer()
  t.teardown(server.close)
  t.teardown(overload())
  await pause(3 * lag)
  t.equal((await server.send({ path: '/.well-known/jwks.json' })).status, 200)
  t.equal(server.latchkey.telemetry.availability.rejecting, null)
})

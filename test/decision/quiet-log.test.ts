/** What the log of a server has of remote guards and health checks: what goes wrong, not that they are there. */
import tap from 'tap'
import { shutDown } from '../../src/server/shutdown.ts'
import { basic, startServer, type Json } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const path = '/api/v1/guard/sessions'

/** A server with a session of a guard, and the lines that its log had since. */
async function start (level: string) {
  // Polls are held for ten seconds.
  const environment = { LATCHKEY_LOG_LEVEL: level, LATCHKEY_REPLICA_LEASE: '40000' }
  const server = await startServer({ environment })
  const client = await server.createClient({ introspects: [server.url] })
  const headers = { authorization: basic(client.clientId, client.clientSecret) }
  const ask = (suffix: string, body: Json) => server.send({ method: 'POST', path: `${path}${suffix}`, headers, body })
  const { json: { session } } = await ask('', { resource: server.url })
  server.lines.length = 0
  const logged = (): Json[] => server.lines.map(line => JSON.parse(line) as Json)
  return { server, session: session as string, ask, logged }
}

tap.test('polls, usage reports and health checks are not logged at info', async t => {
  const { server, session, ask, logged } = await start('info')
  t.teardown(server.close)
  t.equal((await ask(`/${session}/poll`, { applied: 0 })).status, 200)
  t.equal((await ask(`/${session}/usage`, { sequence: 1, entries: [] })).status, 204)
  for (const path of ['/healthz', '/readyz', '/prom']) t.equal((await server.send({ path })).status, 200)
  t.strictSame(logged(), [])
  t.equal((await ask(`/${session}/lookup`, { credential: 'lb_live_x', kind: 'api_key' })).status, 200)
  t.strictSame(logged().map(({ msg }) => msg), ['incoming request', 'refused', 'request completed'])
})

tap.test('at debug they are', async t => {
  const { server, session, ask, logged } = await start('debug')
  t.teardown(server.close)
  await ask(`/${session}/poll`, { applied: 0 })
  t.strictSame(logged().map(({ msg }) => msg), ['incoming request', 'request completed'])
})

tap.test('a poll that is held while the server shuts down is answered with 503, which is no error', async t => {
  const { server, session, ask, logged } = await start('info')
  await ask(`/${session}/poll`, { applied: 0 })
  const held = ask(`/${session}/poll`, { applied: 0 })
  await until('it is held', () => server.latchkey.telemetry.metrics.requestsInFlight > 0)
  await shutDown(server.app, server.latchkey.telemetry, { delayMs: 0, timeoutMs: 0 })
  t.match(await held, { status: 503, json: { code: 'SHUTTING_DOWN' } })
  t.strictSame(logged().filter(({ level }) => level >= 40), [])
  await server.close()
})

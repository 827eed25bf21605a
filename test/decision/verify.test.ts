/** `POST /api/v1/verify`, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { basic, MovableClock, startOnEachDatabase, type Json, type Outgoing } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, createClient, createKey, send, issuer } = server

  /** A client of the deployment that may ask about the host's resource, and its question. */
  const newAsker = async (input: Json = {}) => {
    const client = await createClient({ introspects: [issuer], name: 'api', ...input })
    return (body: Json, more: Partial<Outgoing> = {}) =>
      send({
        method: 'POST',
        path: '/api/v1/verify',
        ...more,
        headers: {
          authorization: basic(client.clientId, client.clientSecret), ...more.headers as Record<string, string>
        },
        body
      })
  }

  test('LK-05: a key with 3 calls a minute passes exactly 3 times, and its last use moves', async t => {
    const verify = await newAsker()
    const key = await createKey({ callsPerMinute: 3 })
    const answers = []
    for (let i = 0; i < 6; i++) {
      answers.push(await verify({ credential: key.key, resource: issuer, scopes: ['invoices:read'] }))
    }
    t.strictSame(answers.map(({ json }) => json.allowed), [true, true, true, false, false, false])
    await server.latchkey.meter.flush()
    t.equal((await admin('GET', `/api-keys/${key.id}/usage`)).json.calls, 3)
  })
}

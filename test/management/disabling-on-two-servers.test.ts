/** A key and a client that are disabled on one server, at another one on the same database and in a guard. */
import tap from 'tap'
import { openGuard } from '../../packages/guard/src/index.ts'
import { passes } from '../guard/remote/asking.ts'
import { noNeeds, requestWith } from '../support/guard-requests.ts'
import { databases } from '../support/databases.ts'
import { made } from '../support/partners.ts'
import { startServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
const a = await startServer({ database: database.url })
const environment = { LATCHKEY_SECRET: a.secret, LATCHKEY_ADMIN_TOKEN: a.adminToken }
const b = await startServer({ database: database.url, issuer: a.issuer, environment })
const { clientId, clientSecret } = await a.createClient({ introspects: [a.issuer] })
const guard = await openGuard({ server: b.url, clientId, clientSecret, resource: a.issuer, onError: () => {} })
await until('the guard is trusted', () => guard.isTrusted)
tap.teardown(async () => {
  await guard.stop()
  await Promise.all([a.close(), b.close()])
  await database.drop()
})

tap.test('a key that one server disables is refused by the other and by a guard on the next request, and passes at the first on the next request after the other enabled it, 50 times of 50 [postgresql]', async t => {
  const { id, key } = await a.createKey()
  const seen = async () =>
    [(await a.withKey(key)).status, (await b.withKey(key)).status, await passes(guard, key)].join()
  const outcomes = new Set<string>()
  for (let i = 0; i < 50; i++) {
    const before = await seen()
    await made(a.admin('POST', `/api-keys/${id}/disable`))
    const disabled = await seen()
    await made(b.admin('POST', `/api-keys/${id}/enable`))
    outcomes.add([before, disabled, await seen()].join(' '))
  }
  t.strictSame([...outcomes], ['200,200,true 401,401,false 200,200,true'])
})

tap.test('a client that one server disables gets no token from the other, and its tokens stay dead once that one enabled it, 8 times of 8 [postgresql]', async t => {
  const outcomes = new Set<string>()
  for (let i = 0; i < 8; i++) {
    // Each has its own room for failures.
    const client = await a.createClient()
    const token = await b.tokenFor(client)
    const seen = async () => [
      (await a.bearer(token)).status,
      (await b.bearer(token)).status,
      (await guard.decide(requestWith(token, 'authorization'), noNeeds)).ok,
      (await a.tokenRequest(client)).status,
      (await b.tokenRequest(client)).status
    ].join()
    const before = await seen()
    await made(a.admin('POST', `/clients/${client.clientId}/disable`))
    const disabled = await seen()
    await made(b.admin('POST', `/clients/${client.clientId}/enable`))
    outcomes.add([before, disabled, await seen()].join(' '))
  }
  t.strictSame([...outcomes], ['200,200,true,200,200 401,401,false,401,401 401,401,false,200,200'])
})

/** Guards on several servers of one PostgreSQL: a change on any of them waits for the guards of all. */
import tap, { type Test } from 'tap'
import { openGuard, type RemoteGuard } from '../../../packages/guard/src/index.ts'
import { databases } from '../../support/databases.ts'
import { startServer, type TestServer } from '../../support/test-server.ts'
import { until } from '../../support/waiting.ts'
import { decide, passes } from './asking.ts'

/** Two servers on one database, and a guard that follows the second. */
async function start (t: Test): Promise<{ first: TestServer, second: TestServer, guard: RemoteGuard }> {
  const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
  const first = await startServer({ database: database.url })
  const environment = { LATCHKEY_SECRET: first.secret, LATCHKEY_ADMIN_TOKEN: first.adminToken }
  const second = await startServer({ database: database.url, issuer: first.issuer, environment, bare: true })
  const client = await first.createClient({ introspects: [first.issuer] })
  const guard = await openGuard({
    server: second.url,
    clientId: client.clientId,
    clientSecret: client.clientSecret,
    resource: first.issuer,
    onError: () => {}
  })
  t.teardown(async () => {
    await guard.stop()
    await second.close()
    await first.close()
    await database.drop()
  })
  await until('the guard is trusted', () => guard.isTrusted)
  return { first, second, guard }
}

tap.test('LK-03: a revocation on one server waits for the guard that follows another', async t => {
  const { first, guard } = await start(t)
  for (let i = 0; i < 20; i++) {
    const { id, key } = await first.createKey()
    t.equal(await passes(guard, key), true)
    t.equal(await passes(guard, key), true)
    t.equal((await first.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    t.equal(await passes(guard, key), false, 'no request passes after the acknowledgement')
  }
})

tap.test('LK-03: a server that ends leaves no guard that is trusted', async t => {
  const { first, second, guard } = await start(t)
  const { id, key } = await first.createKey()
  t.equal(await passes(guard, key), true)
  await second.close()
  t.equal((await first.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
  const decision = await decide(guard, key)
  t.match(decision, { ok: false, answer: { status: 503 } }, 'without its server the guard decides nothing')
})

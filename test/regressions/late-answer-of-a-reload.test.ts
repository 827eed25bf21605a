/** A reload that began earlier and is answered later than another must not restore the older state. */
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { openStorage } from '../../src/storage/index.ts'
import { administer, freshDatabase } from '../support/postgres.ts'
import { patientLimits } from '../support/waiting.ts'
import { startNetworkProxy } from '../support/network-proxy.ts'

tap.test('a token that was revoked while a server was away stays refused there when the answer to an earlier reload arrives [postgresql]', async t => {
  const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const proxy = await startNetworkProxy(database.url)
  const options = { limits: patientLimits, secrets: [newSecret()], lease: 600 }
  const elsewhere = await openStorage(database.url, options)
  const server = await openStorage(proxy.url, options)
  t.teardown(async () => {
    await server.close()
    await elsewhere.close()
    await proxy.close()
    await database.drop()
  })
  await elsewhere.join()
  await server.join()
  const trusted = async () => { while (!server.isTrusted()) await pause(5) }
  await trusted()

  proxy.delay.pool = 3_000
  const late = server.replicas[0]!.reload()
  // The database has answered that nothing is revoked; the answer is delayed on its way.
  await once(proxy.said, 'pool')
  proxy.delay.pool = 0
  // Long enough to commit the revocation before the server joins again, so that its feed does not report it.
  proxy.delay.listener = 40
  await administer(database.url, 'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE ' +
    'application_name = \'latchkey replica\' AND datname = current_database()')
  await elsewhere.store.revokedTokens.insert({
    jti: 'stolen', clientId: 'cli_x', revokedAt: new Date(), expiresAt: new Date(Date.now() + 3_600_000)
  })
  await trusted()
  t.equal(await server.registry.isTokenRevoked('stolen'), true, 'after it has joined again')
  await late
  t.equal(server.isTrusted(), true)
  t.equal(await server.registry.isTokenRevoked('stolen'), true, 'and when the late answer has come')
})

/** A server on SQLite that is started again while a guard, which does not notice it, trusts its memory. */
import tap from 'tap'
import { startServer } from '../../support/test-server.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'

tap.test('LK-06: a change waits for the trust that the server gave before it was started again', async t => {
  let isCut = false
  const forever = new Promise(() => {})
  const environment = { LATCHKEY_REPLICA_LEASE: '16000' }
  const { server, guard, get, key } = await startGuarded(t, {}, {
    hold: path => isCut && path.endsWith('/poll') ? forever : null
  }, { environment })
  const { id, key: text } = await key()
  const headers = { 'x-api-key': text }
  t.equal((await get(headers)).status, 200)
  t.equal((await get(headers)).status, 200)
  isCut = true
  await server.app.close()
  const next = await startServer({
    environment: {
      ...environment,
      LATCHKEY_SECRET: server.secret,
      LATCHKEY_ADMIN_TOKEN: server.adminToken,
      DATABASE_URL: server.config.databaseUrl
    },
    issuer: server.issuer
  })
  t.teardown(() => next.close())
  t.equal((await next.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
  t.comment(`trusted: ${guard.isTrusted}`)
  t.not((await get(headers)).status, 200)
})

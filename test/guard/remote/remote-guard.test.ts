/** A remote guard before an API of node:http, on a real server: what is revoked is refused on the next request. */
import tap from 'tap'
import { startGuarded } from '../../support/guarded-node-api.ts'
import { until } from '../../support/waiting.ts'

tap.test('a revoked key is refused from the acknowledgement on, and counted calls reach the server', async t => {
  const { server, get, key } = await startGuarded(t)
  for (let i = 0; i < 30; i++) {
    const { id, key: text } = await key()
    const headers = { 'x-api-key': text }
    t.equal((await get(headers)).status, 200)
    t.equal((await get(headers)).status, 200)
    t.equal((await server.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    t.equal((await get(headers)).status, 401)
    if (i > 0) continue
    await until('the server has counted both calls', async () => {
      await server.latchkey.meter.flush()
      return (await server.admin('GET', `/api-keys/${id}/usage`)).json.calls === 2
    })
  }
})

tap.test('a token passes from memory, and is refused when its client is revoked', async t => {
  const { server, organization, get } = await startGuarded(t)
  const client = await server.createClient({ organization: organization.id })
  const token = await server.tokenFor(client)
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await get(headers)).status, 200)
  t.equal((await get(headers)).status, 200)
  await server.admin('POST', `/clients/${client.clientId}/revoke`)
  t.equal((await get(headers)).status, 401)
})

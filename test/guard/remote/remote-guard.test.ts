/** A remote guard before an API of node:http, on a real server: its memory, changes, limits, and a lost server. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap, { type Test } from 'tap'
import { httpGuard } from '../../../packages/guard/src/http.ts'
import { openGuard, type RemoteGuard } from '../../../packages/guard/src/index.ts'
import { startServer, type Json } from '../../support/test-server.ts'
import { until } from '../../support/waiting.ts'

/** A server, a guard, and an API with `GET /invoices`, which needs `invoices:read`. */
async function start (t: Test, options: Json = {}) {
  const server = await startServer()
  const organization = await server.createOrganization()
  const client = await server.createClient({ organization: organization.id, introspects: [server.url] })
  const guard = await openGuard({
    server: server.url,
    clientId: client.clientId,
    clientSecret: client.clientSecret,
    resource: server.url,
    onError: () => {},
    ...options
  })
  const guarded = httpGuard(guard, { scopes: ['invoices:read'] }, { trustProxy: ['127.0.0.1'] })
  const api = createServer(async (request, response) => {
    const principal = await guarded(request, response)
    if (principal !== null) response.end(JSON.stringify({ id: principal.id }))
  })
  await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/invoices`
  t.teardown(async () => {
    api.close()
    api.closeAllConnections()
    await guard.stop()
    await server.close()
  })
  const get = async (headers: Record<string, string>, path = '') => {
    const answer = await fetch(url + path, { headers })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
  const key = (input: Json = {}) => server.createKey({ organization: organization.id, ...input })
  return { server, organization, client, guard, get, key }
}

/** Looks a credential up until the guard answers from memory: a change in between keeps it out once. */
async function inMemory (guard: RemoteGuard): Promise<void> {
  await until('the guard is trusted', () => guard.isTrusted)
}

tap.test('a revoked key is refused from the acknowledgement on, and counted calls reach the server', async t => {
  const { server, guard, get, key } = await start(t)
  await inMemory(guard)
  for (let i = 0; i < 30; i++) {
    const { id, key: text } = await key()
    const headers = { 'x-api-key': text }
    t.equal((await get(headers)).status, 200)
    t.equal((await get(headers)).status, 200)
    t.equal((await server.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    const refused = await get(headers)
    t.equal(refused.status, 401)
  }
})

tap.test('a token passes from memory, and is refused when its client is revoked', async t => {
  const { server, organization, guard, get } = await start(t)
  await inMemory(guard)
  const client = await server.createClient({ organization: organization.id })
  const token = await server.tokenFor(client)
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await get(headers)).status, 200)
  t.equal((await get(headers)).status, 200)
  await server.admin('POST', `/clients/${client.clientId}/revoke`)
  t.equal((await get(headers)).status, 401)
})

/** The revocation endpoint answered 200 for an access token of the management API, which kept working. */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('RFC 7009 §2.2.1: a 200 of the revocation endpoint never stands before a secret that stays alive', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, send } = server
  const client = await server.createClient()
  const { organization } = client
  const revoke = async (token: string) =>
    await send({
      method: 'POST',
      path: '/api/v1/oauth/revoke',
      body: new URLSearchParams({ token, client_id: client.clientId, client_secret: client.clientSecret })
    })
  const { token: management } =
    (await admin('POST', '/access-tokens', { organization, name: 'x', scopes: ['clients:read'] })).json
  const { token: registration } = await server.createRegistrationToken({ organization })
  const { key } = await server.createKey({ organization })
  for (const [what, text] of Object.entries({ management, registration, key, admin: server.adminToken })) {
    const answer = await revoke(text)
    t.strictSame([answer.status, answer.json.error], [400, 'unsupported_token_type'], what)
    t.notMatch(answer.text, text, 'it is not repeated')
  }
  t.equal(
    (await send({ path: '/api/v1/clients', headers: { authorization: `Bearer ${management}` } })).status, 200,
    'as it said: it lives'
  )
  const token = await server.tokenFor(client)
  t.strictSame(
    [(await revoke(token)).status, (await server.bearer(token)).status], [200, 401], 'a token of its own is dead'
  )
})

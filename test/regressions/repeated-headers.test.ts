/** Of a repeated header Node passes on the first value and drops the others silently. */
import tap from 'tap'
import { basic, startServer } from '../support/test-server.ts'

const form = 'application/x-www-form-urlencoded'

tap.test('T6, R4: two Authorization headers, or two content types, are refused by every OAuth endpoint', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const client = await server.createClient()
  const token = await server.tokenFor(client)
  const registration = (await server.createRegistrationToken()).token
  const good = basic(client.clientId, client.clientSecret)
  const requests: [string, string, string, string][] = [
    ['/api/v1/auth/token', good, form, 'grant_type=client_credentials'],
    ['/api/v1/oauth/introspect', good, form, `token=${token}`],
    ['/api/v1/oauth/revoke', good, form, `token=${token}`],
    ['/api/v1/oauth/register', `Bearer ${registration}`, 'application/json', '{}'],
  ]
  for (const [path, authorization, type, body] of requests) {
    const twice = [['authorization', basic(client.clientId, 'wrong')], ['Authorization', 'Bearer x']]
    for (const second of [...twice, ['authorization', authorization], ['Content-Type', 'text/plain']]) {
      for (
        const headers of [['authorization', authorization, ...second], [...second, 'authorization', authorization]]
      ) {
        const answer = await server.send({ method: 'POST', path, headers: [...headers, 'content-type', type], body })
        t.match(
          answer, { status: 400, json: { error: 'invalid_request' }, headers: { 'cache-control': 'no-store' } },
          `${path} ${second[0]}`
        )
      }
    }
  }
  t.equal((await server.bearer(token)).status, 200, 'nothing was revoked')
  t.equal(
    (await server.send({
      method: 'POST', path: '/api/v1/oauth/register', headers: { authorization: `Bearer ${registration}` }, body: {}
    })).status,
    201
  )
})

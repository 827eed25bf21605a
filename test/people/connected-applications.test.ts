/** What people have allowed, as they and administrators see it and end it; and the use of it. */
import tap from 'tap'
import {
  authorizationUrl, authorize, createAskingClient, newPkce, redeem, registerAskingClient
} from '../support/authorizing.ts'
import { asPerson, createPerson } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase, startServer, type Json } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase({ registration: 'open' })
tap.teardown(close)

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  tap.test(`a member sees what they allowed, and ends it; another member does neither [${name}]`, async t => {
    const person = await createPerson(server)
    const other = await createPerson(server, { organization: person.organization })
    const client = await createAskingClient(server)
    const { access_token: token } = (await redeem(server, client, await authorize(server, client, person, asked))).json
    const { gnt } = decodeJwt(token).payload
    const own = await asPerson(server, person)('GET', '/auth/authorizations')
    t.match(own.json.data, [{
      id: gnt,
      member: person.id,
      client: client.id,
      clientName: 'Weather Agent',
      resource: server.issuer,
      scopes: ['invoices:read'],
      status: 'active'
    }])
    t.strictSame((await asPerson(server, other)('GET', '/auth/authorizations')).json.data, [])
    t.equal((await asPerson(server, other)('DELETE', `/auth/authorizations/${gnt}`)).status, 404)
    t.equal((await server.bearer(token)).status, 200)
    t.equal((await asPerson(server, person)('DELETE', `/auth/authorizations/${gnt}`)).status, 204)
    t.equal((await server.bearer(token)).status, 401)
    const events = (await server.admin('GET', `/audit?subject=${gnt}`)).json.data
    t.match(events.map(({ type, actor }: any) => [type, actor]), [
      ['credential.refused', undefined], ['authorization.ended', person.id], ['authorization.created', person.id]
    ].slice(-events.length))
  })

  tap.test(`the end of a consent ends every installation, and the client asks again [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const tokens = []
    for (let i = 0; i < 2; i++) {
      tokens.push((await redeem(server, client, await authorize(server, client, person, asked))).json.access_token)
    }
    const { json } = await asPerson(server, person)('GET', '/auth/consents')
    t.equal(json.data.length, 1)
    t.equal((await asPerson(server, person)('DELETE', `/auth/consents/${json.data[0].id}`)).status, 204)
    for (const token of tokens) t.equal((await server.bearer(token)).status, 401)
    t.strictSame((await asPerson(server, person)('GET', '/auth/consents')).json.data, [])
  })

  tap.test(`of a client that is revoked, or deletes itself, nothing is listed as allowed [${name}]`, async t => {
    const person = await createPerson(server)
    const [created, registered] = [await createAskingClient(server), await registerAskingClient(server)]
    const kept = await createAskingClient(server)
    for (const client of [created, registered.client, kept]) {
      await redeem(server, client, await authorize(server, client, person, asked))
    }
    t.equal((await server.admin('POST', `/clients/${created.id}/revoke`)).status, 200)
    await registered.remove()
    const listed = async (query: string) => (await server.admin(
      'GET', `/authorizations?organization=${person.organization}&${query}`
    )).json.data.map(({ client, status, endedReason }: Json) => [client, status, endedReason])
    t.strictSame(await listed(`client=${kept.id}`), [[kept.id, 'active', null]])
    for (const { id } of [created, registered.client]) {
      t.strictSame(await listed(`client=${id}`), [[id, 'ended', 'client-revoked']])
    }
    const { json } = await asPerson(server, person)('GET', '/auth/consents')
    t.strictSame(json.data.map(({ client }: Json) => client), [kept.id])
  })

  tap.test(`an administrator sees what members allowed, ends it, and a refusal names both [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: token } = (await redeem(server, client, await authorize(server, client, person, asked))).json
    const { gnt } = decodeJwt(token).payload
    const list = await server.admin('GET', `/authorizations?organization=${person.organization}&client=${client.id}`)
    t.strictSame(list.json.data.map(({ id }: any) => id), [gnt])
    await server.bearer(token)
    await until('the use is noted', async () =>
      (await server.admin('GET', `/authorizations/${gnt}`)).json.lastUsedAt !== null)
    const ended = await server.admin('POST', `/authorizations/${gnt}/revoke`)
    t.match([ended.status, ended.json.status, ended.json.endedReason], [200, 'ended', 'ended'])
    t.equal((await server.bearer(token)).status, 401)
    await until('the refusal is written', async () => {
      const { json } = await server.admin('GET', `/audit?type=credential.refused&subject=${person.id}`)
      const [event] = json.data
      if (event === undefined) return false
      t.match(event.detail, { client: client.id, authorization: gnt })
      return true
    })
  })
}

tap.test('N4: a page of another origin may read answers to a public client, and no others', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const origin = { origin: 'https://app.example.test' }
  for (const path of ['/api/v1/auth/token', '/api/v1/oauth/register', '/api/v1/oauth/revoke']) {
    const { status, headers } = await server.send({ method: 'OPTIONS', path, headers: origin })
    t.strictSame([status, headers['access-control-allow-origin']], [204, '*'], path)
    t.match(headers['access-control-allow-headers'], 'authorization')
    t.equal(headers['access-control-allow-credentials'], undefined)
  }
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const { headers } = await redeem(server, client, await authorize(server, client, person, asked))
  t.equal(headers['access-control-allow-origin'], '*')
  t.equal((await redeem(server, client, { code: 'x', verifier: 'y' })).headers['access-control-allow-origin'], '*')
  const machine = await server.createClient()
  t.equal((await server.tokenRequest(machine)).headers['access-control-allow-origin'], undefined)
  const wrong = await server.tokenRequest({ ...machine, clientSecret: 'x' })
  t.equal(wrong.headers['access-control-allow-origin'], undefined)
  const pushed = await server.send({
    method: 'POST',
    path: '/api/v1/oauth/par',
    body: new URL(authorizationUrl(server, client, newPkce().challenge, asked)).searchParams
  })
  t.strictSame([pushed.status, pushed.headers['access-control-allow-origin']], [201, undefined])
  for (const path of ['/api/v1/oauth/introspect', '/api/v1/oauth/authorize', '/api/v1/oauth/par']) {
    const { status } = await server.send({ method: 'OPTIONS', path, headers: origin })
    t.equal(status, 405, path)
  }
})

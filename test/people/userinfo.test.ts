/** Userinfo: answered by the judge of all tokens, so that every end counts there at once, on every server. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem, tokenAs } from '../support/authorizing.ts'
import { databases } from '../support/databases.ts'
import { asPerson, createPerson } from '../support/people.ts'
import { decodeJwt, MovableClock, startServer, type Outgoing, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

tap.setTimeout(600_000)
const path = '/api/v1/oauth/userinfo'

const started = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  const clock = new MovableClock()
  const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
  const server = await startServer({ database: database.url, environment, clock })
  // SQLite has one server.
  const other = name === 'sqlite'
    ? server
    : await startServer({ database: database.url, environment, clock, issuer: server.issuer })
  return { name, clock, server, other, database }
}))
tap.teardown(() => Promise.all(started.map(async ({ server, other, database }) => {
  await Promise.all([server.close(), ...(other === server ? [] : [other.close()])])
  await database.drop()
})))

for (const { name, clock, server, other } of started) {
  const ask = (token: string, at: TestServer = server, more: Partial<Outgoing> = {}) =>
    at.send({ path, headers: { authorization: `Bearer ${token}` }, ...more })
  const given = async (scope = 'openid profile email', more: Record<string, string> = {}) => {
    const person = await createPerson(server, { email: `${newSecret()}@example.test` })
    const client = await createAskingClient(server)
    const answer = await redeem(server, client, await authorize(server, client, person, { scope, ...more }))
    return { person, client, token: answer.json.access_token as string, tokens: answer.json }
  }

  tap.test(`claims by scope, to GET, POST and a form; sub is that of the ID token [${name}]`, async t => {
    const { person, token, tokens } = await given()
    const { email } = (await server.latchkey.operation.store.members.get(person.id))!
    const claims = { sub: person.id, name: 'Ada', email }
    const got = await ask(token, other)
    t.strictSame([got.status, got.json], [200, claims])
    t.match(got.headers, {
      'cache-control': 'no-store', 'access-control-allow-origin': '*', 'content-type': /^application\/json/
    })
    t.equal(decodeJwt(tokens.id_token).payload.sub, got.json.sub)
    t.strictSame((await ask(token, server, { method: 'POST' })).json, claims)
    const body = new URLSearchParams({ access_token: token })
    t.strictSame((await server.send({ method: 'POST', path, body })).json, claims)
    t.strictSame((await ask((await given('openid')).token)).json.name, undefined)
    const some = await given('openid email')
    t.strictSame(Object.keys((await ask(some.token)).json).sort(), ['email', 'sub'])
  })

  tap.test(`a member is described as they are now, and without an e-mail address there is none [${name}]`, async t => {
    const { person, token } = await given()
    await server.admin('PATCH', `/members/${person.id}`, { name: 'Countess', email: null })
    t.strictSame((await ask(token, other)).json, { sub: person.id, name: 'Countess' })
  })

  tap.test(`one token, by one transport; none is a challenge without an error (RFC 6750 §2, §3.1) [${name}]`, async t => {
    const { token } = await given('openid')
    const body = new URLSearchParams({ access_token: token })
    const errorOf = async (outgoing: Partial<Outgoing>) => {
      const { status, json, headers } = await server.send({ path, ...outgoing })
      return [status, json.error, headers['www-authenticate']]
    }
    const authorization = `Bearer ${token}`
    const malformed = [400, 'invalid_request', 'Bearer error="invalid_request"']
    t.strictSame(await errorOf({ method: 'POST', headers: { authorization }, body }), malformed)
    t.strictSame(await errorOf({ path: `${path}?access_token=${token}` }), malformed)
    t.strictSame(await errorOf({ path: `${path}?access_token=${token}`, headers: { authorization } }), malformed)
    const twice = new URLSearchParams([['access_token', token], ['access_token', token]])
    t.strictSame(await errorOf({ method: 'POST', body: twice }), malformed)
    t.strictSame(await errorOf({}), [401, 'invalid_token', 'Bearer'])
    t.strictSame(await errorOf({ method: 'POST' }), [401, 'invalid_token', 'Bearer'])
    t.strictSame((await server.send({ path, method: 'DELETE' })).status, 405)
    t.strictSame(await errorOf({ headers: { authorization: 'Basic eDp4' } }), malformed)
    const nonsense = ['x', 'a.b.c', `${token}x`, token.slice(0, -4), 'lkadm_x']
    for (const each of nonsense) t.equal((await ask(each)).status, 401, each)
    const { status, headers, json } = await ask(`${token.slice(0, -4)}AAAA`)
    t.strictSame([status, json.error], [401, 'invalid_token'])
    t.match(headers, { 'www-authenticate': /^Bearer error="invalid_token"/, 'access-control-allow-origin': '*' })
    const preflight = await server.send({ method: 'OPTIONS', path })
    t.match(preflight.headers, { 'access-control-allow-methods': 'GET, POST' })
  })

  tap.test(`a token that was narrowed to less than openid is insufficient_scope (RFC 6750 §3.1) [${name}]`, async t => {
    const { client, tokens } = await given('openid email')
    const narrowed = await tokenAs(server, client, {
      grant_type: 'refresh_token', refresh_token: tokens.refresh_token, scope: 'email'
    })
    t.strictSame([narrowed.status, narrowed.json.scope, narrowed.json.id_token], [200, 'email', undefined])
    const { status, json, headers } = await ask(narrowed.json.access_token, other)
    t.strictSame([status, json.error], [403, 'insufficient_scope'])
    t.equal(headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="openid"')
  })

  tap.test(`J6: an ID token, a token of an API and one of a machine are not for userinfo [${name}]`, async t => {
    const { tokens } = await given('openid invoices:read', { resource: server.issuer })
    const machine = await server.createClient()
    const { access_token: own } = (await server.tokenRequest(machine)).json
    for (const token of [tokens.id_token, tokens.access_token, own]) {
      const { status, json } = await ask(token, other)
      t.strictSame([status, json.error], [401, 'invalid_token'])
    }
    const refused = await server.admin('POST', '/clients', {
      organization: null, name: 'machine', grants: [{ resource: server.issuer + path, scopes: [] }]
    })
    t.strictSame([refused.status, refused.json.code], [400, 'UNKNOWN_RESOURCE'], 'no client is granted userinfo')
    const { organization } = machine
    const key = await server.admin('POST', '/api-keys', {
      organization, resource: 'res_identity', environment: 'live', name: 'ci', scopes: []
    })
    t.strictSame([key.status, key.json.code], [400, 'UNKNOWN_RESOURCE'])
    for (const body of [{ name: 'mine' }, { scopes: [{ name: 'openid' }] }]) {
      t.equal((await server.admin('PATCH', '/resources/res_identity', body)).status, 400, 'N12')
    }
    t.equal((await server.admin('DELETE', '/resources/res_identity')).status, 400)
  })

  tap.test(`every end counts from the next request on, on every server [${name}]`, async t => {
    const ends: [string, (each: Awaited<ReturnType<typeof given>>) => Promise<unknown>][] = [
      ['the authorization', async ({ token, person }) => {
        const { gnt } = decodeJwt(token).payload
        return await asPerson(server, person)('DELETE', `/auth/authorizations/${gnt}`)
      }],
      ['the consent', async ({ person }) => {
        const { json } = await server.admin('GET', `/consents?organization=${person.organization}`)
        return await server.admin('DELETE', `/consents/${json.data[0].id}`)
      }],
      ['the member', ({ person }) => server.admin('DELETE', `/members/${person.id}`)],
      ['the organization', ({ person }) => server.admin('POST', `/organizations/${person.organization}/suspend`, {})],
      ['the client', ({ client }) => server.admin('DELETE', `/clients/${client.id}`)],
      ['the token', ({ client, token }) => server.send({
        method: 'POST',
        path: '/api/v1/oauth/revoke',
        body: new URLSearchParams({ client_id: client.id, token })
      })],
    ]
    for (const [what, end] of ends) {
      const each = await given()
      // The last owner of an organization stays, so there is another one.
      await server.admin('POST', '/members', { name: 'Bea', role: 'owner', organization: each.person.organization })
      for (const at of [server, other]) t.equal((await ask(each.token, at)).status, 200, what)
      const { status, text } = await end(each) as { status: number, text: string }
      t.ok(status < 300, `${what} ends: ${status} ${text}`)
      for (const at of [server, other]) {
        const { status, json } = await ask(each.token, at)
        t.strictSame([status, json.error], [401, 'invalid_token'], what)
      }
    }
  })

  tap.test(`a token ends with its time, and the log has the reason of a refusal [${name}]`, async t => {
    const { person, token } = await given()
    clock.advance(3_601)
    t.equal((await ask(token, other)).status, 401)
    const { json } = await eventually(
      () => server.admin('GET', `/audit?subject=${person.id}&type=credential.refused`),
      ({ json }) => json.data.length > 0
    )
    t.match(json.data, [{ type: 'credential.refused' }])
  })
}

/** Refresh tokens: they rotate, a repeat within the grace gets the same successor, and a reuse ends all. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem, tokenAs, type AskingClient } from '../support/authorizing.ts'
import { databases } from '../support/databases.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, MovableClock, startServer, type Json, type TestServer } from '../support/test-server.ts'

tap.setTimeout(600_000)

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
  const asked = { resource: server.issuer, scope: 'invoices:read invoices:write' }

  const given = async (metadata: Json = {}): Promise<{ client: AskingClient, first: Json }> => {
    const person = await createPerson(server)
    const client = await createAskingClient(server, metadata)
    const answer = await redeem(server, client, await authorize(server, client, person, asked))
    return { client, first: answer.json }
  }
  const refresh = (client: AskingClient, token: string, more: Record<string, string> = {}, at: TestServer = server) =>
    tokenAs(at, client, { grant_type: 'refresh_token', refresh_token: token, ...more })
  const events = async (subject: string) => {
    await server.latchkey.operation.store.transaction(async () => {})
    const { json } = await server.admin('GET', `/audit?subject=${subject}`)
    return (json.data as Json[]).map(({ type }) => type)
  }

  tap.test(`I3 [${name}]: a refresh token rotates, and the new access token has the same authorization`, async t => {
    const { client, first } = await given()
    const answer = await refresh(client, first.refresh_token)
    t.equal(answer.status, 200, answer.text)
    t.not(answer.json.refresh_token, first.refresh_token)
    t.equal(decodeJwt(answer.json.access_token).payload.gnt, decodeJwt(first.access_token).payload.gnt)
    t.equal((await server.bearer(answer.json.access_token)).status, 200)
    t.equal((await refresh(client, answer.json.refresh_token)).status, 200)
  })

  tap.test(`I3 [${name}]: 20 refreshes at once get the same successor, and 20 access tokens`, async t => {
    const { client, first } = await given()
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
      refresh(client, first.refresh_token, {}, i % 2 === 0 ? server : other)))
    t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
    t.equal(new Set(answers.map(({ json }) => json.refresh_token)).size, 1)
    t.equal(new Set(answers.map(({ json }) => json.access_token)).size, 20)
    const next = await refresh(client, answers[0]!.json.refresh_token)
    t.equal(next.status, 200)
  })

  tap.test(`I3 [${name}]: the predecessor after its successor was used is a reuse: everything ends`, async t => {
    const { client, first } = await given()
    const second = (await refresh(client, first.refresh_token)).json
    const third = (await refresh(client, second.refresh_token)).json
    t.equal((await server.bearer(third.access_token)).status, 200)
    const reuse = await refresh(client, first.refresh_token, {}, other)
    t.strictSame([reuse.status, reuse.json.error], [400, 'invalid_grant'])
    t.equal((await refresh(client, third.refresh_token)).json.error, 'invalid_grant')
    for (const token of [first, second, third]) t.equal((await other.bearer(token.access_token)).status, 401)
    const { gnt } = decodeJwt(first.access_token).payload
    t.match(await events(gnt), ['authorization.ended'])
  })

  tap.test(`I3 [${name}]: after the grace a used token is a reuse, although nobody used its successor`, async t => {
    const { client, first } = await given()
    const second = (await refresh(client, first.refresh_token)).json
    clock.advance(29)
    t.equal((await refresh(client, first.refresh_token)).json.refresh_token, second.refresh_token)
    clock.advance(2)
    t.equal((await refresh(client, first.refresh_token)).json.error, 'invalid_grant')
    t.equal((await refresh(client, second.refresh_token)).json.error, 'invalid_grant')
    t.equal((await server.bearer(first.access_token)).status, 401)
  })

  tap.test(`I3 [${name}]: a repeat within the grace is in the audit log`, async t => {
    const { client, first } = await given()
    await refresh(client, first.refresh_token)
    for (let i = 0; i < 5; i++) await refresh(client, first.refresh_token)
    const { gnt } = decodeJwt(first.access_token).payload
    const found = (await events(gnt)).filter(type => type === 'authorization.refresh_repeated')
    t.equal(found.length, 1, 'one row a minute, with the number of those that it omits')
  })

  tap.test(`P3 [${name}]: another resource, a wider scope or another client use nothing up`, async t => {
    const { client, first } = await given()
    const stranger = await createAskingClient(server)
    const { refresh_token: token } = first
    const refused = [
      await refresh(client, token, { resource: `${server.issuer}/api/v1` }),
      await refresh(client, token, { scope: 'invoices:read company:read' }),
      await refresh(stranger, token),
    ]
    t.strictSame(refused.map(({ status, json }) => [status, json.error]), [
      [400, 'invalid_target'], [400, 'invalid_scope'], [400, 'invalid_grant']
    ])
    const narrowed = await refresh(client, token, { scope: 'invoices:read', resource: server.issuer })
    t.strictSame([narrowed.status, narrowed.json.scope], [200, 'invoices:read'])
    const widened = await refresh(client, narrowed.json.refresh_token)
    t.equal(widened.json.scope, 'invoices:read invoices:write', 'what was authorized can be asked for again')
  })

  tap.test(`I3 [${name}]: 30 days without use, or a year, end a refresh token`, async t => {
    const { client, first } = await given()
    clock.advance(29 * 86_400)
    const second = (await refresh(client, first.refresh_token)).json
    clock.advance(31 * 86_400)
    t.equal((await refresh(client, second.refresh_token)).json.error, 'invalid_grant')
    const { client: again, first: third } = await given()
    let { refresh_token: token } = third
    for (let day = 0; day < 364; day += 28) {
      clock.advance(28 * 86_400)
      const answer = await refresh(again, token)
      if (answer.status !== 200) return t.fail(answer.text)
      token = answer.json.refresh_token
    }
    clock.advance(2 * 86_400)
    t.equal((await refresh(again, token)).json.error, 'invalid_grant')
  })

  tap.test(`I2 [${name}]: the revocation of a refresh token ends its authorization; another client's has no effect`, async t => {
    const { client, first } = await given()
    const stranger = await createAskingClient(server)
    const revoke = (as: AskingClient) => server.send({
      method: 'POST',
      path: '/api/v1/oauth/revoke',
      body: new URLSearchParams({ client_id: as.id, token: first.refresh_token, token_type_hint: 'access_token' })
    })
    t.equal((await revoke(stranger)).status, 200)
    t.equal((await server.bearer(first.access_token)).status, 200)
    t.equal((await revoke(client)).status, 200)
    t.equal((await other.bearer(first.access_token)).status, 401)
    t.equal((await refresh(client, first.refresh_token)).json.error, 'invalid_grant')
  })
}

/** Single use and limited use under races: a hundred callers at once, on two servers where the database serves two. */
import tap, { type Test } from 'tap'
import { findHalves } from '../crash/halves.ts'
import { worldOf } from '../crash/world.ts'
import { databases } from '../support/databases.ts'
import { startServer, type Answer, type Json, type TestServer } from '../support/test-server.ts'
import { embeddingKey, signedClient, tokenByAssertion, withSpending } from '../support/database-calls.ts'

const callers = 100

/** Two servers of one deployment; on SQLite, which serves one, the same server twice. */
async function startPair (name: 'sqlite' | 'postgresql', database: string): Promise<readonly [TestServer, TestServer]> {
  const quiet = { LATCHKEY_LOG_LEVEL: 'silent' }
  const first = await startServer({ database, environment: quiet, ...withSpending })
  if (name === 'sqlite') return [first, first]
  const { issuer, secret, adminToken } = first
  return [
    first,
    await startServer({
      database,
      issuer,
      environment: { ...quiet, LATCHKEY_SECRET: secret, LATCHKEY_ADMIN_TOKEN: adminToken },
      ...withSpending
    })
  ]
}

for (const { name, fresh } of databases) {
  tap.test(`single use under races [${name}]`, async t => {
    const database = await fresh()
    const pair = await startPair(name, database.url)
    const [server] = pair
    const world = worldOf(server.port, server.adminToken, database.url)
    t.teardown(async () => {
      await world.close()
      for (const each of new Set(pair)) await each.close()
      await database.drop()
    })
    const { admin, adminToken, issuer } = server
    const { id: organization } = await server.createOrganization('raced')

    /**
     * The same call by all callers at once. Each has an address of its own: the limit to failures per address is not
     * under test.
     */
    const race = (call: (server: TestServer, from: string, i: number) => Promise<Answer>) =>
      Promise.all(Array.from({ length: callers }, (_, i) => call(pair[i % 2]!, `127.0.2.${i + 1}`, i)))
    const asAdmin = (method: string, path: string, body?: Json, headers: Record<string, string> = {}) =>
      race((server, from) =>
        server.send({
          method,
          path: `/api/v1${path}`,
          headers: { authorization: `Bearer ${adminToken}`, ...headers },
          from,
          ...(body === undefined ? {} : { body })
        })
      )
    const form = (path: string, body: Record<string, string>) =>
      race((server, from) => server.send({ method: 'POST', path, from, body: new URLSearchParams(body) }))
    const made = async (path: string, body: Json): Promise<Json> => (await admin('POST', path, body)).json
    const eventsOf = async (type: string, subject: string) =>
      (await world.rows(`SELECT "id" FROM "AuditEvent" WHERE "type" = '${type}' AND "subject" = '${subject}'`)).length

    await t.test(`Y3: a key is replaced by exactly one [${name}]`, async t => {
      const { id, key } = await server.createKey({ organization })
      const answers = await asAdmin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 })
      counts(t, answers, { 201: 1, 409: callers - 1 })
      t.ok(answers.every(({ status, json }) => status === 201 || json.code === 'CREDENTIAL_SUPERSEDED'))
      const successor = answers.find(({ status }) => status === 201)!.json
      for (const each of pair) {
        t.strictSame([(await each.withKey(key)).status, (await each.withKey(successor.key)).status], [401, 200])
      }
      t.equal((await world.rows(`SELECT "id" FROM "ApiKey" WHERE "chainId" = '${id}'`)).length, 2)
    })

    await t.test(`CL-03: the last credits are spent once [${name}]`, async t => {
      const { id } = await made('/organizations', { name: 'spenders' })
      await made(`/organizations/${id}/credits`, { environment: 'live', amount: 3 * 7 + 2, reason: 'r' })
      const { key } = await server.createKey({ organization: id })
      const answers = await race((server, from) =>
        server.send({ method: 'POST', path: '/paid/spend', headers: { 'x-api-key': key }, from })
      )
      counts(t, answers, { 200: 7, 402: callers - 7 })
      t.equal((await admin('GET', `/organizations/${id}/credits`)).json.live, 2)
    })

    await t.test(`Y4: a month has as many calls as its quota [${name}]`, async t => {
      const { key } = await server.createKey({ organization, callsPerMonth: 37 })
      counts(t, await race((server, from) => server.withKey(key, '/api/v1/invoices', { from })), {
        200: 37, 429: callers - 37
      })
    })

    await t.test(`R2: as many clients register as the token has uses [${name}]`, async t => {
      const { id, token } = await server.createRegistrationToken({ organization, uses: 7 })
      const answers = await race((server, from) =>
        server.send({
          method: 'POST',
          path: '/api/v1/oauth/register',
          headers: { authorization: `Bearer ${token}` },
          from,
          body: { client_name: 'r', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
        })
      )
      counts(t, answers, { 201: 7, 401: callers - 7 })
      t.equal((await admin('GET', `/registration-tokens/${id}`)).json.usesLeft, 0)
    })

    await t.test(`P2: an assertion of a client gets one token [${name}]`, async t => {
      const text = await (await signedClient(server, organization)).assertion()
      counts(t, await form('/api/v1/auth/token', tokenByAssertion(text)), { 200: 1, 401: callers - 1 })
    })

    await t.test(`P2: an assertion of a page starts one session [${name}]`, async t => {
      const text = await (await embeddingKey(server, organization, made)).assertion()
      counts(
        t,
        await form('/api/v1/auth/session', {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: text
        }),
        { 200: 1, 400: callers - 1 }
      )
    })

    await t.test(`an Idempotency-Key makes one thing, and everybody who is answered is told of that one [${name}]`, async t => {
      const body = { organization, resource: issuer, environment: 'live', name: 'made once', scopes: ['invoices:read'] }
      const answers = await asAdmin('POST', '/api-keys', body, { 'idempotency-key': 'raced' })
      const told = answers.filter(({ status }) => status === 201)
      t.ok(told.length >= 1)
      t.equal(new Set(told.map(({ text }) => text)).size, 1)
      t.ok(
        answers.every(({ status, json }) => status === 201 || json.code === 'IDEMPOTENCY_IN_PROGRESS'),
        statuses(answers)
      )
      t.equal((await world.rows('SELECT "id" FROM "ApiKey" WHERE "name" = \'made once\'')).length, 1)
      for (const each of pair) {
        t.equal(
          (await each.send({
            method: 'POST',
            path: '/api/v1/api-keys',
            headers: { authorization: `Bearer ${adminToken}`, 'idempotency-key': 'raced' },
            body
          })).text,
          told[0]!.text
        )
      }
    })

    await t.test(`Y3, L2: what is revoked by everybody at once is revoked once [${name}]`, async t => {
      const { id, key } = await server.createKey({ organization })
      counts(t, await asAdmin('POST', `/api-keys/${id}/revoke`), { 200: callers })
      t.equal(await eventsOf('api_key.revoked', id), 1)
      for (const each of pair) t.equal((await each.withKey(key)).status, 401)
    })

    await t.test(`T16: of the secrets that everybody got at once, without an overlap, one works [${name}]`, async t => {
      const client = await server.createClient({ organization })
      const { clientId } = client
      const answers = await asAdmin('POST', `/clients/${clientId}/rotate-secret`, { overlapSeconds: 0 })
      counts(t, answers, { 200: callers })
      const works = await Promise.all([client, ...answers.map(({ json }) => json)].map(async ({ clientSecret }, i) =>
        (await pair[i % 2]!.tokenRequest({ clientId, clientSecret }, {}, { from: `127.0.3.${i + 1}` })).status))
      t.equal(works.filter(status => status === 200).length, 1)
      t.equal(works.filter(status => status === 401).length, callers)
      t.equal((await admin('GET', `/clients/${clientId}`)).json.generation, 1 + callers)
    })

    await t.test(`of those who saw the same state, one changes it [${name}]`, async t => {
      const client = await server.createClient({ organization })
      const { headers } = await admin('GET', `/clients/${client.clientId}`)
      const changes = await asAdmin('PATCH', `/clients/${client.clientId}`, { allowlist: ['127.0.0.0/8'] }, {
        'if-match': headers.etag!
      })
      counts(t, changes, { 200: 1, 412: callers - 1 })
    })

    await t.test(`what is removed by everybody at once is there for one [${name}]`, async t => {
      const { id } = await made('/groups', { organization, name: 'g', scopes: [] })
      counts(t, await asAdmin('DELETE', `/groups/${id}`), { 204: 1, 404: callers - 1 })
      const { token } = await server.createRegistrationToken({ organization, uses: 1 })
      const { json } = await server.send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: { client_name: 'r', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
      })
      const deleted = await race((server, from) =>
        server.send({
          method: 'DELETE',
          path: `/api/v1/oauth/register/${json.client_id}`,
          headers: { authorization: `Bearer ${json.registration_access_token}` },
          from
        })
      )
      t.ok(deleted.every(({ status }) => status === 204 || status === 401), statuses(deleted))
      t.ok(deleted.some(({ status }) => status === 204))
      t.equal(await eventsOf('client.revoked', json.client_id), 1)
    })

    await t.test(`K1: one key at a time is about to sign [${name}]`, async t => {
      counts(t, await asAdmin('POST', '/signing-keys/rotate', {}), { 201: 1, 409: callers - 1 })
    })

    t.strictSame(await findHalves(world), [], 'nothing was left half done')
    t.match((await admin('GET', '/audit/verify')).json, { fault: null })
  })
}

/** Counts the answers by status; the message lists a 503 with its reason. */
function counts (t: Test, answers: readonly Answer[], expected: Record<number, number>): void {
  const found = Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, { length }]) => [status, length])
  )
  t.strictSame(found, expected, statuses(answers))
}

function statuses (answers: readonly Answer[]): string {
  return [...new Set(answers.map(({ status, text }) => `${status} ${status < 300 ? '' : text.slice(0, 120)}`))].join(
    '; '
  )
}

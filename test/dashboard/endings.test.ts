/** What ends on the dashboard is all of what the page names, and nothing that is not found is asked about. */
import tap from 'tap'
import { allowedBy, authorize, createAskingClient, redeem, type AskingClient } from '../support/authorizing.ts'
import { databases } from '../support/databases.ts'
import { asPerson, createAccount, createMember, createPasskey, createPerson, fromOwnPages } from '../support/people.ts'
import { startServer, type Answer } from '../support/test-server.ts'

tap.setTimeout(300_000)
/** More than the greatest page of the API. */
const many = 206

const started = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  return { name, database, server: await startServer({ database: database.url }) }
}))
tap.teardown(() => Promise.all(started.map(async ({ server, database }) => {
  await server.close()
  await database.drop()
})))

for (const { name, server } of started) {
  const { send, admin, issuer } = server
  const admins = await createPerson(server, { role: 'admin' })
  const { organization, cookie } = admins
  const look = (path: string) => send({ path: `/dashboard${path}`, headers: { cookie, ...fromOwnPages } })
  const submit = (path: string, fields: Record<string, string>) => send({
    method: 'POST',
    path: `/dashboard${path}`,
    headers: { cookie, ...fromOwnPages },
    body: new URLSearchParams(fields)
  })
  const allows = async (client: AskingClient, count: number) => {
    for (let i = 0; i < count; i++) {
      const { id } = await createMember(server, { organization, name: `Member ${i}`, role: 'viewer' })
      await allowedBy(server, id, client.id, ['invoices:read'])
    }
  }
  const totalOf = async (path: string) => (await admin('GET', path)).json.pagination.total

  tap.test(`all of an application ends, also of more members than a page has [${name}]`, async t => {
    const client = await createAskingClient(server)
    const first = await createPerson(server, { organization, name: 'First' })
    const asked = { resource: issuer, scope: 'invoices:read' }
    const token = (await redeem(server, client, await authorize(server, client, first, asked))).json.access_token
    await allows(client, many - 1)
    const elsewhere = await createMember(server)
    await allowedBy(server, elsewhere.id, client.id, ['invoices:read'])
    t.equal((await server.bearer(token)).status, 200)
    const page = await look(`/applications/end-all?client=${client.id}`)
    t.equal(page.status, 200)
    t.match(page.text, `${many} in use, ${many} remembered.`)
    const answer = await submit(`/applications/end-all?client=${client.id}`, { confirmation: 'Weather Agent' })
    t.equal(answer.status, 303, answer.text)
    t.equal((await server.bearer(token)).status, 401)
    const own = `organization=${organization}&client=${client.id}&total=true`
    t.equal(await totalOf(`/authorizations?${own}&status=active`), 0)
    t.equal(await totalOf(`/consents?${own}`), 0)
    t.equal(await totalOf(`/authorizations?client=${client.id}&total=true&status=active`), 1, 'of another organization')
    t.match((await look(`/applications/end-all?client=${client.id}`)).text, '0 in use, 0 remembered.')
  })

  tap.test(`an operator ends it in every organization, and the page says so [${name}]`, async t => {
    const [operators] = (await admin('GET', '/organizations?name=Operators')).json.data
    const operator = await createPerson(server, { organization: operators.id, role: 'admin', operator: true })
    const client = await createAskingClient(server)
    for (let i = 0; i < 2; i++) await allowedBy(server, (await createMember(server)).id, client.id, ['invoices:read'])
    const path = `/dashboard/applications/end-all?client=${client.id}`
    const headers = { cookie: operator.cookie, ...fromOwnPages }
    const { text } = await send({ path, headers })
    t.match(text, 'What members of every organization allowed it ends')
    t.match(text, '2 in use, 2 remembered.')
    const body = new URLSearchParams({ confirmation: 'Weather Agent' })
    t.equal((await send({ method: 'POST', path, headers, body })).status, 303)
    t.equal(await totalOf(`/authorizations?client=${client.id}&total=true&status=active`), 0)
    t.equal(await totalOf(`/consents?client=${client.id}&total=true`), 0)
  })

  tap.test(`active authorizations are found behind a page of ended ones [${name}]`, async t => {
    const client = await createAskingClient(server)
    const { id } = await createMember(server, { organization })
    const { authorization: oldest, consent } = await allowedBy(server, id, client.id, ['invoices:read'])
    const { store } = server.latchkey.operation
    await store.transaction(async tx => {
      await tx.consents.remove(consent.id)
      const createdAt = new Date(oldest.createdAt.getTime() + 1000)
      for (let i = 0; i < many; i++) {
        await tx.authorizations.insert({
          ...oldest, id: `${oldest.id}${i}`, createdAt, endedAt: createdAt, endedReason: 'ended'
        })
      }
    })
    t.match((await look(`/applications/end-all?client=${client.id}`)).text, '1 in use, 0 remembered.')
    const answer = await submit(`/applications/end-all?client=${client.id}`, { confirmation: 'Weather Agent' })
    t.equal(answer.status, 303, answer.text)
    t.not((await admin('GET', `/authorizations/${oldest.id}`)).json.endedAt, null)
  })

  tap.test(`authorizations are listed by status, and counted [${name}]`, async t => {
    const { id } = await createMember(server, { organization })
    const client = await createAskingClient(server)
    const { authorization: { id: active } } = await allowedBy(server, id, client.id)
    const { authorization } = await allowedBy(server, (await createMember(server, { organization })).id, client.id)
    await admin('POST', `/authorizations/${authorization.id}/revoke`)
    const { store } = server.latchkey.operation
    const given = (await store.authorizations.get(active))!
    const past = new Date(server.clock.now().getTime() - 1000)
    await store.authorizations.insert({ ...given, id: 'aut_expired', expiresAt: past })
    await store.authorizations.insert({
      ...given, id: 'aut_both', expiresAt: past, endedAt: past, endedReason: 'ended'
    })
    const expected = { active: [active], ended: ['aut_both', authorization.id].sort(), expired: ['aut_expired'] }
    for (const [status, ids] of Object.entries(expected)) {
      const { json } = await admin('GET', `/authorizations?client=${client.id}&status=${status}&total=true`)
      t.strictSame(json.data.map((each: { id: string }) => each.id).sort(), ids, status)
      t.ok(json.data.every((each: { status: string }) => each.status === status), status)
      t.equal(json.pagination.total, ids.length, status)
    }
    t.equal((await admin('GET', '/authorizations?status=over')).status, 400)
    t.equal((await admin('GET', `/authorizations?client=${client.id}`)).json.pagination.total, undefined)
  })

  tap.test(`what is not found is 404, and its text from the address is not asked about [${name}]`, async t => {
    const member = await createMember(server, { organization })
    const key = await server.createKey({ organization })
    const api = (await admin('GET', '/resources')).json.data[0]
    const strange = `..%2F..%2F..%2Fapi-keys%2F${key.id}%2Fdisable`
    for (const path of [
      '/applications/end-all?client=nothing',
      `/members/${member.id}/passkeys/${strange}`,
      `/members/${member.id}/identities/${strange}`,
      `/sign-in/accounts/..%2F..%2Fapi-keys%2F${key.id}%2Fdisable`,
      `/apis/${api.id}/scopes/remove?scope=nothing`
    ]) {
      const typed = { confirmation: 'nothing' }
      for (const answer of [await look(path), await submit(path, typed)]) refuses(answer, path)
    }
    function refuses ({ status, text }: Answer, path: string) {
      t.equal(status, 404, path)
      t.match(text, 'Not found', path)
      t.notMatch(text, /data-name|nothing|disable/, path)
    }
    t.equal((await look('/applications/end-all')).status, 400, 'no client is not all clients')
  })

  tap.test(`a passkey and an account that are there are asked about at their own path [${name}]`, async t => {
    const member = await createMember(server, { organization })
    const passkey = await createPasskey(server, member.id)
    const account = await createAccount(server, member.id, 'https://provider.example')
    const own = await createAccount(server, admins.id, 'https://provider.example')
    for (const path of [
      `/members/${member.id}/passkeys/${passkey.id}`, `/members/${member.id}/identities/${account.id}`,
      `/sign-in/accounts/${own.id}`
    ]) {
      const { status, text } = await look(path)
      t.equal(status, 200, path)
      t.match(text, `action="/dashboard${path}"`)
    }
    t.equal((await asPerson(server, admins)('GET', '/auth/identities')).json.data.length, 1)
  })
}

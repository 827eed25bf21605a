/** Sessions that a partner's key vouches for: nothing that they begin outlasts the key, nor exceeds its ceiling. */
import tap, { type Test } from 'tap'
import { authorizationUrl, browserOf, createAskingClient, isCallback, newPkce } from '../support/authorizing.ts'
import { createPartner, customer, enter, made, openLink, withPartnerKey } from '../support/partners.ts'
import { asPerson, createPerson, signIn } from '../support/people.ts'
import { startOnEachDatabase, type Json, type TestServer } from '../support/test-server.ts'

const started = await startOnEachDatabase()
tap.teardown(started.close)

/** A customer of a partner, and its owner, signed in by the partner. */
async function vouched (server: TestServer, portal: Json = { ceiling: 'owner' }) {
  const key = await createPartner(server, portal)
  const { organization, owner } = await made(withPartnerKey(server, key)('POST', '/portal/organizations', customer()))
  return { key, organization: organization.id as string, owner: owner.id as string }
}

for (const { name, server } of started.servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`[${name}] ${title}`, body)
  const keyOf = (organization: string, more: Json = {}): Json => ({
    organization, resource: server.issuer, environment: 'live', name: 'nightly', scopes: ['invoices:read'], ...more
  })

  test('it allows no application, which would keep its access', async t => {
    const { key, owner } = await vouched(server)
    const client = await createAskingClient(server)
    const asked = { resource: server.issuer, scope: 'invoices:read' }
    const url = authorizationUrl(server, client, newPkce().challenge, asked)
    const { cookie } = await enter(server, key, owner)
    const page = await browserOf(server, { cookie }).open(url, isCallback)
    t.equal(page.status, 403)
    t.match(page.text, 'Sign in yourself')
    const own = await browserOf(server, await signIn(server, owner)).open(url, isCallback)
    t.equal(own.status, 200)
    t.match(own.text, 'Weather Agent')
  })

  test('it changes nothing that a key may do unless the key ends with it', async t => {
    const { key, organization, owner } = await vouched(server)
    const own = asPerson(server, await signIn(server, owner))
    const session = asPerson(server, await enter(server, key, owner))
    const lasting = await made(own('POST', '/api-keys', keyOf(organization, { allowlist: ['10.0.0.1'] })))
    for (const change of [{ scopes: ['invoices:write'] }, { expiresAt: null }, { allowlist: [] }]) {
      const { status, json } = await session('PATCH', `/api-keys/${lasting.id}`, change)
      t.match([status, json.error], [403, /Sign in yourself/], JSON.stringify(change))
    }
    t.equal((await session('PATCH', `/api-keys/${lasting.id}`, { name: 'weekly' })).status, 200)
    const passing = await made(session('POST', '/api-keys', keyOf(organization)))
    t.equal((await session('PATCH', `/api-keys/${passing.id}`, { scopes: ['invoices:write'] })).status, 200)
    t.equal((await session('POST', `/api-keys/${lasting.id}/revoke`, {})).status, 200)
  })

  test('it gives others nothing, by groups or approvals', async t => {
    const { key, organization, owner } = await vouched(server)
    const session = asPerson(server, await enter(server, key, owner))
    const lasting: [string, Json][] = [['/groups', { organization, name: 'g', scopes: [] }], ['/client-approvals', {}]]
    for (const [path, body] of lasting) {
      const { status, json } = await session('POST', path, body)
      t.match([status, json.details.reason], [403, 'insufficient_scope'], path)
    }
  })

  test('it gets no answer that a session of the member\'s own got', async t => {
    const { key, organization, owner } = await vouched(server)
    const create = async (cookie: string) => await server.send({
      method: 'POST',
      path: '/api/v1/api-keys',
      headers: { cookie, 'sec-fetch-site': 'same-origin', 'idempotency-key': 'same' },
      body: keyOf(organization)
    })
    const own = await create((await signIn(server, owner)).cookie)
    const other = await create((await enter(server, key, owner)).cookie)
    t.strictSame([own.status, other.status], [201, 201])
    t.not(own.json.key, other.json.key)
    t.equal(other.json.vouchedBy, key.id)
  })

  test('the ceiling of the key holds when its link is used, and as long as the session lasts', async t => {
    const { key, organization } = await vouched(server, { ceiling: 'member' })
    const input = { organization, name: 'Bob', role: 'member' }
    const create = async () => await made(server.admin('POST', '/members', input))
    const [early, late] = [await create(), await create()]
    const { url } = await made(withPartnerKey(server, key)('POST', `/portal/members/${early.id}/sign-in-links`))
    const session = asPerson(server, await enter(server, key, late.id))
    t.equal((await session('GET', '/auth/me')).status, 200)
    for (const { id } of [early, late]) await made(server.admin('PATCH', `/members/${id}`, { role: 'admin' }))
    t.equal((await session('GET', '/auth/me')).status, 401, 'a running session')
    const answer = await openLink(server, url)
    const cookie = answer.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? ''
    t.equal((await asPerson(server, { cookie })('GET', '/auth/me')).status, 401, 'a link that was minted before')
  })

  test('policies of the operators\' organization do not bind what operators do for the deployment', async t => {
    const operator = await createPerson(server, { organization: 'org_operators', role: 'owner', operator: true })
    const policy = (await server.admin('POST', '/policies', {
      organization: 'org_operators', name: 'no', effect: 'deny'
    })).json
    t.match(policy, { id: /^pol_/ })
    t.equal((await asPerson(server, operator)('GET', '/organizations')).status, 200)
    await server.admin('DELETE', `/policies/${policy.id}`)
  })
}

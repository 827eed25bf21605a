/** Calls of clients that act for people: counted by authorization and day, limited and charged as those of keys. */
import tap from 'tap'
import { secondsAfter } from '../../src/base/clock.ts'
import { jobs } from '../../src/domain/maintenance/housekeeping.ts'
import { allowedBy, authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { asPerson, createMember, createPerson, signIn, type Person } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { deploymentClient, verifyAs } from '../decision/asking.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase({ trustProxy: '127.0.0.1' })
tap.teardown(close)

for (const { name, server } of servers) {
  // No minute ends while its limit is counted.
  server.clock.stop()
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  async function connect (person: Person): Promise<{ token: string, id: string }> {
    const client = await createAskingClient(server)
    const { access_token: token } = (await redeem(server, client, await authorize(server, client, person, asked))).json
    return { token, id: decodeJwt(token).payload.gnt as string }
  }

  const usageOf = async (id: string, query = ''): Promise<Json> =>
    (await server.admin('GET', `/authorizations/${id}/usage${query}`)).json

  async function limit (id: string, limits: Json, headers: Record<string, string> = {}): Promise<Answer> {
    const authorization = `Bearer ${server.adminToken}`
    return await server.send({
      method: 'PATCH', path: `/api/v1/authorizations/${id}`, headers: { authorization, ...headers }, body: limits
    })
  }

  async function statuses (token: string, calls: number, path?: string): Promise<number[]> {
    const answers = await Promise.all(Array.from({ length: calls }, () => server.bearer(token, path)))
    return answers.map(({ status }) => status).sort()
  }

  tap.test(`CL-08: calls are counted by authorization and day, in process, by verify and by forward-auth [${name}]`, async t => {
    const person = await createPerson(server)
    const { token, id } = await connect(person)
    const other = await connect(person)
    const asker = await deploymentClient(server, [server.issuer])
    t.equal((await server.bearer(token)).status, 200)
    const question = { credential: token, resource: server.issuer, scopes: ['invoices:read'] }
    t.equal((await verifyAs(server, asker, question)).json.allowed, true)
    t.equal((await verifyAs(server, asker, { ...question, scopes: ['invoices:write'] })).json.allowed, false)
    const proxied = await server.send({
      path: '/api/v1/forward-auth/res_host?scope=invoices:read', headers: { authorization: `Bearer ${token}` }
    })
    t.equal(proxied.status, 200)
    const today = server.clock.now().toISOString().slice(0, 10)
    const usage = await usageOf(id)
    t.match(usage, {
      authorization: id,
      organization: person.organization,
      environment: 'live',
      calls: 3,
      credits: 0,
      callsToday: 3,
      days: [{ day: today, calls: 3, credits: 0 }]
    })
    t.equal((await usageOf(other.id)).calls, 0)
    t.strictSame(await usageOf(id, '?from=2020-01-01&to=2020-01-31').then(({ days }) => days), [])
    t.equal((await server.admin('GET', `/organizations/${person.organization}/usage`)).json.live.calls, 3)
  })

  for (const way of ['verify', 'forward-auth']) {
    tap.test(`a call by ${way} moves lastUsedAt of the authorization [${name}]`, async t => {
      const person = await createPerson(server)
      const { token, id } = await connect(person)
      server.clock.advance(3)
      const at = server.clock.now().toISOString()
      if (way === 'verify') {
        const asker = await deploymentClient(server, [server.issuer])
        await verifyAs(server, asker, { credential: token, resource: server.issuer, scopes: [] })
      } else {
        const headers = { authorization: `Bearer ${token}` }
        await server.send({ path: '/api/v1/forward-auth/res_host?scope=-', headers })
      }
      t.equal(await eventually(async () => (await usageOf(id)).lastUsedAt, lastUsedAt => lastUsedAt === at), at)
    })
  }

  tap.test(`a member reads the usage of their own authorizations alone, on the API and on the page [${name}]`, async t => {
    const person = await createPerson(server)
    const member = await createMember(server, { organization: person.organization })
    const other = { ...member, ...await signIn(server, member.id) }
    const { token, id } = await connect(person)
    for (let i = 0; i < 2; i++) await server.bearer(token)
    const path = `/auth/authorizations/${id}/usage`
    t.match((await asPerson(server, person)('GET', path)).json, { authorization: id, calls: 2, callsToday: 2 })
    t.equal((await asPerson(server, other)('GET', path)).status, 404)
    const foreign = await createPerson(server)
    t.equal((await asPerson(server, foreign)('GET', `/authorizations/${id}/usage`)).status, 404)
    const page = await server.send({
      path: '/api/v1/auth/applications', headers: { cookie: person.cookie, accept: 'text/html' }
    })
    t.match(page.text, '2 calls in 30 days')
  })

  tap.test(`limits take a deployment-wide credential and the present ETag, are audited, and end with the authorization [${name}]`, async t => {
    const person = await createPerson(server)
    const { token, id } = await connect(person)
    const limits = { callsPerMinute: 9, callsPerMonth: 99, creditsPerMonth: 999 }
    const none = { callsPerMinute: null, callsPerMonth: null, creditsPerMonth: null }
    const before = await server.admin('GET', `/authorizations/${id}`)
    t.match(before.json, none)
    t.equal((await asPerson(server, person)('PATCH', `/authorizations/${id}`, limits)).status, 403)
    t.equal((await limit(id, limits, { 'if-match': '"0"' })).status, 412)
    const after = await limit(id, limits, { 'if-match': before.headers.etag as string })
    t.equal(after.status, 200)
    t.match(after.json, { id, status: 'active', ...limits })
    const [event] = (await server.admin('GET', `/audit?subject=${id}&type=authorization.updated`)).json.data
    t.match(event.detail, { member: person.id, ...limits })
    t.match((await limit(id, { callsPerMinute: null })).json, { ...limits, callsPerMinute: null })
    t.equal((await limit(id, { callsPerMinute: 0 })).status, 400)
    await server.admin('POST', `/authorizations/${id}/revoke`)
    t.match((await limit(id, none)).json, { code: 'CREDENTIAL_REVOKED' })
    t.equal((await server.bearer(token)).status, 401)
    t.equal((await limit('aut_none', none)).status, 404)
  })

  tap.test(`CD-10: each limit of an authorization is exact, is answered as that of a key, and counts no refused call [${name}]`, async t => {
    const person = await createPerson(server)
    for (const [limits, policy] of [
      [{ callsPerMinute: 3 }, '"minute";q=3;w=60'], [{ callsPerMonth: 3 }, '"month";q=3;']
    ] as const) {
      const { token, id } = await connect(person)
      const other = await connect(person)
      await limit(id, limits)
      t.strictSame(await statuses(token, 6), [200, 200, 200, 429, 429, 429])
      const refused = await server.bearer(token)
      t.equal(refused.status, 429)
      t.ok(Number(refused.headers['retry-after']) > 0)
      t.ok(String(refused.headers['ratelimit-policy']).startsWith(policy))
      t.equal((await server.bearer(other.token)).status, 200, 'another authorization has limits of its own')
      t.equal((await usageOf(id)).calls, 3)
    }
  })

  tap.test(`the limits of an organization bind its keys and its members' clients together, not its machines' tokens [${name}]`, async t => {
    const person = await createPerson(server)
    const { token } = await connect(person)
    const { key } = await server.createKey({ organization: person.organization })
    const machine = await server.tokenFor(await server.createClient({ organization: person.organization }))
    await server.admin('PATCH', `/organizations/${person.organization}`, { callsPerMonth: 4 })
    t.strictSame(await statuses(token, 2), [200, 200])
    const withKey = () => server.withKey(key)
    t.strictSame([(await withKey()).status, (await withKey()).status, (await withKey()).status], [200, 200, 429])
    t.equal((await server.bearer(token)).status, 429)
    t.equal((await server.bearer(machine)).status, 200)
  })

  tap.test(`CL-03: a call that costs credits is paid from the live account of the member's organization, and refunded to it [${name}]`, async t => {
    const person = await createPerson(server)
    const { token, id } = await connect(person)
    const asker = await deploymentClient(server, [server.issuer])
    await server.admin('PATCH', '/resources/res_host', { mostCredits: 5 })
    const ask = async (credential = token) => (await verifyAs(server, asker, {
      credential, resource: server.issuer, scopes: [], credits: 2
    })).json
    t.match(await ask(), { allowed: false, refusal: { status: 402 } })
    await server.admin('POST', `/organizations/${person.organization}/credits`, {
      environment: 'live', amount: 9, reason: 'test'
    })
    await limit(id, { creditsPerMonth: 5 })
    t.match(await Promise.all([ask(), ask()]), [{ allowed: true }, { allowed: true }])
    t.match(await ask(), { allowed: false, refusal: { status: 429 } })
    const machine = await server.tokenFor(await server.createClient({ organization: person.organization }))
    t.match(await ask(machine), { allowed: false, refusal: { status: 403 } })
    t.match((await server.admin('GET', `/organizations/${person.organization}/credits`)).json, { live: 5, test: 0 })
    t.match(await usageOf(id), { calls: 2, credits: 4 })
    const { data } = (await server.admin('GET', `/organizations/${person.organization}/credits/entries`)).json
    const spent = data.filter(({ amount }: Json) => amount < 0)
    t.match(spent, [{ apiKey: null, authorization: id, amount: -2 }, { apiKey: null, authorization: id, amount: -2 }])
    await server.latchkey.meter.refund(spent[0].id, 'it failed')
    t.match(await usageOf(id), { calls: 2, credits: 2 })
    t.match(await ask(), { allowed: true }, 'the refund counts in the month of the authorization')
  })

  tap.test(`an authorization that has expired is kept as long as its usage, which is its organization's [${name}]`, async t => {
    const { operation } = server.latchkey
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { authorization: { id } } = await allowedBy(server, person.id, client.id)
    t.ok(await operation.store.authorizations.redeem(id, server.clock.now()))
    const end = (await operation.store.authorizations.get(id))!.expiresAt
    for (const days of [40, 41]) {
      await jobs.authorization!.remove(operation, { usageDays: 40 }, secondsAfter(end, days * 86_400 + days - 40), 500)
      t.equal(await operation.store.authorizations.get(id) === null, days > 40, `${days} days later`)
    }
  })
}

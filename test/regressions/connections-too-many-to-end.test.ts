/** What one client holds of one member can always be ended, however much it is, and has a bound. */
import tap from 'tap'
import { allow, mostConnections } from '../../src/domain/authorizations/allow.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { newId, newSecret } from '../../src/secrets/random.ts'
import { defaultLimits } from '../../src/storage/engine/timeouts.ts'
import {
  authorize, browserOf, createAskingClient, redeem, registerAskingClient, type AskingClient
} from '../support/authorizing.ts'
import { databases } from '../support/databases.ts'
import { asPerson, createPerson, type Person } from '../support/people.ts'
import { decodeJwt, MovableClock, startServer, type TestServer } from '../support/test-server.ts'

tap.setTimeout(600_000)
const many = 1_500

const started = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  const clock = new MovableClock()
  const secrets = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
  const options = { database: database.url, environment: secrets, clock, limits: defaultLimits }
  const server = await startServer({ ...options, registration: 'open' })
  // SQLite has one server.
  const other = name === 'sqlite' ? server : await startServer({ ...options, issuer: server.issuer })
  return { name, server, other, database }
}))
tap.teardown(() => Promise.all(started.map(async ({ server, other, database }) => {
  await Promise.all([server.close(), ...(other === server ? [] : [other.close()])])
  await database.drop()
})))

/** Tokens of a person with this many more authorizations of the client. */
async function manyOf (server: TestServer, person: Person, client: AskingClient): Promise<string[]> {
  const { store } = server.latchkey.operation
  const tokens: string[] = []
  for (let i = 0; i < 2; i++) {
    const asked = { resource: server.issuer, scope: 'invoices:read' }
    tokens.push((await redeem(server, client, await authorize(server, client, person, asked))).json.access_token)
  }
  const one = (await store.authorizations.get(decodeJwt(tokens[0]!).payload.gnt))!
  const { createdAt, expiresAt } = one
  const given = { kind: 'refresh_token', content: {}, createdAt, expiresAt, consumedAt: null } as const
  for (let i = 0; i < many; i += 250) {
    await store.transaction(async tx => {
      for (let k = 0; k < 250; k++) {
        const id = newId('aut')
        await tx.authorizations.insert({ ...one, id })
        await tx.authorizationSteps.insert({ ...given, digest: id, authorizationId: id })
      }
    })
  }
  return tokens
}

for (const { name, server, other } of started) {
  const { store } = server.latchkey.operation
  const working = async (filter: object) => (await store.authorizations.page(
    { limit: 200, after: null }, { ...filter, over: { is: false, at: server.clock.now() } }
  )).items.length
  const statuses = async (tokens: string[]) => await Promise.all(
    tokens.flatMap(token => [server, other].map(async each => (await each.bearer(token)).status))
  )
  const eventsAbout = async (subject: string) => (await server.admin('GET', `/audit?subject=${subject}`)).json.data

  tap.test(`a member ends a consent with ${many} authorizations, and every token on every server [${name}]`, async t => {
    const person = await createPerson(server)
    const tokens = await manyOf(server, person, await createAskingClient(server))
    t.strictSame(new Set(await statuses(tokens)), new Set([200]))
    const page = await browserOf(server, person).send('GET', `${server.url}/api/v1/auth/applications`)
    t.equal(page.status, 200)
    t.equal(page.text.match(/applications\/connections\//g)?.length, 50)
    t.match(page.text, 'These are the newest 50.')
    const [consent] = (await asPerson(server, person)('GET', '/auth/consents')).json.data
    t.equal((await asPerson(server, person)('DELETE', `/auth/consents/${consent.id}`)).status, 204)
    t.strictSame(new Set(await statuses(tokens)), new Set([401]))
    t.equal(await working({ memberId: person.id }), 0)
    const events = await eventsAbout(consent.id)
    t.equal(events.length, 3)
    const ended = events.find(({ type }: any) => type === 'authorization.ended')
    t.match(ended, { actor: person.id, detail: { member: person.id, reason: 'consent-ended', count: many + 2 } })
    t.equal(ended.detail.authorizations.length, 100)
  })

  tap.test(`an organization that refuses a client with ${many} authorizations ends them [${name}]`, async t => {
    const person = await createPerson(server)
    const { client } = await registerAskingClient(server)
    const tokens = await manyOf(server, person, client)
    const path = `/organizations/${person.organization}/admit-clients`
    const rule = await server.admin('POST', path, { unverified: 'deny' })
    t.match(rule, { status: 200, json: { unverifiedClients: 'deny' } })
    t.strictSame(new Set(await statuses(tokens)), new Set([401]))
    t.equal(await working({ clientId: client.id }), 0)
    t.strictSame((await asPerson(server, person)('GET', '/auth/consents')).json.data, [])
    const [ended] = (await eventsAbout(person.organization)).filter(({ type }: any) => type === 'authorization.ended')
    t.match(ended.detail, { client: client.id, reason: 'client-not-admitted', count: many + 2 })
  })

  tap.test(`one authorization more than ${mostConnections} ends the oldest, and the log says so [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const asked = { resource: server.issuer, scope: 'invoices:read' }
    const { access_token: oldest } = (await redeem(server, client, await authorize(server, client, person, asked))).json
    const { gnt } = decodeJwt(oldest).payload
    const [member, found] = [(await store.members.get(person.id))!, (await store.clients.get(client.id))!]
    const { resourceId, scopes } = (await store.authorizations.get(gnt))!
    const again = async () => {
      server.clock.advance(1)
      const operation = { ...server.latchkey.operation, actor: systemActor }
      return await allow(operation, {
        member, client: found, resourceId, scopes, identityScopes: [], isRemembered: false
      })
    }
    for (let i = 1; i < mostConnections; i++) await again()
    t.strictSame(new Set(await statuses([oldest])), new Set([200]), `${mostConnections} work together`)
    await again()
    t.strictSame(new Set(await statuses([oldest])), new Set([401]))
    t.equal(await working({ memberId: person.id }), mostConnections)
    t.match((await eventsAbout(gnt)).find(({ type }: any) => type === 'authorization.ended'), {
      detail: { reason: 'superseded' }
    })
  })

  tap.test(`the calls of more consumers than a statement may name are counted [${name}]`, async t => {
    const ids = Array.from({ length: many }, () => newId('aut'))
    const day = '2026-01-01'
    const [first, last] = [ids[0]!, ids.at(-1)!]
    await store.usage.add([
      { consumerId: first, day, calls: 2, credits: 0 }, { consumerId: last, day, calls: 3, credits: 0 }
    ])
    t.equal(await store.usage.callsOf(ids, { from: day, to: day }), 5)
  })
}

/** Sessions of remote guards on a real server: what is handed out, what a change waits for, and what is refused. */
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { GuardSession } from '../../src/decision/guard-sessions/guard-session.ts'
import { lookUp } from '../../src/decision/guard-sessions/lookup.ts'
import { credentialChecks } from '../../src/domain/access/authenticator.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { newMarks } from '../../src/secrets/authentication-code.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { basic, startServer, type Answer, type Json, type ServerOptions } from '../support/test-server.ts'

const path = '/api/v1/guard/sessions'

const surroundings = { mark: newMarks(), patience: 1_000, onLate () {} }

/** A server, and a client that introspects its resource. */
async function start (t: Test, options: ServerOptions = {}) {
  const server = await startServer(options)
  t.teardown(() => server.close())
  const organization = await server.createOrganization()
  const client = await server.createClient({ organization: organization.id, introspects: [server.url] })
  const headers = { authorization: basic(client.clientId, client.clientSecret) }
  const ask = (suffix: string, body?: Json, method = 'POST'): Promise<Answer> =>
    server.send({ method, path: `${path}${suffix}`, headers, ...(body && { body }) })
  const open = async (): Promise<string> => {
    const { status, json } = await ask('', { resource: server.url })
    t.equal(status, 201)
    return json.session
  }
  return { server, organization, client, headers, ask, open }
}

tap.test('a guard learns the facts of a key, and of a change before it is acknowledged', async t => {
  const { server, organization, ask, open } = await start(t)
  const session = await open()
  const key = await server.createKey({ organization: organization.id, scopes: ['invoices:read'] })
  const first = await ask(`/${session}/poll`, { applied: 0 })
  t.match(first, { status: 200, json: { position: 0, changes: [], trustFor: 1000 } })
  const found = await ask(`/${session}/lookup`, { credential: key.key, kind: 'api_key' })
  t.match(found, { status: 200, json: { position: 0, entry: { asksEachTime: false, facts: { kind: 'api_key' } } } })
  t.strictSame(found.json.entry.facts.principal.scopes, ['invoices:read'])
  t.notMatch(found.text, /digest|hint/)

  let isAcknowledged = false
  const revoked = server.admin('POST', `/api-keys/${key.id}/revoke`).then(answer => {
    isAcknowledged = true
    return answer
  })
  const news = await ask(`/${session}/poll`, { applied: 0 })
  t.equal(news.json.position, 1)
  t.ok(found.json.entry.follows.includes(news.json.changes[0]))
  t.notOk(isAcknowledged, 'the change waits for the guard')
  const next = ask(`/${session}/poll`, { applied: 1 })
  t.equal((await revoked).status, 200)
  t.match(await next, { status: 200 })
})

tap.test('a key that was looked up over a change was asked about: its calls are counted', async t => {
  const { server, organization } = await start(t)
  const { latchkey: { registry, signingKeys }, issuer, clock } = server
  const { key: text } = await server.createKey({ organization: organization.id })
  const { authenticator } = credentialChecks({ issuer, registry, signingKeys, adminTokenDigest: null })
  const identity = { id: 'gds', clientId: 'cli', resourceId: hostResourceId, address: '' }
  const session = new GuardSession(identity, surroundings)
  const resource = (await registry.resource(hostResourceId))!
  const found = lookUp({ authenticator, clock: clock.now }, session, resource, { kind: 'api_key', text })
  session.note({ of: 'organization', id: 'another' })
  t.match(await found, { position: null, entry: { facts: { kind: 'api_key' } } })
  t.ok(session.holds(session.keySubject(digestOf(text))))
})

tap.test('of policies a guard learns what its requests may or may not meet, and nothing of others', async t => {
  const { server, organization, ask, open } = await start(t)
  const { id: other } = await server.createOrganization('Other')
  const key = await server.createKey({ organization: organization.id, scopes: ['invoices:read'] })
  const make = async (body: Json): Promise<Json> => {
    const { status, json, text } = await server.admin('POST', '/policies', { effect: 'deny', ...body })
    t.equal(status, 201, text)
    return json
  }
  const addresses = ['198.51.100.0/24']
  const made = [
    await make({
      name: 'secret plan',
      description: 'secret reason',
      conditions: { organizations: [organization.id, other], kinds: ['api_key', 'session'], addresses }
    }),
    await make({ name: 'of others', conditions: { organizations: [other], addresses } }),
    await make({ organization: organization.id, name: 'own', conditions: { scopes: ['invoices:write'] } })
  ]
  const found = await ask(`/${await open()}/lookup`, { credential: key.key, kind: 'api_key' })
  t.strictSame(found.json.entry.facts.policies, [
    [{ effect: 'deny', conditions: { addresses } }],
    [{ effect: 'deny', conditions: { scopes: ['invoices:write'] } }]
  ])
  for (const hidden of ['secret', 'of others', other, ...made.map(({ id }) => id)]) t.notMatch(found.text, hidden)
})

tap.test('a change of everything, and more changes than may wait, make a guard open another session', t => {
  const session = (): GuardSession => {
    const made = new GuardSession({ id: 'gds', clientId: 'cli', resourceId: 'res', address: '' }, surroundings)
    made.hand(['resources', 'organization:a'])
    return made
  }
  const disconnected = session()
  disconnected.note({ of: 'everything' })
  t.strictSame(disconnected.news(1_000).changes, ['everything', 'signing-keys'])
  const stalled = session()
  stalled.note({ of: 'resources', organizationId: null })
  for (let i = 0; i < 2_000; i++) stalled.note({ of: 'organization', id: 'a' })
  const { changes } = stalled.news(1_000)
  t.ok(changes.length <= 1_000)
  t.strictSame(changes.slice(0, 2), ['everything', 'signing-keys'])
  t.end()
})

tap.test('a client that is revoked while its poll is held gets no trust by the answer', async t => {
  const { server, client, ask, open } = await start(t, { environment: { LATCHKEY_REPLICA_LEASE: '8000' } })
  const session = await open()
  t.equal((await ask(`/${session}/poll`, { applied: 0 })).status, 200, 'the first poll is answered at once')
  const held = ask(`/${session}/poll`, { applied: 0 })
  t.equal((await server.admin('POST', `/clients/${client.clientId}/revoke`)).status, 200)
  t.equal((await held).status, 401)
})

/** Sessions that hold a key each, and changes of these keys, which the sessions confirm after a part of the lease. */
async function startSlow (t: Test, sessions: number) {
  const { server, organization, ask, open } = await start(t, { environment: { LATCHKEY_REPLICA_LEASE: '8000' } })
  const lease = 4_000
  const keys = [await server.createKey({ organization: organization.id })]
  keys.push(await server.createKey({ organization: organization.id }))
  const guards = await Promise.all(Array.from({ length: sessions }, async () => {
    const session = await open()
    await ask(`/${session}/poll`, { applied: 0 })
    for (const { key } of keys) await ask(`/${session}/lookup`, { credential: key, kind: 'api_key' })
    return session
  }))
  /** Resolves to the answers to the polls that confirm the change number `i`, from 1. */
  const change = async (i: number, partOfLease: number): Promise<Answer[]> => {
    const revoked = server.admin('POST', `/api-keys/${keys[i - 1]!.id}/revoke`)
    const told = await Promise.all(guards.map(session => ask(`/${session}/poll`, { applied: i - 1 })))
    for (const { json } of told) t.equal(json.position, i)
    await sleep(partOfLease * lease)
    const confirmed = guards.map(session => ask(`/${session}/poll`, { applied: i }))
    t.equal((await revoked).status, 200)
    return await Promise.all(confirmed)
  }
  return { change, ask, open }
}

tap.test('a guard that confirms two changes in the last half of its lease gets no trust', async t => {
  const { change, ask, open } = await startSlow(t, 1)
  const [first] = await change(1, 0.6)
  t.match(first, { status: 200 }, 'it was in time: its session goes on')
  t.ok(first!.json.trustFor > 0)
  const [second] = await change(2, 0.6)
  t.match(second, { status: 200, json: { trustFor: 0 } })
  t.match(await ask(`/${await open()}/poll`, { applied: 0 }), { status: 200, json: { trustFor: 0 } })
})

tap.test('a change that several guards at one address delay counts once, and a quick confirmation does not', async t => {
  const { change } = await startSlow(t, 2)
  for (const { json } of await change(1, 0.6)) t.ok(json.trustFor > 0)
  for (const { json } of await change(2, 0)) t.ok(json.trustFor > 0)
})

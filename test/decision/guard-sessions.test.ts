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
import { timed } from '../support/waiting.ts'

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
  const { meter } = server.latchkey
  const resource = (await registry.resource(hostResourceId))!
  const found = lookUp({ authenticator, meter, clock: clock.now }, session, resource, { kind: 'api_key', text })
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

tap.test('of 1,000 joins at once 32 are taken, and another client and a change wait for none of the rest', async t => {
  const { server, organization, ask, open } = await start(t)
  const key = await server.createKey({ organization: organization.id })
  const other = await server.createClient({ organization: organization.id, introspects: [server.url] })
  const joins = Array.from({ length: 1_000 }, () => ask('', { resource: server.url }))
  const others = server.send({
    method: 'POST',
    path,
    headers: { authorization: basic(other.clientId, other.clientSecret) },
    body: { resource: server.url }
  })
  const answers = await Promise.all(joins)
  t.equal((await others).status, 201)
  const taken = answers.filter(({ status }) => status === 201)
  const refused = answers.filter(({ status }) => status !== 201)
  t.equal(taken.length, 32)
  const forms = new Set(refused.map(({ status, json }) => `${status} ${json.code}`))
  t.strictSame([...forms], ['429 TOO_MANY_REQUESTS'])
  t.match(refused[0]!.json.error, /32 sessions of guards open.*end those/)
  const revoked = await server.admin('POST', `/api-keys/${key.id}/revoke`)
  t.equal(revoked.status, 200, 'sessions without trust delay nothing')
  t.equal((await ask(`/${taken[0]!.json.session}`, undefined, 'DELETE')).status, 204)
  await open()
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

/** A guard of a client, as its session is told: every answer to a poll, until one has what is looked for. */
function heardBy (ask: (suffix: string, body?: Json) => Promise<Answer>, session: string) {
  let counted = 0
  return async (holder: string, total: number): Promise<Json> => {
    for (;;) {
      const { json } = await ask(`/${session}/poll`, { applied: 0, counted })
      counted = json.counted ?? counted
      if (json.elsewhere?.[holder] === total) return json.elsewhere
    }
  }
}

tap.test('a session is told what others counted for the keys that it asked about, and never its own calls', async t => {
  const { server, organization, client, ask, open } = await start(t)
  const key = await server.createKey({ organization: organization.id, callsPerMinute: 100 })
  const asked = { credential: key.key, kind: 'api_key' }
  const day = server.clock.now().toISOString().slice(0, 10)
  const verify = (): Promise<Answer> => server.send({
    method: 'POST',
    path: '/api/v1/verify',
    headers: { authorization: basic(client.clientId, client.clientSecret) },
    body: { credential: key.key, resource: server.url, scopes: [] }
  })
  server.clock.stop()
  t.match((await verify()).json, { allowed: true })
  const [one, other] = [await open(), await open()]
  t.strictSame((await ask(`/${one}/lookup`, asked)).json.elsewhere, { [key.id]: 1 }, 'what was counted before')
  t.strictSame((await ask(`/${other}/lookup`, asked)).json.elsewhere, { [key.id]: 1 })
  const [byOne, byOther] = [heardBy(ask, one), heardBy(ask, other)]
  const report = { sequence: 1, entries: [{ key: key.id, calls: 7, day }] }
  for (let i = 0; i < 3; i++) t.equal((await ask(`/${one}/usage`, report)).status, 204)
  t.strictSame(await byOther(key.id, 8), { [key.id]: 8 }, 'a report that is repeated is told once')
  t.match((await verify()).json, { allowed: true, headers: { ratelimit: /"minute";r=91;/ } })
  t.strictSame(await byOne(key.id, 2), { [key.id]: 2 }, 'what verify counted, and not its own')
  t.strictSame(await byOther(key.id, 9), { [key.id]: 9 })
  t.strictSame((await ask(`/${one}/lookup`, asked)).json.elsewhere, { [key.id]: 2 }, 'a second look-up tells the same')
})

tap.test('a poll that is held is answered soon after calls were counted elsewhere, and again until it is confirmed', async t => {
  const { server, organization, ask, open } = await start(t, { environment: { LATCHKEY_REPLICA_LEASE: '60000' } })
  const key = await server.createKey({ organization: organization.id, callsPerMinute: 100 })
  const day = server.clock.now().toISOString().slice(0, 10)
  const [one, other] = [await open(), await open()]
  for (const each of [one, other]) await ask(`/${each}/lookup`, { credential: key.key, kind: 'api_key' })
  await ask(`/${one}/poll`, { applied: 0, counted: 0 })
  const held = timed(() => ask(`/${one}/poll`, { applied: 0, counted: 0 }))
  await ask(`/${other}/usage`, { sequence: 1, entries: [{ key: key.id, calls: 7, day }] })
  const ms = await held
  t.ok(ms < 7_500, `a quarter of the lease has not passed: ${ms} ms`)
  const again = await ask(`/${one}/poll`, { applied: 0, counted: 0 })
  t.match(again.json, { counted: 2, elsewhere: { [key.id]: 7 } })
  t.equal((await ask(`/${other}/usage`, { sequence: 2, entries: [{ key: key.id, calls: 1, day }] })).status, 204)
  t.match((await ask(`/${one}/poll`, { applied: 0, counted: 2 })).json, { counted: 3, elsewhere: { [key.id]: 8 } })
})

tap.test('a guard learns nothing of keys and organizations that it was not handed a key of', async t => {
  const { server, organization, ask, open } = await start(t)
  const stranger = await server.createOrganization()
  for (const { id } of [organization, stranger]) {
    await server.admin('PATCH', `/organizations/${id}`, { callsPerMinute: 1_000 })
  }
  const resource = await server.admin('POST', '/resources', {
    identifier: 'https://stranger.test', name: 'stranger', organization: stranger.id, scopes: [{ name: 'read' }]
  })
  t.equal(resource.status, 201)
  const theirs = await server.createKey({
    organization: stranger.id, resource: 'https://stranger.test', scopes: ['read'], callsPerMinute: 100
  })
  const own = await server.createKey({ organization: organization.id, callsPerMinute: 100 })
  const client = await server.createClient({ organization: stranger.id, introspects: ['https://stranger.test'] })
  const headers = { authorization: basic(client.clientId, client.clientSecret) }
  const asStranger = (suffix: string, body: Json): Promise<Answer> =>
    server.send({ method: 'POST', path: `${path}${suffix}`, headers, body })
  const session = await open()
  const foreign = (await asStranger('', { resource: 'https://stranger.test' })).json.session
  t.match(await ask(`/${session}/lookup`, { credential: theirs.key, kind: 'api_key' }), {
    json: { refusal: { reason: 'unknown' }, elsewhere: undefined }
  })
  await ask(`/${session}/lookup`, { credential: own.key, kind: 'api_key' })
  await asStranger(`/${foreign}/lookup`, { credential: theirs.key, kind: 'api_key' })
  const day = server.clock.now().toISOString().slice(0, 10)
  const report = (key: Json) => ({ sequence: 1, entries: [{ key: key.id, calls: 5, day }] })
  t.equal((await ask(`/${session}/usage`, report(theirs))).status, 204, 'what it has not asked about is left out')
  t.equal((await asStranger(`/${foreign}/usage`, report(theirs))).status, 204)
  const another = await open()
  await ask(`/${another}/lookup`, { credential: own.key, kind: 'api_key' })
  t.equal((await ask(`/${another}/usage`, report(own))).status, 204)
  t.strictSame(await heardBy(ask, session)(own.id, 5), { [own.id]: 5, [`${organization.id}:live`]: 5 })
  await ask(`/${session}/usage`, { ...report(own), sequence: 2 })
  const told = await asStranger(`/${foreign}/poll`, { applied: 0, counted: 0 })
  t.equal(told.status, 200)
  t.equal(told.json.elsewhere, undefined)
})

/** After a failover that lost changes, the servers that remember them refuse their subjects. */
import pg from 'pg'
import tap from 'tap'
import { digestOf } from '../../../src/secrets/digest.ts'
import { newSecret } from '../../../src/secrets/random.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { LostChangeDetector } from '../../../src/storage/lost-changes/lost-change-detector.ts'
import { retentionMs, RememberedEntries } from '../../../src/storage/lost-changes/remembered-entries.ts'
import { startServer, type Answer, type Json, type TestServer } from '../../support/test-server.ts'
import { administer, asWanted, freshDatabase } from '../../support/postgres.ts'
import { eventually, until } from '../../support/waiting.ts'
import { startNetworkProxy, type NetworkProxy } from '../../support/network-proxy.ts'

const issuer = 'http://localhost:3998'
const environment = {
  LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`, LATCHKEY_REPLICA_LEASE: '1200'
}
const database = await freshDatabase()
const name = new URL(database.url).pathname.slice(1)
const elsewhere = Object.assign(new URL(database.url), { pathname: '/postgres' }).href
const wire = await startNetworkProxy(database.url)
const start = () => startServer({ database: wire.url, issuer, environment })
const [a, b] = [await start(), await start()]
const servers = [a, b]
tap.teardown(async () => {
  await Promise.all(servers.map(server => server.close()))
  await wire.close()
  await administer(elsewhere, `DROP DATABASE IF EXISTS ${name}_lost WITH (FORCE)`)
  await database.drop()
})

const sql = async (statement: string): Promise<Json[]> => (await administer(database.url, statement)).rows
const joined = () =>
  until(
    'all servers have joined',
    async () => (await sql('SELECT count(*)::int AS n FROM "Replica" WHERE "leftAt" IS NULL'))[0]!.n === servers.length
  )

const isTrusted = async (server: TestServer): Promise<boolean> =>
  /^latchkey_registry_trusted 1$/m.test((await server.send({ path: '/prom' })).text)
const trusting = (those = servers) =>
  until('the caches are in use', async () => (await Promise.all(those.map(isTrusted))).every(trusted => trusted))

/** A database, the proxy before it, and the servers on it. */
interface Place { name: string, wire: NetworkProxy, servers: TestServer[] }
const place: Place = { name, wire, servers }

/** Runs `work` while no server is connected. */
async function interrupted (work: () => Promise<void>, { name, wire }: Place = place): Promise<void> {
  await wire.cut()
  await administer(elsewhere, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${name}'`)
  await work()
  await wire.mend()
}

/** Runs `work` and loses its changes: a copy of the database from before replaces it. */
async function losing (
  work: () => Promise<void>, whileAway: () => void = () => {}, on: Place = place
): Promise<void> {
  const { name } = on
  await interrupted(async () => {
    await administer(elsewhere, `DROP DATABASE IF EXISTS ${name}_lost WITH (FORCE)`)
    await administer(elsewhere, `CREATE DATABASE ${name}_copy TEMPLATE ${name}`)
    await asWanted(elsewhere, `${name}_copy`)
  }, on)
  await trusting(on.servers)
  await work()
  await interrupted(async () => {
    await administer(elsewhere, `ALTER DATABASE ${name} RENAME TO ${name}_lost`)
    await administer(elsewhere, `ALTER DATABASE ${name}_copy RENAME TO ${name}`)
    whileAway()
  }, on)
}

async function done (answer: Promise<Answer>): Promise<Json> {
  const { status, text, json } = await answer
  if (status >= 300) throw new Error(`${status} ${text}`)
  return json
}

const on = (server: TestServer, method: string, path: string, body?: Json) => done(server.admin(method, path, body))
const undecided = async (): Promise<Json[]> => (await on(a, 'GET', '/lost-changes?state=undecided')).data
const asked = (ask: (server: TestServer) => Promise<Answer>) => Promise.all(servers.map(ask))
const statuses = async (ask: (server: TestServer) => Promise<Answer>) => (await asked(ask)).map(({ status }) => status)

/** For look-ups without a route: 200 if the record is found. */
const lookedUp = (look: (server: TestServer) => unknown) => async (server: TestServer) => {
  const status = await Promise.resolve().then(() => look(server)).then(
    found => found === null ? 404 : 200, (error: { status: number }) => error.status
  )
  return { status } as Answer
}

interface Case {
  ask: (server: TestServer) => Promise<Answer>,
  change: () => Promise<unknown>,
  kind: string,
  subject: string,
  status?: number
}

/** Changes that end a credential, each in a new organization, and the subject to refuse when the change is lost. */
const cases: Record<string, (organization: string) => Promise<Case>> = {
  'a revoked key': async organization => {
    const { id, key } = await a.createKey({ organization })
    return {
      ask: server => server.withKey(key),
      change: () => on(a, 'POST', `/api-keys/${id}/revoke`),
      kind: 'api_key',
      subject: id
    }
  },
  'a key with an allowlist': async organization => {
    const { id, key } = await a.createKey({ organization })
    return {
      ask: server => server.withKey(key),
      change: () => on(b, 'PATCH', `/api-keys/${id}`, { allowlist: ['192.0.2.1'] }),
      kind: 'api_key',
      subject: id
    }
  },
  'a revoked client, of its tokens': async organization => {
    const client = await a.createClient({ organization })
    const token = await a.tokenFor(client)
    return {
      ask: server => server.bearer(token),
      change: () => on(a, 'POST', `/clients/${client.clientId}/revoke`),
      kind: 'client',
      subject: client.clientId
    }
  },
  'a revoked client, of the tokens that it asks for': async organization => {
    const client = await a.createClient({ organization })
    return {
      ask: server => server.tokenRequest(client),
      change: () => on(a, 'POST', `/clients/${client.clientId}/revoke`),
      kind: 'client',
      subject: client.clientId
    }
  },
  'a revoked token': async organization => {
    const client = await a.createClient({ organization })
    const token = await a.tokenFor(client)
    const body = new URLSearchParams({ token, client_id: client.clientId, client_secret: client.clientSecret })
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    return {
      ask: server => server.bearer(token),
      change: () => done(a.send({ method: 'POST', path: '/api/v1/oauth/revoke', body })),
      kind: 'access_token',
      subject: jti
    }
  },
  'a revoked access token of the management API': async organization => {
    const { id, token } = await on(a, 'POST', '/access-tokens', { organization, name: 'ci', scopes: ['api-keys:read'] })
    return {
      ask: server => server.bearer(token, '/api/v1/api-keys'),
      change: () => on(a, 'POST', `/access-tokens/${id}/revoke`),
      kind: 'management_token',
      subject: id
    }
  },
  'a revoked registration token': async organization => {
    const { id, token } = await a.createRegistrationToken({ organization })
    const ask = (server: TestServer) =>
      server.send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: { client_name: 'agent' }
      })
    return {
      ask,
      change: () => on(a, 'POST', `/registration-tokens/${id}/revoke`),
      kind: 'registration_token',
      subject: id,
      status: 201
    }
  },
  'a revoked client, of the registration that it reads': async organization => {
    const { token } = await a.createRegistrationToken({ organization })
    const { json } = await a.send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${token}` },
      body: { client_name: 'agent' }
    })
    const ask = (server: TestServer) =>
      server.send({
        path: `/api/v1/oauth/register/${json.client_id}`,
        headers: { authorization: `Bearer ${json.registration_access_token}` }
      })
    return {
      ask, change: () => on(a, 'POST', `/clients/${json.client_id}/revoke`), kind: 'client', subject: json.client_id
    }
  },
  'a revoked key, as its resource server asks about it': async organization => {
    const { id, key } = await a.createKey({ organization })
    const { clientId, clientSecret } = await a.createClient({ introspects: [issuer] })
    const body = new URLSearchParams({ token: key, client_id: clientId, client_secret: clientSecret })
    return {
      ask: server => server.send({ method: 'POST', path: '/api/v1/oauth/introspect', body }),
      change: () => on(a, 'POST', `/api-keys/${id}/revoke`),
      kind: 'api_key',
      subject: id
    }
  },
  'a revoked publishable key': async organization => {
    const { id } = await on(a, 'POST', '/publishable-keys', {
      organization, resource: issuer, environment: 'live', name: 'web', scopes: ['invoices:read']
    })
    return {
      ask: lookedUp(({ latchkey: { registry } }) => registry.publishableKey(id)),
      change: () => on(a, 'POST', `/publishable-keys/${id}/revoke`),
      kind: 'publishable_key',
      subject: id
    }
  },
  'a revoked webhook token': async organization => {
    const { id: apiKey } = await a.createKey({ organization })
    const { id, token } = await on(a, 'POST', '/webhook-tokens', { apiKey, object: { type: 'projects', id: 'prj_1' } })
    return {
      ask: lookedUp(({ latchkey: { registry } }) => registry.webhookToken(digestOf(token))),
      change: () => on(a, 'POST', `/webhook-tokens/${id}/revoke`),
      kind: 'webhook_token',
      subject: id
    }
  },
  'a member who may less': async organization => {
    const member = await on(a, 'POST', '/members', { organization, name: 'Ada', role: 'admin' })
    const { key } = await a.createKey({ organization, creator: member.id })
    return {
      ask: server => server.withKey(key),
      change: () => on(a, 'PATCH', `/members/${member.id}`, { role: 'member', scopes: ['company:read'] }),
      kind: 'member',
      subject: member.id
    }
  },
  'a suspended organization': async organization => {
    const { key } = await a.createKey({ organization })
    return {
      ask: server => server.withKey(key),
      change: () => on(a, 'POST', `/organizations/${organization}/suspend`),
      kind: 'organization',
      subject: organization
    }
  },
  'a policy of an organization': async organization => {
    const { key } = await a.createKey({ organization })
    return {
      ask: server => server.withKey(key),
      change: () => on(a, 'POST', '/policies', { organization, name: 'nobody', effect: 'deny' }),
      kind: 'organization',
      subject: organization
    }
  }
}

tap.test('what was revoked and is valid again after a failover is refused on every server, and nothing else is, until it is accepted [postgresql]', async t => {
  const good = await a.createKey()
  const all = await Promise.all(
    Object.entries(cases).map(async ([what, prepare]) => ({
      what, ...await prepare((await a.createOrganization()).id)
    }))
  )
  for (const { what, ask, status = 200 } of all) t.strictSame(await statuses(ask), [status, status], `before: ${what}`)
  await losing(async () => {
    for (const { change } of all) await change()
  })
  await until(
    'the servers are back',
    async () => (await statuses(server => server.withKey(good.key))).every(status => status === 200)
  )
  await joined()
  const rows = await undecided()
  for (const { what, ask, kind, subject, status = 200 } of all) {
    const answers = await asked(ask)
    t.strictSame(answers.map(({ status }) => status), [503, 503], what)
    const row = rows.find(each => each.kind === kind && each.subject === subject)
    t.ok(row, `${what} is listed`)
    await on(b, 'POST', `/lost-changes/${row!.id}/accept`)
    t.strictSame(await statuses(ask), [status, status], `accepted: ${what}`)
  }
  t.equal(rows.length, all.length)
  t.strictSame(await undecided(), [])
  t.strictSame(await statuses(server => server.withKey(good.key)), [200, 200], 'what nobody changed passes')
  const lines = servers.flatMap(({ lines }) => lines).filter(line => line.includes('latchkey replicas lost'))
  t.equal(lines.length, 2, 'each server has said so in one line')
})

tap.test('a credential that is revoked again needs no other decision [postgresql]', async t => {
  const revoking = Object.entries(cases).filter(([what]) =>
    what.startsWith('a revoked') && !what.includes('of the') && !what.includes('as its')
  )
  const all = await Promise.all(
    revoking.map(async ([what, prepare]) => ({ what, ...await prepare((await a.createOrganization()).id) }))
  )
  const revokeAll = async () => {
    for (const { change } of all) await change()
  }
  await losing(revokeAll)
  await until('it is noticed', async () => (await undecided().catch(() => [])).length === all.length)
  await trusting()
  await revokeAll()
  t.strictSame(await undecided(), [])
  const { data } = await on(a, 'GET', '/lost-changes?state=revoked')
  t.strictSame(
    data.map(({ kind, subject }: Json) => [kind, subject]).sort(),
    all.map(({ kind, subject }) => [kind, subject]).sort()
  )
  for (const { what, ask } of all) t.notMatch(await statuses(ask), [503, 503], what)
})

tap.test('a server remembers its own change before the feed returns it [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  const { id, key } = await a.createKey()
  t.strictSame(await statuses(server => server.withKey(key)), [200, 200])
  await losing(async () => {
    wire.delay.listener = 20_000
    await on(a, 'POST', `/api-keys/${id}/revoke`)
  }, () => { wire.delay.listener = 0 })
  await until('it is noticed', async () => (await undecided().catch(() => [])).length === 1)
  await trusting()
  t.strictSame(await statuses(server => server.withKey(key)), [503, 503], 'also by the server that had not heard of it')
  await interrupted(async () => {
    await sql('DELETE FROM "LostChange" WHERE "decision" IS NULL')
    await sql(`DELETE FROM "FeedEntry" WHERE changes @> '[{"of": "lostChanges", "refused": {"subject": "${id}"}}]'`)
  })
  await until('it is noticed again', async () => (await undecided().catch(() => [])).length > 0)
  await trusting()
  t.match(
    await undecided(), [{ kind: 'api_key', subject: id }],
    'a second failover, which loses what was noticed after the first'
  )
  t.strictSame(await statuses(server => server.withKey(key)), [503, 503])
  await on(a, 'POST', '/lost-changes/accept')
})

tap.test('nothing lost passes while a server queries another database than before, until it follows its feed [postgresql]', async t => {
  t.teardown(() => { wire.delay.listener = 0 })
  const [lost, good] = [await a.createKey(), await a.createKey()]
  for (const { key } of [lost, good]) t.strictSame(await statuses(server => server.withKey(key)), [200, 200])
  await losing(() => on(a, 'POST', `/api-keys/${lost.id}/revoke`).then(() => {}), () => {
    wire.delay.listener = 20_000
  })
  const seen = new Set<number>()
  await until('the database is asked', async () => {
    for (const status of await statuses(server => server.withKey(lost.key))) seen.add(status)
    return (await statuses(server => server.withKey(good.key))).every(status => status === 200)
  })
  t.strictSame(await Promise.all(servers.map(isTrusted)), [false, false], 'nobody follows it yet')
  t.strictSame([...seen], [503], 'nothing passes')
  t.strictSame(await statuses(server => server.withKey(lost.key)), [503, 503])
  wire.delay.listener = 0
  await wire.cut()
  await wire.mend()
  await trusting()
  await on(a, 'POST', '/lost-changes/accept')
  t.strictSame(
    await eventually(
      () => statuses(server => server.withKey(lost.key)), found => found.every(status => status === 200)
    ),
    [200, 200]
  )
})

tap.test('what the deployment as a whole has lost refuses every credential but break-glass, also after a start [postgresql]', async t => {
  const client = await a.createClient()
  const [{ key }, token] = [await a.createKey(), await a.tokenFor(client)]
  const { token: automation } = await on(a, 'POST', '/access-tokens', {
    name: 'ops', scopes: ['replicas:read', 'replicas:write']
  })
  const asks: ((server: TestServer) => Promise<Answer>)[] = [
    server => server.withKey(key),
    server => server.bearer(token),
    server => server.tokenRequest(client),
    server => server.bearer(automation, '/api/v1/lost-changes')
  ]
  for (
    const change of [
      () => on(a, 'POST', '/policies', { name: 'nobody', effect: 'deny' }),
      () => on(a, 'POST', '/signing-keys/rotate', { now: true }),
      () =>
        on(a, 'POST', '/resources', { identifier: 'https://lost.test', scopes: [] }).then(({ id }) =>
          on(a, 'PATCH', `/resources/${id}`, { name: 'other' })
        )
    ]
  ) {
    for (const ask of asks) t.strictSame(await statuses(ask), [200, 200])
    await losing(async () => { await change() })
    await until('it is noticed', async () => (await undecided().catch(() => [])).length > 0)
    await joined()
    t.match(await undecided(), [{ kind: 'deployment', subject: '*', organization: null }])
    for (const ask of asks) t.strictSame(await statuses(ask), [503, 503])
    servers.push(await start())
    for (const ask of asks) t.strictSame(await statuses(ask), [503, 503, 503], 'on one that has just started, too')
    await servers.pop()!.close()
    await on(b, 'POST', '/lost-changes/accept')
  }
})

tap.test('a pruned feed entry is not taken for lost [postgresql]', async t => {
  const { id } = await a.createKey()
  await on(a, 'POST', `/api-keys/${id}/revoke`)
  // As if the other servers had been cut off from their database for that long.
  await sql(
    'UPDATE "FeedEntry" SET "createdAt" = "createdAt" - interval \'1 hour\'; UPDATE "Replica" SET "prunedBefore" = ' +
      'now() + interval \'1 minute\'; DELETE FROM "FeedEntry"'
  )
  await interrupted(async () => {})
  await trusting()
  t.strictSame(await undecided(), [])
})

tap.test('a server that starts on a database of another history than the servers before it says that changes may be lost, once [postgresql]', async t => {
  const maybe = async () => (await on(a, 'GET', '/audit?type=database.maybe_lost_changes')).data
  const counted = ({ latchkey: { telemetry: { metrics } } }: TestServer) => metrics.maybeLostChanges
  const own = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  t.teardown(() => own.drop())
  const startOn = async () => {
    const server = await startServer({ database: own.url, issuer, environment })
    const events = async () => (await on(server, 'GET', '/audit?type=database.maybe_lost_changes')).data as Json[]
    return { server, events }
  }
  const began = await startOn()
  t.strictSame(await began.events(), [], 'the first one on a new database knows of no other')
  await began.server.close()
  const { rows: [history] } = await administer(own.url, 'SELECT system, timeline FROM "Replica"')
  t.match(history, { system: /^\d+$/, timeline: 1 })
  await administer(own.url, 'UPDATE "Replica" SET timeline = 7')
  const next = await startOn()
  t.match(await next.events(), [{
    actor: 'system', detail: { before: { system: history.system, timeline: 7 }, now: history }
  }])
  t.equal(counted(next.server), 1)
  const third = await startOn()
  t.equal((await third.events()).length, 1, 'the next one knows it')
  t.equal(counted(third.server), 0)
  await third.server.close()
  await next.server.close()
  t.strictSame(await maybe(), [], 'who remembers everything need not guess')
})

tap.test('a server that joined after a change remembers it, also when the earlier servers have ended [postgresql]', async t => {
  const own = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const ownWire = await startNetworkProxy(own.url)
  const on: Place = { name: new URL(own.url).pathname.slice(1), wire: ownWire, servers: [] }
  const startThere = async () => {
    on.servers.push(await startServer({ database: ownWire.url, issuer, environment }))
    return on.servers.at(-1)!
  }
  t.teardown(async () => {
    await Promise.all(on.servers.map(server => server.close()))
    await ownWire.close()
    await administer(elsewhere, `DROP DATABASE IF EXISTS ${on.name}_lost WITH (FORCE)`)
    await own.drop()
  })
  const before = await startThere()
  const { id, key } = await before.createKey()
  await losing(async () => {
    await done(before.admin('POST', `/api-keys/${id}/revoke`))
    const next = await startThere()
    t.equal((await next.withKey(key)).status, 401)
    on.servers.shift()
    await before.close()
  }, undefined, on)
  const [next] = on.servers
  await trusting(on.servers)
  t.equal((await next!.withKey(key)).status, 503)
  const { data } = await done(next!.admin('GET', '/lost-changes?state=undecided'))
  t.ok(data.some(({ kind, subject }: Json) => kind === 'api_key' && subject === id), 'not only what it changed itself')
})

tap.test('the only server there ever was reports it too, if it cannot compare everything [postgresql]', async t => {
  const own = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const ownWire = await startNetworkProxy(own.url)
  const on: Place = { name: new URL(own.url).pathname.slice(1), wire: ownWire, servers: [] }
  const server = await startServer({ database: ownWire.url, issuer, environment })
  t.teardown(async () => {
    await server.close()
    await ownWire.close()
    await own.drop()
  })
  await server.createKey()
  // As after an outage that was longer than entries are kept.
  await interrupted(async () => {
    await administer(
      own.url,
      'UPDATE "Replica" SET timeline = 7, "prunedBefore" = now() + interval \'1 minute\'; DELETE FROM "FeedEntry"'
    )
  }, on)
  await trusting([server])
  t.match((await done(server.admin('GET', '/audit?type=database.maybe_lost_changes'))).data, [{
    detail: { before: { timeline: 7 } }
  }])
  await interrupted(async () => {}, on)
  await trusting([server])
  t.equal((await done(server.admin('GET', '/audit?type=database.maybe_lost_changes'))).data.length, 1, 'once')
})

const knowsLogins = process.env.LATCHKEY_TEST_POSTGRES_AS === 'pgbouncer' &&
  'a pooler lets in the logins of its file alone'
tap.test('a role that may not read the history of the database and its standbys does not keep a server from starting [postgresql]', {
  skip: knowsLogins
}, async t => {
  const own = await freshDatabase()
  t.teardown(() => own.drop())
  const role = `plain_${new URL(own.url).pathname.slice(1)}`
  await administer(own.url, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
  await administer(
    own.url,
    `ALTER DATABASE ${new URL(own.url).pathname.slice(1)} OWNER TO ${role}; ALTER SCHEMA ${
      new URL(own.url).searchParams.get('schema') ?? 'public'
    } OWNER TO ${role}`
  )
  await administer(
    own.url,
    'REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) ' +
      'FROM PUBLIC; REVOKE SELECT ON pg_stat_replication FROM PUBLIC'
  )
  const storage = await openStorage(Object.assign(new URL(own.url), { username: role, password: 'x' }).href)
  await storage.join()
  t.ok(storage.isTrusted())
  await storage.close()
  t.strictSame((await administer(own.url, 'SELECT system, timeline FROM "Replica"')).rows, [{
    system: null, timeline: null
  }])
})

tap.test('a check during which another connection is made each time it reads is given up as unavailable [postgresql]', async t => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  t.teardown(() => client.end())
  const { rows: [entry] } = await client.query(`INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt")
    VALUES ('fed_kept', pg_current_xact_id()::text::bigint, '[]', 'rpl_x', timezone('UTC', now())) RETURNING id`)
  const nothingIsLost = async () => { throw new Error('nothing is lost') }
  const detector = new LostChangeDetector({
    run: async (text, values) => (await client.query(text, [...values])).rows,
    find: nothingIsLost,
    refuse: nothingIsLost,
    onLost: () => { t.fail('nothing is lost') }
  })
  detector.remember(
    [{ id: entry.id, createdAt: new Date(), changes: [{ of: 'client', id: 'cli_x' }] }], { monotonic: 0, wall: 0 }
  )
  let reads = 0
  const read = () => {
    if (++reads <= 3) detector.invalidate()
    return reads
  }
  t.equal(await detector.readVerified(read), 4, 'it reads again until the connections stay')
  await t.rejects(detector.readVerified(() => { detector.invalidate() }), {
    code: 'storage_unavailable', detail: 'the connections to the database keep breaking'
  })
})

tap.test('remembered entries are bounded by age and by number; they do not age while the database is unreachable', t => {
  const entry = (id: string) => ({ id, createdAt: new Date(0), changes: [{ of: 'client' as const, id }] })
  const at = (milliseconds: number) => ({ monotonic: milliseconds, wall: milliseconds })
  const ids = (entries: RememberedEntries) => entries.all().map(({ id }) => id)
  const entries = new RememberedEntries(3)
  entries.add([entry('one'), entry('two')], at(0))
  entries.add([entry('two'), { id: 'nothing', createdAt: new Date(0), changes: [] }, entry('three')], at(1))
  t.strictSame(ids(entries), ['one', 'two', 'three'], 'each once, and only what was about something')
  entries.expire(at(retentionMs - 1))
  t.equal(entries.size, 3)
  entries.expire({ monotonic: 0, wall: retentionMs })
  t.strictSame(ids(entries), ['three'], 'either clock makes old')
  t.ok(entries.isComplete)
  entries.add([entry('four'), entry('five'), entry('six')], at(2))
  t.strictSame(ids(entries), ['four', 'five', 'six'])
  t.notOk(entries.isComplete, 'the bound made it forget')
  entries.begin()
  t.ok(entries.isComplete)
  entries.add(
    [{ id: 'seven', createdAt: new Date(0), changes: [{ of: 'webhookTokens', ids: ['a', 'b', 'c'] }] }], at(3)
  )
  t.strictSame(ids(entries), ['seven'], 'a change of several counts as several')
  entries.remove('seven')
  entries.add([entry('eight'), entry('nine'), entry('ten')], at(4))
  t.equal(entries.size, 3, 'and makes as much room')
  t.end()
})

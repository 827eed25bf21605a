/** Jobs over ten times the rows of a batch: they are done completely, and other work gets its turns meanwhile. */
import { setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import tap, { type Test } from 'tap'
import { systemActor } from '../../src/domain/core/actor.ts'
import { jobs, runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { inBatches, inPages } from '../../src/base/batches.ts'
import { newMetrics } from '../../src/telemetry/metrics.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { negativeFactsIn } from '../../src/storage/cache/negative-facts.ts'
import { migrate, openDatabase } from '../../src/storage/engine/database.ts'
import { prune } from '../../src/storage/replication/feed.ts'
import { openStorage } from '../../src/storage/index.ts'
import { sqlitePath } from '../../src/storage/engine/sqlite/sqlite.ts'
import { databases } from '../support/databases.ts'
import { administer, freshDatabase } from '../support/postgres.ts'
import { patience, patientLimits } from '../support/waiting.ts'
import { startNetworkProxy } from '../support/network-proxy.ts'

const now = new Date('2027-03-15T12:00:00Z')
const longAgo = '2020-01-01T00:00:00.000Z'

/** SQL for a table of the numbers from 1 to `n`, for both databases. */
const numbers = (n: number) =>
  `(WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM m WHERE i < ${n}) SELECT i FROM m) AS numbers`

async function execute (url: string, sql: string): Promise<void> {
  if (!url.startsWith('file:')) {
    await administer(url, sql)
    return
  }
  const database = new Sqlite(sqlitePath(url), { timeout: 10_000 })
  database.exec(sql)
  database.close()
}

/** The number of turns of the event loop that other work got during `work`. */
async function turnsDuring (work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const turn = () => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await work().finally(() => { isOver = true })
  return turns
}

tap.test('between two batches, and between two pages, other work gets a turn of the event loop, also where neither waits', async t => {
  let left = 10
  t.ok(await turnsDuring(() => inBatches(1, async () => left-- > 0 ? 1 : 0)) >= 10)
  t.equal(left, -1)
  const pages: number[][] = []
  const numbersAfter = (after: string, size: number) =>
    [1, 2, 3, 4, 5, 6, 7].filter(n => n > Number(after)).slice(0, size)
  t.ok(
    await turnsDuring(async () => {
      for await (const page of inPages(2, String, numbersAfter)) pages.push(page)
    }) >= 3
  )
  t.strictSame(pages, [[1, 2], [3, 4], [5, 6], [7]])
})

const revoke = (n: number) =>
  `INSERT INTO "RevokedToken" ("jti", "clientId", "revokedAt", "expiresAt") SELECT 'jti_' || i, 'cli_x', '${longAgo}', '${longAgo}' FROM ${
    numbers(n)
  }`

const someMember = [
  `INSERT INTO "Organization" ("id", "name", "status", "createdAt") VALUES ('org_x', 'x', 'active', '${longAgo}')`,
  `INSERT INTO "Member" ("id", "organizationId", "name", "role", "createdAt")
     VALUES ('mem_x', 'org_x', 'x', 'owner', '${longAgo}')`
].map(insertion => `${insertion} ON CONFLICT DO NOTHING`).join('; ')

/** Reservations long past their end; those of a day that is kept leave lines of it when they are charged. */
const reservations = (prefix: string, status: 'open' | 'settled', day: string, n: number) =>
  `INSERT INTO "SpendReservation" ("id", "clientId", "reference", "fingerprint", "organizationId", "credentialId", "model", "estimate", "status", "day", "createdAt", "expiresAt", "endedAt") SELECT '${prefix}' || i, 'cli_x', '${prefix}' || i, '', 'org_x', 'key_x', 'm', 1, '${status}', '${day}', '${longAgo}', '${longAgo}', ${
    status === 'open' ? 'NULL' : `'${longAgo}'`
  } FROM ${numbers(n)}`

/** What the open reservations have taken, in the day and the month. */
const someTotals = [['organization', 'org_x'], ['global', '']].flatMap(([kind, holder]) =>
  ['2027-03-15', '2027-03'].map(period => `INSERT INTO "SpendTotal" ("kind", "holder", "period", "spent", "reserved")
     VALUES ('${kind}', '${holder}', '${period}', 0, 1000000) ON CONFLICT DO NOTHING`)
).join('; ')

/** Inserts `n` rows that the job removes. */
const rows: Record<keyof typeof jobs, (n: number) => string> = {
  revoked_token: revoke,
  used_assertion: n =>
    `INSERT INTO "UsedAssertion" ("id", "expiresAt") SELECT 'a' || i, '${longAgo}' FROM ${numbers(n)}`,
  remembered_answer: n =>
    `INSERT INTO "RememberedAnswer" ("id", "fingerprint", "sealedAnswer", "createdAt", "expiresAt") SELECT 'a' || i, '', '', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  person_session: n =>
    `${someMember}; INSERT INTO "PersonSession" ("id", "digest", "memberId", "amr", "authenticatedAt", "createdAt", "lastUsedAt", "expiresAt") SELECT 'pse_' || i, 'd' || i, 'mem_x', '[]', '${longAgo}', '${longAgo}', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  invitation: n =>
    `${someMember}; INSERT INTO "Invitation" ("id", "organizationId", "email", "normalEmail", "role", "createdBy", "createdAt", "expiresAt") SELECT 'inv_' || i, 'org_x', 'a@x.example', 'a@x.example', 'viewer', 'admin', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  sign_in_link: n =>
    `${someMember}; INSERT INTO "SignInLink" ("id", "digest", "memberId", "createdBy", "createdAt", "expiresAt") SELECT 'sil_' || i, 'd' || i, 'mem_x', 'admin', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  authorization: n =>
    `${someMember}; INSERT INTO "Authorization" ("id", "organizationId", "memberId", "clientId", "resourceId", "scopes", "identityScopes", "createdAt", "expiresAt") SELECT 'aut_' || i, 'org_x', 'mem_x', 'cli_x', 'res_x', '[]', '[]', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  authorization_step: n =>
    `INSERT INTO "AuthorizationStep" ("digest", "kind", "content", "createdAt", "expiresAt") SELECT 'd' || i, 'code', '{}', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  signing_key: n =>
    `INSERT INTO "SigningKey" ("kid", "algorithm", "publicJwk", "sealedPrivateKey", "createdAt", "activatedAt", "retiredAt", "publishedUntil") SELECT 'k' || i, 'ES256', '{}', '', '${longAgo}', '${longAgo}', '${longAgo}', '${longAgo}' FROM ${
      numbers(n)
    }`,
  idle_client: n =>
    `INSERT INTO "Client" ("id", "name", "origin", "metadata", "allowlist", "introspects", "generation", "createdAt") SELECT 'cli_' || i, 'idle', 'registered', '{}', '[]', '[]', 1, '${longAgo}' FROM ${
      numbers(n)
    }`,
  key_usage: n =>
    `INSERT INTO "KeyUsage" ("apiKeyId", "day", "calls", "credits") SELECT 'key_' || i, '2020-01-01', 1, 0 FROM ${
      numbers(n)
    }`,
  token_usage: n =>
    `INSERT INTO "TokenUsage" ("clientId", "minute", "tokens") SELECT 'cli_' || i, '${longAgo}', 1 FROM ${numbers(n)}`,
  logged_request: n =>
    `INSERT INTO "LoggedRequest" ("id", "createdAt", "requestId", "party", "route", "status", "refused", "block") SELECT 'lrq_' || i, '${longAgo}', 'r', 'none', 'GET /', 200, false, 'unknown' FROM ${
      numbers(n)
    }`,
  allowance: n =>
    `INSERT INTO "Allowance" ("holder", "month", "calls", "credits") SELECT 'key_' || i, '2020-01', 1, 0 FROM ${
      numbers(n)
    }`,
  unsettled_reservation: n => `${someMember}; ${someTotals}; ${reservations('u', 'open', '2027-03-15', n)}`,
  spend_reservation: n => reservations('s', 'settled', '2020-01-01', n),
  spend_line: n =>
    `INSERT INTO "SpendLine" ("id", "organizationId", "day", "credentialId", "model", "amount", "calls", "inputTokens", "outputTokens", "createdAt") SELECT 'spl_' || i, 'org_x', '2020-01-01', 'key_' || i, 'm', 1, 1, 0, 0, '${longAgo}' FROM ${
      numbers(n)
    }`,
  spend_total: n =>
    `INSERT INTO "SpendTotal" ("kind", "holder", "period", "spent", "reserved") SELECT 'account', 'a' || i, '2020-01', 1, 0 FROM ${
      numbers(n)
    }`
}

for (const { name, fresh } of databases) {
  const open = async (t: Test) => {
    const { url, drop } = await fresh()
    const storage = await openStorage(url, { limits: patientLimits })
    t.teardown(async () => {
      await storage.close()
      await drop()
    })
    return { ...storage, url, operation: { store: storage.store, clock: () => now, actor: systemActor } }
  }

  tap.test(`housekeeping removes ten batches of each kind, and one row more, in one round [${name}]`, async t => {
    const { url, operation } = await open(t)
    t.strictSame(Object.keys(rows), Object.keys(jobs), 'of all kinds')
    for (const [kind, { limit }] of Object.entries(jobs)) await execute(url, rows[kind]!(10 * limit + 1))
    const metrics = newMetrics()
    await runHousekeeping(operation, { usageDays: 400 }, metrics)
    t.strictSame(
      metrics.pruned.entries().map(([kind, , count]) => [kind, count]),
      Object.entries(jobs).map(([kind, { limit }]) => [kind, 10 * limit + 1])
    )
  })

  tap.test(`no job does more in a batch than it says, and one that is told to stop does so after a batch [${name}]`, async t => {
    const { url, operation } = await open(t)
    for (const [kind, { limit, remove }] of Object.entries(jobs)) {
      await execute(url, rows[kind]!(limit + 2))
      t.equal(await remove(operation, { usageDays: 400 }, now, limit), limit, kind)
    }
    const metrics = newMetrics()
    const stopping = new AbortController()
    const stopped = {
      ...operation,
      store: {
        ...operation.store,
        usedAssertions: {
          ...operation.store.usedAssertions,
          prune: async () => {
            stopping.abort()
            return jobs.used_assertion!.limit
          }
        }
      }
    }
    await runHousekeeping(stopped, { usageDays: 400 }, metrics, stopping.signal)
    t.equal(metrics.pruned.entries().find(([kind]) => kind === 'used_assertion')![2], jobs.used_assertion!.limit)
    t.equal(metrics.prunedAt, null, 'the round does not count as done')
  })

  tap.test(`tokens that were revoked are read page by page: all of them, and forgotten without holding others up [${name}]`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    await (await openStorage(url, { limits: patientLimits })).close()
    const pages = 10
    const all = pages * 2_000 + 1
    await execute(url, revoke(all))
    const began = performance.now()
    const { registry, inMemory, join, store, replicas, close } = await openStorage(url, { limits: patientLimits })
    t.teardown(close)
    await join()
    t.comment(`${performance.now() - began} ms`)
    t.equal(inMemory().revoked_token, all)
    for (const i of [1, 2_000, 2_001, all]) t.equal(await registry.isTokenRevoked(`jti_${i}`), true)
    t.ok(await turnsDuring(() => replicas[0]!.reload()) >= pages)
    t.ok(await turnsDuring(async () => { t.strictSame(await replicas[0]!.differences(), []) }) >= pages)
    t.equal(await store.revokedTokens.prune(now, all + 1), all)
    while (inMemory().revoked_token! > 0) await pause(1)
    t.equal(await registry.isTokenRevoked('jti_1'), false)
  })
}

tap.test('[sqlite] keys that were made elsewhere are read page by page', async t => {
  const { url, drop } = await databases[0]!.fresh()
  t.teardown(drop)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(url)
  const all = 10 * 2_000 + 1
  await execute(url, `
    INSERT INTO "Organization" ("id", "name", "status", "createdAt") VALUES ('org_a', 'A', 'active', '${longAgo}');
    INSERT INTO "Resource" ("id", "identifier", "name", "style", "tokenLifetime", "createdAt") VALUES ('res_a', 'https://a.test', 'A', '{}', 60, '${longAgo}');
    INSERT INTO "ApiKey" ("id", "digest", "hint", "organizationId", "resourceId", "environment", "name", "scopes", "allowlist", "createdBy", "imported", "chainId", "createdAt")
    SELECT 'key_' || i, 'digest_' || i, '', 'org_a', 'res_a', 'live', 'k', '[]', '[]', 'admin', i % 3 = 0, 'key_' || i, '${longAgo}' FROM ${
      numbers(all)
    }`
  )
  const found = new Set<string>()
  const turns = await turnsDuring(async () => {
    for await (const page of negativeFactsIn(database.reads).imported!()) {
      for (const { digest } of page) found.add(digest)
    }
  })
  t.equal(found.size, Math.floor(all / 3))
  t.ok(found.has('digest_3') && found.has('digest_19998') && !found.has('digest_1'))
  t.ok(turns >= 10, `${turns} turns for others`)
})

tap.test('a server becomes ready although it loads revoked tokens for longer than a lease, while others make changes all the time [postgresql]', async t => {
  const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  const wire = await startNetworkProxy(database.url)
  const options = { limits: patientLimits, secrets: [newSecret()], lease: 600 }
  const elsewhere = await openStorage(database.url, options)
  await elsewhere.join()
  await administer(database.url, revoke(20_001))
  const server = await openStorage(wire.url, options)
  const over = new AbortController()
  const changes = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      await elsewhere.store.revokedTokens.insert({ jti: `new_${i}`, clientId: 'cli_x', revokedAt: now, expiresAt: now })
    }
  })()
  t.teardown(async () => {
    over.abort()
    await changes
    await server.close()
    await elsewhere.close()
    await wire.close()
    await database.drop()
  })
  // Eleven pages: more than three leases for all of them.
  wire.delay.pool = 200
  const began = performance.now()
  await server.join()
  while (!server.isTrusted()) await pause(10)
  wire.delay.pool = 0
  t.ok(performance.now() - began > 2_000, 'it took so long')
  t.equal(await server.registry.isTokenRevoked('jti_20001'), true)
  t.equal(await server.registry.isTokenRevoked('new_0'), true)
})

tap.test('the feed is pruned in batches, one after each poll, until nothing is left to prune [postgresql]', async t => {
  // All with one transaction number: consecutive ones would reach those of running transactions.
  const entries = (n: number) =>
    `INSERT INTO "FeedEntry" (id, xid, changes, "replicaId", "createdAt")
      SELECT 'fed_' || i, 1, '[]', 'rpl_x', timezone('UTC', now()) - interval '1 hour' FROM ${numbers(n)}`
  const left = async (url: string) => Number((await administer(url, 'SELECT count(*) AS n FROM "FeedEntry"')).rows[0].n)
  const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
  await (await openStorage(database.url, { limits: patientLimits })).close()
  await administer(database.url, entries(4_001))
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const rounds: [boolean, number][] = []
  for (let i = 0; i < 3; i++) rounds.push([await prune(client, { id: 'rpl_x' }), await left(database.url)])
  await client.end()
  t.strictSame(rounds, [[true, 2_001], [true, 1], [false, 0]])

  await administer(database.url, entries(20_001))
  // Two rounds in time would be minutes apart.
  const server = await openStorage(database.url, { limits: patientLimits, lease: 60_000 })
  t.teardown(async () => {
    await server.close()
    await database.drop()
  })
  const began = performance.now()
  await server.join()
  while (await left(database.url) > 0) await pause(20)
  t.ok(performance.now() - began < 2 * patience)
})

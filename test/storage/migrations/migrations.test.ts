/** Databases of every released version open with their data. */
import { once } from 'node:events'
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type pg from 'pg'
import type { SqlMigrationAwareDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils'
import t, { type Test } from 'tap'
import { migrate, openDatabase } from '../../../src/storage/engine/database.ts'
import type { Database } from '../../../src/storage/engine/engine.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { applyMigrations, migrationsFolder, neededMigrations } from '../../../src/storage/migrations/migrations.ts'
import { postgresqlMigrationAdapter } from '../../../src/storage/engine/postgresql/postgresql.ts'
import type { Provider } from '../../../src/storage/engine/prisma.ts'
import { sqliteMigrationAdapter, sqlitePath } from '../../../src/storage/engine/sqlite/sqlite.ts'
import { newSecret } from '../../../src/secrets/random.ts'
import { behindTheServer, dropTriggers } from '../../support/audit-tampering.ts'
import { databases } from '../../support/databases.ts'
import { startServer, type Json } from '../../support/test-server.ts'
import { administer } from '../../support/postgres.ts'
import { latchkeyCommand, ownEnvironment, run } from '../../support/running-server.ts'
import { patientLimits } from '../../support/waiting.ts'

/** A folder with the migrations up to the one whose name ends so. */
async function migrationsUpTo (t: Test, provider: Provider, last: string): Promise<string> {
  const all = migrationsFolder(provider)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-migrations-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const names = (await readdir(all, { withFileTypes: true })).filter(entry => entry.isDirectory()).map(({ name }) =>
    name
  ).sort()
  const count = names.findIndex(name => name.endsWith(last)) + 1
  for (const name of ['migration_lock.toml', ...names.slice(0, count)]) {
    await cp(join(all, name), join(folder, name), { recursive: true })
  }
  return folder
}

async function execute ({ queries }: Database, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await queries.$executeRawUnsafe(statement)
}

/** Data of the first version. */
const dataOfInit = [
  `INSERT INTO "Organization" ("id", "name", "status", "createdAt", "suspendedAt") VALUES
    ('org_a', 'A', 'active', '2026-01-01T00:00:00.000Z', NULL), ('org_s', 'S', 'suspended', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z')`,
  `INSERT INTO "Resource" ("id", "identifier", "name", "organizationId", "style", "tokenLifetime", "createdAt") VALUES
    ('res_a', 'https://a.example', 'A', 'org_a', '{"keyPrefix":"lb","transports":[],"errors":"ledgerbee"}', 3600, '2026-01-01T00:00:00.000Z')`,
  'INSERT INTO "Scope" ("resourceId", "name", "position", "keyOnly") VALUES (\'res_a\', \'invoices:read\', 0, false)',
  `INSERT INTO "Client" ("id", "organizationId", "name", "origin", "metadata", "allowlist", "introspects", "generation", "createdAt") VALUES
    ('cli_a', 'org_a', 'machine', 'operator', '{}', '[]', '[]', 1, '2026-01-01T00:00:00.000Z')`,
  'INSERT INTO "ClientGrant" ("clientId", "resourceId", "scopes", "position") VALUES (\'cli_a\', \'res_a\', ' +
    '\'["invoices:read"]\', 0)',
  `INSERT INTO "ApiKey" ("id", "digest", "hint", "organizationId", "resourceId", "environment", "name", "scopes", "allowlist", "createdBy", "createdAt", "expiresAt", "revokedAt", "revokedReason", "lastUsedAt") VALUES
    ('key_a', 'digest-a', 'lb_live_…abcd', 'org_a', 'res_a', 'live', 'billing', '["invoices:read"]', '["192.0.2.0/24"]', 'admin', '2026-01-01T00:00:00.000Z', '2030-01-01T00:00:00.000Z', NULL, NULL, '2026-01-05T00:00:00.000Z'),
    ('key_r', 'digest-r', 'lb_test_…wxyz', 'org_s', 'res_a', 'test', 'gone', '[]', '[]', 'cli_a', '2026-01-02T00:00:00.000Z', NULL, '2026-01-04T00:00:00.000Z', 'leaked', NULL)`,
  `INSERT INTO "AuditEvent" ("id", "createdAt", "type", "actor", "organizationId", "subject", "detail") VALUES
    ('evt_a', '2026-01-01T00:00:00.000Z', 'api_key.created', 'admin', 'org_a', 'key_a', '{}')`,
]

/** Data of a version in which every key had its own allowance: a chain of three, one of two, and a single key. */
const dataOfProduct = [
  'INSERT INTO "Organization" ("id", "name", "status", "createdAt") VALUES (\'org_a\', \'A\', \'active\', ' +
    '\'2026-01-01T00:00:00.000Z\')',
  `INSERT INTO "Resource" ("id", "identifier", "name", "style", "tokenLifetime", "createdAt") VALUES
    ('res_a', 'https://a.example', 'A', '{"keyPrefix":"lb","transports":[],"errors":"ledgerbee"}', 3600, '2026-01-01T00:00:00.000Z')`,
  ...[['3', 'live', '2', null], ['alone', 'live', null, null], ['1', 'live', null, '2'], ['2', 'live', '1', '3'], [
    't2', 'test', 't1', null
  ], ['t1', 'test', null, 't2']].map(([id, environment, from, to]) => `
    INSERT INTO "ApiKey" ("id", "digest", "hint", "organizationId", "resourceId", "environment", "name", "scopes", "allowlist", "createdBy", "createdAt", "rotatedFrom", "rotatedTo") VALUES
    ('key_${id}', 'digest-${id}', '…', 'org_a', 'res_a', '${environment}', 'k', '[]', '[]', 'admin', '2026-01-01T00:00:00.000Z', ${
    from === null ? 'NULL' : `'key_${from}'`
  }, ${to === null ? 'NULL' : `'key_${to}'`})`),
  `INSERT INTO "KeyAllowance" ("apiKeyId", "month", "calls", "credits") VALUES
    ('key_1', '2026-01', 1, 10), ('key_2', '2026-01', 2, 20), ('key_3', '2026-02', 4, 40), ('key_alone', '2026-01', 8, 80), ('key_t2', '2026-01', 16, 160)`
]

/**
 * Data of a version in which a digest was unique in the deployment: imported keys, one of them for a resource of the
 * deployment, and a generated key.
 */
const dataOfOneDigest = [
  `INSERT INTO "Organization" ("id", "name", "status", "createdAt") VALUES
    ('org_a', 'A', 'active', '2026-01-01T00:00:00.000Z'), ('org_b', 'B', 'active', '2026-01-01T00:00:00.000Z')`,
  ...[['res_d', 'NULL'], ['res_e', 'NULL'], ['res_a', "'org_a'"], ['res_b', "'org_b'"]].map(([id, owner]) => `
    INSERT INTO "Resource" ("id", "identifier", "name", "organizationId", "style", "tokenLifetime", "createdAt") VALUES
    ('${id}', 'https://${id}.example', '${id}', ${owner}, '{"keyPrefix":"lb","transports":[],"errors":"ledgerbee","importedKeys":true}', 3600, '2026-01-01T00:00:00.000Z')`),
  ...[['d', 'org_b', 'res_d', true], ['a', 'org_a', 'res_a', true], ['made', 'org_a', 'res_a', false]].map((
    [id, organization, resource, imported]
  ) => `
    INSERT INTO "ApiKey" ("id", "digest", "hint", "organizationId", "resourceId", "environment", "name", "scopes", "allowlist", "createdBy", "imported", "chainId", "createdAt") VALUES
    ('key_${id}', 'digest-${id}', '…', '${organization}', '${resource}', 'live', 'k', '[]', '[]', 'admin', ${imported}, 'key_${id}', '2026-01-01T00:00:00.000Z')`)
]

for (const { name, empty } of databases) {
  t.test(`Y7: keys that were imported when a digest was one of the whole deployment are found by their resource from the migration on [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const adapter = name === 'sqlite' ? sqliteMigrationAdapter(sqlitePath(url)) : postgresqlMigrationAdapter(url)
    const before = await openDatabase(url)
    await applyMigrations(name, adapter, await migrationsUpTo(t, name, '_change_feed'))
    await execute(before, dataOfOneDigest)
    await before.close()

    const { store, registry, close } = await openStorage(url)
    t.teardown(close)
    const found = async (digest: string) =>
      await Promise.all(
        ['res_a', 'res_b', 'res_d', null].map(async resourceId =>
          (await registry.importedApiKey(digest, resourceId))?.id ?? null
        )
      )
    t.strictSame(await found('digest-a'), ['key_a', null, null, null])
    t.strictSame(await found('digest-d'), [null, null, 'key_d', 'key_d'])
    t.strictSame(await found('digest-made'), [null, null, null, null])
    t.equal((await registry.apiKey('digest-made'))?.id, 'key_made')
    t.equal(await registry.apiKey('digest-a'), null)

    const old = (await store.apiKeys.get('key_a'))!
    await t.rejects(
      store.apiKeys.insert({ ...old, id: 'key_again' }), { code: 'conflict' }, 'a digest is one of its resource'
    )
    const insert = async (id: string, organizationId: string, resourceId: string) =>
      await store.transaction(tx => tx.apiKeys.insert({ ...old, id, organizationId, resourceId }))
    await insert('key_b', 'org_b', 'res_b')
    t.strictSame(await found('digest-a'), ['key_a', 'key_b', null, null])
    await insert('key_c', 'org_b', 'res_d')
    t.strictSame(await found('digest-a'), ['key_a', 'key_b', 'key_c', 'key_c'])
    await insert('key_e', 'org_b', 'res_e')
    t.strictSame(await found('digest-a'), ['key_a', 'key_b', 'key_c', null])
  })

  t.test(`Y4: keys that were rotated before have one allowance from the migration on, and what they took stays taken [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const adapter = name === 'sqlite' ? sqliteMigrationAdapter(sqlitePath(url)) : postgresqlMigrationAdapter(url)
    const before = await openDatabase(url)
    await applyMigrations(name, adapter, await migrationsUpTo(t, name, '_api_keys_as_a_product'))
    await execute(before, dataOfProduct)
    await before.close()

    const { store, close } = await openStorage(url, { limits: patientLimits })
    t.teardown(close)
    const { items } = await store.apiKeys.page({ limit: 10, after: null }, {})
    t.strictSame(Object.fromEntries(items.map(({ id, chainId }) => [id, chainId])), {
      key_1: 'key_1', key_2: 'key_1', key_3: 'key_1', key_alone: 'key_alone', key_t1: 'key_t1', key_t2: 'key_t1'
    })
    const taken = {
      key_1: [3, 30],
      key_2: [0, 0],
      key_alone: [8, 80],
      key_t1: [16, 160],
      'org_a:live': [0, 110],
      'org_a:test': [0, 160]
    }
    for (const [holder, [calls, credits]] of Object.entries(taken)) {
      t.strictSame(await store.allowances.taken(holder, '2026-01'), { calls, credits }, holder)
    }
    t.strictSame(await store.allowances.taken('key_1', '2026-02'), { calls: 4, credits: 40 })
    t.strictSame(await store.allowances.taken('org_a:live', '2026-02'), { calls: 0, credits: 40 })
    t.match(await store.organizations.get('org_a'), {
      callsPerMonth: null, creditsPerMonth: null, callsPerMinute: null
    })
  })

  t.test(`a database of the first version keeps its keys when they become a product, each for its own organization [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const adapter = name === 'sqlite' ? sqliteMigrationAdapter(sqlitePath(url)) : postgresqlMigrationAdapter(url)
    const first = await openDatabase(url)
    await applyMigrations(name, adapter, await migrationsUpTo(t, name, '_init'))
    await execute(first, dataOfInit)
    await first.close()

    const { store, registry, close } = await openStorage(url, { limits: patientLimits })
    t.teardown(close)
    const before = {
      access: 'custom',
      objects: {},
      callsPerMonth: null,
      creditsPerMonth: null,
      callsPerMinute: null,
      creatorId: null,
      imported: false,
      rotatedFrom: null,
      rotatedTo: null,
      vouchedBy: null,
      portal: null,
      disabledAt: null,
      disabledReason: null,
      annotations: {},
      externalId: null
    }
    t.strictSame(await registry.apiKey('digest-a'), {
      ...before,
      id: 'key_a',
      chainId: 'key_a',
      digest: 'digest-a',
      hint: 'lb_live_…abcd',
      organizationId: 'org_a',
      organizations: ['org_a'],
      resourceId: 'res_a',
      environment: 'live',
      name: 'billing',
      scopes: ['invoices:read'],
      allowlist: ['192.0.2.0/24'],
      createdBy: 'admin',
      createdAt: new Date('2026-01-01T00:00:00.000Z'),
      expiresAt: new Date('2030-01-01T00:00:00.000Z'),
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: new Date('2026-01-05T00:00:00.000Z'),
      revision: 1
    })
    t.match(await store.apiKeys.get('key_r'), {
      ...before,
      chainId: 'key_r',
      organizations: ['org_s'],
      environment: 'test',
      revokedReason: 'leaked',
      createdBy: 'cli_a'
    })
    t.match(await store.organizations.get('org_a'), { features: [], status: 'active' })
    t.match(await store.organizations.get('org_s'), {
      features: [], status: 'suspended', suspendedAt: new Date('2026-01-03T00:00:00.000Z')
    })
    t.match(await store.clients.get('cli_a'), { grants: [{ resourceId: 'res_a', scopes: ['invoices:read'] }] })
    t.equal((await store.audit.page({ limit: 200, after: null }, {})).items.length, 1)
    await t.rejects(
      store.apiKeys.insert({
        ...(await store.apiKeys.get('key_a'))!, id: 'key_x', digest: 'x', organizationId: 'org_none'
      }),
      { code: 'P2003' },
      'foreign keys hold again'
    )
  })
}

for (const { name, empty } of databases) {
  t.test(`L2: rows of a version before the audit chains are closed off by the process that migrates them, and by no later one [${name}]`, async t => {
    for (const first of ['migrate', 'serve']) {
      const { url, drop } = await empty()
      t.teardown(drop)
      const adapter = name === 'sqlite' ? sqliteMigrationAdapter(sqlitePath(url)) : postgresqlMigrationAdapter(url)
      const before = await openDatabase(url)
      await applyMigrations(name, adapter, await migrationsUpTo(t, name, '_init'))
      await execute(before, dataOfInit)
      await before.close()

      const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
      if (first === 'migrate') {
        t.match(
          await run(process.execPath, [latchkeyCommand, 'migrate'], {
            env: ownEnvironment({ ...environment, DATABASE_URL: url })
          }),
          { code: 0 }
        )
      }
      let server = await startServer({ database: url, environment, bare: true })
      const { issuer } = server
      const rows = (await server.admin('GET', '/audit/export?organization=org_a')).text.trim().split('\n').map(line =>
        JSON.parse(line) as Json
      )
      t.match(rows, [{ id: 'evt_a', sequence: 1, key: '' }, {
        type: 'audit.chain_closed_off', sequence: 2, actor: 'system', detail: { rows: 1 }
      }], first)
      t.match((await server.admin('GET', '/audit/verify')).json, { fault: null })
      t.equal((await server.admin('PATCH', '/organizations/org_a', { name: 'goes on' })).status, 200)
      t.match((await server.admin('GET', '/audit/verify')).json, { fault: null })
      await server.close()

      await dropTriggers(url)
      await behindTheServer(url, [
        'DELETE FROM "AuditEvent" WHERE "chain" = \'org_a\' AND "sequence" > 1',
        'UPDATE "AuditChain" SET "sequence" = 1, "hash" = \'\', "mac" = \'\', "key" = \'\' WHERE "id" = \'org_a\''
      ])
      server = await startServer({ database: url, environment, issuer, bare: true })
      t.match((await server.admin('GET', '/audit/verify')).json.fault, { chain: 'org_a', problem: 'not_closed_off' })
      t.match(await server.admin('PATCH', '/organizations/org_a', { name: 'no more' }), {
        status: 500, json: { code: 'AUDIT_CHAIN_BROKEN', details: { chain: 'org_a' } }
      })
      await server.close()
    }
  })
}

/** Data of a version that compared identifiers by spelling: id, identifier, organization, whether it is revoked. */
const spelled: readonly (readonly [id: string, identifier: string, organization: string | null, ended?: true])[] = [
  ['res_1', 'HTTPS://One.test:443', 'org_a'],
  ['res_2a', 'https://two.test', 'org_a', true],
  ['res_2b', 'https://TWO.test/', 'org_b'],
  ['res_3a', 'https://three.test/x', 'org_a'],
  ['res_3b', 'https://three.test/X', 'org_a'],
  ['res_3c', 'https://three.test:443/x', null],
  ['res_4a', 'https://four.test', 'org_a', true],
  ['res_4b', 'https://four.test:443', 'org_b', true],
  ...Array.from({ length: 250 }, (_, i) => [`res_many${i}`, `https://${i}.MANY.test`, 'org_a'] as const)
]

for (const { name, empty } of databases) {
  t.test(`C7: resources that an earlier version wrote are found by every spelling from the migration on; two that are one URL and in use are named, with the way out [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
    const before = await startServer({ database: url, environment, bare: true })
    const { issuer } = before
    await before.close()
    const instant = "'2026-01-01T00:00:00.000Z'"
    await behindTheServer(url, [
      `INSERT INTO "Organization" ("id", "name", "status", "createdAt") VALUES ('org_a', 'A', 'active', ${instant}), ` +
        `('org_b', 'B', 'active', ${instant})`,
      ...spelled.map(([id, identifier, organization, ended]) => `
        INSERT INTO "Resource" ("id", "identifier", "name", "organizationId", "style", "tokenLifetime", "createdAt", "revokedAt") VALUES
        ('${id}', '${identifier}', '${id}', ${
        organization === null ? 'NULL' : `'${organization}'`
      }, '{"keyPrefix":"lb","transports":[],"errors":"ledgerbee"}', 3600, ${instant}, ${ended ? instant : 'NULL'})`),
      // The built-in ones are as old.
      'UPDATE "Resource" SET "normalIdentifier" = NULL',
    ])

    const latchkey = async (...words: string[]) =>
      await run(process.execPath, [latchkeyCommand, ...words], {
        env: ownEnvironment({ ...environment, DATABASE_URL: url, LATCHKEY_ISSUER: issuer })
      })
    const named =
      /two resources for one URL.*res_3.*res_3.*`latchkey migrate --end-resource res_3[ac]` or `latchkey migrate --end-resource res_3[ac]`/
    for (const command of ['migrate', 'serve']) {
      const { code, stderr } = await latchkey(command)
      t.match({ code, stderr }, { code: 1, stderr: named }, command)
      t.match(stderr, 'res_3a (https://three.test/x, org_a)')
      t.match(stderr, 'res_3c (https://three.test:443/x, of the deployment)')
      t.notMatch(stderr, /res_[124]|res_3b/, 'and nothing else')
    }
    t.match(await latchkey('migrate', '--end-resource', 'res_1', '--end-resource', 'res_3c'), {
      code: 1, stderr: /--end-resource: res_1 is not one of two.*`latchkey resource revoke res_1`/
    })
    t.match(await latchkey('migrate'), { code: 0 })

    const server = await startServer({ database: url, environment, issuer, bare: true })
    t.teardown(server.close)
    t.match((await server.admin('GET', `/resources/${encodeURIComponent(`${issuer}/`)}`)).json, { id: 'res_host' })
    const found = async (identifier: string) =>
      (await server.admin('GET', `/resources/${encodeURIComponent(identifier)}`)).json
    t.match(
      await found('https://one.test/'), { id: 'res_1', identifier: 'HTTPS://One.test:443' }, 'told as it was written'
    )
    t.match(
      await found('https://two.test'), { id: 'res_2b', identifier: 'https://TWO.test/', revokedAt: null },
      'an ended one gives way'
    )
    t.match(await found('res_2a'), { identifier: 'https://two.test#res_2a' })
    t.match(await found('HTTPS://three.test/x'), { id: 'res_3a', revokedAt: null })
    t.match(await found('res_3c'), { identifier: 'https://three.test:443/x#res_3c', revokedAt: String })
    t.match(await found('https://three.test/X'), { id: 'res_3b' })
    t.match(await found('https://FOUR.test'), { id: /^res_4/, revokedAt: String })
    for (const i of [0, 99, 100, 249]) t.match(await found(`https://${i}.many.test/`), { id: `res_many${i}` })
    const about = async (id: string) =>
      (await server.admin('GET', `/audit?subject=${id}`)).json.data.map(({ type, actor }: Json) => [type, actor]).sort()
    t.strictSame(await about('res_3c'), [['resource.revoked', 'system'], ['resource.updated', 'system']])
    t.strictSame(await about('res_3a'), [])
  })
}

/** An adapter that awaits `before` before its n-th statement, with the driver's pool. */
function visited (
  adapter: SqlMigrationAwareDriverAdapterFactory, before: (n: number, driver: unknown) => Promise<void>
): SqlMigrationAwareDriverAdapterFactory {
  let statements = 0
  return {
    ...adapter,
    connectToShadowDb: () => adapter.connectToShadowDb(),
    async connect () {
      const connection = await adapter.connect()
      const { queryRaw, executeRaw, executeScript } = connection
      const visit = async () => {
        await before(++statements, (connection as { underlyingDriver?(): unknown }).underlyingDriver?.())
      }
      return Object.assign(connection, {
        queryRaw: async (query: SqlQuery) => { await visit(); return await queryRaw.call(connection, query) },
        executeRaw: async (query: SqlQuery) => { await visit(); return await executeRaw.call(connection, query) },
        executeScript: async (script: string) => { await visit(); await executeScript.call(connection, script) },
      })
    },
  }
}

/** An adapter whose server dies before its n-th statement. */
function dyingAt (n: number, adapter: SqlMigrationAwareDriverAdapterFactory): SqlMigrationAwareDriverAdapterFactory {
  return visited(adapter, async statement => { if (statement >= n) throw new Error('killed') })
}

for (const { name, empty } of databases) {
  t.test(`a server that is killed at any statement of its migrations leaves a database that the next one starts on [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const adapter = () => name === 'sqlite' ? sqliteMigrationAdapter(sqlitePath(url)) : postgresqlMigrationAdapter(url)
    const folder = await migrationsUpTo(t, name, '_api_keys_as_a_product')
    let statements = 1
    for (let done = false; !done; statements++) {
      // Each attempt begins with the result of the one before.
      done = await applyMigrations(name, dyingAt(statements, adapter()), folder).then(
        names => names.length === 2,
        (error: unknown) => {
          if (String(error).includes('killed')) return false
          throw error
        }
      )
    }
    t.comment(`${statements - 2} statements`)
    t.ok(statements > 10)
    t.equal((await migrate(url)).length, (await neededMigrations(name)).length - 2)
  })
}

/** An empty PostgreSQL database, and functions that list its tables and its migrations. */
async function emptyPostgresql (t: Test) {
  const { url, drop } = await databases.find(({ name }) => name === 'postgresql')!.empty()
  t.teardown(drop)
  const rows = async (statement: string): Promise<Record<string, unknown>[]> => (await administer(url, statement)).rows
  const holds = async (): Promise<string[]> => {
    const tables =
      (await rows('SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename')).map((
        { tablename }
      ) => String(tablename))
    if (!tables.includes('_prisma_migrations')) return tables
    return [
      ...tables,
      ...(await rows('SELECT migration_name FROM _prisma_migrations ORDER BY migration_name')).map(row =>
        String(row.migration_name)
      )
    ]
  }
  return { url, rows, holds }
}

t.test('migrations whose connection breaks at any statement fail as a whole, and the next start applies them [postgresql]', async t => {
  const { url, rows, holds } = await emptyPostgresql(t)
  const folder = await migrationsUpTo(t, 'postgresql', '_api_keys_as_a_product')
  const hangUp = async (driver: unknown) => {
    const { idleCount } = driver as pg.Pool
    if (idleCount > 0) {
      await Promise.all([once(driver as pg.Pool, 'error'), rows('SELECT pg_terminate_backend(pid, ' +
      '5000) FROM pg_stat_activity WHERE application_name = \'latchkey migration\' AND datname = current_database()')])
    }
  }
  let broken = 0
  // The first statement is the one that connects.
  for (let at = 2; ; at++) {
    let reached = false
    const adapter = visited(postgresqlMigrationAdapter(url), async (n, driver) => {
      if (n !== at) return
      reached = true
      await hangUp(driver)
    })
    const outcome = await applyMigrations('postgresql', adapter, folder).catch((error: unknown) => error)
    if (!reached) {
      t.equal((outcome as string[]).length, 2, 'once nothing breaks')
      break
    }
    broken++
    t.match(outcome, { code: 'storage_unavailable', detail: /all of them were rolled back/ }, `statement ${at}`)
    t.strictSame(await holds(), [], `before statement ${at}`)
  }
  t.ok(broken > 10, `${broken} statements`)
  t.equal((await migrate(url)).length, (await neededMigrations('postgresql')).length - 2)
})

t.test('a machine that is suspended for an hour during the migrations keeps its connection, and continues [postgresql]', async t => {
  const { url } = await emptyPostgresql(t)
  const adapter = visited(postgresqlMigrationAdapter(url), async n => {
    if (n === 4) mock.timers.enable({ apis: ['setTimeout'] })
    if (n !== 5) return
    mock.timers.tick(3_600_000)
    mock.timers.reset()
    // An abandoned connection takes a moment to end.
    await setImmediate()
  })
  t.equal((await applyMigrations('postgresql', adapter, await migrationsUpTo(t, 'postgresql', '_init'))).length, 1)
})

t.test('migrations that did not run in one transaction are not reported as done [postgresql]', async t => {
  const { url } = await emptyPostgresql(t)
  let transactions = 0
  const adapter = visited(postgresqlMigrationAdapter(url), async (_, driver) => {
    // A third party ends the transaction.
    if (++transactions === 6) await (driver as pg.Pool).query('COMMIT')
  })
  await t.rejects(applyMigrations('postgresql', adapter, await migrationsUpTo(t, 'postgresql', '_init')), {
    code: 'storage_unavailable', detail: /did not run in one transaction/
  })
})

t.test('a database that hangs up during the migration is named as out of reach, and not by a number of the engine', async t => {
  const server = createServer(socket => {
    socket.on('data', () => {
      socket.destroy()
    }).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  await t.rejects(migrate(`postgresql://somebody:secret@127.0.0.1:${port}/latchkey`), {
    code: 'storage_unavailable', detail: /terminated/
  })
})

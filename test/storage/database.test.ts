/** An open database: migrations, transactions, failures and locks, on both databases. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import t, { type Test } from 'tap'
import { ConfigurationError, Failure } from '../../src/base/errors.ts'
import { migrate, openDatabase } from '../../src/storage/engine/database.ts'
import type { Database } from '../../src/storage/engine/engine.ts'
import type { Limits } from '../../src/storage/engine/timeouts.ts'
import { migrationsFolder } from '../../src/storage/migrations/migrations.ts'
import type { Queries } from '../../src/storage/engine/prisma.ts'
import { isLocked, lockForOneServer, sqlitePath } from '../../src/storage/engine/sqlite/sqlite.ts'
import { modelsPath, planMigration } from '../../scripts/plan-migration.ts'
import { newTelemetry } from '../../src/telemetry/telemetry.ts'
import { databases, type FreshDatabase } from '../support/databases.ts'
import { administer, freshDatabase, startPostgres } from '../support/postgres.ts'
import { patience } from '../support/waiting.ts'

const createdAt = new Date('2026-01-01T00:00:00.000Z')

/** Long, so that nothing times out on a busy machine; each test shortens the timeout that it tests. */
const limits: Limits = {
  connect: patience,
  statement: patience,
  answer: patience,
  busy: 200,
  startTransaction: patience,
  turn: patience,
  transaction: patience
}

function insert (queries: Queries, id: string, name = id) {
  return queries.organization.create({ data: { id, name, status: 'active', createdAt } })
}

async function ids (queries: Queries): Promise<string[]> {
  return (await queries.organization.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id)
}

/** A migrated database, open until the test ends. */
async function opened (
  t: Test, fresh: () => Promise<FreshDatabase>, shortened: Partial<Limits> = {}
): Promise<Database & { url: string }> {
  const { url, drop } = await fresh()
  const database = await openDatabase(url, { ...limits, ...shortened })
  t.teardown(async () => {
    await database.close()
    await drop()
  })
  await migrate(url)
  return { ...database, url }
}

async function rejection (promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => { throw new Error('it was fulfilled') }, error => error)
}

async function isUnavailable (t: Test, promise: Promise<unknown>): Promise<void> {
  const error = await rejection(promise)
  t.ok(error instanceof Failure, String((error as Error).stack))
  t.match(error, { code: 'storage_unavailable', status: 503 })
}

for (const { name, fresh, empty } of databases) {
  t.test(`[${name}] migrations`, async t => {
    t.test('an empty database gets every migration, in order, and the record of it; a second time nothing', async t => {
      const { url, drop } = await empty()
      t.teardown(drop)
      const database = await openDatabase(url, limits)
      t.teardown(() => database.close())
      const names = (await readdir(migrationsFolder(name), { withFileTypes: true })).filter(entry =>
        entry.isDirectory()
      ).map(entry => entry.name).sort()
      t.same(await migrate(url), names)
      t.same(await migrate(url), [])
      const recorded = await database.queries.$queryRaw<{ migration_name: string, applied: boolean }[]>`
        SELECT migration_name, finished_at IS NOT NULL AND rolled_back_at IS NULL AS applied FROM _prisma_migrations ORDER BY migration_name`
      t.same(recorded.map(row => row.migration_name), names)
      t.ok(recorded.every(row => row.applied))
    })

    t.test('migrations and models do not differ', async t => {
      const migrated = await empty()
      const planned = await empty()
      t.teardown(migrated.drop)
      t.teardown(planned.drop)
      await migrate(migrated.url)
      const sql = await planMigration(name, '', readFileSync(modelsPath, 'utf8'))
      await execute(name, planned.url, sql!)
      t.same(await shape(name, migrated.url), await shape(name, planned.url))
    })
  })

  t.test(`[${name}] transactions`, async t => {
    const database = await opened(t, fresh)

    t.test('a write outside a transaction that rolls back is kept', async t => {
      const started = Promise.withResolvers<void>()
      const goOn = Promise.withResolvers<void>()
      const rolledBack = rejection(database.transaction(async queries => {
        await insert(queries, 'inside')
        started.resolve()
        await goOn.promise
        throw new Error('no')
      }))
      await started.promise
      const outside = insert(database.queries, 'outside')
      // Long enough for a statement that does not wait to run.
      await new Promise(resolve => setTimeout(resolve, 50))
      goOn.resolve()
      t.match(await rolledBack, { message: 'no' })
      t.equal((await outside).id, 'outside')
      t.same(await ids(database.queries), ['outside'])
    })

    t.test('uncommitted rows are invisible outside the transaction', async t => {
      const started = Promise.withResolvers<void>()
      const transaction = database.transaction(async queries => {
        await insert(queries, 'uncommitted')
        started.resolve()
        await new Promise(resolve => setTimeout(resolve, 50))
        await queries.organization.delete({ where: { id: 'uncommitted' } })
      })
      await started.promise
      t.notOk((await ids(database.queries)).includes('uncommitted'))
      await transaction
    })

    t.test('a transaction that takes too long is rolled back, and the next one runs', async t => {
      const database = await opened(t, fresh, { transaction: 2_000 })
      const late = database.transaction(async queries => {
        await insert(queries, 'late')
        await new Promise(resolve => setTimeout(resolve, 2_200))
        await insert(queries, 'too late')
      })
      await isUnavailable(t, late)
      t.notOk((await ids(database.queries)).some(id => id.includes('late')))
      await database.transaction(queries => insert(queries, 'after'))
      t.ok((await ids(database.queries)).includes('after'))
    })

    t.test('transactions that read and then write the same row all succeed, and none is lost', async t => {
      await insert(database.queries, 'counter', '0')
      await Promise.all(Array.from({ length: 12 }, () => database.transaction(async queries => {
        const { name } = await queries.organization.findUniqueOrThrow({ where: { id: 'counter' } })
        await queries.organization.update({ where: { id: 'counter' }, data: { name: String(Number(name) + 1) } })
      })))
      t.equal((await database.queries.organization.findUnique({ where: { id: 'counter' } }))?.name, '12')
    })

    t.test('a taken unique value is a conflict, inside a transaction and outside', async t => {
      await insert(database.queries, 'unique')
      t.match(await rejection(insert(database.queries, 'unique')), { name: 'Failure', code: 'conflict' })
      t.match(await rejection(database.transaction(queries => insert(queries, 'unique'))), {
        name: 'Failure', code: 'conflict'
      })
    })

    t.test('once a statement has failed, even if the work catches the error, all later ones fail with it and nothing is committed', async t => {
      await insert(database.queries, 'taken')
      const seen: unknown[] = []
      const swallowed = database.transaction(async queries => {
        await insert(queries, 'before a failure')
        await insert(queries, 'taken').catch(error => seen.push(error))
        await insert(queries, 'after a failure').catch(error => seen.push(error))
        await ids(queries).catch(error => seen.push(error))
        return 'done'
      })
      t.match(await rejection(swallowed), { name: 'Failure', code: 'conflict' })
      t.match(seen, [{ code: 'conflict' }, { code: 'conflict' }, { code: 'conflict' }])
      const last = database.transaction(async queries => {
        await insert(queries, 'before a failure')
        await insert(queries, 'taken').catch(() => {})
      })
      t.match(await rejection(last), { name: 'Failure', code: 'conflict' }, 'nothing followed but the commit')
      t.notOk((await ids(database.queries)).some(id => id.includes('a failure')))
      t.equal(database.connections().busy, name === 'sqlite' ? 1 : 0, 'no connection is left in it')
      await database.transaction(queries => insert(queries, 'the next one'))
      t.ok((await ids(database.queries)).includes('the next one'))
    })

    t.test('what the work throws passes unchanged', async t => {
      const error = new TypeError('a defect')
      t.equal(await rejection(database.transaction(async () => { throw error })), error)
    })

    t.test('a defect in a query is no failure of the storage', async t => {
      t.notOk(await rejection(database.queries.$queryRaw`SELECT nonsense`) instanceof Failure)
    })
  })

  t.test(`[${name}] a closed database stays closed, and can be opened anew`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    const database = await openDatabase(url, limits)
    await database.ping()
    await database.close()
    await isUnavailable(t, database.ping())
    await isUnavailable(t, database.transaction(async queries => { await queries.$queryRaw`SELECT 1` }))
    const again = await openDatabase(url, limits)
    t.teardown(() => again.close())
    await again.ping()
  })
}

/** Resolves once ten queries in a row are answered: an ended connection may be used once before its end is noticed. */
async function recovered (database: Database): Promise<void> {
  for (let inARow = 0; inARow < 10;) inARow = await database.ping().then(() => inARow + 1, () => 0)
}

/** Tables, columns, indexes and foreign keys, as the database reports them. */
async function shape (provider: 'sqlite' | 'postgresql', url: string): Promise<unknown> {
  if (provider === 'sqlite') {
    const database = new Sqlite(sqlitePath(url), { readonly: true })
    const rows = database.prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name <> '_prisma_migrations' ORDER BY type, name"
    ).all() as { type: string, name: string, sql: string }[]
    // A column that was added later is the last one; every statement names its columns.
    const columnsOf = (name: string) =>
      (database.pragma(`table_info("${name}")`) as { cid: number, name: string }[])
        .map(({ cid: _, ...column }) => column).sort((a, b) => a.name < b.name ? -1 : 1)
    const tables = rows.filter(({ type }) => type === 'table').map((
      { name }
    ) => [name, columnsOf(name), database.pragma(`foreign_key_list("${name}")`)])
    const indexes = rows.filter(({ type }) => type === 'index').map(({ name, sql }) => [name, sql])
    database.close()
    return { tables, indexes }
  }
  const relevant = "WHERE n.nspname = current_schema() AND c.relname NOT LIKE '\\_prisma%'"
  const { rows: columns } = await administer(url, `
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace ${relevant} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2`
  )
  const { rows: indexes } = await administer(
    url,
    `
    SELECT pg_get_indexdef(i.indexrelid) AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace ${relevant} ORDER BY 1`
  )
  const { rows: constraints } = await administer(
    url,
    `
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace ${relevant} ORDER BY 1, 2`)
  return { columns, indexes, constraints }
}

async function execute (provider: 'sqlite' | 'postgresql', url: string, sql: string): Promise<void> {
  if (provider === 'postgresql') {
    await administer(url, sql)
    return
  }
  const database = new Sqlite(sqlitePath(url))
  database.exec(sql)
  database.close()
}

t.test('[postgresql] several servers that start at once apply each migration once', async t => {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  const applied = await Promise.all([migrate(url), migrate(url), migrate(url)])
  t.equal(applied.filter(names => names.length > 0).length, 1)
  const { rows } = await administer(url, 'SELECT migration_name, count(*)::int FROM _prisma_migrations GROUP BY 1')
  t.ok(rows.length > 0 && rows.every(({ count }) => count === 1))
})

t.test('[postgresql] transactions that wait for each other', async t => {
  await t.test('one that waits for its turn too long is refused, and the next one runs', async t => {
    const fresh = async () => {
      const { url, drop } = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
      return { url: `${url}${url.includes('?') ? '&' : '?'}connection_limit=2`, drop }
    }
    const database = await opened(t, fresh, { turn: 100 })
    const started = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const first = database.transaction(async queries => {
      await insert(queries, 'first')
      started.resolve()
      await goOn.promise
    })
    await started.promise
    const refused = await rejection(database.transaction(queries => insert(queries, 'impatient')))
    t.match(refused, { code: 'storage_unavailable', detail: 'too many transactions are queued' })
    goOn.resolve()
    await first
    await database.transaction(queries => insert(queries, 'next'))
    t.same(await ids(database.queries), ['first', 'next'])
  })

  await t.test('one that conflicts each time is given up, and nothing of it is committed', async t => {
    const database = await opened(t, () => freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE))
    await insert(database.queries, 'contended', '0')
    let attempts = 0
    const refused = await rejection(database.transaction(async queries => {
      attempts++
      await queries.organization.findUniqueOrThrow({ where: { id: 'contended' } })
      // Outside of the transaction, on a connection of its own.
      await database.queries.organization.update({ where: { id: 'contended' }, data: { name: String(attempts) } })
      await queries.organization.update({ where: { id: 'contended' }, data: { name: 'mine' } })
    }))
    t.match(refused, { code: 'storage_unavailable', detail: 'the transaction kept conflicting with others' })
    t.equal(attempts, 20)
    t.match(await database.queries.organization.findUnique({ where: { id: 'contended' } }), { name: '20' })
  })
})

t.test('[postgresql] a database that is gone', async t => {
  const { url, drop } = await freshDatabase()
  const database = await openDatabase(url, limits)
  await migrate(url)
  const endConnections = () =>
    administer(
      url,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = ' +
        'current_database()'
    )

  await t.test('connections that the server ended are replaced', async () => {
    await Promise.all(Array.from({ length: 5 }, () => database.ping()))
    await endConnections()
    await recovered(database)
    await insert(database.queries, 'back')
  })

  await t.test('a transaction whose connection is ended is a failure, and the next one works', async t => {
    await isUnavailable(t, database.transaction(async queries => {
      await insert(queries, 'lost')
      await endConnections()
      await insert(queries, 'also lost')
    }))
    await recovered(database)
    await database.transaction(queries => insert(queries, 'kept'))
    t.same(await ids(database.queries), ['back', 'kept'])
  })

  await t.test('a statement that is stuck behind a lock is given up', async t => {
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    await holder.query('BEGIN; LOCK TABLE "Organization"')
    const impatient = await openDatabase(url, { ...limits, statement: 600 })
    await isUnavailable(t, ids(impatient.queries))
    await isUnavailable(t, impatient.transaction(ids))
    await holder.end()
    await recovered(impatient)
    await impatient.close()
    t.same(await ids(database.queries), ['back', 'kept'])
  })

  await drop()
  await isUnavailable(t, database.ping())
  await isUnavailable(t, database.transaction(ids))
  await database.close()
})

t.test('[postgresql] a server that hangs, and one that is not there', async t => {
  const postgres = await startPostgres()
  const database = await openDatabase(postgres.url, { ...limits, answer: 3_000 })
  await migrate(postgres.url)
  await insert(database.queries, 'before')
  const postmaster =
    (await administer(postgres.url, "SELECT pg_read_file('postmaster.pid') AS file")).rows[0].file.split('\n')[0]
  const backends = (): string[] =>
    execFileSync('ps', ['-o', 'pid=', '--ppid', postmaster], { encoding: 'utf8' }).trim().split(/\s+/)

  await t.test('one that hangs in the middle of a transaction leaves no open transaction for a later writer', async t => {
    let hung: string[] = []
    await isUnavailable(t, database.transaction(async queries => {
      await insert(queries, 'half')
      hung = backends()
      for (const pid of hung) process.kill(Number(pid), 'SIGSTOP')
      await insert(queries, 'other half')
    }))
    for (const pid of hung) process.kill(Number(pid), 'SIGCONT')
    await Promise.all(Array.from({ length: 10 }, (_, i) => insert(database.queries, `later ${i}`)))
    const { rows } = await administer(postgres.url, 'SELECT id FROM "Organization" ORDER BY id')
    t.same(rows.map(({ id }) => id), ['before', ...Array.from({ length: 10 }, (_, i) => `later ${i}`)])
  })

  await postgres.stop()
  await isUnavailable(t, database.ping())
  await isUnavailable(t, insert(database.queries, 'nowhere'))
  await isUnavailable(t, database.transaction(ids))
  await isUnavailable(t, migrate(postgres.url))
  await database.close()
})

t.test('[sqlite] the file', async t => {
  const { url, drop } = await databases[0]!.fresh()
  t.teardown(drop)
  const path = join(dirname(sqlitePath(url)), 'deeper', 'still', 'latchkey.db')
  const database = await openDatabase(`file:${path}`, limits)
  await migrate(`file:${path}`)

  t.test('it and its folders are created for their owner only', async t => {
    await insert(database.queries, 'first')
    for (const suffix of ['', '.lock', '-wal']) t.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix)
    t.equal(statSync(dirname(path)).mode & 0o777, 0o700)
  })

  t.test('it is written durably, ahead in a log, and foreign keys hold', async t => {
    const one = async (pragma: string) =>
      Object.values((await database.queries.$queryRawUnsafe<Record<string, unknown>[]>(`PRAGMA ${pragma}`))[0]!)[0]
    t.equal(await one('journal_mode'), 'wal')
    t.equal(Number(await one('synchronous')), 2)
    t.equal(Number(await one('foreign_keys')), 1)
    t.equal(Number(await one('busy_timeout')), limits.busy)
  })

  t.test('a second server is refused, in this process and in another', async t => {
    const refused = await rejection(openDatabase(`file:${path}`))
    t.ok(refused instanceof ConfigurationError)
    t.match((refused as Error).message, /DATABASE_URL: another Latchkey server is running on .*latchkey\.db/)
    const other = await openElsewhere(path)
    t.not(other.code, 0)
    t.match(other.output, /another Latchkey server is running on/)
  })

  t.test('a server that was killed leaves no lock behind', async t => {
    const killed = `${path}.killed`
    const holder = spawn(process.execPath, [
      '--input-type=module', '-e', `${opener(killed)}; console.log('open'); setInterval(() => {}, 1000)`
    ], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(holder.stdout, 'data')
    t.not((await openElsewhere(killed)).code, 0)
    holder.kill('SIGKILL')
    await once(holder, 'close')
    t.ok(existsSync(`${killed}.lock`))
    t.equal((await openElsewhere(killed)).code, 0)
  })

  t.test('another program that holds it makes it unavailable, until it lets go', async t => {
    const other = new Sqlite(path)
    other.exec('BEGIN IMMEDIATE')
    await isUnavailable(t, insert(database.queries, 'busy'))
    await isUnavailable(t, database.transaction(queries => insert(queries, 'busy')))
    other.exec('ROLLBACK')
    other.close()
    await database.transaction(queries => insert(queries, 'a BEGIN that failed holds nobody up'))
    t.same(await ids(database.queries), ['a BEGIN that failed holds nobody up', 'first'])
  })

  t.test('a COMMIT that fails commits nothing and blocks nothing', async t => {
    await rejection(database.transaction(async queries => {
      await queries.$executeRawUnsafe('PRAGMA defer_foreign_keys = ON')
      await queries.scope.create({ data: { resourceId: 'nowhere', name: 'x', position: 0, keyOnly: false } })
    }))
    t.equal(await database.queries.scope.count(), 0)
    await insert(database.queries, 'after a COMMIT that failed')
  })

  t.test('a full disk is told from a database that is out of reach', async t => {
    await database.queries.$queryRawUnsafe('PRAGMA max_page_count = 1')
    t.match(await rejection(insert(database.queries, 'full', 'x'.repeat(1_000_000))), {
      name: 'Failure', code: 'storage_full', status: 503
    })
    t.equal(database.isFull(), true)
    await database.queries.$queryRawUnsafe('PRAGMA max_page_count = 1073741823')
    await database.transaction(queries => insert(queries, 'there is room again'))
    t.equal(database.isFull(), false)
  })

  t.test('a lock that cannot be read is an error: neither locked nor free', async t => {
    const damaged = `${path}.damaged`
    writeFileSync(`${damaged}.lock`, 'no page of SQLite '.repeat(100))
    t.throws(() => isLocked(damaged), { message: /damaged\.lock, .* is damaged .*; remove that file/ })
    t.throws(() => lockForOneServer(damaged), { message: /damaged\.lock, .* is damaged/ })
    t.equal(isLocked(path), true)
  })

  t.test('after close the next server may have it', async t => {
    await database.close()
    t.ok(
      await rejection(openDatabase(`file:${dirname(path)}`)) instanceof ConfigurationError, 'a folder is no database'
    )
    const next = await openDatabase(`file:${path}`)
    t.ok((await ids(next.queries)).includes('there is room again'))
    await next.close()
    renameSync(path, `${path}.moved`)
  })
})

t.test('[sqlite] a read that fails throws at once, and is counted', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const telemetry = newTelemetry()
  const database = await openDatabase(url, limits, telemetry)
  t.teardown(async () => {
    await database.close()
    await drop()
  })
  await migrate(url)
  t.same(database.reads.signingKeys(), [])
  await database.queries.$executeRawUnsafe('ALTER TABLE "SigningKey" RENAME TO "Elsewhere"')
  t.throws(() => database.reads.signingKeys(), /no such table: SigningKey/)
  t.match(telemetry.metrics.databaseErrors.entries(), [['defect']])
})

t.test('a URL of another kind is refused without repeating it', async t => {
  const error = await rejection(openDatabase('mysql://user:secret@host/db'))
  t.ok(error instanceof ConfigurationError)
  t.notMatch((error as Error).message, /secret/)
})

function opener (path: string): string {
  const module = new URL('../../src/storage/engine/database.ts', import.meta.url).href
  return `const { openDatabase } = await import('${module}'); const database = await openDatabase('file:${path}'); ` +
    'await database.ping()'
}

async function openElsewhere (path: string): Promise<{ code: number, output: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${opener(path)}; await database.close()`], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let output = ''
  child.stderr.on('data', chunk => { output += chunk })
  const [code] = await once(child, 'close')
  return { code, output }
}

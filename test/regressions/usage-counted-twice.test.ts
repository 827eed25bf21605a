/**
 * The database fails in the middle of usage that takes several statements: the written part must not be written again.
 */
import Sqlite from 'better-sqlite3'
import tap from 'tap'
import { tokenMeter } from '../../src/domain/tokens/issuance-meter.ts'
import { usageMeter } from '../../src/domain/metering/usage-meter.ts'
import { openStorage } from '../../src/storage/index.ts'
import { sqlitePath } from '../../src/storage/engine/sqlite/sqlite.ts'
import { databases } from '../support/databases.ts'
import { administer } from '../support/postgres.ts'
import { patientLimits } from '../support/waiting.ts'

const noon = new Date('2026-01-15T12:00:00Z')
const ids = Array.from({ length: 1_200 }, (_, i) => `id_${String(i).padStart(4, '0')}`)

/** The rows that a statement returns. */
async function execute (url: string, sql: string): Promise<Record<string, unknown>[]> {
  if (!url.startsWith('file:')) return (await administer(url, sql)).rows
  const database = new Sqlite(sqlitePath(url), { timeout: 10_000 })
  const statement = database.prepare<[], Record<string, unknown>>(sql)
  const rows = statement.reader ? statement.all() : []
  if (!statement.reader) statement.run()
  database.close()
  return rows
}

/** Makes every write of the last row fail until the result is called. */
async function breakLastRow (url: string, table: string, column: string): Promise<() => Promise<unknown>> {
  const [when, name] = [`NEW."${column}" = '${ids.at(-1)}'`, `broken_${table}`]
  if (url.startsWith('file:')) {
    await execute(
      url, `CREATE TRIGGER ${name} BEFORE INSERT ON "${table}" WHEN ${when} BEGIN SELECT RAISE(ABORT, 'no'); END`
    )
    return () => execute(url, `DROP TRIGGER ${name}`)
  }
  await execute(
    url, `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`
  )
  await execute(
    url, `CREATE TRIGGER ${name} BEFORE INSERT ON "${table}" FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION ${name}()`
  )
  return () => execute(url, `DROP TRIGGER ${name} ON "${table}"`)
}

for (const { name, fresh } of databases) {
  tap.test(`what was written before a statement failed is counted once, and what was not is written later [${name}]`, async t => {
    const { url, drop } = await fresh()
    const { store, close } = await openStorage(url, { limits: patientLimits })
    t.teardown(async () => {
      await close()
      await drop()
    })
    const calls = usageMeter(rows => store.usage.add(rows), 3_600_000)
    const tokens = tokenMeter(rows => store.tokenUsage.add(rows), () => noon, 3_600_000)
    for (const id of ids) {
      calls.count(id, noon)
      tokens.count(id, null)
    }
    const mend = [await breakLastRow(url, 'KeyUsage', 'apiKeyId'), await breakLastRow(url, 'TokenUsage', 'clientId')]
    const counted = async () => {
      const rows = [
        await execute(url, 'SELECT "calls" AS "n" FROM "KeyUsage"'),
        await execute(url, 'SELECT "tokens" AS "n" FROM "TokenUsage"')
      ]
      return rows.map(counts => counts.map(({ n }) => Number(n)))
    }
    for (let i = 0; i < 2; i++) await Promise.all([calls.flush(), tokens.flush()])
    for (const counts of await counted()) {
      t.ok(counts.length > 0 && counts.length < ids.length, `${counts.length} are written`)
      t.ok(counts.every(count => count === 1), 'once each')
    }
    for (const each of mend) await each()
    await Promise.all([calls.stop(), tokens.stop()])
    for (const counts of await counted()) t.strictSame(counts, ids.map(() => 1))
  })
}

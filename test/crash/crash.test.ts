/** The short run of `npm run crash`, and controls that it detects faults. */
import Sqlite from 'better-sqlite3'
import tap from 'tap'
import { crash, crashes } from './cycles.ts'

for (const [database, cycles] of [['sqlite', 1], ['postgresql', 1]] as const) {
  tap.test(`L2: killed under load, nothing acknowledged is lost, nothing half done, and the next start needs no repair [${database}]`, async t => {
    const { lost, halfDone, wrong, crashes: seen, acknowledged } = await crash({
      database, cycles, seed: 1, firstStarts: 0
    })
    t.strictSame({ lost, halfDone, wrong }, { lost: [], halfDone: [], wrong: [] })
    t.strictSame([...seen.keys()], crashes[database].slice(0, cycles))
    t.comment([...acknowledged].map(([kind, n]) => `${kind}: ${n}`).join(', '))
    t.ok(acknowledged.size >= 10, 'of many kinds')
  })
}

tap.test('what is taken away behind the server is named, as lost and as half done [sqlite]', async t => {
  const meddle = async (url: string) => {
    const database = new Sqlite(url.slice('file:'.length))
    database.exec(`
      DELETE FROM "ApiKey" WHERE "rotatedFrom" IS NULL AND "rotatedTo" IS NULL AND "revokedAt" IS NULL;
      UPDATE "CreditAccount" SET "balance" = "balance" - 1;
      INSERT INTO "SpendTotal" ("kind", "holder", "period", "spent", "reserved") VALUES ('global', '', '2999-01', 1, 0);
      UPDATE "Organization" SET "name" = 'another'`)
    database.close()
  }
  const { lost, halfDone, wrong } = await crash({ database: 'sqlite', cycles: 1, seed: 3, firstStarts: 0, meddle })
  const some = (found: readonly string[], pattern: RegExp) =>
    t.ok(found.some(each => pattern.test(each)), String(pattern))
  some(lost, /^cycle 1: key created: key key_\w+ should look like 200, and looks like 401$/)
  some(
    lost, /^cycle 1: organization created: organization org_\w+ should look like caller \d 1, and looks like another$/
  )
  some(halfDone, /^cycle 1: a row of ApiKey is in the audit log and not there: key_\w+$/)
  some(halfDone, /^cycle 1: the balance of org_\w+:live is \d+, and the entries say \d+$/)
  some(halfDone, /^cycle 1: what was spent in global::2999-01 is 1, and the entries say 0$/)
  t.strictSame(wrong, [], 'the audit log itself was left alone')
})

/**
 * A database whose default isolation refuses what may not be serializable: single statements outside of a transaction
 * were not retried.
 */
import tap from 'tap'
import { openDatabase } from '../../src/storage/engine/database.ts'
import { openStorage } from '../../src/storage/index.ts'
import { administer, freshDatabase } from '../support/postgres.ts'

for (const isolation of ['serializable', 'repeatable read']) {
  tap.test(`where ${isolation} is the default, statements that meet on one row all succeed, and servers hear of each other [postgresql]`, async t => {
    const { url, drop } = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
    await administer(
      url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_isolation = '${isolation}'`
    )
    // Other parameters of the URL stay in effect.
    const own = new URL(url)
    own.searchParams.set('options', '-c extra_float_digits=2')
    const storages = [await openStorage(own.href, { lease: 1_000 }), await openStorage(url, { lease: 1_000 })] as const
    const database = await openDatabase(own.href)
    t.teardown(async () => {
      await database.close()
      for (const { close } of storages) await close()
      await drop()
    })
    for (const { join } of storages) await join()
    const shown = async (name: string) =>
      await database.queries.$queryRawUnsafe<Record<string, string>[]>(`SELECT current_setting('${name}') AS value`)
    t.strictSame([await shown('default_transaction_isolation'), await shown('extra_float_digits')], [[{
      value: 'read committed'
    }], [{ value: '2' }]])
    const calls = Array.from(
      { length: 200 },
      (_, i) => storages[i % 2]!.store.usage.add([{ consumerId: 'key_a', day: '2026-01-15', calls: 1, credits: 0 }])
    )
    await Promise.all(calls)
    t.match(await storages[0].store.usage.of('key_a', { from: '2026-01-01', to: '2026-01-31' }), [{ calls: 200 }])
    await storages[0].store.revokedTokens.insert({
      jti: 'gone', clientId: 'cli_a', revokedAt: new Date(), expiresAt: new Date()
    })
    t.equal(await storages[1].registry.isTokenRevoked('gone'), true)
  })
}

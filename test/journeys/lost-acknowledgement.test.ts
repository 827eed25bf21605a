/** What a failover to a standby undoes that was answered already: it is noticed, and refused until an operator has decided. */
import tap from 'tap'
import { startFleet } from '../fleet.ts'
import { administer, startPostgres } from '../postgres.ts'
import { startStandby } from '../standby.ts'
import { eventually, until } from '../waiting.ts'
import { layWire } from '../wire.ts'

const primary = await startPostgres()
const standby = await startStandby(primary)
const wire = await layWire(primary.url)
const fleet = await startFleet(wire.url, 2, 2_000)
const [one, other] = fleet.members.map(({ url }) => url) as [string, string]
tap.teardown(async () => {
  await fleet.stop()
  await wire.close()
  await standby.stop()
  await primary.stop()
})

const both = (key: string) => Promise.all([one, other].map(url => fleet.check(url, key)))
const settled = async (key: string, status: number) => await eventually(() => both(key), found => found.every(each => each === status))

tap.test('a revocation that a promoted standby has lost stays so on every server until an operator has decided [postgresql]', async t => {
  const { id, key } = await fleet.createKey(one)
  const good = await fleet.createKey(one)
  t.strictSame(await both(key), [200, 200])
  await standby.caughtUp()
  await standby.freeze()
  await fleet.manage(one, 'POST', `/api-keys/${id}/revoke`)
  t.strictSame(await both(key), [401, 401])
  await primary.kill()
  await standby.promote()
  t.strictSame((await administer(standby.url, `SELECT "revokedAt" FROM "ApiKey" WHERE id = '${id}'`)).rows, [{ revokedAt: null }], 'the standby never had it')
  await wire.cut()
  wire.lead(standby.url)
  await wire.mend()
  const seen: number[] = []
  await until('the servers are back', async () => {
    seen.push(...await both(key))
    return (await both(good.key)).every(status => status === 200)
  })
  t.strictSame(await settled(good.key, 200), [200, 200])
  for (let i = 0; i < 10; i++) seen.push(...await both(key))
  t.equal(seen.indexOf(200), -1, `${String(seen)}: it never passes`)
})

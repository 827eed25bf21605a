/**
 * A failover to a standby that lost acknowledged changes: the servers detect it, and refuse the lost revocations until
 * an operator has decided.
 */
import tap from 'tap'
import { examine } from '../../src/server/doctor/doctor.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { startCluster } from '../support/cluster.ts'
import { administer, startPostgres } from '../support/postgres.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'
import { startStandby } from '../support/standby.ts'
import { eventually, until } from '../support/waiting.ts'
import { startNetworkProxy } from '../support/network-proxy.ts'

const primary = await startPostgres()
const standby = await startStandby(primary)
const proxy = await startNetworkProxy(primary.url)
const cluster = await startCluster(proxy.url, 2, 2_000)
const urls = cluster.members.map(({ url }) => url) as [string, string]
const [one, other] = urls
tap.teardown(async () => {
  await cluster.stop()
  await proxy.close()
  await standby.stop()
  await primary.stop()
})

const configure = async (setting: string) => {
  await administer(primary.url, `ALTER SYSTEM SET ${setting}`)
  await administer(primary.url, 'SELECT pg_reload_conf()')
}
const both = (key: string) => Promise.all(urls.map(url => cluster.check(url, key)))
const command = async (...words: string[]) => {
  const env = ownEnvironment({ LATCHKEY_URL: other, LATCHKEY_TOKEN: cluster.adminToken })
  return await run(process.execPath, [latchkeyCommand, 'replicas', 'lost', ...words], { env })
}
/** The finding of `doctor` for one check, on the database of the servers. */
const found = async (check: string) => {
  const findings = await examine({
    DATABASE_URL: proxy.url,
    LATCHKEY_ISSUER: one,
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_ADMIN_TOKEN: cluster.adminToken
  })
  return findings.find(finding => finding.check === check)
}
/** The value of a metric on each server. */
const numbers = (name: string) => Promise.all(urls.map(async url => {
  const text = await (await fetch(`${url}/prom`)).text()
  return Number(text.split('\n').find(line => line.startsWith(`${name} `))?.split(' ')[1] ?? NaN)
}))
const events = async (type: string) => (await cluster.manage(one, 'GET', `/audit?type=${type}`)).data

tap.test('LK-13: a revocation that a promoted standby has lost stays so on every server until an operator has decided [postgresql]', async t => {
  const asynchronous = 'latchkey_database_standbys{replication="asynchronous"}'
  t.strictSame(
    await eventually(() => numbers(asynchronous), found => found.every(n => n === 1)), [1, 1],
    'that it can happen is a number'
  )
  t.match(await found('standbys'), { status: 'warning', found: /^1, and no change waits for any/ })
  await configure("synchronous_standby_names = '*'")
  t.match(await eventually(() => found('standbys'), ({ status } = {} as never) => status === 'ok'), {
    status: 'ok', found: '1, and changes wait for one'
  })
  await configure("synchronous_standby_names = ''")
  t.match(await found('lost changes'), { status: 'ok' })
  const [lost, again, good] = [await cluster.createKey(one), await cluster.createKey(one), await cluster.createKey(one)]
  for (const { key } of [lost, again, good]) t.strictSame(await both(key), [200, 200])
  await standby.caughtUp()
  await standby.freeze()
  for (const { id, key } of [lost, again]) {
    await cluster.manage(one, 'POST', `/api-keys/${id}/revoke`)
    t.strictSame(await both(key), [401, 401])
  }
  await primary.kill()
  await standby.promote()
  const revoked = 'SELECT id FROM "ApiKey" WHERE "revokedAt" IS NOT NULL'
  t.strictSame((await administer(standby.url, revoked)).rows, [], 'the standby never had it')
  await proxy.cut()
  proxy.lead(standby.url)
  await proxy.mend()

  const seen: number[] = []
  await until('the servers are back', async () => {
    seen.push(...await both(lost.key), ...await both(again.key))
    return (await both(good.key)).every(status => status === 200)
  })
  await until('they go by their memory', async () => (await numbers('latchkey_registry_trusted')).every(n => n === 1))
  for (let i = 0; i < 10; i++) seen.push(...await both(lost.key), ...await both(again.key))
  t.equal(seen.indexOf(200), -1, `${String(seen)}: nothing passes`)

  t.strictSame(await numbers('latchkey_lost_changes_total'), [2, 2], 'both have noticed')
  t.strictSame(await numbers('latchkey_lost_changes_undecided'), [2, 2])
  t.strictSame(await numbers('latchkey_maybe_lost_changes_total'), [0, 0], 'and both know what')
  const noticed = await events('database.lost_changes')
  t.match(noticed.map(({ actor }: { actor: string }) => actor), ['system'].concat(noticed.length > 1 ? ['system'] : []))
  t.strictSame(
    noticed.reduce((sum: number, { detail }: { detail: { changes: number } }) => sum + detail.changes, 0), 2,
    'each once'
  )
  const answer = await fetch(`${one}/api/v1/api-key`, { headers: { 'x-api-key': lost.key } })
  t.equal(answer.headers.get('retry-after'), '60')
  t.match(await answer.json(), {
    statusCode: 503, code: 'CHANGE_LOST', message: /refused until an operator decides/
  })
  const refused = (await events('credential.refused')).map(({ detail }: { detail: object }) => detail)
  // Rows that could not be written while the database was away are counted in a row of the next minute.
  t.match(refused.find(({ reason }: { reason?: string }) => reason === 'change_lost'), { refused: /^api_key key_/ })

  for (const n of [0, 1]) {
    await cluster.restart(n)
    t.strictSame(
      [await both(lost.key), await both(good.key)], [[503, 503], [200, 200]],
      'a server that was started again refuses it, too'
    )
  }

  t.match(await found('lost changes'), {
    status: 'failed', found: /^2 wait for a decision/, remedy: /latchkey replicas lost/
  })
  const listed = await command()
  t.match(listed, { code: 0, stdout: /^ID +KIND +SUBJECT +ORGANIZATION +STATE +CHANGED +NOTICED\n/ })
  const rows = listed.stdout.trimEnd().split('\n').slice(1).map(line => line.split(/ +/))
  t.strictSame(
    rows.map(([, kind, subject, , state]) => [kind, subject, state]).sort(),
    [lost, again].map(({ id }) => ['api_key', id, 'undecided']).sort()
  )
  const [id] = rows.find(([, , subject]) => subject === lost.id)!
  t.match(await command('--accept', id!), { code: 0, stdout: / accepted / })
  t.strictSame(await both(lost.key), [200, 200], 'what was accepted passes')
  t.strictSame(await both(again.key), [503, 503], 'nothing else does')
  t.match(await events('lost_change.accepted'), [{
    actor: 'admin', subject: id, detail: { kind: 'api_key', subject: lost.id }
  }])
  await cluster.manage(other, 'POST', `/api-keys/${again.id}/revoke`)
  t.strictSame(await both(again.key), [401, 401], 'what is revoked again is refused for that')
  t.match(await command(), { code: 0, stdout: '', stderr: /^There is no such change/ })
  t.match(await command('--state', 'revoked'), { code: 0, stdout: new RegExp(again.id) })
  t.strictSame(await numbers('latchkey_lost_changes_undecided'), [0, 0])
  t.strictSame(await events('database.maybe_lost_changes'), [])
  const histories =
    (await administer(standby.url, 'SELECT DISTINCT timeline FROM "Replica" WHERE "leftAt" IS NULL')).rows
  t.strictSame(histories, [{ timeline: 2 }])
})

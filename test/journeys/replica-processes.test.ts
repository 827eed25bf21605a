/** Servers as processes of their own, one of them stopped: a case that no test clock can simulate. */
import tap from 'tap'
import { startCluster } from '../support/cluster.ts'
import { freshDatabase } from '../support/postgres.ts'
import { run, latchkeyCommand, ownEnvironment } from '../support/running-server.ts'
import { timed, until } from '../support/waiting.ts'

const lease = 2_000
const database = await freshDatabase()
const cluster = await startCluster(database.url, 2, lease)
const [writer, other] = cluster.members as [typeof cluster.members[0], typeof cluster.members[0]]
tap.teardown(async () => {
  await cluster.stop()
  await database.drop()
})

/** The number of changes on the writer that waited for a whole lease. */
async function lapses (): Promise<number> {
  const numbers = await (await fetch(`${writer.url}/prom`)).text()
  return Number(/^latchkey_acknowledgement_duration_seconds_count\{outcome="lapsed"\} (\d+)$/m.exec(numbers)?.[1] ?? 0)
}

tap.test('CK-04: a server that is stopped holds a change up for a lease at most, and its first answers when it goes on are refusals [postgresql]', async t => {
  const { id, key } = await cluster.createKey(writer.url)
  const next = await cluster.createKey(writer.url)
  for (let i = 0; i < 10; i++) t.equal(await cluster.check(other.url, key), 200)
  other.process.kill('SIGSTOP')
  const before = await lapses()
  const took = await timed(() => cluster.manage(writer.url, 'POST', `/api-keys/${id}/revoke`))
  t.ok(took > lease / 2 && took < 2 * lease, `${took} ms`)
  t.equal(await lapses() - before, 1)
  await until(
    'it is counted out',
    async () =>
      (await cluster.manage(writer.url, 'GET', '/replicas')).data.some(({ leftAt }: { leftAt: string | null }) =>
        leftAt !== null
      )
  )
  await cluster.manage(writer.url, 'POST', `/api-keys/${next.id}/revoke`)
  t.equal(await lapses() - before, 1, 'which does not wait for it')
  const first = Array.from({ length: 10 }, () => cluster.check(other.url, key))
  other.process.kill('SIGCONT')
  t.strictSame(await Promise.all(first), Array.from({ length: 10 }, () => 401))
})

tap.test('OC-13: `latchkey replicas` shows who is there, who is silent and who has left [postgresql]', async t => {
  const env = ownEnvironment({ LATCHKEY_URL: writer.url, LATCHKEY_TOKEN: cluster.adminToken })
  const pids = cluster.members.map(({ process }) => process.pid!)
  const shown = async () => {
    const { code, stdout } = await run(process.execPath, [latchkeyCommand, 'replicas'], { env })
    t.equal(code, 0)
    const [head, ...rows] = stdout.trimEnd().split('\n')
    t.match(head, /^REPLICA +STATE +BEHIND +HOST +PID +VERSION +STARTED +LAST SEEN$/)
    for (const row of rows) t.match(row, /^rpl_\w{22} +\w+ +\d+ +\S+ +\d+ +\d+\.\d+\.\d+ +\S+ +\S+/)
    t.equal(rows.length, pids.length)
    const states = new Map(rows.map(row => row.split(/ +/)).map(([, state, , , pid]) => [Number(pid), state]))
    return pids.map(pid => states.get(pid))
  }
  // On a busy machine a live server may be unheard for a moment.
  const becomes = async (expected: string[], what: string) => {
    const end = performance.now() + 30_000
    let states = await shown()
    while (states.join() !== expected.join() && performance.now() < end) states = await shown()
    t.strictSame(states, expected, what)
  }
  const { id } = await cluster.createKey(writer.url)
  await becomes(['live', 'live'], 'both are there')
  other.process.kill('SIGSTOP')
  await becomes(['live', 'silent'], 'it says nothing, and changes would wait for it')
  await cluster.manage(writer.url, 'POST', `/api-keys/${id}/revoke`)
  await becomes(['live', 'left'], 'a change has counted it out')
  other.process.kill('SIGCONT')
  await becomes(['live', 'live'], 'it has joined again')
})

/** A database that fails in the middle of a call: the answer is the right one or 503, and no change is partial. */
import tap, { type Test } from 'tap'
import { findHalves } from '../crash/halves.ts'
import { worldOf } from '../crash/world.ts'
import { faults, startFaultyProxy, type Fault } from '../support/faulty-proxy.ts'
import { startServer, type Answer } from '../support/test-server.ts'
import { freshDatabase } from '../support/postgres.ts'
import { databaseCallsOf, withSpending, type Edge, type DatabaseCall } from '../support/database-calls.ts'

/** `npm run faults`: every question of every call, in every way; otherwise two of each. */
const thorough = process.env.LATCHKEY_TEST_FAULTS === 'all'

if (thorough) tap.setTimeout(3_600_000)

const database = await freshDatabase()
const proxy = await startFaultyProxy(database.url)
const server = await startServer({ database: proxy.url, ...withSpending })
const world = worldOf(server.port, server.adminToken, database.url)
tap.teardown(async () => {
  await world.close()
  await server.close()
  await proxy.close()
  await database.drop()
})
const databaseCalls = await databaseCallsOf(server)

const words: Record<Edge, (answer: Answer) => unknown> = {
  management: ({ json }) =>
    ['STORAGE_UNAVAILABLE', 'STORAGE_FULL'].includes(json.code) && typeof json.error === 'string',
  protocol: ({ json }) => json.error === 'temporarily_unavailable' && typeof json.error_description === 'string',
  guard: ({ json }) => json.statusCode === 503 && ['STORAGE_UNAVAILABLE', 'STORAGE_FULL'].includes(json.code),
}

/** The right answer, or 503 in the format of its edge, without internals. */
function judge (t: Test, { edge, right }: DatabaseCall, answer: Answer, when: string): void {
  if (answer.status === right) return
  t.equal(answer.status, 503, `${when}: ${answer.text}`)
  t.ok(words[edge](answer), `${when}: in the words of its edge: ${answer.text}`)
  t.match(answer.headers['retry-after'], /^\d+$/, when)
  t.notMatch(answer.text, /postgres|prisma|select|ECONN|terminated|device|127\.0\.0\.1:/i, when)
}

/** Lets the n-th question of a call fail. @returns false when it has fewer. */
async function callWith (t: Test, databaseCall: DatabaseCall, n: number, fault: Fault): Promise<boolean> {
  const call = await databaseCall.prepare()
  proxy.failAt(n, fault)
  const answer = await call()
  const happened = proxy.disarm()
  judge(t, databaseCall, answer, `${fault} ${n}`)
  // One connection was lost: the next call gets another one without intervention.
  const next = await server.admin('GET', '/organizations?limit=1')
  t.equal(next.status, 200, `after ${fault} ${n}: ${next.text}`)
  return happened
}

for (const databaseCall of databaseCalls) {
  tap.test(`B3, L2: a connection lost, or a full disk, during ${databaseCall.name} costs a 503 at most, and halves nothing [postgresql]`, async t => {
    const call = await databaseCall.prepare()
    proxy.failAt(Infinity, 'lost question')
    const answer = await call()
    const questions = proxy.questions()
    proxy.disarm()
    t.equal(answer.status, databaseCall.right, `when all is well: ${answer.text}`)
    t.comment(`${questions} questions`)
    if (thorough) for (const fault of faults) for (let n = 1; await callWith(t, databaseCall, n, fault) && n < 200;) n++
    else if (questions > 0) {
      await callWith(t, databaseCall, Math.ceil(questions / 2), 'lost question')
      await callWith(t, databaseCall, questions, 'lost answer')
      await callWith(t, databaseCall, Math.ceil(questions / 3), 'disk full')
      await callWith(t, databaseCall, questions, 'disk full')
    }
    t.strictSame(await findHalves(world), [])
  })
}

/** Questions that are asked again: answered alike and counted once, by all servers on a database together. */
import tap, { type Test } from 'tap'
import { dayOf } from '../../src/domain/core/calendar.ts'
import { canonicalJson } from '../../src/domain/core/idempotency.ts'
import { keptAnswers, keptFor } from '../../src/domain/core/kept-answers.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { databases } from '../support/databases.ts'
import { MovableClock, startServer, type Answer, type Json } from '../support/test-server.ts'
import { verifyAs, type Asker } from './asking.ts'

const clock = new MovableClock()
clock.stop()
const firstDay = dayOf(clock.now())
/** SQLite has one server; on PostgreSQL the second one answers repetitions. */
const worlds = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  const first = await startServer({ clock, database: database.url })
  const { LATCHKEY_SECRET, LATCHKEY_ADMIN_TOKEN } = first.environment as Record<string, string>
  const second = name === 'sqlite'
    ? first
    : await startServer({
      clock,
      database: database.url,
      issuer: first.issuer,
      environment: { LATCHKEY_SECRET: LATCHKEY_SECRET!, LATCHKEY_ADMIN_TOKEN: LATCHKEY_ADMIN_TOKEN! }
    })
  tap.teardown(async () => {
    await Promise.all([...new Set([first, second])].map(async server => { await server.close() }))
    await database.drop()
  })
  return { name, first, second }
}))

for (const { name, first, second } of worlds) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { issuer: resource, admin } = first
  const newAsker = async (): Promise<Asker> => await first.createClient({ introspects: [resource] })
  const ask = async (server: typeof first, asker: Asker, key: string, body: Json): Promise<Answer> =>
    await verifyAs(server, asker, body, { headers: { 'idempotency-key': key } })
  // From the first day on: a month may end between two calls, and a report is of this month unless it is asked.
  const callsOf = async ({ id }: Json): Promise<number> => {
    for (const server of [first, second]) await server.latchkey.meter.flush()
    return (await admin('GET', `/api-keys/${id}/usage?from=${firstDay}`)).json.calls
  }

  test('one question under a key is counted once, also by another server, and answered alike', async t => {
    const [asker, key] = [await newAsker(), await first.createKey({ callsPerMinute: 1 })]
    const question = { credential: key.key, resource, scopes: [] }
    const once = await ask(first, asker, 'k1', question)
    t.match(once.json, { allowed: true })
    const answers = [await ask(second, asker, 'k1', question), await ask(first, asker, '"k1"', question)]
    t.strictSame(answers.map(({ text }) => text), [once.text, once.text])
    const refused = await ask(first, asker, 'k2', question)
    t.match(refused.json, { allowed: false, reason: 'rate_limited' })
    t.equal((await ask(second, asker, 'k2', question)).text, refused.text, 'a refusal, too')
    t.equal(await callsOf(key), 1)
    clock.advance(keptFor - 1)
    t.equal((await ask(second, asker, 'k1', question)).text, once.text, 'to the end of ten minutes')
    clock.advance(2)
    // By the first server, which counted the call itself: the second may hear of it after the clock was moved.
    t.match((await ask(first, asker, 'k1', question)).json, { allowed: true })
    t.equal(await callsOf(key), 2, 'and then it is another one')
  })

  test('another question under the same key is refused, and another client has keys of its own', async t => {
    const [asker, other, key] = [await newAsker(), await newAsker(), await first.createKey()]
    const question = { credential: key.key, resource, scopes: [] }
    await ask(first, asker, 'k', question)
    for (const changed of [{ ...question, scopes: ['invoices:read'] }, { items: [question, question] }]) {
      t.match(await ask(second, asker, 'k', changed), { status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    }
    t.match(await ask(second, other, 'k', { ...question, scopes: ['invoices:read'] }), { status: 200 })
    t.equal(await callsOf(key), 2)
  })

  test('of many at once one is counted; the others get its answer, or hear that it is under way', async t => {
    const [asker, key] = [await newAsker(), await first.createKey()]
    const answers = await Promise.all(Array.from({ length: 12 }, async (_, i) =>
      await ask(i % 2 === 0 ? first : second, asker, 'k', { credential: key.key, resource, scopes: [] })))
    const passed = answers.filter(({ status }) => status === 200)
    t.equal(new Set(passed.map(({ text }) => text)).size, 1)
    for (const { status, json } of answers) {
      if (status !== 200) t.match([status, json.code], [409, 'IDEMPOTENCY_IN_PROGRESS'])
    }
    t.equal(await callsOf(key), 1)
  })

  test('while a server makes the answer, every other one refuses to make it', async t => {
    const [asker, key] = [await newAsker(), await first.createKey()]
    const question = { credential: key.key, resource, scopes: [] }
    const kept = keptAnswers(first.latchkey.operation.store, clock.now, [first.secret])
    const work = {
      key: JSON.stringify(['verify', asker.clientId, 'k', 0]), request: digestOf(canonicalJson([question]))
    }
    t.strictSame(await kept.claim([work]), [null])
    t.match(await ask(second, asker, 'k', question), { status: 409, json: { code: 'IDEMPOTENCY_IN_PROGRESS' } })
    t.equal(await callsOf(key), 0)
    await kept.release([work])
    t.match((await ask(second, asker, 'k', question)).json, { allowed: true })
  })

  test('items are counted once by their ids, in whatever call', async t => {
    const [asker, key] = [await newAsker(), await first.createKey({ callsPerMinute: 2 })]
    const item = (id?: string) => ({ credential: key.key, resource, scopes: [], ...(id === undefined ? {} : { id }) })
    const call = async (server: typeof first, items: Json[]) => (await verifyAs(server, asker, { items })).json.items
    const [a, b] = await call(first, [item('a'), item('b')])
    t.match([a, b], [{ id: 'a', allowed: true }, { id: 'b', allowed: true }])
    t.strictSame((await call(second, [item('b'), item('a')])), [b, a])
    t.match(await call(first, [item('a'), item(), item('c')]), [a, { reason: 'rate_limited' }, { id: 'c' }])
    const reused = await verifyAs(second, asker, { items: [item('d'), { ...item('a'), scopes: ['invoices:read'] }] })
    t.match(reused, { status: 422 })
    clock.advance(60)
    t.match(await call(first, [item('d')]), [{ allowed: true }], 'nothing of a refused call was kept')
    t.equal(await callsOf(key), 3)
  })

  test('a kept verdict lets no credential pass that was revoked since, or comes from elsewhere', async t => {
    const [asker, key] = [await newAsker(), await first.createKey()]
    const question = { credential: key.key, resource, scopes: [] }
    t.match((await ask(first, asker, 'k', question)).json, { allowed: true })
    t.equal((await admin('POST', `/api-keys/${key.id}/revoke`, {})).status, 200)
    t.match((await ask(second, asker, 'k', question)).json, { allowed: false, refusal: { status: 401 } })
    t.equal(await callsOf(key), 1)
  })
}

/** AI budgets over real HTTP, on both databases: reserve, settle, release, and what each of them refuses. */
import tap, { type Test } from 'tap'
import { sweepShortLived } from '../../src/domain/maintenance/housekeeping.ts'
import { MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { asGateway, changeIf, createGateway, createTenant, reserveFor } from '../support/gateway.ts'

const clock = new MovableClock()
clock.stopInMidMonth()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, latchkey } = server
  const gateway = await createGateway(server)
  const reserve = async (key: string, more: Json = {}): Promise<Answer> => await reserveFor(server, gateway, key, more)
  const settle = async ({ json: { id } }: Answer, body: Json): Promise<Answer> =>
    await asGateway(server, gateway, `/spend/reservations/${id}/settle`, body)
  const release = async ({ json: { id } }: Answer): Promise<Answer> =>
    await asGateway(server, gateway, `/spend/reservations/${id}/release`)
  const budgetOf = async (id: string): Promise<Json> => (await admin('GET', `/budgets/organizations/${id}`)).json
  const setBudget = async (id: string, limits: Json): Promise<Answer> =>
    await admin('PUT', `/budgets/organizations/${id}`, { day: null, month: null, ...limits })
  const eventsOf = async (type: string, subject: string): Promise<Json[]> =>
    (await admin('GET', `/audit?type=${type}&subject=${subject}`)).json.data

  test('OC-10: of 200 calls, 40 at once, exactly those that the budget pays for are reserved', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { month: 50_000 })
    const statuses: number[] = []
    let left = 200
    await Promise.all(Array.from({ length: 40 }, async () => {
      while (left-- > 0) {
        const reserved = await reserve(key)
        statuses.push(reserved.status)
        if (reserved.status === 201) t.equal((await settle(reserved, { amount: 1_000 })).status, 200)
      }
    }))
    t.equal(statuses.length, 200)
    t.equal(statuses.filter(status => status === 201).length, 50)
    t.equal(statuses.filter(status => status === 429).length, 150)
    const { month, day } = await budgetOf(id)
    t.match(month, { limit: 50_000, spent: 50_000, reserved: 0, left: 0 })
    t.match(day, { limit: null, spent: 50_000, reserved: 0, left: null })
  })

  test('half a character names no account and no model: databases store another one in its place', async t => {
    const { key } = await createTenant(server)
    for (const member of ['account', 'model', 'credential']) {
      const { status, json } = await reserve(key, { [member]: 'a\ud800' })
      t.strictSame([status, json.details?.field], [400, member])
    }
    t.equal((await reserve(key, { account: '\u{1f600}' })).status, 201)
  })

  test('a reservation is taken from every budget that the call counts in, or from none', async t => {
    const { id, key } = await createTenant(server)
    const account = `acc ${name}`
    await admin('PUT', `/budgets/accounts/${encodeURIComponent(account)}`, { day: 1_500, month: null })
    await setBudget(id, { day: 10_000 })
    t.equal((await reserve(key, { account })).status, 201)
    const over = await reserve(key, { account })
    t.equal(over.status, 429)
    t.match(over.json.details.budget, { of: 'account', period: 'day', limit: 1_500, left: 500 })
    t.equal((await budgetOf(id)).day.reserved, 1_000, 'the organization was not charged for what the account refused')
    t.equal((await reserve(key)).status, 201, 'another account, or none, is not concerned')
  })

  test('over budget: the style\'s status, which budget, what is left, when it begins anew', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { day: 500, month: 400 })
    const over = await reserve(key)
    const resetsAt = new Date(Date.UTC(clock.now().getUTCFullYear(), clock.now().getUTCMonth() + 1, 1)).toISOString()
    t.equal(over.status, 429)
    t.equal(over.json.code, 'INSUFFICIENT_BUDGET')
    t.strictSame(over.json.details, {
      reason: 'insufficient_budget', budget: { of: 'organization', period: 'month', limit: 400, left: 400, resetsAt }
    }, 'the one that lasts longest')
    t.equal(over.json.message, 'The call does not fit into the budget of the organization for the month, which has ' +
      '400 ' +
      `micro-dollars left; it begins anew at ${resetsAt}.`)
    t.equal(over.headers['x-latchkey-refusal'], 'insufficient_budget')
    t.ok(Number(over.headers['retry-after']) > 0)
    const { json: crane } = await admin('POST', '/resources', {
      identifier: `https://crane-${name}.test`, scopes: [], style: 'crane-ledger'
    })
    const billed = await createGateway(server, ['spend:write'], { introspects: [crane.identifier] })
    const { key: other } = await server.createKey({ organization: id, resource: crane.identifier, scopes: [] })
    const paid = await reserveFor(server, billed, other)
    t.equal(paid.status, 402)
    t.match(paid.json, { error: { type: 'billing_error', code: 'insufficient_budget', status: 402 } })
  })

  test('the amounts of the deployment\'s budget are for the gateway, not for callers', async t => {
    const { key } = await createTenant(server)
    t.teardown(() => admin('DELETE', '/budgets/global'))
    t.equal((await admin('PUT', '/budgets/global', { day: 0, month: null })).status, 200)
    const over = await reserve(key)
    t.equal(over.status, 429)
    t.strictSame(Object.keys(over.json.details.budget), ['of', 'period', 'resetsAt'])
    t.match(JSON.parse(String(over.headers['x-latchkey-budget'])), { of: 'global', period: 'day', limit: 0, left: 0 })
  })

  test('a reference stands for one call: the same again gets its reservation, another is refused', async t => {
    const { id, key, keyId } = await createTenant(server)
    const reference = `once-${id}`
    const answers = await Promise.all(Array.from({ length: 10 }, () => reserve(key, { reference })))
    t.strictSame([...new Set(answers.map(({ json }) => json.id))], [answers[0]!.json.id])
    t.strictSame(answers.map(({ status }) => status).toSorted(), [...Array.from({ length: 9 }, () => 200), 201])
    t.equal((await budgetOf(id)).day.reserved, 1_000)
    t.match(await reserve(key, { reference, estimate: 1_001 }), {
      status: 409, json: { code: 'CONFLICT', details: { field: 'reference' } }
    })
    await admin('POST', `/api-keys/${keyId}/revoke`)
    t.equal((await reserve(key, { reference })).status, 401, 'the credential has to pass still')
  })

  test('a reference whose call has ended reserves nothing: it is no way past a budget', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { month: 1_000 })
    const reference = `ended-${id}`
    const first = await reserve(key, { reference })
    const refused = {
      status: 409, json: { code: 'CONFLICT', details: { field: 'reference', reservation: first.json.id } }
    }
    await release(first)
    t.match(await reserve(key, { reference }), refused, 'released')
    t.equal((await reserve(key)).status, 201)
    await settle(first, { amount: 900 })
    t.match(await reserve(key, { reference }), refused, 'settled')
    t.match((await budgetOf(id)).month, { spent: 900, reserved: 1_000 })
  })

  test('a credential that is refused is answered as its resource does, and nothing is reserved', async t => {
    const { id, key, keyId } = await createTenant(server)
    t.equal((await reserve(key, { scopes: ['invoices:write'] })).status, 403)
    await admin('POST', `/api-keys/${keyId}/revoke`)
    const { status, headers, json } = await reserve(key)
    t.equal(status, 401)
    t.equal(headers['x-latchkey-refusal'], 'revoked')
    t.match(json, { statusCode: 401, code: 'UNAUTHORIZED' })
    t.equal((await budgetOf(id)).day.reserved, 0)
  })

  test('a settlement counts once; the same again is answered, another is refused', async t => {
    const { id, key } = await createTenant(server)
    const reserved = await reserve(key)
    const usage = { inputTokens: 12, outputTokens: 34 }
    const answers = await Promise.all(Array.from({ length: 8 }, () => settle(reserved, { amount: 700, usage })))
    t.strictSame(answers.map(({ status }) => status), Array.from({ length: 8 }, () => 200))
    t.match(answers[0]!.json, { status: 'settled', amount: 700, usage, estimate: 1_000 })
    t.match(await budgetOf(id), { day: { spent: 700, reserved: 0 }, month: { spent: 700, reserved: 0 } })
    t.match(await settle(reserved, { amount: 701 }), {
      status: 409, json: { details: { field: 'amount', amount: 700 } }
    })
    t.match(await release(reserved), { status: 200, json: { status: 'settled', amount: 700 } })
    t.match((await admin('GET', `/spend?organization=${id}`)).json.data, [
      { model: 'gpt-5', amount: 700, calls: 1, inputTokens: 12, outputTokens: 34 }
    ])
  })

  test('a settlement wins over a release, and both at once leave no doubt', async t => {
    const { id, key } = await createTenant(server)
    const first = await reserve(key)
    t.match(await release(first), { status: 200, json: { status: 'released', amount: null } })
    t.equal((await release(first)).status, 200)
    t.match((await budgetOf(id)).day, { spent: 0, reserved: 0 })
    t.match(await settle(first, { amount: 900 }), { status: 200, json: { status: 'settled', amount: 900 } })
    const racing = await Promise.all(Array.from({ length: 20 }, () => reserve(key)))
    await Promise.all(racing.flatMap(each => [settle(each, { amount: 10 }), release(each)]))
    t.match((await budgetOf(id)).day, { spent: 900 + 20 * 10, reserved: 0 })
  })

  test('amounts are whole micro-dollars, and an implausible one has to be meant', async t => {
    const { id, key } = await createTenant(server)
    for (const estimate of [-1, 0, 0.5, 10 ** 12 + 1, 2 ** 53, 1e300, '1000', null]) {
      t.equal((await reserve(key, { estimate })).status, 400, `estimate ${estimate}`)
    }
    const reserved = await reserve(key)
    for (const amount of [-1, 0.5, 2 ** 53, 1e300, '1000', null]) {
      t.equal((await settle(reserved, { amount })).status, 400, `amount ${amount}`)
    }
    t.match(await settle(reserved, { amount: 100_001 }), {
      status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'amount' } }
    })
    t.equal((await settle(reserved, { amount: 100_001, force: true })).status, 200)
    t.match(await eventsOf('spend_reservation.forced', reserved.json.id), [{ detail: { amount: 100_001 } }])
    const huge = await reserve(key)
    t.match(await settle(huge, { amount: 10 ** 12 + 1, force: true }), { status: 400 }, 'no call costs so much')
    t.match((await budgetOf(id)).day, { spent: 100_001, reserved: 1_000 }, 'nothing of it was kept')
    t.equal((await settle(await reserve(key), { amount: 100_000 })).status, 200, 'exactly 100 times')
  })

  test('another client\'s reservation is not found, as one that does not exist', async t => {
    const { key } = await createTenant(server)
    const { json: { id } } = await reserve(key)
    const other = await createGateway(server)
    for (const [how, body] of [['settle', { amount: 1 }], ['release', undefined]] as const) {
      const foreign = await asGateway(server, other, `/spend/reservations/${id}/${how}`, body)
      const none = await asGateway(server, other, `/spend/reservations/rsv_none/${how}`, body)
      t.equal(foreign.status, 404)
      t.equal(foreign.text.replaceAll(id, 'x'), none.text.replaceAll('rsv_none', 'x'))
    }
  })

  test('a budget that was lowered refuses reservations, and never a settlement', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { month: 10_000 })
    const reserved = await reserve(key)
    const { headers } = await setBudget(id, { month: 100 })
    t.equal((await reserve(key)).status, 429)
    t.equal((await settle(reserved, { amount: 5_000 })).status, 200)
    t.match((await budgetOf(id)).month, { limit: 100, spent: 5_000, left: 0 })
    const path = `/budgets/organizations/${id}`
    const stale = await changeIf('"1"', server, 'PUT', path, { day: null, month: 1 })
    t.equal(stale.status, 412)
    t.equal((await changeIf(String(headers.etag), server, 'PUT', path, { day: null, month: 1 })).status, 200)
    t.equal((await admin('DELETE', path)).status, 204)
    t.equal((await reserve(key)).status, 201, 'without a budget nothing is limited')
  })

  test('an ETag of a budget that was removed does not change the one that was set anew', async t => {
    const { id } = await createTenant(server)
    const path = `/budgets/organizations/${id}`
    const tag = String((await setBudget(id, { month: 10 })).headers.etag)
    await admin('DELETE', path)
    t.equal((await changeIf(tag, server, 'PUT', path, { day: null, month: 1 })).status, 412, 'none is set')
    const { headers } = await setBudget(id, { month: 20 })
    for (const method of ['PUT', 'DELETE']) {
      t.equal((await changeIf(tag, server, method, path, { day: null, month: 1 })).status, 412, method)
    }
    t.equal((await changeIf(String(headers.etag), server, 'PUT', path, { day: null, month: 1 })).status, 200)
  })

  test('what nothing settles is charged at its end, once, and can still be settled', async t => {
    const { id, key } = await createTenant(server)
    const [lost, late, open] = [await reserve(key), await reserve(key), await reserve(key, { estimate: 5 })]
    clock.advance(599)
    const running = await reserve(key, { estimate: 7 })
    clock.advance(1)
    await Promise.all([1, 2].map(() => sweepShortLived(latchkey.operation)))
    t.match((await budgetOf(id)).month, { spent: 2_005, reserved: 7 })
    const { json: { data } } = await admin('GET', `/spend/reservations?organization=${id}&status=unsettled`)
    t.strictSame(data.map((each: Json) => each.id).toSorted(), [lost, late, open].map(({ json }) => json.id).toSorted())
    t.equal((await eventsOf('spend_reservation.unsettled', lost!.json.id)).length, 1)
    t.equal((await release(lost!)).status, 409)
    t.match(await settle(late!, { amount: 400 }), { status: 200, json: { status: 'settled', amount: 400 } })
    t.match((await budgetOf(id)).month, { spent: 1_405, reserved: 7 })
    t.match((await admin('GET', `/spend/sums?by=model&organization=${id}`)).json.data, [{ amount: 1_405, calls: 3 }])
    t.equal((await settle(running, { amount: 7 })).status, 200)
  })

  test('a call counts in the day of its reservation, whenever it is settled', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { day: 1_000 })
    const reserved = await reserve(key)
    t.equal((await reserve(key, { estimate: 1 })).status, 429)
    clock.advance(86_400)
    t.equal((await reserve(key)).status, 201)
    await settle(reserved, { amount: 999 })
    t.match((await budgetOf(id)).day, { spent: 0, reserved: 1_000 })
    const { json: { data } } = await admin('GET', `/spend/sums?by=day&organization=${id}`)
    t.strictSame(data.map(({ name, amount }: Json) => [name, amount]), [[reserved.json.day, 999]])
  })

  test('only a client of the deployment with the scope is a gateway', async t => {
    const { id, key } = await createTenant(server)
    const none = await createGateway(server, [])
    const other = await createGateway(server, ['provider-keys:lease'])
    const own = await createGateway(server, ['spend:write'], { organization: id })
    for (const client of [none, other, own]) {
      t.match(await reserveFor(server, client, key), { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } })
    }
    const wrong = await reserveFor(server, { ...gateway, clientSecret: 'wrong' }, key)
    t.equal(wrong.status, 401)
    t.notOk('x-latchkey-refusal' in wrong.headers, 'the gateway itself was refused')
    t.match((await budgetOf(id)).day, { reserved: 0 })
  })
}

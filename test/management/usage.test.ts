/** Usage, credits and limits as callers and operators see them: over real HTTP, on both databases. */
import tap, { type Test } from 'tap'
import { databases } from '../support/databases.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'
import { clockAt } from '../support/metering.ts'

/** What January has left at noon of the 15th. */
const restOfJanuary = 16.5 * 86_400

async function start ({ name, fresh }: typeof databases[number]) {
  const database = await fresh()
  const clock = clockAt('2026-01-15T12:00:00Z')
  const server = await startServer({
    database: database.url,
    clock,
    mount: async (app, latchkey) => {
      await app.register(async api => {
        await api.register(latchkey.guard, { resource: latchkey.config.issuer })
        api.get(
          '/renders', { config: { scopes: ['invoices:read'], credits: 3 } },
          async ({ principal, spending }) => ({ environment: principal.environment, spending })
        )
        api.get('/failing', { config: { scopes: ['invoices:read'], credits: 3 } }, async request => {
          await latchkey.meter.refund(request.spending!, 'render failed')
          return { refunded: request.spending }
        })
      })
    }
  })
  tap.teardown(async () => {
    await server.close()
    await database.drop()
  })
  return { name, clock, server }
}

// Both before the first test: once its tests are done tap takes the file to be at its end.
for (const { name, clock, server } of [await start(databases[0]!), await start(databases[1]!)]) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, async t => {
    // Each test begins at noon of the 15th of a year of its own: what one did in a month is not the next one's.
    clock.advance((Date.UTC(clock.now().getUTCFullYear() + 1, 0, 15, 12) - clock.now().getTime()) / 1_000)
    await body(t)
  })
  const year = () => clock.now().getUTCFullYear()
  const { admin, send, withKey, createOrganization, createKey, issuer } = server
  const grant = (organization: string, amount: unknown, environment = 'live') =>
    admin('POST', `/organizations/${organization}/credits`, { environment, amount, reason: 'test' })
  const creditsOf = async (organization: string) => (await admin('GET', `/organizations/${organization}/credits`)).json

  /** Calls the management API with a key of an organization for it. */
  const confinedTo = async (organization: string, scopes: string[]) => {
    const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes })
    return async (method: string, path: string, body?: Json): Promise<Answer> =>
      await send({
        method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
      })
  }

  test('CL-03: a live key spends real credits and a test key mock ones; without any left a call is refused', async t => {
    const organization = (await createOrganization()).id
    t.strictSame(await creditsOf(organization), { organization, live: 0, test: 0 })
    const answer = await grant(organization, 3)
    t.equal(answer.status, 201)
    t.strictSame(answer.json, {
      id: answer.json.id,
      organization,
      environment: 'live',
      apiKey: null,
      authorization: null,
      amount: 3,
      balance: 3,
      reason: 'test',
      createdAt: clock.now().toISOString()
    })
    await grant(organization, 5, 'test')
    const live = await createKey({ organization })
    const mock = await createKey({ organization, environment: 'test' })
    t.match((await withKey(live.key, '/renders')).json, { environment: 'live' })
    t.match((await withKey(mock.key, '/renders')).json, { environment: 'test' })
    t.strictSame(await creditsOf(organization), { organization, live: 0, test: 2 })
    for (const { key } of [live, mock]) {
      const refused = await withKey(key, '/renders')
      t.ok(refused.status === 402 || refused.status === 429, `${refused.status} ${refused.text}`)
      t.equal(refused.headers['retry-after'], undefined, 'waiting does not help')
    }
    t.strictSame(await creditsOf(organization), { organization, live: 0, test: 2 })
    t.strictSame((await admin('GET', `/organizations/${organization}/usage`)).json, {
      organization,
      from: `${year()}-01-01`,
      to: `${year()}-01-15`,
      live: { calls: 1, credits: 3, days: [{ day: `${year()}-01-15`, calls: 1, credits: 3 }] },
      test: { calls: 1, credits: 3, days: [{ day: `${year()}-01-15`, calls: 1, credits: 3 }] }
    })
  })

  test('CL-08: calls and credits of a key, by day, and who may look', async t => {
    const organization = (await createOrganization()).id
    await grant(organization, 100)
    const key = await createKey({ organization })
    await withKey(key.key)
    await withKey(key.key, '/renders')
    clock.advance(86_400 / 2)
    await withKey(key.key, '/renders')
    await withKey(key.key, '/api/v1/company')
    const usage = await admin('GET', `/api-keys/${key.id}/usage`)
    t.equal(usage.status, 200)
    const { lastUsedAt, ...rest } = usage.json
    t.strictSame(rest, {
      apiKey: key.id,
      organization,
      environment: 'live',
      from: `${year()}-01-01`,
      to: `${year()}-01-16`,
      calls: 3,
      credits: 6,
      callsToday: 1,
      days: [{ day: `${year()}-01-15`, calls: 2, credits: 3 }, { day: `${year()}-01-16`, calls: 1, credits: 3 }],
    }, 'the refused call to /company is no usage')
    const oneDay = (await admin('GET', `/api-keys/${key.id}/usage?from=${year()}-01-16&to=${year()}-01-16`)).json
    t.match(oneDay, { calls: 1, credits: 3, days: [{ day: `${year()}-01-16` }] })
    t.equal(oneDay.days.length, 1)

    const reader = await confinedTo(organization, ['usage:read'])
    t.equal((await reader('GET', `/api-keys/${key.id}/usage`)).status, 200)
    t.equal((await reader('GET', `/organizations/${organization}/usage`)).status, 200)
    t.equal((await reader('GET', `/organizations/${organization}/credits`)).status, 403)
    const stranger = await confinedTo((await createOrganization()).id, ['usage:read', 'credits:read', 'credits:write'])
    for (
      const path of [
        `/api-keys/${key.id}/usage`, `/organizations/${organization}/usage`, `/organizations/${organization}/credits`,
        `/organizations/${organization}/credits/entries`
      ]
    ) {
      t.equal((await stranger('GET', path)).status, 404, `W3: ${path}`)
    }
  })

  test('CL-08: a range is days that exist, in their order, at most 366', async t => {
    const key = await createKey()
    for (
      const query of [
        'from=2026-02-30', 'from=2026-1-1', 'from=yesterday', 'to=2026-13-01', 'from=2026-02-02&to=2026-02-01',
        'from=2024-01-01&to=2025-01-01', `to=${'9'.repeat(11)}`, 'from=', 'days=3'
      ]
    ) {
      const answer = await admin('GET', `/api-keys/${key.id}/usage?${query}`)
      t.equal(answer.status, 400, query)
      t.strictSame(Object.keys(answer.json).toSorted(), ['code', 'details', 'error'])
      t.equal(answer.json.code, 'INVALID_REQUEST')
    }
    t.equal((await admin('GET', `/api-keys/${key.id}/usage?from=2024-01-01&to=2024-12-31`)).status, 200, 'a leap year')
    t.equal((await admin('GET', '/api-keys/key_unknown/usage')).status, 404)
  })

  test('CK-15: before an old key is revoked its traffic is seen to be zero', async t => {
    const organization = (await createOrganization()).id
    const [old, successor] = [await createKey({ organization }), await createKey({ organization })]
    await withKey(old.key)
    const before = (await admin('GET', `/api-keys/${old.id}/usage`)).json
    t.equal(before.callsToday, 1)
    clock.advance(86_400)
    await withKey(successor.key)
    const [idle, used] = await Promise.all(
      [old, successor].map(async ({ id }) => (await admin('GET', `/api-keys/${id}/usage`)).json)
    )
    t.equal(idle!.callsToday, 0)
    t.equal(used!.callsToday, 1)
  })

  test('CD-06: the calls of the billing period are the calendar month\'s, UTC', async t => {
    const key = await createKey()
    for (const [days, hours] of [[0, 0], [16, 11], [0, 1]] as const) {
      clock.advance(days * 86_400 + hours * 3_600)
      await withKey(key.key)
    }
    t.match((await admin('GET', `/api-keys/${key.id}/usage`)).json, {
      from: `${year()}-02-01`, to: `${year()}-02-01`, calls: 1
    })
    t.match((await admin('GET', `/api-keys/${key.id}/usage?to=${year()}-01-31`)).json, {
      from: `${year()}-01-01`, calls: 2
    })
  })

  test('CD-10: past the quota of the month 429, with Retry-After and the RateLimit fields; in the new month calls pass again', async t => {
    const key = await createKey({ callsPerMonth: 2 })
    const policy = '"month";q=2;w=2678400'
    const first = await withKey(key.key)
    t.equal(first.status, 200)
    t.equal(first.headers['ratelimit-policy'], policy)
    t.equal(first.headers.ratelimit, `"month";r=1;t=${restOfJanuary}`)
    t.equal((await withKey(key.key)).headers.ratelimit, `"month";r=0;t=${restOfJanuary}`)
    const refused = await withKey(key.key)
    t.equal(refused.status, 429)
    t.equal(refused.headers['retry-after'], String(restOfJanuary))
    t.equal(refused.headers['ratelimit-policy'], policy)
    t.equal(refused.headers.ratelimit, `"month";r=0;t=${restOfJanuary}`)
    t.notOk(refused.text.includes(key.key))
    clock.advance(restOfJanuary - 1)
    t.equal((await withKey(key.key)).headers['retry-after'], '1')
    clock.advance(1)
    t.equal((await withKey(key.key)).status, 200)
  })

  test('CD-10: past the calls of a minute 429; who waits as long as it is told passes', async t => {
    const key = await createKey({ callsPerMinute: 2 })
    t.equal((await withKey(key.key)).headers.ratelimit, '"minute";r=1;t=30')
    t.equal((await withKey(key.key)).status, 200)
    const refused = await withKey(key.key)
    t.equal(refused.status, 429)
    t.equal(refused.headers['retry-after'], '30')
    t.equal(refused.headers.ratelimit, '"minute";r=0;t=30')
    clock.advance(30)
    t.equal((await withKey(key.key)).status, 200)
    const other = await createKey()
    const unlimited = await withKey(other.key)
    t.equal(unlimited.headers.ratelimit, undefined, 'a key without limits is told of none')
    t.equal(unlimited.headers['ratelimit-policy'], undefined)
  })

  test('CL-03: a route gives back what a call cost that failed by its own fault', async t => {
    const organization = (await createOrganization()).id
    await grant(organization, 3)
    const key = await createKey({ organization })
    const { json: { refunded } } = await withKey(key.key, '/failing')
    t.match(refunded, /^crd_/)
    t.match(await creditsOf(organization), { live: 3 })
    const { json } = await admin('GET', `/organizations/${organization}/credits/entries`)
    t.same(
      json.data.map(({ amount, apiKey }: Json) => [amount, apiKey]).toSorted(),
      [[-3, key.id], [3, key.id], [3, null]].toSorted()
    )
  })

  test('CL-03: credits are granted by the deployment alone, in whole numbers from 1', async t => {
    const organization = (await createOrganization()).id
    const own = await confinedTo(organization, ['credits:read', 'credits:write'])
    const refused = await own('POST', `/organizations/${organization}/credits`, {
      environment: 'live', amount: 5, reason: 'free money'
    })
    t.equal(refused.status, 403)
    t.equal(refused.json.code, 'INSUFFICIENT_PERMISSIONS')
    for (const amount of [0, -1, 1.5, '5', null, 2 ** 53]) {
      t.equal((await grant(organization, amount)).status, 400, String(amount))
    }
    for (
      const body of [{ environment: 'live', amount: 1 }, { environment: 'prod', amount: 1, reason: 'x' }, {
        environment: 'live', amount: 1, reason: 'x', balance: 100
      }, { environment: 'live', amount: 1, reason: 'a\u0000b' }]
    ) {
      t.equal((await admin('POST', `/organizations/${organization}/credits`, body)).status, 400, JSON.stringify(body))
    }
    t.equal((await grant('org_unknown', 1)).status, 404)
    t.strictSame((await own('GET', `/organizations/${organization}/credits`)).json, { organization, live: 0, test: 0 })
    await grant(organization, Number.MAX_SAFE_INTEGER)
    t.equal((await creditsOf(organization)).live, 9_007_199_254_740_991)
    t.equal((await grant(organization, 1)).json.code, 'INVALID_REQUEST')
  })

  test('CL-08: the entries of an organization come in pages, newest first, of one account if asked', async t => {
    const organization = (await createOrganization()).id
    for (const [amount, environment] of [[1, 'live'], [2, 'test'], [3, 'live']] as const) {
      clock.advance(1)
      await grant(organization, amount, environment)
    }
    const path = `/organizations/${organization}/credits/entries`
    const first = (await admin('GET', `${path}?limit=2`)).json
    t.strictSame(first.data.map(({ amount }: Json) => amount), [3, 2])
    const second = (await admin('GET', `${path}?limit=2&cursor=${first.pagination.nextCursor}`)).json
    t.strictSame(second.data.map(({ amount }: Json) => amount), [1])
    t.strictSame(second.pagination, { limit: 2, hasMore: false })
    t.strictSame((await admin('GET', `${path}?environment=live`)).json.data.map(({ amount }: Json) => amount), [3, 1])
    t.equal((await admin('GET', `${path}?environment=prod`)).status, 400)
    t.equal((await admin('GET', `${path}?cursor=made-up`)).status, 400)
  })
}

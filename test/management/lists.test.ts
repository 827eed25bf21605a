/** Lists for people: searched, narrowed, sorted and counted, on both databases. */
import tap from 'tap'
import { eventually } from '../support/waiting.ts'
import { MovableClock, startOnEachDatabase, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const { admin, createKey, createOrganization, withKey } = server
  const list = async (organization: string, query: string) =>
    (await admin('GET', `/api-keys?organization=${organization}&${query}`)).json
  const named = async (organization: string, query: string): Promise<string[]> =>
    (await list(organization, query)).data.map((each: { name: string }) => each.name)

  tap.test(`[${name}] keys are found by a part of their name or hint, in any case, and by nothing that looks like a pattern`, async t => {
    const { id } = await createOrganization()
    const made = []
    for (const each of ['Nightly report', 'nightly_backup', '100%', 'Zürich']) {
      made.push(await createKey({ organization: id, name: each }))
      clock.advance(1)
    }
    t.strictSame(await named(id, 'search=NIGHTLY'), ['nightly_backup', 'Nightly report'])
    t.strictSame(await named(id, 'search=y_b'), ['nightly_backup'])
    t.strictSame(await named(id, 'search=y_r'), [], 'not any character')
    t.strictSame(await named(id, 'search=%25'), ['100%'])
    t.strictSame(await named(id, 'search=rich'), ['Zürich'])
    t.strictSame(await named(id, `search=${made[0]!.key.slice(-4)}`), ['Nightly report'])
    t.match(await list(id, 'search=nothing&total=true'), { data: [], pagination: { hasMore: false, total: 0 } })
  })

  tap.test(`[${name}] keys come in each order, page by page, and are counted`, async t => {
    const { id } = await createOrganization()
    const ends = { b: 30, A: 10, c: null } as const
    for (const [each, days] of Object.entries(ends)) {
      const expiresAt = days === null ? null : new Date(clock.now().getTime() + days * 86_400_000).toISOString()
      await createKey({ organization: id, name: each, expiresAt })
      clock.advance(1)
    }
    const paged = async (query: string): Promise<string[]> => {
      const names: string[] = []
      for (let cursor = ''; ;) {
        const { data, pagination } = await list(id, `limit=1&total=true&${query}${cursor}`)
        t.equal(pagination.total, 3)
        names.push(...data.map((each: { name: string }) => each.name))
        if (pagination.nextCursor === undefined) return names
        cursor = `&cursor=${pagination.nextCursor}`
      }
    }
    t.strictSame(await paged('sort=newest'), ['c', 'A', 'b'])
    t.strictSame(await paged('sort=name'), ['A', 'b', 'c'])
    t.strictSame(await paged('sort=expiresAt'), ['A', 'b', 'c'])
    t.equal((await list(id, 'limit=1')).pagination.total, undefined)
  })

  tap.test(`[${name}] clients are found by a part of their name or id, in each state, and by no secret`, async t => {
    const { id } = await createOrganization()
    const clients = async (query: string) => (await admin('GET', `/clients?organization=${id}&${query}`)).json
    const found = async (query: string): Promise<string[]> =>
      (await clients(query)).data.map((each: { name: string }) => each.name)
    const made = []
    for (const each of ['Billing worker', 'billing_export', '100%', 'قائمة', '<b>bold</b>']) {
      made.push(await server.createClient({ organization: id, name: each }))
      clock.advance(1)
    }
    t.strictSame(await found('search=BILLING'), ['billing_export', 'Billing worker'])
    t.strictSame(await found('search=g_e'), ['billing_export'])
    t.strictSame(await found('search=g_w'), [], 'not any character')
    t.strictSame(await found('search=%25'), ['100%'])
    t.strictSame(await found(`search=${encodeURIComponent('قائمة')}`), ['قائمة'])
    t.strictSame(await found(`search=${encodeURIComponent('<b>')}`), ['<b>bold</b>'])
    t.strictSame(await found(`search=${made[0]!.clientId.slice(4, 16)}`), ['Billing worker'])
    await admin('POST', `/clients/${made[1]!.clientId}/disable`)
    await admin('POST', `/clients/${made[2]!.clientId}/revoke`)
    t.strictSame(await found('status=disabled'), ['billing_export'])
    t.strictSame(await found('status=revoked'), ['100%'])
    t.strictSame(await found('status=active&search=billing'), ['Billing worker'])
    t.match(await clients('search=nothing&total=true'), { data: [], pagination: { hasMore: false, total: 0 } })
    t.match(await clients(`search=${made[0]!.clientSecret}`), { code: 'INVALID_REQUEST', details: { field: 'search' } })
    t.notMatch(server.lines.join(''), made[0]!.clientSecret)
  })

  tap.test(`[${name}] clients come in each order, page by page, and are counted`, async t => {
    const { id } = await createOrganization()
    const made = []
    for (const each of ['b', 'A', 'c']) {
      made.push(await server.createClient({ organization: id, name: each }))
      clock.advance(1)
    }
    await server.tokenFor(made[0]!)
    const path = `/clients/${made[0]!.clientId}`
    await eventually(async () => (await admin('GET', path)).json.lastUsedAt, at => at !== null)
    const paged = async (sort: string): Promise<string[]> => {
      const names: string[] = []
      for (let cursor = ''; ;) {
        const { json: { data, pagination } } =
          await admin('GET', `/clients?organization=${id}&limit=1&total=true&sort=${sort}${cursor}`)
        t.equal(pagination.total, 3)
        names.push(...data.map((each: { name: string }) => each.name))
        if (pagination.nextCursor === undefined) return names
        cursor = `&cursor=${pagination.nextCursor}`
      }
    }
    t.strictSame(await paged('newest'), ['c', 'A', 'b'])
    t.strictSame(await paged('name'), ['A', 'b', 'c'])
    const [first, ...unused] = await paged('lastUsedAt')
    t.equal(first, 'b')
    t.strictSame(unused.sort(), ['A', 'c'], 'those that were never used come last, each once')
    t.equal((await admin('GET', `/clients?organization=${id}`)).json.pagination.total, undefined)
    t.match((await admin('GET', '/clients?sort=expiresAt')).json, { code: 'INVALID_REQUEST' })
  })

  tap.test(`[${name}] the tokens of a client are counted by day, within its organization`, async t => {
    const { id } = await createOrganization()
    const client = await server.createClient({ organization: id })
    const [path, day] = [`/clients/${client.clientId}/usage`, () => clock.now().toISOString().slice(0, 10)]
    const first = day()
    await server.tokenFor(client)
    await server.tokenFor(client)
    clock.advance(86_400)
    await server.tokenFor(client)
    t.strictSame((await admin('GET', `${path}?from=${first}&to=${day()}`)).json, {
      client: client.clientId,
      organization: id,
      from: first,
      to: day(),
      tokens: 3,
      days: [{ day: first, tokens: 2 }, { day: day(), tokens: 1 }]
    })
    t.strictSame((await admin('GET', `${path}?from=${first}&to=${first}`)).json.days, [{ day: first, tokens: 2 }])
    const stranger = await createKey({
      organization: (await createOrganization()).id, resource: `${server.issuer}/api/v1`, scopes: ['usage:read']
    })
    const refused = await server.send({ path: `/api/v1${path}`, headers: { 'x-api-key': stranger.key } })
    t.equal(refused.status, 404)
  })

  tap.test(`[${name}] keys that nobody uses, and keys that end soon, are found`, async t => {
    const { id } = await createOrganization()
    const used = await createKey({ organization: id, name: 'used' })
    await createKey({ organization: id, name: 'idle' })
    const soon = new Date(clock.now().getTime() + 5 * 86_400_000).toISOString()
    await createKey({ organization: id, name: 'ending', expiresAt: soon })
    clock.advance(3_600)
    t.equal((await withKey(used.key)).status, 200)
    const since = new Date(clock.now().getTime() - 60_000).toISOString()
    await eventually(async () => (await admin('GET', `/api-keys/${used.id}`)).json.lastUsedAt, at => at !== null)
    t.strictSame(await named(id, `unusedSince=${since}`), ['ending', 'idle'])
    const inAWeek = new Date(clock.now().getTime() + 7 * 86_400_000).toISOString()
    t.strictSame(await named(id, `expiresBefore=${inAWeek}`), ['ending'])
    t.match(await list(id, 'unusedSince=0000-02-01T00:00:00Z'), { code: 'INVALID_EXPIRY' })
  })

  tap.test(`[${name}] the usage of many keys comes in one answer; unknown and foreign keys are left out`, async t => {
    const [{ id }, other] = [await createOrganization(), await createOrganization()]
    const [busy, idle, foreign] = [
      await createKey({ organization: id }), await createKey({ organization: id }),
      await createKey({ organization: other.id })
    ]
    for (let call = 0; call < 3; call++) await withKey(busy.key)
    const reader = await createKey({
      organization: id, resource: `${server.issuer}/api/v1`, scopes: ['usage:read']
    })
    const path = `/api/v1/usage/api-keys?keys=${[busy.id, idle.id, foreign.id, 'key_unknown'].join(',')}`
    const { json } = await server.send({ path, headers: { 'x-api-key': reader.key } })
    const calls = Object.fromEntries(json.data.map((each: Json) => [each.apiKey, each.calls]))
    t.strictSame(calls, { [busy.id]: 3, [idle.id]: 0 })
    t.equal((await admin('GET', '/usage/api-keys')).status, 400)
    t.equal((await admin('GET', `/usage/api-keys?keys=${'a,'.repeat(100)}a`)).status, 400, '101 keys')
  })

  tap.test(`[${name}] audit events are counted by day and type, within the own organization`, async t => {
    const [{ id }, other] = [await createOrganization(), await createOrganization()]
    const reader = await createKey({
      organization: id, resource: `${server.issuer}/api/v1`, scopes: ['audit:read']
    })
    await createKey({ organization: other.id })
    const firstDay = clock.now().toISOString().slice(0, 10)
    clock.advance(86_400)
    await createKey({ organization: id })
    await createKey({ organization: id })
    const secondDay = clock.now().toISOString().slice(0, 10)
    const counts = async (query = '') =>
      (await server.send({ path: `/api/v1/audit/counts?${query}`, headers: { 'x-api-key': reader.key } })).json
    clock.advance(1)
    t.strictSame((await counts('type=api_key.created')).data, [
      { day: firstDay, type: 'api_key.created', count: 1 }, { day: secondDay, type: 'api_key.created', count: 2 }
    ])
    t.strictSame(
      (await counts(`from=${secondDay}T00:00:00Z&type=api_key.`)).data,
      [{ day: secondDay, type: 'api_key.created', count: 2 }]
    )
    t.match(await counts('from=2020-01-01T00:00:00Z'), { code: 'INVALID_REQUEST' })
  })

  tap.test(`[${name}] audit events have the names of actor and subject, of the own organization alone`, async t => {
    const { id } = await createOrganization('Own')
    const { key, id: reader } = await createKey({
      organization: id, name: 'reader', resource: `${server.issuer}/api/v1`, scopes: ['audit:read']
    })
    const own = { path: '/api/v1/audit?names=true', headers: { 'x-api-key': key } }
    const [made] = (await server.send(own)).json.data
    t.match(made, { type: 'api_key.created', actor: 'admin', actorName: null, subject: reader, subjectName: 'reader' })
    const [all] = (await admin('GET', `/audit?names=true&subject=${id}&type=organization.created`)).json.data
    t.match(all, { type: 'organization.created', subjectName: 'Own' })
    const [plain] = (await admin('GET', `/audit?subject=${id}`)).json.data
    t.notOk('subjectName' in plain)
  })

  tap.test(`[${name}] a key is found by its text, which is no secret in a URL and proves no right to it`, async t => {
    const [{ id }, other] = [await createOrganization(), await createOrganization()]
    const mine = await createKey({ organization: id, name: 'mine' })
    const foreign = await createKey({ organization: other.id })
    const reader = await createKey({
      organization: id, resource: `${server.issuer}/api/v1`, scopes: ['api-keys:read']
    })
    const find = async (key: string) => await server.send({
      method: 'POST', path: '/api/v1/api-keys/find', headers: { 'x-api-key': reader.key }, body: { key }
    })
    t.match((await find(mine.key)).json, { id: mine.id, name: 'mine' })
    t.notMatch((await find(mine.key)).text, mine.key)
    const [unknown, others] = [await find(`${mine.key}x`), await find(foreign.key)]
    t.equal(others.status, 404)
    t.strictSame(others.json, unknown.json)
    t.match(await list(id, `search=${mine.key}`), { code: 'INVALID_REQUEST' })
    t.notMatch(server.lines.join(''), mine.key)
  })
}

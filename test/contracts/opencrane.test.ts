/** What OpenCrane states about its management API, statement by statement, over real HTTP and on both databases. */
import tap from 'tap'
import { startOnEachDatabase, type Json } from '../harness.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { admin, issuer, send, clock } = server

  tap.test(`OC-11: the audit log is filtered by tenant, a page has 100 rows unless asked otherwise, and a cursor leads on [${name}]`, async t => {
    const [tenant, other] = [(await server.createOrganization('tenant')).id, (await server.createOrganization('other')).id]
    for (let i = 0; i < 104; i++) await admin('PATCH', `/organizations/${tenant}`, { name: `name ${i}` })
    await admin('PATCH', `/organizations/${other}`, { name: 'not yours' })

    const first = (await admin('GET', `/audit?organization=${tenant}`)).json
    t.strictSame(Object.keys(first), ['data', 'pagination'])
    t.strictSame([first.data.length, first.pagination.limit, first.pagination.hasMore], [100, 100, true])
    t.strictSame(Object.keys(first.data[0]), ['id', 'createdAt', 'type', 'actor', 'organization', 'subject', 'address', 'requestId', 'detail'])
    const second = (await admin('GET', `/audit?organization=${tenant}&cursor=${first.pagination.nextCursor}`)).json
    t.strictSame([second.data.length, second.pagination], [5, { limit: 100, hasMore: false }])
    const all: Json[] = [...first.data, ...second.data]
    t.equal(new Set(all.map(({ id }) => id)).size, 105, 'each row once')
    t.ok(all.every(({ organization }) => organization === tenant), 'and none of another tenant')
    t.equal(all.at(-1)!.type, 'organization.created', 'newest first')
    t.equal((await admin('GET', `/audit?organization=${tenant}&limit=7`)).json.data.length, 7)

    const { key } = await server.createKey({ organization: other, resource: `${issuer}/api/v1`, scopes: ['audit:read'] })
    const asTenant = await send({ path: `/api/v1/audit?organization=${tenant}`, headers: { 'x-api-key': key } })
    t.strictSame([...new Set((asTenant.json.data as Json[]).map(({ organization }) => organization))], [other], 'who belongs to a tenant sees that one, whatever it asks for')
  })

  tap.test(`OC-12: token usage is queried by organization, client and time, a row for each client and minute [${name}]`, async t => {
    clock.stop()
    clock.advance(3_600)
    const client = await server.createClient()
    const sibling = await server.createClient({ organization: client.organization })
    const stranger = await server.createClient()
    const minute = (): string => new Date(Math.floor(clock.now().getTime() / 60_000) * 60_000).toISOString()
    const began = minute()
    for (let i = 0; i < 3; i++) await server.tokenFor(client)
    await server.tokenFor(sibling)
    await server.tokenFor(stranger)
    t.equal((await server.tokenRequest({ ...client, clientSecret: 'wrong' })).status, 401, 'and one that was refused')
    clock.advance(60)
    for (let i = 0; i < 2; i++) await server.tokenFor(client)
    const usage = async (query: string): Promise<Json> => (await admin('GET', `/usage/tokens?${query}`)).json

    t.strictSame(await usage(`client=${client.clientId}`), {
      data: [
        { client: client.clientId, organization: client.organization, minute: minute(), tokens: 2 },
        { client: client.clientId, organization: client.organization, minute: began, tokens: 3 },
      ],
      pagination: { limit: 100, hasMore: false },
    })
    const tokens = async (query: string) => ((await usage(query)).data as Json[]).map(row => row.tokens).sort()
    t.strictSame(await tokens(`organization=${client.organization}`), [1, 2, 3])
    t.strictSame(await tokens(`client=${client.clientId}&from=${minute()}`), [2])
    t.strictSame(await tokens(`client=${client.clientId}&until=${minute()}`), [3])
    t.strictSame(await tokens(`client=${client.clientId}&organization=${stranger.organization}`), [])
    const pages: Json[] = []
    for (let cursor: string | undefined, more = true; more;) {
      const page = await usage(`organization=${client.organization}&limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`)
      pages.push(...page.data)
      more = page.pagination.hasMore
      cursor = page.pagination.nextCursor
    }
    t.strictSame(pages, (await usage(`organization=${client.organization}`)).data, 'page by page the same')
    for (const query of ['from=yesterday', 'limit=0', 'cursor=x', 'minute=1']) t.match(await admin('GET', `/usage/tokens?${query}`), { status: 400, json: { code: 'INVALID_REQUEST' } }, query)

    const { key } = await server.createKey({ organization: stranger.organization, resource: `${issuer}/api/v1`, scopes: ['usage:read'] })
    const asStranger = await send({ path: `/api/v1/usage/tokens?organization=${client.organization}`, headers: { 'x-api-key': key } })
    t.strictSame((asStranger.json.data as Json[]).map(row => row.client), [stranger.clientId], 'an organization sees its own clients')
  })
}

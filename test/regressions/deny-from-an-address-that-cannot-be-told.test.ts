/** A caller behind a proxy whose forwarded address is `unknown`, or missing, passed a deny over every address. */
import tap from 'tap'
import { isAllowed, isWithin } from '../../src/base/ip-address.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase({ trustProxy: '127.0.0.1' })
tap.teardown(close)

/**
 * Values that proxies send in the place of an address: the words of RFC 7239 §6, zones, half a port, half a bracket,
 * other spellings.
 */
const untold = [
  'unknown', '_hidden', '198.51.100.7:http', '198.51.100.7:471100', '[2001:db8::1', '2001:db8::1]:4711', 'fe80::1%eth0',
  '[fe80::1%eth0]', '198.51.100.007', '198.51.100', 'localhost', 'null', 'undefined'
]
const outside = ['198.51.100.7', '::ffff:198.51.100.7', '198.51.100.7:4711', '[::ffff:198.51.100.7]:4711']

for (const { name: database, server } of servers) {
  const { issuer, admin, send } = server

  tap.test(`N13: what goes by the address refuses where it cannot be told: guard, token endpoint, management API [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { key } = await server.createKey({ organization })
    const client = await server.createClient({ organization })
    const { token: management } =
      (await admin('POST', '/access-tokens', { organization, name: 'x', scopes: ['members:read'] })).json
    const token = await server.tokenFor(client)
    const from = (address: string) => ({ 'x-forwarded-for': address })
    const asks: [string, (address: string) => Promise<number>, refused: number][] = [
      [
        'key',
        async address =>
          (await send({ path: '/api/v1/invoices', headers: { 'x-api-key': key, ...from(address) } })).status,
        403
      ],
      [
        'token',
        async address =>
          (await send({ path: '/api/v1/invoices', headers: { authorization: `Bearer ${token}`, ...from(address) } }))
            .status,
        403
      ],
      [
        'management token',
        async address =>
          (await send({
            path: '/api/v1/members', headers: { authorization: `Bearer ${management}`, ...from(address) }
          })).status,
        403
      ],
      [
        'token endpoint', async address => (await server.tokenRequest(client, {}, { headers: from(address) })).status,
        400
      ],
      [
        'token endpoint, by the provider',
        async address =>
          (await server.tokenRequest(client, {}, { headers: { ...from(address), origin: 'https://example.test' } }))
            .status,
        400
      ]
    ]
    const all = async (addresses: readonly string[], passes: boolean, why: string) => {
      for (const [what, ask, refused] of asks) {
        for (const address of addresses) {
          t.equal(await ask(address), passes ? 200 : refused, `${why}: ${what} from ${address}`)
        }
      }
    }
    const under = async (policy: Json, check: () => Promise<void>) => {
      const { status, json } = await admin('POST', '/policies', { organization, name: 'x', ...policy })
      t.equal(status, 201)
      await check()
      await admin('DELETE', `/policies/${json.id}?force=true`)
    }
    await all([...untold, ...outside], true, 'no policy')
    await under({ effect: 'deny', force: true, conditions: { addresses: ['0.0.0.0/0'] } }, async () =>
      await all([...untold, ...outside], false, 'a deny from everywhere'))
    await under({ effect: 'deny', conditions: { addresses: ['203.0.113.0/24'] } }, async () => {
      await all(untold, false, 'a deny from elsewhere')
      await all(outside, true, 'a deny from elsewhere')
    })
    await under({ effect: 'allow', conditions: { addresses: ['0.0.0.0/0', '::/0'] } }, async () => {
      await all(untold, false, 'an allow from everywhere')
      await all(outside, true, 'an allow from everywhere')
    })
  })

  tap.test(`N13: an allowlist lets no address pass that cannot be told [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const allowlist = ['0.0.0.0/0', '::/0', '127.0.0.0/8']
    const { key } = await server.createKey({ organization, allowlist })
    const client = await server.createClient({ organization, allowlist })
    const { token: management } =
      (await admin('POST', '/access-tokens', { organization, name: 'x', scopes: ['members:read'], allowlist })).json
    const token = await server.tokenFor(client)
    for (const [addresses, status] of [[outside, 200], [untold, 401]] as const) {
      for (const address of addresses) {
        const headers = { 'x-forwarded-for': address }
        t.equal(
          (await send({ path: '/api/v1/invoices', headers: { 'x-api-key': key, ...headers } })).status, status,
          `key from ${address}`
        )
        t.equal(
          (await send({ path: '/api/v1/invoices', headers: { authorization: `Bearer ${token}`, ...headers } })).status,
          status, `token from ${address}`
        )
        t.equal(
          (await send({ path: '/api/v1/members', headers: { authorization: `Bearer ${management}`, ...headers } }))
            .status,
          status,
          `management token from ${address}`
        )
        t.equal((await server.tokenRequest(client, {}, { headers })).status, status, `token endpoint from ${address}`)
      }
    }
  })

  tap.test(`N13: where a policy goes by the address, effective access says that it depends, and introspection refuses [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { id, key } = await server.createKey({ organization })
    const asker = await server.createClient({ organization, introspects: [issuer] })
    const { json: policy } = await admin('POST', '/policies', {
      organization, name: 'x', effect: 'deny', conditions: { addresses: ['203.0.113.0/24'] }
    })
    const { data } = (await admin('GET', `/organizations/${organization}/effective-access?credential=${id}`)).json
    t.match(data[0].access[0].lines, [{
      reasons: [{ effect: 'grants' }, { effect: 'depends', by: 'policy', id: policy.id }]
    }])
    const introspected = async (more: Record<string, string>) =>
      (await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        body: new URLSearchParams({ token: key, client_id: asker.clientId, client_secret: asker.clientSecret, ...more })
      })).json
    t.strictSame(await introspected({}), { active: false })
    t.match(await introspected({ client_address: '198.51.100.7' }), { active: true })
    for (const address of untold) {
      t.match(await introspected({ client_address: address }), { error: 'invalid_request' }, address)
    }
  })
}

tap.test('N13: an address that is not there at all is in no range and out of none', async t => {
  for (const address of [undefined, null, '', ...untold]) {
    t.equal(isWithin(address, ['0.0.0.0/0', '::/0']), null)
    t.notOk(isAllowed(address, ['0.0.0.0/0', '::/0']))
    t.ok(isAllowed(address, []), 'without an allowlist the address does not matter')
  }
})

/** Provider keys over real HTTP, on both databases: sealed, leased by gateways alone, and under the newest secret. */
import tap, { type Test } from 'tap'
import { reseal } from '../../src/domain/audit/resealing.ts'
import { sealedProviderKeys } from '../../src/domain/spending/provider-key.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { providerKeySealing, unseal } from '../../src/secrets/sealing.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { databases } from '../support/databases.ts'
import { startOnEachDatabase, startServer, type Answer, type Json } from '../support/test-server.ts'
import { asGateway, changeIf, createGateway, createTenant, reserveFor } from '../support/gateway.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)
const secretOf = (name: string) => `sk-${name}-0123456789abcdef-7777`

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, latchkey } = server
  const gateway = await createGateway(server)
  const lease = async (id: string, client = gateway): Promise<Answer> =>
    await asGateway(server, client, `/provider-keys/${id}/lease`)
  const create = async (body: Json): Promise<Answer> => await admin('POST', '/provider-keys', body)

  test('OC-09: a provider key is set, listed, replaced and removed, and never read back', async t => {
    const { id: organization } = await createTenant(server)
    const [first, second] = [secretOf('first'), secretOf('second').replace('7777', '8888')]
    const made = await create({ organization, provider: 'openai', key: first })
    t.equal(made.status, 201)
    const { id } = made.json
    t.match(made.json, { organization, provider: 'openai', hint: '7777', fingerprint: /^[0-9a-f]{16}$/, replacedAt: null })
    t.match(await create({ organization, provider: 'openai', key: second }), { status: 409, json: { details: { id } } })
    const replaced = await changeIf('"1"', server, 'PATCH', `/provider-keys/${id}`, { key: second })
    t.match(replaced, { status: 200, json: { id, hint: '8888' } })
    t.not(replaced.json.fingerprint, made.json.fingerprint)
    t.equal((await changeIf('"1"', server, 'PATCH', `/provider-keys/${id}`, { key: first })).status, 412)
    t.equal((await lease(id)).json.key, second)
    const texts = await Promise.all([
      '/provider-keys', `/provider-keys/${id}`, '/audit?limit=200'
    ].map(async path => (await admin('GET', path)).text))
    for (const text of [made.text, replaced.text, ...texts, server.lines.join('')]) {
      t.notOk(text.includes(first))
      t.notOk(text.includes(second))
    }
    t.equal((await admin('DELETE', `/provider-keys/${id}`)).status, 204)
    t.equal((await lease(id)).status, 404)
    t.equal((await admin('GET', `/provider-keys/${id}`)).status, 404)
  })

  test('OC-09: the store has the text sealed', async t => {
    const { id: organization } = await createTenant(server)
    const { json: { id } } = await create({ organization, provider: 'openai', key: secretOf('sealed') })
    const { sealedKey } = (await latchkey.operation.store.providerKeys.get(id))!
    t.notOk(sealedKey.includes('sealed-0123'))
    t.equal(unseal(sealedKey, [server.secret], id, providerKeySealing), secretOf('sealed'))
    t.equal(unseal(sealedKey, [server.secret], id), null, 'not by the key of another purpose')
  })

  test('a lease is for gateways with its scope alone, audited each time, and not kept by caches', async t => {
    const { id: organization } = await createTenant(server)
    const { json: { id } } = await create({ organization, provider: 'openai', key: secretOf('leased') })
    const answer = await lease(id)
    t.equal(answer.status, 200)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.strictSame(Object.keys(answer.json), ['id', 'organization', 'provider', 'fingerprint', 'key', 'expiresAt'])
    await lease(id)
    const events = (await admin('GET', `/audit?type=provider_key.leased&subject=${id}`)).json.data
    t.strictSame(events.map(({ actor }: Json) => actor), [gateway.clientId, gateway.clientId])
    const others = [
      await createGateway(server, ['spend:write']), await createGateway(server, []),
      await createGateway(server, ['provider-keys:lease'], { organization })
    ]
    for (const client of others) t.equal((await lease(id, client)).status, 403)
    const path = `/api/v1/provider-keys/${id}/lease`
    for (const headers of [{}, { authorization: `Bearer ${server.adminToken}` }, { 'x-api-key': server.adminToken }]) {
      t.equal((await server.send({ method: 'POST', path, headers: headers as Record<string, string> })).status, 401)
    }
    t.equal((await admin('GET', `/provider-keys/${id}`)).json.lastLeasedAt !== null, true)
  })

  test('the key of an organization that is suspended or deleted is not leased', async t => {
    const { id: organization } = await createTenant(server)
    const { json: { id } } = await create({ organization, provider: 'openai', key: secretOf('suspended') })
    await admin('POST', `/organizations/${organization}/suspend`)
    t.match(await lease(id), { status: 409, json: { code: 'ORGANIZATION_NOT_ACTIVE' } })
    await admin('POST', `/organizations/${organization}/resume`)
    t.equal((await lease(id)).status, 200)
    await admin('DELETE', `/organizations/${organization}`)
    const refused = await lease(id)
    t.match(refused, { status: 409, json: { code: 'ORGANIZATION_NOT_ACTIVE' } })
    t.notMatch(refused.text, secretOf('suspended'))
    const { json: { data } } = await admin('GET', `/audit?type=provider_key.leased&subject=${id}`)
    t.equal(data.length, 1)
  })

  test('a reservation names the organization\'s key, or else the deployment\'s', async t => {
    const { id: organization, key } = await createTenant(server)
    const provider = `provider-${name}`
    const named = async () => (await reserveFor(server, gateway, key, { provider })).json.providerKey
    t.equal(await named(), null)
    const { json: shared } = await create({ organization: null, provider, key: secretOf('shared') })
    t.strictSame(await named(), { id: shared.id, fingerprint: shared.fingerprint })
    const { json: own } = await create({ organization, provider, key: secretOf('own') })
    t.strictSame(await named(), { id: own.id, fingerprint: own.fingerprint })
    t.notOk('providerKey' in (await reserveFor(server, gateway, key)).json)
    t.equal((await create({ organization: null, provider, key: secretOf('again') })).status, 409)
  })

  test('a key under an older secret is sealed under the newest, once, and still opens', async t => {
    const { id: organization } = await createTenant(server)
    const { json: { id } } = await create({ organization, provider: 'openai', key: secretOf('older') })
    const { store, clock } = latchkey.operation
    const operation = { store, clock, actor: systemActor }
    const newest = newSecret()
    t.ok(await reseal(operation, [sealedProviderKeys], [newest, server.secret]) > 0)
    t.equal(await reseal(operation, [sealedProviderKeys], [newest, server.secret]), 0)
    t.equal(unseal((await store.providerKeys.get(id))!.sealedKey, [newest], id, providerKeySealing), secretOf('older'))
    t.match(await lease(id), { status: 503, json: { code: 'NOT_READY' } }, 'this server does not know that secret')
    await reseal(operation, [sealedProviderKeys], [server.secret, newest])
    t.equal((await lease(id)).json.key, secretOf('older'))
  })

  test('odd texts are no keys', async t => {
    const { id: organization } = await createTenant(server)
    const odd = ['', 'short', 'with space 0123456789', 'umläut-0123456789abc', 'x'.repeat(4_097), 'nul\0-0123456789ab']
    for (const key of odd) {
      t.equal((await create({ organization, provider: 'openai', key })).status, 400)
    }
    for (const provider of ['', 'Open AI', '../x', 'x'.repeat(65)]) {
      t.equal((await create({ organization, provider, key: secretOf('x') })).status, 400)
    }
  })

  test('an ETag of the virtual key before does not revoke the one that took its place', async t => {
    const { id } = await server.createOrganization()
    const path = `/organizations/${id}/virtual-key`
    await admin('POST', path, { resource: server.issuer })
    const tag = String((await admin('GET', path)).headers.etag)
    await admin('POST', `${path}/revoke`)
    const { json: { key }, headers } = await admin('POST', path, { resource: server.issuer })
    t.equal((await changeIf(tag, server, 'POST', `${path}/revoke`, {})).status, 412)
    t.equal((await reserveFor(server, gateway, key)).status, 201)
    t.equal((await changeIf(String(headers.etag), server, 'POST', `${path}/revoke`, {})).status, 200)
  })

  test('OC-10: the virtual key of an organization, with its budget, and its revocation', async t => {
    const { id } = await server.createOrganization()
    const path = `/organizations/${id}/virtual-key`
    t.equal((await admin('GET', path)).status, 404)
    const made = await admin('POST', path, { resource: server.issuer, scopes: ['invoices:read'] })
    t.equal(made.status, 201)
    await admin('PUT', `/budgets/organizations/${id}`, { day: null, month: 5_000 })
    const shown = await admin('GET', path)
    t.match(shown.json, { id: made.json.id, organization: id, status: 'active', budget: { month: { left: 5_000 } } })
    t.notOk(shown.text.includes(made.json.key))
    t.equal((await admin('POST', path, { resource: server.issuer })).status, 409)
    t.equal((await reserveFor(server, gateway, made.json.key)).status, 201)
    const rotated = await admin('POST', `/api-keys/${made.json.id}/rotate`, { overlapSeconds: 0 })
    t.equal((await admin('GET', path)).json.id, rotated.json.id, 'it stays the virtual key when it is rotated')
    t.match(await admin('POST', `${path}/revoke`), { status: 200, json: { status: 'revoked' } })
    t.equal((await reserveFor(server, gateway, rotated.json.key)).status, 401)
    t.equal((await admin('POST', `${path}/revoke`)).status, 200)
    t.equal((await admin('POST', path, { resource: server.issuer })).status, 201, 'another one, once it is revoked')
  })
}

for (const { name, fresh } of databases) {
  tap.test(`a server that starts with another first secret seals provider keys under it [${name}]`, async t => {
    const database = await fresh()
    t.teardown(database.drop)
    const [older, newest] = [newSecret(), newSecret()]
    const adminToken = `lkadm_${newSecret()}`
    const start = async (secret: string) => await startServer({
      database: database.url, environment: { LATCHKEY_SECRET: secret, LATCHKEY_ADMIN_TOKEN: adminToken }
    })
    const before = await start(older)
    const { json: { id } } = await before.admin('POST', '/provider-keys', {
      organization: null, provider: 'openai', key: secretOf('start')
    })
    await before.close()
    const after = await start(`${newest},${older}`)
    t.teardown(after.close)
    const { sealedKey } = (await after.latchkey.operation.store.providerKeys.get(id))!
    t.equal(unseal(sealedKey, [newest], id, providerKeySealing), secretOf('start'))
    t.equal((await after.admin('GET', `/audit?type=provider_key.resealed&subject=${id}`)).json.data.length, 1)
  })
}

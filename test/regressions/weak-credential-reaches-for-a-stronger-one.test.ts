/**
 * On the management API no actor extends another credential beyond its own authority, by any detour; changes that do
 * not affect authority stay allowed.
 */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { startServer, type Json } from '../support/test-server.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

tap.test('Y2, W3', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createClient, createOrganization } = server
  const { id: organization } = await createOrganization('A')
  const { id: other } = await createOrganization('B')
  const managementApi = `${issuer}/api/v1`
  const confinedTo = async (...scopes: string[]) => {
    const { key } = await createKey({ organization, resource: managementApi, scopes })
    return async (method: string, path: string, body: Json) =>
      await withKey(key, `/api/v1${path}`, { method, body, headers: { 'x-api-key': key } })
  }
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }

  t.test('Y2: who may write keys does not change from where or how long a key works that may do more than they', async t => {
    const call = await confinedTo('api-keys:read', 'api-keys:write')
    for (
      const input of [{ scopes: ['clients:write'] }, { scopes: ['*:read'] }, { scopes: undefined, access: 'full' }]
    ) {
      const stronger = await createKey({
        organization, resource: managementApi, allowlist: ['192.0.2.1'], expiresAt: '2099-01-01T00:00:00Z', ...input
      })
      const before = (await admin('GET', `/api-keys/${stronger.id}`)).json
      for (
        const change of [{ allowlist: [] }, { expiresAt: null }, { allowlist: ['127.0.0.1'], name: 'mine' }, {
          callsPerMonth: null
        }, { access: 'custom', scopes: [] }]
      ) {
        t.match(await call('PATCH', `/api-keys/${stronger.id}`, change), forbidden, JSON.stringify(change))
      }
      t.strictSame((await admin('GET', `/api-keys/${stronger.id}`)).json, before)
      t.equal((await call('POST', `/api-keys/${stronger.id}/revoke`, {})).status, 200, 'ending it hands nothing on')
    }
    const named = await createKey({ organization, resource: managementApi, scopes: ['clients:write'] })
    t.equal((await call('PATCH', `/api-keys/${named.id}`, { name: 'renamed' })).json.name, 'renamed')
    const equal = await createKey({
      organization, resource: managementApi, scopes: ['api-keys:*'], allowlist: ['192.0.2.1']
    })
    t.strictSame(
      (await call('PATCH', `/api-keys/${equal.id}`, { allowlist: [], expiresAt: '2099-01-01T00:00:00Z' })).json
        .allowlist,
      []
    )
    const elsewhere = await createKey({ organization, scopes: ['invoices:write'], allowlist: ['192.0.2.1'] })
    t.strictSame(
      (await call('PATCH', `/api-keys/${elsewhere.id}`, { allowlist: [] })).json.allowlist, [],
      'a key of another resource is the organization\'s to manage'
    )
  })

  t.test('Y2: who may write clients changes neither from where a client works nor what it may, when it may do more than they', async t => {
    const call = await confinedTo('clients:read', 'clients:write')
    const stronger = await createClient({
      organization, grants: [{ resource: managementApi, scopes: ['api-keys:write'] }], allowlist: ['192.0.2.1']
    })
    const before = (await admin('GET', `/clients/${stronger.clientId}`)).json
    for (
      const change of [
        { allowlist: [] }, { grants: [] }, { grants: [{ resource: managementApi, scopes: ['clients:read'] }] },
        { grants: [], name: 'mine' }, { introspects: [] }
      ]
    ) {
      t.match(await call('PATCH', `/clients/${stronger.clientId}`, change), forbidden, JSON.stringify(change))
    }
    t.strictSame((await admin('GET', `/clients/${stronger.clientId}`)).json, before)
    t.equal((await call('PATCH', `/clients/${stronger.clientId}`, { name: 'renamed' })).json.name, 'renamed')
    const equal = await createClient({
      organization, grants: [{ resource: managementApi, scopes: ['clients:write'] }], allowlist: ['192.0.2.1']
    })
    t.strictSame((await call('PATCH', `/clients/${equal.clientId}`, { allowlist: [] })).json.allowlist, [])
  })

  t.test('Y2: who may write members does not raise a member, and so the keys that they made, above themselves', async t => {
    const member =
      (await admin('POST', '/members', { organization, name: 'Ada', role: 'viewer', scopes: ['members:*'] })).json
    const { key } = await createKey({
      organization, resource: managementApi, scopes: undefined, access: 'full', creator: member.id
    })
    const raise = (change: Json) =>
      withKey(key, `/api/v1/members/${member.id}`, { method: 'PATCH', body: change, headers: { 'x-api-key': key } })
    for (
      const change of [{ role: 'owner', scopes: null }, { scopes: null }, { scopes: ['*'] }, {
        scopes: ['members:*', 'audit:read']
      }]
    ) t.match(await raise(change), forbidden, JSON.stringify(change))
    t.strictSame((await admin('GET', `/members/${member.id}`)).json, member)
    t.equal((await withKey(key, '/api/v1/api-keys')).status, 403)
    t.match(await raise({ role: 'owner' }), forbidden, 'not even a role that changes nothing of what she may for now')
    t.match(await raise({ name: 'Ada L.' }), { status: 200, json: { role: 'viewer', scopes: ['members:*'] } })
    t.match(await raise({ scopes: ['members:write', 'invoices:*'] }), forbidden, 'nor on another resource')
    t.equal((await raise({ scopes: ['members:write'] })).status, 200)
  })

  t.test('W3: a key for another organization is refused alike, whether the resource exists there or not', async t => {
    await admin('POST', '/resources', { identifier: 'https://b.test', organization: other, scopes: [] })
    const call = await confinedTo('api-keys:write')
    const [there, nowhere] = await Promise.all(['https://b.test', 'https://nowhere.test'].map(async resource =>
      await call('POST', '/api-keys', { organization: other, resource, environment: 'live', name: 'x', scopes: [] })))
    t.match(there, { status: 404, json: { code: 'NOT_FOUND' } })
    t.strictSame(nowhere!.json, there!.json)
    const imported = await call('POST', '/api-keys/import', {
      organization: other,
      resource: 'https://nowhere.test',
      environment: 'live',
      name: 'x',
      digest: sha256('w3'),
      hint: 'x'
    })
    t.strictSame(imported.json, there!.json)
  })

  t.test('a key is renamed and ended also when its creator was removed', async t => {
    const member = (await admin('POST', '/members', { organization, name: 'Ada', role: 'member' })).json
    const { id } = await createKey({ organization, creator: member.id })
    await admin('POST', `/members/${member.id}/remove`)
    t.match(await admin('PATCH', `/api-keys/${id}`, { name: 'renamed', expiresAt: '2099-01-01T00:00:00Z' }), {
      status: 200, json: { name: 'renamed', expiresAt: '2099-01-01T00:00:00.000Z' }
    })
    t.equal(
      (await admin('PATCH', `/api-keys/${id}`, { scopes: ['invoices:write'] })).status, 404,
      'what it may do is not changed in the name of who has left'
    )
  })

  t.test('the resource that takes imported keys from now on has an audit row of its own, once', async t => {
    const resource = (await admin('POST', '/resources', { identifier: 'https://old.test', scopes: [] })).json
    for (const text of ['one', 'two']) {
      await admin('POST', '/api-keys/import', {
        organization, resource: 'https://old.test', environment: 'live', name: text, digest: sha256(text), hint: '…'
      })
    }
    const data = (await admin('GET', '/audit?type=resource.updated')).json.data.filter((row: Json) =>
      row.subject === resource.id
    )
    t.match(data, [{ actor: 'admin', detail: { importedKeys: true } }])
    t.equal(data.length, 1)
  })
})

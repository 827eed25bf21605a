/** What a credential learns about itself, whole. */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('what a credential learns about itself', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, bearer, createClient, createKey, createOrganization, issuer, tokenFor, withKey } = server
  const { id: organization } = await createOrganization('A')
  const { id: second } = await createOrganization('B')
  const objects = { companies: ['cmp_1', 'cmp_2'] }

  t.test('LB-06: a key that reaches further or is restricted further is told so, a plain one reads what it always read', async t => {
    const plain = await createKey({ organization })
    const members = {
      organization, environment: 'live', resource: issuer, scopes: ['invoices:read'], allowlist: [], expiresAt: null
    }
    t.strictSame((await withKey(plain.key, '/api/v1/api-key')).json, { id: plain.id, name: 'ci', ...members })
    const wide = await createKey({ organization, organizations: [second], objects, environment: 'test' })
    t.strictSame((await withKey(wide.key, '/api/v1/api-key')).json, {
      id: wide.id, name: 'ci', ...members, environment: 'test', organizations: [organization, second], objects
    })
    const level = await createKey({ organization, access: 'read-only', scopes: undefined })
    t.strictSame((await withKey(level.key, '/api/v1/api-key')).json, {
      id: level.id, name: 'ci', ...members, scopes: ['company:read', 'invoices:read'], access: 'read-only'
    })
  })

  t.test('GET /api/v1/principal answers every kind of credential with the same members', async t => {
    const key = await createKey({
      organization,
      organizations: [second],
      objects,
      environment: 'test',
      allowlist: ['127.0.0.0/8'],
      expiresAt: '2099-01-01T00:00:00Z'
    })
    t.strictSame((await withKey(key.key, '/api/v1/principal')).json, {
      kind: 'api_key',
      id: key.id,
      name: 'ci',
      organization,
      organizations: [organization, second],
      environment: 'test',
      resource: issuer,
      access: 'custom',
      scopes: ['invoices:read'],
      objects,
      allowlist: ['127.0.0.0/8'],
      expiresAt: '2099-01-01T00:00:00.000Z',
    })
    const client = await createClient({ organization })
    const { expiresAt, ...told } = (await bearer(await tokenFor(client), '/api/v1/principal')).json
    t.match(expiresAt, /^20\d\d-.*Z$/)
    t.strictSame(told, {
      kind: 'access_token',
      id: client.clientId,
      name: 'billing',
      organization,
      organizations: [organization],
      environment: 'live',
      resource: issuer,
      access: null,
      scopes: ['invoices:read'],
      objects: {},
      allowlist: [],
    })
    t.strictSame((await admin('GET', '/principal')).json, {
      kind: 'admin_token',
      id: 'admin',
      name: 'admin token',
      organization: null,
      organizations: [],
      environment: 'live',
      resource: null,
      access: null,
      scopes: [],
      objects: {},
      allowlist: [],
      expiresAt: null,
    })
  })
})

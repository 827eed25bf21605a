/**
 * The deployment decides which features a plan needs for a resource: an organization does not escape them by another
 * style.
 */
import tap from 'tap'
import { startServer, type Json } from '../support/test-server.ts'

tap.test('CD-12, CK-14: an organization that changes the style of its resource does not escape its plan', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization } = server
  const { id: organization } = await createOrganization()
  const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes: undefined, access: 'full' })
  const call = async (
    method: string, path: string, body: Json
  ) => await withKey(key, `/api/v1${path}`, { method, body })
  const resource = (
    await admin(
      'POST', '/resources',
      { identifier: 'https://api.test', organization, style: 'craftdesk', scopes: [{ name: 'read' }] }
    )
  ).json
  const custom = { resource: resource.identifier, environment: 'live', name: 'k', scopes: ['read'] }
  const lacking = { status: 403, json: { code: 'FEATURE_NOT_INCLUDED', details: { feature: 'custom-scopes' } } }
  t.match(await call('POST', '/api-keys', custom), lacking)
  for (const style of ['opencrane', 'ledgerbee', 'craftkit', 'rfc9457', 'craftdesk']) {
    t.match(
      await call('PATCH', `/resources/${resource.id}`, { style, keyPrefix: 'mine' }),
      { status: 200, json: { style, keyPrefix: 'mine' } }, 'keys and errors look as it likes'
    )
    t.match(await call('POST', '/api-keys', custom), lacking, style)
  }

  t.test('a key that was made while the plan included it is refused when it does no longer, whatever the style is by then', async t => {
    await admin('PATCH', `/organizations/${organization}`, { features: ['custom-scopes'] })
    t.equal((await call('PATCH', `/resources/${resource.id}`, { style: 'opencrane' })).status, 200)
    const made = await call('POST', '/api-keys', custom)
    t.equal(made.status, 201)
    t.equal((await withKey(made.json.key, '/api/v1/principal')).status, 200)
    await admin('PATCH', `/organizations/${organization}`, { features: [] })
    t.match(await withKey(made.json.key, '/api/v1/principal'), { status: 403, json: { code: 'FEATURE_MISSING' } })
  })

  t.test('nor do its sessions', async t => {
    const embedding = (
      await admin(
        'POST', '/resources',
        { identifier: 'https://kit.test', organization, style: 'craftkit', scopes: [{ name: 'read' }] }
      )
    ).json
    await call('PATCH', `/resources/${embedding.id}`, { style: 'opencrane' })
    t.equal((await server.latchkey.registry.resource(embedding.id))?.style.sessionFeature, 'embedding')
  })

  t.test('the deployment changes it as a whole', async t => {
    t.equal((await admin('PATCH', `/resources/${resource.id}`, { style: 'opencrane' })).status, 200)
    t.equal((await call('POST', '/api-keys', custom)).status, 201)
  })
})

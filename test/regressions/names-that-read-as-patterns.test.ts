/** A scope named like a pattern would be granted to every holder of the pattern, API-key-only or not. */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('Y2: no scope is named like a pattern, API-key only or not', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization, latchkey } = server
  const { id: organization } = await createOrganization()
  for (const keyOnly of [true, false]) {
    for (const name of ['*', '*:read', 'invoices:*', '*:*', 'a:b:*', ':*', '*:']) {
      const expected = {
        status: 400,
        json: {
          error: `${
            JSON.stringify(name)
          } cannot be a scope: it reads as a pattern of scopes. Use a name without an asterisk before or behind its last colon.`,
          code: 'INVALID_REQUEST',
          details: { field: 'scopes' },
        },
      }
      t.match(
        await admin(
          'POST', '/resources', { identifier: 'https://api.test', organization, scopes: [{ name, keyOnly }] }
        ),
        expected, name
      )
      t.match(
        await admin(
          'POST', '/mcp-servers', { identifier: 'https://api.test/mcp', organization, scopes: [{ name, keyOnly }] }
        ),
        expected, name
      )
      t.match(
        await admin('PATCH', '/resources/res_host', { scopes: [{ name: 'read' }, { name, keyOnly }] }), expected, name
      )
    }
  }
  const ordinary = ['a*b', '**', 'x:a*', '*x:read', '*:b:c'].map(name => ({ name, keyOnly: true }))
  t.equal(
    (await admin('PATCH', '/resources/res_host', { scopes: ordinary })).status, 200,
    'an asterisk anywhere else is an ordinary character'
  )

  // A scope from before names were validated.
  const { store } = latchkey.operation
  const host = (await store.resources.get('res_host'))!
  await store.transaction(
    async tx => await tx.resources.update(
      { ...host, scopes: ['*', 'vault:*'].map(name => ({ name, keyOnly: true, description: null })) }
    )
  )
  const { key } = await createKey({ organization, scopes: undefined, access: 'full' })
  const { key: management } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes: ['*'] })
  t.strictSame((await withKey(key, '/api/v1/principal')).json.scopes, [])
  for (const scopes of [['*'], ['vault:*']]) {
    t.match(
      await admin('POST', '/api-keys', { organization, resource: issuer, environment: 'live', name: 'k', scopes }),
      { status: 400, json: { code: 'UNKNOWN_SCOPE' } }, 'is had by nobody'
    )
  }
  t.ok((await withKey(management, '/api/v1/principal')).json.scopes.length > 10)
})

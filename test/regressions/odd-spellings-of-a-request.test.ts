/** An unusual spelling means the same, or is refused in the format of its endpoint: it reaches nothing else. */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('B4, D1, N7', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, send, raw, port, issuer, createOrganization, createClient, createKey, tokenRequest, tokenFor } = server
  const { id: organization } = await createOrganization()
  const client = await createClient({ organization })
  const proof = { client_id: client.clientId, client_secret: client.clientSecret }

  t.test('B4: an OAuth endpoint whose path is percent-encoded is that endpoint', async t => {
    const granted = await tokenRequest(client, {}, { path: '/api/v1/auth/%74oken' })
    t.match(granted, {
      status: 200,
      json: { token_type: 'Bearer' },
      headers: { 'cache-control': 'no-store', 'content-type': /^application\/json/ }
    })
    const wrong = await tokenRequest({ ...client, clientSecret: 'x' }, {}, { path: '/api/v1/%61uth/token' })
    t.match(wrong, { status: 401, json: { error: 'invalid_client' }, headers: { 'cache-control': 'no-store' } })
    const post = async (path: string) =>
      await send({ method: 'POST', path, body: new URLSearchParams({ ...proof, token: granted.json.access_token }) })
    t.match((await post('/api/v1/oauth/%69ntrospect')).json, { active: true, client_id: client.clientId })
    t.equal((await post('/api/v1/oauth/%72evoke')).status, 200)
    t.strictSame((await post('/api/v1/oauth/introspect')).json, { active: false }, 'and it was revoked')
  })

  t.test('D1: a target in absolute form bends nothing of an answer', async t => {
    const asked = async (target: string, more = '') =>
      await raw(`GET http://evil.test${target} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n${more}\r\n`)
    const refused = await asked('/api/v1/invoices')
    t.match(refused, /^HTTP\/1\.1 401 /)
    t.match(refused, '"path":"/api/v1/invoices"')
    t.match(
      await asked('/api/v1/invoices', `x-api-key: ${(await createKey({ organization })).key}\r\n`), /^HTTP\/1\.1 200 /
    )
    const granted = await tokenRequest(client, {}, { path: 'http://evil.test/api/v1/auth/token' })
    t.equal(granted.status, 200)
    for (
      const answer of [
        refused, granted.text, await asked('/.well-known/oauth-authorization-server'), await asked('/nothing'),
        await asked('')
      ]
    ) t.notMatch(answer, 'evil')
    t.notMatch(server.lines.join(''), 'evil.test')
  })

  t.test('P3: beside an origin nobody names it again with a slash, or without: its clients would get nothing any more', async t => {
    const { id: other } = await createOrganization('B')
    await admin('POST', '/resources', { identifier: 'https://api.a.test', organization, scopes: [] })
    await admin('POST', '/resources', { identifier: 'https://api.b.test/', organization: other, scopes: [] })
    for (const identifier of ['https://api.a.test/', 'https://api.b.test', `${issuer}/`]) {
      t.match(await admin('POST', '/resources', { identifier, organization: other, scopes: [] }), {
        status: 409, json: { code: 'CONFLICT' }
      }, identifier)
    }
    for (const identifier of ['https://api.a.test/v1', 'https://api.a.test/v1/', 'urn:a', 'urn:a/']) {
      t.equal(
        (await admin('POST', '/resources', { identifier, organization: other, scopes: [] })).status, 201, identifier
      )
    }
    t.ok(await tokenFor(client, { resource: `${issuer}/` }))
  })

  t.test('N7: an instant that leaves the years 1 to 9999 by its time zone is refused: databases would not put it in order', async t => {
    const invalid = { status: 400, json: { code: 'INVALID_EXPIRY' } }
    const key = { organization, resource: issuer, environment: 'live', name: 'x', scopes: ['invoices:read'] }
    t.match(await admin('POST', '/api-keys', { ...key, expiresAt: '9999-12-31T23:59:59-14:00' }), invalid)
    const { id } = await createKey({ organization, expiresAt: '9999-12-31T23:59:59Z' })
    t.match(await admin('PATCH', `/api-keys/${id}`, { expiresAt: '9999-12-31T23:59:59-00:01' }), invalid)
    for (const from of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00%2B14:00']) {
      t.match(await admin('GET', `/audit?from=${from}`), invalid)
    }
    t.equal((await admin('GET', '/audit?from=0001-01-01T00:00:00Z')).status, 200)
    t.strictSame((await admin('GET', '/api-keys?status=expired')).json.data, [])
  })
})

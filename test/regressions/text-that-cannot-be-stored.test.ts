/** PostgreSQL rejects NUL, lone surrogates and instants out of range. They are a caller's error, not a server error. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { basic, startServer } from '../support/test-server.ts'

const texts = ['a\0b', '\0', 'a\ud800', 'a\udc00b', 'a\u001b[31m', 'a\u202eb', 'a\u2028b']
const codes = (text: string) => text.split('').map(each => each.charCodeAt(0).toString(16)).join(' ')

for (const { name, fresh } of databases) {
  tap.test(`N7 [${name}]`, async t => {
    const database = await fresh()
    const server = await startServer({ database: database.url, registration: 'open' })
    t.teardown(async () => {
      await server.close()
      await database.drop()
    })
    const { id: organization } = await server.createOrganization()
    const client = await server.createClient({ organization })
    const key = await server.createKey({ organization })
    const admin = { authorization: `Bearer ${server.adminToken}` }
    const register = (body: Record<string, unknown>) =>
      server.send({ method: 'POST', path: '/api/v1/oauth/register', body })
    const form = { grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret }
    const exchange = (parameters: Record<string, string>) =>
      server.send({ method: 'POST', path: '/api/v1/auth/token', body: new URLSearchParams({ ...form, ...parameters }) })

    t.test(`N7, W3: an id with a NUL in it is the id of nothing [${name}]`, async t => {
      for (const collection of ['organizations', 'resources', 'clients', 'api-keys', 'registration-tokens']) {
        t.match(await server.send({ path: `/api/v1/${collection}/a%00b`, headers: admin }), {
          status: 404, json: { code: 'NOT_FOUND' }
        }, collection)
      }
      for (
        const query of [
          'clients?organization=%00', 'api-keys?organization=%00', 'audit?organization=%00', 'audit?subject=%00',
          'api-keys?search=%00', 'api-keys?search=a%00&total=true', 'audit/counts?organization=%00',
          'audit/counts?subject=%00'
        ]
      ) {
        t.match(
          await server.send({ path: `/api/v1/${query}`, headers: admin }), { status: 200, json: { data: [] } }, query
        )
      }
      for (
        const [resource, code] of [['\0', 'UNKNOWN_RESOURCE'], ['https://x.test/\0', 'UNKNOWN_RESOURCE'], [
          'a\ud800', 'INVALID_REQUEST'
        ]] as const
      ) {
        t.match(
          await server.admin('POST', '/clients', { organization, name: 'x', grants: [{ resource, scopes: [] }] }),
          { status: 400, json: { code } }
        )
        t.match(
          await server.admin('POST', '/clients', { organization, name: 'x', grants: [], introspects: [resource] }),
          { status: 400, json: { code } }
        )
        t.match(await exchange({ resource }), { status: 400, json: { error: 'invalid_target' } })
      }
      t.match(await server.admin('POST', '/clients', { organization: 'a\0b', name: 'x', grants: [] }), {
        status: 404, json: { code: 'NOT_FOUND' }
      })
    })

    t.test(`N7: half a character is refused in every member, and the member is named [${name}]`, async t => {
      const grants = (resource: string, scope: string) => ({
        organization, name: 'x', grants: [{ resource, scopes: [scope] }]
      })
      for (
        const [body, field] of [
          [grants(server.issuer, 'a\udc00b'), 'grants.0.scopes.0'], [grants('a\ud800', 'x'), 'grants.0.resource'],
          [{ organization, name: 'a\ud800', grants: [] }, 'name'],
          [{ organization, name: 'x', grants: [], 'a\ud800': 1 }, 'body']
        ] as const
      ) {
        const answer = await server.admin('POST', '/clients', body)
        t.match(
          answer, { status: 400, json: { code: 'INVALID_REQUEST', details: { field } } }, `${field}: ${answer.text}`
        )
      }
      t.equal(
        (await server.createClient({ organization, name: 'a whole one: \u{1f3e2}' })).name, 'a whole one: \u{1f3e2}'
      )
    })

    t.test(`T9, N7: a client_id with a NUL in it is an unknown client like any other [${name}]`, async t => {
      t.match(await exchange({ client_id: '\0' }), { status: 401, json: { error: 'invalid_client' } })
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const assertion = `${part({ alg: 'ES256' })}.${
        part({ iss: '\0', sub: '\0', aud: server.issuer, jti: 'x', exp: 4_000_000_000 })
      }.AAAA`
      const unknown = await server.send({
        method: 'POST',
        path: '/api/v1/auth/token',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_assertion: assertion,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
        })
      })
      t.match(unknown, { status: 401, json: { error: 'invalid_client' } })
      const asker = await server.createClient({ introspects: [server.issuer] })
      const authorization = basic(asker.clientId, asker.clientSecret)
      t.strictSame(
        (await server.send({
          method: 'POST',
          path: '/api/v1/oauth/introspect',
          headers: { authorization },
          body: new URLSearchParams({ token: '\0' })
        })).json,
        { active: false }
      )
    })

    t.test(`L3, A10: no name, reason or description holds what ends a line or turns it around [${name}]`, async t => {
      for (const text of texts) {
        const title = codes(text)
        const refused = { status: 400, json: { code: 'INVALID_REQUEST' } }
        t.match(await server.admin('POST', '/organizations', { name: text }), refused, title)
        t.match(await server.admin('POST', '/clients', { organization, name: text, grants: [] }), refused, title)
        t.match(await server.admin('PATCH', `/clients/${client.clientId}`, { name: text }), refused, title)
        t.match(await server.admin('POST', `/api-keys/${key.id}/revoke`, { reason: text }), refused, title)
        t.match(
          await server.admin('POST', '/resources', {
            identifier: 'https://y.test', scopes: [{ name: 'a', description: text }]
          }),
          refused,
          title
        )
        t.match(
          await server.admin('POST', '/resources', { identifier: `https://y.test/${text}`, scopes: [] }), refused, title
        )
      }
      t.equal((await server.withKey(key.key)).status, 200, 'nothing was revoked')
      for (const text of ['Acme', '株式会社 アクメ', 'Café 🏢', 'a']) {
        t.equal((await server.admin('POST', '/organizations', { name: text })).status, 201, text)
      }
    })

    t.test(`N7: nor does what people may see of an imported key, nor the id of an object [${name}]`, async t => {
      const input = { organization, resource: server.issuer, environment: 'live', name: 'x', scopes: [] }
      const refused = { status: 400, json: { code: 'INVALID_REQUEST' } }
      const digest = (text: string) => createHash('sha256').update(text).digest('hex')
      for (const text of texts) {
        t.match(
          await server.admin('POST', '/api-keys/import', { ...input, hint: text, digest: digest(text) }), refused,
          codes(text)
        )
      }
      for (const text of texts.slice(0, 5)) {
        t.match(
          await server.admin('POST', '/api-keys', { ...input, objects: { invoices: [text] } }), refused, codes(text)
        )
        t.match(
          await server.admin('PATCH', `/api-keys/${key.id}`, { objects: { invoices: [text] } }), refused, codes(text)
        )
        t.match(
          await server.admin('POST', '/webhook-tokens', { apiKey: key.id, object: { type: 'invoices', id: text } }),
          refused, codes(text)
        )
      }
      for (const text of texts.slice(0, 4)) {
        const status = text.isWellFormed() ? 404 : 400
        for (const more of [{ creator: text }, { organizations: [text] }, { organization: text }]) {
          t.match(await server.admin('POST', '/api-keys', { ...input, ...more }), { status }, codes(text))
        }
      }
      t.equal(
        (await server.admin('POST', '/api-keys/import', { ...input, hint: 'sk_…🏢9f3a', digest: digest('good') }))
          .status,
        201
      )
    })

    t.test(`R5, N7: metadata of a registration are plain text [${name}]`, async t => {
      const { x, y } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
      const withKey = (key: object) => ({
        token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'EC', crv: 'P-256', x, y, ...key }] }
      })
      t.equal((await register(withKey({ kid: 'mine' }))).status, 201)
      for (const text of texts.slice(0, 4)) {
        for (
          const body of [
            { software_id: text }, { software_version: text }, { client_uri: `https://x.test/${text}` },
            withKey({ kid: text }), withKey({ x: `${x}\0` })
          ]
        ) {
          t.match(
            await register(body), { status: 400, json: { error: 'invalid_client_metadata' } }, JSON.stringify(body)
          )
        }
        t.match(await register({ redirect_uris: [`https://x.test/${text}`] }), {
          status: 400, json: { error: 'invalid_redirect_uri' }
        })
        t.equal((await register({ scope: text })).status, 201, 'a scope is a hint')
      }
      t.match(await register({ client_name: 'a\0b\ud800c' }), { status: 201, json: { client_name: 'abc' } })
    })

    t.test(`W4: a cursor of no page is refused, wherever its instant lies [${name}]`, async t => {
      for (const time of [-8.64e15, -1e14, -1, 8.64e15 + 2]) {
        const cursor = Buffer.from(JSON.stringify([time, 'cli_x'])).toString('base64url')
        t.match(await server.send({ path: `/api/v1/clients?cursor=${cursor}`, headers: admin }), {
          status: 400, json: { code: 'INVALID_REQUEST' }
        }, String(time))
      }
    })
  })
}

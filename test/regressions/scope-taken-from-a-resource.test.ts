/** A scope that an operator removes from a resource is gone on the next request, for all its holders. */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { apiScopes, basic, startServer } from '../support/test-server.ts'

for (const { name, fresh } of databases) {
  tap.test(`LB-02, B3: a scope taken from the resource is taken from its keys at once [${name}]`, async t => {
    const database = await fresh()
    const server = await startServer({ database: database.url })
    t.teardown(async () => {
      await server.close()
      await database.drop()
    })
    const { key } = await server.createKey({ scopes: ['company:read', 'invoices:read'] })
    const asker = await server.createClient({ introspects: [server.issuer] })
    const scopesOf = async () => (await server.withKey(key, '/api/v1/api-key')).json.scopes
    t.equal((await server.withKey(key, '/api/v1/company')).status, 200)

    await server.admin('PATCH', '/resources/res_host', {
      scopes: apiScopes.filter(scope => scope.name !== 'company:read')
    })
    t.match(await server.withKey(key, '/api/v1/company'), { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } })
    t.equal((await server.withKey(key, '/api/v1/invoices')).status, 200, 'the others stay')
    t.strictSame(await scopesOf(), ['invoices:read'])
    const introspection = await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(asker.clientId, asker.clientSecret) },
      body: new URLSearchParams({ token: key })
    })
    t.equal(introspection.json.scope, 'invoices:read')

    await server.admin('PATCH', '/resources/res_host', { scopes: apiScopes })
    t.strictSame(
      await scopesOf(), ['invoices:read'], 'and it does not come back when the resource declares its name anew'
    )
  })
}

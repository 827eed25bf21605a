/**
 * An organization's resource with the deployment's future issuer as its identifier does not keep the server from
 * starting there.
 */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { startServer } from '../support/test-server.ts'
import { newSecret } from '../../src/secrets/random.ts'

for (const { name, fresh } of databases) {
  tap.test(`S1: the issuer's names are the deployment's, whatever an organization has called its own before [${name}]`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
    const before = await startServer({ database: url, environment, bare: true, issuer: 'http://127.0.0.1:9' })
    const { id: organization } = await before.createOrganization('tenant')
    const { token } =
      (await before.admin('POST', '/access-tokens', { organization, name: 't', scopes: ['resources:write'] })).json
    const identifiers = ['http://127.0.0.1:10/api/v1', 'http://127.0.0.1:10/']
    const ids: string[] = []
    for (const identifier of identifiers) {
      const made = await before.send({
        method: 'POST',
        path: '/api/v1/resources',
        headers: { authorization: `Bearer ${token}` },
        body: { identifier, scopes: [{ name: 'read' }] }
      })
      t.equal(made.status, 201)
      ids.push(made.json.id)
    }
    const client = await before.createClient({ organization, grants: [{ resource: identifiers[0], scopes: ['read'] }] })
    await before.close()

    const after = await startServer({ database: url, environment, bare: true, issuer: 'http://127.0.0.1:10' })
    t.teardown(after.close)
    t.match((await after.admin('GET', `/resources/${encodeURIComponent(identifiers[0]!)}`)).json, {
      id: 'res_management'
    })
    t.match((await after.admin('GET', '/resources/res_host')).json, { identifier: 'http://127.0.0.1:10' })
    for (const [i, id] of ids.entries()) {
      t.match((await after.admin('GET', `/resources/${id}`)).json, {
        organization, identifier: `${identifiers[i]}#${id}`
      })
    }
    t.match((await after.admin('GET', `/audit?subject=${ids[0]}`)).json.data[0], {
      type: 'resource.updated', actor: 'system'
    })
    t.match(await after.tokenRequest(client, { resource: identifiers[0]! }), {
      status: 400, json: { error: 'invalid_target' }
    }, 'no token for it is one for the management API')
  })
}

/** Introspection with a client_address applies the allowlist: a credential is inactive outside of it. */
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

tap.test('I1: introspection weighs the allowlist against client_address, and leaves it to a caller who says none', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, send, createClient, createKey, createOrganization, tokenFor } = server
  const { id: organization } = await createOrganization()
  const asker = await createClient({ organization, introspects: [issuer, `${issuer}/api/v1`] })
  const allowlist = ['127.0.0.1', '198.51.100.0/24']
  const { token: managementToken } =
    (await admin('POST', '/access-tokens', { organization, name: 'x', scopes: ['clients:read'], allowlist })).json
  const credentials = [
    (await createKey({ organization, allowlist })).key, await tokenFor(await createClient({ organization, allowlist })),
    managementToken
  ]
  for (const token of credentials) {
    const ask = async (more: Record<string, string>) =>
      (await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        body: new URLSearchParams({ client_id: asker.clientId, client_secret: asker.clientSecret, token, ...more })
      })).json
    t.match(await ask({}), { active: true, allowed_addresses: allowlist })
    for (const inside of ['198.51.100.7', '::ffff:198.51.100.7']) {
      t.match(await ask({ client_address: inside }), { active: true, allowed_addresses: allowlist })
    }
    for (const outside of ['203.0.113.7', '::1']) {
      t.strictSame(await ask({ client_address: outside }), { active: false })
    }
  }
})

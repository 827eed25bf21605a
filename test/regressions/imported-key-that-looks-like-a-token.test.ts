/** An imported key has any format, that of a JWT too: it works wherever its resource takes keys. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { basic, startOnEachDatabase, type Json } from '../support/test-server.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'

const part = (value: Json) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const identifier = 'https://desk.test/'

const { servers, close } = await startOnEachDatabase({
  async mount (app, latchkey) {
    await createResource(latchkey.operation, {
      identifier,
      name: 'Desk',
      scopes: [{ name: 'tasks:read', keyOnly: false, description: null }],
      style: styles.opencrane
    })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: identifier })
      api.get('/tasks', { config: { scopes: ['tasks:read'] } }, async ({ principal }) => ({ kind: principal.kind }))
    }, { prefix: '/desk' })
  }
})
tap.teardown(close)

for (const { name, server } of servers) {
  tap.test(`K7, I1 [${name}]`, async t => {
    const { admin, issuer, send, bearer, withKey, createOrganization, createClient, tokenFor } = server
    const { id: organization } = await createOrganization()
    const asker = await createClient({ organization, introspects: [issuer, identifier] })
    const introspection = async (token: string) =>
      (await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        headers: { authorization: basic(asker.clientId, asker.clientSecret) },
        body: new URLSearchParams({ token })
      })).json
    let made = 0
    const newText = () => `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'somebody', n: made++ })}.c2lnbmF0dXJl`
    const take = async (text: string, resource: string, scopes: string[]) =>
      (await admin('POST', '/api-keys/import', {
        organization, resource, environment: 'live', name: 'from elsewhere', scopes, digest: sha256(text), hint: '…'
      })).json

    t.test(`K7: a JWT of somebody else that was imported works as bearer where keys travel so, and nowhere else [${name}]`, async t => {
      const [text, other] = [newText(), newText()]
      t.equal((await bearer(text, '/desk/tasks')).status, 401)
      const { id } = await take(text, identifier, ['tasks:read'])
      t.strictSame((await bearer(text, '/desk/tasks')).json, { kind: 'api_key' })
      t.equal((await bearer(other, '/desk/tasks')).status, 401, 'one that nobody imported does not')
      t.equal((await bearer(text)).status, 401, 'nor is it a key of another resource')
      const onHeaders = newText()
      await take(onHeaders, issuer, ['invoices:read'])
      t.strictSame(
        [(await withKey(onHeaders)).status, (await bearer(onHeaders)).status], [200, 401],
        'LB-03: where keys have a header of their own, a bearer credential is none'
      )
      await admin('POST', `/api-keys/${id}/revoke`)
      t.equal((await bearer(text, '/desk/tasks')).status, 401)
    })

    t.test(`I1: introspection says of it what the guard says [${name}]`, async t => {
      const text = newText()
      t.strictSame(await introspection(text), { active: false })
      const { id } = await take(text, issuer, ['invoices:read'])
      t.match(await introspection(text), { active: true, token_type: 'api_key', sub: id, aud: issuer })
      await admin('POST', `/api-keys/${id}/revoke`)
      t.strictSame(await introspection(text), { active: false })
    })

    t.test(`K7: nobody makes a token of ours into a key [${name}]`, async t => {
      const client = await createClient({ organization, grants: [{ resource: identifier, scopes: ['tasks:read'] }] })
      const token = await tokenFor(client)
      await take(token, identifier, [])
      t.strictSame((await bearer(token, '/desk/tasks')).json, { kind: 'access_token' })
      t.match(await introspection(token), { active: true, token_type: 'Bearer' })
    })
  })
}

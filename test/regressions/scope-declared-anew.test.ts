/**
 * A scope that was removed from its resource and declared again is a new one: holders of the old scope do not hold it.
 */
import { createPrivateKey, sign } from 'node:crypto'
import tap from 'tap'
import { seedResources } from '../../src/domain/declaration/built-in-resources.ts'
import { databases } from '../support/databases.ts'
import { decodeJwt, startServer, type Json } from '../support/test-server.ts'

const [kept, taken, reserved] = [{ name: 'invoices:read' }, { name: 'invoices:void' }, { name: 'seal', keyOnly: true }]

for (const { name: database, fresh } of databases) {
  tap.test(`LB-02, B3: what is declared anew comes back to nothing that named it [${database}]`, async t => {
    const { url, drop } = await fresh()
    const server = await startServer({
      database: url,
      bare: true,
      mount: async (app, latchkey) => {
        await app.register(async api => {
          await api.register(latchkey.guard, { resource: latchkey.config.issuer })
          api.get(
            '/session', { config: { scopes: [], session: true } },
            async ({ principal }) => ({ scopes: principal.scopes })
          )
        })
      },
    })
    t.teardown(async () => {
      await server.close()
      await drop()
    })
    const { admin, issuer, withKey, send, tokenFor, createOrganization, latchkey } = server
    const { id: organization } = await createOrganization('A')
    const made = async (path: string, body: Json): Promise<Json> => {
      const answer = await admin('POST', path, body)
      if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`)
      return answer.json
    }
    const declare = async (path: string, scopes: Json[]) => {
      t.equal((await admin('PATCH', path, { scopes })).status, 200)
    }
    const host = '/resources/res_host'
    await declare(host, [kept, taken, reserved])
    const key = async (more: Json): Promise<Json> => await made(
      '/api-keys',
      { organization, resource: issuer, environment: 'live', name: 'k', scopes: [kept.name, taken.name], ...more }
    )
    const member = async (scopes: string[]) => await made(
      '/members', { organization, name: 'Ada', role: 'viewer', scopes }
    )
    const group = await made('/groups', { organization, name: 'g', scopes: [taken.name] })
    const [named, patterned, grouped] = [
      await member([kept.name, taken.name, reserved.name]), await member(['invoices:*']), await member([kept.name]),
    ]
    await admin('PUT', `/groups/${group.id}/members/${grouped.id}`)
    const keys = {
      byName: await key({ scopes: [kept.name, taken.name, reserved.name] }),
      byPattern: await key({ scopes: ['invoices:*'] }),
      full: await key({ access: 'full', scopes: undefined }),
      ofNamed: await key({ access: 'full', scopes: undefined, creator: named.id }),
      ofNamedReserved: await key({ scopes: ['*', reserved.name], creator: named.id }),
      ofPatterned: await key({ access: 'full', scopes: undefined, creator: patterned.id }),
      ofGrouped: await key({ access: 'full', scopes: undefined, creator: grouped.id }),
    }
    const client = await made(
      '/clients', { organization, name: 'c', grants: [{ resource: issuer, scopes: [kept.name, taken.name] }] }
    ) as Json & { clientId: string, clientSecret: string }
    const registration = await made(
      '/registration-tokens', { organization, name: 'r', resource: issuer, scopes: [kept.name, taken.name] }
    )
    const register = async (token: string) => await send(
      {
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${token}` },
        body: {
          client_name: 'x',
          grant_types: ['client_credentials'],
          response_types: [],
          token_endpoint_auth_method: 'client_secret_basic',
        },
      }
    )
    const registered = (await register(registration.token)).json
    const publishable = await made(
      '/publishable-keys',
      { organization, resource: issuer, environment: 'live', name: 'p', scopes: [kept.name, taken.name] }
    )
    const session = async () => {
      const now = Math.floor(server.clock.now().getTime() / 1000)
      const encoded = [
        { alg: 'ES256' },
        {
          iss: publishable.publishableKey,
          aud: issuer,
          sub: 'user',
          jti: `${now}-${Math.random()}`,
          iat: now,
          exp: now + 60,
        },
      ].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      const signature = sign(
        'sha256', Buffer.from(encoded), { key: createPrivateKey(publishable.signingKey.pem), dsaEncoding: 'ieee-p1363' }
      ).toString('base64url')
      const answer = await send(
        {
          method: 'POST',
          path: '/api/v1/auth/session',
          body: new URLSearchParams(
            { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: `${encoded}.${signature}` }
          ),
        }
      )
      if (answer.status !== 200) throw new Error(answer.text)
      return answer.json
    }
    const before = await session()
    const mcp = await made(
      '/mcp-servers',
      {
        organization, identifier: 'https://mcp.test/mcp', scopes: [kept, taken], defaultScopes: [kept.name, taken.name],
      }
    )
    const general = await made('/registration-tokens', { organization, name: 'general' })

    const scopesOf = async () => Object.fromEntries(
      await Promise.all(
        Object.entries(keys).map(
          async ([name, { key }]) => [name, (await withKey(key, '/api/v1/principal')).json.scopes]
        )
      )
    )
    const granted = async (
      of: { clientId: string, clientSecret: string }, resource = issuer
    ) => decodeJwt(await tokenFor(of, { resource })).payload.scope as string | undefined
    const asClient = ({ client_id: clientId, client_secret: clientSecret }: Json) => ({ clientId, clientSecret })
    const sessionScopes = async (token: string) => (
      await send({ path: '/session', headers: { authorization: `Bearer ${token}` } })
    ).json.scopes
    const [all, rest] = [[kept.name, taken.name], [kept.name]]
    t.strictSame(
      await scopesOf(),
      {
        byName: [...all, 'seal'],
        byPattern: all,
        full: all,
        ofNamed: [...all, 'seal'].slice(0, 2),
        ofNamedReserved: [...all, 'seal'],
        ofPatterned: all,
        ofGrouped: all,
      }
    )
    t.strictSame(
      [await granted(client), await granted(asClient(registered))],
      ['invoices:read invoices:void', 'invoices:read invoices:void']
    )
    t.strictSame(await sessionScopes(before.access_token), all)
    const oldToken = await tokenFor(client)

    for (const path of [host, `/mcp-servers/${mcp.id}`]) {
      await declare(path, [kept])
      await declare(path, path === host ? [kept, taken, reserved] : [kept, taken])
    }
    t.strictSame(
      await scopesOf(),
      {
        byName: rest,
        byPattern: all,
        full: all,
        ofNamed: rest,
        ofNamedReserved: rest,
        ofPatterned: all,
        ofGrouped: rest
      },
      'a pattern speaks of what comes, a name of what was there'
    )
    t.strictSame([await granted(client), await granted(asClient(registered))], ['invoices:read', 'invoices:read'])
    t.equal((await register(registration.token)).json.scope, 'invoices:read', 'nor to what registers from now on')
    t.equal((await register(general.token)).json.scope, 'invoices:read', 'nor by default')
    t.strictSame([(await session()).scope, await sessionScopes(before.access_token)], ['invoices:read', rest])
    const introspected = await send({ path: '/api/v1/principal', headers: { authorization: `Bearer ${oldToken}` } })
    t.equal(introspected.status, 401, 'a token that carries it is dead')

    t.test('what is answered names only what it has: who sends that back gives nothing anew', async t => {
      for (
        const path of [
          `/api-keys/${keys.byName.id}`, `/registration-tokens/${registration.id}`,
          `/publishable-keys/${publishable.id}`,
        ]
      ) t.strictSame((await admin('GET', path)).json.scopes, rest, path)
      t.strictSame(
        (await admin('GET', `/clients/${client.clientId}`)).json.grants, [{ resource: issuer, scopes: rest }]
      )
      t.strictSame((await admin('GET', `/mcp-servers/${mcp.id}`)).json.defaultScopes, rest)
      const { grants } = (await admin('GET', `/clients/${client.clientId}`)).json
      t.equal((await admin('PATCH', `/clients/${client.clientId}`, { grants })).status, 200)
      t.equal(await granted(client), 'invoices:read')
      const access = (
        await admin('GET', `/organizations/${organization}/effective-access?credential=${client.clientId}`)
      ).json.data[0].access[0]
      t.strictSame(access.scopes, rest)
      for (
        const declared of [
          (await admin('GET', host)).json.scopes, (await admin('GET', `/mcp-servers/${mcp.id}`)).json.scopes,
        ]
      ) {
        t.strictSame(
          Object.keys(declared[1]), ['name', 'keyOnly', 'description'],
          'what credentials keep of a scope is told nobody'
        )
      }
    })

    t.test('given anew, everything has it again', async t => {
      await admin('PATCH', `/members/${named.id}`, { scopes: [...all, 'seal'] })
      await admin('PATCH', `/groups/${group.id}`, { scopes: [taken.name] })
      await admin('PATCH', `/api-keys/${keys.byName.id}`, { scopes: [...all, 'seal'] })
      await admin('PATCH', `/api-keys/${keys.ofNamedReserved.id}`, { scopes: ['*', 'seal'] })
      await admin('PATCH', `/clients/${client.clientId}`, { grants: [{ resource: issuer, scopes: all }] })
      t.strictSame(
        await scopesOf(),
        {
          byName: [...all, 'seal'],
          byPattern: all,
          full: all,
          ofNamed: all,
          ofNamedReserved: [...all, 'seal'],
          ofPatterned: all,
          ofGrouped: all,
        }
      )
      t.equal(await granted(client), 'invoices:read invoices:void')
      t.strictSame((await admin('GET', `/members/${named.id}`)).json.scopes, [...all, 'seal'])
    })

    t.test('once more it is taken, and once more it does not come back; what stays declared is not touched', async t => {
      await declare(host, [reserved, kept])
      await declare(host, [taken, { ...kept, description: 'Read invoices' }, reserved])
      t.strictSame((await scopesOf()).byName, ['invoices:read', 'seal'])
      t.equal(await granted(client), 'invoices:read')
    })

    t.test('nor does a scope of the management API that a version leaves out and a later one has again', async t => {
      const { store, clock } = latchkey.operation
      const { token } = await made(
        '/access-tokens', { organization, name: 'automation', scopes: ['audit:read', 'usage:read'] }
      )
      const present = (await store.resources.get('res_management'))!
      await seedResources(
        store, clock, [{ ...present, scopes: present.scopes.filter(({ name }) => name !== 'usage:read') }]
      )
      await seedResources(store, clock, [present])
      t.strictSame(
        (await send({ path: '/api/v1/principal', headers: { authorization: `Bearer ${token}` } })).json.scopes,
        ['audit:read']
      )
    })
  })
}

tap.test('Y2: a name that a member was given before it was declared API-key only is not that scope', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization } = server
  const { id: organization } = await createOrganization('A')
  const made = async (path: string, body: Json): Promise<Json> => (await admin('POST', path, body)).json
  const owner = await made('/members', { organization, name: 'Owner', role: 'owner' })
  const { key } = await createKey(
    { organization, resource: `${issuer}/api/v1`, scopes: undefined, access: 'full', creator: owner.id }
  )
  const call = async (method: string, path: string, body?: Json) => await withKey(
    key, `/api/v1${path}`, { method, ...(body && { body }) }
  )
  const named = await call('POST', '/members', { name: 'Eve', role: 'viewer', scopes: ['vault:open', 'vault:list'] })
  t.equal(named.status, 201, 'nothing declares it yet')
  const group = (await call('POST', '/groups', { name: 'g', scopes: ['vault:open'] })).json
  const declared = [{ name: 'vault:open', keyOnly: true }, { name: 'vault:list' }]
  const resource = (await made('/resources', { identifier: 'https://vault.test', organization, scopes: [] }))
  await admin('PATCH', `/resources/${resource.id}`, { scopes: declared })
  const at = await made('/resources', { identifier: 'https://vault2.test', organization, scopes: declared })
  const scopesOf = async (creator: string, where: string) => {
    const { key } = await createKey({ organization, resource: where, creator, scopes: ['vault:open', 'vault:list'] })
    return (await withKey(key, '/api/v1/principal')).json.scopes
  }
  for (const { identifier } of [resource, at]) {
    t.strictSame(
      await scopesOf(named.json.id, identifier), ['vault:list'], `${identifier}: an ordinary one goes by its name`
    )
  }
  const { id } = await made('/members', { organization, name: 'Mallory', role: 'viewer', scopes: [] })
  await admin('PUT', `/groups/${group.id}/members/${id}`)
  t.strictSame(await scopesOf(id, at.identifier), [], 'nor by a group')
  t.match(
    await call('PATCH', `/members/${named.json.id}`, { scopes: ['vault:open'] }),
    { status: 403, json: { details: { requiredScopes: ['vault:open'] } } }
  )
  t.equal((await admin('PATCH', `/members/${named.json.id}`, { scopes: ['vault:open'] })).status, 200)
  t.strictSame(await scopesOf(named.json.id, at.identifier), ['vault:open'], 'given deliberately it is had')
})

tap.test('Y2: an API-key-only scope is not opened to patterns by taking it away and declaring it anew', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { admin, issuer, withKey, createKey, createOrganization } = server
  const { id: organization } = await createOrganization('A')
  const resource = (
    await admin(
      'POST', '/resources',
      { identifier: 'https://vault.test', organization, scopes: [{ name: 'seal', keyOnly: true }, { name: 'read' }] }
    )
  ).json
  const owner = (await admin('POST', '/members', { organization, name: 'Owner', role: 'owner' })).json
  const { key } = await createKey(
    { organization, resource: `${issuer}/api/v1`, scopes: undefined, access: 'full', creator: owner.id }
  )
  const patch = async (scopes: Json[]) => await withKey(
    key, `/api/v1/resources/${resource.id}`, { method: 'PATCH', body: { scopes } }
  )
  const refused = {
    status: 403,
    json: {
      error:
        `The member ${owner.id} that your credential is bound to lacks the API-key-only scope seal, so it cannot ` +
          'open it to others.',
      code: 'INSUFFICIENT_PERMISSIONS',
      details: { requiredScopes: ['seal'] },
    },
  }
  t.match(await patch([{ name: 'seal' }, { name: 'read' }]), refused)
  t.equal((await patch([{ name: 'read' }])).status, 200)
  t.match(await patch([{ name: 'read' }, { name: 'seal' }]), refused, 'nor in two steps')
  t.equal((await patch([{ name: 'read' }, { name: 'seal', keyOnly: true }])).status, 200)
  t.equal(
    (await admin('PATCH', `/resources/${resource.id}`, { scopes: [{ name: 'seal' }] })).status, 200,
    'the deployment can'
  )
})

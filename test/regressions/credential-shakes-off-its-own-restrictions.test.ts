/**
 * The restrictions of a management credential (allowlist, end, objects) also bind the management credentials that it
 * makes: there is no way to drop them.
 */
import tap from 'tap'
import { startServer, type Json } from '../support/test-server.ts'

tap.test('Y2', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { admin, issuer, send, createKey, createClient, createOrganization, tokenFor, clock } = server
  const { id: organization } = await createOrganization('A')
  const resource = `${issuer}/api/v1`
  const scopes = ['api-keys:*', 'access-tokens:*', 'clients:*', 'registration-tokens:*']
  const end = '2098-01-01T00:00:00.000Z'
  const from = '127.0.0.7'
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }

  type Call = (method: string, path: string, body?: Json) => Promise<{ status: number, json: Json }>
  const calling = (headers: Record<string, string>): Call => async (method, path, body) =>
    await send({ method, path: `/api/v1${path}`, headers, from, ...(body && { body }) })
  const key = async (more: Json) => {
    const made = await createKey({ organization, resource, scopes, ...more })
    return { id: made.id, path: `/api-keys/${made.id}`, call: calling({ 'x-api-key': made.key }) }
  }
  const token = async (more: Json) => {
    const { id, token } =
      (await admin('POST', '/access-tokens', { organization, name: 'automation', scopes, ...more })).json
    return { id, path: `/access-tokens/${id}`, call: calling({ authorization: `Bearer ${token}` }) }
  }
  const client = async (more: Json) => {
    const made = await createClient({
      organization,
      grants: [{
        resource, scopes: scopes.flatMap(pattern => [pattern.replace('*', 'read'), pattern.replace('*', 'write')])
      }],
      ...more
    })
    return {
      id: made.clientId,
      path: `/clients/${made.clientId}`,
      call: calling({ authorization: `Bearer ${await tokenFor(made, {}, { from })}` })
    }
  }
  const newKey = { resource, environment: 'live', name: 'x', scopes: ['api-keys:read'] }
  const newToken = { name: 'x', scopes: ['clients:read'] }
  const newClient = { name: 'x', grants: [{ resource, scopes: ['clients:read'] }] }
  const newRegistration = { name: 'x', resource, scopes: ['clients:read'] }

  for (const [kind, bound] of [['an API key', key], ['an access token', token], ['a client', client]] as const) {
    t.test(`Y2: ${kind} with an allowlist neither widens it nor makes or reaches for what works from elsewhere`, async t => {
      const { path, call } = await bound({ allowlist: ['127.0.0.0/29'] })
      const before = { ...(await admin('GET', path)).json, lastUsedAt: null }
      for (const allowlist of [[], ['127.0.0.0/28'], ['127.0.0.1', '::/0'], ['0.0.0.0/0']]) {
        t.match(await call('PATCH', path, { allowlist }), {
          ...forbidden, json: { details: { field: 'allowlist', allowlist: ['127.0.0.0/29'] } }
        }, JSON.stringify(allowlist))
        t.match(await call('POST', '/api-keys', { ...newKey, allowlist }), forbidden)
        t.match(await call('POST', '/access-tokens', { ...newToken, allowlist }), forbidden)
        t.match(await call('POST', '/clients', { ...newClient, allowlist }), forbidden)
        t.match(await call('POST', '/registration-tokens', { ...newRegistration, allowlist }), forbidden)
      }
      t.match(await call('POST', '/api-keys', newKey), forbidden, 'left out: from everywhere')
      t.strictSame({ ...(await admin('GET', path)).json, lastUsedAt: null }, before)
      const freeKey = await key({})
      const freeClient = await client({})
      const freeToken = await token({})
      t.match(
        await call('POST', `${freeKey.path}/rotate`, { overlapSeconds: 0 }), forbidden,
        'it is told no secret that works from elsewhere'
      )
      t.match(await call('POST', `${freeClient.path}/rotate-secret`, { overlapSeconds: 0 }), forbidden)
      t.match(await call('PATCH', freeToken.path, { scopes: ['clients:read'] }), forbidden)
      t.equal((await call('PATCH', freeToken.path, { name: 'renamed' })).status, 200)
      t.equal((await call('POST', `${freeToken.path}/revoke`, {})).status, 200, 'ending it hands nothing on')
      for (const allowlist of [['127.0.0.7'], ['127.0.0.0/30', '127.0.0.4/30']]) {
        t.equal((await call('POST', '/api-keys', { ...newKey, allowlist })).status, 201, JSON.stringify(allowlist))
        t.equal((await call('POST', '/access-tokens', { ...newToken, allowlist })).status, 201)
        t.equal((await call('POST', '/clients', { ...newClient, allowlist })).status, 201)
        t.equal((await call('POST', '/registration-tokens', { ...newRegistration, allowlist })).status, 201)
      }
      t.equal(
        (await call('POST', '/api-keys', { ...newKey, resource: issuer, scopes: ['invoices:write'] })).status, 201,
        'keys of another resource are the organization\'s to manage'
      )
      t.equal((await call('PATCH', path, { allowlist: ['127.0.0.7'] })).status, 200, 'it may bind itself more')
    })
  }

  for (const [kind, bound] of [['an API key', key], ['an access token', token]] as const) {
    t.test(`Y2: ${kind} with an end neither moves it nor makes or reaches for what outlives it`, async t => {
      const { path, call } = await bound({ expiresAt: end })
      for (const expiresAt of [null, '2098-01-01T00:00:00.001Z']) {
        t.match(await call('PATCH', path, { expiresAt }), {
          ...forbidden, json: { details: { field: 'expiresAt', expiresAt: end } }
        })
        t.match(await call('POST', '/api-keys', { ...newKey, expiresAt }), forbidden)
        t.match(await call('POST', '/access-tokens', { ...newToken, expiresAt }), forbidden)
      }
      t.match(await call('POST', '/clients', newClient), forbidden, 'a client has no end')
      t.match(
        await call('POST', '/registration-tokens', { ...newRegistration, expiresAt: end }), forbidden,
        'nor has what registers'
      )
      t.match(await call('POST', `${(await key({})).path}/rotate`, { overlapSeconds: 0 }), forbidden)
      t.equal((await call('POST', '/api-keys', { ...newKey, expiresAt: end })).status, 201)
      t.equal((await call('POST', '/access-tokens', { ...newToken, expiresAt: end })).status, 201)
      t.equal((await call('POST', '/clients', { ...newClient, grants: [] })).status, 201)
      t.equal((await call('POST', '/api-keys', { ...newKey, resource: issuer, scopes: ['invoices:read'] })).status, 201)
      t.equal(
        (await call('PATCH', path, { expiresAt: '2097-01-01T00:00:00Z' })).status, 200, 'it may end itself sooner'
      )
    })
  }

  t.test('Y2: a key that is restricted to objects stays so, and so do the keys that it makes', async t => {
    const { path, call } = await key({ objects: { clients: ['cli_a', 'cli_b'] } })
    for (const objects of [{}, { clients: ['cli_a', 'cli_c'] }, { other: ['cli_a'] }]) {
      t.match(await call('PATCH', path, { objects }), {
        ...forbidden, json: { details: { field: 'objects', objects: { clients: ['cli_a', 'cli_b'] } } }
      })
      t.match(await call('POST', '/api-keys', { ...newKey, objects }), forbidden)
    }
    t.match(await call('PATCH', path, { access: 'full' }), forbidden)
    t.equal((await call('POST', '/api-keys', { ...newKey, objects: { clients: ['cli_a'], other: [] } })).status, 201)
  })

  t.test('Y2: a key sets no limit, its own neither', async t => {
    const { path, call } = await key({ callsPerMinute: 50 })
    for (const limits of [{ callsPerMinute: null }, { callsPerMonth: 5 }, { creditsPerMonth: null }]) {
      t.match(await call('PATCH', path, limits), forbidden)
    }
  })

  t.test('an access token that has ended gets no other end', async t => {
    const { path } = await token({ expiresAt: new Date(clock.now().getTime() + 60_000).toISOString() })
    clock.advance(60)
    t.match(await admin('PATCH', path, { expiresAt: end }), { status: 409, json: { code: 'CREDENTIAL_EXPIRED' } })
    t.equal((await admin('PATCH', path, { name: 'renamed' })).status, 200)
  })
})

import { decodeJwt } from 'jose'
import tap from 'tap'
import { revokeApiKey, updateApiKey } from '../../src/domain/credentials/api-key-change.ts'
import { createApiKey } from '../../src/domain/credentials/api-key-creation.ts'
import { revokeClient } from '../../src/domain/authorizations/revoke-client.ts'
import { rotateClientSecret, updateClient } from '../../src/domain/credentials/client-change.ts'
import { createMember, updateMember } from '../../src/domain/members/member.ts'
import { createOrganization, updateOrganization } from '../../src/domain/tenancy/organization.ts'
import { changePolicy, planDeletion, planCreation } from '../../src/domain/access/policy-change.ts'
import { revokeResource } from '../../src/domain/declaration/resource-change.ts'
import { revokeToken } from '../../src/domain/tokens/access-token.ts'
import type { AccessTokenClaims } from '../../src/domain/tokens/token-claims.ts'
import { newApiKeyText, newManagementTokenText, newWebhookToken } from '../../src/secrets/credential-text.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { newLabelledSecret } from '../../src/secrets/random.ts'
import { basic, startServer } from '../support/authorization-server.ts'

const path = '/api/v1/oauth/introspect'
const dead = { active: false }

tap.test('I1: a client learns about its own token, truthfully and completely', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client({ allowlist: ['127.0.0.0/8'] })
  const token = (await server.token(client, secret)).body.access_token
  const { status, headers, body } = await server.post(path, { token }, { authorization: basic(client.id, secret) })
  const { iat, exp, jti } = decodeJwt(token)
  t.equal(status, 200)
  t.equal(headers.get('cache-control'), 'no-store', 'T11')
  t.strictSame(body, {
    active: true,
    scope: 'invoices:read',
    client_id: client.id,
    token_type: 'Bearer',
    exp,
    iat,
    sub: client.id,
    aud: server.api.identifier,
    iss: server.issuer,
    jti,
    org_id: server.organization.id,
    allowed_addresses: ['127.0.0.0/8'],
  })
})

tap.test('I1: who is nobody is refused, who may not know hears active:false and nothing more', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const other = await server.client()
  const wrongResource = await server.client({ introspects: [server.other.id] })
  const asker = await server.client({ introspects: [server.api.id], grants: [] })
  const token = (await server.token(client, secret)).body.access_token
  const anonymous = await server.post(path, { token })
  t.match(anonymous, { status: 401, body: { error: 'invalid_client' } })
  t.equal(anonymous.headers.get('cache-control'), 'no-store')
  t.match(await server.post(path, { token }, { authorization: basic(client.id, 'wrong') }), {
    status: 401, body: { error: 'invalid_client' }
  })
  t.match(await server.post(path, {}, { authorization: basic(client.id, secret) }), {
    status: 400, body: { error: 'invalid_request' }
  })
  t.match(await server.post(path, `token=${token}&token=${token}`, { authorization: basic(client.id, secret) }), {
    status: 400
  })
  t.strictSame(
    (await server.post(path, { token }, { authorization: basic(wrongResource.client.id, wrongResource.secret) })).body,
    dead
  )
  const refused = { status: 403, body: { error: 'access_denied', error_description: /introspects/ } }
  for (const text of [token, `${token}x`, 'x', 'lb_live_x', `lkmat_${'x'.repeat(33)}`]) {
    t.match(
      await server.post(path, { token: text }, { authorization: basic(other.client.id, other.secret) }), refused,
      text.slice(0, 12)
    )
  }
  const told = await server.post(path, { token, token_type_hint: 'refresh_token' }, {
    authorization: basic(asker.client.id, asker.secret)
  })
  t.match(told.body, { active: true, client_id: client.id }, 'a resource server that may, whatever the hint')
  const garbage = [
    'x', 'a.b.c', `${token}x`, token.slice(0, -1), token.slice(0, -3) + 'AAA', 'lb_live_' + 'a'.repeat(33), '\u0000',
    'é', '..'
  ]
  for (const each of garbage) {
    t.strictSame(
      (await server.post(path, { token: each }, { authorization: basic(asker.client.id, asker.secret) })).body, dead,
      JSON.stringify(each.slice(-12))
    )
  }
})

tap.test('LB-10, LB-11, LB-12, LB-13: whatever ends a token makes it inactive at once', async t => {
  const server = await startServer(t)
  const asker = await server.client({ introspects: [server.api.id], grants: [] })
  const ends: Record<string, (id: string) => Promise<unknown> | void> = {
    'a revoked client': id => revokeClient(server.operation, id, null),
    'changed scopes': id =>
      updateClient(server.operation, id, { grants: [{ resource: server.api.id, scopes: ['invoices:write'] }] }),
    'a changed allowlist': id => updateClient(server.operation, id, { allowlist: ['10.0.0.0/8'] }),
    'an emergency rotation': id => rotateClientSecret(server.operation, id, 0),
    time: () => server.advance(3600),
  }
  for (const [what, end] of Object.entries(ends)) {
    const { client, secret } = await server.client()
    const token = (await server.token(client, secret)).body.access_token
    const ask = async () =>
      (await server.post(path, { token }, { authorization: basic(asker.client.id, asker.secret) })).body
    t.equal((await ask()).active, true, `before ${what}`)
    await end(client.id)
    t.strictSame(await ask(), dead, what)
  }
  const { client, secret } = await server.client()
  const token = (await server.token(client, secret)).body.access_token
  await updateOrganization(server.operation, server.organization.id, { status: 'suspended' })
  const own = await createOrganization(server.operation, { name: 'Watcher' })
  const watcher = await server.client({ organizationId: own.id, introspects: [server.api.id], grants: [] })
  t.strictSame(
    (await server.post(path, { token }, { authorization: basic(watcher.client.id, watcher.secret) })).body, dead,
    'a suspended organization'
  )
  await updateOrganization(server.operation, server.organization.id, { status: 'active' })
  await revokeResource(server.operation, server.api.id)
  t.strictSame(
    (await server.post(path, { token }, { authorization: basic(watcher.client.id, watcher.secret) })).body, dead,
    'a revoked resource'
  )
})

tap.test('an API key can be introspected by who may introspect for its resource, and by nobody else', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const asker = await server.client({ introspects: [server.api.id], grants: [] })
  const expiresAt = new Date(Math.floor(server.clock().getTime() / 1000) * 1000 + 60_000)
  const { key, text } = await createApiKey(server.operation, {
    organizationId: server.organization.id,
    resource: server.api.id,
    environment: 'test',
    name: 'ci',
    scopes: ['invoices:read', 'portal-provision'],
    allowlist: ['192.0.2.7'],
    expiresAt
  })
  const ask = async () =>
    (await server.post(path, { token: text }, { authorization: basic(asker.client.id, asker.secret) })).body
  t.strictSame(await ask(), {
    active: true,
    scope: 'invoices:read portal-provision',
    token_type: 'api_key',
    exp: expiresAt.getTime() / 1000,
    iat: Math.floor(key.createdAt.getTime() / 1000),
    sub: key.id,
    aud: server.api.identifier,
    org_id: server.organization.id,
    environment: 'test',
    allowed_addresses: ['192.0.2.7']
  })
  t.match(await server.post(path, { token: text }, { authorization: basic(client.id, secret) }), {
    status: 403,
    body: { error: 'access_denied' }
  })
  await revokeApiKey(server.operation, key.id, null)
  t.strictSame(await ask(), dead)
})

tap.test('what was told of a credential is not told again once it has changed', async t => {
  const server = await startServer(t)
  const { operation, api, organization } = server
  const watcher = await server.client({ introspects: [api.id], grants: [] })
  const { client, secret } = await server.client({
    grants: [{ resource: api.id, scopes: ['invoices:read', 'invoices:write'] }]
  })
  const token = (await server.token(client, secret)).body.access_token as string
  const member = await createMember(operation, {
    organizationId: organization.id, name: 'Ada', role: 'member', scopes: ['invoices:*']
  })
  const { key, text } = await createApiKey(operation, {
    organizationId: organization.id,
    resource: api.id,
    environment: 'live',
    name: 'ci',
    scopes: ['invoices:read', 'invoices:write'],
    creatorId: member.id
  })
  const told = async (credential: string) => {
    const { active, scope, allowed_addresses: allowed } =
      (await server.post(path, { token: credential }, { authorization: basic(watcher.client.id, watcher.secret) })).body
    return { active, scope, allowed }
  }
  const everything = { active: true, scope: 'invoices:read invoices:write', allowed: undefined }
  for (const each of [token, text, token, text]) t.strictSame(await told(each), everything)
  const policy = await changePolicy(
    operation,
    planCreation(operation, {
      organizationId: organization.id, name: 'read only', effect: 'deny', conditions: { scopes: ['*:write'] }
    }),
    true
  )
  for (const each of [token, text]) {
    t.strictSame(await told(each), { ...everything, scope: 'invoices:read' }, 'a policy')
  }
  await changePolicy(operation, planDeletion(operation, policy.id), true)
  for (const each of [token, text]) t.strictSame(await told(each), everything, 'no policy any more')
  await updateApiKey(operation, key.id, { allowlist: ['192.0.2.7'] })
  t.strictSame(await told(text), { ...everything, allowed: ['192.0.2.7'] }, 'an allowlist')
  await updateApiKey(operation, key.id, { allowlist: [], scopes: ['invoices:read'] })
  t.strictSame(await told(text), { ...everything, scope: 'invoices:read' }, 'fewer scopes')
  await updateMember(operation, member.id, { scopes: ['invoices:write'] })
  t.strictSame(await told(text), { ...everything, scope: undefined }, 'what its member may do')
  const sibling = (await server.token(client, secret)).body.access_token as string
  t.strictSame(await told(sibling), everything, 'another token')
  await revokeToken(operation, decodeJwt(token) as unknown as AccessTokenClaims)
  t.strictSame(await told(token), { active: false, scope: undefined, allowed: undefined }, 'a revoked token')
  t.strictSame(await told(sibling), everything, 'and not its sibling')
})

tap.test('the admin token is no token to introspect', async t => {
  const server = await startServer(t, { adminTokenDigest: digestOf('the admin token') })
  const { client, secret } = await server.client({ introspects: [server.api.id] })
  t.strictSame(
    (await server.post(path, { token: 'the admin token' }, { authorization: basic(client.id, secret) })).body, dead
  )
})

tap.test('I2: the owner ends its token at once, nobody else does, and both hear 200', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const other = await server.client({ introspects: [server.api.id] })
  const own = basic(client.id, secret)
  const foreign = basic(other.client.id, other.secret)
  const fresh = async () => (await server.token(client, secret)).body.access_token as string
  const isActive = async (token: string) => (await server.post(path, { token }, { authorization: own })).body.active
  const revoke = async (token: string, authorization: string, more = {}) =>
    await server.post('/api/v1/oauth/revoke', { token, ...more }, { authorization })

  const token = await fresh()
  const sibling = await fresh()
  t.match(await revoke(token, foreign), { status: 200, text: '' }, 'another client')
  t.equal(await isActive(token), true)
  for (const each of ['nonsense', 'a.b.c', `${token}x`]) {
    t.match(await revoke(each, own), { status: 200, text: '' }, each.slice(-8))
  }
  t.match(await revoke(token, own, { token_type_hint: 'refresh_token' }), { status: 200, text: '' }, 'a wrong hint')
  t.equal(await isActive(token), false)
  t.equal(await isActive(sibling), true, 'its sibling lives')
  t.match(await revoke(token, own), { status: 200 }, 'again')
  t.equal((await server.store.audit.page({ limit: 50, after: null }, { type: 'token.revoked' })).items.length, 1)
  t.match(await server.post('/api/v1/oauth/revoke', { token }), { status: 401, body: { error: 'invalid_client' } })
  t.match(await server.post('/api/v1/oauth/revoke', {}, { authorization: own }), {
    status: 400, body: { error: 'invalid_request' }
  })
  server.advance(3600)
  t.match(await revoke(sibling, own), { status: 200, text: '' }, 'an expired one')
})

tap.test('what is no token of a client is not revoked here, by its form and whether there is one, and the answer says so', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const own = basic(client.id, secret)
  const others = [
    newManagementTokenText(), newWebhookToken(), ...['lkadm', 'lkrgt', 'lkrat'].map(newLabelledSecret),
    newApiKeyText('api', 'live')
  ]
  for (const other of others) {
    t.match(await server.post('/api/v1/oauth/revoke', { token: other }, { authorization: own }), {
      status: 400, body: { error: 'unsupported_token_type' }
    }, other.slice(0, 6))
    t.match(
      await server.post('/api/v1/oauth/revoke', { token: other, token_type_hint: 'access_token' }, {
        authorization: own
      }),
      { status: 400 },
      `${other.slice(0, 6)} with a hint`
    )
  }
  t.match(
    await server.post('/api/v1/oauth/revoke', { token: `${newManagementTokenText()}x` }, { authorization: own }),
    { status: 200, text: '' }, 'what nothing is'
  )
})

tap.test('an API key is not revoked here, and the answer says so', async t => {
  const server = await startServer(t)
  const { client, secret } = await server.client()
  const { text, key } = await createApiKey(server.operation, {
    organizationId: server.organization.id, resource: server.api.id, environment: 'live', name: 'ci', scopes: []
  })
  t.match(await server.post('/api/v1/oauth/revoke', { token: text }, { authorization: basic(client.id, secret) }), {
    status: 400, body: { error: 'unsupported_token_type' }
  })
  t.equal((await server.store.apiKeys.get(key.id))!.revokedAt, null)
})

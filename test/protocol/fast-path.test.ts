/** The fast path answers as oidc-provider would, to the byte, and with the same side effects. */
import fc from 'fast-check'
import tap, { type Test } from 'tap'
import { createApiKey } from '../../src/domain/credentials/api-key-creation.ts'
import type { Client } from '../../src/domain/credentials/client.ts'
import { revokeClient } from '../../src/domain/authorizations/revoke-client.ts'
import { rotateClientSecret, updateClient } from '../../src/domain/credentials/client-change.ts'
import { createManagementToken } from '../../src/domain/credentials/management-token.ts'
import { createOrganization, deleteOrganization, updateOrganization } from '../../src/domain/tenancy/organization.ts'
import { changePolicy, planCreation, type PolicyInput } from '../../src/domain/access/policy-change.ts'
import { revokeResource, updateResource } from '../../src/domain/declaration/resource-change.ts'
import { revokeToken } from '../../src/domain/tokens/access-token.ts'
import { databases } from '../support/databases.ts'
import { basic, startServer, type TestServer } from '../support/authorization-server.ts'
import { startDifferential, type Differential } from '../support/differential.ts'

const tokenPath = '/api/v1/auth/token'
const introspectionPath = '/api/v1/oauth/introspect'
const formType = 'application/x-www-form-urlencoded'
const grant = 'grant_type=client_credentials'
const generous = {
  failuresPerClient: { max: 1e9, windowSeconds: 60 }, failuresPerAddress: { max: 1e9, windowSeconds: 60 }
}

type Headers = Record<string, string | string[]>
interface Outgoing { method?: string, path?: string, body?: string, headers?: Headers, keep?: boolean }
interface Known { client: Client, secret: string }

/** The bytes of a request. Headers that are undefined are omitted. */
function written ({ method = 'POST', path = tokenPath, body = grant, headers = {}, keep = false }: Outgoing): string {
  const all: Record<string, string | string[] | undefined> = {
    host: 'localhost',
    connection: keep ? 'keep-alive' : 'close',
    'content-type': formType,
    'content-length': String(Buffer.byteLength(body, 'latin1')),
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => [value ?? []].flat().map(each => `${name}: ${each}\r\n`))
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

const as = ({ client, secret }: Known): Headers => ({ authorization: basic(client.id, secret) })
const post = ({ client, secret }: Known): string => `client_id=${client.id}&client_secret=${secret}`
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64')
const absent = undefined as unknown as string

/** Compares both answers. `short`: whether the fast path must answer; undefined: either may. Returns whether it did. */
async function same (
  t: Test, pair: Differential, what: string, pieces: string | string[], short?: boolean
): Promise<boolean> {
  const compared = await pair.compare(...[pieces].flat())
  t.strictSame(compared.withFastPath, compared.without, what)
  t.match(compared.without.text, /^HTTP\/1\.1 \d/, `${what}: there is an answer`)
  if (short !== undefined) t.equal(compared.short, short, `${what}: ${short ? 'short' : 'not short'}`)
  return compared.short
}

async function policy (server: TestServer, input: Omit<PolicyInput, 'name'>): Promise<void> {
  await changePolicy(server.operation, planCreation(server.operation, { name: 'a policy', ...input }), true)
}

/** A client in an organization of its own. */
async function ownClient (
  server: TestServer, input: Partial<Parameters<TestServer['client']>[0]> = {}
): Promise<Known> {
  const { id: organizationId } = await createOrganization(server.operation, { name: `Own ${Math.random()}` })
  return await server.client({ organizationId, ...input })
}

for (const database of databases) {
  tap.test(`the fast path and the provider answer a token request alike, for any client [${database.name}]`, async t => {
    const server = await startServer(t, { database, algorithms: ['RS256', 'EdDSA'] })
    const { operation, api, other } = server
    const pair = await startDifferential(server, generous)
    t.teardown(pair.close)
    const both = {
      grants: [{ resource: api.id, scopes: ['invoices:read', 'invoices:write'] }, {
        resource: other.id, scopes: ['things:read']
      }]
    }
    const ask = async (what: string, who: Known, short: boolean, body = grant) => {
      await same(t, pair, what, written({ headers: as(who), body }), short)
      if (database === databases[0]) {
        await same(t, pair, `${what}, by post`, written({ body: `${body}&${post(who)}` }), short)
      }
    }
    const plain = await server.client(both)
    await ask('a client', plain, true)
    await ask('a client again', plain, true)
    await ask('its second resource', plain, true, `${grant}&resource=${encodeURIComponent(other.identifier)}`)
    await ask('its second resource, with a slash', plain, true, `${grant}&resource=${other.identifier}/`)
    await ask(
      'its second resource, in another spelling', plain, true,
      `${grant}&resource=${encodeURIComponent(other.identifier.toUpperCase())}`
    )
    for (const signingAlgorithm of ['RS256', 'EdDSA', 'ES256'] as const) {
      await updateResource(operation, other.id, { signingAlgorithm })
      await ask(
        `its second resource, signed by ${signingAlgorithm}`, plain, true,
        `${grant}&resource=${encodeURIComponent(other.identifier)}`
      )
    }
    await ask('a resource that is not there', plain, false, `${grant}&resource=https://nobody.example.test`)
    await ask('a wrong secret', { ...plain, secret: 'wrong' }, false)
    await ask('no such client', { ...plain, client: { ...plain.client, id: 'cli_nobody' } }, false)

    const bare = await server.client({ grants: [] })
    await ask('a client without a grant', bare, true)
    await ask('a client without a grant, elsewhere', bare, false, `${grant}&resource=${api.identifier}`)

    const rotated = await server.client()
    const next = await rotateClientSecret(operation, rotated.client.id, 600)
    await ask('the secret before', rotated, true)
    await ask('the secret after', { ...rotated, secret: next.secret }, true)
    const cut = await rotateClientSecret(operation, rotated.client.id, 0)
    await ask('a secret that was rotated away', rotated, false)
    await ask('the next generation', { ...rotated, secret: cut.secret }, true)

    const revoked = await server.client()
    await revokeClient(operation, revoked.client.id, null)
    await ask('a revoked client', revoked, false)
    const outside = await server.client({ allowlist: ['192.0.2.0/24'] })
    await ask('from outside the allowlist', outside, false)
    await updateClient(operation, outside.client.id, { allowlist: ['127.0.0.0/8', '::1'] })
    await ask('from inside the allowlist', outside, true)
    const suspended = await ownClient(server)
    await updateOrganization(operation, suspended.client.organizationId!, { status: 'suspended' })
    await ask('a suspended organization', suspended, false)
    await ask('a suspended organization, and a wrong secret', { ...suspended, secret: 'wrong' }, false)
    const deleted = await ownClient(server)
    await deleteOrganization(operation, deleted.client.organizationId!)
    await ask('a deleted organization', deleted, false)

    const grantless = await server.client()
    await server.store.clients.update({
      ...(await server.store.clients.get(grantless.client.id))!,
      metadata: { ...grantless.client.metadata, grant_types: [] }
    })
    await ask('a grant that is not the client\'s', grantless, false)
    const byKey = await server.client()
    await server.store.clients.update({
      ...(await server.store.clients.get(byKey.client.id))!,
      metadata: { ...byKey.client.metadata, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [] } }
    })
    await ask('a client with keys, by a secret', byKey, false)
    const registered = await server.client({ grants: [] })
    await server.store.clients.update({
      ...(await server.store.clients.get(registered.client.id))!, organizationId: null
    })
    await ask('a client of nobody', registered, true)

    const narrowed = await ownClient(server, both)
    await policy(server, {
      organizationId: narrowed.client.organizationId, effect: 'deny', conditions: { scopes: ['*:write'] }
    })
    await ask('a policy that takes a scope', narrowed, true)
    await policy(server, {
      organizationId: narrowed.client.organizationId,
      effect: 'deny',
      conditions: { scopes: ['*:read'], addresses: ['127.0.0.1'] }
    })
    await ask('policies that take all scopes', narrowed, false)
    const denied = await ownClient(server)
    await policy(server, {
      organizationId: denied.client.organizationId, effect: 'allow', conditions: { addresses: ['192.0.2.1'] }
    })
    await ask('a policy that refuses', denied, false)

    const keyOnly = await ownClient(server)
    await server.store.clients.update({
      ...(await server.store.clients.get(keyOnly.client.id))!,
      grants: [{ resourceId: api.id, scopes: ['portal-provision'] }]
    })
    await ask('an API-key-only scope', keyOnly, true)
    await server.store.resources.update({ ...(await server.store.resources.get(other.id))!, tokenLifetime: 77 })
    await ask('a resource with its own lifetime', plain, true, `${grant}&resource=${other.identifier}`)

    for (const lookup of ['client', 'organization', 'policies', 'resource', 'resourceByIdentifier'] as const) {
      pair.failing.add(lookup)
      await ask(`without an answer to ${lookup}`, plain, lookup === 'resourceByIdentifier')
      await same(
        t, pair, `${lookup} of a named resource`,
        written({ headers: as(plain), body: `${grant}&resource=${api.identifier}` }), lookup === 'resource'
      )
      await same(
        t, pair, `${lookup} for introspection`,
        written({ path: introspectionPath, headers: as(plain), body: 'token=x' })
      )
      pair.failing.clear()
    }
    await revokeResource(operation, other.id)
    await ask('a revoked resource', plain, false, `${grant}&resource=${other.identifier}`)
    server.advance(3_600)
    await ask('an hour later', plain, true)
  })

  tap.test(`the fast path and the provider introspect alike [${database.name}]`, async t => {
    const server = await startServer(t, { database })
    const { operation, api } = server
    const pair = await startDifferential(server, generous)
    t.teardown(pair.close)
    const owner = await server.client({ allowlist: ['127.0.0.0/8'] })
    const stranger = await ownClient(server, { introspects: [server.other.id] })
    const unentitled = await server.client()
    const watcher = await ownClient(server, { introspects: [api.id], grants: [] })
    const tokenOf = async ({ client, secret }: Known) =>
      (await server.token(client, secret)).body.access_token as string
    const token = await tokenOf(owner)
    const ask = async (what: string, who: Known, body: string, short: boolean) => {
      await same(t, pair, what, written({ path: introspectionPath, headers: as(who), body }), short)
      if (database === databases[0]) {
        await same(
          t, pair, `${what}, by post`, written({ path: introspectionPath, body: `${body}&${post(who)}` }), short
        )
      }
    }
    for (const [who, name] of [[owner, 'the owner'], [stranger, 'a stranger'], [watcher, 'who may']] as const) {
      for (
        const text of [
          token, `${token}x`, token.slice(0, -2), 'a.b.c', 'x', 'lb_live_x', `${token.split('.')[0]}.e30.x`
        ]
      ) await ask(`${name} about ${text.slice(-12)}`, who, `token=${text}`, who !== owner || text === token)
      await ask(`${name} with a hint`, who, `token=${token}&token_type_hint=refresh_token`, true)
      await ask(`${name} with an address`, who, `client_address=192.0.2.1&token=${token}`, true)
      await ask(
        `${name} with an address of IPv6`, who,
        `client_address=${encodeURIComponent('::ffff:192.0.2.1')}&token=${token}`, true
      )
      for (
        const odd of [
          '', 'token', 'token=', `token=${token}&token=${token}`, `token=${token}&client_address=here`,
          `token=${token}&client_address=`, `token=${token}&client_address=1.1.1.1&client_address=1.1.1.1`,
          `token=${token}&foo=bar`, `token=${token}&__proto__=x`, `token=${token}&scope=x`, 'token=%00', 'token=%e9',
          'token=%C3%A9+%', 'token=%zz'
        ]
      ) {
        await same(
          t, pair, `${name}: ${odd.slice(0, 8)}…${odd.slice(-24)}`,
          written({ path: introspectionPath, headers: as(who), body: odd })
        )
      }
      await ask(`${name}, a wrong secret`, { ...who, secret: 'wrong' }, `token=${token}`, false)
    }
    for (const text of [token, 'x', 'lb_live_x']) {
      await ask(`a client that introspects for nothing about ${text.slice(-12)}`, unentitled, `token=${text}`, false)
    }
    const { text: key } = await createApiKey(operation, {
      organizationId: server.organization.id,
      resource: api.id,
      environment: 'test',
      name: 'ci',
      scopes: ['invoices:read']
    })
    const { text: management } = await createManagementToken(
      operation, { organizationId: server.organization.id, name: 'm', scopes: ['clients:read'] } as never
    ).catch(() => ({ text: `lkmat_${'x'.repeat(33)}` }))
    for (const secret of [key, management]) {
      for (const who of [watcher, stranger]) await ask(`about ${secret.slice(0, 8)}`, who, `token=${secret}`, true)
    }

    const fate = async (what: string, end: (known: Known, text: string) => Promise<unknown> | void) => {
      const ended = await server.client()
      const text = await tokenOf(ended)
      await ask(`before ${what}`, watcher, `token=${text}`, true)
      await end(ended, text)
      await ask(what, watcher, `token=${text}`, true)
      await same(
        t, pair, `${what}, by the owner`,
        written({ path: introspectionPath, headers: as(ended), body: `token=${text}` })
      )
    }
    await fate('a revoked client', ({ client }) => revokeClient(operation, client.id, null))
    await fate('an emergency rotation', ({ client }) => rotateClientSecret(operation, client.id, 0))
    await fate('a changed allowlist', ({ client }) => updateClient(operation, client.id, { allowlist: ['192.0.2.1'] }))
    await fate(
      'a revoked token',
      async (_, text) =>
        await revokeToken(operation, JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()))
    )
    await fate(
      'a policy',
      async () =>
        await policy(server, {
          organizationId: server.organization.id,
          effect: 'deny',
          conditions: { scopes: ['invoices:read'], addresses: ['192.0.2.0/24'] }
        })
    )
    await ask('under a policy by address', watcher, `token=${token}&client_address=198.51.100.7`, true)
    for (const lookup of ['client', 'organization', 'policies', 'resourceByIdentifier', 'isTokenRevoked'] as const) {
      pair.failing.add(lookup)
      await same(
        t, pair, `without an answer to ${lookup}`,
        written({ path: introspectionPath, headers: as(watcher), body: `token=${token}` }), false
      )
      pair.failing.clear()
    }
    await fate('time', () => server.advance(3_601))
    await fate(
      'a suspended organization',
      async ({ client }) => await updateOrganization(operation, client.organizationId!, { status: 'suspended' })
    )
    await same(
      t, pair, 'revocation is not touched',
      written({ path: '/api/v1/oauth/revoke', headers: as(watcher), body: `token=${token}` }), false
    )
  })
}

tap.test('however a request is put, the fast path and the provider answer alike', async t => {
  const server = await startServer(t)
  const pair = await startDifferential(server, generous)
  t.teardown(pair.close)
  const who = await server.client({
    grants: [{ resource: server.api.id, scopes: ['invoices:read'] }, {
      resource: server.other.id, scopes: ['things:read']
    }]
  })
  const headers = as(who)
  const { id } = who.client
  const { secret } = who
  const token = (await server.token(who.client, secret)).body.access_token as string
  const all: [string, string | string[], boolean?][] = []

  for (const type of [formType, `${formType};charset=UTF-8`, `${formType}; charset=utf-8`, formType.toUpperCase()]) {
    all.push([`type ${type}`, written({ headers: { ...headers, 'content-type': type } }), true])
  }
  for (
    const type of [
      'application/json', `application/json, ${formType}`, ` ${formType}`, `${formType}\ta`, `${formType};`,
      `${formType}; charset="utf-8"`, `${formType}; charset=utf-16`, `${formType}; charset=nonsense`,
      `${formType}; boundary=x`, 'multipart/form-data; boundary=x', 'text/plain', 'nonsense', '', '*/*', absent
    ]
  ) {
    all.push([`type ${type}`, written({ headers: { ...headers, 'content-type': type } })])
  }
  for (
    const [body, short] of [
      [`${grant}&scope=invoices:write`, true], [`scope=a+b&${grant}`, true],
      [`${grant}&scope=${'a'.repeat(4_096)}`, true], [`${grant}&scope=a%20b`, true],
      ['%67rant_type=client_credentials', false], ['grant_type=client%5Fcredentials', true], [`${grant}&scope=`, false],
      [`${grant}&resource=`, false], [`${grant}&foo=bar`, false], [`${grant}&foo`, false], [`${grant}&`, false],
      [`&${grant}`, false], [`${grant}&resource=${server.api.identifier}&resource=${server.api.identifier}`, false],
      [`${grant}&resource=${server.api.identifier}&resource=${server.other.identifier}`, false],
      [`${grant}&${grant}`, false]
    ] as const
  ) all.push([`body ${body.slice(-40)}`, written({ headers, body }), short])
  for (
    const scope of [
      'a%22b', 'a%5Cb', '%C3%A9', 'a%0Ab', 'a++b', '+a', 'a+', '%20', '%00', '%', '%zz', '%ff', 'a'.repeat(4_097),
      'a+'.repeat(3_000) + 'b', 'a&scope=b', '%2B', 'a%26b', '=', 'a=b', ';', 'a;b'
    ]
  ) {
    all.push([`scope ${scope.slice(0, 20)}`, written({ headers, body: `${grant}&scope=${scope}` })])
  }
  for (
    const body of [
      '', '&', '=', '&&&', '%', 'grant_type', 'grant_type=', 'grant_type=nonsense', 'grant_type=__proto__',
      'grant_type=authorization_code', 'grant_type=Client_credentials', 'grant_type=client_credentials ',
      '\xef\xbb\xbfgrant_type=client_credentials', `${grant}&x=\xff\xfe`, `${grant}&__proto__=x`,
      `${grant}&constructor=x`, `${grant}#x`, `${grant};scope=x`, '{"grant_type":"client_credentials"}'
    ]
  ) {
    all.push([`body ${JSON.stringify(body)}`, written({ headers, body })], [
      `body ${JSON.stringify(body)} of nobody`, written({ body })
    ], [`body ${JSON.stringify(body)} by post`, written({ body: `${body}&${post(who)}` })])
  }
  for (const size of [7_000, 9_000, 57_000, 70_000]) {
    all.push([`${size} bytes`, written({ headers, body: `${grant}&scope=${'a'.repeat(size)}` }), false], [
      `${size} unknown bytes`, written({ headers, body: `${grant}&x=${'a'.repeat(size)}` }), false
    ])
  }
  all.push(['many parameters', written({ headers, body: `${'x=1&'.repeat(1_500)}${grant}` }), false])

  for (
    const body of [
      `client_secret=${secret}&client_id=${id}&${grant}`,
      `client_id=${encodeURIComponent(id)}&${grant}&client_secret=${
        [...secret].map(c => `%${c.charCodeAt(0).toString(16)}`).join('')
      }`
    ]
  ) all.push([`post ${body.slice(0, 20)}`, written({ body }), true])
  for (
    const body of [
      `${grant}&client_id=${id}`, `${grant}&client_secret=${secret}`, `${grant}&client_id=${id}&client_secret=`,
      `${grant}&client_id=&client_secret=${secret}`, `${grant}&${post(who)}&client_id=${id}`,
      `${grant}&${post(who)}&client_secret=${secret}`, `${grant}&client_id=${id}&client_secret=+${secret}`,
      `${grant}&${post(who)}&client_assertion=a.b.c`, `${grant}&${post(who)}&client_assertion_type=x`,
      `${grant}&client_assertion=a.b.c` +
        '&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer'
    ]
  ) {
    all.push([`post ${body.slice(30, 70)}…`, written({ body }), false], [
      `post and Basic ${body.slice(30, 70)}…`, written({ headers, body }), false
    ])
  }
  all.push(['Basic and the same client_id', written({ headers, body: `${grant}&client_id=${id}` }), false], [
    'Basic and another client_id', written({ headers, body: `${grant}&client_id=cli_other` }), false
  ])

  const encoded = base64(`${id}:${secret}`)
  for (const scheme of ['Basic', 'basic', 'BASIC', 'bAsIc']) {
    all.push([scheme, written({ headers: { authorization: `${scheme} ${encoded}` } }), true])
  }
  for (
    const value of [
      '',
      'Basic',
      'Basic ',
      `Basic  ${encoded}`,
      `Basic ${encoded} `,
      ` Basic ${encoded}`,
      `Basic ${encoded} x`,
      `Basic ${encoded}=`,
      `Basic ${encoded.replaceAll('=', '')}`,
      `Basic ${encoded.slice(0, 10)}=${encoded.slice(10)}`,
      'Basic -_-_',
      'Basic a=b=',
      `Basic,${encoded}`,
      `Basic\t${encoded}`,
      `Bearer ${secret}`,
      `Digest ${encoded}`,
      `Basic ${base64(id)}`,
      `Basic ${base64(`${id}:`)}`,
      `Basic ${base64(`:${secret}`)}`,
      `Basic ${base64(':')}`,
      `Basic ${base64(`${id}:${secret}:x`)}`,
      `Basic ${base64(`${id}:%zz`)}`,
      `Basic ${base64(`${id}:a+b`)}`,
      `Basic ${base64(`${id}:a b`)}`,
      `Basic ${base64(`${id}:\xe9`)}`,
      `Basic ${base64(`${id}\0:${secret}`)}`,
      `Basic ${
        base64(`${encodeURIComponent(id)}:${[...secret].map(c => `%${c.charCodeAt(0).toString(16)}`).join('')}`)
      }`,
      `Basic ${base64(`${id}:${secret}\n`)}`,
      `Basic ${base64(`${id.toUpperCase()}:${secret}`)}`,
      `Basic ${base64(`${id}:${secret}.`)}`
    ]
  ) all.push([`authorization ${value.slice(0, 30)}`, written({ headers: { authorization: value } })])
  all.push([
    'two Authorization headers',
    written({ headers: { authorization: [headers.authorization as string, headers.authorization as string] } }), false
  ], ['two content types', written({ headers: { ...headers, 'content-type': [formType, formType] } }), false])

  for (
    const [name, value] of Object.entries({
      origin: 'https://evil.test',
      dpop: 'a.b.c',
      'oauth-client-attestation': 'a.b.c',
      'oauth-client-attestation-pop': 'a.b.c',
      'content-encoding': 'gzip'
    })
  ) all.push([name, written({ headers: { ...headers, [name]: value } }), false])
  for (
    const [name, value] of Object.entries({
      accept: 'text/html',
      host: 'evil.test',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'evil.test',
      'if-none-match': '*',
      range: 'bytes=0-1',
      cookie: 'a=b',
      te: 'trailers',
      'x-http-method-override': 'GET',
      'accept-encoding': 'gzip',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'x-request-id': 'mine'
    })
  ) all.push([name, written({ headers: { ...headers, [name]: value } }), true])
  all.push(['Expect', written({ headers: { ...headers, expect: '100-continue' } }), true], [
    'another Expect', written({ headers: { ...headers, expect: 'nothing' } })
  ])
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'post', 'TRACE']) {
    all.push([method, written({ method, headers }), false])
  }
  for (
    const path of [
      `${tokenPath}?`, `${tokenPath}?x=y`, `${tokenPath}?client_id=${id}`, `${tokenPath}?scope=x`, `${tokenPath}/`,
      `/${tokenPath}`, tokenPath.toUpperCase(), '/api/v1/auth/%74oken', `http://evil.test${tokenPath}`, `${tokenPath}#x`
    ]
  ) all.push([path, written({ path, headers })])

  const request = written({ headers })
  const split = request.indexOf('\r\n\r\n') + 4
  all.push(
    ['the body in a second packet', [request.slice(0, split), request.slice(split)], true],
    ['the body in two more packets', [request.slice(0, split), request.slice(split, -5), request.slice(-5)]],
    ['the body cut', [request.slice(0, -5), request.slice(-5)]],
    ['the headers cut', [request.slice(0, 40), request.slice(40)], true]
  )
  const refused = written({ headers: { authorization: basic(id, 'wrong') } })
  all.push(['a refusal in two packets', [refused.slice(0, -grant.length), refused.slice(-grant.length)], false])
  all.push([
    'chunked',
    written({
      headers: { ...headers, 'content-length': absent, 'transfer-encoding': 'chunked' },
      body: `1d\r\n${grant}\r\n0\r\n\r\n`
    }),
    false
  ])
  all.push(['chunked, in pieces', [
    written({
      headers: { ...headers, 'content-length': absent, 'transfer-encoding': 'chunked' },
      body: `5\r\n${grant.slice(0, 5)}\r\n`
    }),
    `18\r\n${grant.slice(5)}\r\n`,
    '0\r\n\r\n'
  ], false])
  for (const length of ['0', '028', '28.0', '-1', 'x', '28, 28', absent]) {
    all.push([
      `content-length ${length}`,
      written({
        headers: { ...headers, 'content-length': length }, body: length === '0' || length === absent ? '' : grant
      })
    ])
  }
  const kept = written({ headers, keep: true })
  const asked = written({ path: introspectionPath, headers, body: `token=${token}`, keep: true })
  all.push(['pipelined', kept + asked + kept + request, true], [
    'pipelined with refusals',
    kept + written({ headers: { authorization: basic(id, 'wrong') }, keep: true }) + asked + request, true
  ], ['kept alive', [kept, asked, kept, request], true])
  all.push(['HTTP/1.0', request.replace('HTTP/1.1', 'HTTP/1.0'), true])

  let short = 0
  for (const [what, pieces, expected] of all) short += Number(await same(t, pair, what, pieces, expected))
  t.ok(short >= 40, `${short} of ${all.length} went the short way`)
})

tap.test('N3: failures count alike, and a right secret passes on either way', async t => {
  const server = await startServer(t)
  const pair = await startDifferential(server, {
    failuresPerClient: { max: 3, windowSeconds: 60 }, failuresPerAddress: { max: 6, windowSeconds: 60 }
  })
  t.teardown(pair.close)
  const attacked = await server.client()
  const unrelated = await server.client()
  await same(t, pair, 'before', written({ headers: as(attacked) }), true)
  for (let i = 0; i < 3; i++) {
    await same(t, pair, `failure ${i}`, written({ headers: basicOf(attacked, 'wrong') }), false)
  }
  await same(t, pair, 'one too many', written({ headers: basicOf(attacked, 'wrong') }), false)
  await same(t, pair, 'the right secret', written({ headers: as(attacked) }), true)
  await same(
    t, pair, 'one too many, at introspection',
    written({ path: introspectionPath, body: 'token=x', headers: basicOf(attacked, 'wrong') }), false
  )
  for (let i = 0; i < 5; i++) {
    await same(
      t, pair, `stranger ${i}`,
      written({ headers: basicOf({ ...attacked, client: { ...attacked.client, id: `cli_${i}` } }, 'x') }), false
    )
  }
  await same(t, pair, 'who proves itself passes', written({ headers: as(unrelated) }), true)
  server.advance(61)
  await same(t, pair, 'a minute later', written({ headers: as(attacked) }), true)
})

function basicOf ({ client }: Known, secret: string): Headers {
  return { authorization: basic(client.id, secret) }
}

tap.test('T9: who fails costs one look-up of the client, whether there is such a client or not', async t => {
  const asked: string[] = []
  const server = await startServer(t, {
    registry: real => new Proxy(real, {
      get: (target, name: keyof typeof real) => (argument: string) => {
        if (name === 'client') asked.push(argument)
        return (target[name] as (argument: string) => unknown).call(target, argument)
      },
    }),
  })
  const { client, secret } = await server.client()
  await server.token(client, 'wrong')
  t.strictSame(asked.splice(0).map(id => id === client.id), [true, false], 'the client, and one that is not there')
  await server.token({ ...client, id: 'cli_nobody' }, secret)
  t.strictSame(asked.splice(0), ['cli_nobody'])
  await server.token(client, secret)
  t.strictSame(asked, [client.id])
})

tap.test('whatever form and credentials look like, the fast path and the provider answer alike', async t => {
  const server = await startServer(t)
  const pair = await startDifferential(server, generous)
  t.teardown(pair.close)
  const who = await server.client({
    grants: [{ resource: server.api.id, scopes: ['invoices:read'] }, {
      resource: server.other.id, scopes: ['things:read']
    }],
    introspects: [server.api.id]
  })
  const second = await server.client()
  const token = (await server.token(second.client, second.secret)).body.access_token as string
  let tried = 0
  let short = 0
  await fc.assert(
    fc.asyncProperty(requests(server, who, token), async request => {
      const { withFastPath, without, short: wasShort } = await pair.compare(written(request))
      tried++
      short += Number(wasShort)
      if (JSON.stringify(withFastPath) !== JSON.stringify(without)) {
        throw new Error(`with: ${JSON.stringify(withFastPath, null, 1)}\nwithout: ${JSON.stringify(without, null, 1)}`)
      }
    }),
    { numRuns: 250 }
  )
  t.ok(short > tried / 8, `${short} of ${tried} went the short way`)
})

/** Requests by a grammar: mostly valid, or wrong in one or several places. */
function requests (server: TestServer, { client, secret }: Known, token: string): fc.Arbitrary<Outgoing> {
  const seldom = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd })
  const noise = fc.oneof(
    fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom('', ' ', '+', '%', '%%', '%41', '%zz', '%C3%A9', '=', 'a b', '\0')
  )
  const values: Record<string, fc.Arbitrary<string>> = {
    grant_type: seldom(fc.constant('client_credentials'), noise),
    scope: seldom(fc.constantFrom('invoices:read', 'a b', 'x'), noise),
    resource: seldom(
      fc.constantFrom(server.api.identifier, server.other.identifier, `${server.other.identifier}/`), noise
    ),
    client_id: seldom(fc.constant(client.id), noise),
    client_secret: seldom(fc.constant(secret), noise),
    token: seldom(fc.constant(token), noise),
    token_type_hint: noise,
    client_address: seldom(fc.constantFrom('192.0.2.1', '2001:db8::1'), noise),
    client_assertion: noise,
    '': noise,
    x: noise,
  }
  const spelled = (text: string) =>
    fc.constantFrom(
      encodeURIComponent(text.toWellFormed()), text.replaceAll(/[^\x21-\x7e]/g, '?'),
      new URLSearchParams([['', text]]).toString().slice(1)
    )
  const pair = (name: string) =>
    values[name]!.chain(value => seldom(fc.constant(value), noise)).chain(spelled).map(value => `${name}=${value}`)
  const odd = fc.oneof(
    fc.constantFrom(...Object.keys(values)).chain(pair), noise.map(text => text.replaceAll(/[^\x20-\x7e]/g, '?'))
  )
  const form = (...names: string[]) =>
    fc.tuple(fc.tuple(...names.map(pair)), seldom(fc.constant<string[]>([]), fc.array(odd, { maxLength: 2 })))
      .chain(([right, wrong]) =>
        fc.shuffledSubarray([...right, ...wrong], { minLength: right.length + wrong.length }).map(pairs =>
          pairs.join('&')
        )
      )
  const pairText = fc.tuple(values.client_id!, seldom(fc.constant(':'), noise), values.client_secret!).map(parts =>
    parts.join('')
  )
  const credential = fc.tuple(
    seldom(fc.constantFrom('Basic ', 'basic '), fc.constantFrom('', 'Basic', 'Basic  ', 'Bearer ', 'x ')), pairText
  )
    .map(([scheme, text]) => scheme + Buffer.from(text).toString('base64'))
  const authorization = seldom(
    credential, fc.tuple(credential, fc.nat({ max: 100 })).map(([text, cut]) => text.slice(0, cut).trim())
  )
  const type = seldom(
    fc.constantFrom(formType, `${formType}; charset=utf-8`),
    fc.constantFrom(`${formType};charset=latin1`, 'text/plain', `${formType},x`)
  )
  const inHeader = (path: string, ...names: string[]) =>
    fc.record({
      path: fc.constant(path), body: form(...names), headers: fc.record({ authorization, 'content-type': type })
    })
  const inBody = (path: string, ...names: string[]) =>
    fc.record({
      path: fc.constant(path),
      body: form(...names, 'client_id', 'client_secret'),
      headers: fc.record({ 'content-type': type })
    })
  const ways = [inHeader, inBody].flatMap(way => [
    way(tokenPath, 'grant_type'),
    way(tokenPath, 'grant_type', 'resource'),
    way(tokenPath, 'grant_type', 'scope'),
    way(tokenPath, 'grant_type', 'scope', 'resource'),
    way(introspectionPath, 'token'),
    way(introspectionPath, 'token', 'client_address')
  ])
  return fc.oneof(...ways)
}

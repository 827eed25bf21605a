import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import tap from 'tap'
import { rotateClientSecret, updateClient } from '../../src/domain/credentials/client-change.ts'
import type { Client } from '../../src/domain/credentials/client.ts'
import {
  abandonedAfter, replaceClientMetadata, registerClient
} from '../../src/domain/credentials/client-registration.ts'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { updateOrganization } from '../../src/domain/tenancy/organization.ts'
import { updateResource } from '../../src/domain/declaration/resource-change.ts'
import { databases } from '../support/databases.ts'
import { basic, startServer, type TestServer } from '../support/authorization-server.ts'

const path = '/api/v1/oauth/register'
const metadata = { client_name: 'agent', grant_types: ['client_credentials'] }

function bearer (token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

async function registered (server: TestServer, body: object = metadata) {
  return (await server.send('POST', path, body, bearer(await server.registrationToken()))).body
}

const count = async (server: TestServer) =>
  (await server.store.clients.page({ limit: 200, after: null }, {})).items.length

tap.test('LB-17, R1: a client registers, sees what was registered, and goes straight on to a token', async t => {
  const server = await startServer(t)
  const authorization = bearer(await server.registrationToken()).authorization!
  const sent = {
    ...metadata,
    client_id: 'mine',
    client_secret: 'mine',
    registration_access_token: 'mine',
    organizationId: 'org_mine',
    scopes: ['portal-provision'],
    unknown_member: { deep: true },
    software_id: 'x',
    contacts: ['a@example.test'],
    client_uri: 'https://agent.example.test'
  }
  const { status, headers, body } = await server.send('POST', path, sent, { authorization })
  t.equal(status, 201)
  t.equal(headers.get('cache-control'), 'no-store', 'T11')
  t.match(headers.get('content-type'), /^application\/json/)
  t.strictSame(Object.keys(body).sort(), [
    'client_id',
    'client_id_issued_at',
    'client_name',
    'client_secret',
    'client_secret_expires_at',
    'client_uri',
    'contacts',
    'grant_types',
    'registration_access_token',
    'registration_client_uri',
    'response_types',
    'scope',
    'software_id',
    'token_endpoint_auth_method'
  ])
  t.match(body, {
    client_id: /^cli_/,
    client_secret_expires_at: 0,
    client_name: 'agent',
    scope: 'invoices:read',
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic'
  })
  t.equal(body.registration_client_uri, `${server.issuer}${path}/${body.client_id}`)
  t.not(body.client_secret, 'mine')
  const minted = await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, {
    authorization: basic(body.client_id, body.client_secret)
  })
  t.equal(minted.status, 200)
  t.equal(decodeJwt(minted.body.access_token).org_id, server.organization.id)
  t.equal(minted.body.scope, 'invoices:read')
})

tap.test('R2, LB-14: what is asked for is a hint; API-key-only scopes do not come through', async t => {
  const server = await startServer(t)
  for (const scope of ['admin invoices:write portal-provision', 'portal-provision', '', '"']) {
    t.equal((await registered(server, { ...metadata, scope })).scope, 'invoices:read', scope)
  }
  const { client_id: id, client_secret: secret } = await registered(server, { ...metadata, scope: 'portal-provision' })
  await updateResource(server.operation, server.api.id, {
    scopes: server.api.scopes.map(scope => ({ ...scope, keyOnly: true }))
  })
  t.notOk(
    'scope' in
      (await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, {
        authorization: basic(id, secret)
      })).body
  )
})

tap.test('R2: closed is closed, and says so in the metadata', async t => {
  const server = await startServer(t, { registration: 'closed' })
  const { status, body } = await server.send('POST', path, metadata, bearer(await server.registrationToken()))
  t.equal(status, 403)
  t.equal(body.error, 'access_denied')
  t.notOk('registration_endpoint' in (await server.send('GET', '/.well-known/oauth-authorization-server')).body)
})

tap.test('R2, R4: with tokens, only a good token registers, and a bad header is never more than a bad header', async t => {
  const server = await startServer(t)
  const before = await count(server)
  const none = await server.send('POST', path, metadata)
  t.match(none, { status: 401, body: { error: 'invalid_token' } })
  t.equal(none.headers.get('www-authenticate'), 'Bearer')
  const bad = await server.send('POST', path, metadata, bearer('lkrgt_nobody'))
  t.match(bad, { status: 401, body: { error: 'invalid_token' } })
  t.equal(bad.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  for (
    const authorization of [
      'Bearer', 'Bearer ', 'Bearer a b', 'bearer', 'Basic YTpi', 'é', `Bearer ${'x'.repeat(8_000)}`, 'Bearer "x"'
    ]
  ) {
    const { status } = await server.send('POST', path, metadata, { authorization })
    t.ok(status === 400 || status === 401, `${authorization.slice(0, 20)}: ${status}`)
  }
  t.equal(await count(server), before, 'nothing was registered')
})

for (const database of databases) {
  tap.test(`a registration token counts its uses, also when many race [${database.name}]`, async t => {
    const server = await startServer(t, { database })
    const token = await server.registrationToken({ uses: 3 })
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () => await server.send('POST', path, metadata, bearer(token)))
    )
    t.equal(answers.filter(({ status }) => status === 201).length, 3)
    t.equal(answers.filter(({ status }) => status === 401).length, 9)
    const expiring = await server.registrationToken({ expiresAt: new Date(server.clock().getTime() + 60_000) })
    t.equal((await server.send('POST', path, metadata, bearer(expiring))).status, 201)
    server.advance(60)
    t.equal((await server.send('POST', path, metadata, bearer(expiring))).status, 401)
    const suspended = await server.registrationToken()
    await updateOrganization(server.operation, server.organization.id, { status: 'suspended' })
    t.equal((await server.send('POST', path, metadata, bearer(suspended))).status, 401)
  })
}

for (const database of databases) {
  tap.test(`a registered client that was never used is removed after eight days, and none that is given a token at that moment [${database.name}]`, async t => {
    const server = await startServer(t, { database, registration: 'open' })
    const register = async () =>
      await registerClient(server.operation, {
        ...metadata, token_endpoint_auth_method: 'client_secret_basic', response_types: []
      }, null)
    const ask = async ({ client, secret }: Awaited<ReturnType<typeof register>>) => await server.token(client, secret!)
    const kept = async ({ client }: Awaited<ReturnType<typeof register>>) =>
      await server.store.clients.get(client.id) !== null
    const early = await register()
    const late = await register()
    const never = await register()
    const [claimed, replaced] = [await register(), await register()]
    const racing = await Promise.all(Array.from({ length: 12 }, register))
    server.advance(6.9 * 86_400)
    t.equal((await ask(early)).status, 200)
    server.advance(0.2 * 86_400)
    await runHousekeeping(server.operation)
    t.ok(await kept(early), 'its use may still wait to be written')
    t.ok(await kept(never))
    server.advance(86_400)
    for (let i = 0; i < 2; i++) t.equal((await ask(late)).status, 200)
    await updateClient(server.operation, claimed.client.id, { organizationId: server.organization.id })
    await replaceClientMetadata(server.operation, replaced.client.id, {
      ...replaced.client.metadata, client_name: 'another name'
    })
    t.ok((await server.registry.client(late.client.id))?.lastUsedAt, 'the next use is an ordinary one')
    const answers = racing.map(ask)
    await runHousekeeping(server.operation)
    t.ok(await kept(late), 'it was used a moment ago')
    for (const each of [claimed, replaced]) t.ok(await kept(each), 'somebody saw to it')
    t.notOk(await kept(never))
    t.strictSame((await ask(never)).status, 401)
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      t.equal(await kept(racing[i]!), answer.status === 200, `${answer.status}`)
    }
    t.equal((await ask(late)).status, 200)
  })
}

tap.test('a registered client that another server removes at its first use after a week gets nothing', async t => {
  const server = await startServer(t, {
    registration: 'open',
    // As the cache of a server that has not applied the removal.
    registry: real => new Proxy(real, {
      get (target, name: keyof typeof real) {
        if (name === 'client') return async (id: string) => await real.client(id) ?? kept.get(id) ?? null
        const member = target[name]
        return typeof member === 'function' ? member.bind(target) : member
      }
    })
  })
  const kept = new Map<string, Client>()
  const { body } = await server.send('POST', path, metadata)
  const introspect = async () =>
    await server.post('/api/v1/oauth/introspect', { token: 'x' }, {
      authorization: basic(body.client_id, body.client_secret)
    })
  server.advance(abandonedAfter + 1)
  kept.set(body.client_id, (await server.store.clients.get(body.client_id))!)
  await server.store.clients.remove(body.client_id)
  t.match(await introspect(), { status: 401, body: { error: 'invalid_client' } })
})

tap.test('open registration gives nothing but a name, and a bad token is not waved through', async t => {
  const server = await startServer(t, { registration: 'open' })
  const { status, body } = await server.send('POST', path, { ...metadata, scope: 'invoices:read' })
  t.equal(status, 201)
  t.notOk('scope' in body)
  const stored = (await server.store.clients.get(body.client_id))!
  t.match(stored, { organizationId: null, grants: [] })
  const minted = await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, {
    authorization: basic(body.client_id, body.client_secret)
  })
  t.equal(minted.status, 200)
  t.notOk('scope' in minted.body)
  t.equal(decodeJwt(minted.body.access_token).aud, server.issuer)
  t.equal((await server.send('POST', path, metadata, bearer('lkrgt_nobody'))).status, 401)
  t.equal(
    (await server.send('POST', path, metadata, bearer(await server.registrationToken()))).body.scope, 'invoices:read'
  )
})

tap.test('R3: strangers register a few an hour, per address and together', async t => {
  const server = await startServer(t, {
    registration: 'open',
    limits: { registrationsPerAddress: { max: 2, windowSeconds: 3600 }, registrations: { max: 3, windowSeconds: 3600 } }
  })
  const from = async (remoteAddress: string) =>
    await server.app.inject({ method: 'POST', url: path, payload: metadata, remoteAddress })
  t.equal((await from('2001:db8::1')).statusCode, 201)
  t.equal((await from('2001:db8::ffff:1')).statusCode, 201)
  const limited = await from('2001:db8::abc')
  t.equal(limited.statusCode, 429, 'one /64 is one address')
  t.match(limited.headers['retry-after'], /^\d+$/)
  t.equal((await from('192.0.2.1')).statusCode, 201)
  t.equal((await from('192.0.2.2')).statusCode, 429, 'everybody together')
  t.equal(
    (await server.send('POST', path, metadata, bearer(await server.registrationToken()))).status, 201,
    'a token is not counted'
  )
  server.advance(3601)
  t.equal((await from('2001:db8::1')).statusCode, 201)
})

tap.test('bad metadata is refused by the name of the member, and changes nothing', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const { publicKey: wrongCurve } = await generateKeyPair('ES384')
  const ok = await exportJWK(publicKey)
  const keys = (...keys: unknown[]) => ({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } })
  const before = await count(server)
  const bad: [Record<string, unknown>, string, RegExp][] = [
    [{ client_name: 5 }, 'invalid_client_metadata', /client_name/],
    [{ client_name: 'x'.repeat(201) }, 'invalid_client_metadata', /client_name/],
    [{ client_name: '\u202e\u0000' }, 'invalid_client_metadata', /client_name/],
    [{ grant_types: 'client_credentials' }, 'invalid_client_metadata', /grant_types/],
    [{ grant_types: ['authorization_code'] }, 'invalid_client_metadata', /authorization_code takes a redirect URI/],
    [{ grant_types: ['refresh_token'] }, 'invalid_client_metadata', /refresh_token takes authorization_code/],
    [
      { grant_types: ['refresh_token'], redirect_uris: ['https://x.example.test/cb'] }, 'invalid_client_metadata',
      /refresh_token takes authorization_code/
    ],
    [{ grant_types: ['implicit'] }, 'invalid_client_metadata', /client_credentials, authorization_code/],
    [{ grant_types: [] }, 'invalid_client_metadata', /grant_types/],
    [{ grant_types: [null] }, 'invalid_client_metadata', /grant_types/],
    [{ response_types: {} }, 'invalid_client_metadata', /response_types/],
    [
      { token_endpoint_auth_method: 'none' }, 'invalid_client_metadata',
      /client_credentials takes a client that proves itself/
    ],
    [
      { token_endpoint_auth_method: 'tls_client_auth' }, 'invalid_client_metadata',
      /client_secret_basic, client_secret_post, private_key_jwt, none/
    ],
    [{ token_endpoint_auth_method: 'client_secret_jwt' }, 'invalid_client_metadata', /token_endpoint_auth_method/],
    [{ token_endpoint_auth_method: ['none'] }, 'invalid_client_metadata', /token_endpoint_auth_method/],
    [{ scope: ['x'] }, 'invalid_client_metadata', /scope/],
    [{ contacts: 'a@example.test' }, 'invalid_client_metadata', /contacts/],
    [{ contacts: ['<script>'] }, 'invalid_client_metadata', /contacts/],
    [
      { contacts: ['a'.repeat(2_049)] }, 'invalid_client_metadata',
      /An entry of contacts has more than 2048 characters/
    ],
    [{ contacts: ['a\u0000@b.test'] }, 'invalid_client_metadata', /An entry of contacts has a control character/],
    [{ logo_uri: 'javascript:alert(1)' }, 'invalid_client_metadata', /logo_uri/],
    [{ client_uri: 'data:text/html,x' }, 'invalid_client_metadata', /client_uri/],
    [{ tos_uri: 7 }, 'invalid_client_metadata', /tos_uri/],
    [{ application_type: 'desktop' }, 'invalid_client_metadata', /application_type/],
    [{ software_statement: 'a.b.c' }, 'invalid_client_metadata', /software_statement/],
    [{ jwks_uri: 'https://evil.example.test/jwks' }, 'invalid_client_metadata', /jwks_uri.*jwks/],
    [{ sector_identifier_uri: 'https://evil.example.test' }, 'invalid_client_metadata', /sector_identifier_uri/],
    [{ request_uris: ['https://evil.example.test'] }, 'invalid_client_metadata', /request_uris/],
    [{ token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata', /jwks/],
    [{ jwks: 'x' }, 'invalid_client_metadata', /jwks/],
    [{ jwks: { keys: [5] } }, 'invalid_client_metadata', /jwks/],
    [
      { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'HS256', jwks: { keys: [ok] } },
      'invalid_client_metadata', /token_endpoint_auth_signing_alg/
    ],
    [keys(), 'invalid_client_metadata', /jwks/],
    [keys(await exportJWK(privateKey)), 'invalid_client_metadata', /jwks\.keys\[0\].*private/],
    [keys({ kty: 'oct', k: 'AAAA' }), 'invalid_client_metadata', /jwks\.keys\[0\]/],
    [keys(ok, await exportJWK(wrongCurve)), 'invalid_client_metadata', /jwks\.keys\[1\]/],
    [keys({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }), 'invalid_client_metadata', /jwks\.keys\[0\]/],
    [keys(null), 'invalid_client_metadata', /jwks\.keys\[0\]/],
    [keys(...Array.from({ length: 11 }, () => ok)), 'invalid_client_metadata', /10/],
  ]
  for (const [change, error, sentence] of bad) {
    const { status, headers, body } = await server.send('POST', path, { ...metadata, ...change }, bearer(token))
    t.equal(status, 400, JSON.stringify(change).slice(0, 60))
    t.strictSame(Object.keys(body).sort(), ['error', 'error_description'])
    t.equal(body.error, error, JSON.stringify(change).slice(0, 60))
    t.match(body.error_description, sentence)
    t.equal(headers.get('cache-control'), 'no-store')
  }
  t.equal(await count(server), before)
})

tap.test('A3: dangerous redirect URIs are never stored', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const dangerous = [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)//',
    'java\tscript:alert(1)',
    ' javascript:alert(1)',
    'javascript\n:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://x.example.test/1',
    'about:blank',
    'https://user:pass@x.example.test/',
    '/relative',
    '',
    'https://x.example.test\\@evil.test',
    `https://x.example.test/${'a'.repeat(2_048)}`,
    'https://'
  ]
  for (const uri of dangerous) {
    t.match(await server.send('POST', path, { ...metadata, redirect_uris: [uri] }, bearer(token)), {
      status: 400, body: { error: 'invalid_redirect_uri', error_description: /redirect_uris\[0\]/ }
    }, JSON.stringify(uri.slice(0, 40)))
  }
  t.match(
    (await server.send('POST', path, { ...metadata, redirect_uris: ['javascript:alert(1)'] }, bearer(token))).body
      .error_description,
    /javascript, which is never safe/
  )
  for (
    const list of [
      'https://x.example.test', [5], [null], {}, Array.from({ length: 11 }, (_, i) => `https://x.example.test/${i}`)
    ]
  ) {
    t.match(await server.send('POST', path, { ...metadata, redirect_uris: list }, bearer(token)), {
      status: 400, body: { error: 'invalid_redirect_uri' }
    })
  }
  const good: [string[], string][] = [
    [['https://x.example.test/cb'], 'web'],
    [['http://localhost:3000/cb', 'http://127.0.0.1/cb', 'http://[::1]:7/'], 'native'],
    [['com.example.app:/cb'], 'native'],
    [['https://x.example.test/cb', 'http://localhost/cb'], 'native']
  ]
  for (const [uris, type] of good) {
    t.match(await server.send('POST', path, { ...metadata, redirect_uris: uris }, bearer(token)), {
      status: 201, body: { redirect_uris: uris, application_type: type }
    }, uris.join(' '))
  }
  const notTaken = [
    'http://localhost.evil.test/', 'http://127.0.0.1.evil.test/', 'http://x.example.test/cb', 'myapp://x/cb'
  ]
  const kept = ['https://x.example.test/cb']
  const answer = await server.send('POST', path, { ...metadata, redirect_uris: [...notTaken, ...kept] }, bearer(token))
  t.strictSame([answer.status, answer.body.redirect_uris], [201, kept], 'what is not taken is left out')
})

tap.test('A3, RFC 7591 §3.2.1: a redirect URI of a kind that is not taken is left out, and the answer has what was kept', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const taken = 'https://x.example.test/cb'
  const others = [
    'http://example.test/cb', 'http://127.0.0.1.evil.test/cb', 'http://localhost.evil.test/', `${taken}#fragment`,
    'myapp://callback', 'https://X.example.test/cb', 'https://x.example.test:443/cb', 'https://x.example.test/*'
  ]
  for (const uri of others) {
    const { status, body } = await server.send(
      'POST', path, { ...metadata, redirect_uris: [uri, taken] }, bearer(token)
    )
    t.same([status, body.redirect_uris, body.application_type], [201, [taken], 'web'], uri)
    const none = await server.send('POST', path, { ...metadata, redirect_uris: [uri] }, bearer(token))
    t.same([none.status, none.body.redirect_uris], [201, []], uri)
    t.match(
      await server.send('POST', path, { ...metadata, redirect_uris: [uri, 'javascript:alert(1)'] }, bearer(token)),
      { status: 400, body: { error: 'invalid_redirect_uri', error_description: /redirect_uris\[1\]/ } }
    )
  }
})

tap.test('R2, RFC 7591 §2: a client that acts for people registers its redirect URIs, and has a secret only if it proves itself by one', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const register = async (more: object) =>
    await server.send('POST', path, { client_name: 'agent', ...more }, bearer(token))
  const redirectUris = ['http://127.0.0.1/cb', 'cursor://anysphere.cursor-mcp/oauth/callback']
  const both = ['authorization_code', 'refresh_token']
  const asked = { redirect_uris: redirectUris, grant_types: both, response_types: ['code'] }
  const agent = await register({ ...asked, token_endpoint_auth_method: 'none', scope: 'invoices:read' })
  t.match(agent, {
    status: 201,
    body: {
      redirect_uris: redirectUris,
      grant_types: both,
      response_types: ['code'],
      application_type: 'native',
      token_endpoint_auth_method: 'none',
    }
  })
  t.notOk('client_secret' in agent.body || 'client_secret_expires_at' in agent.body)
  t.strictSame((await server.store.clients.get(agent.body.client_id))?.secrets, [])
  const confidential = await register({ ...asked, redirect_uris: ['https://x.example.test/cb'] })
  t.match(confidential.body, {
    application_type: 'web', token_endpoint_auth_method: 'client_secret_basic', client_secret: /^.{43}$/
  })
  const cases: [object, string[]][] = [
    [{ redirect_uris: redirectUris }, both],
    [{ redirect_uris: redirectUris, token_endpoint_auth_method: 'none' }, both],
    [{ redirect_uris: [] }, ['client_credentials']],
    [{}, ['client_credentials']],
    [{ redirect_uris: redirectUris, grant_types: ['authorization_code'] }, ['authorization_code']],
    [{ redirect_uris: redirectUris, grant_types: [...both, 'client_credentials', 'implicit'] },
      ['client_credentials', ...both]],
    [{ redirect_uris: [], grant_types: [...both, 'client_credentials'] }, ['client_credentials']],
    [{ redirect_uris: redirectUris, grant_types: [...both, 'client_credentials'], token_endpoint_auth_method: 'none' },
      both],
    [{ redirect_uris: redirectUris, grant_types: ['refresh_token', 'client_credentials'] }, ['client_credentials']],
  ]
  for (const [more, kept] of cases) {
    const { status, body } = await register(more)
    t.strictSame([status, body.grant_types], [201, kept], JSON.stringify(more))
    t.strictSame(body.response_types, kept.includes('authorization_code') ? ['code'] : [])
  }
})

tap.test('A1, A3: a client that acts for people is refused with a redirect URI that is not taken, which is named', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const refusedOnes: [string, RegExp][] = [
    ['https://x.example.test/cb#f', /fragment/], ['http://x.example.test/cb', /use https/],
    ['myapp://cb', /reversed domain name/], ['https://*.example.test/cb', /wildcard/],
    ['https://X.example.test/cb', /write https:\/\/x\.example\.test\/cb/]
  ]
  for (const [uri, sentence] of refusedOnes) {
    for (const grants of [{ grant_types: ['authorization_code'] }, {}]) {
      const sent = { client_name: 'agent', redirect_uris: ['https://x.example.test/cb', uri], ...grants }
      const { status, body } = await server.send('POST', path, sent, bearer(token))
      t.match([status, body.error, body.error_description], [400, 'invalid_redirect_uri', /^redirect_uris\[1\] /], uri)
      t.match(body.error_description, sentence)
    }
  }
  const web = { application_type: 'web', redirect_uris: ['com.example.app:/cb'] }
  t.match(await server.send('POST', path, web, bearer(token)), {
    status: 400, body: { error: 'invalid_redirect_uri', error_description: /application_type native/ }
  })
})

tap.test('A1, RFC 7592 §2.2: a registered client replaces its redirect URIs, and does not change how it proves itself', async t => {
  const server = await startServer(t)
  const agent = { client_name: 'agent', token_endpoint_auth_method: 'none' }
  const uris = (...uris: string[]) => ({ ...agent, redirect_uris: uris })
  const { client_id: id, registration_access_token: own } = await registered(server, uris('https://x.example.test/cb'))
  const replace = async (body: object) =>
    await server.send('PUT', `${path}/${id}`, { client_id: id, ...body }, bearer(own))
  t.match(await replace(uris('https://x.example.test/other')), {
    status: 200, body: { redirect_uris: ['https://x.example.test/other'] }
  })
  const dotted = await replace(uris('https://x.example.test/a/../cb'))
  t.match(dotted, { status: 400, body: { error: 'invalid_redirect_uri' } })
  for (const method of ['client_secret_basic', 'client_secret_post']) {
    t.match(await replace({ ...uris('https://x.example.test/cb'), token_endpoint_auth_method: method }), {
      status: 400, body: { error: 'invalid_client_metadata', error_description: /register again/ }
    })
  }
  t.strictSame((await server.store.clients.get(id))?.metadata.redirect_uris, ['https://x.example.test/other'])
})

tap.test('RFC 7591 §2, RFC 7592 §2.2: a member that is null was not sent', async t => {
  const server = await startServer(t)
  const unset = Object.fromEntries([
    'redirect_uris',
    'response_types',
    'client_uri',
    'logo_uri',
    'scope',
    'contacts',
    'tos_uri',
    'policy_uri',
    'jwks',
    'jwks_uri',
    'software_id',
    'software_version',
    'software_statement',
    'token_endpoint_auth_method',
    'token_endpoint_auth_signing_alg',
    'application_type',
    'request_uris',
    'sector_identifier_uri'
  ].map(member => [member, null]))
  const plain = await registered(server)
  const nulls = await registered(server, { ...unset, ...metadata })
  t.strictSame(Object.keys(nulls).sort(), Object.keys(plain).sort())
  t.equal((await registered(server, { ...unset, client_name: null, grant_types: null })).client_name, undefined)
  const own = {
    ...unset,
    ...metadata,
    client_name: 'renamed',
    client_id: nulls.client_id,
    client_secret: null,
    registration_access_token: null,
    client_id_issued_at: null
  }
  const replaced = await server.send('PUT', `${path}/${nulls.client_id}`, own, bearer(nulls.registration_access_token))
  t.match(replaced, {
    status: 200, body: { client_name: 'renamed', token_endpoint_auth_method: 'client_secret_basic' }
  })
  t.match(
    await server.send(
      'PUT', `${path}/${nulls.client_id}`, { ...own, client_id: null }, bearer(nulls.registration_access_token)
    ),
    { status: 400 }
  )
})

tap.test('N5, N6: bodies that are no metadata are refused before they are looked at', async t => {
  const server = await startServer(t)
  const token = await server.registrationToken({ uses: null })
  const json = { ...bearer(token), 'content-type': 'application/json' }
  const bodies = [
    '', '{', 'null', '[]', '"x"', '5', '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}',
    '{"client_name":"x","\\u005f_proto__":{}}', '[[[[', `{"client_name":${'['.repeat(5_000)}`
  ]
  for (const body of bodies) {
    const answer = await server.send('POST', path, body, json)
    t.equal(answer.status, 400, body.slice(0, 30))
    t.strictSame(Object.keys(answer.body).sort(), ['error', 'error_description'])
  }
  t.notOk('polluted' in {})
  const large = await server.send('POST', path, { ...metadata, client_name: 'x'.repeat(17_000) }, bearer(token))
  t.match(large, { status: 413, body: { error: 'invalid_request' } })
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense']) {
    t.match(await server.send('POST', path, JSON.stringify(metadata), { ...json, 'content-type': type }), {
      status: 400, body: { error: 'invalid_request' }
    }, type)
  }
})

tap.test('what a name hides is taken out of it', async t => {
  const server = await startServer(t)
  t.equal((await registered(server, { client_name: ' a\u202egent\u0007\r\n ' })).client_name, 'agent')
})

tap.test('R6: a client reads itself, never its secret', async t => {
  const server = await startServer(t)
  const created = await registered(server)
  const { status, headers, body } = await server.send(
    'GET', `${path}/${created.client_id}`, undefined, bearer(created.registration_access_token)
  )
  t.equal(status, 200)
  t.equal(headers.get('cache-control'), 'no-store')
  const { client_secret: secret, client_secret_expires_at: _, ...rest } = created
  t.strictSame(body, rest)
  t.notOk(JSON.stringify(body).includes(secret))
  const stored = JSON.stringify(await server.store.clients.get(created.client_id))
  t.notOk(stored.includes(secret) || stored.includes(created.registration_access_token), 'T10: only digests are kept')
})

tap.test('R6: a registration access token is good for its own client alone', async t => {
  const server = await startServer(t)
  const one = await registered(server)
  const other = await registered(server)
  const operator = await server.client()
  for (const id of [other.client_id, operator.client.id, 'cli_nobody', '..%2f..', '__proto__']) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await server.send(
        method, `${path}/${id}`, method === 'PUT' ? { ...metadata, client_id: id } : undefined,
        bearer(one.registration_access_token)
      )
      t.match(answer, { status: 401, body: { error: 'invalid_token' } }, `${method} ${id}`)
      t.equal(answer.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
    }
  }
  t.equal((await server.send('GET', `${path}/${one.client_id}`)).headers.get('www-authenticate'), 'Bearer')
  t.equal((await server.send('GET', `${path}/${one.client_id}`, undefined, bearer(one.client_secret))).status, 401)
  for (const { client_id: id, registration_access_token: token } of [one, other]) {
    t.equal((await server.send('GET', `${path}/${id}`, undefined, bearer(token))).status, 200)
  }
})

tap.test('R6: PUT replaces what describes a client and cannot widen what it may do', async t => {
  const server = await startServer(t)
  const created = await registered(server, { ...metadata, client_uri: 'https://old.example.test' })
  const url = `${path}/${created.client_id}`
  const headers = bearer(created.registration_access_token)
  const before = (await server.store.clients.get(created.client_id))!
  const { status, body } = await server.send('PUT', url, {
    client_id: created.client_id,
    client_secret: created.client_secret,
    client_name: 'renamed',
    scope: 'invoices:write portal-provision',
    organizationId: 'org_x',
    generation: 99,
    allowlist: [],
    introspects: [server.api.id]
  }, headers)
  t.equal(status, 200)
  t.match(body, { client_name: 'renamed', scope: 'invoices:read', client_id: created.client_id })
  t.notOk('client_uri' in body, 'what is not sent is gone')
  t.notOk('client_secret' in body)
  const after = (await server.store.clients.get(created.client_id))!
  t.strictSame([after.grants, after.organizationId, after.allowlist, after.introspects, after.generation], [
    before.grants, before.organizationId, before.allowlist, before.introspects, before.generation
  ])

  const own = { client_id: created.client_id, client_name: 'again' }
  const refused: Record<string, unknown>[] = [
    { client_name: 'again' },
    { ...own, client_id: 'cli_other' },
    { ...own, client_secret: 'wrong' },
    { ...own, client_secret: 5 },
    { ...own, registration_access_token: 'x' },
    { ...own, registration_client_uri: 'x' },
    { ...own, client_id_issued_at: 1 },
    { ...own, client_secret_expires_at: 0 },
    { ...own, grant_types: ['authorization_code'] },
    { ...own, token_endpoint_auth_method: 'none' },
    {
      ...own,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK((await generateKeyPair('ES256')).publicKey)] }
    }
  ]
  for (const each of refused) {
    t.match(
      await server.send('PUT', url, each, headers), { status: 400, body: { error: 'invalid_client_metadata' } },
      JSON.stringify(each).slice(0, 80)
    )
  }
  t.equal((await server.store.clients.get(created.client_id))!.name, 'renamed', 'nothing of it was kept')
  t.equal(
    (await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, {
      authorization: basic(created.client_id, created.client_secret)
    })).status,
    200
  )
  const { secret } = await rotateClientSecret(server.operation, created.client_id, 0)
  t.equal(
    (await server.send('PUT', url, { ...own, client_secret: created.client_secret }, headers)).status, 400,
    'a former secret'
  )
  t.equal((await server.send('PUT', url, { ...own, client_secret: secret }, headers)).status, 200)
})

for (const database of databases) {
  tap.test(`R6: a PUT that changes nothing leaves the client and the audit log as they are, and changes have a limit [${database.name}]`, async t => {
    const server = await startServer(t, {
      database,
      limits: { changesPerClient: { max: 2, windowSeconds: 3_600 }, repeatsPerClient: { max: 6, windowSeconds: 3_600 } }
    })
    const jwk = await exportJWK((await generateKeyPair('ES256')).publicKey)
    const described = {
      token_endpoint_auth_method: 'private_key_jwt',
      client_name: 'agent',
      contacts: ['a@example.test'],
      jwks: { keys: [{ ...jwk, kid: 'k1' }] }
    }
    const created = await registered(server, described)
    const put = (body: Record<string, unknown>, one = created) =>
      server.send(
        'PUT', `${path}/${one.client_id}`, { client_id: one.client_id, ...body }, bearer(one.registration_access_token)
      )
    const rows = async () =>
      (await server.store.audit.page({ limit: 100, after: null }, { subject: created.client_id })).items.map((
        { type }
      ) => type)
    const before = (await server.store.clients.get(created.client_id))!
    for (let i = 0; i < 5; i++) t.equal((await put(described)).status, 200)
    t.strictSame(await server.store.clients.get(created.client_id), before, 'its tokens live on')
    t.strictSame(await rows(), ['client.registered'])
    for (const name of ['first', 'second']) {
      t.match(await put({ ...described, client_name: name }), { status: 200, body: { client_name: name } })
    }
    const refused = await put({ ...described, client_name: 'third' })
    t.match(refused, {
      status: 429, body: { error: 'slow_down', error_description: 'Too many changes of this client; try again later.' }
    })
    t.equal(refused.headers.get('retry-after'), '3600')
    t.equal((await put({ ...described, client_name: 'second' })).status, 200, 'what changes nothing is no change')
    t.match(
      await put({ ...described, client_name: 'second' }), { status: 429, body: { error: 'slow_down' } },
      'but has a limit of its own: all servers have to hear of it'
    )
    const other = await registered(server, { ...described, client_name: 'other' })
    t.equal(
      (await put({ ...described, client_name: 'another' }, other)).status, 200,
      'the limit of one is not that of another'
    )
    t.strictSame((await rows()).sort(), ['client.registered', 'client.updated', 'client.updated'])
    t.equal((await server.store.clients.get(created.client_id))!.generation, before.generation)
    server.advance(3_600)
    t.equal((await put({ ...described, client_name: 'third' })).status, 200)
  })
}

tap.test('a client registers keys of its own and has no secret', async t => {
  const server = await startServer(t)
  const jwk = await exportJWK((await generateKeyPair('ES256')).publicKey)
  const created = await registered(server, {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [{ ...jwk, kid: 'k1', evil: true }] }
  })
  t.strictSame(created.jwks, { keys: [{ ...jwk, kid: 'k1', use: 'sig' }] })
  t.notOk('client_secret' in created || 'client_secret_expires_at' in created)
  t.equal(created.token_endpoint_auth_signing_alg, 'ES256')
})

tap.test('R6: DELETE ends a client and its tokens at once, and the row stays', async t => {
  const server = await startServer(t)
  const asker = await server.client({ introspects: [server.api.id] })
  const created = await registered(server)
  const authorization = basic(created.client_id, created.client_secret)
  const token =
    (await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, { authorization })).body.access_token
  const url = `${path}/${created.client_id}`
  const deleted = await server.send('DELETE', url, undefined, {
    authorization: bearer(created.registration_access_token).authorization!
  })
  t.match(deleted, { status: 204, text: '' })
  t.match(await server.post('/api/v1/auth/token', { grant_type: 'client_credentials' }, { authorization }), {
    status: 401, body: { error: 'invalid_client' }
  })
  t.strictSame(
    (await server.post('/api/v1/oauth/introspect', { token }, { authorization: basic(asker.client.id, asker.secret) }))
      .body,
    { active: false }
  )
  for (const method of ['GET', 'DELETE']) {
    t.equal((await server.send(method, url, undefined, bearer(created.registration_access_token))).status, 401, method)
  }
  t.ok((await server.store.clients.get(created.client_id))!.revokedAt)
})

tap.test('the registration endpoints take their methods and no others', async t => {
  const server = await startServer(t)
  for (
    const [url, methods, allow] of [[path, ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'], 'POST'], [`${path}/x`, [
      'POST', 'PATCH', 'OPTIONS'
    ], 'GET, HEAD, PUT, DELETE']] as const
  ) {
    for (const method of methods) {
      const answer = await server.send(method, url)
      t.equal(answer.status, 405, `${method} ${url}`)
      t.equal(answer.headers.get('allow'), allow)
      t.equal(answer.headers.get('access-control-allow-origin'), null)
    }
  }
})

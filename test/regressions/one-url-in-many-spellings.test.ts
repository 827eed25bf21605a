/**
 * Equivalent spellings of a URL are one resource (RFC 3986 §6.2.2, §6.2.3), and its tokens carry the operator's
 * spelling.
 */
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import tap from 'tap'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { normalIdentifier } from '../../src/domain/resources/resource-identifier.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { databases } from '../support/databases.ts'
import { startOnEachDatabase, startServer } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

/** Each line is one URL; the first spelling is the normal form. */
const same: readonly (readonly string[])[] = [
  [
    'https://api.a.test/', 'https://api.a.test', 'HTTPS://API.a.TEST', 'https://api.a.test:443',
    'https://api.a.test:443/', 'https://api.a.test:/', 'https://api.a.test/.', 'https://%61pi.a.test'
  ],
  ['http://api.a.test/', 'http://api.a.test:80', 'HTTP://api.A.test/'],
  ['https://api.a.test:8443/', 'https://API.a.test:8443', 'https://api.a.test:08443'],
  [
    'https://api.a.test/v1', 'https://API.a.test/v1', 'https://api.a.test:443/v1', 'https://api.a.test/./v1',
    'https://api.a.test/v0/../v1', 'https://api.a.test/v0/%2e%2E/v1', 'https://api.a.test/%76%31'
  ],
  ['https://api.a.test/%C3%A9?q=%2F', 'https://api.a.test/%c3%a9?q=%2f'],
  ['https://[2001:db8::7]/', 'https://[2001:DB8:0:0::7]:443', 'https://[2001:db8::7]'],
  ['cursor://callback.test/', 'cursor://Callback.Test', 'CURSOR://callback.test/'],
  ['urn:a:B', 'URN:a:B', 'urn:a:%42'],
  // A stray percent sign stays one, and does not combine with the decoded escape behind it.
  ['https://api.a.test/%25Aa', 'https://api.a.test/%%41a', 'https://api.a.test/%25%41a'],
]
/**
 * No two of these are equivalent: path and query are case-sensitive, and a trailing slash, `?` and escapes of reserved
 * characters are significant.
 */
const different = [
  ...same.map(([first]) => first!),
  'https://api.a.test/V1',
  'https://api.a.test/v1/',
  'https://api.a.test/v1?',
  'https://api.a.test/v1?Q',
  'https://api.a.test/v1?q',
  'https://api.a.test/a/b',
  'https://api.a.test/a%2Fb',
  'https://api.a.test./',
  'https://me@api.a.test/',
  'urn:a:b',
  'https://api.a.test/v1//',
  'https://api.a.test/v1/%25%37'
]

tap.test('C7: the normal form of a URL is that of all of its spellings, and of no other URL', async t => {
  for (const [normal, ...others] of same) {
    for (const each of [normal!, ...others]) t.equal(normalIdentifier(each), normal, each)
  }
  t.equal(new Set(different.map(normalIdentifier)).size, different.length)
  for (
    const text of [
      '', 'res_a', 'https://', 'https://api.a.test\n', ' https://api.a.test', `https://a.test/${'x'.repeat(1_000)}/../y`
    ]
  ) {
    t.equal(normalIdentifier(text), text, 'what names no resource stays as it is')
  }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.webUrl({ withQueryParameters: true }),
        fc.string({ unit: fc.constantFrom(...'hHtTpPsS:/.%26eE2fF?#@[]aZ0\\') })
      ),
      text => normalIdentifier(normalIdentifier(text)) === normalIdentifier(text)
    ),
    { numRuns: 3_000 }
  )
})

for (const { name, server } of servers) {
  const { admin, send, issuer, createOrganization, createClient, createKey, tokenRequest, tokenFor } = server
  const scopes = [{ name: 'read' }]
  const taken = { status: 409, json: { code: 'CONFLICT' } }
  const origin = `https://api.${name}.test`

  tap.test(`C7: a URL that is declared is not declared again in another spelling, by nobody [${name}]`, async t => {
    const [one, other] = [(await createOrganization()).id, (await createOrganization()).id]
    const upper = `HTTPS://API.${name}.test:443/mcp`
    t.equal((await admin('POST', '/mcp-servers', { identifier: upper, organization: one, scopes })).status, 201)
    for (const identifier of [`${origin}/mcp`, `https://api.${name}.TEST/mcp`, `${origin}:443/a/../mcp`]) {
      for (const organization of [one, other]) {
        t.match(await admin('POST', '/resources', { identifier, organization, scopes }), taken, identifier)
      }
      t.match(await admin('POST', '/mcp-servers', { identifier, organization: other, scopes }), taken, identifier)
      t.notMatch(
        (await admin('POST', '/resources', { identifier, organization: other, scopes })).text, upper,
        'how the other wrote it is not told'
      )
      t.match((await admin('GET', `/resources/${encodeURIComponent(identifier)}`)).json, {
        identifier: upper, organization: one
      })
      t.match((await admin('GET', `/mcp-servers/${encodeURIComponent(identifier)}`)).json, { identifier: upper })
      for (const list of ['resources', 'mcp-servers']) {
        t.match((await admin('GET', `/${list}?identifier=${encodeURIComponent(identifier)}`)).json.data, [{
          identifier: upper
        }], list)
      }
    }
    for (const identifier of [issuer.toUpperCase(), `${issuer}/`, issuer.replace('localhost', 'LocalHost')]) {
      t.match(await admin('POST', '/resources', { identifier, scopes }), taken, identifier)
    }
    t.match(
      await admin('POST', '/resources', { identifier: `${issuer}/api/../api/v1`, scopes }), taken,
      'nor the management API'
    )
  })

  tap.test(`C7: of many who declare one URL at once, each in another spelling, one does [${name}]`, async t => {
    const host = `https://race.${name}.test`
    const spellings = [host, `${host}/`, `${host}:443`, host.toUpperCase(), `${host}/.`, `https://%72ace.${name}.test`]
    const answers = await Promise.all(
      spellings.map(async identifier => (await admin('POST', '/resources', { identifier, scopes })).status)
    )
    t.strictSame(answers.sort(), [201, ...spellings.slice(1).map(() => 409)])
  })

  tap.test(`C7: clients, keys, tokens and guards name it as they like; what is answered names it as it was declared [${name}]`, async t => {
    const organization = (await createOrganization()).id
    const identifier = `https://Pay.${name}.test:443`
    const spellings = [identifier, `https://pay.${name}.test`, `https://pay.${name}.test/`, `HTTPS://PAY.${name}.TEST`]
    t.match(await admin('POST', '/resources', { identifier, organization, scopes }), {
      status: 201, json: { identifier }
    })
    for (const resource of spellings) {
      const client = await createClient({
        organization, grants: [{ resource, scopes: ['read'] }], introspects: [resource]
      })
      t.match((await admin('GET', `/clients/${client.clientId}`)).json, {
        grants: [{ resource: identifier }], introspects: [identifier]
      })
      for (const asked of spellings) {
        const token = await tokenFor(client, { resource: asked })
        t.equal(decodeJwt(token).aud, identifier, 'a foreign verifier compares bytes')
      }
      const twice = new URLSearchParams({
        grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret
      })
      for (const asked of spellings) twice.append('resource', asked)
      const answer = await send({ method: 'POST', path: '/api/v1/auth/token', body: twice })
      t.match(answer, { status: 200, json: { scope: 'read' } }, 'several spellings are one resource')
      const body = new URLSearchParams({
        token: answer.json.access_token, client_id: client.clientId, client_secret: client.clientSecret
      })
      t.match((await send({ method: 'POST', path: '/api/v1/oauth/introspect', body })).json, {
        active: true, aud: identifier
      })
      twice.append('resource', issuer)
      t.match(await send({ method: 'POST', path: '/api/v1/auth/token', body: twice }), {
        status: 400, json: { error: 'invalid_target' }
      }, 'another one is another one')
      t.match(await tokenRequest(client, { resource: `${resource}/x`.replace('//x', '/x') }), {
        status: 400, json: { error: 'invalid_target' }
      })
      await createKey({ organization, resource, scopes: ['read'] })
    }
    const grants = spellings.slice(0, 2).map(resource => ({ resource, scopes: ['read'] }))
    t.match(await admin('POST', '/clients', { name: 'twice', organization, grants }), {
      status: 400, json: { details: { field: 'grants' } }
    })
    for (const resource of spellings) {
      t.equal(
        (await admin('GET', `/api-keys?resource=${encodeURIComponent(resource)}`)).json.data.length, spellings.length
      )
      t.match(
        (await admin('POST', '/registration-tokens', { organization, name: 'agents', resource, scopes: ['read'] }))
          .json,
        { resource: identifier }
      )
      t.equal(
        (await admin('POST', '/policies', {
          organization, name: 'p', effect: 'deny', conditions: { resources: [resource] }
        })).status,
        201
      )
    }
  })

  tap.test(`C7: metadata of a resource at this origin is found by every spelling of its path [${name}]`, async t => {
    const identifier = `${issuer}/t%c3%a9/mcp`
    t.equal((await admin('POST', '/resources', { identifier, scopes })).status, 201)
    for (const path of ['/t%c3%a9/mcp', '/t%C3%A9/mcp', '/%74%C3%A9/mcp']) {
      t.match(await send({ path: `/.well-known/oauth-protected-resource${path}` }), {
        status: 200, json: { resource: identifier }
      }, path)
    }
    t.equal((await send({ path: '/.well-known/oauth-protected-resource/T%C3%A9/mcp' })).status, 404)
    t.match(
      await send({ path: '/.well-known/oauth-protected-resource/' }), { status: 200, json: { resource: issuer } },
      'an origin and its slash'
    )
  })
}

tap.test('C7: routes are guarded for a resource in whatever spelling they name it', async t => {
  const server = await startServer({
    mount: async (app, latchkey) => {
      await createResource(latchkey.operation, {
        identifier: 'https://Guarded.test:443',
        scopes: [{ name: 'read', keyOnly: false, description: null }],
        style: styles.rfc9457
      })
      await app.register(async api => {
        await api.register(latchkey.guard, { resource: 'https://guarded.test' })
        api.get('/thing', { config: { scopes: ['read'] } }, async ({ principal }) => ({ resource: principal.resource }))
      }, { prefix: '/guarded' })
    },
  })
  t.teardown(server.close)
  const client = await server.createClient({ grants: [{ resource: 'HTTPS://GUARDED.TEST', scopes: ['read'] }] })
  const token = await server.tokenFor(client)
  t.match(await server.bearer(token, '/guarded/thing'), { status: 200, json: { resource: 'https://Guarded.test:443' } })
  t.equal((await server.bearer(token)).status, 401, 'and for no other')
})

for (const { name, empty } of databases) {
  tap.test(`C7: an issuer moves to where a resource is declared, in whatever spelling: its names are the deployment's [${name}]`, async t => {
    const { url, drop } = await empty()
    t.teardown(drop)
    const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
    const before = await startServer({ database: url, environment, bare: true })
    const { id } = (await before.admin('POST', '/resources', { identifier: 'HTTP://127.0.0.1:9/', scopes: [] })).json
    await before.close()
    const after = await startServer({ database: url, environment, issuer: 'http://127.0.0.1:9', bare: true })
    t.teardown(after.close)
    const { resources } = after.latchkey.operation.store
    t.match(await resources.byIdentifier('http://127.0.0.1:9'), { id: 'res_host' })
    t.match(await resources.get(id), { identifier: `HTTP://127.0.0.1:9/#${id}` })
  })
}

/** Keys imported from other systems, of every format, wherever a credential is checked; on both databases. */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import tap, { type Test } from 'tap'
import type { Latchkey } from '../../src/app.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { isJwtByForm } from '../../src/domain/tokens/access-token.ts'
import { databases } from '../support/databases.ts'
import { basic, startServer, type Json, type TestServer } from '../support/test-server.ts'

const craftdesk = 'https://craftdesk.test/v1'
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Formats of keys in use: words with dots, three parts that could be base64url, 16 and 512 characters. */
const forms = [
  'acme.live.4f2a4f2a4f2a', 'eyJraW5kIjoia2V5In0.c2VjcmV0.c2VjcmV0', `${base64url(['alg'])}.e30.x`, '~key+with/marks==',
  'a2b4c6d8e0f2a4b6', 'k'.repeat(512)
]

async function mount (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  await createResource(latchkey.operation, {
    identifier: craftdesk,
    scopes: [{ name: 'projects:read', keyOnly: false, description: null }],
    style: styles.craftdesk
  })
  await app.register(async api => {
    await api.register(latchkey.guard, { resource: craftdesk })
    api.get(
      '/projects', { config: { scopes: ['projects:read'] } },
      async ({ principal }) => ({ kind: principal.kind, id: principal.id })
    )
  }, { prefix: '/v1' })
}

async function start (
  t: Test, database: typeof databases[number]
): Promise<TestServer & { organization: string, take(text: string, more?: Json): Promise<string> }> {
  const { url, drop } = await database.fresh()
  const server = await startServer({ database: url, mount })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  const { id: organization } = await server.createOrganization()
  const take = async (text: string, more: Json = {}): Promise<string> => {
    const digest = createHash('sha256').update(text).digest('hex')
    const answer = await server.admin('POST', '/api-keys/import', {
      organization, resource: craftdesk, environment: 'live', name: 'legacy', access: 'full', digest, hint: '…', ...more
    })
    t.equal(answer.status, 201, answer.text)
    return answer.json.id
  }
  return { ...server, organization, take }
}

for (const database of databases) {
  tap.test(`K7: an imported key of any form works as bearer and says what it is on routes for any resource [${database.name}]`, async t => {
    const server = await start(t, database)
    for (const text of forms) {
      const id = await server.take(text)
      t.match(
        await server.bearer(text, '/v1/projects'), { status: 200, json: { kind: 'api_key', id } }, text.slice(0, 40)
      )
      t.match(await server.withKey(text, '/api/v1/api-key'), { status: 200, json: { id } })
      t.match(await server.withKey(text, '/api/v1/principal'), { status: 200, json: { kind: 'api_key', id } })
      await server.admin('POST', `/api-keys/${id}/revoke`)
      t.match(await server.withKey(text, '/api/v1/api-key'), {
        status: 401, json: { details: { reason: 'invalid_api_key' } }
      }, 'and is refused once it is revoked')
      t.equal((await server.bearer(text, '/v1/projects')).status, 401)
    }
    for (const text of [forms[0]!.slice(0, -1), 'k'.repeat(513), 'short']) {
      t.match(await server.withKey(text, '/api/v1/api-key'), {
        status: 401, json: { details: { reason: 'invalid_api_key' } }
      }, 'nobody\'s')
    }
  })

  tap.test(`I1: introspection knows an imported key of any form, and revocation does not pass over it [${database.name}]`, async t => {
    const server = await start(t, database)
    const asker = await server.createClient({ organization: server.organization, introspects: [craftdesk] })
    const post = (path: string, token: string) =>
      server.send({
        method: 'POST',
        path: `/api/v1/oauth/${path}`,
        headers: { authorization: basic(asker.clientId, asker.clientSecret) },
        body: new URLSearchParams({ token })
      })
    for (const text of forms) {
      const id = await server.take(text)
      t.match((await post('introspect', text)).json, {
        active: true, token_type: 'api_key', sub: id, aud: craftdesk, scope: 'projects:read'
      }, text.slice(0, 40))
      t.match(
        await post('revoke', text), { status: 400, json: { error: 'unsupported_token_type' } },
        'a 200 would say that it is dead'
      )
      await server.admin('POST', `/api-keys/${id}/revoke`)
      t.strictSame((await post('introspect', text)).json, { active: false })
    }
    t.strictSame((await post('introspect', 'somebody.elses.key')).json, { active: false })
    t.equal((await post('revoke', 'somebody.elses.key')).status, 200)
    const elsewhere = await server.createClient({ organization: server.organization, introspects: [server.issuer] })
    await server.take('acme.live.another-key')
    const told = await server.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      headers: { authorization: basic(elsewhere.clientId, elsewhere.clientSecret) },
      body: new URLSearchParams({ token: 'acme.live.another-key' })
    })
    t.strictSame(told.json, { active: false }, 'who may not introspect for its resource')
  })

  tap.test(`a token stays a token where keys travel as bearer [${database.name}]`, async t => {
    const server = await start(t, database)
    await server.take(forms[0]!)
    const client = await server.createClient({
      organization: server.organization, grants: [{ resource: craftdesk, scopes: ['projects:read'] }], scopes: undefined
    })
    const token = await server.tokenFor(client)
    t.match(await server.bearer(token, '/v1/projects'), {
      status: 200, json: { kind: 'access_token', id: client.clientId }
    })
    const [header, payload, signature] = token.split('.')
    server.lines.length = 0
    for (
      const altered of [
        `${header}.${payload}.${signature!.slice(0, -4)}AAAA`, `${base64url({ alg: 'none' })}.${payload}.`
      ]
    ) t.equal((await server.bearer(altered, '/v1/projects')).status, 401)
    t.match(server.lines.filter(line => line.includes('"refused"')).map(line => JSON.parse(line).reason), [
      'malformed', 'malformed'
    ])
  })
}

tap.test('what strangers make up costs no query, whether keys were imported or not', async t => {
  const server = await start(t, databases[0]!)
  const { registry, telemetry: { metrics } } = server.latchkey
  let before = 0
  const queries = () =>
    metrics.statements.entries().reduce(
      (sum, [operation, , , { count }]) => operation === 'read' ? sum + count : sum, -before
    )
  /** The first request also loads the records that every request needs. */
  const ask = async (stranger: string) => {
    for (let i = 0; i < 20; i++) {
      await server.withKey(`made-up-by-${stranger}-${i}`, '/api/v1/api-key')
      await server.bearer(`made.up.by-${stranger}-${i}`, '/v1/projects')
    }
    return queries()
  }
  before += await ask('one')
  t.equal(await ask('another'), 0, 'without imported keys')
  const id = await server.take(forms[0]!)
  before += await ask('a-third')
  await ask('a-fourth')
  t.equal(queries(), 0, 'beside imported keys')
  const digest = createHash('sha256').update(forms[0]!).digest('base64url')
  const resource = (await server.latchkey.operation.store.resources.byIdentifier(craftdesk))!.id
  before = 0
  before = queries()
  t.match(await registry.importedApiKey(digest, resource), { id })
  t.equal(queries(), 1, 'what was imported is asked for')
  for (const known of [resource, null]) {
    t.match(registry.importedApiKey(digest, known), { id }, 'and known from then on')
  }
  t.equal(registry.importedApiKey(digest.replace(/^./, c => c === 'A' ? 'B' : 'A'), resource), null)
  t.equal(registry.importedApiKey(digest, 'res_host'), null, 'nor is it asked for at another resource')
  t.equal(queries(), 1)
})

tap.test('a JWT by its form: three parts of base64url, the first an object that names an algorithm', async t => {
  const header = base64url({ alg: 'ES256' })
  for (const text of [`${header}.e30.c2ln`, `${header}.e30.`, `${base64url({ typ: 'JWT', alg: 'none' })}.e30.x`]) {
    t.equal(isJwtByForm(text), true, text)
  }
  for (
    const text of [
      '', '..', 'a.b.c', 'acme.live.4f2a', header, `${header}.e30`, `${header}.e30.c2ln.x`, `${header}.e30.c2ln.x.y`,
      `${header}=.e30.c2ln`, `${header}.e30.c2+n`, `${header}..c2ln`, `${base64url('ES256')}.e30.c2ln`,
      `${base64url(null)}AAAAAAAAAA.e30.c2ln`, `${base64url([{ alg: 'ES256' }])}.e30.c2ln`,
      `${base64url({ alg: 7 })}.e30.c2ln`, `${base64url({ typ: 'JWT' })}.e30.c2ln`,
      `${base64url({ alg: 'x'.repeat(2_000) })}.e30.c2ln`, `${header}.e30.c2ln\n`
    ]
  ) t.equal(isJwtByForm(text), false, text.slice(0, 60))
})

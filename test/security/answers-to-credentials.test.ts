/**
 * The caching headers of every answer to a credential, and the challenge of every 401: for every route, with good and
 * bad credentials.
 */
import tap, { type Test } from 'tap'
import { newApiKeyText, newManagementTokenText } from '../../src/secrets/credential-text.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { basic, startServer, type Answer, type Outgoing } from '../support/test-server.ts'
import { routesOf } from '../support/routes.ts'

const server = await startServer({
  mount: async (app, latchkey) => {
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: latchkey.config.issuer })
      const free = { config: { scopes: [] } }
      api.get('/plain', free, async () => ({ ok: true }))
      api.get(
        '/said', free, async (_request, reply) => reply.header('cache-control', 'public, max-age=60').send({ ok: true })
      )
      api.get(
        '/unstored', free, async (_request, reply) => reply.header('cache-control', 'No-Store').send({ ok: true })
      )
      api.get(
        '/negotiated', free,
        async (_request, reply) => reply.header('vary', 'Accept-Encoding, X-API-Key').send({ ok: true })
      )
      api.get('/listed', free, async (_request, reply) => reply.header('vary', ['Accept', 'Origin']).send({ ok: true }))
      api.get('/everything', free, async (_request, reply) => reply.header('vary', '*').send({ ok: true }))
      api.get('/same', free, async (_request, reply) => reply.code(304).send())
      api.get('/broken', free, async () => { throw new Error('broken') })
      api.get('/gone', free, async (_request, reply) => reply.code(404).send({ ok: false }))
      api.post('/plain', free, async (_request, reply) => reply.code(201).send({ ok: true }))
      api.get('/open', { config: { public: true } }, async () => ({ ok: true }))
    }, { prefix: '/mine' })
    await app.register(async api => {
      api.addHook('onSend', (_request, reply, payload, done) => {
        reply.header('vary', 'Accept-Encoding')
        done(null, payload)
      })
      await api.register(latchkey.guard, { resource: latchkey.config.issuer })
      api.get('/', { config: { scopes: [] } }, async () => ({ ok: true }))
    }, { prefix: '/compressed' })
  },
})
tap.teardown(server.close)
const { send, issuer } = server

const client = await server.createClient({ introspects: [issuer] })
const { key } = await server.createKey({ organization: client.organization })
const { key: managementKey } = await server.createKey({
  organization: client.organization, resource: `${issuer}/api/v1`, access: 'full', scopes: []
})
const token = await server.tokenFor(client)

/** Public documents, which caches may store. */
const documents = /^\/(\.well-known\/|reference|assets\/|llms\.txt$|api\/v1\/openapi\.json$)/
const good: Record<string, Record<string, string>> = {
  'the admin token': { authorization: `Bearer ${server.adminToken}` },
  'a management key': { 'x-api-key': managementKey },
  'a key': { 'x-api-key': key },
  'a token': { authorization: `Bearer ${token}` },
  'a client': { authorization: basic(client.clientId, client.clientSecret) },
}
const bad: Record<string, Record<string, string>> = {
  nothing: {},
  'no token': { authorization: 'Bearer' },
  'a broken token': { authorization: 'Bearer eyJ.x.y' },
  'an unknown token': { authorization: `Bearer ${newManagementTokenText()}` },
  'an unknown key': { 'x-api-key': newApiKeyText('lb', 'live') },
  'a key as a token': { authorization: `Bearer ${key}` },
  'an unknown client': { authorization: basic('cli_nobody', newSecret()) },
  'a wrong secret': { authorization: basic(client.clientId, 'wrong') },
  'another scheme': { authorization: 'Digest username="x"' },
}
/** Forms with client credentials in the body, bad ones and a good one. */
const forms: Record<string, Record<string, string>> = {
  'an unknown client in the form': {
    grant_type: 'client_credentials', token: 'x', client_id: 'cli_nobody', client_secret: newSecret()
  },
  'a wrong secret in the form': {
    grant_type: 'client_credentials', token: 'x', client_id: client.clientId, client_secret: 'wrong'
  },
  'a name alone': { grant_type: 'client_credentials', token: 'x', client_id: client.clientId },
  'no client at all': { grant_type: 'client_credentials', token: 'x' },
  'a broken assertion': {
    grant_type: 'client_credentials',
    token: 'x',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: 'a.b.c'
  },
  'a good client in the form': {
    grant_type: 'client_credentials', token: 'x', client_id: client.clientId, client_secret: client.clientSecret
  }
}

async function everyRoute (visit: (path: string, outgoing: Outgoing) => Promise<void>): Promise<void> {
  for (const { method, url } of await routesOf(server.latchkey)) {
    const path = url.replaceAll(/:\w+/g, 'nothing').replace('*', 'nothing')
    // An invalid body: no request may change the state for later tests.
    const body = ['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(method) ? {} : { body: { nothing: true } }
    await visit(url, { method, path, ...body })
  }
}

function is401 (t: Test, answer: Answer, what: string): void {
  t.match(answer.headers['www-authenticate'], /^(Basic realm="[^"]+"|Bearer( |$))/, `${what}: says how to authenticate`)
}

tap.test('A8, RFC 9110 §15.5.2: every 401 of every route says how to authenticate', async t => {
  const seen = new Set<string>()
  await everyRoute(async (url, outgoing) => {
    for (const [what, headers] of [...Object.entries(bad), ...Object.entries(good)]) {
      const answer = await send({ ...outgoing, headers })
      if (answer.status !== 401) continue
      seen.add(url)
      is401(t, answer, `${what}: ${outgoing.method} ${url}`)
    }
    if (outgoing.method !== 'POST') return
    for (const [what, form] of Object.entries(forms)) {
      const answer = await send({ ...outgoing, body: new URLSearchParams(form) })
      if (answer.status !== 401) continue
      seen.add(`${url} by a form`)
      is401(t, answer, `${what}: POST ${url}`)
    }
  })
  t.ok(seen.size > 60, `${seen.size} routes have said 401`)
  for (const path of ['/api/v1/auth/token', '/api/v1/oauth/introspect', '/api/v1/oauth/revoke']) {
    t.ok(seen.has(`${path} by a form`), path)
  }
})

tap.test('N11: no answer to a credential may be kept by a cache: every route of Latchkey, whatever the status', async t => {
  const statuses = new Set<number>()
  await everyRoute(async (url, outgoing) => {
    if (documents.test(url) || outgoing.method === 'OPTIONS') return
    for (const [what, headers] of [...Object.entries(good), ...Object.entries(bad)]) {
      const answer = await send({ ...outgoing, headers })
      statuses.add(answer.status)
      t.match(answer.headers['cache-control'], /^no-store\b/, `${what}: ${outgoing.method} ${url} ${answer.status}`)
    }
  })
  for (const status of [200, 400, 401, 403, 404]) t.ok(statuses.has(status), `there was a ${status}`)
  for (const path of ['/api/v1/nothing', '/nothing']) {
    t.equal((await send({ path, headers: good['a key']! })).headers['cache-control'], 'no-store', path)
  }
})

tap.test('N11: an answer of a guarded route is private and told apart by the headers of its style, unless the route says otherwise', async t => {
  const names = 'authorization, x-api-key'
  const expected: [path: string, control: string, vary: string | undefined][] = [
    ['/mine/plain', 'private', names],
    ['/mine/said', 'public, max-age=60', names],
    ['/mine/unstored', 'No-Store', undefined],
    ['/mine/negotiated', 'private', 'Accept-Encoding, X-API-Key, authorization'],
    ['/mine/listed', 'private', 'Accept,Origin, authorization, x-api-key'],
    ['/mine/everything', 'private', '*'],
    ['/mine/same', 'private', names],
    ['/mine/gone', 'private', names],
    ['/compressed', 'private', 'Accept-Encoding, authorization, x-api-key'],
  ]
  for (const [path, control, vary] of expected) {
    for (const headers of [good['a key']!, good['a token']!]) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await send({ method, path, headers })
        t.strictSame([answer.headers['cache-control'], answer.headers.vary], [control, vary], `${method} ${path}`)
      }
    }
  }
  t.equal(
    (await send({ method: 'POST', path: '/mine/plain', headers: { 'x-api-key': key }, body: {} }))
      .headers['cache-control'],
    'private'
  )
  t.equal((await send({ path: '/mine/broken', headers: { 'x-api-key': key } })).headers['cache-control'], 'no-store')
  t.equal((await send({ path: '/mine/plain' })).headers['cache-control'], 'no-store', 'a refusal')
  t.equal(
    (await send({ path: `/mine/plain?x-api-key=${key}` })).headers['cache-control'], 'no-store, private',
    'a key in the URL'
  )
  const open = await send({ path: '/mine/open', headers: { 'x-api-key': key } })
  t.strictSame(
    [open.headers['cache-control'], open.headers.vary], [undefined, undefined], 'a public route is its own business'
  )
})

tap.test('N11: a style whose keys travel as bearer is told apart by Authorization alone, and a changed style at once', async t => {
  const ask = async () =>
    (await send({ path: '/mine/plain', headers: { authorization: `Bearer ${token}` } })).headers.vary
  t.equal(await ask(), 'authorization, x-api-key')
  t.equal((await server.admin('PATCH', '/resources/res_host', { style: 'opencrane' })).status, 200)
  t.equal(await ask(), 'authorization')
  t.equal((await server.admin('PATCH', '/resources/res_host', { style: 'ledgerbee' })).status, 200)
  t.equal(await ask(), 'authorization, x-api-key')
})

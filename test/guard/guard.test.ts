/** The guard mounted in another application's Fastify, and the mistakes that keep such an application from starting. */
import Fastify, { type FastifyInstance } from 'fastify'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import {
  loadConfig, openLatchkey, createApiKey, createOrganization, createResource, styles, type Latchkey
} from '../../src/index.ts'
import { errorStyleNames } from '../../src/domain/resources/style.ts'
import { revokeApiKey } from '../../src/domain/credentials/api-key-change.ts'

const resource = 'https://api.acme.test'
const read = { name: 'invoices:read', keyOnly: false, description: null }

let latchkey: Latchkey
let organizationId: string

tap.before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-guard-'))
  latchkey = await openLatchkey(loadConfig({ LATCHKEY_DATA: folder }, folder))
  await createResource(latchkey.operation, { identifier: resource, scopes: [read], style: styles.ledgerbee })
  organizationId = (await createOrganization(latchkey.operation, { name: 'Acme', features: ['custom-scopes'] })).id
  tap.teardown(async () => {
    await latchkey.close()
    rmSync(folder, { recursive: true })
  })
})

async function keyFor (name: string, scopes: string[] = [read.name]): Promise<{ id: string, text: string }> {
  const { key, text } = await createApiKey(latchkey.operation, {
    organizationId, resource: name, environment: 'live', name: 'ci', scopes
  })
  return { id: key.id, text }
}

async function booted (routes: (api: FastifyInstance) => void, of = resource): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(async api => {
    await api.register(latchkey.guard, { resource: of })
    routes(api)
  })
  await app.ready()
  return app
}

tap.test('a stranger protects a route of their own app', async t => {
  const app = await booted(api => {
    api.get(
      '/invoices', { config: { scopes: [read.name] } },
      async ({ principal }) => ({ by: principal.id, for: principal.organizationId })
    )
    api.get('/health', { config: { public: true } }, async () => 'up')
  })
  const { id, text } = await keyFor(resource)
  const good = await app.inject({ url: '/invoices', headers: { 'x-api-key': text } })
  t.same([good.statusCode, good.json()], [200, { by: id, for: organizationId }])
  t.equal((await app.inject({ url: '/invoices' })).statusCode, 401)
  t.equal((await app.inject({ method: 'HEAD', url: '/invoices' })).statusCode, 401, 'HEAD is guarded like GET')
  t.equal((await app.inject({ url: '/health' })).body, 'up')
})

tap.test('an app does not boot whose guard would not know what to ask for', async t => {
  const handler = async () => 'reached'
  await t.rejects(
    booted(api => {
      api.get('/invoices', handler)
    }),
    /GET \/invoices does not say what it needs/
  )
  await t.rejects(
    booted(api => {
      api.get('/invoices', { config: {} }, handler)
    }),
    /does not say what it needs/
  )
  await t.rejects(
    booted(api => {
      api.get('/invoices', { config: { scopes: 'invoices:read' as unknown as string[] } }, handler)
    }),
    /does not say what it needs/
  )
  await t.rejects(
    booted(api => {
      api.get('/invoices', { config: { scopes: ['invoices:raed'] } }, handler)
    }),
    /needs the scope invoices:raed, which https:\/\/api.acme.test does not declare/
  )
  await t.rejects(
    booted(() => {}, 'https://other.test'), /There is no resource https:\/\/other.test to guard; create it first/
  )
})

tap.test('every style tells the same refusals in its own words', async t => {
  const sentences = {
    invalid: 'The credential is not valid.',
    lacking: 'The credential lacks a scope that this route needs: invoices:read.',
  }
  const inHeader =
    'This route needs a credential: an API key in the x-api-key header, or an access token as Authorization: Bearer.'
  const asBearer = 'This route needs a credential: an API key or an access token as Authorization: Bearer.'
  const messages = { header: { none: inHeader, ...sentences }, bearer: { none: asBearer, ...sentences } }
  const codes = { none: 'UNAUTHORIZED', invalid: 'UNAUTHORIZED', lacking: 'INSUFFICIENT_PERMISSIONS' }
  const details = {
    none: { reason: 'missing_credentials' },
    invalid: { reason: 'invalid_api_key' },
    lacking: { reason: 'insufficient_scope', requiredScopes: [read.name] }
  }
  const craneErrors = {
    none: ['authentication_error', 'invalid_api_key'],
    invalid: ['authentication_error', 'invalid_api_key'],
    lacking: ['permission_error', 'insufficient_permissions']
  }
  const craftkitErrors = {
    none: ['missing_authorization', 'Send the API key as Authorization: Bearer.'],
    invalid: ['invalid_credentials', 'The credential is not valid here.'],
    lacking: ['forbidden', sentences.lacking]
  }
  /** The whole body, its members in their order. */
  const bodies: Record<string, (failure: keyof typeof codes, status: number, timestamp: string) => object> = {
    ledgerbee: (failure, statusCode, timestamp) => ({
      statusCode,
      timestamp,
      path: '/invoices',
      message: messages.header[failure],
      code: codes[failure],
      details: details[failure]
    }),
    'crane-ledger': (failure, status) => ({
      error: { type: craneErrors[failure][0], code: craneErrors[failure][1], message: messages.bearer[failure], status }
    }),
    craftkit: failure => ({ error: { code: craftkitErrors[failure][0], message: craftkitErrors[failure][1] } }),
    craftdesk: (failure, code) => ({
      message: failure === 'lacking' ? 'Forbidden' : 'Unauthorized',
      code,
      errors: { api_key: [messages.bearer[failure]] }
    }),
    opencrane: failure => ({ error: messages.bearer[failure], code: codes[failure], details: details[failure] }),
    rfc9457: (failure, status) => ({
      type: 'about:blank',
      title: messages.header[failure],
      status,
      instance: '/invoices',
      code: codes[failure],
      ...details[failure]
    })
  }
  t.same(Object.keys(bodies).sort(), [...errorStyleNames].sort(), 'no style without its words')
  for (const style of errorStyleNames) {
    const identifier = `https://${style}.test/api`
    await createResource(latchkey.operation, {
      identifier, scopes: [read], style: { ...styles[style], requireTls: false }
    })
    const app = await booted(api => {
      api.get('/invoices', { config: { scopes: [read.name] } }, async () => 'reached')
    }, identifier)
    const { id, text: revoked } = await keyFor(identifier)
    await revokeApiKey(latchkey.operation, id, null)
    const { text: weak } = await keyFor(identifier, [])
    const [transport] = styles[style].transports
    const send = async (key?: string) =>
      await app.inject({
        url: '/invoices',
        headers: key === undefined
          ? {}
          : 'name' in transport! ? { [transport.name]: key } : { authorization: `Bearer ${key}` }
      })
    const answers = {
      none: await send(),
      malformed: await send('api_live_damaged'),
      revoked: await send(revoked),
      lacking: await send(weak)
    }
    t.same(Object.values(answers).map(answer => answer.statusCode), [401, 401, 401, 403], style)
    for (const [failure, answer] of Object.entries(answers)) {
      // The answer does not reveal that a key existed.
      const told = failure === 'malformed' || failure === 'revoked' ? 'invalid' : failure as 'none' | 'lacking'
      t.equal(
        answer.body, JSON.stringify(bodies[style]!(told, answer.statusCode, answer.json().timestamp)),
        `${style}: ${failure}`
      )
      t.equal(
        answer.headers['content-type'], `application/${style === 'rfc9457' ? 'problem+json' : 'json'}; charset=utf-8`
      )
      t.match(
        answer.headers['www-authenticate'],
        `resource_metadata="https://${style}.test/.well-known/oauth-protected-resource/api"`, `${style}: ${failure}`
      )
    }
    t.equal(
      answers.none.headers['www-authenticate'],
      `Bearer resource_metadata="https://${style}.test/.well-known/oauth-protected-resource/api", scope="invoices:read"`
    )
    t.match(answers.malformed.headers['www-authenticate'], /error="invalid_token".*scope="invoices:read"/)
    t.match(answers.lacking.headers['www-authenticate'], /error="insufficient_scope".*scope="invoices:read"/)
    t.equal(answers.revoked.headers['www-authenticate'], answers.malformed.headers['www-authenticate'])
  }
})

tap.test('a key of one resource is nothing to another', async t => {
  const identifier = 'https://two.test'
  await createResource(latchkey.operation, { identifier, scopes: [read], style: styles.ledgerbee })
  const app = await booted(api => {
    api.get('/invoices', { config: { scopes: [read.name] } }, async () => 'reached')
  }, identifier)
  const { text } = await keyFor(resource)
  const refused = await app.inject({ url: '/invoices', headers: { 'x-api-key': text } })
  t.same([refused.statusCode, refused.json().details], [401, { reason: 'invalid_api_key' }])
})

tap.test('B3: when the database is gone nobody passes', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-guard-'))
  const other = await openLatchkey(loadConfig({ LATCHKEY_DATA: folder }, folder))
  await createResource(other.operation, { identifier: resource, scopes: [read], style: styles.ledgerbee })
  const organization = await createOrganization(other.operation, { name: 'Acme' })
  const { text } = await createApiKey(other.operation, {
    organizationId: organization.id, resource, environment: 'live', name: 'ci', scopes: [read.name]
  })
  const app = Fastify()
  await app.register(async api => {
    await api.register(other.guard, { resource })
    api.get('/invoices', { config: { scopes: [read.name] } }, async () => 'reached')
  })
  await app.ready()
  await other.close()
  const answer = await app.inject({ url: '/invoices', headers: { 'x-api-key': text } })
  t.same([answer.statusCode, answer.headers['retry-after']], [503, '1'])
  t.same(Object.keys(answer.json()), ['statusCode', 'timestamp', 'path', 'message', 'code', 'details'])
  t.equal(answer.json().code, 'STORAGE_UNAVAILABLE')
  rmSync(folder, { recursive: true })
})

tap.test('B1: a token in the body is a second credential', async t => {
  const { default: formbody } = await import('@fastify/formbody')
  const app = Fastify()
  await app.register(formbody)
  await app.register(async api => {
    await api.register(latchkey.guard, { resource })
    api.post('/invoices', { config: { scopes: [read.name] } }, async () => 'reached')
  })
  const { text } = await keyFor(resource)
  const post = async (payload: string) =>
    (await app.inject({
      method: 'POST',
      url: '/invoices',
      headers: { 'x-api-key': text, 'content-type': 'application/x-www-form-urlencoded' },
      payload
    })).statusCode
  t.equal(await post('amount=1'), 200)
  t.equal(await post('amount=1&access_token=x'), 400)
})

tap.test('CL-02: an API that is only spoken to over TLS refuses clear requests before it looks at the credential', async t => {
  const identifier = 'https://tls.test'
  await createResource(latchkey.operation, { identifier, scopes: [read], style: styles['crane-ledger'] })
  const { text } = await keyFor(identifier)
  const app = Fastify({ trustProxy: '127.0.0.1' })
  await app.register(async api => {
    await api.register(latchkey.guard, { resource: identifier })
    api.get('/invoices', { config: { scopes: [read.name] } }, async () => 'reached')
  })
  const send = async (authorization: string, forwarded: string, remoteAddress = '127.0.0.1') =>
    await app.inject({ url: '/invoices', remoteAddress, headers: { authorization, 'x-forwarded-proto': forwarded } })
  t.equal((await send(`Bearer ${text}`, 'https')).statusCode, 200)
  const clear = await send(`Bearer ${text}`, 'http')
  t.same([clear.statusCode, clear.json().error.code], [403, 'https_required'])
  t.same((await send('Bearer cl_live_nonsense', 'http')).body, clear.body, 'good or not makes no difference')
  t.equal((await send(`Bearer ${text}`, 'https', '192.0.2.7')).statusCode, 403, 'only a trusted proxy is believed')
})

tap.test('a route that asks for what cannot be does not boot', async t => {
  const handler = async () => 'reached'
  await t.rejects(
    booted(api => {
      api.get('/organizations/:id', { config: { scopes: [], organization: 'organization_id' } }, handler)
    }),
    /has no path parameter :organization_id/
  )
  await t.rejects(
    booted(api => {
      api.get('/projects', { config: { scopes: [], object: { type: 'projects', param: 'project_id' } } }, handler)
    }),
    /has no path parameter :project_id/
  )
  await t.rejects(
    booted(api => {
      api.get('/reports', { config: { scopes: [], credits: 0.5 } }, handler)
    }),
    /costs 0.5 credits: use a whole number/
  )
})

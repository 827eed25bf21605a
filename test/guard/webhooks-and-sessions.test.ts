/** Webhook tokens and sessions in front of a protected API, from the management API to the log, on both databases. */
import { importPKCS8, SignJWT } from 'jose'
import { randomUUID } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import tap, { type Test } from 'tap'
import type { Latchkey } from '../../src/app.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { databases } from '../support/databases.ts'
import {
  MovableClock, startServer, type Answer, type Json, type KeyAnswer, type TestServer
} from '../support/test-server.ts'

const craftkit = 'https://craftkit.test/v1'
const scopes = ['renders:read', 'renders:write', 'embeds:read'].map(name => ({
  name, keyOnly: false, description: null
}))

async function mount (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  await createResource(latchkey.operation, { identifier: craftkit, scopes, style: styles.craftkit })
  await app.register(async api => {
    await api.register(latchkey.guard, { resource: craftkit })
    const hook = { scopes: ['renders:write'], webhook: { param: 'token', type: 'templates' } }
    api.post(
      '/hooks/:token',
      { config: hook },
      async ({ principal, boundObject }, reply) =>
        await reply.code(201).send({
          owner: principal.id,
          kind: principal.kind,
          environment: principal.environment,
          objects: principal.objects,
          bound: boundObject
        })
    )
    api.get('/failing/:token', { config: hook }, async () => {
      throw new Error('the route broke')
    })
    api.get(
      '/embed', { config: { scopes: ['embeds:read'], session: true, feature: 'embedding' } },
      async ({ principal }) => ({ kind: principal.kind, id: principal.id, subject: principal.subject })
    )
    api.get(
      '/renders', { config: { scopes: ['renders:read'] } },
      async ({ principal, boundObject }) => ({ kind: principal.kind, bound: boundObject })
    )
  }, { prefix: '/v1' })
}

interface Kit {
  server: TestServer,
  clock: MovableClock,
  organization: string,
  key: KeyAnswer,
  made(path: string, body: Json): Promise<Json>
}

async function start (t: Test, database: typeof databases[number]): Promise<Kit> {
  const { url, drop } = await database.fresh()
  const clock = new MovableClock()
  const server = await startServer({ database: url, mount, clock })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  const made = async (path: string, body: Json) => {
    const answer = await server.admin('POST', path, body)
    t.equal(answer.status, 201, `made one of ${path}`)
    return answer.json
  }
  const { id: organization } = await made('/organizations', { name: 'Acme', features: ['embedding'] }) as { id: string }
  const key = await server.createKey({ organization, resource: craftkit, environment: 'test', scopes: ['renders:*'] })
  return { server, clock, organization, key, made }
}

async function hook ({ server }: Kit, token: string, more: Json = {}): Promise<Answer> {
  return await server.send({ method: 'POST', path: `/v1/hooks/${token}`, ...more })
}

const invalid = { error: { code: 'invalid_credentials', message: 'The credential is not valid here.' } }

for (const database of databases) {
  tap.test(`CK-11: a webhook's token reaches its one object in the name of its key [${database.name}]`, async t => {
    const kit = await start(t, database)
    const { server, key, made, organization } = kit
    const { token, ...rest } = await made('/webhook-tokens', {
      apiKey: key.id, object: { type: 'templates', id: 'tpl_1' }
    })
    t.match(token, /^whk_[\w-]{43}$/)
    t.same(rest, {
      id: rest.id,
      hint: `…${token.slice(-4)}`,
      organization,
      resource: craftkit,
      apiKey: key.id,
      object: { type: 'templates', id: 'tpl_1' },
      createdBy: 'admin',
      createdAt: rest.createdAt,
      revokedAt: null
    })
    t.same((await server.admin('GET', `/webhook-tokens/${rest.id}`)).json, rest, 'shown once')
    t.same((await server.admin('GET', `/webhook-tokens?organization=${organization}`)).json.data, [rest])
    const { status, json } = await hook(kit, token)
    t.equal(status, 201)
    t.same(json, {
      owner: key.id,
      kind: 'api_key',
      environment: 'test',
      objects: { templates: ['tpl_1'] },
      bound: { type: 'templates', id: 'tpl_1' }
    })

    t.same(
      (await server.send({ path: '/v1/renders', headers: { authorization: `Bearer ${token}` } })).json, invalid,
      'it is no API key'
    )
    t.same((await server.send({ path: '/v1/renders', headers: { authorization: `Bearer ${key.key}` } })).json, {
      kind: 'api_key', bound: null
    })
    t.equal(
      (await hook(kit, token, { headers: { authorization: `Bearer ${key.key}` } })).status, 400, 'one proof and no more'
    )
    const other = await made('/webhook-tokens', { apiKey: key.id, object: { type: 'projects', id: 'prj_1' } })
    t.equal((await hook(kit, other.token)).status, 403, 'of another type')
    for (
      const text of [
        'whk_', `whk_${'A'.repeat(43)}`, token.slice(0, -1), `${token}A`, token.toUpperCase(), key.key, 'x',
        encodeURIComponent(`${token}/`), `${token}%00`
      ]
    ) {
      const answer = await hook(kit, text)
      t.same([answer.status, answer.json], [401, invalid], text.slice(0, 8))
    }
  })

  tap.test(`CK-11: a webhook's token is dead as soon as it, its key or its organization is [${database.name}]`, async t => {
    const kit = await start(t, database)
    const { server, clock, organization, made } = kit
    const fresh = async (more: Json = {}) =>
      await server.createKey({ organization, resource: craftkit, scopes: ['renders:write'], ...more })
    const bound = async (key: KeyAnswer, id = 'tpl_1') =>
      await made('/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id } })

    const first = await bound(await fresh())
    t.equal((await hook(kit, first.token)).status, 201)
    t.match((await server.admin('POST', `/webhook-tokens/${first.id}/revoke`, { reason: 'it leaked' })).json, {
      id: first.id, revokedAt: String
    })
    t.same((await hook(kit, first.token)).json, invalid)

    const key = await fresh()
    const second = await bound(key)
    await server.admin('PATCH', `/organizations/${organization}`, { status: 'suspended' })
    t.match(await hook(kit, second.token), { status: 403, json: { error: { code: 'partner_suspended' } } })
    await server.admin('PATCH', `/organizations/${organization}`, { status: 'active' })
    t.equal((await hook(kit, second.token)).status, 201)
    await server.admin('PATCH', `/api-keys/${key.id}`, { scopes: ['renders:read'] })
    t.equal((await hook(kit, second.token)).status, 403, 'it may do what its key may do now')
    await server.admin('PATCH', `/api-keys/${key.id}`, { scopes: ['renders:*'], objects: { templates: ['tpl_2'] } })
    t.equal((await hook(kit, second.token)).status, 403, 'and touch what its key may touch now')
    await server.admin('PATCH', `/api-keys/${key.id}`, { objects: { templates: ['tpl_1', 'tpl_2'] } })
    t.same((await hook(kit, second.token)).json.objects, { templates: ['tpl_1'] })
    await server.admin('POST', `/api-keys/${key.id}/revoke`)
    t.same((await hook(kit, second.token)).json, invalid)

    clock.stop()
    const ending = await bound(await fresh({ expiresAt: new Date(clock.now().getTime() + 60_000).toISOString() }))
    t.equal((await hook(kit, ending.token)).status, 201)
    clock.advance(60)
    t.same((await hook(kit, ending.token)).json, invalid, 'its key has expired')

    const rotated = await fresh({ allowlist: ['203.0.113.7'] })
    const lasting = await bound(rotated)
    t.equal((await hook(kit, lasting.token)).status, 201, 'webhooks come from wherever their senders are')
    const { json: successor } = await server.admin('POST', `/api-keys/${rotated.id}/rotate`, { overlapSeconds: 0 })
    t.equal((await hook(kit, lasting.token)).json.owner, successor.id, 'a rotation breaks no webhook')
    t.equal((await server.admin('GET', `/webhook-tokens/${lasting.id}`)).json.apiKey, successor.id)
    t.match(
      await server.admin('POST', '/webhook-tokens', { apiKey: rotated.id, object: { type: 'templates', id: 'x' } }),
      { status: 409, json: { code: 'CREDENTIAL_SUPERSEDED' } }
    )
  })

  tap.test(`CK-11, W3: webhook tokens and publishable keys are made by who may, for what is theirs [${database.name}]`, async t => {
    const { server, organization, key, made } = await start(t, database)
    const { id: foreign } = await server.createOrganization('Other')
    const managing = async (of: string, granted: string[]) =>
      await server.createKey({ organization: of, resource: `${server.issuer}/api/v1`, scopes: granted })
    const all = ['webhook-tokens:read', 'webhook-tokens:write', 'publishable-keys:read', 'publishable-keys:write']
    const owner = await managing(organization, all)
    const stranger = await managing(foreign, all)
    const reader = await managing(organization, ['webhook-tokens:read', 'publishable-keys:read'])
    const post = async (by: KeyAnswer, path: string, body: Json) =>
      await server.withKey(by.key, `/api/v1${path}`, { method: 'POST', body })
    const input = { apiKey: key.id, object: { type: 'templates', id: 'tpl_1' } }
    const pair = { resource: craftkit, environment: 'live', name: 'editor', scopes: ['embeds:read'] }

    const token = await post(owner, '/webhook-tokens', input)
    t.match(token, { status: 201, json: { createdBy: owner.id } })
    const publishable = await post(owner, '/publishable-keys', pair)
    t.match(publishable, { status: 201, json: { createdBy: owner.id, organization } })
    t.match(await post(stranger, '/webhook-tokens', input), { status: 404, json: { code: 'NOT_FOUND' } })
    t.match(await post(stranger, '/publishable-keys', { ...pair, organization }), { status: 404 })
    t.match(await post(reader, '/webhook-tokens', input), { status: 403 })
    t.match(await post(reader, '/publishable-keys', pair), { status: 403 })
    for (const path of [`/webhook-tokens/${token.json.id}`, `/publishable-keys/${publishable.json.id}`]) {
      t.equal((await server.withKey(reader.key, `/api/v1${path}`)).status, 200, path)
      t.equal((await server.withKey(stranger.key, `/api/v1${path}`)).status, 404, path)
      t.equal((await post(stranger, `${path}/revoke`, {})).status, 404, path)
      t.equal((await post(reader, `${path}/revoke`, {})).status, 403, path)
      t.equal((await server.withKey(reader.key, `/api/v1${path}`)).json.revokedAt, null, 'nothing has changed')
    }
    for (const path of ['/webhook-tokens', '/publishable-keys']) {
      t.same((await server.withKey(stranger.key, `/api/v1${path}`)).json.data, [], path)
    }

    const wrong: [string, Json][] = [
      ['no object', { apiKey: key.id }],
      ['a privileged member', { ...input, organization }],
      ['another one', { ...input, createdBy: 'admin' }],
      ['no id', { ...input, object: { type: 'templates' } }],
      ['an empty id', { ...input, object: { type: 'templates', id: '' } }],
      ['control characters', { ...input, object: { type: 'templates', id: 'tpl\n1' } }],
      ['a long id', { ...input, object: { type: 'templates', id: 'x'.repeat(129) } }],
      ['a type that is none', { ...input, object: { type: '__proto__', id: 'x' } }],
      ['a type in capitals', { ...input, object: { type: 'Templates', id: 'x' } }]
    ]
    for (const [what, body] of wrong) {
      t.match(await post(owner, '/webhook-tokens', body), { status: 400, json: { code: 'INVALID_REQUEST' } }, what)
    }
    t.equal(
      (await post(owner, '/webhook-tokens', { ...input, object: { type: 'constructor', id: 'x' } })).status, 201,
      'a name like any other'
    )
    t.match(await post(owner, '/publishable-keys', { ...pair, publicJwk: {} }), { status: 400 })
    t.match(await post(owner, '/publishable-keys', { ...pair, name: 'x'.repeat(10_240) }), { status: 400 })
    t.match(await post(owner, '/publishable-keys', { ...pair, environment: 'prod' }), { status: 400 })
    t.match(await post(owner, '/webhook-tokens', { ...input, apiKey: 'key_none' }), { status: 404 })
    const restricted = await made('/api-keys', {
      organization,
      resource: craftkit,
      environment: 'live',
      name: 'one',
      scopes: ['renders:write'],
      objects: { templates: ['tpl_2'] }
    })
    t.match(await post(owner, '/webhook-tokens', { ...input, apiKey: restricted.id }), {
      status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' }
    })
    await server.admin('POST', `/api-keys/${restricted.id}/revoke`)
    t.match(await post(owner, '/webhook-tokens', { ...input, apiKey: restricted.id }), {
      status: 409, json: { code: 'CREDENTIAL_REVOKED' }
    })
    const managed = await managing(organization, [...all, 'clients:write'])
    t.match(await post(owner, '/webhook-tokens', { apiKey: managed.id, object: { type: 'clients', id: 'x' } }), {
      status: 403
    }, 'in the name of who may do more')

    for (let i = 0; i < 3; i++) {
      await made('/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id: `tpl_${i}` } })
    }
    const seen: string[] = []
    for (let path = '/api/v1/webhook-tokens?limit=2'; path !== '';) {
      const { data, pagination } = (await server.withKey(reader.key, path)).json
      seen.push(...data.map(({ object }: Json) => object.id))
      path = pagination.hasMore ? `/api/v1/webhook-tokens?limit=2&cursor=${pagination.nextCursor}` : ''
    }
    t.same(seen, ['tpl_2', 'tpl_1', 'tpl_0', 'x', 'tpl_1'])
  })

  tap.test(`CK-10, CK-14, L1: the whole way of a session and of a webhook, and no secret of it in any log line [${database.name}]`, async t => {
    const kit = await start(t, database)
    const { server, organization, key, made } = kit
    const { signingKey, ...pair } = await made('/publishable-keys', {
      organization, resource: craftkit, environment: 'live', name: 'editor', scopes: ['embeds:read']
    })
    t.same(Object.keys(pair), [
      'id', 'publishableKey', 'organization', 'resource', 'environment', 'name', 'scopes', 'publicJwk', 'createdBy',
      'createdAt', 'revokedAt'
    ])
    t.same((await server.admin('GET', `/publishable-keys/${pair.id}`)).json, pair, 'the signing key is shown once')
    t.same((await server.admin('GET', '/publishable-keys')).json.data, [pair])

    const sign = async (more: Json = {}) => {
      const now = Math.floor(server.clock.now().getTime() / 1000)
      return await new SignJWT({
        iss: pair.publishableKey, sub: 'user-7', aud: server.issuer, iat: now, exp: now + 60, jti: randomUUID(), ...more
      })
        .setProtectedHeader({ alg: 'ES256' }).sign(await importPKCS8(signingKey.pem, 'ES256'))
    }
    const exchange = async (assertion: string) =>
      await server.send({
        method: 'POST',
        path: '/api/v1/auth/session',
        body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
      })
    const assertions = [await sign(), await sign({ aud: 'https://evil.test' })]
    const [good, bad] = await Promise.all(assertions.map(exchange))
    t.same([good!.status, bad!.status], [200, 400])
    const session = good!.json.access_token as string
    const embed = async (token: string) => await server.bearer(token, '/v1/embed')
    t.same((await embed(session)).json, { kind: 'session', id: pair.id, subject: 'user-7' })

    const client = await server.createClient({
      organization, grants: [{ resource: craftkit, scopes: ['embeds:read', 'renders:read'] }]
    })
    const access = await server.tokenFor(client, { resource: craftkit })
    t.equal((await server.bearer(access, '/v1/renders')).status, 200)
    t.match(await embed(access), { status: 401, json: invalid }, 'J6: an access token is no session')
    t.match(
      await server.bearer(session, '/v1/renders'), { status: 401, json: invalid }, 'J6: a session is no access token'
    )
    t.match(await server.bearer(session, '/api/v1/principal'), { status: 401 }, 'J6: nor one for anything else')
    t.match(
      await embed(key.key), { status: 403, json: { error: { code: 'forbidden' } } }, 'a project key is no session'
    )
    await server.admin('PATCH', `/organizations/${organization}`, { features: [] })
    t.match(await embed(session), { status: 401, json: invalid })
    t.match(await embed(key.key), { status: 401, json: invalid })
    await server.admin('PATCH', `/organizations/${organization}`, { features: ['embedding'] })
    t.equal((await embed(session)).status, 200)
    t.match((await server.admin('POST', `/publishable-keys/${pair.id}/revoke`, { reason: 'it leaked' })).json, {
      revokedAt: String
    })
    t.match(await embed(session), { status: 401, json: invalid })

    const { token } = await made('/webhook-tokens', { apiKey: key.id, object: { type: 'templates', id: 'tpl_1' } })
    const encoded = token.replace('whk_', '%77h%6B_')
    const answers = [
      await hook(kit, token), await hook(kit, encoded), await hook(kit, `${token}x`), await hook(kit, token.slice(4)),
      await server.send({ path: `/v1/failing/${token}` }),
      await server.send({ path: `/v1/hooks/${token}` }),
      await server.send({ method: 'POST', path: `/v1/hooks/${token}/more` }),
      await server.send({ path: `/nowhere/${encoded}` }),
      await server.send({ method: 'POST', path: `/v1/hooks/${token}?again=${token}` }),
      await server.send({
        method: 'POST', path: `/v1/hooks/${token}`, headers: { authorization: `Bearer ${key.key}` }
      }),
      await server.send({
        method: 'POST', path: `/v1/hooks/${token}`, body: '{', headers: { 'content-type': 'application/json' }
      }),
      await server.send({ method: 'POST', path: `/v1/hooks/%zz${token}` }),
      await server.admin('GET', `/webhook-tokens/${token}`)
    ]
    t.same(answers.map(({ status }) => status), [201, 201, 401, 401, 500, 404, 404, 404, 201, 400, 400, 400, 404])
    const secret = token.slice(4)
    for (const { text } of answers) t.notOk(text.includes(secret), text)

    const { json: { data: events } } = await server.admin('GET', '/audit?limit=200')
    t.ok(events.some(({ type, subject }: Json) => type === 'publishable_key.revoked' && subject === pair.id))
    t.ok(events.some(({ type }: Json) => type === 'webhook_token.created'))
    const pemLines = signingKey.pem.split('\n').filter((line: string) => line !== '' && !line.startsWith('---'))
    const canaries = [
      secret, signingKey.jwk.d, ...pemLines, session, ...assertions, ...assertions.map(each => each.split('.')[2]!),
      session.split('.')[2]!
    ]
    t.ok(server.lines.length > 20)
    for (const canary of canaries) {
      t.same(
        server.lines.filter(line => line.includes(canary)).map(line => line.replaceAll(canary, '⚠')), [],
        'no line of the log'
      )
      t.notOk(JSON.stringify(events).includes(canary), 'no row of the audit log')
    }
    t.ok(server.lines.some(line => line.includes('/v1/hooks/:token')), 'the webhook is named by its route')
    if (database.name === 'sqlite') {
      const folder = dirname(server.config.databaseUrl.slice('file:'.length))
      const stored = readdirSync(folder).filter(name => /\.db(-wal)?$/.test(name)).map(name =>
        readFileSync(join(folder, name)).toString('latin1')
      )
      t.ok(stored.some(bytes => bytes.includes(pair.publishableKey)))
      for (const canary of canaries) t.notOk(stored.some(bytes => bytes.includes(canary)), 'T10: nor in the database')
    }
  })
}

/** CraftKit's statements about its credential layer, one by one, over real HTTP and on both databases. */
import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT, type JWK } from 'jose'
import tap, { type Test } from 'tap'
import { craftkit, craftkitPath, declareCraftkit } from '../../examples/craftkit/api.ts'
import { openStudio } from '../../examples/craftkit/studio.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { databases } from '../support/databases.ts'
import { MovableClock, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import {
  loggedReasons, onBothDatabases, refusalsOf, refused, startApi, usageOf, type ProtectedApi
} from '../support/protected-api.ts'

const api: ProtectedApi = {
  path: craftkitPath,
  async mount (app, latchkey) {
    await declareCraftkit(latchkey)
    await app.register(craftkit(latchkey, openStudio()), { prefix: craftkitPath })
  },
}

const messages: Record<string, string> = {
  missing_authorization: 'Send the API key as Authorization: Bearer.',
  invalid_credentials: 'The credential is not valid here.',
  partner_suspended: 'The project is suspended; contact support.',
}

/** CraftKit's refusal, whole. */
function refusedAs (
  t: Test, answer: Answer, status: number, code: string, message = messages[code], what?: string
): void {
  refused(t, answer, status, { error: { code, message } }, what)
}

/** A project key, as CraftKit issues them. */
const projectScopes = ['renders:read', 'renders:write', 'templates:read']
const order = { template: 'tpl_letter', values: { customer: 'Ada' } }

await onBothDatabases(api, (test, served) => {
  const { server, resource, call, admin, clock, createOrganization } = served
  const createProject = async (features: string[] = []) => await createOrganization({ features })
  const createKey = async (organization: string, input: Json = {}) =>
    await served.createKey({ organization, scopes: projectScopes, ...input })
  const rendering = async (credential: string | null) => await call(credential, 'POST', '/v1/renders', order)

  const createPair = async (organization: string, environment = 'live'): Promise<Json> => {
    const answer = await admin('POST', '/publishable-keys', {
      organization, resource, environment, name: 'site', scopes: ['renders:write']
    })
    if (answer.status !== 201) throw new Error(answer.text)
    return answer.json
  }
  const assertionBy = async ({ publishableKey, signingKey }: Json, claims: Json = {}) => {
    const now = Math.floor(clock.now().getTime() / 1_000)
    return await new SignJWT({
      iss: publishableKey, aud: server.issuer, sub: 'user-7', jti: randomUUID(), iat: now, exp: now + 60, ...claims
    })
      .setProtectedHeader({ alg: 'ES256' }).sign(await importJWK(signingKey.jwk as JWK, 'ES256'))
  }
  const exchange = async (assertion: string) =>
    await server.send({
      method: 'POST',
      path: '/api/v1/auth/session',
      body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
    })
  const sessionOf = async (pair: Json): Promise<string> =>
    (await exchange(await assertionBy(pair))).json.access_token as string
  const embedded = async (credential: string | null) => await call(credential, 'POST', '/v1/embed/renders', order)

  test('CK-01: every route under /v1 takes a project key as bearer credential, and nothing without one', async t => {
    const project = await createProject()
    const routes = [
      ['GET', '/v1/templates'], ['POST', '/v1/renders'], ['GET', '/v1/renders/rnd_1'], ['GET', '/v1/embed'],
      ['POST', '/v1/embed/renders'], ['PUT', '/v1/templates/tpl_a'], ['PATCH', '/v1/project'],
      ['PUT', '/v1/webhook-configuration']
    ] as const
    for (const [method, path] of routes) {
      refusedAs(t, await call(null, method, path), 401, 'missing_authorization', undefined, `${method} ${path}`)
    }
    for (const environment of ['live', 'test']) {
      const { key } = await createKey(project, { environment })
      t.match(key, new RegExp(`^ck_${environment}_[0-9A-Za-z]{33}$`))
      const templates = await call(key, 'GET', '/v1/templates')
      t.strictSame([templates.status, templates.json], [200, {
        data: [{ id: 'tpl_invoice', text: 'Invoice for {{customer}}' }, {
          id: 'tpl_letter', text: 'Dear {{customer}},'
        }]
      }])
      t.equal((await rendering(key)).status, 201)
    }
  })

  test('CK-02: the text of a key is answered once; the store holds its SHA-256', async t => {
    const project = await createProject()
    const { id, key } = await createKey(project)
    const stored = await server.latchkey.operation.store.apiKeys.get(id)
    t.equal(stored!.digest, digestOf(key))
    t.notOk(JSON.stringify(stored).includes(key.slice(8, -4)))
    for (const path of [`/api-keys/${id}`, `/api-keys?organization=${project}`, `/audit?subject=${id}`]) {
      const answer = await admin('GET', path)
      t.equal(answer.status, 200)
      t.notOk(answer.text.includes(key.slice(8, -4)), path)
    }
    t.notOk('key' in (await admin('PATCH', `/api-keys/${id}`, { name: 'other' })).json)
  })

  test('CK-03: a project has many keys, and revoking one leaves the others', async t => {
    const project = await createProject()
    const keys = [await createKey(project), await createKey(project), await createKey(project)]
    await admin('POST', `/api-keys/${keys[1]!.id}/revoke`)
    t.strictSame(await Promise.all(keys.map(async ({ key }) => (await rendering(key)).status)), [201, 401, 201])
    t.equal((await admin('GET', `/api-keys?organization=${project}&status=active`)).json.data.length, 2)
  })

  test('CK-04: the first call after an acknowledged revocation is 401, whatever is under way', async t => {
    const { id, key } = await createKey(await createProject())
    t.equal((await rendering(key)).status, 201)
    let acknowledged = false
    const late: Answer[] = []
    const traffic = Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 25; i++) {
        const after = acknowledged
        const answer = await rendering(key)
        if (after) late.push(answer)
      }
    })
    t.equal((await admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    acknowledged = true
    await Promise.all(traffic)
    late.push(await rendering(key))
    for (const answer of late) refusedAs(t, answer, 401, 'invalid_credentials')
  })

  test('CK-05: without Authorization: Bearer it is missing_authorization', async t => {
    const { key } = await createKey(await createProject())
    const metadata = `Bearer resource_metadata="${server.issuer}/.well-known/oauth-protected-resource${craftkitPath}"`
    for (const headers of [{}, { 'x-api-key': key }, { authorization: `Basic ${key}` }, { authorization: key }]) {
      const answer = await call(null, 'POST', '/v1/renders', order, { headers: headers as Record<string, string> })
      refusedAs(t, answer, 401, 'missing_authorization')
      t.equal(answer.headers['www-authenticate'], `${metadata}, scope="renders:write"`)
    }
    t.equal(
      (await server.send({ path: new URL(metadata.slice(26, -1)).pathname })).json.resource, resource,
      'the metadata is where it says'
    )
  })

  test('CK-06: an unknown or revoked key is invalid_credentials', async t => {
    const { id, key } = await createKey(await createProject())
    await admin('POST', `/api-keys/${id}/revoke`)
    for (const text of [key, newApiKeyText('ck', 'live'), 'nonsense', key.slice(0, -1), '']) {
      const answer = await call(null, 'POST', '/v1/renders', order, { headers: { authorization: `Bearer ${text}` } })
      refusedAs(t, answer, 401, 'invalid_credentials', undefined, text.slice(0, 8))
      t.match(answer.headers['www-authenticate'], /^Bearer error="invalid_token"/)
    }
  })

  test('CK-07: while its project is suspended a key is partner_suspended', async t => {
    const project = await createProject()
    const { key } = await createKey(project)
    await admin('PATCH', `/organizations/${project}`, { status: 'suspended' })
    refusedAs(t, await rendering(key), 403, 'partner_suspended')
    await admin('PATCH', `/organizations/${project}`, { status: 'active' })
    t.equal((await rendering(key)).status, 201)
  })

  test('CK-08: a project key renders and reads; it does not change templates, projects or webhook configuration', async t => {
    const project = await createProject()
    const { id, key } = await createKey(project)
    for (const template of ['tpl_invoice', 'tpl_letter']) {
      const made = await call(key, 'POST', '/v1/renders', { template, values: { customer: 'Ada' } })
      t.strictSame([made.status, made.json], [201, {
        id: made.json.id,
        template,
        owner: id,
        endUser: null,
        watermarked: false,
        text: template === 'tpl_letter' ? 'Dear Ada,' : 'Invoice for Ada'
      }])
      t.strictSame((await call(key, 'GET', `/v1/renders/${made.json.id}`)).json, made.json)
    }
    const changes = [['PUT', '/v1/templates/tpl_letter', { text: 'Hi' }, 'templates:write'], ['PATCH', '/v1/project', {
      name: 'Mine'
    }, 'projects:write'], [
      'PUT', '/v1/webhook-configuration', { target: 'https://hooks.test' }, 'webhooks:write'
    ]] as const
    const mighty = await createKey(project, { access: 'full', scopes: undefined })
    const scopes = changes.map(([,,, scope]) => scope)
    const client = await server.createClient({ organization: project, grants: [{ resource, scopes }] })
    const token = await server.tokenFor(client)
    for (const [method, path, body, scope] of changes) {
      refusedAs(
        t, await call(key, method, path, body), 403, 'forbidden',
        `The credential lacks a scope that this route needs: ${scope}.`
      )
      const answer = await call(mighty.key, method, path, body)
      t.strictSame([answer.status, answer.json], [403, {
        error: { code: 'forbidden', message: 'A project key renders; it does not change the project.' }
      }], 'whatever its scopes')
    }
    t.equal((await call(key, 'POST', '/v1/renders', order)).json.text, 'Dear Ada,', 'nothing was changed')
    for (const [method, path, body] of changes) {
      t.equal((await call(token, method, path, body)).status, 200, 'a token may')
    }
    t.equal((await call(key, 'POST', '/v1/renders', order)).json.text, 'Hi')
  })

  test('CK-09: a key sees nothing of another project', async t => {
    const [mine, theirs] = [await createKey(await createProject()), await createKey(await createProject())]
    const { json: made } = await rendering(theirs.key)
    const [foreign, missing] = [
      await call(mine.key, 'GET', `/v1/renders/${made.id}`), await call(mine.key, 'GET', '/v1/renders/rnd_0')
    ]
    for (const answer of [foreign, missing]) {
      t.strictSame([answer.status, answer.json], [404, {
        error: { code: 'not_found', message: 'There is no such render.' }
      }])
    }
    t.equal((await call(theirs.key, 'GET', `/v1/renders/${made.id}`)).status, 200)
  })

  test('CK-09: a key that is restricted to a template neither renders nor sees another', async t => {
    const { key } = await createKey(await createProject(), { objects: { templates: ['tpl_letter'] } })
    t.equal((await rendering(key)).status, 201)
    const other = await call(key, 'POST', '/v1/renders', { ...order, template: 'tpl_invoice' })
    t.strictSame([other.status, other.json.error.code], [403, 'forbidden'])
    t.strictSame((await call(key, 'GET', '/v1/templates')).json.data.map(({ id }: Json) => id), ['tpl_letter'])
  })

  test('CK-10: whoever signs an assertion with the signing key gets a session of an end user; a project key does not', async t => {
    const project = await createProject(['embedding'])
    const pair = await createPair(project)
    t.match(pair.publishableKey, /^ck_pub_live_/)
    const { key } = await createKey(project)

    const answer = await exchange(await assertionBy(pair))
    t.strictSame([answer.status, answer.json], [200, {
      access_token: answer.json.access_token, token_type: 'Bearer', expires_in: 900, scope: 'renders:write'
    }])
    const made = await embedded(answer.json.access_token)
    t.strictSame([made.status, made.json], [201, {
      id: made.json.id, template: 'tpl_letter', owner: pair.id, endUser: 'user-7', watermarked: false, text: 'Dear Ada,'
    }])

    refusedAs(t, await embedded(key), 403, 'forbidden', 'This route takes a session token only.')
    refusedAs(
      t, await rendering(answer.json.access_token), 401, 'invalid_credentials', undefined, 'a session is no project key'
    )
    refusedAs(
      t, await embedded(pair.publishableKey), 401, 'invalid_credentials', undefined,
      'the publishable key alone opens nothing'
    )
    for (const assertion of [key, pair.publishableKey]) t.equal((await exchange(assertion)).status, 400)
    const withKey = await server.send({
      method: 'POST',
      path: '/api/v1/auth/session',
      headers: { authorization: `Bearer ${key}` },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: await assertionBy(pair)
      })
    })
    t.equal(withKey.status, 400, 'a project key beside it mints nothing')

    clock.advance(900 + 60)
    refusedAs(t, await embedded(answer.json.access_token), 401, 'invalid_credentials', undefined, 'it ends')
  })

  test('CK-10: an assertion is good once, for minutes, here, and only by its own signing key', async t => {
    const project = await createProject(['embedding'])
    const [pair, other] = [await createPair(project), await createPair(project)]
    const now = Math.floor(clock.now().getTime() / 1_000)
    const assertion = await assertionBy(pair)
    t.strictSame(
      (await Promise.all([exchange(assertion), exchange(assertion), exchange(assertion)])).map(({ status }) => status)
        .sort(),
      [200, 400, 400]
    )
    const bad = {
      replayed: assertion,
      expired: await assertionBy(pair, { iat: now - 600, exp: now - 300 }),
      'too long': await assertionBy(pair, { exp: now + 3_600 }),
      'for another server': await assertionBy(pair, { aud: 'https://elsewhere.test' }),
      'without a subject': await assertionBy(pair, { sub: undefined }),
      'by another key': await assertionBy({ ...pair, signingKey: other.signingKey }),
    }
    for (const [what, text] of Object.entries(bad)) {
      const answer = await exchange(text)
      t.strictSame([answer.status, answer.json.error, Object.keys(answer.json)], [400, 'invalid_grant', [
        'error', 'error_description'
      ]], what)
    }
    const session = await sessionOf(pair)
    await admin('POST', `/publishable-keys/${pair.id}/revoke`)
    refusedAs(t, await embedded(session), 401, 'invalid_credentials', undefined, 'revoking the pair ends its sessions')
    t.equal((await exchange(await assertionBy(pair))).status, 400)
  })

  test('CK-11: a webhook comes with a token in its path, and what it renders is owned by the key behind the token', async t => {
    const project = await createProject()
    const { id, key } = await createKey(project)
    const { status, json: { id: tokenId, token } } = await admin('POST', '/webhook-tokens', {
      apiKey: id, object: { type: 'templates', id: 'tpl_letter' }
    })
    t.equal(status, 201)
    const hook = async (text: string) => await call(null, 'POST', `/v1/webhooks/${text}`, { customer: 'Bob' })
    const made = await hook(token)
    t.strictSame([made.status, made.json], [201, {
      id: made.json.id, template: 'tpl_letter', owner: id, endUser: null, watermarked: false, text: 'Dear Bob,'
    }])
    t.strictSame((await call(key, 'GET', `/v1/renders/${made.json.id}`)).json, made.json)

    for (const text of [`${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`, 'nonsense', key]) {
      refusedAs(t, await hook(text), 401, 'invalid_credentials', undefined, text.slice(0, 8))
    }
    refusedAs(
      t, await call(key, 'POST', `/v1/webhooks/${token}`, {}), 400, 'several_credentials',
      'The request carries more than one credential; send exactly one.'
    )
    for (const path of ['/v1/renders', '/v1/templates']) {
      refusedAs(
        t, await call(token, path === '/v1/renders' ? 'POST' : 'GET', path), 401, 'invalid_credentials', undefined,
        'it is good for its webhook alone'
      )
    }
    t.notOk(server.lines.some(line => line.includes(token.slice(4))), 'the log does not have it')

    const next = (await admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 })).json
    t.equal((await hook(token)).json.owner, next.id, 'it goes over to the key that replaces its own')
    await admin('POST', `/webhook-tokens/${tokenId}/revoke`)
    refusedAs(t, await hook(token), 401, 'invalid_credentials')
    const second =
      (await admin('POST', '/webhook-tokens', { apiKey: next.id, object: { type: 'templates', id: 'tpl_letter' } }))
        .json.token as string
    t.equal((await hook(second)).status, 201)
    await admin('POST', `/api-keys/${next.id}/revoke`)
    refusedAs(t, await hook(second), 401, 'invalid_credentials', undefined, 'it ends with its key')
  })

  test('CK-12: what a test key renders is watermarked, and apart from what live keys render', async t => {
    const project = await createProject(['embedding'])
    const [live, test] = [await createKey(project), await createKey(project, { environment: 'test' })]
    const made = await rendering(test.key)
    t.strictSame([made.status, made.json], [201, {
      id: made.json.id,
      template: 'tpl_letter',
      owner: test.id,
      endUser: null,
      watermarked: true,
      text: 'TEST Dear Ada, TEST'
    }])
    t.equal((await call(live.key, 'GET', `/v1/renders/${made.json.id}`)).status, 404)
    t.equal((await rendering(live.key)).json.watermarked, false)
    t.equal(
      (await embedded(await sessionOf(await createPair(project, 'test')))).json.watermarked, true,
      'so is what its sessions render'
    )
  })

  test('CK-13: a key of another deployment is invalid_credentials, and log and audit say why', async t => {
    const project = await createProject()
    const { key } = await createKey(project)
    const before = loggedReasons(server).length
    const foreign = newApiKeyText('ck', 'live')
    refusedAs(t, await rendering(foreign), 401, 'invalid_credentials')
    refusedAs(
      t, await rendering(`${foreign.slice(0, -1)}${foreign.endsWith('a') ? 'b' : 'a'}`), 401, 'invalid_credentials'
    )
    const ledger = await server.createKey({ organization: project })
    refusedAs(t, await rendering(ledger.key), 401, 'invalid_credentials')
    t.strictSame(loggedReasons(server).slice(before), ['foreign_deployment', 'malformed', 'wrong_resource'])
    const written = ['foreign_deployment', 'wrong_resource']
    const all = (reasons: readonly unknown[]) => written.every(reason => reasons.includes(reason))
    t.ok(all(await eventually(async () => await refusalsOf(served), all)))
    t.equal((await rendering(key)).status, 201)
  })

  test('CK-14: without embedding in its plan, a valid key is invalid_credentials on the embed routes', async t => {
    const [without, including] = [await createProject(), await createProject(['embedding'])]
    const [poor, rich] = [await createKey(without), await createKey(including)]
    refusedAs(t, await call(poor.key, 'GET', '/v1/embed'), 401, 'invalid_credentials')
    refusedAs(t, await embedded(poor.key), 401, 'invalid_credentials')
    t.equal((await rendering(poor.key)).status, 201, 'it is valid everywhere else')
    const allowed = await call(rich.key, 'GET', '/v1/embed')
    t.strictSame([allowed.status, allowed.json], [200, { project: including, environment: 'live' }])

    t.equal((await exchange(await assertionBy(await createPair(without)))).status, 400, 'nor are there sessions')
    const session = await sessionOf(await createPair(including))
    t.equal((await embedded(session)).status, 201)
    await admin('PATCH', `/organizations/${including}`, { features: [] })
    refusedAs(t, await embedded(session), 401, 'invalid_credentials', undefined, 'from the next request on')
    refusedAs(t, await call(rich.key, 'GET', '/v1/embed'), 401, 'invalid_credentials')
  })

  test('CK-15: before the old key is revoked, its traffic can be seen to be zero', async t => {
    const old = await createKey(await createProject())
    t.equal((await rendering(old.key)).status, 201)
    const { json: next } = await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds: 2_592_000 })
    const day = () => clock.now().toISOString().slice(0, 10)
    const usedAt = clock.now()
    t.match(await usageOf(served, old.id), { days: [{ day: day(), calls: 1, credits: 0 }] })
    clock.advance(86_400)
    for (let i = 0; i < 2; i++) t.equal((await rendering(next.key)).status, 201)
    const callsToday = async (id: string) =>
      ((await usageOf(served, id)).days as Json[]).find(each => each.day === day())?.calls ?? 0
    t.strictSame([await callsToday(old.id), await callsToday(next.id)], [0, 2])
    const lastUsed = await eventually(
      async () => (await admin('GET', `/api-keys/${old.id}`)).json.lastUsedAt as string | null,
      instant => instant !== null
    )
    t.ok(Math.abs(Date.parse(lastUsed!) - usedAt.getTime()) < 1_000, 'and when it was used last')
    await admin('POST', `/api-keys/${old.id}/revoke`)
    t.strictSame([(await rendering(old.key)).status, (await rendering(next.key)).status], [401, 201])
  })
})

tap.test('CK-04: a key that was revoked on one replica is refused on the other from the next call on [postgresql]', async t => {
  const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
  const clock = new MovableClock()
  const one = await startApi(api, { database: database.url, clock })
  const other = await startApi(api, {
    database: database.url,
    clock,
    issuer: one.server.issuer,
    environment: { LATCHKEY_SECRET: one.server.secret, LATCHKEY_ADMIN_TOKEN: one.server.adminToken }
  })
  t.teardown(async () => {
    await Promise.all([one.server.close(), other.server.close()])
    await database.drop()
  })
  const organization = await one.createOrganization()
  for (let i = 0; i < 5; i++) {
    const { id, key } = await one.createKey({ organization, scopes: projectScopes })
    t.equal((await other.call(key, 'POST', '/v1/renders', order)).status, 201)
    t.equal((await one.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    refusedAs(t, await other.call(key, 'POST', '/v1/renders', order), 401, 'invalid_credentials')
  }
})

tap.test('CK-13: where only live keys are served, a test key is invalid_credentials, and the log says that this is why', async t => {
  const liveOnly: ProtectedApi = {
    path: craftkitPath,
    async mount (app, latchkey) {
      await declareCraftkit(latchkey)
      await app.register(craftkit(latchkey, openStudio(), { environment: 'live' }), { prefix: craftkitPath })
    },
  }
  const served = await startApi(liveOnly)
  t.teardown(served.server.close)
  const organization = await served.createOrganization()
  const [live, test] = [
    await served.createKey({ organization, scopes: projectScopes }),
    await served.createKey({ organization, scopes: projectScopes, environment: 'test' })
  ]
  refusedAs(t, await served.call(test.key, 'POST', '/v1/renders', order), 401, 'invalid_credentials')
  t.strictSame(loggedReasons(served.server), ['wrong_environment'])
  t.strictSame(await eventually(async () => await refusalsOf(served, test.id), reasons => reasons.length > 0), [
    'wrong_environment'
  ])
  t.equal((await served.call(live.key, 'POST', '/v1/renders', order)).status, 201)
})

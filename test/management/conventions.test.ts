/** What every collection of the management API does alike. */
import { generateKeyPairSync } from 'node:crypto'
import tap from 'tap'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { createMember } from '../../src/domain/members/member.ts'
import { secondsAfter } from '../../src/base/clock.ts'
import { answerLifetime, idempotency } from '../../src/domain/core/idempotency.ts'
import { Failure } from '../../src/base/errors.ts'
import { digestOf } from '../../src/secrets/digest.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { oneDatabase } from '../support/databases.ts'
import { startOnEachDatabase, type Answer, type Json, type Outgoing, type TestServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)

function asker (server: TestServer) {
  return (
    method: string, path: string, body?: Json, headers: Record<string, string> = {}, more: Partial<Outgoing> = {}
  ): Promise<Answer> =>
    server.send({
      method,
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
      ...(body === undefined ? {} : { body }),
      ...more
    })
}

/** One of everything that is created over HTTP, and how; each call makes another. */
function creations (
  server: TestServer, organization: string, apiKey: string
): Record<string, { path: string, body: Json, change?: Json }> {
  const { issuer } = server
  const grants = [{ resource: issuer, scopes: ['invoices:read'] }]
  return {
    organizations: { path: '/organizations', body: { name: 'Another' }, change: { name: 'Renamed' } },
    members: { path: '/members', body: { organization, name: 'Ada', role: 'admin' }, change: { name: 'Grace' } },
    resources: {
      path: '/resources',
      body: { organization, identifier: `https://${newSecret().toLowerCase()}.test`, scopes: [] },
      change: { name: 'Renamed' }
    },
    clients: { path: '/clients', body: { organization, name: 'billing', grants }, change: { name: 'renamed' } },
    'api-keys': {
      path: '/api-keys',
      body: { organization, resource: issuer, environment: 'live', name: 'ci', scopes: [] },
      change: { name: 'renamed' }
    },
    'publishable-keys': {
      path: '/publishable-keys',
      body: { organization, resource: issuer, environment: 'live', name: 'pair', scopes: [] },
      change: { name: 'renamed' }
    },
    'webhook-tokens': { path: '/webhook-tokens', body: { apiKey, object: { type: 'templates', id: 'x' } } },
    'registration-tokens': {
      path: '/registration-tokens', body: { organization, name: 'agents' }, change: { name: 'renamed' }
    },
    'access-tokens': {
      path: '/access-tokens',
      body: { organization, name: 'automation', scopes: ['audit:read'] },
      change: { name: 'renamed' }
    },
    'mcp-servers': {
      path: '/mcp-servers',
      body: { organization, identifier: `https://${newSecret().toLowerCase()}.test/mcp`, scopes: [] },
      change: { name: 'Renamed' }
    }
  }
}

const idOf = ({ id, clientId }: Json): string => id ?? clientId

for (const { name, server } of servers) {
  const ask = asker(server)
  const tenant = async () => {
    const { id: organization } = await server.createOrganization()
    const apiKey = await server.createKey({ organization })
    return { organization, apiKey, things: creations(server, organization, apiKey.id) }
  }
  const total = async (collection: string, organization: string): Promise<number> =>
    (await ask('GET', `/${collection}?limit=200&organization=${organization}`)).json.data.length as number

  tap.test(`every collection creates, lists, reads, changes and ends by the same verbs [${name}]`, async t => {
    const { things } = await tenant()
    for (const [collection, { path, body, change }] of Object.entries(things)) {
      const made = await ask('POST', path, body)
      t.equal(made.status, 201, collection)
      const one = `${path}/${idOf(made.json)}`
      t.equal(made.headers.etag, '"1"', collection)
      const read = await ask('GET', one)
      t.strictSame([read.status, read.headers.etag], [200, '"1"'], collection)
      t.ok(
        (await ask('GET', `${path}?limit=200`)).json.data.some((each: Json) => idOf(each) === idOf(made.json)),
        collection
      )
      if (change !== undefined) {
        t.strictSame([(await ask('PATCH', one, change)).headers.etag, (await ask('GET', one)).headers.etag], [
          '"2"', '"2"'
        ], collection)
      }
      const before = change === undefined ? 1 : 2
      const stale = await ask('DELETE', one, undefined, { 'if-match': `"${before + 1}"` })
      t.strictSame([stale.status, stale.json.code], [412, 'PRECONDITION_FAILED'], collection)
      const ended = await ask('DELETE', one, undefined, { 'if-match': `"${before}"` })
      t.strictSame([ended.status, ended.text], [204, ''], collection)
      const after = await ask('GET', one)
      t.equal(after.headers.etag, `"${before + 1}"`, `${collection}: the end is a change`)
      t.ok(after.json.deletedAt ?? after.json.removedAt ?? after.json.revokedAt, `${collection}: the row stays`)
      t.equal((await ask('DELETE', one)).status, 204, `${collection}: twice`)
      t.equal(
        (await ask('GET', one)).headers.etag, after.headers.etag, `${collection}: the second time changes nothing`
      )
      t.equal((await ask('DELETE', `${path}/nothing`)).status, 404, collection)
    }
  })

  tap.test(`If-Match: only who knows the present revision changes it, compared where the change is made [${name}]`, async t => {
    const { apiKey } = await tenant()
    const path = `/api-keys/${apiKey.id}`
    const change = async (value: string | null, body: Json = { name: 'x' }) =>
      await ask('PATCH', path, body, value === null ? {} : { 'if-match': value })
    t.equal((await change('"1"')).status, 200)
    for (const stale of ['"1"', '"99"', '"1", "3"', 'W/"2"', '"abc"', '""', '"02"', '"2.0"']) {
      const answer = await change(stale, { name: 'stale' })
      t.strictSame([answer.status, answer.json], [412, {
        error: 'It changed since you read it; fetch it and retry with the new ETag.',
        code: 'PRECONDITION_FAILED'
      }], stale)
    }
    for (const malformed of ['2', 'abc', '"2', '2"', '"2" "3"', '*, "2"', '', '"2",', 'w/"2"', 'x'.repeat(2_000)]) {
      const answer = await change(malformed, { name: 'malformed' })
      t.strictSame([answer.status, answer.json.code, answer.json.details], [400, 'INVALID_REQUEST', {
        field: 'if-match'
      }], malformed)
    }
    t.equal((await ask('GET', path)).json.name, 'x', 'nothing of it was done')
    for (const good of ['"2"', '*', '"1" , "4"', null]) {
      t.equal((await change(good, { name: String(good) })).status, 200, String(good))
    }
    const race = await Promise.all(Array.from({ length: 6 }, (_, i) => change('"6"', { name: `racer ${i}` })))
    t.strictSame(
      race.map(({ status }) => status).toSorted(), [200, 412, 412, 412, 412, 412], 'of many with one revision, one wins'
    )
    t.equal(
      (await ask('PATCH', '/api-keys/key_nowhere', { name: 'x' }, { 'if-match': '*' })).status, 404,
      'RFC 9110 §13.2.1: what would fail anyhow is not judged by it'
    )
    t.equal((await server.withKey(apiKey.key)).status, 200)
    await until('its use is noted', async () => (await ask('GET', path)).json.lastUsedAt !== null)
    t.equal((await ask('GET', path)).headers.etag, '"7"', 'being used is no change')
    t.equal(
      (await ask('POST', `${path}/rotate`, { overlapSeconds: 0 }, { 'if-match': '"6"' })).status, 412, 'rotation too'
    )
  })

  tap.test(`Idempotency-Key: the same request again is answered as before, secrets included, and makes nothing [${name}]`, async t => {
    const { organization, things } = await tenant()
    const further: Record<string, { path: string, body: Json, status?: number }> = {
      ...things,
      'api-keys/import': {
        path: '/api-keys/import',
        body: {
          organization,
          resource: server.issuer,
          environment: 'live',
          name: 'imported',
          scopes: [],
          digest: digestOf(newSecret()),
          hint: '…abcd'
        }
      },
      'api-keys/rotate': {
        path: `/api-keys/${(await server.createKey({ organization })).id}/rotate`, body: { overlapSeconds: 0 }
      },
      'clients/rotate-secret': {
        path: `/clients/${(await server.createClient({ organization })).clientId}/rotate-secret`,
        body: { overlapSeconds: 0 },
        status: 200
      },
      credits: {
        path: `/organizations/${organization}/credits`, body: { environment: 'live', amount: 5, reason: 'gift' }
      }
    }
    for (const [what, { path, body, status = 201 }] of Object.entries(further)) {
      const headers = { 'idempotency-key': newSecret() }
      const first = await ask('POST', path, body, headers)
      t.equal(first.status, status, `${what}: ${first.text}`)
      const again = await ask('POST', path, Object.fromEntries(Object.entries(body).toReversed()), {
        'idempotency-key': `"${headers['idempotency-key']}"`
      })
      t.strictSame([again.status, again.text, again.headers.etag, again.headers['cache-control']], [
        status, first.text, first.headers.etag, 'no-store'
      ], what)
      const other = await ask('POST', path, {
        ...body, name: 'something else', reason: 'something else', overlapSeconds: 1
      }, headers)
      t.ok([400, 422].includes(other.status), what)
    }
    t.equal((await ask('GET', `/organizations/${organization}/credits`)).json.live, 5)
    t.equal((await ask('GET', `/members?organization=${organization}`)).json.data.length, 1)
  })

  tap.test(`Idempotency-Key: another body, another path, another caller, another day [${name}]`, async t => {
    const { organization } = await tenant()
    const key = { 'idempotency-key': newSecret() }
    const body = { organization, name: 'automation', scopes: ['groups:write', 'groups:read'] }
    server.clock.stop()
    const first = await ask('POST', '/access-tokens', body, key)
    t.equal(first.status, 201)
    const reused = {
      error: 'This Idempotency-Key was used for another request; use a new one.', code: 'IDEMPOTENCY_KEY_REUSED'
    }
    const member = { organization, name: 'Ada', role: 'admin' }
    for (const [path, other] of [['/access-tokens', { ...body, name: 'other' }], ['/members', member]] as const) {
      const answer = await ask('POST', path, other, key)
      t.strictSame([answer.status, answer.json], [422, reused], path)
    }
    const own = await ask('POST', '/groups', { organization, name: 'automation', scopes: [] }, {
      ...key, authorization: `Bearer ${first.json.token}`
    })
    t.equal(own.status, 201, 'the keys of one caller are nothing to another')
    const failed = { 'idempotency-key': newSecret() }
    t.equal((await ask('POST', '/members', { ...member, organization: 'org_nowhere' }, failed)).status, 404)
    t.equal((await ask('POST', '/members', member, failed)).status, 201, 'a failure is not remembered')
    for (const bad of ['', ' ', '""', 'a b', 'ü', '"open', 'x'.repeat(129), 'a,b', 'a\\b', '"a", "b"']) {
      const answer = await ask('POST', '/members', member, { 'idempotency-key': Buffer.from(bad).toString('latin1') })
      t.strictSame([answer.status, answer.json.code, answer.json.details], [400, 'INVALID_REQUEST', {
        field: 'idempotency-key'
      }], JSON.stringify(bad))
    }
    const { rememberedAnswers } = server.latchkey.operation.store
    const id = digestOf(JSON.stringify(['admin', key['idempotency-key']]))
    const row = (await rememberedAnswers.get(id))!
    t.notOk(
      JSON.stringify(row).includes(first.json.token) || JSON.stringify(row).includes(key['idempotency-key']),
      'neither the secret nor the key is kept in clear'
    )
    server.clock.advance(86_399)
    t.equal((await ask('POST', '/access-tokens', body, key)).text, first.text, 'a day long')
    server.clock.advance(2)
    const anew = await ask('POST', '/access-tokens', body, key)
    t.equal(anew.status, 201)
    t.not(anew.json.token, first.json.token, 'after a day it is a new request')
    server.clock.advance(2 * 86_401)
    await runHousekeeping(server.latchkey.operation)
    t.equal(await rememberedAnswers.get(id), null, 'and what is forgotten is gone')
  })

  tap.test(`a body is a JSON object, or is left out where nothing in it is required [${name}]`, async t => {
    const { organization, apiKey, things } = await tenant()
    const json = { 'content-type': 'application/json' }
    for (const [collection, { path }] of Object.entries(things)) {
      const one = async () =>
        `${path}/${idOf((await ask('POST', path, creations(server, organization, apiKey.id)[collection]!.body)).json)}`
      t.equal((await ask('DELETE', await one(), undefined, json)).status, 204, collection)
      const revoke = ['organizations', 'members'].includes(collection)
        ? { organizations: 'suspend', members: 'remove' }[collection]
        : 'revoke'
      t.equal((await ask('POST', `${await one()}/${revoke}`, undefined, json)).status, 200, collection)
      const nothing = { 'a JSON null': 'null', 'no body': undefined }
      for (const [what, text] of Object.entries(nothing)) {
        const refused = await server.send({
          method: 'POST',
          path: `/api/v1${path}`,
          headers: { authorization: `Bearer ${server.adminToken}`, ...json },
          ...(text === undefined ? {} : { body: text })
        })
        t.strictSame([refused.status, refused.json.code, refused.json.details], [400, 'INVALID_REQUEST', {
          field: 'body'
        }], `${collection}: ${what}`)
      }
      const ended = await server.send({
        method: 'POST',
        path: `/api/v1${await one()}/${revoke}`,
        headers: { authorization: `Bearer ${server.adminToken}`, ...json },
        body: 'null'
      })
      t.equal(ended.status, 400, `${collection}: a JSON null is no reason`)
    }
  })

  tap.test(`details.field is the path of the member that is wrong [${name}]`, async t => {
    const { organization } = await tenant()
    const grants = [{ resource: server.issuer, scopes: ['invoices:read'] }]
    const key = { organization, resource: server.issuer, environment: 'live', name: 'ci', scopes: [] }
    const wrong: [string, string, Json | undefined, string][] = [
      ['POST', '/clients', { organization, name: 5, grants }, 'name'],
      ['POST', '/clients', { organization, grants }, 'name'],
      [
        'POST', '/clients', { organization, name: 'x', grants: [{ resource: server.issuer, scopes: [5] }] },
        'grants.0.scopes.0'
      ],
      ['POST', '/clients', { organization, name: 'x', grants: [{ scopes: [] }] }, 'grants.0.resource'],
      ['POST', '/clients', { organization, name: 'x', grants, admin: true }, 'admin'],
      ['POST', '/clients', { name: 'x', grants }, 'organization'],
      ['POST', '/clients', { organization, name: 'x', grants, tokenEndpointAuthMethod: 'private_key_jwt' }, 'jwks'],
      ['POST', '/clients', { organization, name: 'x', grants, allowlist: ['here'] }, 'allowlist'],
      ['POST', '/api-keys', { ...key, scopes: ['nothing:here'] }, 'scopes'],
      ['POST', '/api-keys', { ...key, resource: 'https://nowhere.test' }, 'resource'],
      ['POST', '/api-keys', { ...key, expiresAt: '2027-02-31T00:00:00Z' }, 'expiresAt'],
      ['POST', '/api-keys', { ...key, expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
      [
        'POST', '/policies', { organization, name: 'x', effect: 'deny', conditions: { addresses: ['here'] } },
        'conditions.addresses'
      ],
      ['POST', '/registration-tokens', { organization, name: 'x', scopes: ['invoices:read'] }, 'resource'],
      ['GET', '/clients?limit=0', undefined, 'limit'],
      ['GET', '/clients?cursor=x', undefined, 'cursor'],
      ['GET', '/clients?nothing=x', undefined, 'nothing'],
    ]
    for (const [method, path, body, field] of wrong) {
      const answer = await ask(method, path, body)
      t.strictSame(
        [answer.status, answer.json.details?.field], [400, field],
        `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`
      )
    }
  })

  tap.test(`a change that the state of its record does not allow says why [${name}]`, async t => {
    const { organization } = await tenant()
    const { id: another } = await server.createOrganization()
    const { clientId } = await server.createClient({ organization })
    const { publicKey } = generateKeyPairSync('ed25519')
    const jwks = { keys: [publicKey.export({ format: 'jwk' })] }
    const signing = await server.createClient({ organization, tokenEndpointAuthMethod: 'private_key_jwt', jwks })
    const revoked = await server.createRegistrationToken({ organization })
    await ask('POST', `/registration-tokens/${revoked.id}/revoke`)
    const expiring = await server.createKey({
      organization, expiresAt: new Date(server.clock.now().getTime() + 5_000).toISOString()
    })
    server.clock.advance(6)
    const refused: [string, string, Json | undefined, number, string, RegExp][] = [
      ['PATCH', `/clients/${clientId}`, { organization: another }, 409, 'CONFLICT', /belongs to org_\w+ and cannot move/],
      [
        'POST', `/clients/${signing.clientId}/rotate-secret`, { overlapSeconds: 0 }, 400, 'INVALID_REQUEST',
        /has no secret to rotate/
      ],
      ['PATCH', `/registration-tokens/${revoked.id}`, { uses: 2 }, 409, 'CREDENTIAL_REVOKED', /create a new one/],
      [
        'POST', '/webhook-tokens', { apiKey: expiring.id, object: { type: 'templates', id: 'x' } }, 409,
        'CREDENTIAL_EXPIRED', /has expired; use another one/
      ],
      [
        'POST', '/access-tokens', { organization, name: 'x', scopes: [], creator: 'mem_nobody' }, 404, 'NOT_FOUND',
        /no member "mem_nobody" in the organization/
      ],
    ]
    for (const [method, path, body, status, code, message] of refused) {
      t.match(await ask(method, path, body), { status, json: { code, error: message } }, `${method} ${path}`)
    }
  })

  tap.test(`a credential without an organization manages nothing [${name}]`, async t => {
    const { clientId, clientSecret } = await server.createClient({
      grants: [{ resource: `${server.issuer}/api/v1`, scopes: ['clients:read'] }]
    })
    const { store } = server.latchkey.operation
    // As one that registered openly, had its grants been changed behind the API.
    await store.clients.update({ ...(await store.clients.get(clientId))!, organizationId: null })
    const answer = await server.bearer(await server.tokenFor({ clientId, clientSecret }), '/api/v1/clients')
    t.match(answer, {
      status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS', error: 'This credential belongs to no organization.' }
    })
  })

  tap.test(`RFC 9110 §15.5.6: a method that a path does not take is 405 with Allow, and a path that is none 404 [${name}]`, async t => {
    const { organization } = await tenant()
    const others: [string, string, string][] = [
      ['PUT', `/api/v1/organizations/${organization}`, 'DELETE, GET, HEAD, PATCH'],
      ['DELETE', '/api/v1/clients', 'GET, HEAD, POST'],
      ['GET', '/api/v1/clients/cli_x/revoke', 'POST'],
      ['POST', '/api/v1/principal', 'GET, HEAD'],
      ['DELETE', '/healthz', 'GET, HEAD'],
      ['PUT', '/api/v1/openapi.json?x=y', 'GET, HEAD'],
      // A path of its own, beside those of keys.
      ['OPTIONS', '/api/v1/api-keys/import', 'POST'],
      ['QUERY', '/api/v1/signing-keys/rotate', 'POST'],
      ['QUERY', '/.well-known/jwks.json', 'GET, HEAD, OPTIONS'],
      ['PROPFIND', '/.well-known/jwks.json', 'GET, HEAD, OPTIONS'],
      ['PROPFIND', '/api/v1/auth/token', 'OPTIONS, POST'],
    ]
    for (const [method, path, allow] of others) {
      const answer = await server.send({ method, path })
      t.strictSame([answer.status, answer.json.code ?? 'METHOD_NOT_ALLOWED', answer.headers.allow], [
        405, 'METHOD_NOT_ALLOWED', allow
      ], `${method} ${path}`)
    }
    // Whatever was sent to it: nothing of that is looked at.
    for (
      const [headers, body] of [
        [{ 'content-type': 'application/json' }, '{"a":'], [{ 'content-type': 'text/x' }, 'a'],
        [{ 'content-type': 'application/json' }, ' '.repeat(70_000)]
      ] as const
    ) {
      t.equal((await server.send({ method: 'QUERY', path: '/api/v1/clients', headers, body })).status, 405)
      t.equal((await server.send({ method: 'PUT', path: '/api/v1/clients', headers, body })).status, 405)
      t.equal((await server.send({ method: 'PUT', path: '/api/v1/nothing', headers, body })).status, 404)
    }
    for (
      const path of ['/api/v1/nothing', '/api/v1/clients/', '/api/v1/clients//revoke', '/api/v1/clients/a/b/c', '/none']
    ) {
      t.equal((await server.send({ method: 'PUT', path })).status, 404, path)
    }
    for (
      const path of [
        '/oauth/token', '/oauth2/token', '/token', '/realms/acme/protocol/openid-connect/token', '/connect/token'
      ]
    ) {
      const answer = await server.send({ method: 'POST', path })
      t.strictSame([answer.status, answer.json], [404, {
        error: `There is no such route. Tokens are issued at ${server.issuer}/api/v1/auth/token.`, code: 'NOT_FOUND'
      }])
    }
  })

  tap.test(`RFC 9110 §15.5.16: a compressed body is 415 and told what is taken [${name}]`, async t => {
    for (const coding of ['gzip', 'br', 'GZIP', 'gzip, identity']) {
      const api = await ask('POST', '/organizations', { name: 'x' }, { 'content-encoding': coding })
      t.strictSame([api.status, api.json.code, api.headers['accept-encoding']], [
        415, 'UNSUPPORTED_MEDIA_TYPE', 'identity'
      ], coding)
      const token = await server.send({
        method: 'POST',
        path: '/api/v1/auth/token',
        headers: { 'content-encoding': coding },
        body: new URLSearchParams({ grant_type: 'client_credentials' })
      })
      t.strictSame([token.status, token.json.error, token.headers['accept-encoding']], [
        415, 'invalid_request', 'identity'
      ], coding)
    }
    t.equal((await ask('POST', '/organizations', { name: 'x' }, { 'content-encoding': 'identity' })).status, 201)
  })

  tap.test(`Idempotency-Key: of many at once exactly one makes it [${name}]`, async t => {
    const { organization } = await tenant()
    for (let round = 0; round < 5; round++) {
      const key = { 'idempotency-key': newSecret() }
      const body = { organization, resource: server.issuer, environment: 'live', name: `round ${round}`, scopes: [] }
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask('POST', '/api-keys', body, key)))
      const good = answers.filter(({ status }) => status === 201)
      t.ok(good.length >= 1)
      t.equal(new Set(good.map(({ text }) => text)).size, 1, 'one answer')
      for (const answer of answers.filter(({ status }) => status !== 201)) {
        t.strictSame([answer.status, answer.json.code], [409, 'IDEMPOTENCY_IN_PROGRESS'])
      }
      t.equal(
        (await ask('GET', `/api-keys?organization=${organization}&name=${encodeURIComponent(`round ${round}`)}`)).json
          .data.length,
        1,
        'one row'
      )
      t.equal((await ask('POST', '/api-keys', body, key)).text, good[0]!.text)
    }
  })

  tap.test(`Idempotency-Key: a server that is about it says so, and not any more once it is done or has failed [${name}]`, async t => {
    const { operation, config } = server.latchkey
    const { run } = idempotency(config.secrets)
    const repeatable = { key: newSecret(), request: 'the same' }
    for (const outcome of ['fails', 'answers'] as const) {
      const [begun, going] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const first = run(operation, repeatable, async () => {
        begun.resolve()
        await going.promise
        if (outcome === 'fails') throw new Failure('not_found')
        return 'made'
      })
      await begun.promise
      await t.rejects(
        run(operation, repeatable, async () => 'made twice'), { code: 'idempotency_in_progress' }, outcome
      )
      going.resolve()
      if (outcome === 'fails') await t.rejects(first, { code: 'not_found' })
      else t.equal(await first, 'made')
    }
    t.equal(await run(operation, repeatable, async () => 'made anew'), 'made')
  })

  tap.test(`Idempotency-Key: of several servers on one database, one makes it and the others give its answer [${name}]`, async t => {
    const { operation, config } = server.latchkey
    const organization = (await server.createOrganization()).id
    // Each with a memory of its own of what is under way, as processes have.
    const replicas = Array.from({ length: 4 }, () => idempotency(config.secrets))
    let runs = 0
    const repeatable = { key: newSecret(), request: 'the same' }
    const answers = await Promise.all(replicas.map(replica => replica.run(operation, repeatable, async inside => {
      runs++
      return (await createMember(inside, { organizationId: organization, name: 'Ada', role: 'admin' })).id
    })))
    t.equal(new Set(answers).size, 1)
    t.ok(runs >= 1)
    const bare = { key: newSecret(), request: 'the same' }
    const alike = await Promise.all(replicas.map(replica => replica.run(operation, bare, async () => newSecret())))
    t.equal(new Set(alike).size, 1, 'also if they write nothing but the answer')
    t.strictSame((await ask('GET', `/members?organization=${organization}`)).json.data.map(idOf), [answers[0]])
    await t.rejects(
      idempotency(['another secret than the one it was sealed under']).run(operation, repeatable, async () =>
        'made again'),
      { code: 'conflict' },
      'never made twice, also when the answer cannot be read'
    )
  })

  tap.test(`Idempotency-Key: an answer that expires while it is asked for is no reason to make anything [${name}]`, async t => {
    const { operation, config } = server.latchkey
    const { run } = idempotency(config.secrets)
    const repeatable = { key: newSecret(), request: 'the same' }
    await run(operation, repeatable, async () => 'made')
    const begun = operation.clock()
    const instants = [begun, secondsAfter(begun, answerLifetime + 1)]
    await t.rejects(
      run({ ...operation, clock: () => instants.shift()! }, repeatable, async () => 'made again'),
      { code: 'conflict', message: /has just expired; send the request again/ }
    )
    t.equal(await run(operation, repeatable, async () => 'made again'), 'made', 'the attempt changed nothing')
  })

  tap.test(`Idempotency-Key: what was made and its answer are kept together, or neither is [${name}]`, async t => {
    const { organization } = await tenant()
    const { store } = server.latchkey.operation
    const before = await total('members', organization)
    const body = { organization, name: 'Ada', role: 'admin' }
    const key = { 'idempotency-key': newSecret() }
    const real = store.transaction
    // As if the server had died between the work and its commit: the transaction is given up at its very end.
    store.transaction = async (work, isolation) => await real(async tx => {
      await work(tx)
      throw new Failure('storage_unavailable')
    }, isolation)
    const lost = await ask('POST', '/members', body, key)
    store.transaction = real
    t.equal(lost.status, 503)
    t.equal(await total('members', organization), before, 'nothing was made')
    // As if it had died between the commit and the answer: the caller never heard.
    store.transaction = async (work, isolation) => {
      await real(work, isolation)
      throw new Failure('storage_unavailable')
    }
    const unheard = await ask('POST', '/members', body, key)
    store.transaction = real
    t.equal(unheard.status, 503)
    const heard = await ask('POST', '/members', body, key)
    t.equal(heard.status, 201)
    t.equal(await total('members', organization), before + 1, 'it was made once')
    t.strictSame((await ask('GET', `/members/${heard.json.id}`)).json, heard.json)
  })

  tap.test(`filters: each narrows, unknown ones are refused [${name}]`, async t => {
    const { organization, apiKey, things } = await tenant()
    const made = new Map<string, Json>()
    for (const [collection, { path, body }] of Object.entries(things)) {
      made.set(collection, (await ask('POST', path, body)).json)
    }
    await ask('DELETE', `/clients/${(await server.createClient({ organization, name: 'gone' })).clientId}`)
    const ids = async (path: string): Promise<string[]> => {
      const answer = await ask('GET', path)
      t.equal(answer.status, 200, `${path}: ${answer.text}`)
      return answer.json.data.map(idOf)
    }
    const other = (await server.createOrganization('Unlike the others')).id
    await ask('POST', `/organizations/${other}/suspend`, { reason: 'unpaid' })
    t.strictSame(await ids('/organizations?name=Unlike%20the%20others'), [other])
    t.ok((await ids('/organizations?status=suspended')).includes(other))
    t.notOk((await ids('/organizations?status=active&limit=200')).includes(other))
    const of = `organization=${organization}`
    const client = idOf(made.get('clients')!)
    const expected: Record<string, string[]> = {
      [`/clients?${of}&status=active`]: [client],
      [`/clients?${of}&status=revoked&name=billing`]: [],
      [`/clients?${of}&name=billing`]: [client],
      [`/clients?${of}&origin=registered`]: [],
      [`/clients?${of}&status=active&resource=${encodeURIComponent(server.issuer)}`]: [client],
      [`/clients?${of}&resource=https://nowhere.test`]: [],
      [`/members?${of}&role=admin&status=active&name=Ada`]: [idOf(made.get('members')!)],
      [`/members?${of}&role=viewer`]: [],
      [`/members?${of}&status=removed`]: [],
      [`/resources?${of}&status=active`]: [idOf(made.get('mcp-servers')!), idOf(made.get('resources')!)],
      [`/resources?identifier=${encodeURIComponent(server.issuer)}`]: ['res_host'],
      [`/mcp-servers?${of}&status=active`]: [idOf(made.get('mcp-servers')!)],
      [`/mcp-servers?${of}&status=revoked`]: [],
      [`/api-keys?${of}&environment=live&resource=res_host&name=ci&status=active`]: [
        idOf(made.get('api-keys')!), apiKey.id
      ],
      [`/api-keys?${of}&environment=test`]: [],
      [`/api-keys?${of}&creator=mem_nobody`]: [],
      [`/publishable-keys?${of}&environment=live&resource=res_host&name=pair&status=active`]: [
        idOf(made.get('publishable-keys')!)
      ],
      [`/publishable-keys?${of}&status=revoked`]: [],
      [`/webhook-tokens?${of}&apiKey=${apiKey.id}&resource=res_host&status=active`]: [
        idOf(made.get('webhook-tokens')!)
      ],
      [`/webhook-tokens?${of}&apiKey=key_nowhere`]: [],
      [`/registration-tokens?${of}&name=agents&status=active`]: [idOf(made.get('registration-tokens')!)],
      [`/registration-tokens?${of}&status=spent`]: [],
      [`/registration-tokens?${of}&status=expired`]: [],
      [`/access-tokens?${of}&name=automation&status=active`]: [idOf(made.get('access-tokens')!)],
      [`/access-tokens?${of}&status=expired`]: [],
      [`/access-tokens?${of}&creator=mem_nobody`]: [],
    }
    for (const [path, found] of Object.entries(expected)) {
      t.strictSame((await ids(path)).toSorted(), found.toSorted(), path)
    }
    for (const collection of [...Object.keys(things), 'signing-keys']) {
      for (const query of ['nothing=x', 'status=', 'id=x', 'limit=0', 'cursor=x']) {
        const answer = await ask('GET', `/${collection}?${query}`)
        t.strictSame([answer.status, answer.json.code], [400, 'INVALID_REQUEST'], `${collection}?${query}`)
      }
    }
  })
}

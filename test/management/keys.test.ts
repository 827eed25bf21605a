/** API keys as a product, as an operator and an organization manage them: over real HTTP, on both databases. */
import { createHash } from 'node:crypto'
import tap, { type Test } from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { openDatabase } from '../../src/storage/engine/database.ts'
import { databases, oneDatabase } from '../support/databases.ts'
import { MovableClock, startServer, type Answer, type Json } from '../support/test-server.ts'

const sha256 = (text: string, encoding: 'hex' | 'base64url' = 'hex') =>
  createHash('sha256').update(text).digest(encoding)

/** The other texts that decode to the same bytes: the last character of a digest has two bits that are not used. */
function respelled (digest: string): string[] {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(digest.at(-1)!)
  return [1, 2, 3].map(more => digest.slice(0, -1) + alphabet[last + more]!)
}

/** The members of a key on the wire, and nothing else. */
const members = [
  'id',
  'vouchedBy',
  'portal',
  'hint',
  'status',
  'organization',
  'organizations',
  'resource',
  'environment',
  'name',
  'access',
  'scopes',
  'objects',
  'allowlist',
  'callsPerMonth',
  'creditsPerMonth',
  'callsPerMinute',
  'createdBy',
  'creator',
  'imported',
  'rotatedFrom',
  'rotatedTo',
  'createdAt',
  'expiresAt',
  'revokedAt',
  'revokedReason',
  'disabledAt',
  'disabledReason',
  'metadata',
  'externalId',
  'lastUsedAt'
]

for (const { name, fresh } of databases) {
  const database = await fresh()
  const clock = new MovableClock()
  clock.stop()
  const server = await startServer({ database: database.url, clock })
  tap.teardown(async () => {
    await server.close()
    await database.drop()
  })
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, send, withKey, createOrganization, createKey, issuer } = server
  const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000).toISOString()

  /** Calls the management API with a key of an organization for it. */
  const confinedTo = async (organization: string, scopes = ['api-keys:*', 'members:*', 'organizations:*']) => {
    const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes })
    return async (method: string, path: string, body?: Json): Promise<Answer> =>
      await send({
        method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
      })
  }
  const createMember = async (organization: string, input: Json = {}): Promise<Json> =>
    (await admin('POST', '/members', { organization, name: 'Ada', role: 'member', ...input })).json
  const read = (key: string) => withKey(key)
  const write = (key: string) => withKey(key, '/api/v1/invoices', { method: 'POST' })

  test('CL-06: a key is created, read, listed, changed and revoked through the API; its text is told once', async t => {
    const organization = (await createOrganization()).id
    const answer = await admin('POST', '/api-keys', {
      organization,
      resource: issuer,
      environment: 'test',
      name: 'ci',
      scopes: ['invoices:*'],
      objects: { projects: ['prj_1'] },
      allowlist: ['127.0.0.1'],
      expiresAt: inSeconds(60),
      callsPerMonth: 1000,
      creditsPerMonth: 5,
      callsPerMinute: 10,
    })
    t.equal(answer.status, 201)
    t.equal(answer.headers['cache-control'], 'no-store')
    const { key, ...made } = answer.json
    t.match(key, /^lb_test_[0-9A-Za-z]{33}$/)
    t.strictSame(Object.keys(made).sort(), [...members].sort())
    t.strictSame(made, {
      id: made.id,
      hint: `lb_test_…${key.slice(-4)}`,
      status: 'active',
      organization,
      organizations: [organization],
      resource: issuer,
      environment: 'test',
      name: 'ci',
      access: 'custom',
      scopes: ['invoices:*'],
      objects: { projects: ['prj_1'] },
      allowlist: ['127.0.0.1'],
      callsPerMonth: 1000,
      creditsPerMonth: 5,
      callsPerMinute: 10,
      createdBy: 'admin',
      creator: null,
      vouchedBy: null,
      portal: null,
      imported: false,
      rotatedFrom: null,
      rotatedTo: null,
      createdAt: clock.now().toISOString(),
      expiresAt: inSeconds(60),
      revokedAt: null,
      revokedReason: null,
      disabledAt: null,
      disabledReason: null,
      metadata: {},
      externalId: null,
      lastUsedAt: null,
    })
    t.strictSame((await admin('GET', `/api-keys/${made.id}`)).json, made)
    t.strictSame((await admin('GET', `/api-keys?organization=${organization}`)).json, {
      data: [made], pagination: { limit: 100, hasMore: false }
    })

    const change = {
      name: 'nightly',
      scopes: ['company:read'],
      objects: {},
      allowlist: [],
      expiresAt: null,
      callsPerMonth: null,
      creditsPerMonth: 2_147_483_647,
      callsPerMinute: 1
    }
    const changed = await admin('PATCH', `/api-keys/${made.id}`, change)
    t.strictSame(changed.json, { ...made, ...change })
    t.strictSame((await admin('GET', `/api-keys/${made.id}`)).json, changed.json)

    const revoked = await admin('POST', `/api-keys/${made.id}/revoke`, { reason: 'leaked' })
    t.strictSame(revoked.json, {
      ...changed.json, status: 'revoked', revokedAt: clock.now().toISOString(), revokedReason: 'leaked'
    })
    clock.advance(10)
    t.strictSame(
      (await admin('POST', `/api-keys/${made.id}/revoke`, { reason: 'again' })).json, revoked.json,
      'revoking twice changes nothing'
    )
    t.match((await admin('PATCH', `/api-keys/${made.id}`, { name: 'back' })).json, { code: 'CREDENTIAL_REVOKED' })
    t.strictSame(
      (await admin('GET', `/audit?subject=${made.id}`)).json.data.map((event: Json) => event.type).sort(),
      ['api_key.created', 'api_key.revoked', 'api_key.updated'], 'each change once, and what changed nothing not at all'
    )
  })

  test('CD-05: renaming a key has no effect on its callers', async t => {
    const { id, key } = await createKey()
    t.equal((await read(key)).status, 200)
    t.equal((await admin('PATCH', `/api-keys/${id}`, { name: 'another' })).json.name, 'another')
    t.equal((await read(key)).status, 200)
  })

  test('CD-03: full access is all that the resource declares without its API-key-only scopes, read-only what only looks', async t => {
    const organization = (await createOrganization()).id
    const full = await createKey({ organization, scopes: undefined, access: 'full' })
    t.equal((await read(full.key)).status, 200)
    t.equal((await write(full.key)).status, 201)
    t.equal((await withKey(full.key, '/api/v1/partners/customers', { method: 'POST' })).status, 403)
    const readOnly = await createKey({ organization, scopes: undefined, access: 'read-only' })
    t.equal((await read(readOnly.key)).status, 200)
    t.equal((await write(readOnly.key)).status, 403)

    for (const more of [{ scopes: ['invoices:read'] }, { objects: { projects: ['prj_1'] } }]) {
      const answer = await admin('POST', '/api-keys', {
        organization, resource: issuer, environment: 'live', name: 'x', access: 'full', ...more
      })
      t.equal(answer.status, 400)
      t.strictSame(answer.json, {
        error: 'A key with full access names no scopes and no objects; use custom access for that.',
        code: 'INVALID_REQUEST',
        details: { field: 'access' }
      })
    }
    const custom = await createKey({ organization, objects: { projects: ['prj_1'] } })
    t.match((await admin('PATCH', `/api-keys/${custom.id}`, { access: 'read-only' })).json, {
      access: 'read-only', scopes: [], objects: {}
    })
    t.equal((await withKey(custom.key, '/api/v1/company')).status, 200, 'true from the next request on')
    t.match((await admin('PATCH', `/api-keys/${custom.id}`, { access: 'custom', scopes: ['invoices:write'] })).json, {
      access: 'custom', scopes: ['invoices:write']
    })
    t.equal((await withKey(custom.key, '/api/v1/company')).status, 403)
  })

  test('CL-07: a pattern covers a type or an action; one that covers nothing is refused, and none reaches an API-key-only scope', async t => {
    const organization = (await createOrganization()).id
    for (
      const [scopes, reads, writes, provisions] of [
        [['invoices:*'], 200, 201, 403], [['*:read'], 200, 403, 403], [['*'], 200, 201, 403],
        [['*', 'portal-provision'], 200, 201, 201], [[], 403, 403, 403]
      ] as const
    ) {
      const { key } = await createKey({ organization, scopes })
      t.strictSame(
        [
          (await read(key)).status, (await write(key)).status,
          (await withKey(key, '/api/v1/partners/customers', { method: 'POST' })).status
        ],
        [reads, writes, provisions],
        scopes.join(' ')
      )
    }
    for (const scopes of [['receipts:*'], ['*:delete'], ['portal-*'], ['invoices:*', 'nothing']]) {
      t.match(
        (await admin('POST', '/api-keys', { organization, resource: issuer, environment: 'live', name: 'x', scopes }))
          .json,
        { code: 'UNKNOWN_SCOPE' }
      )
    }
  })

  test('CL-05: a key reaches further organizations where each of them exists and is active, its own first', async t => {
    const [own, other, suspended] = [
      (await createOrganization('own')).id, (await createOrganization('other')).id,
      (await createOrganization('suspended')).id
    ]
    await admin('PATCH', `/organizations/${suspended}`, { status: 'suspended' })
    const input = { organization: own, resource: issuer, environment: 'live', name: 'several', scopes: [] }
    const made = await admin('POST', '/api-keys', { ...input, organizations: [other, own, other] })
    t.strictSame(made.json.organizations, [own, other])
    t.strictSame((await admin('PATCH', `/api-keys/${made.json.id}`, { organizations: [] })).json.organizations, [own])
    t.match(await admin('POST', '/api-keys', { ...input, organizations: ['org_nowhere'] }), {
      status: 404, json: { code: 'NOT_FOUND' }
    })
    t.match(await admin('PATCH', `/api-keys/${made.json.id}`, { organizations: ['org_nowhere'] }), {
      status: 404, json: { code: 'NOT_FOUND' }
    })
    t.match(await admin('POST', '/api-keys', { ...input, organizations: [suspended] }), {
      status: 409, json: { code: 'ORGANIZATION_NOT_ACTIVE' }
    })
    t.match(await admin('POST', '/api-keys', { ...input, organization: suspended }), {
      status: 409, json: { code: 'ORGANIZATION_NOT_ACTIVE' }
    })
  })

  test('CD-12: custom access takes the feature that the style of the resource asks for; the other levels do not', async t => {
    const organization = (await createOrganization()).id
    const identifier = `https://desk.example/${organization}`
    await admin('POST', '/resources', {
      identifier, style: 'craftdesk', scopes: [{ name: 'tasks:read' }, { name: 'tasks:write' }]
    })
    const make = (more: Json) =>
      admin('POST', '/api-keys', { organization, resource: identifier, environment: 'live', name: 'x', ...more })
    const refused = await make({ scopes: ['tasks:read'] })
    t.equal(refused.status, 403)
    t.strictSame(refused.json, {
      error:
        'Custom-access keys need a plan that includes custom-scopes; use full or read-only access, or change the ' +
          'plan.',
      code: 'FEATURE_NOT_INCLUDED',
      details: { feature: 'custom-scopes' },
    })
    const full = await make({ access: 'full' })
    t.equal(full.status, 201)
    t.equal((await make({ access: 'read-only' })).status, 201)
    t.equal(
      (await admin('PATCH', `/api-keys/${full.json.id}`, { access: 'custom', scopes: ['tasks:read'] })).status, 403
    )
    t.strictSame(
      (await admin('PATCH', `/organizations/${organization}`, { features: ['custom-scopes'] })).json.features,
      ['custom-scopes']
    )
    t.equal((await make({ scopes: ['tasks:read'] })).status, 201)
  })

  test('CL-10: after a rotation old and new work until the overlap ends, then the new one alone', async t => {
    const organization = (await createOrganization()).id
    const before = await createKey({
      organization,
      scopes: ['invoices:read'],
      allowlist: ['127.0.0.1'],
      callsPerMonth: 50,
      objects: { projects: ['prj_1'] }
    })
    const rotation = await admin('POST', `/api-keys/${before.id}/rotate`, { overlapSeconds: 3600 })
    t.equal(rotation.status, 201)
    t.equal(rotation.headers['cache-control'], 'no-store')
    const { key, ...after } = rotation.json
    const { key: _, ...made } = before
    t.not(key, before.key)
    t.strictSame(after, { ...made, id: after.id, hint: `lb_live_…${key.slice(-4)}`, rotatedFrom: before.id })
    t.strictSame((await admin('GET', `/api-keys/${before.id}`)).json, {
      ...made, status: 'rotated', rotatedTo: after.id, expiresAt: inSeconds(3600)
    })

    clock.advance(3599)
    t.strictSame([(await read(before.key)).status, (await read(key)).status], [200, 200])
    clock.advance(1)
    t.strictSame([(await read(before.key)).status, (await read(key)).status], [401, 200])
    t.strictSame(
      (await admin('GET', `/audit?subject=${after.id}`)).json.data.map((
        { type, detail }: Json
      ) => [type, detail.rotatedFrom, detail.overlapSeconds]),
      [['api_key.rotated', before.id, 3600]]
    )
  })

  test('CL-10: an overlap of 0 ends the old key at once; an expiry that comes earlier stays the earlier one', async t => {
    const organization = (await createOrganization()).id
    const before = await createKey({ organization })
    const { key } = (await admin('POST', `/api-keys/${before.id}/rotate`, { overlapSeconds: 0 })).json
    t.strictSame([(await read(before.key)).status, (await read(key)).status], [401, 200])
    const short = await createKey({ organization, expiresAt: inSeconds(60) })
    const rotated = (await admin('POST', `/api-keys/${short.id}/rotate`, { overlapSeconds: 3600 })).json
    t.equal(rotated.expiresAt, inSeconds(60), 'the new key has the expiry of the old one')
    t.equal((await admin('GET', `/api-keys/${short.id}`)).json.expiresAt, inSeconds(60))
  })

  test('CL-10: a key is rotated once: again, at the same time, changed afterwards, revoked or expired is refused by name', async t => {
    const organization = (await createOrganization()).id
    const rotate = (id: string, overlapSeconds = 60) => admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds })
    const key = await createKey({ organization })
    const racing = await Promise.all(Array.from({ length: 5 }, () => rotate(key.id)))
    t.strictSame(racing.map(({ status }) => status).sort(), [201, 409, 409, 409, 409])
    const next = racing.find(({ status }) => status === 201)!.json
    for (const { status, json } of racing) {
      if (status === 409) {
        t.strictSame(json, {
          error:
            `The API key ${key.id} was replaced by ${next.id}; change that one. To end this one before its overlap ` +
              'does, revoke it.',
          code: 'CREDENTIAL_SUPERSEDED',
          details: { rotatedTo: next.id }
        })
      }
    }
    t.match(await admin('PATCH', `/api-keys/${key.id}`, { expiresAt: null }), {
      status: 409, json: { code: 'CREDENTIAL_SUPERSEDED' }
    }, 'an overlap is not prolonged')
    t.equal(
      (await admin('GET', `/api-keys?organization=${organization}`)).json.data.length, 2,
      'nothing was left behind by those that lost'
    )

    const third = (await rotate(next.id, 120)).json
    t.strictSame([(await read(key.key)).status, (await read(next.key)).status, (await read(third.key)).status], [
      200, 200, 200
    ], 'overlaps of a chain may overlap')
    clock.advance(60)
    t.strictSame([(await read(key.key)).status, (await read(next.key)).status, (await read(third.key)).status], [
      401, 200, 200
    ])
    t.equal(
      (await admin('POST', `/api-keys/${next.id}/revoke`)).json.status, 'revoked',
      'the old one can be ended before its overlap does'
    )
    t.strictSame([(await read(next.key)).status, (await read(third.key)).status], [401, 200])

    await admin('POST', `/api-keys/${third.id}/revoke`)
    t.match(await rotate(third.id), { status: 409, json: { code: 'CREDENTIAL_REVOKED' } })
    const expired = await createKey({ organization, expiresAt: inSeconds(1) })
    clock.advance(1)
    t.match(await rotate(expired.id), {
      status: 409,
      json: { code: 'CREDENTIAL_EXPIRED', error: `The API key ${expired.id} has expired; create a new one.` }
    })
    t.match(await rotate('key_nowhere'), { status: 404, json: { code: 'NOT_FOUND' } })
    for (const overlapSeconds of [-1, 0.5, 2_592_001, '60', null, undefined]) {
      t.match(await admin('POST', `/api-keys/${expired.id}/rotate`, { overlapSeconds }), {
        status: 400, json: { code: 'INVALID_REQUEST' }
      }, String(overlapSeconds))
    }
    t.match(await admin('POST', `/api-keys/${expired.id}/rotate`, { overlapSeconds: 0, key: 'mine' }), {
      status: 400, json: { details: { field: 'key' } }
    })
  })

  test('a key that was made elsewhere is taken over by its digest, whatever its form, and answers like any other', async t => {
    const organization = (await createOrganization()).id
    const legacy = `acme-legacy-${organization}-4f2a`
    t.match(await read(legacy), { status: 401 })
    const input = {
      organization, resource: issuer, environment: 'live', name: 'old', scopes: ['invoices:read'], hint: '…4f2a'
    }
    const answer = await admin('POST', '/api-keys/import', { ...input, digest: sha256(legacy) })
    t.equal(answer.status, 201)
    t.strictSame(Object.keys(answer.json).sort(), [...members].sort(), 'there is no text to tell')
    t.match(answer.json, { imported: true, hint: '…4f2a', status: 'active', createdBy: 'admin' })
    t.equal((await read(legacy)).status, 200)
    t.equal((await write(legacy)).status, 403)
    t.equal((await read(`${legacy}x`)).status, 401)

    for (const digest of [sha256(legacy), sha256(legacy, 'base64url'), sha256(legacy).toUpperCase()]) {
      t.match(await admin('POST', '/api-keys/import', { ...input, digest }), {
        status: 409,
        json: {
          error: `A key with this digest exists already for ${issuer}: ${answer.json.id} of ${organization}.`,
          code: 'CONFLICT',
          details: { id: answer.json.id, organization }
        }
      })
    }
    const rotated = (await admin('POST', `/api-keys/${answer.json.id}/rotate`, { overlapSeconds: 60 })).json
    t.match(rotated, { imported: false, key: /^lb_live_/ })
    t.strictSame([(await read(legacy)).status, (await read(rotated.key)).status], [200, 200])
    t.equal((await admin('PATCH', `/resources/${encodeURIComponent(issuer)}`, { style: 'ledgerbee' })).status, 200)
    t.equal((await read(legacy)).status, 200, 'another style for the resource does not cut imported keys off')
    clock.advance(60)
    t.equal((await read(legacy)).status, 401)
    t.match((await admin('GET', `/audit?type=api_key.imported&organization=${organization}`)).json.data, [{
      subject: answer.json.id
    }])
  })

  test('an import that cannot be is refused: no digest, the key as its own hint, a key for the management API', async t => {
    const organization = (await createOrganization()).id
    const input = {
      organization, resource: issuer, environment: 'live', name: 'old', scopes: ['invoices:read'], hint: '…4f2a'
    }
    const digest = sha256('something else')
    for (
      const [more, field] of [
        [{ digest: 'md5' }, 'digest'], [{ digest: digest.slice(1) }, 'digest'],
        [{ digest: `${digest.slice(1)}g` }, 'digest'], [{ digest: `${digest}0` }, 'digest'],
        ...respelled(sha256('something else', 'base64url')).map(spelling => [{ digest: spelling }, 'digest'] as const),
        [{ digest: `${sha256('something else', 'base64url')}=` }, 'digest'],
        [{ digest: 'sixteen-letters!', hint: 'x' }, 'digest'], [{ digest, hint: 'something else' }, 'hint'],
        [{ digest, hint: '' }, 'hint'], [{ digest, hint: 'a\nb' }, 'hint'],
        [{ digest, hint: 'x'.repeat(10_000) }, 'hint'], [{ digest, key: 'text' }, 'key'],
        [{ digest, imported: false }, 'imported'], [{ digest, resource: `${issuer}/api/v1`, scopes: [] }, 'resource'],
        [{ digest: undefined }, 'digest']
      ] as const
    ) {
      t.match(await admin('POST', '/api-keys/import', { ...input, ...more }), {
        status: 400, json: { code: 'INVALID_REQUEST', details: { field } }
      }, JSON.stringify(more).slice(0, 80))
    }
    t.strictSame((await admin('GET', `/api-keys?organization=${organization}`)).json.data, [])
  })

  test('Y2: what only the server may set is refused by name, at creation and at change', async t => {
    const organization = (await createOrganization()).id
    const made = await createKey({ organization })
    const privileged = {
      id: 'key_mine',
      createdBy: 'admin',
      createdAt: inSeconds(0),
      organizationId: 'org_x',
      creatorId: 'mem_x',
      digest: sha256('mine'),
      hint: 'mine',
      key: 'lb_live_mine',
      quota: 10,
      calls: 0,
      imported: true,
      rotatedFrom: 'key_x',
      rotatedTo: null,
      revokedAt: null,
      revokedReason: null,
      disabledAt: null,
      disabledReason: null,
      lastUsedAt: null,
      status: 'active',
      userId: 'root',
    }
    for (const [field, value] of Object.entries(privileged)) {
      const expected = {
        error: `body.${field} is not a known member of this route.`, code: 'INVALID_REQUEST', details: { field }
      }
      const created = await admin('POST', '/api-keys', {
        organization, resource: issuer, environment: 'live', name: 'x', scopes: [], [field]: value
      })
      t.strictSame([created.status, created.json], [400, expected])
      const changed = await admin('PATCH', `/api-keys/${made.id}`, { [field]: value })
      t.strictSame([changed.status, changed.json], [400, expected])
    }
    for (const field of ['organization', 'resource', 'environment', 'creator']) {
      t.match(await admin('PATCH', `/api-keys/${made.id}`, { [field]: 'live' }), {
        status: 400, json: { details: { field } }
      }, `${field} is for good`)
    }
    const { key: _, ...shown } = made
    t.strictSame((await admin('GET', `/api-keys/${made.id}`)).json, shown)
    t.equal((await admin('GET', `/api-keys?organization=${organization}`)).json.data.length, 1)
  })

  test('a limit is a whole number from 1, or none', async t => {
    const organization = (await createOrganization()).id
    const made = await createKey({ organization, callsPerMinute: 1 })
    for (const field of ['callsPerMonth', 'creditsPerMonth', 'callsPerMinute']) {
      for (const value of [0, -1, 1.5, 2_147_483_648, 1e21, '10', true, [], {}]) {
        const expected = { status: 400, json: { code: 'INVALID_REQUEST', details: { field } } }
        t.match(
          await admin('POST', '/api-keys', {
            organization, resource: issuer, environment: 'live', name: 'x', scopes: [], [field]: value
          }),
          expected,
          `${field} ${JSON.stringify(value)}`
        )
        t.match(await admin('PATCH', `/api-keys/${made.id}`, { [field]: value }), expected)
      }
      t.match(
        await send({
          method: 'PATCH',
          path: `/api/v1/api-keys/${made.id}`,
          headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
          body: `{"${field}":1e999}`
        }),
        { status: 400 }
      )
    }
    t.match((await admin('GET', `/api-keys/${made.id}`)).json, {
      callsPerMonth: null, creditsPerMonth: null, callsPerMinute: 1
    })
  })

  test('an expiry lies in the future and exists; past it the key is expired', async t => {
    const organization = (await createOrganization()).id
    const made = await createKey({ organization })
    for (
      const [expiresAt, code] of [
        [inSeconds(0), 'INVALID_EXPIRY'], [inSeconds(-1), 'INVALID_EXPIRY'],
        ['2030-02-31T25:00:00Z', 'INVALID_REQUEST'], ['2030-01-01', 'INVALID_REQUEST'], ['soon', 'INVALID_REQUEST'],
        [4_000_000_000, 'INVALID_REQUEST'], ['+275760-09-13T00:00:00Z', 'INVALID_REQUEST']
      ] as const
    ) {
      t.match(
        await admin('POST', '/api-keys', {
          organization, resource: issuer, environment: 'live', name: 'x', scopes: [], expiresAt
        }),
        { status: 400, json: { code } },
        String(expiresAt)
      )
      t.match(await admin('PATCH', `/api-keys/${made.id}`, { expiresAt }), { status: 400, json: { code } })
    }
    t.equal((await admin('PATCH', `/api-keys/${made.id}`, { expiresAt: inSeconds(1) })).status, 200)
    t.equal((await read(made.key)).status, 200)
    clock.advance(1)
    t.equal((await read(made.key)).status, 401)
    t.equal((await admin('GET', `/api-keys/${made.id}`)).json.status, 'expired')
    for (const expiresAt of [null, '2099-01-01T00:00:00Z']) {
      t.match(await admin('PATCH', `/api-keys/${made.id}`, { expiresAt }), {
        status: 409, json: { code: 'CREDENTIAL_EXPIRED' }
      }, 'who holds a key that has ended may rely on that')
    }
    t.equal((await read(made.key)).status, 401)
  })

  test('a name is 1 to 200 characters for people; objects and features have the form that routes ask for', async t => {
    const organization = (await createOrganization()).id
    const made = await createKey({ organization })
    const make = (more: Json) =>
      admin('POST', '/api-keys', {
        organization, resource: issuer, environment: 'live', name: 'x', scopes: [], ...more
      })
    for (
      const value of [
        '', '   ', 'a\u0000b', 'a\nb', '\u001b[31mred', 'a\u202eb', 'x'.repeat(201), 'x'.repeat(10_240), 7, null
      ]
    ) {
      const expected = { status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'name' } } }
      t.match(await make({ name: value }), expected, JSON.stringify(value).slice(0, 20))
      t.match(await admin('PATCH', `/api-keys/${made.id}`, { name: value }), expected)
    }
    t.equal((await make({ name: 'Ä 🗝 "x" <b>' })).json.name, 'Ä 🗝 "x" <b>')
    for (
      const objects of [
        [], 'x', { Projects: [] }, { projects: 'prj_1' }, { projects: [1] }, { projects: [''] },
        { projects: ['a\u0000'] }, { projects: ['a', 'a'] }, { projects: ['x'.repeat(129)] }, { '': [] }
      ]
    ) {
      t.match(
        await make({ objects }), { status: 400, json: { code: 'INVALID_REQUEST' } },
        JSON.stringify(objects).slice(0, 60)
      )
    }
    t.match(
      await send({
        method: 'POST',
        path: '/api/v1/api-keys',
        headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
        body: '{"objects":{"__proto__":["x"]}}'
      }),
      { status: 400 }
    )
    t.strictSame((await make({ objects: { projects: [], 'a-b_c': ['ö/1'] } })).json.objects, {
      projects: [], 'a-b_c': ['ö/1']
    })
    for (const features of ['embedding', ['Embedding'], ['a', 'a'], ['x y'], [null], [`a${'b'.repeat(64)}`]]) {
      t.match(await admin('PATCH', `/organizations/${organization}`, { features }), {
        status: 400, json: { code: 'INVALID_REQUEST' }
      }, JSON.stringify(features))
    }
    for (const access of ['admin', '', null, 1]) {
      t.match(await make({ access }), { status: 400, json: { details: { field: 'access' } } })
    }
    t.match(await make({ environment: 'prod' }), { status: 400, json: { details: { field: 'environment' } } })
  })

  test('the list is narrowed by organization, status and name, and by all of them', async t => {
    const organization = (await createOrganization()).id
    const active = await createKey({ organization, name: 'one' })
    const expired = await createKey({ organization, name: 'one', expiresAt: inSeconds(5) })
    const rotated = await createKey({ organization, name: 'two' })
    const next = (await admin('POST', `/api-keys/${rotated.id}/rotate`, { overlapSeconds: 3600 })).json
    const revoked = await createKey({ organization, name: 'two' })
    const revokedAndRotated = await createKey({ organization, name: 'three' })
    const last = (await admin('POST', `/api-keys/${revokedAndRotated.id}/rotate`, { overlapSeconds: 0 })).json
    for (const { id } of [revoked, revokedAndRotated]) await admin('POST', `/api-keys/${id}/revoke`)
    await createKey({ name: 'one' })
    clock.advance(5)
    const ids = async (query: string) =>
      new Set(
        (await admin('GET', `/api-keys?organization=${organization}&${query}`)).json.data.map(({ id }: Json) => id)
      )
    const of = (...keys: Json[]) => new Set(keys.map(({ id }) => id))
    t.strictSame(await ids('status=active'), of(active, next, last))
    t.strictSame(await ids('status=expired'), of(expired))
    t.strictSame(await ids('status=rotated'), of(rotated))
    t.strictSame(await ids('status=revoked'), of(revoked, revokedAndRotated))
    t.strictSame(await ids('name=one'), of(active, expired))
    t.strictSame(await ids('name=one&status=active'), of(active))
    t.strictSame(await ids('name=nobody'), of())
    for (const { status, id } of (await admin('GET', `/api-keys?organization=${organization}`)).json.data) {
      t.ok((await ids(`status=${status}`)).has(id), 'what a key says of itself is what it is found by')
    }
    for (
      const query of [
        'status=gone', 'status=', 'name=', 'sort=owner', 'order=name', 'limit=0', 'limit=201', 'limit=1.5',
        'organization=a&organization=b'
      ]
    ) {
      t.match(await admin('GET', `/api-keys?${query}`), { status: 400, json: { code: 'INVALID_REQUEST' } }, query)
    }
  })

  test('a cursor that no page gave out is refused', async t => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (
      const cursor of [
        '', 'x', encode([]), encode([1]), encode(['1', 'key_a']), encode([1.5, 'key_a']), encode([1e300, 'key_a']),
        encode([1, "'; DROP TABLE"]), encode([1, 'key_a', 2]), encode({ id: 'key_a' }), encode(null), '%00',
        'x'.repeat(600)
      ]
    ) {
      for (const path of ['/api-keys', '/members']) {
        t.match(
          await admin('GET', `${path}?cursor=${cursor}`), { status: 400, json: { code: 'INVALID_REQUEST' } },
          `${path} ${cursor.slice(0, 40)}`
        )
      }
    }
    t.match(await admin('GET', `/api-keys?cursor=${encode([0, 'key_a'])}`), {
      status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'cursor' } }
    }, 'also a well-formed one, without the mark of who gave it out')
  })

  test('W3: an organization manages its own keys and members; of others it is told what does not exist', async t => {
    const [own, foreign] = [(await createOrganization('own')).id, (await createOrganization('foreign')).id]
    const call = await confinedTo(own)
    const theirs = await createKey({ organization: foreign })
    const theirMember = await createMember(foreign)
    const mine = { resource: issuer, environment: 'live', name: 'mine', scopes: ['invoices:read'] }

    const made = await call('POST', '/api-keys', mine)
    t.match(made, { status: 201, json: { organization: own, organizations: [own] } })
    t.equal((await call('GET', '/api-keys')).json.data.every((key: Json) => key.organization === own), true)
    t.equal(
      (await call('GET', `/api-keys?organization=${foreign}`)).json.data.every((key: Json) => key.organization === own),
      true
    )
    for (
      const [method, path, body] of [
        ['GET', `/api-keys/${theirs.id}`], ['PATCH', `/api-keys/${theirs.id}`, { name: 'taken' }],
        ['POST', `/api-keys/${theirs.id}/rotate`, { overlapSeconds: 0 }], ['POST', `/api-keys/${theirs.id}/revoke`],
        ['POST', '/api-keys', { ...mine, organization: foreign }],
        ['POST', '/api-keys', { ...mine, organizations: [foreign] }],
        ['PATCH', `/api-keys/${made.json.id}`, { organizations: [foreign] }],
        ['POST', '/api-keys', { ...mine, creator: theirMember.id }],
        ['POST', '/api-keys/import', { ...mine, organization: foreign, digest: sha256('w3'), hint: 'x' }],
        ['GET', `/members/${theirMember.id}`], ['PATCH', `/members/${theirMember.id}`, { role: 'viewer' }],
        ['POST', `/members/${theirMember.id}/remove`],
        ['POST', '/members', { organization: foreign, name: 'Eve', role: 'owner' }]
      ] as const
    ) {
      t.match(await call(method, path, body), { status: 404, json: { code: 'NOT_FOUND' } }, `${method} ${path}`)
    }
    t.equal((await admin('GET', `/api-keys/${theirs.id}`)).json.name, 'ci')
    t.strictSame((await admin('GET', `/members/${theirMember.id}`)).json, theirMember)
    t.match(
      await admin('POST', '/api-keys', { ...mine, organization: own, creator: theirMember.id }), { status: 404 },
      'nor may the operator mix them up'
    )
  })

  test('Y2: an organization sets no limits and gives itself no features', async t => {
    const own = (await createOrganization()).id
    const call = await confinedTo(own)
    const limited = await createKey({ organization: own, callsPerMonth: 10 })
    for (const field of ['callsPerMonth', 'creditsPerMonth', 'callsPerMinute']) {
      for (const value of [1_000_000, null]) {
        const expected = {
          status: 403,
          json: {
            error: `Setting the limits of a key requires a deployment-wide credential; this one is confined to ${own}.`,
            code: 'INSUFFICIENT_PERMISSIONS'
          }
        }
        t.match(
          await call('POST', '/api-keys', {
            resource: issuer, environment: 'live', name: 'x', scopes: [], [field]: value
          }),
          expected
        )
        t.match(
          await call('POST', '/api-keys/import', {
            resource: issuer,
            environment: 'live',
            name: 'x',
            scopes: [],
            digest: sha256('y2'),
            hint: 'x',
            [field]: value
          }),
          expected
        )
        t.match(await call('PATCH', `/api-keys/${limited.id}`, { [field]: value }), expected)
      }
    }
    t.equal((await call('PATCH', `/api-keys/${limited.id}`, { name: 'renamed' })).json.callsPerMonth, 10)
    t.equal(
      (await call('POST', `/api-keys/${limited.id}/rotate`, { overlapSeconds: 0 })).json.callsPerMonth, 10,
      'a rotation keeps the limits'
    )
    t.match(await call('PATCH', `/organizations/${own}`, { features: ['custom-scopes'] }), {
      status: 403,
      json: {
        error:
          'Changing the features of an organization requires a deployment-wide credential; this one is confined to ' +
            `${own}.`
      }
    })
    for (const limit of ['callsPerMonth', 'creditsPerMonth', 'callsPerMinute']) {
      for (const value of [1, null]) {
        t.match(await call('PATCH', `/organizations/${own}`, { [limit]: value }), {
          status: 403,
          json: {
            error:
              'Setting the limits of an organization requires a deployment-wide credential; this one is confined to ' +
                `${own}.`,
            code: 'INSUFFICIENT_PERMISSIONS'
          }
        })
      }
      for (const value of [0, -1, 0.5, '5', 2_147_483_648]) {
        t.match(await admin('PATCH', `/organizations/${own}`, { [limit]: value }), {
          status: 400, json: { code: 'INVALID_REQUEST' }
        }, String(value))
      }
    }
    t.match(await call('PATCH', `/organizations/${own}`, { name: 'Renamed' }), {
      status: 200, json: { name: 'Renamed', features: [] }
    })
    t.match(await call('POST', '/organizations', { name: 'Another', features: [] }), { status: 403 })
  })

  test('Y2: nobody rotates or makes a key of the management API that may do more than they', async t => {
    const own = (await createOrganization()).id
    const call = await confinedTo(own, ['api-keys:read', 'api-keys:write'])
    for (
      const input of [{ scopes: undefined, access: 'full' }, { scopes: undefined, access: 'read-only' }, {
        scopes: ['clients:write']
      }, { scopes: ['*:read'] }]
    ) {
      const greater = await createKey({ organization: own, resource: `${issuer}/api/v1`, ...input })
      t.match(await call('POST', `/api-keys/${greater.id}/rotate`, { overlapSeconds: 60 }), {
        status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' }
      }, JSON.stringify(input))
      t.match(
        await call('POST', '/api-keys', { resource: `${issuer}/api/v1`, environment: 'live', name: 'x', ...input }),
        { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }
      )
      t.equal((await admin('GET', `/api-keys/${greater.id}`)).json.status, 'active')
    }
    const equal = await createKey({ organization: own, resource: `${issuer}/api/v1`, scopes: ['api-keys:*'] })
    t.equal((await call('POST', `/api-keys/${equal.id}/rotate`, { overlapSeconds: 60 })).status, 201)
    t.equal((await call('GET', '/members')).status, 403, 'members have scopes of their own')
  })

  test('Y2: an organization does not widen a key that reaches others; it renames, rotates and revokes it', async t => {
    const [own, other] = [(await createOrganization()).id, (await createOrganization()).id]
    const call = await confinedTo(own)
    const { id } = await createKey({ organization: own, organizations: [other] })
    for (
      const change of [{ scopes: ['invoices:write'] }, { access: 'full' }, { objects: {} }, { allowlist: [] }, {
        expiresAt: null
      }]
    ) {
      t.match(await call('PATCH', `/api-keys/${id}`, change), {
        status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS', error: /reaches organizations besides/ }
      }, JSON.stringify(change))
      t.equal((await admin('PATCH', `/api-keys/${id}`, change)).status, 200)
    }
    t.equal((await call('PATCH', `/api-keys/${id}`, { name: 'renamed' })).json.name, 'renamed')
    const rotated = await call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 })
    t.strictSame(rotated.json.organizations, [own, other])
    t.strictSame((await call('PATCH', `/api-keys/${rotated.json.id}`, { organizations: [] })).json.organizations, [own])
    t.equal(
      (await call('PATCH', `/api-keys/${rotated.json.id}`, { scopes: [] })).status, 200,
      'its own again, it is its own to change'
    )
  })

  test('members are created, read, listed, changed and removed', async t => {
    const organization = (await createOrganization()).id
    const answer = await admin('POST', '/members', { organization, name: 'Ada', role: 'admin' })
    const made = {
      id: answer.json.id,
      organization,
      name: 'Ada',
      email: null,
      role: 'admin',
      scopes: null,
      operator: false,
      createdAt: clock.now().toISOString(),
      removedAt: null
    }
    t.equal(answer.status, 201)
    t.match(answer.json.id, /^mem_/)
    t.strictSame(answer.json, made)
    t.strictSame((await admin('GET', `/members/${made.id}`)).json, made)
    t.strictSame((await admin('GET', `/members?organization=${organization}`)).json, {
      data: [made], pagination: { limit: 100, hasMore: false }
    })
    const changed = await admin('PATCH', `/members/${made.id}`, {
      name: 'Ada L.', role: 'viewer', scopes: ['invoices:*']
    })
    t.strictSame(changed.json, { ...made, name: 'Ada L.', role: 'viewer', scopes: ['invoices:*'] })
    t.strictSame((await admin('PATCH', `/members/${made.id}`, { scopes: null })).json, {
      ...changed.json, scopes: null
    })
    const removed = await admin('POST', `/members/${made.id}/remove`)
    t.strictSame(removed.json, { ...changed.json, scopes: null, removedAt: clock.now().toISOString() })
    clock.advance(1)
    t.strictSame(
      (await admin('POST', `/members/${made.id}/remove`, { reason: 'left' })).json, removed.json,
      'removing twice changes nothing'
    )
    t.match(await admin('PATCH', `/members/${made.id}`, { role: 'owner' }), { status: 409 })
    t.match(
      await admin('POST', '/api-keys', {
        organization, resource: issuer, environment: 'live', name: 'x', scopes: [], creator: made.id
      }),
      { status: 404 },
      'nobody makes a key in the name of who has left'
    )
    t.strictSame(
      (await admin('GET', `/audit?subject=${made.id}`)).json.data.map((event: Json) => event.type).sort(),
      ['member.created', 'member.removed', 'member.updated', 'member.updated']
    )
  })

  test('a member that cannot be is refused', async t => {
    const organization = (await createOrganization()).id
    const { id } = await createMember(organization)
    for (
      const [more, field] of [
        [{ role: 'root' }, 'role'], [{ role: null }, 'role'], [{ name: '' }, 'name'], [{ name: 'a\u0007' }, 'name'],
        [{ name: 'x'.repeat(10_240) }, 'name'], [{ scopes: ['invoices read'] }, 'scopes'],
        [{ scopes: ['ü:read'] }, 'scopes'], [{ scopes: [''] }, 'scopes'], [{ scopes: '*' }, 'scopes'],
        [{ id: 'mem_x' }, 'id'], [{ removedAt: null }, 'removedAt'], [{ createdAt: null }, 'createdAt'],
        [{ organizationId: 'org_x' }, 'organizationId']
      ] as const
    ) {
      const expected = { status: 400, json: { code: 'INVALID_REQUEST', details: { field } } }
      t.match(
        await admin('POST', '/members', { organization, ...{ name: 'Eve', role: 'member' }, ...more }), expected,
        JSON.stringify(more).slice(0, 60)
      )
      t.match(await admin('PATCH', `/members/${id}`, more), expected)
    }
    t.match(await admin('PATCH', `/members/${id}`, { organization: 'org_x' }), {
      status: 400, json: { details: { field: 'organization' } }
    })
    t.match(await admin('POST', '/members', { name: 'Eve', role: 'member' }), {
      status: 400, json: { details: { field: 'organization' } }
    })
    t.match(await admin('POST', '/members', { organization: 'org_nowhere', name: 'Eve', role: 'member' }), {
      status: 404
    })
    t.match(await admin('GET', '/members/mem_nowhere'), {
      status: 404, json: { error: 'There is no member "mem_nowhere".', code: 'NOT_FOUND' }
    })
    t.equal((await admin('GET', `/members?organization=${organization}`)).json.data.length, 1)
  })

  test('CD-09: a key does no more than its creator may now, and nothing once they are removed', async t => {
    const organization = (await createOrganization()).id
    const creator = await createMember(organization, { role: 'member' })
    const full = await createKey({ organization, scopes: undefined, access: 'full', creator: creator.id })
    const custom = await createKey({
      organization, scopes: ['invoices:write', 'portal-provision'], creator: creator.id
    })
    t.equal(full.creator, creator.id)
    const answers = async () => [
      (await read(full.key)).status,
      (await write(full.key)).status,
      (await read(custom.key)).status,
      (await write(custom.key)).status,
      (await withKey(custom.key, '/api/v1/partners/customers', { method: 'POST' })).status
    ]
    t.strictSame(await answers(), [200, 201, 403, 201, 403], 'no pattern of a role reaches an API-key-only scope')
    for (
      const [change, expected] of [
        [{ role: 'viewer' }, [200, 403, 403, 403, 403]], [{ role: 'owner' }, [200, 201, 403, 201, 403]],
        [{ scopes: ['company:read'] }, [403, 403, 403, 403, 403]],
        [{ scopes: ['invoices:*', 'portal-provision'] }, [200, 201, 403, 201, 201]],
        [{ scopes: [] }, [403, 403, 403, 403, 403]], [{ scopes: null }, [200, 201, 403, 201, 403]]
      ] as const
    ) {
      t.equal((await admin('PATCH', `/members/${creator.id}`, change)).status, 200)
      t.strictSame(await answers(), expected, JSON.stringify(change))
    }
    await admin('POST', `/members/${creator.id}/remove`)
    t.strictSame(await answers(), [403, 403, 403, 403, 403])
    t.equal((await admin('GET', `/api-keys/${full.id}`)).json.status, 'active', 'the key itself is as it was')
  })

  test('L1: no answer, no audit row and no line of the log holds the text or the digest of a key', async t => {
    const organization = (await createOrganization()).id
    const made = await createKey({ organization })
    const { key } = (await admin('POST', `/api-keys/${made.id}/rotate`, { overlapSeconds: 60 })).json
    const legacy = `legacy-${organization}-secret`
    await admin('POST', '/api-keys/import', {
      organization,
      resource: issuer,
      environment: 'live',
      name: 'old',
      scopes: [],
      digest: sha256(legacy),
      hint: '…cret'
    })
    await read(made.key)
    await read(key)
    await read(legacy)
    const told = [
      (await admin('GET', `/api-keys?organization=${organization}`)).text,
      (await admin('GET', `/api-keys/${made.id}`)).text,
      (await admin('GET', `/audit?organization=${organization}`)).text,
      server.lines.join('')
    ].join('\n')
    for (const text of [made.key, key, legacy]) {
      for (const secret of [text, sha256(text), sha256(text, 'base64url')]) t.notOk(told.includes(secret))
    }
  })
}

for (const { name, fresh } of oneDatabase) {
  tap.test(`10,000 keys of one organization are listed page by page, each once, while others are made [${name}]`, async t => {
    const { url, drop } = await fresh()
    const organization = 'org_large'
    const start = new Date('2026-01-01T00:00:00.000Z').getTime()
    // The resource has to be there; a server of before has opened the audit chains.
    const environment = { LATCHKEY_SECRET: newSecret() }
    await (await startServer({ database: url, environment })).close()
    const database = await openDatabase(url)
    await database.queries.organization.create({
      data: { id: organization, name: 'Large', status: 'active', createdAt: new Date(start) }
    })
    await database.queries.resource.create({
      data: {
        id: 'res_large',
        identifier: 'https://large.example',
        name: 'Large',
        style: { keyPrefix: 'lb', transports: [], errors: 'ledgerbee' },
        tokenLifetime: 3600,
        createdAt: new Date(start)
      }
    })
    const ids = Array.from({ length: 10_000 }, (_, i) => `key_${i.toString().padStart(5, '0')}`)
    for (let from = 0; from < ids.length; from += 500) {
      await database.queries.apiKey.createMany({
        // Seven of them share an instant: the order has to hold within one too.
        data: ids.slice(from, from + 500).map((id, i) => ({
          id,
          chainId: id,
          digest: sha256(id),
          hint: '…',
          organizationId: organization,
          resourceId: 'res_large',
          environment: 'live',
          name: `key ${id}`,
          scopes: [],
          allowlist: [],
          createdBy: 'admin',
          createdAt: new Date(start + Math.floor((from + i) / 7) * 1000),
        })),
      })
    }
    await database.close()

    const server = await startServer({ database: url, environment })
    t.teardown(async () => {
      await server.close()
      await drop()
    })
    const seen: string[] = []
    let cursor: string | undefined
    let pages = 0
    do {
      const { status, json } = await server.admin(
        'GET', `/api-keys?organization=${organization}&limit=200${cursor === undefined ? '' : `&cursor=${cursor}`}`
      )
      t.equal(status, 200)
      seen.push(...json.data.map(({ id }: Json) => id))
      cursor = json.pagination.nextCursor
      if (++pages % 5 === 0) await server.createKey({ organization })
    } while (cursor !== undefined && pages < 100)
    t.equal(pages, 50)
    t.strictSame(seen, ids.toReversed(), 'newest first, none twice, none left out')
    t.equal(
      (await server.admin('GET', `/api-keys?organization=${organization}&name=key%20key_00003&status=active`)).json
        .data[0].id,
      'key_00003'
    )
  })
}

/** Crane Ledger's statements about its credential layer, one by one, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { craneLedger, craneLedgerPath, declareCraneLedger } from '../../examples/crane-ledger/api.ts'
import { openBooks } from '../../examples/crane-ledger/books.ts'
import { failures } from '../../src/base/errors.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import type { Answer, Json } from '../support/test-server.ts'
import { onBothDatabases, refused, startApi, usageOf, type ProtectedApi } from '../support/protected-api.ts'

const overTls = { 'x-forwarded-proto': 'https' }
const api: ProtectedApi = {
  path: craneLedgerPath,
  headers: overTls,
  options: { trustProxy: '127.0.0.1' },
  async mount (app, latchkey) {
    await declareCraneLedger(latchkey)
    await app.register(craneLedger(latchkey, openBooks()), { prefix: craneLedgerPath })
  },
}

const types: Record<number, string> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error'
}

/** Crane Ledger's refusal, whole. */
function refusedAs (t: Test, answer: Answer, status: number, code: string, message: string, what?: string): void {
  refused(t, answer, status, { error: { type: types[status], code, message, status } }, what)
}

const notValid = 'The credential is not valid.'
const noOrganization = 'There is no such organization.'
const lacks = (scope: string) => `The credential lacks a scope that this route needs: ${scope}.`

await onBothDatabases(api, (test, served) => {
  const { server, call, admin, clock, createOrganization, createKey } = served
  const everything = ['accounts:*', 'transactions:*', 'reports:*']
  const accounts = (organization: string) => `/organizations/${organization}/accounts`
  const reports = (organization: string) => `/organizations/${organization}/reports`
  const grant = async (organization: string, environment: string, amount: number) =>
    await admin('POST', `/organizations/${organization}/credits`, { environment, amount, reason: 'paid' })
  const balances = async (organization: string) => {
    const { live, test } = (await admin('GET', `/organizations/${organization}/credits`)).json
    return { live, test }
  }

  test('CL-01: a key travels as Authorization: Bearer, and says whose it is and for which environment', async t => {
    const organization = await createOrganization()
    for (const environment of ['live', 'test']) {
      const { key } = await createKey({ organization, environment, scopes: ['accounts:read'] })
      t.match(key, new RegExp(`^cl_${environment}_[0-9A-Za-z]{33}$`))
      for (const scheme of ['Bearer', 'bearer']) {
        const answer = await call(null, 'GET', accounts(organization), undefined, {
          headers: { authorization: `${scheme} ${key}` }
        })
        t.strictSame([answer.status, answer.json], [200, { data: [] }])
      }
      const inHeader = await call(null, 'GET', accounts(organization), undefined, { headers: { 'x-api-key': key } })
      refusedAs(
        t, inHeader, 401, 'invalid_api_key',
        'This route needs a credential: an API key or an access token as Authorization: Bearer.'
      )
      t.equal((await call(null, 'GET', `${accounts(organization)}?x-api-key=${key}`)).status, 401)
    }
  })

  test('CL-02: a request that did not come over TLS is refused before its credential is looked at', async t => {
    const organization = await createOrganization()
    const { id, key } = await createKey({ organization, scopes: ['accounts:read'] })
    const message =
      'This API is only spoken to over TLS; use https, and replace the key: it has crossed the network in clear.'
    for (const credential of [key, newApiKeyText('cl', 'live'), 'nonsense', null]) {
      refusedAs(
        t,
        await call(credential, 'GET', accounts(organization), undefined, { headers: { 'x-forwarded-proto': 'http' } }),
        403, 'https_required', message
      )
    }
    const plain = await server.send({
      path: `${craneLedgerPath}${accounts(organization)}`, headers: { authorization: `Bearer ${key}` }
    })
    refusedAs(t, plain, 403, 'https_required', message)
    t.equal((await admin('GET', `/api-keys/${id}`)).json.lastUsedAt, null)
    const spoofed = await call(key, 'GET', accounts(organization), undefined, { from: '127.0.0.2' })
    refusedAs(t, spoofed, 403, 'https_required', message, 'who is no trusted proxy does not say what TLS is')
    t.equal((await call(key, 'GET', accounts(organization))).status, 200)
  })

  test('CL-03: a live key spends real credits, a test key mock ones, and the route knows which', async t => {
    const organization = await createOrganization()
    const live = await createKey({ organization, environment: 'live', scopes: everything })
    const mock = await createKey({ organization, environment: 'test', scopes: everything })
    t.equal((await grant(organization, 'live', 7)).status, 201)
    t.equal((await grant(organization, 'test', 100)).status, 201)

    const account = await call(live.key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' })
    t.equal(account.status, 201)
    await call(live.key, 'POST', `/organizations/${organization}/transactions`, {
      account: account.json.id, cents: 4_200, description: 'sale'
    })
    const real = await call(live.key, 'POST', reports(organization), { kind: 'balance' })
    t.equal(real.status, 201)
    t.strictSame(real.json, {
      id: real.json.id,
      kind: 'balance',
      environment: 'live',
      lines: [{ account: account.json.id, cents: 4_200 }],
      creditsSpent: 5
    })
    t.strictSame(await balances(organization), { live: 2, test: 100 })

    const mocked = await call(mock.key, 'POST', reports(organization), { kind: 'balance' })
    t.strictSame([mocked.status, mocked.json], [201, {
      id: mocked.json.id, kind: 'balance', environment: 'test', lines: [], creditsSpent: 5
    }])
    t.strictSame(await balances(organization), { live: 2, test: 95 })

    refusedAs(
      t, await call(live.key, 'POST', reports(organization), { kind: 'balance' }), 402, 'insufficient_credits',
      'There are not enough credits left.'
    )
    t.strictSame(await balances(organization), { live: 2, test: 95 }, 'a refused call costs nothing')
    t.equal((await call(live.key, 'GET', reports(organization))).json.data.length, 1, 'and does nothing')
    t.equal((await call(mock.key, 'POST', reports(organization), { kind: 'balance' })).status, 201)
  })

  test('CL-03: who gets no report gets the credits back', async t => {
    const organization = await createOrganization()
    const { id, key } = await createKey({ organization, scopes: everything })
    await grant(organization, 'live', 5)
    const answer = await call(key, 'POST', reports(organization), { kind: 'fortune' })
    t.strictSame([answer.status, answer.json.error.type], [400, 'invalid_request_error'])
    t.strictSame(await balances(organization), { live: 5, test: 0 })
    t.equal((await usageOf(served, id)).credits, 0)
    t.equal((await call(key, 'POST', reports(organization), { kind: 'balance' })).status, 201)
  })

  test('CL-03: past the credits of a month it is 429, for a key and for all keys of its organization, until the next month', async t => {
    const organization = await createOrganization({ creditsPerMonth: 15 })
    const [limited, free] = [
      await createKey({ organization, scopes: everything, creditsPerMonth: 5 }),
      await createKey({ organization, scopes: everything })
    ]
    await grant(organization, 'live', 100)
    const report = async ({ key }: { key: string }) =>
      await call(key, 'POST', reports(organization), { kind: 'balance' })
    const refusedForTheMonth = (answer: Answer, what: string) => {
      refusedAs(t, answer, 429, 'quota_exceeded', 'The allowance of the month is used up.', what)
      t.match(answer.headers['retry-after'], /^[1-9]\d*$/)
    }
    t.equal((await report(limited)).status, 201)
    refusedForTheMonth(await report(limited), 'the key\'s own')
    for (let i = 0; i < 2; i++) t.equal((await report(free)).status, 201)
    refusedForTheMonth(await report(free), 'the organization\'s')
    t.strictSame(await balances(organization), { live: 85, test: 0 }, 'what is refused costs nothing')
    clock.advance(31 * 86_400)
    for (const key of [limited, free]) t.equal((await report(key)).status, 201)
    t.strictSame(await balances(organization), { live: 75, test: 0 })
  })

  test('CL-03: of calls that race for the last credits, as many get through as were paid for', async t => {
    const organization = await createOrganization()
    const { key } = await createKey({ organization, scopes: everything })
    await grant(organization, 'live', 15)
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => call(key, 'POST', reports(organization), { kind: 'balance' }))
    )
    t.strictSame(answers.map(({ status }) => status).sort(), [...Array(3).fill(201), ...Array(9).fill(402)])
    t.strictSame(await balances(organization), { live: 0, test: 0 })
  })

  test('CL-04: what an organization has lives under its id, and is its own', async t => {
    const [one, other] = [await createOrganization(), await createOrganization()]
    t.match(one, /^org_[0-9A-Za-z]{22}$/)
    const [{ key }, { key: foreign }] = [
      await createKey({ organization: one, scopes: everything }),
      await createKey({ organization: other, scopes: everything })
    ]
    const { json: account } = await call(key, 'POST', accounts(one), { name: 'Cash', currency: 'EUR' })
    t.strictSame((await call(key, 'GET', accounts(one))).json, { data: [account] })
    t.strictSame((await call(foreign, 'GET', accounts(other))).json, { data: [] })
  })

  test('CL-05: a key reaches the organizations it was made for; any other is answered like one that does not exist', async t => {
    const [first, second, third] = [await createOrganization(), await createOrganization(), await createOrganization()]
    const { key } = await createKey({
      organization: first, organizations: [second], scopes: ['accounts:read', 'accounts:write']
    })
    for (const organization of [first, second]) t.equal((await call(key, 'GET', accounts(organization))).status, 200)
    const [foreign, missing] = [
      await call(key, 'GET', accounts(third)), await call(key, 'GET', accounts('org_0000000000000000000000'))
    ]
    for (
      const answer of [
        foreign, missing, await call(key, 'GET', accounts('%00')),
        await call(key, 'POST', accounts(third), { name: 'x', currency: 'EUR' })
      ]
    ) {
      refusedAs(t, answer, 404, 'organization_not_found', noOrganization)
    }
    const comparable = ({ status, text, headers: { date, 'x-request-id': id, ...headers } }: Answer) => ({
      status, text, headers
    })
    t.strictSame(comparable(foreign), comparable(missing), 'to the last header')

    t.equal((await admin('PATCH', `/organizations/${second}`, { status: 'suspended' })).status, 200)
    refusedAs(
      t, await call(key, 'GET', accounts(second)), 403, 'organization_suspended', 'The organization is suspended.'
    )
    t.equal((await call(key, 'GET', accounts(first))).status, 200)
  })

  test('CL-06: keys are created, listed, updated and revoked through the API', async t => {
    const organization = await createOrganization()
    const { key, ...created } = await createKey({ organization, name: 'ci', scopes: ['accounts:read'] })
    const { data } = (await admin('GET', `/api-keys?organization=${organization}`)).json
    t.strictSame(data, [created], 'the list has all but the key itself')
    t.strictSame((await admin('GET', `/api-keys/${created.id}`)).json, created)
    t.equal((await call(key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' })).status, 403)
    const changed = await admin('PATCH', `/api-keys/${created.id}`, { name: 'release', scopes: ['accounts:*'] })
    t.strictSame([changed.status, changed.json.name, changed.json.scopes], [200, 'release', ['accounts:*']])
    t.equal((await call(key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' })).status, 201)
    const revoked = await admin('POST', `/api-keys/${created.id}/revoke`, { reason: 'leaked' })
    t.strictSame([revoked.status, revoked.json.status, revoked.json.revokedReason], [200, 'revoked', 'leaked'])
    refusedAs(t, await call(key, 'GET', accounts(organization)), 401, 'invalid_api_key', notValid)
  })

  test('CL-07: reading, writing and deleting are permissions of their own for each type of resource', async t => {
    const organization = await createOrganization()
    const seed = await createKey({ organization, scopes: everything })
    const newAccount = async () =>
      (await call(seed.key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' })).json.id as string
    const attempts: Record<string, (key: string) => Promise<Answer>> = {
      'accounts:read': async key => await call(key, 'GET', accounts(organization)),
      'accounts:write': async key => await call(key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' }),
      'accounts:delete': async key => await call(key, 'DELETE', `${accounts(organization)}/${await newAccount()}`),
      'transactions:read': async key => await call(key, 'GET', `/organizations/${organization}/transactions`),
      'transactions:write': async key =>
        await call(key, 'POST', `/organizations/${organization}/transactions`, {
          account: await newAccount(), cents: 1, description: ''
        }),
      'reports:read': async key => await call(key, 'GET', reports(organization))
    }
    for (
      const pattern of [
        'accounts:read', 'accounts:write', 'accounts:delete', 'transactions:write', '*:read', 'accounts:*', '*:delete'
      ]
    ) {
      const { key } = await createKey({ organization, scopes: [pattern] })
      const [type, action] = pattern.split(':')
      for (const [scope, attempt] of Object.entries(attempts)) {
        const may = (type === '*' || scope.startsWith(`${type}:`)) && (action === '*' || scope.endsWith(`:${action}`))
        const answer = await attempt(key)
        if (may) t.ok(answer.status >= 200 && answer.status < 300, `${pattern} may ${scope}`)
        else refusedAs(t, answer, 403, 'insufficient_permissions', lacks(scope), `${pattern} may not ${scope}`)
      }
    }
  })

  test('CL-08: calls and credits are counted for each key', async t => {
    const organization = await createOrganization()
    await grant(organization, 'live', 100)
    const [busy, idle] = [
      await createKey({ organization, scopes: everything }), await createKey({ organization, scopes: everything })
    ]
    for (let i = 0; i < 3; i++) t.equal((await call(busy.key, 'GET', accounts(organization))).status, 200)
    t.equal((await call(busy.key, 'POST', reports(organization), { kind: 'balance' })).status, 201)
    const day = clock.now().toISOString().slice(0, 10)
    t.match(await usageOf(served, busy.id), {
      apiKey: busy.id, calls: 4, credits: 5, days: [{ day, calls: 4, credits: 5 }]
    })
    t.match(await usageOf(served, idle.id), { calls: 0, credits: 0, days: [] })
  })

  test('CL-09: an expired key is told that it expired', async t => {
    const organization = await createOrganization()
    const expiresAt = new Date(clock.now().getTime() + 60_000).toISOString()
    const { id, key } = await createKey({ organization, scopes: ['accounts:read'], expiresAt })
    clock.advance(59)
    t.equal((await call(key, 'GET', accounts(organization))).status, 200)
    clock.advance(1)
    const answer = await call(key, 'GET', accounts(organization))
    refusedAs(t, answer, 401, 'expired_api_key', notValid)
    t.match(answer.headers['www-authenticate'], /^Bearer error="invalid_token"/)
    t.equal((await admin('GET', `/api-keys/${id}`)).json.status, 'expired')
    t.equal(
      (await admin('POST', '/api-keys', {
        organization, resource: served.resource, environment: 'live', name: 'late', scopes: [], expiresAt
      })).json.code,
      'INVALID_EXPIRY'
    )
  })

  test('CL-10: a rotated key and its successor both work until the overlap ends', async t => {
    const organization = await createOrganization()
    const old = await createKey({ organization, scopes: ['accounts:read'] })
    const rotation = await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds: 3_600 })
    t.equal(rotation.status, 201)
    const { key, rotatedFrom } = rotation.json
    t.equal(rotatedFrom, old.id)
    const both =
      async () => [
        (await call(old.key, 'GET', accounts(organization))).status,
        (await call(key, 'GET', accounts(organization))).status
      ]
    t.strictSame(await both(), [200, 200])
    clock.advance(3_599)
    t.strictSame(await both(), [200, 200])
    clock.advance(1)
    t.strictSame(await both(), [401, 200])
    refusedAs(t, await call(old.key, 'GET', accounts(organization)), 401, 'expired_api_key', notValid)
    t.equal(
      (await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds: 0 })).json.code, 'CREDENTIAL_SUPERSEDED'
    )

    const ending = await createKey({
      organization, scopes: ['accounts:read'], expiresAt: new Date(clock.now().getTime() + 60_000).toISOString()
    })
    await admin('POST', `/api-keys/${ending.id}/rotate`, { overlapSeconds: 3_600 })
    clock.advance(60)
    refusedAs(
      t, await call(ending.key, 'GET', accounts(organization)), 401, 'expired_api_key', notValid,
      'its own end comes before that of the overlap'
    )

    const next = (await admin('POST', `/api-keys/${rotation.json.id}/rotate`, { overlapSeconds: 0 })).json
    t.strictSame(
      [
        (await call(key, 'GET', accounts(organization))).status,
        (await call(next.key, 'GET', accounts(organization))).status
      ],
      [401, 200],
      '0: at once'
    )
  })

  test('CL-11: an authentication failure is 401 with type, code, message and status', async t => {
    const organization = await createOrganization()
    const { id, key } = await createKey({ organization, scopes: ['accounts:read'] })
    await admin('POST', `/api-keys/${id}/revoke`)
    const metadata = `resource_metadata="${server.issuer}/.well-known/oauth-protected-resource${craneLedgerPath}"`
    const none = await call(null, 'GET', accounts(organization))
    refusedAs(
      t, none, 401, 'invalid_api_key',
      'This route needs a credential: an API key or an access token as Authorization: Bearer.'
    )
    t.equal(none.headers['www-authenticate'], `Bearer ${metadata}, scope="accounts:read"`)
    for (const credential of [key, 'nonsense']) {
      const answer = await call(credential, 'GET', accounts(organization))
      refusedAs(t, answer, 401, 'invalid_api_key', notValid)
      t.equal(
        answer.headers['www-authenticate'],
        'Bearer error="invalid_token", error_description="The credential is not valid", ' +
          `scope="accounts:read", ${metadata}`
      )
    }
  })

  test('CL-12: the codes are invalid_api_key, expired_api_key, insufficient_permissions and organization_not_found', async t => {
    const organization = await createOrganization()
    const { key } = await createKey({ organization, scopes: ['accounts:read'] })
    const broken = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
    for (
      const text of [
        'nonsense', broken, newApiKeyText('cl', 'live'), newApiKeyText('cl', 'test'), key.replace('cl_', 'lb_'),
        `${key}x`
      ]
    ) {
      refusedAs(t, await call(text, 'GET', accounts(organization)), 401, 'invalid_api_key', notValid, text.slice(0, 12))
    }
    refusedAs(
      t, await call(key, 'POST', accounts(organization), { name: 'Cash', currency: 'EUR' }), 403,
      'insufficient_permissions', lacks('accounts:write')
    )
    refusedAs(
      t, await call(key, 'GET', accounts(await createOrganization())), 404, 'organization_not_found', noOrganization
    )
    const brief = await createKey({
      organization, scopes: ['accounts:read'], expiresAt: new Date(clock.now().getTime() + 1_000).toISOString()
    })
    clock.advance(1)
    refusedAs(t, await call(brief.key, 'GET', accounts(organization)), 401, 'expired_api_key', notValid)
  })

  test('CL-13: no key appears in a log, an error body or the audit log', async t => {
    const organization = await createOrganization()
    const { id, key } = await createKey({ organization, scopes: ['accounts:read'] })
    const canary = newApiKeyText('cl', 'live')
    const answers = [
      await call(key, 'GET', accounts(organization)),
      await call(canary, 'GET', accounts(organization)),
      await call(key, 'GET', accounts(await createOrganization())),
      await call(key, 'GET', `${accounts(organization)}?key=${key}&x-api-key=${canary}`),
      await call(null, 'GET', accounts(organization), undefined, {
        headers: { 'x-api-key': key, authorization: `Basic ${key}` }
      }),
      await call(key, 'POST', accounts(organization), { name: key, currency: canary }),
      await call(key, 'POST', accounts(organization), undefined, {
        body: `{"name": ${key}}`, headers: { 'content-type': 'application/json' }
      }),
      await call(key, 'POST', accounts(organization), { [canary]: 1 }),
      await server.send({
        path: `${craneLedgerPath}${accounts(organization)}`, headers: { authorization: `Bearer ${key}` }
      })
    ]
    await admin('POST', `/api-keys/${id}/revoke`)
    answers.push(await call(key, 'GET', accounts(organization)))
    const audit = (await admin('GET', '/audit?limit=200')).text
    for (
      const text of [
        ...server.lines, ...answers.map(answer => answer.text + JSON.stringify(answer.headers)), audit
      ]
    ) {
      for (const secret of [key, canary]) if (text.includes(secret.slice(8))) t.fail(text)
    }
    t.ok(server.lines.length > answers.length, 'there is a log')
  })

  test('CL-14: a structured reference for language models is served beside the one for people', async t => {
    const { send, issuer } = server
    const document = await send({ path: '/api/v1/openapi.json' })
    t.equal(document.status, 200)
    t.equal(document.json.openapi, '3.1.0')
    const reference = await send({ path: '/reference' })
    t.equal(reference.status, 200)
    t.match(reference.headers['content-type'], /^text\/html/)

    const { status, headers, text } = await send({ path: '/llms.txt' })
    t.equal(status, 200)
    t.equal(headers['content-type'], 'text/plain; charset=utf-8')
    // llmstxt.org: one heading with the name, a summary as a quotation, then sections with lists of links.
    t.match(text, /^# Latchkey\n\n> [^\n]+\n\n/)
    t.equal(text.match(/^# /gm)?.length, 1)
    const links = [...text.matchAll(/^- \[([^\]]+)\]\(([^)]+)\)(?:: .+)?$/gm)].map(([, name, url]) => ({
      name: name!, url: url!
    }))
    t.strictSame(links.filter(({ url }) => !url.startsWith(`${issuer}/`)), [], 'links lead nowhere else')
    for (const path of ['/api/v1/openapi.json', '/reference', '/.well-known/oauth-authorization-server']) {
      t.ok(links.some(({ url }) => url === issuer + path), path)
    }
    for (const [path, methods] of Object.entries(document.json.paths as Json)) {
      for (const method of Object.keys(methods as Json)) {
        t.ok(links.some(({ name }) => name === `${method.toUpperCase()} ${path}`), `${method} ${path}`)
      }
    }
    for (const [code, failure] of Object.entries(failures)) {
      t.ok(text.includes(`- ${code.toUpperCase()} (${failure.status}): ${failure.message}\n`), code)
    }
    for (
      const way of [
        '`x-api-key`', '`Authorization: Bearer`', 'grant_type=client_credentials', `POST ${issuer}/api/v1/auth/token`
      ]
    ) t.ok(text.includes(way), way)
  })

  test('CL-15: a key finds out the organizations that it reaches', async t => {
    const [first, second] = [await createOrganization({ name: 'First' }), await createOrganization({ name: 'Second' })]
    const { key } = await createKey({ organization: first, organizations: [second], scopes: [] })
    const answer = await call(key, 'GET', '/organizations')
    t.strictSame([answer.status, answer.json], [200, {
      data: [{ id: first, name: 'First', status: 'active' }, { id: second, name: 'Second', status: 'active' }]
    }])
    refusedAs(
      t, await call(null, 'GET', '/organizations'), 401, 'invalid_api_key',
      'This route needs a credential: an API key or an access token as Authorization: Bearer.'
    )
  })
})

tap.test('CL-02: where the server ends TLS nowhere and trusts no proxy, nobody gets through', async t => {
  const served = await startApi(api, { trustProxy: '' })
  t.teardown(served.server.close)
  const organization = await served.createOrganization()
  const { key } = await served.createKey({ organization, scopes: ['accounts:read'] })
  t.equal((await served.call(key, 'GET', `/organizations/${organization}/accounts`)).status, 403)
})

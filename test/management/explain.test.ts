/** Why a request was refused: by credential, request id and address, with the verdict now and the remedy. */
import tap, { type Test } from 'tap'
import { remedies } from '../../src/guard/refusal/remedies.ts'
import {
  newApiKeyText, newManagementTokenText, newPublishableText
} from '../../src/secrets/credential-text.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { verifyAs } from '../decision/asking.ts'
import { MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const {
    admin, withKey, bearer, tokenFor, createKey, createClient, createOrganization, createRegistrationToken, issuer
  } = server

  const explained = async (body: Json): Promise<Json> => {
    const answer = await admin('POST', '/explain', body)
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
    return answer.json
  }
  /** As a key of an organization that may read its audit log. */
  const asOrganization = async (organization: string) => {
    const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes: ['audit:read'] })
    return async (body: Json): Promise<Answer> => await server.send({
      method: 'POST', path: '/api/v1/explain', headers: { 'x-api-key': key }, body
    })
  }
  const idOf = ({ headers }: Answer): string => headers['x-request-id'] as string
  const reasonOf = async (body: Json) => (await explained(body)).verdict?.refusal?.reason ?? null

  test('LK-12: a pasted key is explained: what it is, the verdict of the guard, its refusals, and what to do', async t => {
    const { id, key, organization, hint } = await createKey({ name: 'Till', scopes: ['company:read'] })
    t.strictSame(await explained({ credential: key }), {
      subject: {
        kind: 'api_key',
        id,
        authorization: null,
        name: 'Till',
        hint,
        organization,
        status: 'active',
        resource: issuer,
        expiresAt: null
      },
      form: null,
      request: null,
      verdict: { allowed: true, resource: issuer, route: null, scopes: ['company:read'], refusal: null },
      refusals: [],
      remedy: null
    })
    const refused = await withKey(key)
    t.equal(refused.status, 403)
    const { verdict, refusals, remedy } = await explained({ credential: key, scopes: ['invoices:read'] })
    const lacking = { reason: 'insufficient_scope', ...remedies.insufficient_scope }
    t.strictSame(verdict, {
      allowed: false,
      resource: issuer,
      route: null,
      scopes: null,
      refusal: {
        ...lacking, code: 'INSUFFICIENT_PERMISSIONS', status: 403, requiredScopes: ['invoices:read'], policy: null
      }
    })
    t.strictSame(refusals, [{
      ...lacking,
      createdAt: clock.now().toISOString(),
      requestId: idOf(refused),
      route: 'GET /api/v1/invoices',
      status: 403,
      credential: id,
      resource: issuer,
      addressBlock: '127.0.0.0/24',
      omitted: 0
    }])
    t.equal(remedy, lacking.remedy)
    t.match(await explained({ credential: key }), {
      verdict: { allowed: false, route: 'GET /api/v1/invoices' }, remedy
    }, 'without a question, by the route that refused it last')
    await admin('PATCH', `/api-keys/${id}`, { scopes: ['company:read', 'invoices:read'] })
    t.match(await explained({ credential: key }), {
      verdict: { allowed: true, route: 'GET /api/v1/invoices' },
      refusals: [{ reason: 'insufficient_scope' }],
      remedy: null
    }, 'what is mended needs nothing more')
    await admin('POST', `/api-keys/${id}/revoke`)
    t.match(await explained({ credential: key }), {
      subject: { status: 'revoked' }, verdict: { refusal: { reason: 'revoked', code: 'UNAUTHORIZED', status: 401 } }
    })
    t.match(await explained({ credential: id }), { subject: { id }, verdict: { refusal: { reason: 'revoked' } } })
  })

  test('a key is judged by a route, with what the route requires and where it is called from', async t => {
    const { key, organization } = await createKey({ resource: `${issuer}/api/v1`, scopes: ['audit:read'] })
    const other = await createOrganization()
    const at = async (route: string, more: Json = {}) => await reasonOf({ credential: key, route, ...more })
    t.equal(await at('GET /api/v1/audit'), null)
    t.equal(await at('POST /api/v1/explain'), null)
    t.equal(await at('GET /api/v1/api-keys/:id'), 'insufficient_scope')
    t.equal(await at('GET /api/v1/api-keys/key_1?names=true'), 'insufficient_scope', 'a request to it')
    const local = await createKey({ organization, allowlist: ['203.0.113.0/24'] })
    const from = async (address?: string) => await reasonOf({
      credential: local.key, route: 'GET /api/v1/invoices', ...(address === undefined ? {} : { from: address })
    })
    t.strictSame([await from('203.0.113.7'), await from('198.51.100.7'), await from()],
      [null, 'address_not_allowed', null])
    t.equal(await reasonOf({ credential: local.key, organization: other.id }), 'organization_not_found')
    t.equal(await reasonOf({ credential: local.key, resource: `${issuer}/api/v1` }), 'wrong_resource')
    const wrong: [Json, RegExp][] = [
      [{ route: 'GET /nowhere' }, /guards no such route/],
      [{ scopes: ['flights:read'] }, /does not declare the scope/],
      [{ from: 'here' }, /not an IP address/],
      [{ resource: 'https://unknown.test' }, /no resource/],
      [{ route: 'GET /api/v1/invoices', scopes: [] }, /Name route or scopes/],
      [{ address: '127.0.0.1' }, /exactly one/],
      [{ requestId: 'mine' }, /exactly one/],
    ]
    for (const [more, sentence] of wrong) {
      const answer = await admin('POST', '/explain', { credential: local.key, ...more })
      t.ok(answer.status >= 400 && answer.status < 500, JSON.stringify(more))
      t.match(answer.json.error, sentence)
    }
    t.match(await admin('POST', '/explain', {}), { status: 400 })
    t.match(await admin('POST', '/explain', { requestId: 'callers-own' }), {
      status: 400, json: { error: /X-Request-Id/ }
    })
    t.match(await admin('POST', '/explain', { address: 'somewhere' }), { status: 400 })
  })

  test('explaining takes no limit, no credit and no lastUsedAt', async t => {
    const organization = (await createOrganization()).id
    const { id, key } = await createKey({ organization, callsPerMinute: 1, callsPerMonth: 5, creditsPerMonth: 1 })
    for (let i = 0; i < 5; i++) {
      t.match(await explained({ credential: key, scopes: ['invoices:read'] }), { verdict: { allowed: true } })
    }
    await server.latchkey.meter.flush()
    t.match((await admin('GET', `/api-keys/${id}`)).json, { lastUsedAt: null })
    t.match((await admin('GET', `/api-keys/${id}/usage`)).json, { calls: 0, credits: 0 })
    t.strictSame((await admin('GET', `/api-keys/${id}/requests`)).json, { data: [] })
    t.equal((await withKey(key)).status, 200, 'the one call of the minute is still there')
    t.equal((await withKey(key)).status, 429)
    t.match(await explained({ credential: key }), {
      verdict: { allowed: false, refusal: { reason: 'rate_limited', status: 429, code: 'RATE_LIMITED' } },
      refusals: [{ reason: 'rate_limited', status: 429 }],
      remedy: /callsPerMinute/
    })
    clock.advance(60)
    t.match(await explained({ credential: key }), {
      verdict: { allowed: true }, refusals: [{ reason: 'rate_limited' }], remedy: null
    }, 'a minute later nothing is to be done')
    t.equal((await withKey(key)).status, 200, 'no look took the call of this minute')
  })

  test('a month that is used up and credits that are missing refuse now, by a look that takes nothing', async t => {
    const organization = (await createOrganization()).id
    const monthly = await createKey({ organization, callsPerMonth: 2 })
    const now = async (credential: string, more: Json = {}) => {
      const { verdict: { refusal } } = await explained({ credential, ...more })
      return refusal && [refusal.reason, refusal.status]
    }
    t.equal((await withKey(monthly.key)).status, 200)
    for (let i = 0; i < 3; i++) t.equal(await now(monthly.key), null)
    t.equal((await withKey(monthly.key)).status, 200, 'the last call of the month')
    t.strictSame(await now(monthly.key), ['quota_exceeded', 429])
    t.strictSame(await now(monthly.id), ['quota_exceeded', 429], 'by its id as well')
    t.equal((await withKey(monthly.key)).status, 429)

    const paying = await createKey({ organization, creditsPerMonth: 7 })
    t.strictSame(await now(paying.key, { scopes: [], credits: 5 }), ['insufficient_credits', 402])
    t.equal(await now(paying.key), null, 'a call that costs nothing')
    const granted = { environment: 'live', amount: 20, reason: 'test' }
    t.equal((await admin('POST', `/organizations/${organization}/credits`, granted)).status, 201)
    for (let i = 0; i < 3; i++) t.equal(await now(paying.key, { credits: 7 }), null)
    t.strictSame(await now(paying.key, { credits: 8 }), ['quota_exceeded', 429], 'more than a month of this key has')
    t.match((await admin('GET', `/organizations/${organization}/credits`)).json, { live: 20 })
    t.match(await admin('POST', '/explain', { credential: paying.key, route: 'GET /api/v1/invoices', credits: 1 }), {
      status: 400, json: { error: /Name route or credits/ }
    })
    t.equal((await admin('PATCH', `/organizations/${organization}`, { callsPerMonth: 1 })).status, 200)
    t.equal((await withKey(paying.key)).status, 200)
    t.strictSame(await now(paying.key), ['quota_exceeded', 429], 'its organization has a limit, too')
  })

  test('the status and the code are those of the style of the resource', async t => {
    const organization = (await createOrganization()).id
    const asker = async (identifier: string, style: string, more: Json = {}) => {
      const made = await admin('POST', '/resources', { organization, identifier, style, scopes: [{ name: 'read' }] })
      t.equal(made.status, 201)
      return await createKey({ organization, resource: identifier, scopes: [], ...more })
    }
    const craftkit = await asker('https://kit.test', 'craftkit')
    t.match(await explained({ credential: craftkit.key, scopes: ['read'] }), {
      verdict: { refusal: { status: 403, code: 'forbidden' } }
    })
    const craftdesk = await asker('https://desk.test', 'craftdesk', { access: 'full' })
    await admin('POST', `/api-keys/${craftdesk.id}/revoke`)
    t.match(await explained({ credential: craftdesk.key }), { verdict: { refusal: { status: 401, code: null } } })
    const crane = await asker('https://crane.test', 'crane-ledger')
    await admin('POST', `/api-keys/${crane.id}/revoke`)
    t.match(await explained({ credential: crane.key }), {
      verdict: { refusal: { reason: 'revoked', status: 401, code: 'invalid_api_key' } }
    })
    t.match(await explained({ credential: 'x'.repeat(30), resource: 'https://crane.test' }), {
      verdict: { resource: 'https://crane.test', refusal: { reason: 'unknown', code: 'invalid_api_key' } }
    }, 'of what is not found, too')
    const asking = await createClient({ organization, grants: [], introspects: ['https://kit.test'] })
    const question = { credential: craftkit.key, resource: 'https://kit.test', scopes: [], feature: 'embedding' }
    t.match(await verifyAs(server, asking, question), { json: { allowed: false, refusal: { status: 401 } } })
    t.match(await explained({ credential: craftkit.key }), {
      refusals: [{ reason: 'feature_missing', status: 401 }]
    }, 'the log has the status that the caller got')
  })

  test('calls that another process asks about stand in the log of their credential', async t => {
    const organization = (await createOrganization()).id
    const { id, key } = await createKey({ organization, scopes: ['company:read'] })
    const asking = await createClient({ organization, grants: [], introspects: [issuer] })
    const ask = async (scopes: string[]) =>
      await verifyAs(server, asking, { credential: key, resource: issuer, scopes, address: '203.0.113.7' })
    t.match(await ask(['company:read']), { json: { allowed: true } })
    t.match(await ask(['invoices:read']), { json: { allowed: false } })
    const { data } = (await admin('GET', `/api-keys/${id}/requests`)).json
    t.match(data.toSorted((one: Json, other: Json) => one.status - other.status), [
      { route: 'POST /api/v1/verify', status: 200, reason: null, addressBlock: '203.0.113.0/24', resource: issuer },
      { route: 'POST /api/v1/verify', status: 403, reason: 'insufficient_scope' },
    ])
  })

  test('a secret that no API takes is told by its form, whether it exists or not', async t => {
    const organization = (await createOrganization()).id
    const ask = await asOrganization((await createOrganization()).id)
    const client = await createClient({ organization })
    const made = async (path: string, body: Json) => (await admin('POST', path, body)).json
    const management = await made('/access-tokens', { organization, name: 'ci', scopes: ['audit:read'] })
    const pair = await made('/publishable-keys', {
      organization, resource: issuer, environment: 'live', name: 'x', scopes: ['invoices:read']
    })
    const random = newSecret()
    const texts: Record<string, [existing: string, madeUp: string, told: RegExp]> = {
      client_secret: [client.clientSecret, random, /token endpoint, \/api\/v1\/auth\/token/],
      registration_token: [(await createRegistrationToken({ organization })).token, `lkrgt_${random}`, /auth\/register/],
      registration_access_token: [`lkrat_${newSecret()}`, `lkrat_${random}`, /registration_client_uri/],
      sign_in_link: [`lksil_${newSecret()}`, `${issuer}/api/v1/auth/link#lksil_${random}`, /Open it in a browser/],
      publishable_key: [pair.publishableKey, newPublishableText('lb', 'live'), /Exchange an assertion/],
      management_token: [management.token, newManagementTokenText(), /management API/],
      webhook_token: [`whk_${newSecret()}`, `whk_${random}`, /its webhook alone/],
      person_session: [`lkpse_${newSecret()}`, `lkpse_${random}`, /Sign in again/],
      admin_token: [server.adminToken, `lkadm_${random}`, /admin|replace it/],
    }
    for (const [form, [existing, madeUp, told]] of Object.entries(texts)) {
      const [one, other] = [await ask({ credential: existing }), await ask({ credential: madeUp })]
      t.strictSame(one.json, other.json, `${form}: one that exists is answered like one that does not`)
      t.match(one.json, { subject: null, form, verdict: { allowed: false, refusal: { reason: 'unknown' } } })
      t.match(one.json.remedy, told, form)
      t.equal(one.json.remedy, one.json.verdict.refusal.remedy)
      for (const text of [existing, madeUp]) t.notMatch(one.text + other.text, text.slice(-43))
    }
  })

  test('names and hints take the read permission of their kind beside audit:read', async t => {
    const { id, key, organization, hint } = await createKey({ name: 'Till', scopes: ['company:read'] })
    const seen = async (scopes: string[], credential: string) => {
      const { key } = await createKey({ organization, resource: `${issuer}/api/v1`, scopes })
      const { json } = await server.send({
        method: 'POST', path: '/api/v1/explain', headers: { 'x-api-key': key }, body: { credential }
      })
      return [json.subject.id, json.subject.name, json.subject.hint]
    }
    t.strictSame(await seen(['audit:read'], key), [id, null, null])
    t.strictSame(await seen(['audit:read', 'clients:read'], id), [id, null, null])
    t.strictSame(await seen(['audit:read', 'api-keys:read'], key), [id, 'Till', hint])
    const client = await createClient({ organization })
    t.strictSame(await seen(['audit:read'], await tokenFor(client)), [client.clientId, null, null])
    t.strictSame(await seen(['audit:read', 'clients:read'], client.clientId), [client.clientId, 'billing', null])
  })

  test('what is unknown, of another deployment or of another organization is answered alike', async t => {
    const [own, foreign] = [await createOrganization(), await createOrganization()]
    const ask = await asOrganization(own.id)
    const theirs = await createKey({ organization: foreign.id, name: 'theirs' })
    await withKey(theirs.key, '/api/v1/company')
    const client = await createClient({ organization: foreign.id })
    const token = await tokenFor(client)
    const texts = {
      key: theirs.key,
      'revoked key': (await createKey({ organization: foreign.id })).key,
      'key of another deployment': newApiKeyText('lb', 'live'),
      id: theirs.id,
      'id that does not exist': 'key_0000000000000000000000',
      'random text': 'x'.repeat(40),
    }
    const answers = await Promise.all(Object.values(texts).map(async credential => (await ask({ credential })).json))
    for (const answer of answers) t.strictSame(answer, answers[0])
    t.match(answers[0]!, { subject: null, verdict: { refusal: { reason: 'unknown' } }, refusals: [] })
    const tampered = `${token.slice(0, -6)}AAAAAA`
    t.strictSame((await ask({ credential: token })).json, (await ask({ credential: tampered })).json)
    t.match((await explained({ credential: token })).subject, { kind: 'access_token', id: client.clientId })
  })

  test('a request is explained by our id, each one of a minute, and by no id that its caller chose', async t => {
    const organization = (await createOrganization()).id
    const { id, key } = await createKey({ organization, scopes: ['company:read'] })
    const ids: string[] = []
    for (let i = 0; i < 3; i++) {
      ids.push(idOf(await withKey(key, '/api/v1/invoices?secret=1', {
        headers: {
          'x-api-key': key, 'x-request-id': '00000000-0000-4000-8000-000000000000'
        }
      })))
    }
    for (const requestId of ids) {
      t.match(await explained({ requestId }), {
        subject: { kind: 'api_key', id },
        request: {
          requestId, route: 'GET /api/v1/invoices', status: 403, reason: 'insufficient_scope', credential: id
        },
        verdict: { route: 'GET /api/v1/invoices', refusal: { reason: 'insufficient_scope' } },
        refusals: [{ requestId, omitted: 0 }]
      }, 'the audit log has a row for the first one alone')
    }
    t.strictSame(
      (await admin('GET', `/requests/${ids[0]!}/explanation`)).json, await explained({ requestId: ids[0]! }),
      'a link has the same answer'
    )
    t.match(await admin('GET', '/requests/00000000-0000-4000-8000-000000000000/explanation'), {
      status: 404, json: { code: 'NOT_FOUND', error: /No request with this id is kept/ }
    })
    t.match(await admin('GET', '/requests/mine/explanation'), { status: 400 })
    const chosen = await explained({ requestId: '00000000-0000-4000-8000-000000000000' })
    t.match(chosen, { subject: null, request: null, verdict: null, refusals: [], remedy: /No request with this id/ })
    const none = await server.send({ path: '/api/v1/invoices' })
    t.match(await explained({ requestId: idOf(none) }), {
      subject: null, request: { credential: null, reason: 'no_credential' }, remedy: /^Send the API key/
    })
    const passed = await withKey(key, '/api/v1/company')
    t.match(await explained({ requestId: idOf(passed) }), {
      subject: { id },
      request: { status: 200, reason: null },
      verdict: { allowed: true, route: 'GET /api/v1/company' },
      refusals: []
    })
    const ask = await asOrganization((await createOrganization()).id)
    t.strictSame((await ask({ requestId: ids[0]! })).json, chosen, 'for others there is no such request')
    t.match((await (await asOrganization(organization))({ requestId: ids[0]! })).json, { subject: { id } })
  })

  test('by address an organization sees refusals of its credentials and to its resources alone', async t => {
    const [own, foreign] = [await createOrganization(), await createOrganization()]
    const mine = await createKey({ organization: own.id, scopes: [] })
    const theirs = await createKey({ organization: foreign.id, scopes: [] })
    const from = { from: '127.77.0.9' }
    await withKey(mine.key, '/api/v1/invoices', from)
    await withKey(theirs.key, '/api/v1/invoices', from)
    await withKey(newApiKeyText('lb', 'live'), '/api/v1/invoices', from)
    const seen = ({ refusals }: Json) => refusals.map(({ credential, reason }: Json) => [credential, reason])
      .toSorted((one: string[], other: string[]) => String(one[0]).localeCompare(String(other[0])))
    const address = { address: '127.77.0.9' }
    t.strictSame(seen(await explained(address)).length, 3)
    t.strictSame(seen((await (await asOrganization(own.id))(address)).json), [[mine.id, 'insufficient_scope']])
    t.strictSame(seen((await (await asOrganization(foreign.id))(address)).json), [[theirs.id, 'insufficient_scope']])
    t.strictSame(seen(await explained({ address: '127.78.0.9' })), [])
  })

  test('a credential that was refused at a resource of another organization is judged at its own', async t => {
    const [own, foreign] = [await createOrganization(), await createOrganization()]
    const identifier = `https://${foreign.id.slice(4).toLowerCase()}.test`
    const made = await admin('POST', '/resources', { organization: foreign.id, identifier, name: 'theirs', scopes: [] })
    t.equal(made.status, 201)
    const asker = await createClient({ organization: foreign.id, grants: [], introspects: [identifier] })
    const { id, key } = await createKey({ organization: own.id })
    t.match(await verifyAs(server, asker, { credential: key, resource: identifier, scopes: [] }), {
      json: { allowed: false }
    })
    const mine = (await (await asOrganization(own.id))({ credential: key })).json
    t.match(mine, {
      subject: { id }, verdict: { allowed: true, resource: issuer }, refusals: [{ reason: 'wrong_resource' }]
    })
    t.match(await explained({ credential: key }), {
      verdict: { resource: identifier, refusal: { reason: 'wrong_resource' } }
    })
    const theirs = (await (await asOrganization(foreign.id))({ requestId: mine.refusals[0].requestId })).json
    t.match(theirs, { subject: null, request: { reason: 'unknown', credential: null, resource: identifier } })
    t.notMatch(JSON.stringify(theirs), id)
  })

  test('access tokens are explained: revoked, superseded, expired, for another API, without a scope, ended', async t => {
    const client = await createClient({ scopes: ['company:read'] })
    const token = await tokenFor(client)
    t.match(await explained({ credential: token }), {
      subject: {
        kind: 'access_token',
        id: client.clientId,
        name: 'billing',
        status: 'active',
        resource: issuer,
        authorization: null
      },
      verdict: { allowed: true, scopes: ['company:read'] }
    })
    t.equal(await reasonOf({ credential: token, scopes: ['invoices:read'] }), 'insufficient_scope')
    t.equal(await reasonOf({ credential: token, resource: `${issuer}/api/v1` }), 'wrong_resource')
    await bearer(token)
    t.match(await explained({ credential: token }), {
      refusals: [{ reason: 'insufficient_scope', credential: client.clientId }]
    })
    await admin('POST', `/clients/${client.clientId}/disable`)
    t.equal(await reasonOf({ credential: token }), 'disabled')
    await admin('POST', `/clients/${client.clientId}/enable`)
    await admin('POST', `/clients/${client.clientId}/revoke`)
    t.match(await explained({ credential: token }), {
      subject: { status: 'revoked' }, verdict: { refusal: { reason: 'revoked', remedy: /make another key, or ask/ } }
    })
    const short = await tokenFor(await createClient())
    clock.advance(3_601)
    t.match(await explained({ credential: short }), {
      subject: { status: 'expired' }, verdict: { refusal: { reason: 'expired' } }
    })

    const person = await createPerson(server)
    const agent = await createAskingClient(server)
    const code = await authorize(server, agent, person, { resource: issuer, scope: 'invoices:read' })
    const { access_token: acting } = (await redeem(server, agent, code)).json
    const told = await explained({ credential: acting })
    t.match(told, {
      subject: { kind: 'access_token', id: person.id, organization: person.organization }, verdict: { allowed: true }
    })
    await admin('POST', `/authorizations/${told.subject.authorization}/revoke`)
    t.equal((await bearer(acting)).status, 401)
    t.match(await explained({ credential: acting }), {
      subject: { status: 'revoked' },
      verdict: { refusal: { reason: 'revoked' } },
      refusals: [{ reason: 'revoked', credential: told.subject.authorization }]
    })
  })

  test('tokens of the management API, of webhooks and sessions of people are explained', async t => {
    const organization = (await createOrganization()).id
    const made = (await admin('POST', '/access-tokens', { organization, name: 'ci', scopes: ['audit:read'] })).json
    t.match(await explained({ credential: made.token }), {
      subject: { kind: 'management_token', id: made.id, name: 'ci', organization }, verdict: { allowed: true }
    })
    t.equal(await reasonOf({ credential: made.token, route: 'POST /api/v1/api-keys' }), 'insufficient_scope')
    const { id } = await createKey({ organization })
    const object = { type: 'projects', id: 'prj_1' }
    const hook = (await admin('POST', '/webhook-tokens', { apiKey: id, object })).json
    t.match(await explained({ credential: hook.token }), {
      subject: { kind: 'webhook_token', id: hook.id }, verdict: { allowed: true }
    })
    await admin('POST', `/api-keys/${id}/revoke`)
    t.equal(await reasonOf({ credential: hook.token }), 'revoked')
    const person = await createPerson(server)
    const session = person.cookie.split('=')[1]!
    t.match(await explained({ credential: session }), {
      subject: { kind: 'person_session', id: person.session, organization: person.organization },
      verdict: { allowed: true }
    })
    t.match(await explained({ credential: server.adminToken }), {
      subject: { kind: 'admin_token' }, verdict: { allowed: true }
    })
  })

  test('no explained secret reaches the log or an answer', async t => {
    const { key, organization } = await createKey()
    const token = await tokenFor(await createClient({ organization }))
    const before = server.lines.length
    const ask = await asOrganization(organization)
    const others: Json[] = [
      {}, { scopes: ['x y'] }, { route: `GET /${key}` }, { resource: key }, { address: key }, { more: key }
    ]
    for (const credential of [key, token, `${key}x`, `${token}x`, `"${key}"`, ` ${key}`]) {
      for (const more of others) {
        t.notMatch((await ask({ credential, ...more })).text, key)
        t.notMatch((await ask({ credential, ...more })).text, token)
      }
    }
    const lines = server.lines.slice(before).join('')
    t.notMatch(lines, key)
    t.notMatch(lines, token)
  })
}

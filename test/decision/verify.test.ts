/** `POST /api/v1/verify`, over real HTTP and on both databases: reasons.test.ts has its answers, reason by reason. */
import tap, { type Test } from 'tap'
import { newApiKeyText, newManagementTokenText, newWebhookToken } from '../../src/secrets/credential-text.ts'
import { basic, MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { deploymentClient, verifyAs, type Asker } from './asking.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock, registration: 'open' })
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, createClient, createKey, createOrganization, send, issuer, latchkey } = server
  const newAsker = async (input: Json = {}): Promise<Asker> => await createClient({ introspects: [issuer], ...input })
  const ask = async (asker: Asker, body: Json): Promise<Answer> =>
    await verifyAs(server, asker, { resource: issuer, scopes: [], ...body })
  const callsOf = async ({ id }: Json): Promise<number> => {
    await latchkey.meter.flush()
    return (await admin('GET', `/api-keys/${id}/usage`)).json.calls
  }
  const lastUse = async ({ id }: Json): Promise<unknown> => (await admin('GET', `/api-keys/${id}`)).json.lastUsedAt
  const refusals = async (reason: string): Promise<Json[]> =>
    (await admin('GET', '/audit?type=credential.refused')).json.data.filter(({ detail }: Json) =>
      detail.reason === reason)

  test('LK-05: a key with 3 calls a minute passes exactly 3 times, and its last use moves', async t => {
    const asker = await newAsker()
    const key = await createKey({ callsPerMinute: 3 })
    t.equal(await lastUse(key), null)
    const answers = []
    for (let i = 0; i < 6; i++) answers.push(await ask(asker, { credential: key.key, scopes: ['invoices:read'] }))
    t.strictSame(answers.map(({ json }) => json.allowed), [true, true, true, false, false, false])
    t.strictSame(answers[0]!.json.headers, {
      'ratelimit-policy': '"minute";q=3;w=60', ratelimit: '"minute";r=2;t=20'
    })
    t.equal(answers[3]!.json.refusal.headers['retry-after'], '20')
    t.equal(answers[0]!.headers['cache-control'], 'no-store')
    t.equal(await callsOf(key), 3, 'a refusal is not counted')
    t.ok(await eventually(() => lastUse(key), at => at !== null))
    clock.advance(60)
    const { json } = await send({ path: '/api/v1/principal', headers: { 'x-api-key': key.key } })
    t.strictSame(answers[0]!.json.principal, json, 'the principal as GET /principal shows it')
  })

  test('introspection moves the last use of a key, and counts nothing', async t => {
    const asker = await newAsker()
    const [key, idle] = [await createKey(), await createKey({ scopes: [] })]
    await admin('POST', `/api-keys/${idle.id}/revoke`, {})
    for (const { key: token } of [key, idle]) {
      await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        headers: { authorization: basic(asker.clientId, asker.clientSecret) },
        body: new URLSearchParams({ token })
      })
    }
    t.ok(await eventually(() => lastUse(key), at => at !== null))
    t.equal(await lastUse(idle), null, 'one that was refused was not used')
    t.equal(await callsOf(key), 0)
  })

  test('100 questions have one answer each, in their order; 101 are none, and nothing is counted', async t => {
    const asker = await newAsker()
    const [one, other] = [await createKey(), await createKey({ scopes: [] })]
    const items = (count: number) => Array.from({ length: count }, (_, i) => ({
      resource: issuer, scopes: ['invoices:read'], credential: (i % 2 === 0 ? one : other).key
    }))
    const { status, json } = await verifyAs(server, asker, { items: items(100) })
    t.equal(status, 200)
    t.strictSame(
      json.items.map((item: Json) => item.allowed ? item.principal.id : item.reason),
      Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? one.id : 'insufficient_scope')
    )
    t.equal(await callsOf(one), 50)
    const more = await verifyAs(server, asker, { items: items(101) })
    t.match(more, { status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'items' } } })
    t.equal((await verifyAs(server, asker, { items: [] })).status, 400)
    t.equal(await callsOf(one), 50)
  })

  test('an id that is none is a fault of the question, or the id of nothing: never of the server', async t => {
    const { id: organization } = await createOrganization()
    const asker = await newAsker()
    const { key: credential } = await createKey({ organization, objects: { templates: ['tpl_1'] } })
    for (const odd of ['', 'x'.repeat(10_000)]) {
      t.match(await ask(asker, { credential, organization: odd }), {
        status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'organization' } }
      })
    }
    for (const odd of ['x', 'org_', 'a\0b', 'a\u001bb', 'a\ud800', '../x']) {
      t.match(await ask(asker, { credential, organization: odd }), {
        status: 200, json: { allowed: false, reason: 'organization_not_found', refusal: { status: 404 } }
      }, JSON.stringify(odd))
    }
    for (const odd of ['', 'x'.repeat(10_000), 'a\0b', 'a\u001bb']) {
      t.match(await ask(asker, { credential, object: { type: 'templates', id: odd } }), {
        status: 400, json: { code: 'INVALID_REQUEST', details: { field: 'object.id' } }
      }, JSON.stringify(odd.slice(0, 9)))
    }
    t.match(await ask(asker, { credential, object: { type: 'templates', id: 'a\ud800' } }), {
      status: 200, json: { allowed: false, reason: 'object_not_allowed', refusal: { status: 403 } }
    })
  })

  test('the precise reason is for clients of the own organization and of the deployment', async t => {
    const { id: organization } = await createOrganization()
    const key = await createKey({ organization })
    await admin('POST', `/api-keys/${key.id}/revoke`, {})
    const askers = [
      await newAsker({ organization }), await deploymentClient(server, [issuer]), await newAsker()
    ]
    const answers = await Promise.all(askers.map(async asker => (await ask(asker, { credential: key.key })).json))
    t.strictSame(answers.map(({ reason }) => reason), ['revoked', 'revoked', 'invalid_api_key'])
    t.strictSame(answers[2]!.refusal, answers[0]!.refusal, 'the refusal is public')
    const [row] = await eventually(() => refusals('revoked'), rows => rows.length > 0)
    t.match(row, { subject: key.id, organization, detail: { path: '/' } }, 'its organization sees it')
  })

  test('credentials that are not verified here answer like one that does not exist', async t => {
    const { id: organization } = await createOrganization()
    const askers = [
      await newAsker({ organization }), await newAsker(), await deploymentClient(server, [issuer])
    ]
    const management = await createKey({ organization, resource: `${issuer}/api/v1`, scopes: [] })
    const elsewhere = await admin('POST', '/resources', { identifier: `${issuer}/other`, scopes: [] })
    const foreign = await createKey({ organization, resource: elsewhere.json.identifier, scopes: [] })
    for (const asker of askers) {
      const { text } = await ask(asker, { credential: newApiKeyText('lb', 'live'), path: '/x' })
      for (const credential of [management.key, foreign.key]) {
        t.equal((await ask(asker, { credential, path: '/x' })).text, text)
      }
    }
    for (const credential of [newManagementTokenText(), newWebhookToken(), server.adminToken]) {
      const { json } = await ask(askers[1]!, { credential })
      t.match(json, { allowed: false, reason: 'invalid_api_key', refusal: { status: 401 } })
    }
  })

  test('a resource that may not be asked about is answered like one that does not exist', async t => {
    const asker = await newAsker({ introspects: [issuer, `${issuer}/api/v1`] })
    const other = await admin('POST', '/resources', { identifier: 'https://closed.test', scopes: [] })
    const { key } = await createKey()
    const texts = new Set<string>()
    for (const resource of ['https://nowhere.test', other.json.id, other.json.identifier, `${issuer}/api/v1`]) {
      const answer = await ask(asker, { credential: key, resource })
      t.equal(answer.status, 403, resource)
      texts.add(answer.text)
    }
    t.equal(texts.size, 1)
    t.match(JSON.parse([...texts][0]!), { code: 'INSUFFICIENT_PERMISSIONS', details: { field: 'resource' } })
    const { id } = (await admin('GET', `/resources/${encodeURIComponent(issuer)}`)).json
    for (const resource of [issuer, `${issuer}/`, id]) {
      t.equal((await ask(asker, { credential: key, resource })).json.allowed, true, resource)
    }
  })

  test('malformed questions are refused whole, by the name of their member', async t => {
    const asker = await newAsker()
    const key = await createKey()
    const good = { credential: key.key, resource: issuer, scopes: [] }
    const questions: [Json, string][] = [
      [{ resource: issuer }, 'credential'],
      [{ credential: key.key }, 'resource'],
      [{ ...good, credits: -1 }, 'credits'],
      [{ ...good, credits: 1.5 }, 'credits'],
      [{ ...good, credits: 1 }, 'credits'],
      [{ ...good, address: 'nowhere' }, 'address'],
      [{ ...good, address: '127.0.0.1/8' }, 'address'],
      [{ ...good, path: 'invoices' }, 'path'],
      [{ ...good, unknown: 1 }, 'unknown'],
      [{ credential: key.key, resource: issuer }, 'scopes'],
      [{ items: [good, { ...good, scopes: undefined }] }, 'items.1.scopes'],
      [{ items: [good, { ...good, address: '' }] }, 'items.1.address'],
      [{ items: [good, { ...good, credits: 1 }] }, 'items.1.credits'],
      [{ items: [good], scopes: [] }, 'scopes'],
      [{ items: [{ ...good, id: 'a' }, { ...good, id: 'a' }] }, 'items.1.id']
    ]
    for (const [body, field] of questions) {
      const { status, json } = await verifyAs(server, asker, body)
      t.match([status, json.code, json.details], [400, 'INVALID_REQUEST', { field }], JSON.stringify([field, json]))
    }
    t.match(await verifyAs(server, asker, good, { headers: { 'idempotency-key': 'a b' } }), { status: 400 })
    t.equal(await callsOf(key), 0, 'nothing of them is counted')
  })

  test('a question that names no scopes is refused, and says how any valid credential is asked for', async t => {
    const asker = await newAsker()
    const { key: credential } = await createKey({ scopes: [] })
    const question = { credential, resource: issuer }
    const sentence = (place: string): string => `body.${place}scopes is missing: name the scopes that the request ` +
      'needs, or write [] if any valid credential will do.'
    t.equal((await verifyAs(server, asker, question)).json.error, sentence(''))
    t.equal((await verifyAs(server, asker, { items: [question] })).json.error, sentence('items.0.'))
    t.equal((await verifyAs(server, asker, { ...question, scopes: [] })).json.allowed, true)
    const document = (await send({ path: '/api/v1/openapi.json' })).json
    t.strictSame(document.components.schemas.VerifyItem.required, ['credential', 'resource', 'scopes'])
  })

  test('credits are taken up to what the resource declares; a refusal takes none', async t => {
    const { id: organization } = await createOrganization()
    const made = await admin('POST', '/resources', {
      organization, identifier: `https://${organization.slice(4).toLowerCase()}.test`, scopes: [], mostCredits: 5
    })
    t.equal(made.json.mostCredits, 5, made.text)
    const resource = made.json.id
    const asker = await newAsker({ organization, introspects: [resource] })
    const key = await createKey({ organization, resource, scopes: [] })
    const credits = async () => (await admin('GET', `/organizations/${organization}/credits`)).json
    await admin('POST', `/organizations/${organization}/credits`, { environment: 'live', amount: 7, reason: 'bought' })
    const asked = async (cost: number) =>
      (await ask(asker, { credential: key.key, resource, credits: cost })).json
    t.match(await asked(6), { code: 'INVALID_REQUEST', details: { field: 'credits' } })
    t.match(await asked(5), { allowed: true })
    t.match(await asked(5), { allowed: false, reason: 'insufficient_credits', refusal: { status: 402 } })
    t.match(await asked(2), { allowed: true }, 'the refusal took none')
    t.match(await asked(1), { allowed: false, reason: 'insufficient_credits' }, JSON.stringify(await credits()))
    t.equal(await callsOf(key), 2)
  })

  test('an address that is left out passes no allowlist', async t => {
    const asker = await newAsker()
    const { key: credential } = await createKey({ allowlist: ['203.0.113.7'] })
    t.equal((await ask(asker, { credential, address: '203.0.113.7' })).json.allowed, true)
    for (const more of [{}, { address: '203.0.113.8' }]) {
      t.match((await ask(asker, { credential, ...more })).json.refusal, { status: 401 })
    }
  })
}

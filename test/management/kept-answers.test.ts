/** Answers that are kept for repetition: for how long, and that their caller has them deleted. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { oneDatabase } from '../support/databases.ts'
import { startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)

const gone = { status: 409, json: { code: 'IDEMPOTENCY_ANSWER_GONE' } }

for (const { name, server } of servers) {
  const { issuer, admin, createOrganization, clock } = server

  const creation = async (organization: string, headers: Record<string, string>): Promise<Answer> => await server.send({
    method: 'POST',
    path: '/api/v1/api-keys',
    headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
    body: { organization, resource: issuer, environment: 'live', name: 'nightly', scopes: ['invoices:read'] }
  })
  const forget = async (idempotencyKey: string, as: Record<string, string> = {}): Promise<Answer> => await server.send({
    method: 'POST',
    path: '/api/v1/idempotency-keys/forget',
    headers: { authorization: `Bearer ${server.adminToken}`, ...as },
    body: { idempotencyKey }
  })
  const keysOf = async (organization: string): Promise<Json[]> =>
    (await admin('GET', `/api-keys?organization=${organization}`)).json.data

  tap.test(`a forgotten answer is not told again, and nothing is made again [${name}]`, async t => {
    for (const lifetime of [undefined, '600']) {
      const { id } = await createOrganization()
      const key = newSecret()
      const headers = {
        'idempotency-key': key, ...(lifetime === undefined ? {} : { 'idempotency-answer-lifetime': lifetime })
      }
      const first = await creation(id, headers)
      t.equal(first.status, 201)
      t.equal((await creation(id, headers)).text, first.text, 'the answer is repeated')
      t.equal((await forget(key)).status, 204)
      t.match(await creation(id, headers), gone)
      t.equal((await forget(`"${key}"`)).status, 204, 'again, in the quoted form')
      t.match(await creation(id, headers), gone)
      t.equal((await keysOf(id)).length, 1)
      t.equal((await server.withKey(first.json.key)).status, 200, 'what was made works')
    }
    t.equal((await forget(newSecret())).status, 204, 'an answer that was never kept')
  })

  tap.test(`an answer is kept as long as its caller says, and what it was about is not made again for a day [${name}]`, async t => {
    const { id } = await createOrganization()
    const headers = { 'idempotency-key': newSecret(), 'idempotency-answer-lifetime': '600' }
    const first = await creation(id, headers)
    clock.advance(599)
    t.equal((await creation(id, headers)).text, first.text)
    clock.advance(1)
    t.match(await creation(id, headers), gone)
    clock.advance(85_000)
    t.match(await creation(id, headers), gone)
    t.equal((await keysOf(id)).length, 1)
    clock.advance(800)
    t.equal((await creation(id, headers)).status, 201, 'a day later the key is free')
    t.equal((await keysOf(id)).length, 2)
  })

  tap.test(`another actor forgets nothing [${name}]`, async t => {
    const { id } = await createOrganization()
    const key = newSecret()
    const first = await creation(id, { 'idempotency-key': key })
    const other = await server.createKey({
      organization: id, resource: `${issuer}/api/v1`, scopes: ['api-keys:read', 'api-keys:write']
    })
    t.equal((await forget(key, { authorization: '', 'x-api-key': other.key })).status, 204)
    t.equal((await creation(id, { 'idempotency-key': key })).text, first.text)
    t.equal((await server.send({
      method: 'POST', path: '/api/v1/idempotency-keys/forget', body: { idempotencyKey: key }
    })).status, 401)
  })

  tap.test(`a lifetime that is none is refused, and nothing is made [${name}]`, async t => {
    const { id } = await createOrganization()
    for (const lifetime of ['0', '86401', '-1', '1.5', 'ten minutes', '']) {
      t.match(await creation(id, { 'idempotency-key': newSecret(), 'idempotency-answer-lifetime': lifetime }), {
        status: 400, json: { details: { field: 'idempotency-answer-lifetime' } }
      }, lifetime)
    }
    t.strictSame(await keysOf(id), [])
    for (const body of [{}, { idempotencyKey: '' }, { idempotencyKey: 'with, comma' }, { idempotencyKey: 7 }]) {
      t.equal((await admin('POST', '/idempotency-keys/forget', body as Json)).status, 400)
    }
  })
}

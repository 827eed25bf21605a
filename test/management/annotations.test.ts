/** What operators note on keys and clients: metadata and an external id, with bounds and without authority. */
import tap, { type Test } from 'tap'
import { made } from '../support/partners.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

const started = await startOnEachDatabase()
tap.teardown(started.close)

for (const { name, server } of started.servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, issuer } = server
  const noted = { metadata: { team: 'payments', 'ticket №': 'ü' }, externalId: 'customer-4711' }
  const newOf = async (more: Json): Promise<Record<string, Json>> => {
    const organization = (await server.createOrganization()).id
    const grants = [{ resource: issuer, scopes: ['invoices:read'] }]
    return {
      '/api-keys': {
        organization, resource: issuer, environment: 'live', name: 'k', scopes: ['invoices:read'], ...more
      },
      '/clients': { organization, name: 'c', grants, ...more }
    }
  }

  test('a key and a client have metadata and an external id: created, changed, removed, listed', async t => {
    for (const [path, body] of Object.entries(await newOf(noted))) {
      const { key: _, clientSecret: __, ...created } = await made(admin('POST', path, body))
      t.match(created, noted, path)
      const own = `${path}/${created.id ?? created.clientId}`
      const plain = await made(admin('POST', path, (await newOf({}))[path]))
      t.match(plain, { metadata: {}, externalId: null })
      const query = `externalId=customer-4711&organization=${created.organization}`
      t.strictSame((await admin('GET', `${path}?${query}`)).json.data, [created])
      t.strictSame((await admin('GET', `${path}?externalId=customer-471`)).json.data, [], 'exactly')
      const changed = await made(admin('PATCH', own, { metadata: { team: 'ops' }, externalId: 'c' }))
      t.strictSame([changed.metadata, changed.externalId], [{ team: 'ops' }, 'c'])
      t.strictSame([changed.generation, changed.scopes], [created.generation, created.scopes], 'no authority')
      t.match(await made(admin('PATCH', own, { name: 'renamed' })), { metadata: { team: 'ops' }, externalId: 'c' })
      const removed = await made(admin('PATCH', own, { metadata: null, externalId: null }))
      t.strictSame([removed.metadata, removed.externalId], [{}, null])
    }
  })

  test('a change of them ends no token, and a rotated key keeps them', async t => {
    const client = await server.createClient(noted)
    const token = await server.tokenFor(client)
    await made(admin('PATCH', `/clients/${client.clientId}`, { metadata: { a: 'b' }, externalId: 'other' }))
    t.equal((await server.bearer(token)).status, 200)
    const { id } = await server.createKey(noted)
    t.match(await made(admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 })), noted)
  })

  test('N6: names of the prototype, control characters and more than fits are refused', async t => {
    const texts = (count: number, length: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 'x'.repeat(length)]))
    const bad: Record<string, string> = {
      'a reserved name': '{"metadata":{"constructor":"x"}}',
      'another one': '{"metadata":{"prototype":"x"}}',
      'the prototype': '{"metadata":{"__proto__":"x"}}',
      'the prototype as an object': '{"metadata":{"__proto__":{"admin":"x"}}}',
      'a member that is no text': '{"metadata":{"a":1}}',
      'a name with a line break': '{"metadata":{"a\\nb":"x"}}',
      'an empty name': '{"metadata":{"":"x"}}',
      'a text with a direction mark': '{"metadata":{"a":"\\u202e"}}',
      'half a character': '{"metadata":{"a":"\\ud800"}}',
      'a name of 65 characters': JSON.stringify({ metadata: { ['n'.repeat(65)]: 'x' } }),
      'a text of 257 characters': JSON.stringify({ metadata: texts(1, 257) }),
      '17 members': JSON.stringify({ metadata: texts(17, 1) }),
      'more than 4096 characters': JSON.stringify({ metadata: texts(16, 256) }),
      'an external id of 129 characters': JSON.stringify({ externalId: 'x'.repeat(129) }),
      'an empty external id': '{"externalId":""}',
      'an external id with NUL': '{"externalId":"a\\u0000"}',
    }
    const [key, client] = [await server.createKey(noted), await server.createClient(noted)]
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    for (const path of [`/api-keys/${key.id}`, `/clients/${client.clientId}`]) {
      for (const [title, body] of Object.entries(bad)) {
        const answer = await server.send({ method: 'PATCH', path: `/api/v1${path}`, headers, body })
        t.equal(answer.status, 400, `${path}: ${title}`)
      }
      t.match((await admin('GET', path)).json, noted, 'nothing was changed')
      const most = { metadata: texts(16, 250), externalId: 'x'.repeat(128) }
      t.match((await admin('PATCH', path, most)).json, most, 'as much as fits')
    }
    t.equal(({} as Json).admin, undefined)
  })
}

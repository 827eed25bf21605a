/** Operators of the deployment, their organization, and e-mails of members: over the management API. */
import tap from 'tap'
import { startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)
const operators = 'org_operators'

for (const { name: database, server } of servers) {
  const { admin, createKey, createOrganization, issuer, withKey } = server
  const management = `${issuer}/api/v1`
  const forbidden = { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } }
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  /** A call with a key of the management API, full access unless `input` says otherwise. */
  const callingWith = async (input: Json) => {
    const { key } = await createKey({ resource: management, scopes: undefined, access: 'full', ...input })
    return async (method: string, path: string, body?: Json): Promise<Answer> =>
      await withKey(key, `/api/v1${path}`, { method, ...(body && { body }) })
  }
  const withToken = (token: string) => async (method: string, path: string, body?: Json): Promise<Answer> =>
    await server.send({
      method, path: `/api/v1${path}`, headers: { authorization: `Bearer ${token}` }, ...(body && { body })
    })

  tap.test(`the first start has made the organization of the operators, with one owner [${database}]`, async t => {
    const organization = (await admin('GET', `/organizations/${operators}`)).json
    t.match(organization, { id: operators, name: 'Operators', status: 'active', features: [] })
    const { data } = (await admin('GET', `/members?organization=${operators}&operator=true`)).json
    t.match(data, [{ name: 'Operator', role: 'owner', operator: true, email: null, scopes: null, removedAt: null }])
    t.equal(data.length, 1)
    const rows = (await admin('GET', `/audit?organization=${operators}`)).json.data
    t.match(rows.toSorted((a: Json, b: Json) => a.type < b.type ? 1 : -1), [
      { type: 'organization.created', actor: 'system', subject: operators },
      { type: 'member.created', actor: 'system', subject: data[0].id, detail: { operator: true, role: 'owner' } }
    ])
  })

  tap.test(`the organization of the operators is neither suspended nor deleted [${database}]`, async t => {
    const requests: [string, string, Json?][] = [
      ['DELETE', ''], ['POST', '/suspend'], ['PATCH', '', { status: 'suspended' }]
    ]
    for (const [method, path, body] of requests) {
      const answer = await admin(method, `/organizations/${operators}${path}`, body)
      t.match(answer, { status: 409, json: { code: 'CONFLICT', error: /is that of the deployment's operators/ } })
    }
    t.match(await admin('PATCH', `/organizations/${operators}`, { name: 'Platform' }), { status: 200 })
    t.match((await admin('GET', `/organizations/${operators}`)).json, { status: 'active', name: 'Platform' })
  })

  tap.test(`operator is set by what acts for the whole deployment, with every scope, and never by an organization's own admin [${database}]`, async t => {
    const person = { organization: operators, name: 'Grace', role: 'admin' }
    const [owner] = (await admin('GET', `/members?organization=${operators}&operator=true`)).json.data
    const plain = await made('/members', person)
    t.equal(plain.operator, false, 'a member of Operators is none unless it says so')
    const callers = {
      'its owner, an operator, by a key': await callingWith({ organization: operators, creator: owner.id }),
      'its admin': await callingWith({ organization: operators, creator: plain.id }),
      'a key of it that no member bounds': await callingWith({ organization: operators }),
      'a deployment-wide token without every scope': withToken(
        (await made('/access-tokens', { organization: null, name: 'few', scopes: ['members:*', '*:read'] })).token
      ),
    }
    for (const [who, call] of Object.entries(callers)) {
      t.match(await call('POST', '/members', { ...person, operator: true }), forbidden, `${who}, a new one`)
      t.match(await call('PATCH', `/members/${plain.id}`, { operator: true }), forbidden, `${who}, one that is there`)
    }
    t.equal((await admin('GET', `/members/${plain.id}`)).json.operator, false)
    const wide = withToken((await made('/access-tokens', { organization: null, name: 'all', scopes: ['*'] })).token)
    t.match(await wide('PATCH', `/members/${plain.id}`, { operator: true }), { status: 200, json: { operator: true } })
    const restricted = withToken((await made('/access-tokens', {
      organization: null, name: 'ends', scopes: ['*'], expiresAt: '2098-01-01T00:00:00Z'
    })).token)
    t.match(await restricted('POST', '/members', { ...person, operator: true }), forbidden, 'it would outlive its end')
    for (const [who, call] of Object.entries(callers).slice(0, 3)) {
      for (const change of [{ name: 'x' }, { email: 'eve@example.com' }, { role: 'owner' }, { operator: false }]) {
        t.match(await call('PATCH', `/members/${plain.id}`, change), forbidden, `${who}: ${JSON.stringify(change)}`)
      }
      t.match(await call('DELETE', `/members/${plain.id}`), forbidden, `${who} removes no operator`)
    }
    const rows = (await admin('GET', `/audit?subject=${plain.id}&type=member.updated`)).json.data
    t.match(rows, [{ detail: { operator: true } }])
    const ended = await admin('PATCH', `/members/${plain.id}`, { operator: false })
    t.match(ended, { status: 200, json: { operator: false } })
  })

  tap.test(`an operator is a member of the operators' organization alone [${database}]`, async t => {
    const { id: organization } = await createOrganization('A')
    const answer = await admin('POST', '/members', { organization, name: 'Ada', role: 'owner', operator: true })
    t.strictSame([answer.status, answer.json], [400, {
      error: 'Operators are members of the organization org_operators; create the member there.',
      code: 'INVALID_REQUEST',
      details: { field: 'operator', organization: operators }
    }])
  })

  tap.test(`the last operator who may do everything stays, but for the admin token [${database}]`, async t => {
    const [owner] = (await admin('GET', `/members?organization=${operators}&operator=true`)).json.data
    const wide = withToken((await made('/access-tokens', { organization: null, name: 'all', scopes: ['*'] })).token)
    const reader = await made('/members', { organization: operators, name: 'Eve', role: 'viewer', operator: true })
    const group = await made('/groups', { organization: operators, name: 'all', scopes: ['*'] })
    await admin('PUT', `/groups/${group.id}/members/${reader.id}`)
    await made('/members', { organization: operators, name: 'another owner', role: 'owner' })
    for (const change of [{ operator: false }, { role: 'viewer' }, { scopes: [] }]) {
      const answer = await wide('PATCH', `/members/${owner.id}`, change)
      t.match(answer, { status: 409, json: { code: 'WOULD_LOCK_OUT' } }, JSON.stringify(change))
      t.match(answer.json.error, /^This would leave the deployment without an operator who may do everything\./)
    }
    t.match(await wide('DELETE', `/members/${owner.id}`), { status: 409 })
    const second = await made('/members', { organization: operators, name: 'Bob', role: 'owner', operator: true })
    t.equal((await wide('DELETE', `/members/${second.id}`)).status, 204, 'one is left')
    t.match(await admin('PATCH', `/members/${owner.id}`, { operator: false }), { status: 200 })
    t.match(await admin('PATCH', `/members/${owner.id}`, { operator: true }), { status: 200 })
  })

  tap.test(`an e-mail is that of one member of an organization, without regard to the case of ASCII letters [${database}]`, async t => {
    const [{ id: organization }, { id: other }] = [await createOrganization('A'), await createOrganization('B')]
    const ada = await made('/members', { organization, name: 'Ada', role: 'admin', email: 'Ada@Example.com' })
    t.equal(ada.email, 'Ada@Example.com', 'as it was given')
    const again = { organization, name: 'Eve', role: 'viewer', email: 'aDA@example.COM' }
    const taken = await admin('POST', '/members', again)
    t.strictSame([taken.status, taken.json], [409, {
      error: `The member ${ada.id} of ${organization} has the e-mail ada@example.com; an e-mail is that of one member.`,
      code: 'CONFLICT',
      details: { field: 'email', member: ada.id }
    }])
    t.match(await admin('POST', '/members', { organization: other, name: 'Ada', role: 'viewer', email: ada.email }), {
      status: 201
    })
    const eve = await made('/members', { organization, name: 'Eve', role: 'viewer', email: 'eve@example.com' })
    t.match(await admin('PATCH', `/members/${eve.id}`, { email: 'ADA@example.com' }), { status: 409 })
    t.match(await admin('PATCH', `/members/${ada.id}`, { email: 'ada@example.com' }), { status: 200 }, 'its own')
    const kelvin = 'eve@example.\u212Aom'
    t.match(await admin('PATCH', `/members/${eve.id}`, { email: kelvin }), { status: 200, json: { email: kelvin } })
    t.strictSame((await admin('GET', `/members?organization=${organization}&email=ADA%40EXAMPLE.COM`)).json.data, [
      (await admin('GET', `/members/${ada.id}`)).json
    ])
    t.strictSame((await admin('GET', '/members?email=eve%40example.kom')).json.data, [], 'U+212A is no k')
    for (const email of [
      '', 'ada', 'a b@example.com', 'a@b@c', '@example.com', 'ada@', 'a\n@example.com',
      `${'a'.repeat(251)}@b.c`
    ]) {
      const answer = await admin('PATCH', `/members/${eve.id}`, { email })
      t.match(answer, { status: 400, json: { code: 'INVALID_REQUEST' } }, JSON.stringify(email.slice(0, 20)))
    }
    t.match(await admin('POST', `/members/${ada.id}/remove`), { status: 200, json: { email: 'ada@example.com' } })
    const freed = await admin('PATCH', `/members/${eve.id}`, { email: 'ada@example.com' })
    t.equal(freed.status, 200, 'it was given up')
    t.match(await admin('PATCH', `/members/${eve.id}`, { email: null }), { status: 200, json: { email: null } })
  })

  tap.test(`of 10 members who take one e-mail at once one has it [${database}]`, async t => {
    const { id: organization } = await createOrganization('A')
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        admin('POST', '/members', { organization, name: `m${i}`, role: 'viewer', email: 'one@example.com' }))
    )
    t.strictSame(answers.map(({ status }) => status).sort(), [201, ...Array<number>(9).fill(409)])
  })
}

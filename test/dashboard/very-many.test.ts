/** More records of each kind than one request of the API reads: names stand beside ids, and each can be chosen. */
import tap from 'tap'
import { createMember, createPerson, fromOwnPages } from '../support/people.ts'
import { startServer, type Json } from '../support/test-server.ts'

const server = await startServer()
const { admin } = server

tap.setTimeout(300_000)
tap.teardown(server.close)

/** More than the API reads at once. */
const many = 205

async function fill (make: (number: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < many; i += 5) await Promise.all(Array.from({ length: 5 }, (_, offset) => make(i + offset)))
}

async function made (path: string, body: Json): Promise<Json> {
  const answer = await admin('POST', path, body)
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
  return answer.json
}

function browse ({ cookie }: { cookie: string }) {
  const headers = { cookie, ...fromOwnPages }
  return {
    page: async (path: string) => (await server.send({ path: `/dashboard${path}`, headers })).text,
    submit: async (path: string, form: Record<string, string>) => await server.send({
      method: 'POST', path: `/dashboard${path}`, headers, body: new URLSearchParams(form)
    })
  }
}

tap.test('a member of very many stands by name beside what is theirs, and joins a group by name or id', async t => {
  const person = await createPerson(server, { role: 'owner', name: 'Owner' })
  const { organization } = person
  const { id: oldest } = await createMember(server, { organization, name: 'The Oldest', role: 'admin' })
  const { id: key } = await server.createKey({ organization, creator: oldest })
  await fill(async i => await createMember(server, { organization, name: `Member ${i}`, role: 'viewer' }))
  await createMember(server, { organization, name: 'Member 7', role: 'viewer' })
  const { page, submit } = browse(person)
  t.match(await page(`/api-keys/${key}`), 'The Oldest')
  const { id: group } = await made('/groups', { organization, name: 'Books', scopes: [] })
  const form = await page(`/groups/${group}`)
  t.match(form, 'There are 208')
  t.match(form, '<datalist')
  const join = async (member: string) => await submit(`/groups/${group}/members`, { member })
  t.equal((await join('The Oldest')).status, 303)
  t.match(await page(`/groups/${group}`), 'The Oldest')
  const ambiguous = await join('Member 7')
  t.equal(ambiguous.status, 422)
  t.match(ambiguous.text, 'Several have the name Member 7')
  const unknown = await join('Nemo')
  t.equal(unknown.status, 422)
  t.match(unknown.text, 'No member has the id or the name Nemo')
  t.equal((await join(person.id)).status, 303)
  t.equal((await admin('GET', `/groups/${group}/members?total=true`)).json.pagination.total, 2)
  t.match(await page('/members?search=oldest'), 'One member, all shown')
  t.match(await page('/members'), /50 of 208 members/)
  const found = await submit('/members/search', { search: 'oldest', status: '', role: '', sort: 'name' })
  t.equal(found.headers.location, '/dashboard/members?search=oldest&sort=name')
})

tap.test('an organization of very many stands by name, and is chosen by name or id', async t => {
  const { id: oldest } = await server.createOrganization('The Oldest Ltd')
  await fill(async i => await server.createOrganization(`Company ${i}`))
  const operator = await createPerson(server, { organization: 'org_operators', operator: true, role: 'owner' })
  const { page, submit } = browse(operator)
  const member = await createMember(server, { organization: oldest, name: 'Of the oldest' })
  t.match(await page('/members?search=of+the+oldest'), 'The Oldest Ltd')
  for (const path of ['/members/new', '/groups/new', '/sign-in/providers/domains/new', '/audit', '/usage']) {
    t.match(await page(path), 'list="organization-list"', path)
  }
  const added = await submit('/members', {
    name: 'Ada', role: 'viewer', email: '', organization: 'The Oldest Ltd', attempt: 'a'.repeat(43)
  })
  t.equal(added.status, 303)
  t.equal((await admin('GET', `/members/${added.headers.location!.split('/').at(-1)}`)).json.organization, oldest)
  const wrong = await submit('/members', {
    name: 'Ada', role: 'viewer', email: '', organization: 'Nowhere', attempt: 'b'.repeat(43)
  })
  t.equal(wrong.status, 422)
  t.match(wrong.text, 'No organization has the id or the name Nowhere')
  const group = await submit('/groups', {
    name: 'G', description: '', scopes: '', organization: oldest, attempt: 'c'.repeat(43)
  })
  t.equal(group.status, 303)
  const audit = await submit('/audit/search', { organization: 'The Oldest Ltd' })
  t.equal(audit.headers.location, `/dashboard/audit?organization=${oldest}`)
  t.match(await page('/usage?organization=The+Oldest+Ltd'), 'Calls by day')
  await made('/email-domains', { organization: oldest, domain: 'oldest.example' })
  t.match(await page('/sign-in/providers'), 'The Oldest Ltd')
  t.match(await page(`/members/${member.id}`), 'Of the oldest')
})

tap.test('a key of very many stands by name at its webhook token, and is chosen by id', async t => {
  const person = await createPerson(server, { role: 'owner' })
  const { organization, id: creator } = person
  const oldest = await server.createKey({ organization, creator, name: 'The oldest key', scopes: ['*'] })
  await made('/webhook-tokens', { apiKey: oldest.id, object: { type: 'templates', id: 'tpl_1' } })
  await fill(async i => await server.createKey({ organization, creator, name: `Key ${i}`, scopes: [] }))
  const { page, submit } = browse(person)
  t.match(await page('/webhook-tokens'), 'The oldest key')
  t.match(await page('/webhook-tokens/new'), `There are ${many + 1}`)
  const answer = await submit('/webhook-tokens', {
    key: 'The oldest key', type: 'templates', object: 'tpl_2', attempt: 'd'.repeat(43)
  })
  t.equal(answer.status, 201)
  t.equal((await admin('GET', `/webhook-tokens?apiKey=${oldest.id}&total=true`)).json.pagination.total, 2)
})

tap.test('an API of very many is chosen by its address, with its scopes', async t => {
  const person = await createPerson(server, { role: 'owner' })
  const { organization } = person
  const identifier = 'https://oldest.acme.test'
  await made('/resources', { organization, identifier, name: 'The oldest', scopes: [{ name: 'rare:read' }] })
  await fill(async i => await made('/resources', {
    organization, identifier: `https://api${i}.acme.test`, name: `API ${i}`, scopes: [{ name: 'a:read' }]
  }))
  const { page, submit } = browse(person)
  const form = {
    name: 'nightly', environment: 'live', expiry: '', addresses: '', resource: identifier
  }
  t.match(await page('/api-keys/new'), 'list="resource-list"')
  const key = await submit('/api-keys', { ...form, access: 'read-only', attempt: 'e'.repeat(43) })
  t.equal(key.status, 201)
  const asked = await submit('/api-keys', { ...form, access: 'custom', attempt: 'f'.repeat(43) })
  t.equal(asked.status, 422)
  t.match(asked.text, 'rare:read', 'its scopes are there to tick')
  const ticked = { ...form, access: 'custom', grant: `${identifier} rare:read` }
  t.equal((await submit('/api-keys', { ...ticked, attempt: 'g'.repeat(43) })).status, 201)
  t.match(await page('/clients/new'), 'list="resource-list"')
  const client = await submit('/clients', {
    name: 'c',
    access: 'read',
    resource: identifier,
    method: 'client_secret_basic',
    jwks: '',
    addresses: '',
    attempt: 'h'.repeat(43)
  })
  t.equal(client.status, 201)
  const { json } = await admin('GET', `/clients?organization=${organization}`)
  t.match(json.data[0].grants, [{ resource: identifier, scopes: ['rare:read'] }])
})

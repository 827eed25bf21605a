/** Requests for pages of the dashboard that no link and no form of it makes, and an API that refuses in the middle. */
import { createHash } from 'node:crypto'
import tap from 'tap'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const { issuer, send, admin, createKey } = server
const asPage = (person: Person) => ({ cookie: person.cookie, accept: 'text/html' })
const page = (person: Person, path: string): Promise<Answer> => send({ path, headers: asPage(person) })
const form = (person: Person, path: string, fields: Record<string, string>): Promise<Answer> => send({
  method: 'POST', path, headers: { ...asPage(person), ...fromOwnPages }, body: new URLSearchParams(fields)
})

tap.test('what the API refuses before it is known for whom a page is, is a page with its status', async t => {
  const person = await createPerson(server)
  await admin('POST', `/organizations/${person.organization}/suspend`)
  const suspended = await page(person, '/dashboard/api-keys')
  t.equal(suspended.status, 403)
  t.match(suspended.text, /ORGANIZATION_SUSPENDED/)
  t.match(suspended.headers['content-type'], /^text\/html/)
  const name = person.cookie.split('=', 1)[0]
  const twice = await send({ path: '/dashboard', headers: { accept: 'text/html', cookie: `${name}=a; ${name}=b` } })
  t.equal(twice.status, 400)
  const program = await send({ path: '/dashboard', headers: { cookie: `${name}=a; ${name}=b` } })
  t.match(program, { status: 400, headers: { 'content-type': /^application\/json/ } })
  t.match(await send({ path: '/dashboard/nope' }), { status: 404, json: { code: 'NOT_FOUND' } })
  t.notMatch(server.lines.join(''), '"level":50')
})

tap.test('days that are none, and times that no form offers, are said to be wrong', async t => {
  const person = await createPerson(server)
  for (const day of ['garbage', '9999-99-99', '+275760-09-13', '']) {
    t.ok((await page(person, `/dashboard/audit?to=${encodeURIComponent(day)}`)).status < 500, `to=${day}`)
    t.ok((await page(person, `/dashboard/audit?from=${encodeURIComponent(day)}`)).status < 500, `from=${day}`)
  }
  for (const expiry of ['1000000000', '-1', 'soon', '1e309']) {
    const { status } = await form(person, '/dashboard/api-keys', {
      name: 'x', resource: issuer, environment: 'live', access: 'full', attempt: 'attempt', expiry
    })
    t.equal(status, 422, expiry)
  }
  t.strictSame((await admin('GET', `/api-keys?organization=${person.organization}`)).json.data, [])
})

tap.test('a saved secret leads to a page of the dashboard, whatever the form says', async t => {
  const person = await createPerson(server)
  const nexts = [
    'https://evil.example/', '//evil.example/', '/dashboard/../evil', '/dashboard/a\r\nb: c', '/dashboard/€',
    '/dashboardx', ''
  ]
  for (const next of nexts) {
    const { status, headers } = await form(person, '/dashboard/saved', { attempt: 'none', next })
    t.strictSame([status, headers.location], [303, '/dashboard'], next)
  }
  const { headers } = await form(person, '/dashboard/saved', { attempt: 'none', next: '/dashboard/api-keys/key_1' })
  t.equal(headers.location, '/dashboard/api-keys/key_1')
})

tap.test('a path without a screen is a page, and the way back from signing in is one that it takes', async t => {
  const person = await createPerson(server)
  t.match(await page(person, '/dashboard/nope'), { status: 404, headers: { 'content-type': /^text\/html/ } })
  t.match(await page(person, '/dashboard/'), { status: 303, headers: { location: '/dashboard' } })
  for (const query of [`search=${encodeURIComponent('😀'.repeat(200))}`, 'search=a\\b']) {
    const { headers } = await send({ path: `/dashboard/api-keys?${query}`, headers: { accept: 'text/html' } })
    const signIn = await send({ path: headers.location as string, headers: { accept: 'text/html' } })
    t.equal(signIn.status, 200, query)
  }
})

tap.test('an imported key that is pasted into a search leads to its key, and stands in no address', async t => {
  const person = await createPerson(server)
  const key = 'my-legacy-key-0123456789abcdef'
  const digest = createHash('sha256').update(key).digest('hex')
  const { json } = await admin('POST', '/api-keys/import', {
    organization: person.organization,
    resource: issuer,
    environment: 'live',
    name: 'Legacy',
    scopes: [],
    hint: '…',
    digest
  }) as { json: Json }
  const found = await form(person, '/dashboard/api-keys/search', { search: key })
  t.equal(found.headers.location, `/dashboard/api-keys/${json.id}`)
  const audit = await form(person, '/dashboard/audit/search', { subject: key })
  t.equal(audit.headers.location, `/dashboard/audit?subject=${json.id}`)
  const other = await form(person, '/dashboard/api-keys/search', { search: 'nightly-reports-of-acme' })
  t.equal(other.headers.location, '/dashboard/api-keys?search=nightly-reports-of-acme')
})

tap.test('a member is offered no change of what is not theirs', async t => {
  const { organization } = await createPerson(server)
  const member = await createPerson(server, { organization, role: 'member' })
  const own = await createKey({ organization, name: 'Mine', creator: member.id, scopes: ['invoices:read'] })
  const { id } = await createKey({ organization, name: 'Theirs', scopes: ['invoices:read'] })
  const list = (await page(member, '/dashboard/api-keys')).text
  t.match(list, `/api-keys/${own.id}/revoke`)
  t.notMatch(list, `/api-keys/${id}/revoke`)
  t.notMatch((await page(member, `/dashboard/api-keys/${id}`)).text, /Rename|Disable key/)
})

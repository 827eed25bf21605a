/** Consent: who may decide, about what, how often they are asked, and what their decision comes to. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem, returned,
  type AskingClient
} from '../support/authorizing.ts'
import { newBrowser, type Visit } from '../support/browsing.ts'
import { createMember, createPerson, fromOwnPages, signIn, type Person } from '../support/people.ts'
import { decodeJwt, startServer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const server = await startServer()
tap.teardown(server.close)
const { store } = server.latchkey.operation
const { challenge, verifier } = newPkce()
const asked = { resource: server.issuer, scope: 'invoices:read' }

async function pageFor (person: Person, client: AskingClient, more: Record<string, string> = {}) {
  const browser = browserOf(server, person)
  const page = await browser.open(authorizationUrl(server, client, challenge, { ...asked, ...more }), isCallback)
  return { browser, page, ...formOf(page) }
}

function formOf ({ text }: Visit) {
  const [action, shown] = [/action="([^"]+)"/, /name="shown" value="([^"]*)"/].map(each => each.exec(text)?.[1] ?? '')
  return { action: action!, shown: shown! }
}

const authorizationsOf = async (person: Person) =>
  (await store.authorizations.page({ limit: 50, after: null }, { memberId: person.id })).items

tap.test('A9: a decision is taken from the page alone, in the session that it was shown to, for what was shown', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const { browser, action, shown } = await pageFor(person, client)
  const url = server.url + action
  const post = (fields: Record<string, string>, headers: Record<string, string>) =>
    browser.send('POST', url, fields, headers)
  const allowed = { decision: 'allow', shown }
  t.equal((await post(allowed, { 'sec-fetch-site': 'cross-site' })).status, 403, 'from another site')
  t.equal((await post(allowed, { 'sec-fetch-site': 'same-site' })).status, 403)
  t.equal((await post(allowed, {})).status, 403, 'from no page')
  t.equal((await post(allowed, { origin: 'null' })).status, 403)
  t.equal((await post({ decision: 'allow' }, fromOwnPages)).status, 400, 'without the mark')
  t.equal((await post({ decision: 'allow', shown: `${shown}x` }, fromOwnPages)).status, 403)
  t.equal((await post({ decision: 'allow', shown: (await pageFor(person, client)).shown }, fromOwnPages)).status, 403)
  t.equal((await post({ decision: 'both', shown }, fromOwnPages)).status, 400)
  const another = browserOf(server, await signIn(server, person.id))
  t.equal((await another.send('POST', url, allowed, fromOwnPages)).status, 404, 'another browser')
  for (const [name, value] of browser.cookies.get(new URL(server.url).host)!) {
    if (!name.includes('session')) another.cookies.get(new URL(server.url).host)!.set(name, value)
  }
  t.equal((await another.send('POST', url, allowed, fromOwnPages)).status, 403, 'another session of the same person')
  t.strictSame(await authorizationsOf(person), [])
  t.equal((await post(allowed, fromOwnPages)).status, 303)
  t.equal((await authorizationsOf(person)).length, 1)
})

tap.test('A9: two clicks decide once, and a decision after the sign-out counts for nothing', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const { browser, action, shown } = await pageFor(person, client)
  const send = () => browser.send('POST', server.url + action, { decision: 'allow', shown }, fromOwnPages)
  const [first, second] = [await send(), await send()]
  t.equal(first.headers.location, second.headers.location)
  t.equal((await authorizationsOf(person)).length, 1)
  const other = await createPerson(server)
  const late = await pageFor(other, client)
  await store.personSessions.end(other.session, server.clock.now(), 'sign-out')
  const answer = await late.browser.send(
    'POST', server.url + late.action, { decision: 'allow', shown: late.shown }, fromOwnPages
  )
  t.equal(answer.status, 403)
  t.strictSame(await authorizationsOf(other), [])
})

tap.test('A9: scopes that changed since the page was shown are shown again, and not allowed', async t => {
  const person = await createPerson(server, { role: 'member', scopes: ['invoices:read', 'invoices:write'] })
  const client = await createAskingClient(server)
  const { browser, action, shown } = await pageFor(person, client, { scope: 'invoices:read invoices:write' })
  const member = (await store.members.get(person.id))!
  await store.members.update({ ...member, scopes: ['invoices:read'] })
  const answer = await browser.send('POST', server.url + action, { decision: 'allow', shown }, fromOwnPages)
  t.strictSame([answer.status, answer.headers.location], [303, action])
  t.strictSame(await authorizationsOf(person), [])
  const page = await browser.open(server.url + action, isCallback)
  t.match(page.text, /may not do yourself: <code>invoices:write<\/code>/)
  t.notMatch(page.text, '<li><code>invoices:write')
})

tap.test('A9: a description or a name of an API that changed since the page was shown is shown, and nothing allowed', async t => {
  const identifier = 'https://ledger.example.test'
  const described = (description: string) => ({ scopes: [{ name: 'books:read', description }] })
  const created = await server.admin('POST', '/resources', {
    identifier, name: 'Ledger', ...described('Read the titles of books')
  })
  t.equal(created.status, 201, created.text)
  const changes = [described('Read every page of all books'), { name: 'Whole library' }]
  for (const change of changes) {
    const person = await createPerson(server, { role: 'owner' })
    const client = await createAskingClient(server, { grant_types: ['authorization_code'] })
    const { browser, action, shown, page } = await pageFor(person, client, {
      resource: identifier, scope: 'books:read'
    })
    t.match(page.text, 'Allow access')
    const changed = await server.admin('PATCH', `/resources/${created.json.id}`, change)
    t.equal(changed.status, 200, changed.text)
    const answer = await browser.send('POST', server.url + action, { decision: 'allow', shown }, fromOwnPages)
    t.strictSame([answer.status, answer.headers.location], [303, action], JSON.stringify(change))
    t.strictSame(await authorizationsOf(person), [])
    const anew = await browser.open(server.url + action, isCallback)
    t.not(anew.text.replace(formOf(anew).shown, ''), page.text.replace(shown, ''))
    t.match(returned(await answerPage(server, browser, anew, 'allow')).code, /./)
  }
})

tap.test('denying goes back to the client with access_denied, and nothing is stored', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const { browser, page } = await pageFor(person, client)
  const end = await answerPage(server, browser, page, 'deny')
  t.match(returned(end), { error: 'access_denied', iss: server.issuer, state: 'a-state' })
  t.strictSame(await authorizationsOf(person), [])
  t.equal(await store.consents.about({ memberId: person.id, clientId: client.id, resourceId: 'res_host' }), null)
})

tap.test('what was allowed is not asked again, unless the client asks or is on the person\'s device', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  await authorize(server, client, person, asked)
  const again = await pageFor(person, client)
  t.ok(isCallback(again.page.url), 'a page less')
  t.notOk(isCallback((await pageFor(person, client, { prompt: 'consent' })).page.url))
  t.notOk(isCallback((await pageFor(person, client, { scope: 'invoices:read invoices:write' })).page.url), 'more')
  const native = await createAskingClient(server, {
    application_type: 'native', redirect_uris: ['http://127.0.0.1:3334/callback']
  })
  const until = (location: string) => location.startsWith(native.redirectUri)
  await authorize(server, native, person, asked, until)
  const page = await browserOf(server, person).open(authorizationUrl(server, native, challenge, asked), until)
  t.match(page.text, 'Only continue if you started this on this computer yourself.')
  const other = await createPerson(server)
  t.notOk(isCallback((await pageFor(other, client)).page.url), 'another person is asked')
})

tap.test('step-up: the page asks again, the consent remembers all, a token has what its request asked', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const first = await redeem(server, client, await authorize(server, client, person, asked))
  const { browser, page } = await pageFor(person, client, { scope: 'invoices:write' })
  t.match(page.text, '<li><code>invoices:write')
  const { code } = returned(await answerPage(server, browser, page, 'allow'))
  const second = await redeem(server, client, { code: code!, verifier })
  t.strictSame([first.json.scope, second.json.scope], ['invoices:read', 'invoices:write'])
  const consent = await store.consents.about({ memberId: person.id, clientId: client.id, resourceId: 'res_host' })
  t.strictSame([...consent!.scopes].sort(), ['invoices:read', 'invoices:write'])
  const both = await pageFor(person, client, { scope: 'invoices:read invoices:write' })
  t.ok(isCallback(both.page.url), 'the union is remembered')
  t.not(decodeJwt(first.json.access_token).payload.gnt, decodeJwt(second.json.access_token).payload.gnt)
})

tap.test('two installations of one client: the end of one leaves the other', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server)
  const [one, two] = [
    await redeem(server, client, await authorize(server, client, person, asked)),
    await redeem(server, client, await authorize(server, client, person, asked))
  ].map(({ json }) => json as Json) as [Json, Json]
  await store.authorizations.end(decodeJwt(one.access_token).payload.gnt, server.clock.now(), 'ended')
  t.equal((await server.bearer(one.access_token)).status, 401)
  t.equal((await server.bearer(two.access_token)).status, 200)
})

tap.test('a person without a session signs in first, and comes back to the page', async t => {
  const member = await createMember(server)
  const client = await createAskingClient(server)
  const browser = newBrowser()
  const page = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
  t.equal(page.status, 200)
  t.match(page.text, '<h1>Sign in')
  const url = [...browser.cookies.get(new URL(server.url).host)!.keys()]
  t.strictSame(url.some(name => name.includes('question')), true)
  const back = /name="return_to" value="([^"]+)"/.exec(page.text)?.[1] ??
    new URLSearchParams(page.url.split('?')[1]).get('return_to')!
  browserOf(server, await signIn(server, member.id), {
    ...browser,
    cookies: {
      set: (host: string, own: Map<string, string>) => {
        for (const [name, value] of own) browser.cookies.get(host)!.set(name, value)
      }
    } as unknown as typeof browser.cookies
  })
  const consent = await browser.open(server.url + back, isCallback)
  t.match(consent.text, 'wants to act for you')
  t.match(returned(await answerPage(server, browser, consent, 'allow')).code, /./)
})

tap.test('prompt=login and max_age want a sign-in that is new enough, and do not loop', async t => {
  const member = await createMember(server)
  const client = await createAskingClient(server)
  const longAgo = new Date(server.clock.now().getTime() - 3_600_000)
  const old = await signIn(server, member.id, { authenticatedAt: longAgo })
  const ways: Record<string, string>[] = [{ prompt: 'login' }, { scope: 'openid invoices:read', max_age: '60' }]
  for (const more of ways) {
    const browser = browserOf(server, old)
    const page = await browser.open(authorizationUrl(server, client, challenge, { ...asked, ...more }), isCallback)
    t.match(page.text, '<h1>Sign in', JSON.stringify(more))
    const back = new URLSearchParams(page.url.split('?')[1]).get('return_to') ??
      /name="return_to" value="([^"]+)"/.exec(page.text)![1]!
    server.clock.advance(1)
    const { cookie } = await signIn(server, member.id)
    const [name, value] = cookie.split('=') as [string, string]
    browser.cookies.get(new URL(server.url).host)!.set(name, value)
    const consent = await browser.open(server.url + back, isCallback)
    const end = isCallback(consent.url) ? consent : await answerPage(server, browser, consent, 'allow')
    t.match(returned(end).code, /./, `${JSON.stringify(more)} ${consent.text.slice(0, 300)}`)
  }
})

tap.test('a member authorizes no client of another organization, and none at a resource of another one', async t => {
  const person = await createPerson(server)
  const foreign = await server.createOrganization()
  const client = await createAskingClient(server, {}, { organizationId: foreign.id })
  const { browser, action, page } = await pageFor(person, client)
  t.match(page.text, '“Weather Agent” does not act for Acme')
  t.notMatch(page.text, 'value="allow"')
  const denied = await browser.send('POST', server.url + action, { decision: 'deny' }, fromOwnPages)
  t.match(returned(await browser.open(denied.headers.location!, isCallback)), {
    error: 'access_denied', error_description: /no member of the organization of this client/, state: 'a-state'
  })
  const identifier = 'https://theirs.example.test'
  const created = await server.admin('POST', '/resources', {
    organization: foreign.id, identifier, name: 'Theirs', scopes: [{ name: 'things:read' }]
  })
  t.equal(created.status, 201, created.text)
  const web = await createAskingClient(server)
  const more = { resource: identifier, scope: 'things:read' }
  t.match((await pageFor(person, web, more)).page.text, 'asks for an API that is not open to you')
  const owner = await createPerson(server, { organization: foreign.id })
  t.match((await pageFor(owner, web, more)).page.text, 'Theirs')
})

tap.test('a member hands on no more than they have: the rest is left out, and nothing is denied', async t => {
  const reader = await createPerson(server, { role: 'viewer' })
  const client = await createAskingClient(server)
  const given = await redeem(server, client, await authorize(server, client, reader, {
    ...asked, scope: 'invoices:read invoices:write'
  }))
  t.equal(given.json.scope, 'invoices:read')
  t.match((await pageFor(reader, client, { scope: 'invoices:write' })).page.text, 'asks for what you may not do')
})

tap.test('CD-09: a member that loses a permission takes it from the token on the next request', async t => {
  const person = await createPerson(server, { role: 'member', scopes: ['invoices:read', 'invoices:write'] })
  const client = await createAskingClient(server)
  const { json } = await redeem(server, client, await authorize(server, client, person, {
    ...asked, scope: 'invoices:read invoices:write'
  }))
  const write = () => server.bearer(json.access_token, '/api/v1/invoices', { method: 'POST', body: {} })
  t.equal((await write()).status, 201)
  const member = (await store.members.get(person.id))!
  await store.members.update({ ...member, scopes: ['invoices:read'] })
  t.equal((await write()).status, 403)
  t.equal((await server.bearer(json.access_token)).status, 200)
})

tap.test('A10: what a client says of itself is text', async t => {
  const person = await createPerson(server)
  const client = await createAskingClient(server, {}, { name: '<img src=x onerror=alert(1)>', origin: 'registered' })
  const { page } = await pageFor(person, client)
  t.notMatch(page.text, '<img src=x')
  t.match(page.text, '&#60;img src&#61;x')
  t.match(page.text, 'Unverified application.')
  t.match(page.headers['content-security-policy'], "default-src 'none'")
  t.notMatch(page.headers['content-security-policy'], 'form-action')
})

for (const end of ['revoke', 'disable']) {
  tap.test(`a client whose end is ${end} in the middle gets nothing`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { browser, action, shown } = await pageFor(person, client)
    t.equal((await server.admin('POST', `/clients/${client.id}/${end}`)).status, 200)
    const answer = await browser.send('POST', server.url + action, { decision: 'allow', shown }, fromOwnPages)
    t.equal(answer.status, 404)
    t.equal((await browser.send('GET', server.url + action)).status, 404)
    t.strictSame(await authorizationsOf(person), [])
  })

  tap.test(`the sign-in page names no client whose end is ${end}`, async t => {
    const client = await createAskingClient(server)
    const browser = newBrowser()
    const { url, text } = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
    t.match(text, '“Weather Agent” asks you to sign in')
    await server.admin('POST', `/clients/${client.id}/${end}`)
    t.notMatch((await browser.open(url, isCallback)).text, 'Weather Agent')
  })
}

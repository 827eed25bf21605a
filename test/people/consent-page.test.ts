/** The consent page: what it tells the person who decides, and whose decision it takes. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, redeem, returned,
  type AskingClient
} from '../support/authorizing.ts'
import type { Browser, Visit } from '../support/browsing.ts'
import { notAdmittedPage } from '../../src/pages/consent/consent-page.ts'
import type { Interaction } from '../../src/protocol/authorization/interactions.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { asPerson, createMember, createPerson, fromOwnPages, signIn, type Person } from '../support/people.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

/** The text of a page as a person reads it. */
function read (text: string): string {
  return text.slice(text.indexOf('<main')).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))).trim()
}

for (const { name, server } of servers) {
  const { issuer } = server
  const asked = { resource: issuer, scope: 'invoices:read invoices:write' }

  /** A person at the page of a client. */
  async function asking (
    client: AskingClient, person: Person, request: Record<string, string> = asked, browser = browserOf(server, person)
  ): Promise<{ browser: Browser, page: Visit, verifier: string }> {
    const { verifier, challenge } = newPkce()
    const page = await browser.open(authorizationUrl(server, client, challenge, request), isCallback)
    return { browser, page, verifier }
  }

  function post (browser: Browser, page: Visit, decision: string, more: Json = {}, headers: Json = fromOwnPages) {
    const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
    return browser.send('POST', page.url, { decision, shown, ...more }, headers)
  }

  async function weather (organization: string): Promise<string> {
    const identifier = `https://${newSecret().toLowerCase()}.example/mcp`
    const answer = await server.admin('POST', '/mcp-servers', {
      organization,
      identifier,
      name: 'Weather MCP',
      scopes: [
        { name: 'mcp:read', description: 'Read forecasts and alerts' },
        { name: 'mcp:write', description: 'Create and change alerts' },
        { name: 'mcp:plain' }
      ]
    })
    if (answer.status !== 201) throw new Error(answer.text)
    return identifier
  }

  tap.test(`[${name}] the page says as whom, who asks, at which API, what, for how long, and where to, in this order`, async t => {
    const ada = await createPerson(server)
    const resource = await weather(ada.organization)
    const client = await createAskingClient(server, {}, { origin: 'registered' })
    const { page } = await asking(client, ada, { resource, scope: 'mcp:read mcp:write mcp:plain' })
    t.equal(page.status, 200)
    const { name: acme } = (await server.admin('GET', `/organizations/${ada.organization}`)).json
    t.equal(read(page.text), `Signed in as Ada · ${acme} “Weather Agent” wants to act for you Unverified ` +
      `application. It chose its own name. It registered itself just now . At Weather MCP ${resource} ` +
      'mcp:read Read forecasts and alerts mcp:write Create and change alerts mcp:plain ' +
      'It keeps this access until you end it under Connected applications , also while you are away, for a year at ' +
      'most. It never does more than you may do yourself. You are sent back to app.example.test Allow access Cancel')
    t.notMatch(page.text, '<img src="http')
  })

  tap.test(`[${name}] what an operator made is not called unverified; what cannot refresh has access for an hour; a URL is shown`, async t => {
    const ada = await createPerson(server)
    const brief = await createAskingClient(server, { grant_types: ['authorization_code'] })
    const text = read((await asking(brief, ada)).page.text)
    t.notMatch(text, 'Unverified')
    t.match(text, 'It has this access for one hour, and then has to ask again.')
    const { store } = server.latchkey.operation
    const client = { ...(await store.clients.get(brief.id))!, id: 'https://app.example/client.json', origin: 'hosted' }
    const [resource, member, organization] = await Promise.all([
      store.resources.get('res_host'), store.members.get(ada.id), store.organizations.get(ada.organization)
    ])
    const page = notAdmittedPage({
      interaction: { client, resource, redirectUri: brief.redirectUri, uid: 'x' } as unknown as Interaction,
      member: member!,
      organization: organization!,
      others: [],
      now: server.clock.now()
    }, 'unapproved')
    t.match(read(`<main>${page.body}`), 'It chose its own name. It is known by https://app.example/client.json')
  })

  tap.test(`[${name}] a program on the device gets a warning, by loopback and by a private scheme`, async t => {
    const ada = await createPerson(server)
    for (const [uri, place, start] of [
      ['http://127.0.0.1:41512/callback', '127.0.0.1 (a program on this computer)', 'computer'],
      ['http://[::1]/callback', '[::1] (a program on this computer)', 'computer'],
      ['http://localhost:1/callback', 'localhost (a program on this computer)', 'computer'],
      ['https://localhost/callback', 'localhost (a program on this computer)', 'computer'],
      ['com.example.app:/callback', 'com.example.app: (a program on this device)', 'device'],
    ] as const) {
      const client = await createAskingClient(server, {
        redirect_uris: [uri], application_type: uri.startsWith('https:') ? 'web' : 'native'
      })
      const text = read((await asking(client, ada)).page.text)
      t.match(text, `You are sent back to ${place} Only continue if you started this on this ${start} yourself.`, uri)
    }
    t.notMatch(read((await asking(await createAskingClient(server), ada)).page.text), 'Only continue')
  })

  tap.test(`[${name}] only what is new stands open when more is asked for; what the person lacks is named`, async t => {
    const ada = await createPerson(server, { role: 'viewer' })
    const client = await createAskingClient(server)
    const first = await asking(client, ada, { ...asked, scope: 'invoices:read' })
    t.notMatch(read(first.page.text), /New|Allowed before|allowed all|asks for more/)
    await answerPage(server, first.browser, first.page, 'allow')
    await server.admin('PATCH', `/members/${ada.id}`, { role: 'member' })
    const grace = { ...ada, ...await signIn(server, ada.id) }
    const second = await asking(client, grace, { ...asked, scope: 'invoices:read invoices:write company:admin' })
    t.match(read(second.page.text), /New invoices:write Allowed before \(1\) invoices:read/)
    const again = await asking(client, grace, { ...asked, scope: 'invoices:read', prompt: 'consent' })
    t.match(read(again.page.text), 'You have allowed all of this before. invoices:read')
    const viewer = await createPerson(server, { role: 'viewer' })
    const more = await asking(client, viewer)
    t.match(
      read(more.page.text), 'invoices:read It asks for more, which you may not do yourself: invoices:write'
    )
  })

  tap.test(`[${name}] A10: names are text: markup, direction marks, invisible characters, 10 kB`, async t => {
    const ada = await createPerson(server)
    for (const [chosen, heading] of [
      ['<img src=x onerror=alert(1)>', '“<img src=x onerror=alert(1)>” wants'],
      ['Evil\u202egoog\u2066le\u200b', '“Evilgoogle” wants'],
      ['Two\n\u0000 lines\u2028', '“Two lines” wants'],
      ['x'.repeat(10_000), `“${'x'.repeat(79)}…” wants`],
      [`Z${'\u0301'.repeat(500)}`, `“Z${'\u0301'.repeat(3)}” wants`],
      ['</h1><script>', '“</h1><script>” wants'],
    ] as const) {
      // PostgreSQL stores no NUL; registration refuses it long before.
      const client = await createAskingClient(server, {}, { name: chosen.replaceAll('\u0000', '\u0001') })
      const { page } = await asking(client, ada)
      t.ok(read(page.text).includes(heading), `${heading}: ${read(page.text).slice(0, 200)}`)
      t.notMatch(page.text, /<img src=x|<script(?! src="\/assets\/)|[\u202a-\u202e\u2066-\u2069]/)
      t.ok(page.text.length < 5_000)
    }
    const nameless = await createAskingClient(server, {}, { name: '\u200b' })
    t.match(read((await asking(nameless, ada)).page.text), nameless.id.slice(0, 40))
  })

  tap.test(`[${name}] a person of several organizations chooses the one that the client acts for`, async t => {
    const { store } = server.latchkey.operation
    const here = await createMember(server, { name: 'Ada here' })
    const there = await createMember(server, { name: 'Ada there' })
    const createdAt = server.clock.now()
    const identity = { id: `idn_${newSecret()}`, provider: 'https://up.example', subject: newSecret(), createdAt }
    await store.identities.insert(identity)
    for (const { id, organization } of [here, there]) {
      await store.identities.link({ identityId: identity.id, organizationId: organization, memberId: id, createdAt })
      await server.admin('POST', '/trusted-providers', { organization, provider: 'up' })
    }
    const session = await signIn(server, here.id, { identityId: identity.id })
    const client = await createAskingClient(server)
    const browser = browserOf(server, session)
    const first = await asking(client, { ...here, ...session }, asked, browser)
    const nameOf = async ({ organization }: { organization: string }) =>
      (await server.admin('GET', `/organizations/${organization}`)).json.name as string
    t.match(read(first.page.text), `Act for another organization ${await nameOf(there)} “Weather`)
    const change = async (page: Visit, organization: string) => {
      const path = new URL(page.url).pathname
      const answer = await browser.send(
        'POST', `${server.url}/api/v1/auth/organization`, { organization, return_to: path }, fromOwnPages
      )
      t.equal(answer.headers.location, path)
      return await browser.open(server.url + path, isCallback)
    }
    const second = await change(first.page, there.organization)
    t.match(read(second.text), `Signed in as Ada there · ${await nameOf(there)}`)
    const end = await answerPage(server, browser, second, 'allow')
    const redeemed = await redeem(server, client, { code: returned(end).code!, verifier: first.verifier })
    const token = redeemed.json.access_token
    t.equal((await server.bearer(token, '/api/v1/invoices')).json.seen.organizationId, there.organization)

    const own = await createAskingClient(server, {}, { organizationId: here.organization })
    const elsewhere = await asking(own, { ...there, ...session }, asked, browser)
    t.match(read(elsewhere.page.text), `does not act for ${await nameOf(there)} It belongs to another organization ` +
      `of yours. Act for ${await nameOf(here)} Back to the application`)
    t.notMatch(elsewhere.page.text, 'value="allow"')
    const back = await change(elsewhere.page, here.organization)
    t.match(read(back.text), `Signed in as Ada here · ${await nameOf(here)}`)
  })

  tap.test(`[${name}] A9: the page has no form-action, and everything else of the policy`, async t => {
    const { page } = await asking(await createAskingClient(server), await createPerson(server))
    const policy = page.headers['content-security-policy'] as string
    t.notMatch(policy, 'form-action')
    t.match(policy, /^default-src 'none'; .*frame-ancestors 'none'$/)
    t.strictSame([page.headers['x-frame-options'], page.headers['cache-control']], ['DENY', 'no-store'])
  })

  tap.test(`[${name}] A9: a decision from elsewhere changes nothing: cross-site, another session, signed out, a foreign mark`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const { browser, page } = await asking(client, ada)
    const refused = async (what: string, answer: Visit) => {
      t.equal(answer.status, 403, what)
      t.strictSame(answer.headers.location, undefined, what)
    }
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' },
      { origin: 'null' }, {}
    ]) {
      for (const decision of ['allow', 'deny']) {
        await refused(JSON.stringify(headers), await post(browser, page, decision, {}, headers))
      }
    }
    const other = await asking(client, await createPerson(server))
    const foreign = /name="shown" value="([^"]*)"/.exec(other.page.text)![1]!
    for (const shown of [foreign, 'x', `${foreign}x`, page.text.length.toString()]) {
      await refused(`the mark ${shown}`, await post(browser, page, 'allow', { shown }))
    }
    const cookies = browser.cookies.get(new URL(server.url).host)!
    const [cookie, own] = ada.cookie.split('=') as [string, string]
    cookies.set(cookie, (await signIn(server, ada.id)).cookie.split('=')[1]!)
    await refused('another session of the same person', await post(browser, page, 'allow'))
    await refused('another session of the same person', await post(browser, page, 'deny'))
    cookies.set(cookie, own)
    await browser.send('POST', `${server.url}/api/v1/auth/logout`, {}, fromOwnPages)
    await refused('signed out', await post(browser, page, 'allow'))
    cookies.set(cookie, own)
    await refused('with the cookie of a session that has ended', await post(browser, page, 'allow'))
    cookies.delete('latchkey_question')
    t.equal((await post(browser, page, 'allow')).status, 404, 'in a browser that has not begun the request')
    const { store } = server.latchkey.operation
    const query = { limit: 10, after: null }
    t.strictSame((await store.authorizations.page(query, { clientId: client.id })).items, [])
    t.strictSame((await store.consents.page(query, { clientId: client.id })).items, [])
  })

  tap.test(`[${name}] A9: a decision is taken once: two clicks bring one authorization, the last click decides`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const { store } = server.latchkey.operation
    const begun = async () =>
      (await store.authorizations.page({ limit: 10, after: null }, { clientId: client.id })).items
    const { browser, page, verifier } = await asking(client, ada)
    const first = await post(browser, page, 'allow')
    const second = await post(browser, page, 'allow')
    t.strictSame([first.status, second.status, second.headers.location], [303, 303, first.headers.location])
    t.equal((await begun()).length, 1)
    const end = await browser.open(new URL(first.headers.location!, server.url).href, isCallback)
    t.equal((await redeem(server, client, { code: returned(end).code!, verifier })).status, 200)
    t.equal((await post(browser, page, 'allow')).status, 404, 'and never again')

    const again = await asking(client, ada, { ...asked, prompt: 'consent' })
    await post(again.browser, again.page, 'allow')
    const { headers } = await post(again.browser, again.page, 'deny')
    const denied = returned(await again.browser.open(new URL(headers.location!, server.url).href, isCallback))
    t.match(denied, { error: 'access_denied', iss: issuer, state: 'a-state' })
    const [latest] = await begun()
    t.equal(latest!.endedReason, 'ended', 'what the first click began has ended')
  })

  tap.test(`[${name}] clicks at once bring one code`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const { browser, page, verifier } = await asking(client, ada)
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(browser, page, 'allow')))
    t.ok(answers.every(({ status }) => status === 303 || status === 404), answers.map(({ status }) => status).join())
    const ends: Record<string, string>[] = []
    for (const { headers } of answers) {
      if (headers.location === undefined) continue
      ends.push(returned(await browser.open(new URL(headers.location, server.url).href, isCallback)))
    }
    const codes = ends.flatMap(({ code }) => code ?? [])
    t.equal(codes.length, 1)
    t.equal((await redeem(server, client, { code: codes[0]!, verifier })).status, 200)
  })

  tap.test(`[${name}] A9: what has changed since the page was shown is asked anew`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const given = await asking(client, ada)
    const onePage = async (what: string) => {
      const { status, headers } = await post(given.browser, given.page, 'allow')
      t.strictSame([status, headers.location], [303, new URL(given.page.url).pathname], what)
    }
    await server.admin('PATCH', `/clients/${client.id}`, { name: 'Bank' })
    await onePage('the name of the client')
    const other = await asking(client, ada, { ...asked, scope: 'invoices:read' })
    const narrow = /name="shown" value="([^"]*)"/.exec(other.page.text)![1]!
    t.equal((await post(given.browser, given.page, 'allow', { shown: narrow })).status, 403, 'the mark of other scopes')
    const { store } = server.latchkey.operation
    t.strictSame((await store.authorizations.page({ limit: 10, after: null }, { clientId: client.id })).items, [])
  })

  tap.test(`[${name}] who loses a permission between page and decision hands on what is left, and is asked before`, async t => {
    const organization = (await server.createOrganization()).id
    const ada = await createPerson(server, { organization, role: 'member' })
    const client = await createAskingClient(server)
    const scopes = (list: string[]) => server.latchkey.operation.store.transaction(async tx => {
      await tx.members.update({ ...(await tx.members.get(ada.id))!, scopes: list })
    })
    await scopes(['invoices:read', 'invoices:write'])
    const { browser, page, verifier } = await asking(client, ada)
    await scopes(['invoices:read'])
    const answer = await post(browser, page, 'allow')
    t.strictSame([answer.status, answer.headers.location], [303, new URL(page.url).pathname])
    const next = await browser.open(page.url, isCallback)
    t.match(read(next.text), 'invoices:read It asks for more, which you may not do yourself: invoices:write')
    const end = await answerPage(server, browser, next, 'allow')
    t.equal((await redeem(server, client, { code: returned(end).code!, verifier })).json.scope, 'invoices:read')
  })

  tap.test(`[${name}] who was removed between page and decision decides nothing`, async t => {
    const organization = (await server.createOrganization()).id
    await createMember(server, { organization })
    const ada = await createPerson(server, { organization, role: 'member' })
    const client = await createAskingClient(server)
    const { browser, page } = await asking(client, ada)
    t.equal((await server.admin('DELETE', `/members/${ada.id}`)).status, 204)
    t.equal((await post(browser, page, 'allow')).status, 403)
    t.equal((await asPerson(server, ada)('GET', '/auth/me')).status, 401)
    const { store } = server.latchkey.operation
    t.strictSame((await store.authorizations.page({ limit: 10, after: null }, { clientId: client.id })).items, [])
  })
}
